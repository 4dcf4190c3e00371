"""What a lock names for a target: one file of each package, and how it is chosen."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from hermes.errors import LockError
from hermes.python.target import PythonTarget

_SHA256: Final = re.compile(r"[0-9a-f]{64}\Z")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?\Z")
_MOST_SHOWN: Final = 12


class Pin(NamedTuple):
    """A package that is to be installed, and its file.

    ``name`` is normalized. ``filename`` is empty where the lock names no files: then ``sha256`` has the digests of all
    files of the version, and the index says which is which; otherwise it has one. ``size`` is in bytes, None where the
    lock does not say it. ``url`` is where the lock says that the file is, or empty. ``direct`` means that it is nowhere
    else: an index does not have it.

    A package that is a source tree has no file. ``directory`` is its folder: in the workspace, or where ``commit`` is not empty
    in that commit of the git repository at ``git``.
    """

    name: str
    version: str
    filename: str
    sha256: tuple[str, ...]
    size: int | None = None
    url: str = ""
    direct: bool = False
    directory: str = ""
    git: str = ""
    commit: str = ""


class LockedFile(NamedTuple):
    """A file of a version, as a lock or an index lists it; ``sha256`` is empty where it is not said."""

    filename: str
    sha256: str
    size: int | None = None
    url: str = ""


def of_git(where: str, name: str, url: str, commit: str, folder: str, sources: Collection[str]) -> Pin:
    """Return the pin of a package that is built from a commit of a git repository; raises `LockError`, naming ``where``."""
    if not _COMMIT.match(commit):
        raise LockError(
            f"{where}: {name} comes from git, and {commit or 'what is there'} is not a commit",
            hint="lock it with uv, which writes the whole digest of the commit",
        )
    if name not in sources:
        raise LockError(
            f"{where}: {name} comes from git, so it has no wheel",
            hint=f'build it in the sandbox, with allow_sdist = ["{name}"], or lock a version that an index has',
        )
    if folder.startswith("/") or ".." in folder.split("/"):
        raise LockError(f"{where}: {name} is in {folder}, which is outside of its repository")
    return Pin(name, "", "", (), directory=folder, git=url, commit=commit)


def of_folder(where: str, name: str, version: str, path: str) -> Pin:
    """Return the pin of a package that is built from a folder, which ``path`` names from that of the lock ``where`` on."""
    directory = posixpath.normpath(posixpath.join(posixpath.dirname(where.partition(":")[0]), path))
    if path.startswith("/") or directory.startswith("../"):
        raise LockError(
            f"{where}: {name} is at {path}, outside of the workspace",
            hint="name a folder of the workspace, by its path from the lock on",
        )
    return Pin(name, version, "", (), directory=directory)


def best_wheel(files: Iterable[LockedFile], target: PythonTarget) -> LockedFile | None:
    """Return the wheel with the best tag, of those the one with the highest build number; None when none fits."""
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    ranks = {tag: rank for rank, tag in enumerate(target.tags())}
    found = []
    for number, one in enumerate(files):
        if not one.filename.endswith(".whl"):
            continue
        try:
            _, _, build, tags = parse_wheel_filename(one.filename)
        except InvalidWheelFilename:
            continue
        rank = min((ranks[tag] for tag in tags if tag in ranks), default=None)
        if rank is not None:
            found.append(((-rank, build, -number), one))
    return max(found, key=lambda pair: pair[0])[1] if found else None


def of_version(files: Iterable[LockedFile], version: str) -> list[LockedFile]:
    """Return those of a project's files that are of a version."""
    from packaging.utils import (
        InvalidSdistFilename,
        InvalidWheelFilename,
        parse_sdist_filename,
        parse_wheel_filename,
    )
    from packaging.version import InvalidVersion, Version

    def is_of(filename: str, wanted: Version) -> bool:
        try:
            if filename.endswith(".whl"):
                return parse_wheel_filename(filename)[1] == wanted
            return parse_sdist_filename(filename)[1] == wanted
        except (InvalidSdistFilename, InvalidWheelFilename):
            return False

    try:
        wanted = Version(version)
    except InvalidVersion:
        raise LockError(f"invalid version {version!r}", hint="lock it again") from None
    return [one for one in files if is_of(one.filename, wanted)]


def no_wheel(name: str, version: str, files: Sequence[LockedFile], target: PythonTarget) -> LockError:
    """Return the error that says which wheels there are where none fits."""
    names = [one.filename for one in files if one.filename.endswith(".whl")]
    message = f"{name} {version} has no wheel for {target}"
    if not names:
        has_source = any(not one.filename.endswith(".whl") for one in files)
        what = "it has a source distribution only" if has_source else "it has no files at all"
        hint = f'build it in the sandbox, with allow_sdist = ["{name}"], or lock a version that has wheels'
        return LockError(f"{message}: {what}", hint=hint if has_source else "lock it again")
    near = [one for one in names if target.machine in one or "-any." in one] or names
    listed = [f"\n  {one}" for one in near[:_MOST_SHOWN]]
    if len(names) > len(listed):
        listed.append(f"\n  and {len(names) - len(listed)} more")
    return LockError(f"{message}; there are{''.join(listed)}", hint=_advice(name, near, target))


def _advice(name: str, near: Sequence[str], target: PythonTarget) -> str:
    """Return what to change: the C library, where a newer one would do."""
    kind, _, number = target.libc.partition("-")
    prefix, major = ("manylinux", "2") if kind == "glibc" else ("musllinux", "1")
    tag = re.compile(rf"{prefix}_{major}_([0-9]+)_{re.escape(target.machine)}")
    wanted = int(number.partition(".")[2])
    minors = sorted({int(found) for one in near for found in tag.findall(one)})
    for minor in minors:
        other = target._replace(libc=f"{kind}-{major}.{minor}")
        if minor > wanted and best_wheel((LockedFile(one, "") for one in near), other):
            return f'if the base has {kind} {major}.{minor} or later, say libc = "{other.libc}"'
    return f"build for another platform or version of Python, or lock another version of {name}"


def checked_sha256(where: str, hashes: Mapping[str, str]) -> str:
    """Return the sha256 of a table of hashes; raises `LockError`, naming what it is ``where``."""
    found = hashes.get("sha256", "").lower()
    if not _SHA256.match(found):
        raise LockError(
            f"{where} has no sha256 in the lock", hint="lock it again with a tool that writes sha256 hashes"
        )
    return found


def holds(marker: str, target: PythonTarget, where: str, extra: str = "") -> bool:
    """Tell whether an environment marker holds for a target; raises `LockError` for a malformed one."""
    from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName

    if not marker:
        return True
    try:
        return Marker(marker).evaluate({**target.markers(), "extra": extra})
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName) as error:
        reason = str(error).split("\n", 1)[0]
        raise LockError(f"{where} has an invalid marker {marker!r}: {reason}") from None
