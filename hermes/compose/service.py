"""The ``build`` section of a service, checked and in one form. See the Compose Specification, "Build"."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from hermes.compose.documents import NOWHERE, Mapping, Override, Reset, shown
from hermes.errors import ComposeError, SourceLocation

SERVICE_KEYS: Final = frozenset(
    (
        *("annotations", "attach", "blkio_config", "build", "cap_add", "cap_drop", "cgroup", "cgroup_parent"),
        *("command", "configs", "container_name", "cpu_count", "cpu_percent", "cpu_period", "cpu_quota"),
        *("cpu_rt_period", "cpu_rt_runtime", "cpu_shares", "cpus", "cpuset", "credential_spec", "depends_on"),
        *(
            "deploy",
            "develop",
            "device_cgroup_rules",
            "devices",
            "dns",
            "dns_opt",
            "dns_search",
            "domainname",
        ),
        *("driver_opts", "entrypoint", "env_file", "environment", "expose", "extends", "external_links"),
        *("extra_hosts", "gpus", "group_add", "healthcheck", "hostname", "image", "init", "ipc", "isolation"),
        *("label_file", "labels", "links", "logging", "mac_address", "mem_limit", "mem_reservation"),
        *("mem_swappiness", "memswap_limit", "models", "network_mode", "networks", "oom_kill_disable"),
        *("oom_score_adj", "pid", "pids_limit", "platform", "ports", "post_start", "pre_stop", "privileged"),
        *("profiles", "provider", "pull_policy", "pull_refresh_after", "read_only", "restart", "runtime"),
        *("scale", "secrets", "security_opt", "shm_size", "stdin_open", "stop_grace_period", "stop_signal"),
        *(
            "storage_opt",
            "sysctls",
            "tmpfs",
            "tty",
            "ulimits",
            "use_api_socket",
            "user",
            "userns_mode",
            "uts",
        ),
        *("volumes", "volumes_from", "working_dir"),
    )
)
BUILD_KEYS: Final = frozenset(
    (
        *("additional_contexts", "args", "cache_from", "cache_to", "context", "dockerfile"),
        *("dockerfile_inline", "entitlements", "extra_hosts", "isolation", "labels", "network", "no_cache"),
        *("no_cache_filter", "platforms", "privileged", "provenance", "pull", "sbom", "secrets", "shm_size"),
        *("ssh", "tags", "target", "ulimits"),
    )
)
_MAPPINGS: Final = ("additional_contexts", "args", "labels", "ssh", "extra_hosts")
_LISTS: Final = ("cache_from", "cache_to", "entitlements", "no_cache_filter", "platforms", "tags")
_TEXTS: Final = ("context", "dockerfile", "dockerfile_inline", "isolation", "network", "target")
_SERVICE: Final = "service:"


@dataclass(frozen=True, slots=True)
class SecretUse:
    """A secret of a build: its name in the file, and the id that RUN knows it by."""

    source: str
    id: str
    place: SourceLocation


@dataclass(frozen=True, slots=True)
class Build:
    """How a service is built.

    ``context`` is an absolute path or an address. Of ``args`` that are None the value is that of the environment.
    ``contexts`` are the additional ones, of which those in ``services`` are the images of other services. ``ignored``
    names keys that mean nothing here.
    """

    context: str
    dockerfile: str = ""
    inline: str | None = None
    args: dict[str, str | None] = field(default_factory=dict)
    contexts: dict[str, str] = field(default_factory=dict)
    services: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    ssh: dict[str, str] = field(default_factory=dict)
    hosts: tuple[tuple[str, str], ...] = ()
    secrets: tuple[SecretUse, ...] = ()
    tags: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    cache_from: tuple[str, ...] = ()
    cache_to: tuple[str, ...] = ()
    target: str = ""
    network: str = ""
    pull: bool = False
    no_cache: bool = False
    fresh_stages: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    place: SourceLocation = NOWHERE


def canonical(service: Mapping, folder: str) -> Mapping:
    """Return a service as one file says it, with its ``build`` in the long form and paths below ``folder`` absolute.

    So sections of several files can be merged. Raises `ComposeError`.
    """
    section = service.get("build")
    if "build" not in service or isinstance(section, Reset):
        return service
    is_override = isinstance(section, Override)
    inner = section.value if isinstance(section, Override) else section
    place = service.place_of("build")
    if isinstance(inner, str):
        build = Mapping(place=place)
        build.set("context", inner, place)
    elif isinstance(inner, Mapping):
        build = _long(inner)
    else:
        raise ComposeError("build is a folder, or a mapping", location=place)
    if isinstance(text := build.get("context"), str):
        build.set("context", located(text, folder), build.place_of("context"))
    contexts = build.get("additional_contexts")
    if isinstance(contexts, Mapping):
        for name, where in contexts.items():
            if isinstance(where, str):
                contexts.set(name, located(where, folder), contexts.place_of(name))
    found = Mapping(dict(service.values), dict(service.places), service.place)
    found.set("build", Override(build) if is_override else build, place)
    return found


def located(text: str, folder: str) -> str:
    """Return a context as an absolute path, if it is a path and not an address, a label or a service."""
    if "://" in text or text.startswith((_SERVICE, "//", "git@", "github.com/", "oci-layout:")):
        return text
    return os.path.normpath(os.path.join(folder, os.path.expanduser(text)))


def _long(section: Mapping) -> Mapping:
    """Return a ``build`` section in which what may be a list of ``NAME=VALUE`` is a mapping; raises `ComposeError`."""
    check_keys(section, BUILD_KEYS, "build")
    found = Mapping(dict(section.values), dict(section.places), section.place)
    for key in _MAPPINGS:
        value = section.get(key)
        inner = value.value if isinstance(value, Override) else value
        if isinstance(inner, list):
            place = section.place_of(key)
            mapping = Mapping(place=place)
            for one in inner:
                name, after = _pair(key, one, place)
                mapping.set(
                    name, [*(mapping.get(name) or ()), after] if key == "extra_hosts" else after, place
                )
            found.set(key, Override(mapping) if isinstance(value, Override) else mapping, place)
    return found


def _pair(key: str, one: Any, place: SourceLocation) -> tuple[str, str | None]:
    if isinstance(one, Mapping | list) or one is None:
        raise ComposeError(f"build.{key} is a mapping, or a list of NAME=VALUE", location=place)
    text = shown(one)
    separator = ":" if key == "extra_hosts" and "=" not in text else "="
    name, equals, value = text.partition(separator)
    if key == "extra_hosts" and not equals:
        raise ComposeError(f"build.extra_hosts: expected NAME=IP, got {text!r}", location=place)
    return name, value if equals else None


def check_keys(mapping: Mapping, known: Iterable[str], what: str) -> None:
    """Raise `ComposeError` where a mapping has a key that the specification does not know; ``x-`` is anybody's own."""
    names = set(known)
    for key in mapping.values:
        if key not in names and not key.startswith("x-"):
            near = difflib.get_close_matches(key, names, 1)
            raise ComposeError(
                f"{what} has no key {key!r}",
                location=mapping.place_of(key),
                hint=f"did you mean {near[0]}?" if near else "name a key of your own x-...",
            )


def build_of(service: Mapping, folder: str) -> Build | None:
    """Return the checked ``build`` section of a service as `canonical` returns it; raises `ComposeError`.

    ``folder`` is the context where none is named.
    """
    section = service.get("build")
    if section is None:
        return None
    return _Section(section).build(folder, service.place_of("build"))


class _Section:
    def __init__(self, section: Mapping) -> None:
        self._section = section

    def build(self, folder: str, place: SourceLocation) -> Build:
        check_keys(self._section, BUILD_KEYS, "build")
        inline = self._text("dockerfile_inline")
        if inline is not None and self._text("dockerfile") is not None:
            raise self._error(
                "dockerfile_inline", "build has dockerfile and dockerfile_inline", "take one away"
            )
        contexts = {name: value or "" for name, value in self._texts("additional_contexts").items()}
        ignored = (
            "entitlements",
            "isolation",
            "provenance",
            "sbom",
            "shm_size",
            "ulimits",
        )
        return Build(
            context=self._text("context") or folder,
            dockerfile=self._text("dockerfile") or "",
            inline=inline,
            args=self._texts("args"),
            contexts={name: where for name, where in contexts.items() if not where.startswith(_SERVICE)},
            services={
                name: where.removeprefix(_SERVICE)
                for name, where in contexts.items()
                if where.startswith(_SERVICE)
            },
            labels={name: value or "" for name, value in self._texts("labels").items()},
            ssh={name: value or "" for name, value in self._texts("ssh").items()},
            hosts=tuple(self._hosts()),
            secrets=tuple(self._secrets()),
            tags=self._list("tags"),
            platforms=self._list("platforms"),
            cache_from=self._list("cache_from"),
            cache_to=self._list("cache_to"),
            target=self._text("target") or "",
            network=self._text("network") or "",
            pull=self._flag("pull"),
            no_cache=self._flag("no_cache"),
            fresh_stages=self._list("no_cache_filter"),
            ignored=tuple(key for key in ignored if self._section.get(key) not in (None, False, [])),
            place=place,
        )

    def _error(self, key: str, message: str, hint: str | None = None) -> ComposeError:
        return ComposeError(message, location=self._section.place_of(key), hint=hint)

    def _text(self, key: str) -> str | None:
        value = self._section.get(key)
        if value is None:
            return None
        if isinstance(value, Mapping | list | bool):
            raise self._error(key, f"build.{key} is a text")
        return shown(value)

    def _texts(self, key: str) -> dict[str, str | None]:
        value = self._section.get(key)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise self._error(key, f"build.{key} is a mapping, or a list of NAME=VALUE")
        found: dict[str, str | None] = {}
        for name, one in value.items():
            if isinstance(one, Mapping | list):
                problem = f"build.{key}.{name} is a text, a number, true or false"
                raise ComposeError(problem, location=value.place_of(name))
            found[name] = None if one is None else shown(one)
        return found

    def _list(self, key: str) -> tuple[str, ...]:
        value = self._section.get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or any(
            isinstance(one, Mapping | list) or one is None for one in value
        ):
            raise self._error(key, f"build.{key} is a list of texts")
        return tuple(dict.fromkeys(map(shown, value)))

    def _flag(self, key: str) -> bool:
        value = self._section.get(key)
        if value is None or isinstance(value, bool):
            return bool(value)
        text = shown(value).lower()
        if text not in ("true", "false", "yes", "no", "on", "off", "y", "n", "1", "0"):
            raise self._error(key, f"build.{key} is true or false")
        return text in ("true", "yes", "on", "y", "1")

    def _hosts(self) -> Iterator[tuple[str, str]]:
        value = self._section.get("extra_hosts")
        if not isinstance(value, Mapping):
            return
        for name, where in value.items():
            for one in where if isinstance(where, list) else [where]:
                if isinstance(one, Mapping | list) or one is None:
                    problem = f"build.extra_hosts.{name} is an address"
                    raise ComposeError(problem, location=value.place_of(name))
                yield name, shown(one).removeprefix("[").removesuffix("]")

    def _secrets(self) -> Iterator[SecretUse]:
        value = self._section.get("secrets")
        if value is None:
            return
        place = self._section.place_of("secrets")
        if not isinstance(value, list):
            raise ComposeError("build.secrets is a list", location=place)
        uses: dict[str, SecretUse] = {}
        for one in value:
            if isinstance(one, Mapping):
                check_keys(one, ("source", "target", "uid", "gid", "mode"), "a secret of build")
                source, target = one.get("source"), one.get("target")
                if not isinstance(source, str):
                    raise ComposeError("a secret of build has a source", location=one.place)
                use = SecretUse(source, str(target or source).rpartition("/")[2], one.place)
            elif isinstance(one, str):
                use = SecretUse(one, one, place)
            else:
                raise ComposeError("a secret of build is a name or a mapping", location=place)
            uses[use.id] = use
        yield from uses.values()
