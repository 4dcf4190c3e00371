"""Copies of a Dockerfile -> ``files_layer``, ``tar_layer`` and ``copy_layer``."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from hermes.actions.specs.copy import Copy
from hermes.actions.specs.list_files import ListFiles
from hermes.actions.specs.resolve_destination import ResolveDestination
from hermes.actions.specs.spec import Ref
from hermes.dockerfile.files import Files
from hermes.dockerfile.migration.buildfile import Call, Target
from hermes.engine.action import Artifact, Output
from hermes.errors import DockerfileError, LabelError
from hermes.graph.label import Label
from hermes.layer.entry import DIRECTORY, FILE, HARDLINK, SYMLINK, join, parents
from hermes.layer.view import View
from hermes.workspace.glob import matcher

_IDS: Final = re.compile(r"([0-9]{1,10})(?::([0-9]{1,10}))?\Z")
_WRITE_BITS: Final = 0o022
_MOST_LEFT_OUT: Final = 8
_SPECIAL: Final = re.compile(r"[*?\[\]]")


@dataclass(frozen=True, slots=True)
class Stack:
    """What a copy goes onto: the targets, what the base has if that is known, and what copies surely made there.

    ``certain``: there is nothing else, such as what a command made.
    """

    labels: list[str]
    view: View | None
    made: Mapping[str, bool]
    certain: bool = True

    def is_folder(self, path: str) -> bool | None:
        """Tell whether a folder is there; None where nothing is known to be."""
        if not path:
            return True
        if path in self.made:
            return self.made[path]
        if self.view is not None and self.view.exists(path):
            return self.view.is_folder(path)
        return None

    def resolve(self, path: str) -> str:
        """Return where a path leads through the links of the base that are known."""
        return path.strip("/") if self.view is None else self.view.resolve(path)


@dataclass(slots=True)
class Copied:
    """The targets that a copy came to, and the paths that it surely makes (and whether each is a folder).

    ``own``: the targets know what they stand on.
    """

    targets: list[Target]
    made: dict[str, bool] = field(default_factory=dict)
    own: bool = False
    hidden: int = 0

    @property
    def labels(self) -> list[str]:
        """The layers to stack."""
        return [one.label for one in self.targets[self.hidden :]]


class _Row(NamedTuple):
    """Something copied: its path in the image, its type and mode, and the file of the package or target that it is.

    ``entry`` is the end of its path that the copy gave it.
    """

    path: str
    entry: str
    type: str
    mode: int
    source: str


class Copying:
    """Makes the targets of copies of the files in ``context``.

    ``present`` are the paths of all files that ``glob`` would see there.
    """

    def __init__(self, context: Files, present: Sequence[str]) -> None:
        self._context = context
        self._present = present
        self._known = frozenset(present)

    def from_layers(
        self,
        name: str,
        selected: ListFiles[Ref],
        root: list[str],
        copy: Copy[Ref],
        place: ResolveDestination[Ref],
        stack: Stack,
    ) -> Copied:
        """Return the target of a ``COPY --from``."""
        mode = copy.mode
        if isinstance(mode, str):
            raise DockerfileError(
                f"--chmod={mode} with --from has no rule", hint="write the permissions as 755 or 0644"
            )
        attributes = {
            "base": stack.labels,
            "dest": _dest(place),
            "exclude": list(selected.exclude),
            "mode": _mode_text(mode),
            "owner": place.owner,
            "parents": selected.parents,
            "paths": [_absolute(one) for one in selected.sources],
            "root": root,
        }
        return Copied([Target("copy_layer", name, attributes)], own=True)

    def of_files(
        self,
        name: str,
        copy: Copy[Ref],
        place: ResolveDestination[Ref],
        stack: Stack,
        files: Mapping[str, str],
        folders: Collection[str] = (),
    ) -> Copied:
        """Return the targets of a COPY or ADD of files, or of a WORKDIR.

        ``files`` maps actions to their targets. ``folders`` are those of the context that are copied whole.
        """
        ids = _IDS.match(place.owner or "0")
        dest = stack.resolve(place.dest)
        is_folder = place.folder or not place.single or bool(stack.is_folder(dest))
        if ids is None or (copy.chowns_archives and place.owner):
            return self._owned(name, copy, place, stack, files, folders)
        owner = f"{int(ids[1])}:{int(ids[2] or ids[1])}"
        rows = list(self._rows(copy, dest, stack, files, is_folder=is_folder))
        ways = [dest] if is_folder else [posixpath.dirname(dest)]
        missing = [
            one
            for folder in ways
            if folder
            for one in (folder, *parents(folder))
            if stack.is_folder(one) is None
        ]
        if missing and not stack.certain and (owner != "0:0" or not rows):
            return self._owned(name, copy, place, stack, files, folders)
        made = {**dict.fromkeys(missing, True), **{one.path: one.type == DIRECTORY for one in rows}}
        layer = self._files_layer(name, rows, missing, owner, stack, folders)
        targets = [layer] if layer else []
        targets += self._archives(name, copy, dest, files, alone=layer is None)
        return Copied(targets, made)

    def _rows(
        self, copy: Copy[Ref], dest: str, stack: Stack, files: Mapping[str, str], *, is_folder: bool
    ) -> Iterator[_Row]:
        assert not isinstance(copy.mode, str), (
            copy
        )  # a change in letters is made to the modes of files before
        sources = iter(copy.sources)
        known: dict[str, str] = {}
        for entry, kind, mode, link, _ in copy.entries:
            if kind not in (DIRECTORY, FILE, HARDLINK, SYMLINK):
                raise DockerfileError(
                    f"{entry} is a FIFO or a device node, for which no rule has a way",
                    hint="leave it out with an ignore file, or build with dockerfile_image",
                )
            path = dest
            if is_folder:
                above = stack.resolve(join(dest, posixpath.dirname(entry)).strip("/"))
                path = join(above, posixpath.basename(entry)).strip("/")
            if kind == DIRECTORY:
                path = stack.resolve(path)
            elif kind == HARDLINK:
                known[entry] = known[link]
            else:
                known[entry] = self._source(next(sources).artifact, files)
            chosen = mode if copy.mode is None else copy.mode
            yield _Row(path, entry, FILE if kind == HARDLINK else kind, chosen, known.get(entry, ""))

    def _source(self, artifact: Artifact, files: Mapping[str, str]) -> str:
        if isinstance(artifact, Output):
            return files[artifact.action]
        context, _, path = artifact.path.partition("\0")
        if context:
            raise DockerfileError(
                f"the context {context} is a folder, whose files are none of this package",
                hint="build from a folder above both, or copy the files into the context",
            )
        try:
            Label.parse(f":{path}", relative_to="")
        except LabelError as error:
            raise DockerfileError(f"{path} cannot be named in a BUILD file: {error.message}") from None
        if path not in self._known:
            raise DockerfileError(
                f"{path} is in a folder that has a BUILD file, and so of another package",
                hint="take that BUILD file away, or make the file a target there",
            )
        return str(path)

    def _archives(
        self, name: str, copy: Copy[Ref], dest: str, files: Mapping[str, str], *, alone: bool
    ) -> list[Target]:
        found = []
        for number, one in enumerate(copy.archives):
            called = name if alone and not number else f"{name}_archive{number + 1}"
            found.append(
                Target("tar_layer", called, {"dest": f"/{dest}", "src": self._source(one.artifact, files)})
            )
        return found

    def _owned(
        self,
        name: str,
        copy: Copy[Ref],
        place: ResolveDestination[Ref],
        stack: Stack,
        files: Mapping[str, str],
        folders: Collection[str],
    ) -> Copied:
        """Return a copy for which the stack is looked at when it is built: for who a name is, or which folders are there."""
        plain = place.replaced(owner="", dest="files", folder=True)
        empty = Stack([], None, {})
        inner = self.of_files(f"{name}_files", copy, plain, empty, files, folders)
        single = place.single and not place.folder
        copied = Target(
            "copy_layer",
            name,
            {
                "base": stack.labels,
                "dest": _dest(place.replaced(folder=place.folder or not place.single)),
                "owner": place.owner,
                "paths": [f"/files/{copy.entries[0].name}" if single else "/files"],
                "root": inner.labels,
            },
        )
        return Copied([*inner.targets, copied], own=True, hidden=len(inner.targets))

    # One files_layer.

    def _files_layer(
        self,
        name: str,
        rows: Sequence[_Row],
        missing: Sequence[str],
        owner: str,
        stack: Stack,
        whole: Collection[str],
    ) -> Target | None:
        files = [one for one in rows if one.type not in (DIRECTORY, SYMLINK)]
        links = [one for one in rows if one.type == SYMLINK]
        below = {folder for one in (*files, *links) for folder in parents(one.path)}
        folders = {one.path: one.mode & ~_WRITE_BITS for one in rows if one.type == DIRECTORY and one.path}
        wanted = [path for path in folders if stack.is_folder(path) is None]
        odd = {path: mode for path, mode in folders.items() if mode != 0o755}
        dirs = {one for one in (*missing, *wanted) if owner != "0:0" or one not in below} - odd.keys()
        if not (files or links or dirs or odd):
            return None
        target = Target("files_layer", name, {"owner": owner if owner != "0:0" else None})
        target.attributes["dirs"] = sorted(f"/{one}" for one in dirs)
        target.attributes["dir_modes"] = {f"/{path}": _mode_text(mode) for path, mode in sorted(odd.items())}
        target.attributes["symlinks"] = {f"/{one.path}": self._context.link(one.source) for one in links}
        self._put(target, files, whole)
        self._set_modes(target, files)
        return target

    def _put(self, target: Target, files: Sequence[_Row], folders: Collection[str]) -> None:
        """Say where the files go: as one folder of the package, if they are one, else each by itself."""
        attributes = target.attributes
        if (found := _common(files)) is not None:
            dest, prefix = found
            sources = [one.source for one in files]
            attributes["dest"] = f"/{dest}"
            attributes["strip_prefix"] = prefix
            attributes["srcs"] = self._pattern(sources, prefix) if prefix in folders else sources
        else:
            attributes["files"] = {f"/{one.path}": one.source for one in files}

    def _pattern(self, sources: Sequence[str], prefix: str) -> Any:
        """Return the files below a folder that was copied as a pattern, if one says the same, else as a list."""
        whole = f"{_SPECIAL.sub('?', prefix)}/**" if prefix else "**"
        seen = [one for one in self._present if matcher([whole]).match(one)]
        left_out = sorted(set(seen) - set(sources))
        if not set(sources) <= set(seen) or len(left_out) > max(_MOST_LEFT_OUT, len(sources) // 4):
            return list(sources)
        patterns = _patterns(left_out, sources)
        return Call("glob", ([whole],), (("exclude", patterns),) if patterns else ())

    def _set_modes(self, target: Target, files: Sequence[_Row]) -> None:
        odd = {}
        plain = {0o755 if one.mode & 0o100 else 0o644 for one in files}
        modes = {one.mode & ~_WRITE_BITS for one in files}
        if len(modes) == 1 and not modes <= plain:
            target.attributes["mode"] = _mode_text(files[0].mode)
            return
        for one in files:
            executable = bool(self._executable(one))
            if one.mode & ~_WRITE_BITS != (0o755 if executable else 0o644):
                odd[f"/{one.path}"] = _mode_text(one.mode)
        target.attributes["modes"] = odd

    def _executable(self, row: _Row) -> bool:
        if row.source.startswith(":"):
            return False
        found = self._context.status(row.source)
        return found is not None and bool(found.mode & 0o100)


def _common(files: Sequence[_Row]) -> tuple[str, str] | None:
    """Return the folder of the image that files of the package go to, and that of the package which they are below."""
    found = set()
    for one in files:
        if one.source.startswith(":") or not f"/{one.source}".endswith(f"/{one.entry}"):
            return None
        if not f"/{one.path}".endswith(f"/{one.entry}"):
            return None
        length = len(one.entry)
        found.add((one.path[:-length].rstrip("/"), one.source[:-length].rstrip("/")))
    return found.pop() if len(found) == 1 else None


def _patterns(left_out: Iterable[str], kept: Sequence[str]) -> list[str]:
    """Return patterns that match what is left out and nothing that is kept: whole folders where they are."""
    found: dict[str, None] = {}
    for one in left_out:
        folders = [f"{folder}/**" for folder in sorted(parents(one)) if not _SPECIAL.search(folder)]
        whole = [pattern for pattern in folders if not any(matcher([pattern]).match(path) for path in kept)]
        found[(whole or [_SPECIAL.sub("?", one)])[0]] = None
    return list(found)


def _dest(place: ResolveDestination[Ref]) -> str:
    dest = f"/{place.dest}".rstrip("/")
    return f"{dest}/" if place.folder or not dest else dest


def _absolute(path: str) -> str:
    return path if path.startswith("/") else f"/{path}"


def _mode_text(mode: int | None) -> str | None:
    return None if mode is None else f"{mode:04o}"
