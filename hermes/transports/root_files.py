"""The files of an image as a folder or a tar archive: what ``-o type=local`` and ``type=tar`` of docker buildx write.

The layers are read as they are, each once; nothing is extracted or mounted, so this runs with the user's own rights. See
BuildKit's "local and tar exporters": of several platforms each has a folder of its own, ``linux_amd64``; what goes into a
folder belongs to the user who runs this, and what goes into an archive to whom it belongs in the image.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from hermes.digest import Digest
from hermes.errors import BuildError, LayerError, UsageError
from hermes.image.config import diff_ids_of, platform_of
from hermes.image.descriptor import Descriptor
from hermes.image.manifest import INDEXES, Manifest
from hermes.image.stored import manifests_of
from hermes.layer import encodings, toc
from hermes.layer.entry import BLOCK, CHARACTER, DIRECTORY, FIFO, FILE, HARDLINK, SYMLINK, Entry, join
from hermes.layer.flatten import flatten
from hermes.layer.tar_reader import members
from hermes.layer.tar_writer import END, header, padding
from hermes.store import Store
from hermes.store.atomic_replace import beside
from hermes.store.io_errors import writing
from hermes.store.removal import remove_tree
from hermes.transports.archive import written_file
from hermes.transports.transport import Needs

_NEEDS: Final = Needs(uncompressed=True)
_NANOSECONDS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class FolderDestination:
    """A folder that gets the files of an image, whether it is there or not; what else is in it stays.

    ``split``: the files go into a folder for their platform, also where there is only one (None: where there are more).
    """

    needs: ClassVar[Needs] = _NEEDS

    folder: Path
    split: bool | None = None

    def check(self) -> None:
        """Raise `UsageError` where there is something else."""
        if os.path.lexists(self.folder) and not self.folder.is_dir():
            raise UsageError(f"{self.folder} is not a folder", hint="name a folder, there or not")

    def write(self, manifest: Descriptor, store: Store, name: str) -> None:
        del name
        with writing(self.folder):
            self.check()
            is_new = not os.path.isdir(self.folder)
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            staged = beside(self.folder if is_new else self.folder / "hermes-output")
            try:
                staged.mkdir()
                tree = _Tree(staged)
                for folder, diff_ids in _images(manifest, store, split=self.split):
                    for entry, content in _files(store, diff_ids, folder):
                        tree.add(entry, content)
                if is_new:
                    tree.finish(staged)
                    staged.rename(self.folder)
                else:
                    merge_folders(staged, self.folder)
                    tree.finish(self.folder)
            finally:
                remove_tree(staged)


@dataclass(frozen=True, slots=True)
class FilesArchiveDestination:
    """A tar archive of the files of an image; the same image gives the same bytes. ``split`` as in `FolderDestination`."""

    needs: ClassVar[Needs] = _NEEDS

    path: Path
    split: bool | None = None

    def write(self, manifest: Descriptor, store: Store, name: str) -> None:
        del name
        with writing(self.path), written_file(self.path) as file:
            for folder, diff_ids in _images(manifest, store, split=self.split):
                for entry, content in _files(store, diff_ids, folder):
                    file.write(header(entry))
                    for data in content:
                        file.write(data)
                    file.write(padding(entry.size))
            file.write(END)


def _images(
    manifest: Descriptor, store: Store, *, split: bool | None
) -> Iterator[tuple[str, Sequence[Digest]]]:
    """Yield the layers of each image, the lowest first, and the folder that its files go into."""
    is_split = manifest.media_type in INDEXES if split is None else split
    for image in manifests_of(manifest, store):
        config = json.loads(store.blobs.read(Manifest.parse(store.blobs.read(image.digest)).config.digest))
        yield str(platform_of(config)).replace("/", "_") if is_split else "", diff_ids_of(config)


def _files(store: Store, diff_ids: Sequence[Digest], below: str) -> Iterator[tuple[Entry, Iterable[bytes]]]:
    """Yield what a stack comes to, with paths below a folder: directories first, and hard links after their files."""
    if below:
        yield Entry(below, DIRECTORY, 0o755), ()
    found = flatten([toc.load(store, one) for one in diff_ids])
    later: list[Entry] = []
    wanted: dict[int, dict[str, Entry]] = {}
    for entry, layer, path in found:
        placed = entry._replace(path=join(below, entry.path)) if below else entry
        if entry.type == DIRECTORY:
            if entry.path:
                yield placed, ()
        elif entry.type == FILE and entry.size:
            wanted.setdefault(layer, {})[path] = placed
        elif entry.type == HARDLINK:
            later.append(placed._replace(link=join(below, entry.link)) if below else placed)
        else:
            yield placed, ()
    for layer, files in sorted(wanted.items()):
        yield from _contents(store, diff_ids[layer], files)
    for entry in later:
        yield entry, ()


def _contents(
    store: Store, diff_id: Digest, files: dict[str, Entry]
) -> Iterator[tuple[Entry, Iterable[bytes]]]:
    """Yield the files of one layer, which map their paths there to what they are; raises `LayerError`."""
    name = f"layer {diff_id.short}"
    with encodings.open_tar(store, diff_id) as tar:
        for member in members(tar.read, name=name, unpadded=True):
            found = files.get(member.entry.path)
            if found is not None and (member.entry.type, member.entry.size) == (FILE, found.size):
                del files[member.entry.path]
                yield found, member.content
        tar.check()
    if files:
        raise LayerError(f"{name}: the file {min(files)!r} could not be read from it")


class _Tree:
    """Writes entries below a folder that belongs to this alone; what belongs to directories is said at the end."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._directories: list[Entry] = []

    def add(self, entry: Entry, content: Iterable[bytes]) -> None:
        target = self._root / entry.path
        kind = entry.type
        if kind == DIRECTORY:
            target.mkdir(parents=True, exist_ok=True)
            self._directories.append(entry)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        if kind == HARDLINK:
            os.link(self._root / entry.link, target, follow_symlinks=False)
            return
        if kind == FILE:
            with open(target, "xb") as file:
                file.writelines(content)
        elif kind == SYMLINK:
            os.symlink(entry.link, target)
        elif kind == FIFO:
            os.mkfifo(target)
        elif kind in (BLOCK, CHARACTER):
            if os.geteuid():
                return
            form = stat.S_IFBLK if kind == BLOCK else stat.S_IFCHR
            os.mknod(target, form, os.makedev(*entry.device))
        _describe(entry, target)

    def finish(self, root: Path) -> None:
        """Give the directories, which are below ``root`` by now, their modes and times."""
        for entry in sorted(self._directories, key=lambda one: one.sort_key, reverse=True):
            _describe(entry, root / entry.path)


def _describe(entry: Entry, target: Path) -> None:
    for name, value in entry.xattrs:
        with contextlib.suppress(OSError):  # as with BuildKit: not all can be set, and not by all
            os.setxattr(target, name, value, follow_symlinks=False)
    if entry.type != SYMLINK:
        target.chmod(entry.mode)
    os.utime(target, ns=(entry.mtime * _NANOSECONDS,) * 2, follow_symlinks=False)


def merge_folders(new: Path, folder: Path) -> None:
    """Move what is below ``new`` to its place in ``folder``, where each file is the old or the new one.

    Raises `BuildError` before anything is moved where a file would take the place of a folder.
    """
    for at, folders, names in os.walk(new):
        for name in (*names, *(one for one in folders if Path(at, one).is_symlink())):
            place = folder / Path(at, name).relative_to(new)
            if place.is_dir() and not place.is_symlink():
                raise BuildError(
                    f"{place} is a folder, and the image has a file there",
                    hint="remove it, or name another folder",
                )
    for at, folders, names in os.walk(new):
        here = folder / Path(at).relative_to(new)
        for name in folders:
            source, place = Path(at, name), here / name
            if source.is_symlink():
                names.append(name)
            elif place.is_symlink() or not place.is_dir():
                place.unlink(missing_ok=True)
                place.mkdir()
        for name in names:
            os.replace(Path(at, name), here / name)
