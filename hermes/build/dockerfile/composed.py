"""The services of a compose file -> Dockerfiles to build."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from hermes.build.dockerfile.options import PULL_ALWAYS, DockerfileOptions
from hermes.build.dockerfile.outputs import PUSH
from hermes.build.dockerfile.together import Wanted
from hermes.build.secrets import SecretSource
from hermes.build.ssh_agents import AgentSource
from hermes.compose.project import Project, Service
from hermes.compose.service import Build
from hermes.errors import ComposeError
from hermes.naming.caches import cache_from, cache_to, usable

_NETWORKS: Final = ("default", "host", "none")
_NOT_APPLIED: Final = ("entitlements", "isolation", "privileged", "shm_size", "ulimits")


def wanted_of(
    project: Project, names: Sequence[str], given: DockerfileOptions, say: Callable[[str], None]
) -> dict[str, Wanted]:
    """Return the Dockerfiles of services and of those whose images they use, by the names of services.

    What the command line says, in ``given``, counts for all. ``say`` is told what is not done. Raises `ComposeError`,
    and `UsageError` for a service that is not there.
    """
    found: dict[str, Wanted] = {}
    pending = project.chosen(names)
    for service in pending:
        if service.build is None and service.name in names:
            say(f"warning: the service {service.name} has no build section; its image is {service.image}")
    while pending:
        service = pending.pop(0)
        if service.build is None or service.name in found:
            continue
        found[service.name] = _Service(project, service, service.build, given, say).wanted()
        pending += [project.services[name] for name in found[service.name].uses.values()]
    _check_names(project, found)
    return found


def _check_names(project: Project, wanted: dict[str, Wanted]) -> None:
    """Raise `ComposeError` where two services give one name to different images."""
    owners: dict[str, str] = {}
    for name, one in wanted.items():
        for tag in one.options.tags:
            other = owners.setdefault(tag, name)
            if _untagged(wanted[other]) != _untagged(one):
                raise ComposeError(
                    f"the services {other} and {name} give the name {tag} to different images",
                    location=project.services[name].place,
                    hint=f"the other is at {project.services[other].place}; give each an image: of its own",
                )


def _untagged(one: Wanted) -> Wanted:
    return Wanted(replace(one.options, tags=()), one.uses)


class _Service:
    def __init__(
        self,
        project: Project,
        service: Service,
        build: Build,
        given: DockerfileOptions,
        say: Callable[[str], None],
    ) -> None:
        self._project = project
        self._service = service
        self._build = build
        self._given = given
        self._say = say

    def wanted(self) -> Wanted:
        build, given, project = self._build, self._given, self._project
        if build.ignored and (names := [one for one in build.ignored if one in _NOT_APPLIED]):
            self._say(f"warning: {build.place}: RUN runs without build.{', build.'.join(names)}")
        uses, images = self._uses()
        is_here = os.path.isabs(build.context)
        file = (
            os.path.join(build.context, build.dockerfile)
            if is_here and build.dockerfile
            else build.dockerfile
        )
        tags = [project.image_of(self._service), *build.tags]
        options = replace(
            given,
            context=build.context,
            file="" if build.inline is not None else file,
            text=build.inline,
            tags=tuple(dict.fromkeys(tags)),
            target=build.target,
            arguments={**dict(self._arguments()), **given.arguments},
            contexts={**build.contexts, **images, **given.contexts},
            platform=given.platform or self._platform(),
            pull=PULL_ALWAYS if build.pull else given.pull,
            labels={**build.labels, **given.labels},
            use_cache=given.use_cache and not build.no_cache,
            fresh_stages=(*given.fresh_stages, *build.fresh_stages),
            network=self._network(),
            secrets=(*given.secrets, *self._secrets()),
            agents=(*given.agents, *self._agents()),
            hosts=(*self._hosts(), *given.hosts),
            destinations=tuple(self._destinations()),
            cache_from=(*usable(build.cache_from, cache_from, self._say), *given.cache_from),
            cache_to=(*usable(build.cache_to, cache_to, self._say), *given.cache_to),
        )
        return Wanted(options, uses)

    def _error(self, message: str, hint: str | None = None) -> ComposeError:
        return ComposeError(f"{self._service.name}: {message}", location=self._build.place, hint=hint)

    def _destinations(self) -> Iterator[str]:
        """Yield the outputs of the command line; what is pushed has names that the file gives it, as with compose."""
        named = [one for one in (self._service.image, *self._build.tags) if one]
        for text in self._given.destinations:
            if text != PUSH:
                yield text
            elif named:
                yield f'{PUSH},"name={",".join(named)}"'
            else:
                self._say(f"warning: {self._service.name} has no image:, and is not pushed")

    def _uses(self) -> tuple[dict[str, str], dict[str, str]]:
        """Return the contexts that are images of other services: built here, and named only."""
        uses, images = {}, {}
        for context, name in self._build.services.items():
            other = self._project.services.get(name)
            if other is None:
                known = ", ".join(self._project.services)
                raise self._error(
                    f"the context {context} is of a service {name}, which is not there",
                    f"the services are {known}",
                )
            if other.build is not None:
                uses[context] = name
            elif other.image:
                images[context] = f"docker-image://{other.image}"
            else:
                raise self._error(
                    f"the context {context} is of {name}, which has no build section and no image"
                )
        return uses, images

    def _arguments(self) -> Iterator[tuple[str, str]]:
        for name, value in self._build.args.items():
            found = self._project.variables.get(name) if value is None else value
            if found is not None:
                yield name, found

    def _platform(self) -> str:
        return ",".join(self._build.platforms) or self._service.platform

    def _network(self) -> str:
        network = self._build.network
        if not network:
            return self._given.network
        if network not in _NETWORKS:
            raise self._error(f"there is no network {network!r} for RUN", f"it is {', '.join(_NETWORKS)}")
        return network

    def _hosts(self) -> Iterator[tuple[str, str]]:
        for name, address in self._build.hosts:
            try:
                yield name, str(ipaddress.ip_address(address))
            except ValueError:
                raise self._error(
                    f"extra_hosts: {address!r} is not an IP address", "write NAME=IP, such as db=10.0.0.7"
                ) from None

    def _secrets(self) -> Iterator[SecretSource]:
        given = {one.id for one in self._given.secrets}
        for use in self._build.secrets:
            secret = self._project.secrets.get(use.source)
            if secret is None:
                raise ComposeError(
                    f"there is no secret {use.source!r}",
                    location=use.place,
                    hint="declare it under secrets: at the top of the file, with file: or environment:",
                )
            if not (secret.file or secret.variable):
                raise ComposeError(
                    f"the secret {use.source!r} has no file and no environment", location=use.place
                )
            if use.id not in given:
                yield SecretSource(use.id, secret.file, secret.variable)

    def _agents(self) -> Iterator[AgentSource]:
        given = {one.id for one in self._given.agents}
        for name, paths in self._build.ssh.items():
            if name not in given:
                yield AgentSource.parse(f"{name}={paths}" if paths else name)
