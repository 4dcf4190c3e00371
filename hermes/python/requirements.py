"""requirements.txt with hashes: as pip-compile, uv and poetry write it, and pip installs with ``--require-hashes``.

See pip's documentation, "Requirements File Format", and "Secure installs".
"""

from __future__ import annotations

import posixpath
import re
import shlex
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from hermes.errors import LockError
from hermes.python.pins import Pin, holds, of_folder, of_git
from hermes.python.target import PythonTarget

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_COMMENT: Final = re.compile(r"(^|\s+)#.*$")
_OPTION: Final = re.compile(r"\s(?=--?[a-z])")
_HASH: Final = re.compile(r"--hash[=\s]\s*(\S+)")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}\Z")
_FOLDER: Final = re.compile(r"(?P<path>\.{1,2}(/[^\s;\[]*)?)(\[[^\]]*\])?\s*(?P<marker>;.*)?\Z")
_FILES: Final = (".whl", ".tar.gz", ".zip")
_DEEPEST: Final = 20
_IGNORED: Final = frozenset(
    {
        "--extra-index-url",
        "--find-links",
        "--index-url",
        "--no-binary",
        "--no-index",
        "--only-binary",
        "--pre",
        "--prefer-binary",
        "--require-hashes",
        "--trusted-host",
        "--use-feature",
        "-f",
        "-i",
    }
)
"""Where files come from is said by the machine, and which file is chosen by the target."""

Read = Callable[[str], bytes]
"""Returns what a file of the workspace holds."""


class Line(NamedTuple):
    """A requirement of a file: ``where`` is ``file:line``, ``hashes`` as they are written."""

    where: str
    text: str
    hashes: tuple[str, ...]


def pins_of(path: str, read: Read, target: PythonTarget, sources: Collection[str] = ()) -> list[Pin]:
    """Return what a requirements file locks for a target; raises `LockError` where it pins less than one version.

    A folder is left out, as first-party code, if it is not among ``sources``, which are built.
    """
    found: dict[str, tuple[Pin, str]] = {}
    for line in lines_of(path, read):
        requirement = parsed(line)
        marker = str(requirement.marker or "")
        if not holds(marker, target, line.where):
            continue
        pin = _pin(requirement, line, sources)
        if pin is None:
            continue
        before = found.get(pin.name)
        if before is not None and before[0] != pin:
            raise LockError(
                f"{line.where}: {pin.name} is pinned a second time, after {before[1]}",
                hint="keep one of the lines, or give each a marker",
            )
        found[pin.name] = pin, line.where
    return [pin for pin, _ in found.values()]


def lines_of(path: str, read: Read, depth: int = 0) -> Iterator[Line]:
    """Yield the requirements of a file and of those that it includes; constraints (``-c``) add none."""
    if depth > _DEEPEST:
        raise LockError(f"{path}: requirements files include each other too deeply")
    try:
        text = read(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise LockError(f"{path} is not UTF-8") from None
    for number, line in _logical(text):
        where = f"{path}:{number}"
        first = re.split(r"[\s=]", line, maxsplit=1)[0]
        if first == "--requirement" or line.startswith("-r"):
            yield from lines_of(_included(where, path, line), read, depth + 1)
        elif first == "--constraint" or line.startswith("-c"):
            continue
        elif first in ("-e", "--editable"):
            yield _folder(where, path, line.removeprefix(first).strip(), read)
        elif first in _IGNORED:
            continue
        elif _FOLDER.match(line) and not line.endswith(_FILES):
            yield _folder(where, path, line, read)
        elif first.startswith("-"):
            raise LockError(f"{where}: the option {first} is not known")
        else:
            text, *_ = _OPTION.split(line, maxsplit=1)
            yield Line(where, text.strip(), tuple(_HASH.findall(line)))


def _folder(where: str, path: str, text: str, read: Read) -> Line:
    """Return the requirement of a folder, which has no name in a file, with that of its pyproject.toml."""
    match = _FOLDER.match(text)
    if match is None:
        raise LockError(
            f"{where}: an editable requirement {text!r} is not a folder beside the lock",
            hint="write its path from the lock on, as ./lib",
        )
    project = posixpath.normpath(posixpath.join(posixpath.dirname(path), match["path"], "pyproject.toml"))
    if project.startswith("../"):
        raise LockError(f"{where}: {match['path']} is outside of the workspace")
    try:
        name = tomllib.loads(read(project).decode("utf-8"))["project"]["name"]
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError):
        raise LockError(
            f"{where}: {project} does not say the name of its project", hint=f"write NAME @ {match['path']}"
        ) from None
    return Line(where, f"{name} @ {match['path']} {match['marker'] or ''}".strip(), ())


def parsed(line: Line) -> Requirement:
    """Parse a requirement; raises `LockError` with its place."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(line.text)
    except InvalidRequirement as error:
        reason = str(error).split("\n", 1)[0]
        hint = (
            "a file, folder or address needs a name in front: name @ https://..."
            if "/" in line.text
            else None
        )
        raise LockError(f"{line.where}: invalid requirement {line.text!r}: {reason}", hint=hint) from None


def _logical(text: str) -> Iterator[tuple[int, str]]:
    """Yield lines with their numbers, joined where they are continued, without comments and empty ones."""
    gathered, start = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        start = start or number
        line = raw
        if gathered and raw.lstrip().startswith("#"):
            line = ""
        if line.endswith("\\") and not line.lstrip().startswith("#"):
            gathered += line[:-1] + " "
            continue
        whole = _COMMENT.sub("", gathered + line).strip()
        if whole:
            yield start, whole
        gathered, start = "", 0
    if whole := _COMMENT.sub("", gathered).strip():
        yield start, whole


def _included(where: str, path: str, line: str) -> str:
    try:
        words = shlex.split(re.sub(r"^(--requirement|-r)[=\s]*", "", line))
    except ValueError as error:
        raise LockError(f"{where}: {error}") from None
    if len(words) != 1:
        raise LockError(f"{where}: expected the path of one file")
    found = posixpath.normpath(posixpath.join(posixpath.dirname(path), words[0]))
    if words[0].startswith("/") or "://" in words[0] or found.startswith("../"):
        raise LockError(
            f"{where}: {words[0]} is outside of the workspace", hint="name a file of the workspace"
        )
    return found


def _pin(requirement: Requirement, line: Line, sources: Collection[str]) -> Pin | None:
    from packaging.utils import canonicalize_name

    name = canonicalize_name(requirement.name)
    digests = tuple(sorted(set(_digests(line))))
    if requirement.url:
        parts = urlsplit(requirement.url)
        if parts.scheme.startswith("git+"):
            return _of_git(name, parts._replace(scheme=parts.scheme.removeprefix("git+")), line, sources)
        if not parts.scheme and not parts.path.endswith(_FILES):
            return of_folder(line.where, name, "", parts.path) if name in sources else None
        return _direct(name, parts, digests, line)
    specifiers = list(requirement.specifier)
    if len(specifiers) != 1 or specifiers[0].operator not in ("==", "===") or "*" in specifiers[0].version:
        raise LockError(
            f"{line.where}: {line.text} does not pin one version",
            hint="lock it: `hermes lock`, or `uv pip compile --generate-hashes`",
        )
    if not digests:
        raise LockError(
            f"{line.where}: {name} has no sha256 hash",
            hint="lock it with hashes: `hermes lock`, or `uv pip compile --generate-hashes`",
        )
    return Pin(name, specifiers[0].version, "", digests)


def _digests(line: Line) -> Iterable[str]:
    for one in line.hashes:
        algorithm, _, digest = one.partition(":")
        if algorithm != "sha256":
            if algorithm in ("sha384", "sha512"):
                continue
            raise LockError(f"{line.where}: a hash by {algorithm} cannot be relied on")
        if not _DIGEST.match(digest.lower()):
            raise LockError(f"{line.where}: {digest!r} is not a sha256")
        yield digest.lower()


def _of_git(name: str, parts: SplitResult, line: Line, sources: Collection[str]) -> Pin:
    """Return the pin of ``git+URL@COMMIT#subdirectory=FOLDER``; see pip's documentation, "VCS Support"."""
    path, _, commit = parts.path.rpartition("@")
    folder = parse_qs(parts.fragment).get("subdirectory", [""])[0]
    url = parts._replace(path=path or parts.path, fragment="").geturl()
    return of_git(line.where, name, url, commit if path else "", folder, sources)


def _direct(name: str, parts: SplitResult, digests: tuple[str, ...], line: Line) -> Pin:
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    filename = unquote(posixpath.basename(parts.path))
    fragment = re.search(r"(?:^|&)sha256=([0-9a-fA-F]{64})", parts.fragment)
    found = digests or ((fragment[1].lower(),) if fragment else ())
    if parts.scheme not in ("https", "http"):
        raise LockError(
            f"{line.where}: {name} comes from {parts.scheme or 'a file'}, which is not supported",
            hint="name a wheel by its https address, or lock a version of an index, which python.find_links of hermes.yaml may be",
        )
    try:
        version = str(parse_wheel_filename(filename)[1])
    except InvalidWheelFilename:
        raise LockError(f"{line.where}: {filename or parts.geturl()!r} is not a wheel") from None
    if len(found) != 1:
        raise LockError(f"{line.where}: {name} needs one sha256 hash, and has {len(found)}")
    return Pin(name, version, filename, found, url=parts._replace(fragment="").geturl(), direct=True)
