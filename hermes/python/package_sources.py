"""Where Python packages come from on this machine: what uv and pip are configured with, or ``hermes.yaml`` says.

See pip's documentation, "Configuration", and uv's, "Package indexes", "Configuration files", "Environment variables".
Files are chosen by digests that a lock has, so the order of the sources decides nothing but where is asked first.
"""

from __future__ import annotations

import configparser
import os
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit, urlunsplit

from hermes.errors import WorkspaceError

_TRUE: Final = frozenset({"1", "true", "yes", "on", "y", "t"})
_NAMED: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]*)=(.+)\Z")
_SYSTEM: Final = Path("/etc")
_PIP_KEYS: Final = ("index-url", "extra-index-url", "find-links", "no-index", "cert", "client-cert")


@dataclass(frozen=True, slots=True)
class PackageSources:
    """``indexes`` are addresses of the simple repository API (PEP 503, PEP 691), ``find_links`` folders and pages.

    Addresses may have a user's name and password. ``ca`` is the path of a bundle of certificates, ``client`` that of a
    client's certificate and key; both may be empty. ``any_index``: versions are compared over all indexes, as pip does; else
    the first that has a project decides, as for uv. ``of_workspace``: ``hermes.yaml`` names
    them, not this machine.
    """

    indexes: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    ca: str = ""
    client: str = ""
    any_index: bool = False
    of_workspace: bool = False


def machine_sources(
    environment: Mapping[str, str],
    workspace: Path | None = None,
    *,
    default: str | None = None,
    system: Path = _SYSTEM,
) -> PackageSources:
    """Return what uv and pip on this machine are told; ``workspace`` may have a file of uv's own.

    ``default`` is the index where neither names one; left out, that of the pip that is installed. ``system`` is the folder
    of the machine's configuration. Raises `WorkspaceError` for a file that cannot be read.
    """
    folders = _folders(environment, system)
    uv = _uv(environment, workspace, [*(Path(one, "uv/uv.toml") for one in folders), system / "uv/uv.toml"])
    pip = _pip(environment, [*(Path(one, "pip/pip.conf") for one in reversed(folders)), system / "pip.conf"])
    indexes = [*uv.indexes, *pip.indexes]
    if not uv.has_default and not pip.has_default:
        builtin = default_index() if default is None else default
        indexes += [builtin] if builtin else []
    return PackageSources(
        tuple(dict.fromkeys(one.rstrip("/") for one in indexes)),
        tuple(dict.fromkeys((*uv.find_links, *pip.find_links))),
        pip.ca or environment.get("SSL_CERT_FILE", ""),
        pip.client or environment.get("SSL_CLIENT_CERT", ""),
        any_index=not uv.indexes,
    )


def uv_default(environment: Mapping[str, str], *, system: Path = _SYSTEM) -> str:
    """Return the index that uv on this machine asks in the place of its usual one, or an empty string."""
    folders = _folders(environment, system)
    told = _uv(environment, None, [*(Path(one, "uv/uv.toml") for one in folders), system / "uv/uv.toml"])
    return told.indexes[-1] if told.has_default and told.indexes else ""


def _folders(environment: Mapping[str, str], system: Path) -> list[str]:
    return (environment.get("XDG_CONFIG_DIRS") or str(system / "xdg")).split(":")


@dataclass(frozen=True, slots=True)
class _Told:
    """What one tool is told. ``has_default``: it is not to ask its usual index."""

    indexes: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    has_default: bool = False
    ca: str = ""
    client: str = ""


def default_index() -> str:
    """Return the index that pip asks if it is told nothing, or an empty string without a pip."""
    try:
        from pip._internal.models.index import PyPI
    except ImportError:
        return ""
    return str(PyPI.simple_url)


# pip.


def _pip(environment: Mapping[str, str], system: Iterable[Path]) -> _Told:
    found: dict[str, str] = {}
    for path in _pip_files(environment, system):
        found |= _pip_file(path)
    for key in _PIP_KEYS:
        if value := environment.get(f"PIP_{key.upper().replace('-', '_')}", ""):
            found[key] = value
    links = tuple(found.get("find-links", "").split())
    ca, client = found.get("cert", ""), found.get("client-cert", "")
    if found.get("no-index", "").lower() in _TRUE:
        return _Told(find_links=links, has_default=True, ca=ca, client=client)
    index = found.get("index-url", "").strip()
    indexes = ([index] if index else []) + found.get("extra-index-url", "").split()
    return _Told(tuple(indexes), links, bool(index), ca, client)


def _pip_files(environment: Mapping[str, str], system: Iterable[Path]) -> Iterator[Path]:
    """Yield the files that pip reads, the one that counts most last."""
    chosen = environment.get("PIP_CONFIG_FILE", "")
    if chosen == os.devnull:
        return
    home = Path(environment.get("HOME") or Path.home())
    yield from system
    yield home / ".pip/pip.conf"
    yield Path(environment.get("XDG_CONFIG_HOME") or home / ".config", "pip/pip.conf")
    yield Path(environment.get("VIRTUAL_ENV") or sys.prefix, "pip.conf")
    if chosen:
        yield Path(chosen)


def _pip_file(path: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        text = path.read_text("utf-8")
        parser.read_string(text)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        reason = str(error).split("\n", 1)[0]
        raise WorkspaceError(
            f"{path} cannot be read: {reason}", hint="correct the configuration of pip"
        ) from None
    found: dict[str, str] = {}
    for section in ("global", "download", "install"):
        if parser.has_section(section):
            found |= {
                name.lower().replace("_", "-").removeprefix("--"): value
                for name, value in parser.items(section)
            }
    return {name: value for name, value in found.items() if name in _PIP_KEYS}


# uv.


def _uv(environment: Mapping[str, str], workspace: Path | None, system: Iterable[Path]) -> _Told:
    documents = (
        []
        if environment.get("UV_NO_CONFIG", "").lower() in _TRUE
        else [*_uv_documents(environment, workspace, system)]
    )
    default = environment.get("UV_DEFAULT_INDEX") or environment.get("UV_INDEX_URL") or ""
    indexes = [_uv_named(one, environment) for one in environment.get("UV_INDEX", "").split()]
    indexes += environment.get("UV_EXTRA_INDEX_URL", "").split()
    links = [one.strip() for one in environment.get("UV_FIND_LINKS", "").split(",") if one.strip()]
    no_index = environment.get("UV_NO_INDEX", "").lower() in _TRUE
    for folder, document in documents:
        for one in _list(document.get("index")):
            if isinstance(one, dict) and isinstance(one.get("url"), str):
                address = _with_credentials(
                    _resolved(one["url"], folder), str(one.get("name", "")), environment
                )
                if one.get("default") is True:
                    default = default or address
                else:
                    indexes.append(address)
        if isinstance(document.get("index-url"), str):
            default = default or document["index-url"]
        indexes += [str(one) for one in _list(document.get("extra-index-url"))]
        links += [_resolved(str(one), folder) for one in _list(document.get("find-links"))]
        no_index = no_index or document.get("no-index") is True
    if no_index:
        return _Told(find_links=tuple(links), has_default=True)
    first = [_uv_named(default, environment)] if default else []
    return _Told((*indexes, *first), tuple(links), bool(default))


def _uv_documents(
    environment: Mapping[str, str], workspace: Path | None, system: Iterable[Path]
) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Yield the files that uv reads, the one that counts most first, with the folder that each is in."""
    chosen = environment.get("UV_CONFIG_FILE", "")
    if chosen:
        yield Path(chosen).parent, _toml(Path(chosen)) or {}
        return
    if workspace is not None:
        own = _toml(workspace / "uv.toml")
        if own is None:
            tool = (_toml(workspace / "pyproject.toml") or {}).get("tool")
            own = tool.get("uv") if isinstance(tool, dict) else None
        if isinstance(own, dict):
            yield workspace, own
    home = Path(environment.get("HOME") or Path.home())
    own_folder = environment.get("XDG_CONFIG_HOME") or home / ".config"
    for path in (Path(own_folder, "uv/uv.toml"), *system):
        document = _toml(path)
        if document is not None:
            yield path.parent, document


def _toml(path: Path) -> Mapping[str, Any] | None:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise WorkspaceError(
            f"{path} cannot be read: {error}", hint="correct the configuration of uv"
        ) from None


def _uv_named(text: str, environment: Mapping[str, str]) -> str:
    """Return the address of ``NAME=ADDRESS``, with the credentials that the environment has for the name."""
    match = _NAMED.match(text)
    return _with_credentials(match[2], match[1], environment) if match else text


def _with_credentials(address: str, name: str, environment: Mapping[str, str]) -> str:
    prefix = f"UV_INDEX_{re.sub('[^A-Za-z0-9]', '_', name).upper()}"
    user, password = environment.get(f"{prefix}_USERNAME", ""), environment.get(f"{prefix}_PASSWORD", "")
    parts = urlsplit(address)
    if not name or not (user or password) or "@" in parts.netloc:
        return address
    return urlunsplit(
        parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{parts.netloc}")
    )


def _resolved(address: str, folder: Path) -> str:
    return address if "://" in address else str(folder / address)


def _list(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else ()
