"""Finding the workspace, and reading its ``hermes.yaml``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hermes.debian.apt_source import AptSource
from hermes.errors import UsageError, WorkspaceError
from hermes.outbound import Outbound
from hermes.registry.settings import Registries
from hermes.workspace.location import MARKER
from hermes.yaml_text import YamlError, parse_yaml

if TYPE_CHECKING:
    from hermes.node.npmrc import NpmSources
    from hermes.python.package_sources import PackageSources
    from hermes.remote.settings import RemoteSettings
    from hermes.sandbox.network import Network

_KNOWN: Final = {
    "apt",
    "emulators",
    "ignore",
    "jobs",
    "network",
    "node",
    "outbound",
    "python",
    "registries",
    "remote",
    "runtime",
    "subscriptions",
}
_KNOWN_APT: Final = {"sources", "keyring"}
_KNOWN_OUTBOUND: Final = {"ca", "proxies"}
_KNOWN_PYTHON: Final = {"indexes", "find_links"}
_KNOWN_NODE: Final = {"registry", "scopes"}
_KNOWN_SOURCE: Final = {"uri", "suites", "components", "signed_by"}


@dataclass(frozen=True, slots=True)
class Subscription:
    """Folders of this machine that commands may ask for by one name: pairs of path here and path there."""

    name: str
    folders: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """What ``hermes.yaml`` says. An empty file says nothing, and everything has a default.

    ``network`` is that of commands that ask for one. ``emulators`` maps architectures to the paths of what runs their programs.
    """

    ignore: tuple[str, ...] = ()
    jobs: int | None = None
    apt_sources: tuple[AptSource, ...] = field(default=())
    subscriptions: tuple[Subscription, ...] = field(default=())
    runtime: str = ""
    registries: Registries = field(default=Registries())
    network: Network = "default"
    python_sources: PackageSources | None = None
    npm: NpmSources | None = None
    emulators: Mapping[str, str] = field(default_factory=dict)
    remote: RemoteSettings | None = None
    outbound: Outbound = field(default=Outbound())


def read_settings(root: Path, store: Path) -> Settings:
    """Read ``hermes.yaml``; raises `WorkspaceError`, saying where it is wrong.

    A ``store`` inside the workspace does not belong to it. What this process fetches from then on is held to ``outbound``.
    """
    found = _read(root)
    found.outbound.take_effect()
    if store.is_relative_to(root) and store != root:
        return replace(found, ignore=(*found.ignore, str(store.relative_to(root))))
    return found


def _read(root: Path) -> Settings:
    path = root / MARKER
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WorkspaceError(f"{path}: {error.strerror}") from error
    if not data.strip():
        return Settings()
    return _settings(path, _parse(path, data))


def _parse(path: Path, data: bytes) -> Mapping[str, Any]:
    try:
        document = parse_yaml(data)
    except YamlError as error:
        where = f"{path}:{error.line}:{error.column}" if error.line else str(path)
        raise WorkspaceError(f"{where}: {error.problem}") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise WorkspaceError(f"{path}: must hold a mapping")
    return document


def _settings(path: Path, document: Mapping[str, Any]) -> Settings:
    _check_names(path, "", document, _KNOWN)
    ignore = _strings(path, "ignore", document.get("ignore", []))
    jobs = document.get("jobs")
    if jobs is not None and (not isinstance(jobs, int) or isinstance(jobs, bool) or jobs < 1):
        raise WorkspaceError(f"{path}: jobs must be a number from 1 on, not {jobs!r}")
    runtime = _runtime(path, document.get("runtime", ""))
    apt = document.get("apt") or {}
    if not isinstance(apt, dict):
        raise WorkspaceError(f"{path}: apt must be a mapping")
    _check_names(path, "apt.", apt, _KNOWN_APT)
    keyring = _path(path, "apt.keyring", apt.get("keyring", ""))
    listed = apt.get("sources") or []
    if not isinstance(listed, list):
        raise WorkspaceError(f"{path}: apt.sources must be a list")
    sources = tuple(_apt_source(path, number, one, keyring) for number, one in enumerate(listed))
    subscriptions = document.get("subscriptions") or {}
    if not isinstance(subscriptions, dict):
        raise WorkspaceError(f"{path}: subscriptions must map names to lists of folders")
    return Settings(
        tuple(one.strip("/") for one in ignore),
        jobs,
        sources,
        tuple(_subscription(path, str(name), value) for name, value in subscriptions.items()),
        runtime,
        _registries(path, document.get("registries")),
        _network(path, document.get("network", "default")),
        _python(path, document.get("python")),
        _node(path, document.get("node")),
        _emulators(path, document.get("emulators")),
        _remote(path, document.get("remote")),
        _outbound(path, document.get("outbound")),
    )


def _subscription(path: Path, name: str, value: Any) -> Subscription:
    folders = []
    for text in _strings(path, f"subscriptions.{name}", value):
        source, colon, target = text.partition(":")
        for one in (source, target or source):
            if not one.startswith("/") or ".." in one.split("/") or not one.strip("/"):
                raise WorkspaceError(
                    f"{path}: subscriptions.{name}: {text!r} is not a folder of this machine",
                    hint="write an absolute path, and after a colon the path that it has for commands",
                )
        if colon and not target:
            raise WorkspaceError(f"{path}: subscriptions.{name}: {text!r} has an empty path after the colon")
        folders.append((source.rstrip("/"), (target or source).rstrip("/")))
    if not folders:
        raise WorkspaceError(f"{path}: subscriptions.{name} names no folder")
    return Subscription(name, tuple(folders))


def _registries(path: Path, document: Any) -> Registries:
    if document is None:
        return Registries()
    from hermes.workspace.registries import registries_of

    return registries_of(path, document)


def _emulators(path: Path, document: Any) -> Mapping[str, str]:
    if document is None:
        return {}
    from hermes.sandbox.architectures import ARCHITECTURES

    if not isinstance(document, dict):
        raise WorkspaceError(f"{path}: emulators must map architectures to paths of emulators")
    known = [one.name for one in ARCHITECTURES if one.qemu]
    for name in document:
        if name not in known:
            raise WorkspaceError(
                f"{path}: emulators: {name!r} is not an architecture", hint=f"there are {', '.join(known)}"
            )
    return {name: _path(path, f"emulators.{name}", value) for name, value in document.items()}


def _runtime(path: Path, value: Any) -> str:
    if not value:
        return ""
    from hermes.sandbox.choice import check_name

    try:
        check_name(str(value))
    except UsageError as error:
        raise WorkspaceError(f"{path}: runtime: {error.message}", hint=error.hint) from None
    return str(value)


def _network(path: Path, value: Any) -> Network:
    if value not in ("default", "host"):
        raise WorkspaceError(
            f"{path}: network: expected default or host, got {value!r}",
            hint="it says which network commands have that ask for one",
        )
    return "host" if value == "host" else "default"


def _python(path: Path, document: Any) -> PackageSources | None:
    if document is None:
        return None
    from hermes.python.package_sources import PackageSources

    if not isinstance(document, dict):
        raise WorkspaceError(f"{path}: python must be a mapping with indexes and find_links")
    _check_names(path, "python.", document, _KNOWN_PYTHON)
    indexes = _strings(path, "python.indexes", document.get("indexes", []))
    for one in indexes:
        if not one.startswith(("http://", "https://", "file:/")):
            raise WorkspaceError(
                f"{path}: python.indexes: expected an http, https or file address, got {one!r}"
            )
    links = _strings(path, "python.find_links", document.get("find_links", []))
    found = [one if "://" in one else os.path.join(path.parent, one) for one in links]
    return PackageSources(tuple(one.rstrip("/") for one in indexes), tuple(found))


def _node(path: Path, document: Any) -> NpmSources | None:
    if document is None:
        return None
    from hermes.node.npmrc import NpmSources

    if not isinstance(document, dict):
        raise WorkspaceError(f"{path}: node must be a mapping with registry and scopes")
    _check_names(path, "node.", document, _KNOWN_NODE)
    scopes = document.get("scopes", {})
    if not isinstance(scopes, dict) or not all(isinstance(one, str) and one[:1] == "@" for one in scopes):
        raise WorkspaceError(
            f"{path}: node.scopes must map scopes to registries",
            hint='write it as "@org": https://npm.example.org',
        )
    named = {"node.registry": document.get("registry", "")}
    named.update({f"node.scopes.{name}": address for name, address in scopes.items()})
    for name, address in named.items():
        if not isinstance(address, str) or (
            address and not address.startswith(("http://", "https://", "file:/"))
        ):
            raise WorkspaceError(f"{path}: {name}: expected an http, https or file address, got {address!r}")
    return NpmSources(registry=document.get("registry", ""), scopes=dict(scopes))


def _remote(path: Path, document: Any) -> RemoteSettings | None:
    if document is None:
        return None
    from hermes.workspace.remote import remote_of

    return remote_of(path, document)


def _outbound(path: Path, document: Any) -> Outbound:
    if document is None:
        return Outbound()
    from hermes.outbound import SYSTEM, count, system_bundle

    if not isinstance(document, dict):
        raise WorkspaceError(f"{path}: outbound must be a mapping with ca and proxies")
    _check_names(path, "outbound.", document, _KNOWN_OUTBOUND)
    proxies = document.get("proxies", True)
    if not isinstance(proxies, bool):
        raise WorkspaceError(
            f"{path}: outbound.proxies must be true or false, not {proxies!r}",
            hint="it says whether commands get http_proxy, https_proxy and no_proxy; their values come from the environment",
        )
    ca = document.get("ca", "")
    found = system_bundle() if ca == SYSTEM else _path(path, "outbound.ca", ca)
    if ca and not found:
        raise WorkspaceError(
            f"{path}: outbound.ca: this machine has no file with its authorities",
            hint="install ca-certificates (Debian's name), set SSL_CERT_FILE, or name a file",
        )
    if found:
        try:
            count(found)
        except WorkspaceError as error:
            raise WorkspaceError(f"{path}: outbound.ca: {error.message}", hint=error.hint) from None
    return Outbound(found, proxies)


def _apt_source(path: Path, number: int, document: Any, keyring: str) -> AptSource:
    where = f"apt.sources[{number}]"
    if not isinstance(document, dict):
        raise WorkspaceError(f"{path}: {where} must be a mapping with uri, suites and components")
    _check_names(path, f"{where}.", document, _KNOWN_SOURCE)
    uri = document.get("uri")
    if not isinstance(uri, str) or not uri.startswith(("http://", "https://", "file:/")):
        raise WorkspaceError(f"{path}: {where}.uri must be an http, https or file address, not {uri!r}")
    suites = _strings(path, f"{where}.suites", document.get("suites", []))
    components = _strings(path, f"{where}.components", document.get("components", ["main"]))
    if not suites:
        raise WorkspaceError(f"{path}: {where}.suites names no suite")
    signed_by = _path(path, f"{where}.signed_by", document.get("signed_by", ""))
    return AptSource(uri.rstrip("/"), suites, components, signed_by or keyring)


def _path(path: Path, name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise WorkspaceError(f"{path}: {name} must be a path")
    return os.path.join(path.parent, value) if value else ""


def _strings(path: Path, name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(value.split())
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return tuple(value)
    raise WorkspaceError(f"{path}: {name} must be a list of strings")


def _check_names(path: Path, prefix: str, document: Mapping[str, Any], known: set[str]) -> None:
    for name in document:
        if name not in known:
            import difflib

            near = difflib.get_close_matches(str(name), known, 1)
            raise WorkspaceError(
                f"{path}: {prefix}{name} is not a setting",
                hint=f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(known))}",
            )
