"""The targets of bake files -> Dockerfiles to build."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from hermes.bake.project import Target
from hermes.build.dockerfile.options import PULL_ALWAYS, DockerfileOptions
from hermes.build.dockerfile.together import Wanted
from hermes.build.secrets import SecretSource
from hermes.build.ssh_agents import AgentSource
from hermes.errors import BakeError, UsageError
from hermes.naming.caches import cache_from, cache_to, usable
from hermes.naming.outputs import parse_output

_TARGET: Final = "target:"
_NETWORKS: Final = ("default", "host", "none")
_NOT_APPLIED: Final = ("entitlements", "shm-size", "ulimits")


def wanted_of(
    targets: Mapping[str, Target], given: DockerfileOptions, say: Callable[[str], None]
) -> dict[str, Wanted]:
    """Return the Dockerfiles of targets, by their names; what the command line says, in ``given``, counts for all.

    ``say`` is told what is not done. Raises `BakeError`, and `UsageError` for secrets and agents that are wrong.
    """
    return {name: _Target(one, given, say).wanted() for name, one in targets.items()}


class _Target:
    def __init__(self, target: Target, given: DockerfileOptions, say: Callable[[str], None]) -> None:
        self._target = target
        self._values: dict[str, Any] = target.values
        self._given = given
        self._say = say

    def wanted(self) -> Wanted:
        values, given = self._values, self._given
        if ignored := [one for one in _NOT_APPLIED if values.get(one)]:
            self._say(
                f"warning: {self._target.place}: {self._target.name}: RUN runs without {', '.join(ignored)}"
            )
        contexts: dict[str, str] = values.get("contexts") or {}
        context = values.get("context") or "."
        inline = values.get("dockerfile-inline")
        dockerfile = values.get("dockerfile") or ""
        is_here = "://" not in context and not context.startswith("git@")
        file = os.path.join(context, dockerfile) if dockerfile and is_here else dockerfile
        options = replace(
            given,
            context=context,
            file="" if inline is not None else file,
            text=inline,
            tags=tuple(dict.fromkeys(values.get("tags") or ())),
            target=values.get("target") or "",
            arguments={**(values.get("args") or {}), **given.arguments},
            contexts={
                **{name: one for name, one in contexts.items() if not one.startswith(_TARGET)},
                **given.contexts,
            },
            platform=given.platform or ",".join(values.get("platforms") or ()),
            pull=PULL_ALWAYS if values.get("pull") else given.pull,
            labels={**(values.get("labels") or {}), **given.labels},
            annotations={**dict(self._annotations()), **given.annotations},
            use_cache=given.use_cache and not values.get("no-cache"),
            fresh_stages=(*given.fresh_stages, *(values.get("no-cache-filter") or ())),
            hosts=(*self._hosts(), *given.hosts),
            network=self._network(),
            secrets=(*given.secrets, *self._secrets()),
            agents=(*given.agents, *map(AgentSource.parse, values.get("ssh") or ())),
            destinations=(*self._outputs(), *given.destinations),
            cache_from=(*usable(values.get("cache-from") or (), cache_from, self._say), *given.cache_from),
            cache_to=(*usable(values.get("cache-to") or (), cache_to, self._say), *given.cache_to),
        )
        uses = {name: one.removeprefix(_TARGET) for name, one in contexts.items() if one.startswith(_TARGET)}
        return Wanted(options, uses)

    def _error(self, message: str, hint: str | None = None) -> BakeError:
        return BakeError(f"{self._target.name}: {message}", location=self._target.place, hint=hint)

    def _outputs(self) -> Iterator[str]:
        """Yield what the target says of outputs, unless the command line does."""
        if self._given.destinations:
            return
        for text in self._values.get("output") or ():
            try:
                asked = parse_output(text)
            except UsageError as error:
                raise self._error(f"output: {error.message}", error.hint) from None
            if asked.push and not (self._values.get("tags") or asked.names):
                raise self._error("it is pushed and has no tags", 'tags = ["registry.example.org/app:v1"]')
            yield text

    def _network(self) -> str:
        network = self._values.get("network")
        if not network:
            return self._given.network
        if network not in _NETWORKS:
            raise self._error(f"there is no network {network!r} for RUN", f"it is {', '.join(_NETWORKS)}")
        return str(network)

    def _annotations(self) -> Iterator[tuple[str, str]]:
        for text in self._values.get("annotations") or ():
            name, equals, value = text.partition("=")
            if not equals:
                raise self._error(f"annotations: expected NAME=VALUE, got {text!r}")
            yield name.rpartition(":")[2], value

    def _hosts(self) -> Iterator[tuple[str, str]]:
        for name, address in (self._values.get("extra-hosts") or {}).items():
            try:
                yield name, str(ipaddress.ip_address(address))
            except ValueError:
                raise self._error(
                    f"extra-hosts: {address!r} is not an IP address", 'such as {db = "10.0.0.7"}'
                ) from None

    def _secrets(self) -> Iterator[SecretSource]:
        given = {one.id for one in self._given.secrets}
        for text in self._values.get("secret") or ():
            parts = [one for one in text.split(",") if not one.startswith("type=")]
            if len(parts) == 1 and parts[0].startswith("id="):
                parts.append(f"env={parts[0].removeprefix('id=')}")
            source = SecretSource.parse(",".join(parts))
            if source.id not in given:
                yield source
