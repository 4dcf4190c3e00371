"""``entry``: what a layer is made of, said in terms of declared files."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from hermes.actions.specs.layer import (
    Directory,
    Files,
    Group,
    NodePackage,
    NodePackages,
    Packages,
    Symlink,
    Tar,
    Wheels,
)
from hermes.actions.specs.spec import Ref
from hermes.dsl.attributes import KINDS
from hermes.dsl.dialect.values import Builtin, EvalError, Namespace, described
from hermes.dsl.parameters import ENTRY, checking
from hermes.dsl.providers import File
from hermes.graph.label import Label
from hermes.layer.entry import WHITEOUT_PREFIX
from hermes.workspace.glob import matcher


@dataclass(frozen=True, slots=True)
class Entries:
    """A group of entries, as the action takes it.

    ``paths`` are the paths that it surely writes (without leading slash), and what errors say that each is.
    """

    group: Group[Ref]
    paths: tuple[tuple[str, str], ...] = ()

    dsl_type: ClassVar[str] = "entries"
    dsl_attributes: ClassVar[frozenset[str]] = frozenset()


def entry_namespace() -> Namespace:
    """Return ``entry``."""
    makers: dict[str, Callable[..., Any]] = {
        "directory": directory,
        "file": file,
        "files": files,
        "node_packages": node_packages,
        "packages": packages,
        "symlink": symlink,
        "tar": tar,
        "wheels": wheels,
    }
    check = checking(ENTRY)
    return Namespace("entry", {name: Builtin(f"entry.{name}", make, check) for name, make in makers.items()})


def files(
    srcs: Any,
    dest: Any = "/",
    strip_prefix: Any = "",
    mode: Any = None,
    modes: Any = None,
    owner: Any = "0:0",
) -> Entries:
    """Files below ``dest`` under their paths in their packages, without ``strip_prefix``.

    ``modes`` maps patterns to modes; a pattern is tried on the path below ``dest``, on the path in the
    package, with a leading slash on the path in the image, and without any slash on the name.
    """
    folder = _path(dest)
    stripped = strip_prefix.strip("/")
    chosen = _Modes(_modes(modes or {}))
    placed = []
    overrides: dict[str, int] = {}
    for one in _files(srcs):
        below = without_prefix(one, stripped)
        path = f"{folder}/{below}" if folder else below
        if WHITEOUT_PREFIX in path and any(part.startswith(WHITEOUT_PREFIX) for part in path.split("/")):
            raise EvalError(
                f"{one.path}: names that begin with {WHITEOUT_PREFIX} mark removed files in layers"
            )
        placed.append((path, one))
        found = chosen.of(below, one.path, path)
        if found is not None:
            overrides[path] = found
    chosen.check_used(placed)
    return _placed(placed, mode, overrides, owner)


def file(path: Any, src: Any, mode: Any = None, owner: Any = "0:0") -> Entries:
    """One file at exactly ``path``."""
    one = _single(src)
    where = _path(path)
    return _placed([(where, _followed(one))], mode, {}, owner)


def _followed(one: File) -> File:
    """Return the file that a link leads to, where one file is asked for; errors call it by the name of the link."""
    return one if one.link is None else File(one.content, one.label, one.path)


def _placed(rows: Sequence[tuple[str, File]], mode: Any, modes: Mapping[str, int], owner: Any) -> Entries:
    refs = tuple(Ref(one.artifact, path) for path, one in rows)
    group = Files(files=refs, mode=_mode(mode), modes=modes, owner=_value("owner", owner))
    return Entries(group, tuple((path, _described(one)) for path, one in rows))


def directory(path: Any, mode: Any = None, owner: Any = "0:0") -> Entries:
    """A directory."""
    where = _path(path)
    number = _mode(mode)
    group = Directory(path=where, mode=0o755 if number is None else number, owner=_value("owner", owner))
    return Entries(group, ((where, "dirs"),))


def symlink(path: Any, target: Any, owner: Any = "0:0") -> Entries:
    """A symbolic link at ``path``; its target is kept as it is written."""
    if type(target) is not str or not target or "\0" in target:
        raise EvalError("a symbolic link needs a target")
    where = _path(path)
    group = Symlink(path=where, target=target, owner=_value("owner", owner))
    return Entries(group, ((where, "symlinks"),))


def tar(src: Any, dest: Any = "/") -> Entries:
    """What a tar archive holds, below ``dest``."""
    return Entries(Tar(archive=Ref(_single(src).content), dest=_path(dest)))


def packages(
    srcs: Any,
    database: Any = "status.d",
    merged_usr: Any = True,
    certificates: Any = None,
    only: Any = (),
) -> Entries:
    """What Debian packages hold.

    ``database`` is ``status.d`` (a file for each package, as scanners read it), ``dpkg`` (dpkg's own, with
    the packages unpacked and not configured) or empty. ``merged_usr``: /bin, /lib and /sbin are links. ``certificates``:
    a list of files in PEM, which together with those of the packages become /etc/ssl/certs/ca-certificates.crt. ``only``:
    folders, of which alone the packages' files are taken.
    """
    if database not in ("", "dpkg", "status.d"):
        raise EvalError(f"the database is status.d or dpkg, not {database!r}")
    refs = tuple(Ref(one.content, one.basename) for one in _files(srcs))
    more = None if certificates is None else tuple(Ref(one.content, one.path) for one in _files(certificates))
    folders = tuple(_path(one) for one in only)
    return Entries(Packages(refs, database, bool(merged_usr), more, folders))


def wheels(srcs: Any, prefix: Any, python: Any) -> Entries:
    """What Python wheels hold, as installed into a virtual environment at ``prefix``, for a ``python`` such as 3.12.

    Scripts start the interpreter ``bin/python`` of that. No compiled files are made, and nothing is run.
    """
    from importlib.metadata import version

    if type(python) is not str or not re.fullmatch(r"3\.[0-9]{1,2}", python):
        raise EvalError(f"python is a version such as 3.12, not {python!r}")
    refs = tuple(Ref(one.content, one.basename) for one in _files(srcs))
    where = _path(prefix)
    if not where:
        raise EvalError("prefix is a folder below the root")
    return Entries(Wheels(wheels=refs, prefix=where, python=python, installer=version("installer")))


def node_packages(srcs: Any, locations: Any, bins: Any) -> Entries:
    """What archives of npm packages hold, each as npm unpacks it, at the location with its number.

    ``bins`` has for each a dict of links to programs, from absolute paths to absolute paths; a link is made where the
    archive has the program.
    """
    sources = _files(srcs)
    if (
        type(locations) is not list
        or type(bins) is not list
        or len({len(sources), len(locations), len(bins)}) > 1
    ):
        raise EvalError("locations and bins are lists with one item for each of srcs")
    if not all(type(one) is dict for one in bins):
        raise EvalError("bins is a list of dicts from paths to paths")
    refs = tuple(Ref(one.content, one.basename) for one in sources)
    places = tuple(
        NodePackage(_path(location), {_path(link): _path(file) for link, file in links.items()})
        for location, links in zip(locations, bins, strict=True)
    )
    return Entries(NodePackages(archives=refs, places=places))


def check_paths(groups: Sequence[Entries], owner: Label) -> None:
    """Raise `EvalError` when two entries of one layer are at one path, or one is below a file."""
    seen: dict[str, str] = {}
    directories = set()
    for one in groups:
        is_directory = isinstance(one.group, Directory)
        for path, what in one.paths:
            if path in seen and not (path in directories and is_directory):
                raise EvalError(f"{owner}: /{path} is written twice: from {seen[path]} and from {what}")
            seen[path] = what
            if is_directory:
                directories.add(path)
    for path, what in seen.items():
        cut = path.rfind("/")
        while cut > 0:
            above = path[:cut]
            if above in seen and above not in directories:
                raise EvalError(f"{owner}: /{path} ({what}) is below /{above}, which is not a directory")
            cut = path.rfind("/", 0, cut)


def _described(one: File) -> str:
    return str(one.owner) if one.owner.name.endswith(one.path) else f"{one.path} of {one.owner}"


class _Modes:
    """Modes chosen by patterns; the last pattern that matches counts."""

    def __init__(self, modes: Mapping[str, int]) -> None:
        self._rows = []
        self._unused = set(modes)
        for pattern, mode in modes.items():
            try:
                expression = matcher([pattern.lstrip("/")])
            except ValueError as error:
                raise EvalError(f"modes: {error}") from None
            self._rows.append((pattern, expression, mode))

    def of(self, below: str, in_package: str, in_image: str) -> int | None:
        chosen = None
        for pattern, expression, mode in self._rows:
            if pattern.startswith("/"):
                candidates: tuple[str, ...] = (in_image,)
            elif "/" in pattern or "**" in pattern:
                candidates = (below, in_package)
            else:
                candidates = (below.rpartition("/")[2],)
            if any(expression.match(path) for path in candidates):
                chosen = mode
                self._unused.discard(pattern)
        return chosen

    def check_used(self, placed: Sequence[tuple[str, File]]) -> None:
        if self._unused and placed:
            raise EvalError(f"modes: the pattern {min(self._unused)!r} matches no file")


def without_prefix(one: File, prefix: str) -> str:
    if not prefix:
        return one.path
    if not one.path.startswith(f"{prefix}/"):
        raise EvalError(f"strip_prefix: {one.path} is not below {prefix!r}")
    return one.path[len(prefix) + 1 :]


def _files(value: Any) -> Sequence[File]:
    if type(value) not in (list, tuple) or not all(type(one) is File for one in value):
        raise EvalError(f"srcs is a list of files, not {described(value)}")
    found: Sequence[File] = value
    return found


def _single(value: Any) -> File:
    if type(value) is not File:
        raise EvalError(f"src is a file, not {described(value)}")
    return value


def _path(value: Any) -> str:
    """Return an absolute path without its leading slash."""
    found: str = _value("path", value)
    return found[1:]


def _mode(value: Any) -> int | None:
    """Return a mode; an int is taken as it is, as it may come from an attribute, which was checked."""
    if value is None or (type(value) is int and 0 <= value <= 0o7777):
        return value
    return _value("mode", value)  # type: ignore[no-any-return]


def _modes(value: Any) -> dict[str, int]:
    if type(value) is not dict or not all(type(pattern) is str for pattern in value):
        raise EvalError("modes is a dict from patterns to modes")
    checked = {pattern: mode for pattern, mode in value.items() if type(mode) is not int}
    found: dict[str, int] = _value("mode_dict", checked)
    return {pattern: found.get(pattern, _mode(mode) or 0) for pattern, mode in value.items()}


def _value(kind: str, value: Any) -> Any:
    def no_label(text: str) -> Label:
        raise EvalError(f"{text!r} cannot be a label here")

    return KINDS[kind].check(value, no_label)
