"""Compose files -> the project that they describe.

See the Compose Specification: "Merge", "Include", "Extend", "Profiles" and "Interpolation".
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Mapping as Variables
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from hermes.compose.documents import Mapping, Override, read, shown
from hermes.compose.merging import merged, settled
from hermes.compose.service import SERVICE_KEYS, Build, build_of, canonical, check_keys
from hermes.compose.variables import VariableError, interpolated, parse_env_file
from hermes.errors import ComposeError, SourceLocation, UsageError

ENV_FILE: Final = ".env"
_TOP_KEYS: Final = (
    *("configs", "include", "models", "name", "networks", "secrets", "services", "version", "volumes"),
)
_VERSION: Final = re.compile(r"[23](?:\.\d+)?")
_PROJECT_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]*")
_SERVICE_NAME: Final = re.compile(r"[a-zA-Z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret comes from: a file, or a variable of the environment."""

    file: str = ""
    variable: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """The fields of a compose file's service that matter for its image."""

    name: str
    image: str
    build: Build | None
    platform: str
    profiles: tuple[str, ...]
    place: SourceLocation


@dataclass(frozen=True, slots=True)
class Project:
    """A project: its name, its services and secrets, and the variables that its files were read with."""

    name: str
    services: dict[str, Service]
    secrets: dict[str, Secret]
    variables: Variables[str, str]
    profiles: frozenset[str] = frozenset()

    def image_of(self, service: Service) -> str:
        """Return the name of the image of a service: what the file says, or ``PROJECT-SERVICE``."""
        return service.image or f"{self.name}-{service.name}".lower()

    def chosen(self, names: Sequence[str]) -> list[Service]:
        """Return the services that are named, or all that no profile keeps out; raises `UsageError`."""
        if not names:
            return [one for one in self.services.values() if self._is_enabled(one)]
        for name in names:
            if name not in self.services:
                near = difflib.get_close_matches(name, self.services, 1)
                known = ", ".join(self.services)
                raise UsageError(
                    f"there is no service {name}",
                    hint=f"did you mean {near[0]}?" if near else f"the services are {known}",
                )
        return [self.services[name] for name in dict.fromkeys(names)]

    def _is_enabled(self, service: Service) -> bool:
        return not service.profiles or "*" in self.profiles or not self.profiles.isdisjoint(service.profiles)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says: the files in their order, and what else decides what they mean.

    ``name`` and ``profiles`` count before what the environment and the files say; ``env_files`` take the place of
    ``.env``.
    """

    files: Sequence[str]
    name: str = ""
    profiles: Sequence[str] = ()
    env_files: Sequence[str] = ()


def load(asked: Asked, environment: Variables[str, str], say: Callable[[str], None]) -> Project:
    """Return the project that files describe; raises `ComposeError`, and `UsageError` where a file cannot be read.

    ``say`` is told of warnings.
    """
    folder = os.path.dirname(os.path.abspath(asked.files[0]))
    loader = _Loader(say)
    variables = loader.variables(folder, asked.env_files, environment)
    document = loader.document(asked.files, folder, variables)
    name = asked.name or variables.get("COMPOSE_PROJECT_NAME", "") or _text(document, "name") or ""
    profiles = asked.profiles or [one for one in variables.get("COMPOSE_PROFILES", "").split(",") if one]
    services = _services(document, folder)
    return Project(
        _project_name(name, folder, document.place_of("name")),
        services,
        _secrets(document),
        variables,
        frozenset(profiles),
    )


class _File(NamedTuple):
    """A file, the folder that its paths are relative to, and the variables that it is read with."""

    path: str
    folder: str
    variables: Variables[str, str]


class _Loader:
    """Reads files, each once in a chain of those that include or extend each other."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._told: set[str] = set()
        self._reading: list[str] = []

    def variables(
        self, folder: str, env_files: Sequence[str], outside: Variables[str, str]
    ) -> dict[str, str]:
        """Return the variables of the environment, and what environment files set besides."""
        default = os.path.join(folder, ENV_FILE)
        paths = list(env_files) or ([default] if os.path.isfile(default) else [])
        found: dict[str, str] = {}
        for path in paths:
            try:
                text = _bytes_of(path).decode("utf-8")
                found.update(parse_env_file(text, outside, lambda name, path=path: self._unset(name, path)))  # type: ignore[misc]
            except UnicodeDecodeError:
                raise UsageError(f"{_short(path)}: the file is not UTF-8") from None
            except VariableError as error:
                raise UsageError(f"{_short(path)}: {error.message}", hint=error.hint) from None
        return {**found, **outside}

    def document(self, files: Iterable[str], folder: str, variables: Variables[str, str]) -> Mapping:
        """Return what files say together, with what they include and what their services extend."""
        found = Mapping()
        for file in files:
            found = self._over(found, file, folder, variables)
        return settled(found)

    def _over(self, below: Mapping, file: str, folder: str, variables: Variables[str, str]) -> Mapping:
        path = os.path.abspath(file)
        if path in self._reading:
            chain = " -> ".join(map(_short, [*self._reading[self._reading.index(path) :], path]))
            raise ComposeError(
                f"include cycle: {chain}",
                location=SourceLocation(_short(path)),
                hint="take one of them out of include",
            )
        self._reading.append(path)
        try:
            document = self._read(path, folder, variables)
            included = self._included(document, folder, variables)
            services = _mapping(document, "services")
            for name in list(services.values):
                self._extend(name, services, _File(path, folder, variables))
            document.set("services", services, document.place_of("services"))
            return merged(merged(below, included), document)
        finally:
            self._reading.pop()

    def _read(self, path: str, folder: str, variables: Variables[str, str]) -> Mapping:
        def interpolate(text: str, place: SourceLocation) -> str:
            return interpolated(text, variables, lambda name: self._unset(name, f"{place.file}:{place.line}"))

        document = Mapping()
        for one in read(_bytes_of(path), _short(path), interpolate):
            document = merged(document, self._checked(one, path, folder))
        return document

    def _checked(self, document: Mapping, path: str, folder: str) -> Mapping:
        if "services" not in document and "include" not in document:
            old = [key for key, one in document.items() if isinstance(one, Mapping) and _is_service(one)]
            hint = "put its services under services:" if old else None
            raise ComposeError(
                "the file has no services", location=SourceLocation(_short(path), 1), hint=hint
            )
        check_keys(document, _TOP_KEYS, "a compose file")
        version = document.get("version")
        if version is not None and not _VERSION.fullmatch(shown(version)):
            raise ComposeError(
                f"unknown version {shown(version)!r} of compose files",
                location=document.place_of("version"),
                hint="leave it out: files are read by the Compose Specification",
            )
        services = _mapping(document, "services")
        for name, service in services.items():
            place = services.place_of(name)
            if not _SERVICE_NAME.fullmatch(name):
                raise ComposeError(f"invalid name of a service {name!r}", location=place)
            if not isinstance(service, Mapping):
                raise ComposeError(f"the service {name} is not a mapping", location=place)
            check_keys(service, SERVICE_KEYS, f"the service {name}")
            services.set(name, canonical(service, folder), place)
        secrets = _mapping(document, "secrets")
        for name, secret in secrets.items():
            if isinstance(secret, Mapping) and isinstance(file := secret.get("file"), str):
                where = os.path.normpath(os.path.join(folder, os.path.expanduser(file)))
                secret.set("file", where, secret.place_of("file"))
            elif not isinstance(secret, Mapping | Override):
                raise ComposeError(f"the secret {name} is not a mapping", location=secrets.place_of(name))
        return document

    def _included(self, document: Mapping, folder: str, variables: Variables[str, str]) -> Mapping:
        listed = document.get("include")
        document.values.pop("include", None)
        found = Mapping()
        if listed is None:
            return found
        place = document.place_of("include")
        if not isinstance(listed, list):
            raise ComposeError("include is a list of files", location=place)
        for one in listed:
            files, env_files, directory = _include(one, place)
            paths = [os.path.join(folder, os.path.expanduser(file)) for file in files]
            where = (
                os.path.join(folder, directory) if directory else os.path.dirname(os.path.abspath(paths[0]))
            )
            own = self.variables(where, [os.path.join(folder, file) for file in env_files], variables)
            below = self.document(paths, where, own)
            for kind in ("services", "secrets"):
                self._check_conflict(kind, found, below)
                self._check_conflict(kind, document, below)
            below.values.pop("name", None)
            below.values.pop("version", None)
            found = merged(found, below)
        return found

    def _check_conflict(self, kind: str, one: Mapping, other: Mapping) -> None:
        ours, theirs = _mapping(one, kind), _mapping(other, kind)
        for name in theirs.values:
            if name in ours:
                raise ComposeError(
                    f"{kind[:-1]} {name!r} is also in an included file",
                    location=ours.place_of(name),
                    hint=f"the other is at {theirs.place_of(name)}; name both files in one include to merge them",
                )

    def _extend(
        self, name: str, services: Mapping, file: _File, chain: tuple[tuple[str, str], ...] = ()
    ) -> Mapping:
        """Give a service of a file what it takes over from the one that it extends, and return it.

        ``chain`` are those that extend this one.
        """
        service = services.get(name)
        assert isinstance(service, Mapping), name
        said = service.get("extends")
        if said is None:
            return service
        place = service.place_of("extends")
        base, named = _extended(said, place)
        here = (file.path, name)
        if here in chain:
            shown_chain = " -> ".join(one for _, one in [*chain[chain.index(here) :], here])
            raise ComposeError(
                f"cycle of services that extend each other: {shown_chain}",
                location=place,
                hint="take one of these extends away",
            )
        other, theirs = file, services
        if named:
            path = os.path.normpath(os.path.join(file.folder, os.path.expanduser(named)))
            if path != file.path:
                other = _File(path, os.path.dirname(path), file.variables)
                theirs = _mapping(self._read(*other), "services")
        if base not in theirs:
            near = difflib.get_close_matches(base, theirs.values, 1)
            raise ComposeError(
                f"the service {name} extends {base}, which is not in {_short(other.path)}",
                location=place,
                hint=f"did you mean {near[0]}?" if near else None,
            )
        below = self._extend(base, theirs, other, (*chain, here))
        own = Mapping(
            {key: value for key, value in service.items() if key != "extends"}, service.places, service.place
        )
        found = merged(below, own)
        found.values.pop("extends", None)
        services.set(name, found, services.place_of(name))
        return found

    def _unset(self, name: str, where: str) -> None:
        if name not in self._told:
            self._told.add(name)
            self._say(f"warning: {_short(where)}: nothing sets the variable {name}; it is empty")


def _is_service(value: Mapping) -> bool:
    return "image" in value or "build" in value


def _include(one: Any, place: SourceLocation) -> tuple[list[str], list[str], str]:
    """Return the files of an entry of ``include``, its environment files, and its folder."""
    if isinstance(one, str):
        return [one], [], ""
    if not isinstance(one, Mapping):
        raise ComposeError("an entry of include is a path or a mapping", location=place)
    check_keys(one, ("path", "project_directory", "env_file"), "include")
    files = _paths(one, "path")
    if not files:
        raise ComposeError("include has no path", location=one.place)
    directory = one.get("project_directory")
    return files, _paths(one, "env_file"), directory if isinstance(directory, str) else ""


def _paths(mapping: Mapping, key: str) -> list[str]:
    value = mapping.get(key)
    listed = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(one, str) for one in listed):
        raise ComposeError(f"{key} is a path, or a list of paths", location=mapping.place_of(key))
    return listed


def _extended(said: Any, place: SourceLocation) -> tuple[str, str]:
    if isinstance(said, str):
        return said, ""
    if isinstance(said, Mapping):
        check_keys(said, ("service", "file"), "extends")
        service, file = said.get("service"), said.get("file")
        if isinstance(service, str) and (file is None or isinstance(file, str)):
            return service, file or ""
    raise ComposeError("extends is a service, or a mapping of service and file", location=place)


def _mapping(document: Mapping, key: str) -> Mapping:
    value = document.get(key)
    if value is None:
        return Mapping(place=document.place_of(key))
    if not isinstance(value, Mapping):
        raise ComposeError(f"{key} is a mapping", location=document.place_of(key))
    return value


def _text(mapping: Mapping, key: str) -> str:
    value = mapping.get(key)
    if isinstance(value, Mapping | list):
        raise ComposeError(f"{key} is a text", location=mapping.place_of(key))
    return "" if value is None else shown(value)


def _services(document: Mapping, folder: str) -> dict[str, Service]:
    services = _mapping(document, "services")
    found = {}
    for name, one in services.items():
        profiles = one.get("profiles")
        if profiles is not None and not isinstance(profiles, list):
            raise ComposeError("profiles is a list of names", location=one.place_of("profiles"))
        found[name] = Service(
            name,
            _text(one, "image"),
            build_of(one, folder),
            _text(one, "platform"),
            tuple(map(shown, profiles or ())),
            services.place_of(name),
        )
    return found


def _secrets(document: Mapping) -> dict[str, Secret]:
    secrets = _mapping(document, "secrets")
    return {
        name: Secret(_text(one, "file"), _text(one, "environment"))
        for name, one in secrets.items()
        if isinstance(one, Mapping)
    }


def _project_name(name: str, folder: str, place: SourceLocation) -> str:
    """Return the name of a project, of its folder where nothing says it; raises `ComposeError`."""
    if not name:
        text = re.sub(r"[^a-z0-9_-]", "", os.path.basename(folder).lower()).lstrip("_-")
        return text or "default"
    if not _PROJECT_NAME.fullmatch(name):
        if name.lower() != name and _PROJECT_NAME.fullmatch(name.lower()):
            return name.lower()
        raise ComposeError(
            f"invalid name of a project {name!r}",
            location=place if place.file else None,
            hint="it has lower-case letters, digits, - and _, and begins with a letter or digit",
        )
    return name


def _bytes_of(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise UsageError(f"{_short(path)}: {error.strerror}", hint="name a compose file") from None


def _short(path: str) -> str:
    """Return a path as a user would write it: relative where it is below this folder."""
    if not os.path.isabs(path):
        return path
    relative = os.path.relpath(path)
    return path if relative.startswith("../") else relative
