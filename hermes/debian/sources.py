"""The package sources that this machine's apt is configured with. See sources.list(5)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from hermes.debian.apt_source import AptSource
from hermes.debian.keyring import ARMORED_KEY
from hermes.errors import WorkspaceError

_APT_FOLDER: Final = Path("/etc/apt")
_FILE_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*\.(list|sources)\Z")
_LINE: Final = re.compile(r"(\S+)\s+(?:\[([^\]]*)\]\s*)?(.*)\Z")
_FIELD: Final = re.compile(r"[^\s:]+:")
_FALSE: Final = frozenset({"no", "false", "without", "off", "disable", "0"})
_MIRROR_LIST: Final = "mirror+file:"
_ANOTHER_WAY: Final = "correct it, or name the sources under apt.sources in hermes.yaml"


def machine_sources(folder: Path = _APT_FOLDER) -> tuple[AptSource, ...]:
    """Return the sources of binary packages that apt's configuration in ``folder`` names, in its order.

    Those on a CD are left out, and so are the options ``arch`` and ``trusted``: an index that is not there
    is noticed later, and every archive's signature is verified. ``signed_by`` of a source is a path or the
    armored key itself. Raises `WorkspaceError` with file and line.
    """
    found: list[AptSource] = []
    for path in _files(folder):
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            raise WorkspaceError(f"{path}: is not UTF-8", hint=_ANOTHER_WAY) from None
        except OSError as error:
            raise WorkspaceError(f"{path}: {error.strerror}", hint=_ANOTHER_WAY) from error
        found += _one_line_sources(path, text) if path.suffix == ".list" else _stanza_sources(path, text)
    return tuple(dict.fromkeys(found))


def listed_sources(lines: Iterable[str], where: str) -> tuple[AptSource, ...]:
    """Return sources in the one-line format of sources.list(5); raises `WorkspaceError`, which calls the list ``where``."""
    return tuple(_one_line_sources(where, "\n".join(lines)))


def chosen_suites(sources: Iterable[AptSource], suites: Sequence[str], where: str) -> tuple[AptSource, ...]:
    """Return the sources with those suites only; raises `WorkspaceError` for a suite that no source has."""
    listed = tuple(sources)
    known = dict.fromkeys(name for one in listed for name in one.suites)
    for name in suites:
        if name not in known:
            raise WorkspaceError(
                f"{where}: no package source has the suite {name!r}; there are {', '.join(known) or 'none'}",
                hint="name a source with it: in sources of the target, under apt.sources of hermes.yaml, or for apt",
            )
    kept = (replace(one, suites=tuple(name for name in one.suites if name in suites)) for one in listed)
    return tuple(one for one in kept if one.suites)


def _files(folder: Path) -> Iterator[Path]:
    main = folder / "sources.list"
    if main.is_file():
        yield main
    parts = folder / "sources.list.d"
    if parts.is_dir():
        yield from sorted(path for path in parts.iterdir() if _FILE_NAME.match(path.name) and path.is_file())


def _one_line_sources(path: Path | str, text: str) -> Iterator[AptSource]:
    """Read the one-line format: ``deb [options] uri suite component...``."""
    for number, line in enumerate(text.splitlines(), 1):
        line = line.partition("#")[0].strip()  # noqa: PLW2901
        if not line:
            continue
        where = f"{path}:{number}"
        match = _LINE.match(line)
        kind, options, rest = match.groups() if match else (line, "", "")
        if kind == "deb-src" or (kind == "deb" and rest.startswith("cdrom:")):
            continue
        if kind != "deb":
            raise _malformed(where, f"begins with {kind!r}, not with deb or deb-src")
        words = rest.split()
        if len(words) < 2:
            raise _malformed(where, "needs an address and a suite")
        signed_by = _option(where, options or "", "signed-by")
        yield _source(where, words[0], (words[1],), tuple(words[2:]), _keyring(where, signed_by))


def _option(where: str, options: str, name: str) -> str:
    value = ""
    for option in options.split():
        key, equals, text = option.partition("=")
        if not equals:
            raise _malformed(where, f"the option {option!r} has no value")
        if key.lower() == name:
            value = text
    return value


def _stanza_sources(path: Path, text: str) -> Iterator[AptSource]:
    """Read the deb822 format: stanzas of fields."""
    from debian.deb822 import Deb822

    for number, lines in _stanzas(path, text):
        where = f"{path}:{number}"
        fields = Deb822(lines)
        if fields.get("Enabled", "yes").strip().lower() in _FALSE:
            continue
        if "deb" not in _words(where, fields.get("Types", ""), "Types"):
            continue
        suites = _words(where, fields.get("Suites", ""), "Suites")
        components = tuple(fields.get("Components", "").split())
        signed_by = _keyring(where, fields.get("Signed-By", ""))
        for uri in _words(where, fields.get("URIs", ""), "URIs"):
            if not uri.startswith("cdrom:"):
                yield _source(where, uri, suites, components, signed_by)


def _stanzas(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the stanzas without comments, each with the number of its first line."""
    lines: list[str] = []
    first = 0
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if line.startswith("#"):
            continue
        if not line.strip():
            if lines:
                yield first, lines
            lines = []
            continue
        continues = line[0] in " \t" and bool(lines)
        if not continues and not _FIELD.match(line):
            raise _malformed(f"{path}:{number}", f"{line.strip()!r} is not a field")
        first = first if lines else number
        lines.append(line)


def _words(where: str, value: str, name: str) -> tuple[str, ...]:
    words = tuple(value.split())
    if not words:
        raise _malformed(where, f"has no {name}")
    return words


def _keyring(where: str, value: str) -> str:
    """Return the path of a keyring, or an armored key as it was before it became a field."""
    value = value.strip()
    if value.startswith(ARMORED_KEY):
        lines = (line.strip() for line in value.splitlines())
        return "\n".join("" if line == "." else line for line in lines) + "\n"
    words = value.replace(",", " ").split()
    if len(words) > 1 or (words and not words[0].startswith("/")):
        raise _malformed(where, f"Signed-By must be one keyring's path or an armored key, not {value!r}")
    return words[0] if words else ""


def _source(
    where: str, uri: str, suites: tuple[str, ...], components: tuple[str, ...], signed_by: str
) -> AptSource:
    if uri.startswith(_MIRROR_LIST):
        uri = _first_mirror(where, Path(urlsplit(uri).path))
    if not uri.startswith(("http://", "https://", "file:/")):
        raise _malformed(where, f"{uri!r} is not an http, https or file address")
    if not components and not all(suite.endswith("/") for suite in suites):
        raise _malformed(where, "names no component, such as main")
    return AptSource(uri.rstrip("/"), suites, components, signed_by)


def _first_mirror(where: str, path: Path) -> str:
    """Return the first mirror of a list (apt-transport-mirror(1)): all of them hold the same."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise _malformed(where, f"the list of mirrors {path} cannot be read: {error}") from error
    for line in lines:
        words = line.partition("#")[0].split()
        if words:
            return words[0]
    raise _malformed(where, f"the list of mirrors {path} is empty")


def _malformed(where: str, problem: str) -> WorkspaceError:
    return WorkspaceError(f"{where}: {problem}", hint=_ANOTHER_WAY)
