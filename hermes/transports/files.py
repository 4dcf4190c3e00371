"""Images whose files lie side by side in a folder or a tar archive, for the transports that read and write such.

Both may be anybody's. A folder's files are read where the system finds them, since the folder is the user's; an
archive's links lead to other entries of it or nowhere, and every name is there once.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from hermes.digest import CHUNK, Digest
from hermes.errors import BuildError, ImageError, LayerError, UsageError
from hermes.image.descriptor import Descriptor
from hermes.layer.decompress import Decompressed, Source
from hermes.layer.entry import DIRECTORY, FILE, HARDLINK, SYMLINK
from hermes.layer.tar_reader import members
from hermes.layer.tar_writer import BLOCK_SIZE
from hermes.store import Store
from hermes.store.atomic_replace import beside
from hermes.store.io_errors import storing
from hermes.transports.transport import LARGEST_DOCUMENT, STANDARD, RemoteBlobs, missing

_MOST_LINKS: Final = 8
_MOST_MEMBERS: Final = 100_000
_FREE_GROWTH: Final = 64 << 20
_MOST_GROWTH: Final = 200


class Files(Protocol):
    """The files of an image by their paths, which are relative and use slashes."""

    def size(self, path: str) -> int | None:
        """Return the size of a file in bytes, or None when there is no such file."""
        ...

    def open(self, path: str) -> AbstractContextManager[Source]:
        """Open a file that is there."""
        ...


class Folder:
    """`Files` of a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name

    def size(self, path: str) -> int | None:
        try:
            status = os.stat(self._folder / path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._unreadable(path, error) from error
        return status.st_size if stat.S_ISREG(status.st_mode) else None

    @contextmanager
    def open(self, path: str) -> Iterator[Source]:
        try:
            with open(self._folder / path, "rb", opener=_opener) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise ImageError(f"{self._name}: {path} is not a file")
                yield file
        except OSError as error:
            raise self._unreadable(path, error) from error

    def _unreadable(self, path: str, error: OSError) -> ImageError:
        return ImageError(f"{self._name}: {path} cannot be read: {error.strerror}")


class Archive:
    """`Files` of a tar archive, whose headers are all read and checked first."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        self._places: dict[str, tuple[int, int]] = {}
        self._links: dict[str, str] = {}
        self._read_headers()

    def __contains__(self, path: str) -> bool:
        return self._resolved(path) is not None

    def size(self, path: str) -> int | None:
        found = self._resolved(path)
        return None if found is None else found[1]

    @contextmanager
    def open(self, path: str) -> Iterator[Source]:
        found = self._resolved(path)
        if found is None:
            raise ImageError(f"{self._name}: {path} is missing")
        yield _Part(self._file.fileno(), *found)

    def _resolved(self, path: str) -> tuple[int, int] | None:
        for _ in range(_MOST_LINKS):
            if (found := self._places.get(path)) is not None:
                return found
            if (target := self._links.get(path)) is None:
                return None
            path = target
        raise ImageError(f"{self._name}: the link {path} leads in a circle")

    def _read_headers(self) -> None:
        file = self._file
        whole = os.fstat(file.fileno()).st_size
        seen: set[str] = set()

        def skip(count: int) -> None:
            file.seek(count, os.SEEK_CUR)

        for member in members(file.read, name=self._name, skip=skip):
            entry = member.entry
            if entry.type == DIRECTORY:
                continue
            if entry.path in seen:
                raise LayerError(f"{self._name}: {entry.path} is in the archive twice")
            seen.add(entry.path)
            if len(seen) > _MOST_MEMBERS:
                raise LayerError(f"{self._name}: it has more than {_MOST_MEMBERS} entries")
            if entry.type == FILE:
                start = file.tell()
                if start + entry.size + -entry.size % BLOCK_SIZE > whole:
                    raise LayerError(f"{self._name}: the archive ends in the middle of {entry.path}")
                self._places[entry.path] = start, entry.size
            elif entry.type in (SYMLINK, HARDLINK):
                self._links[entry.path] = self._target(entry.path, entry.link, hard=entry.type == HARDLINK)
            else:
                raise LayerError(f"{self._name}: {entry.path} is neither a file nor a folder nor a link")

    def _target(self, path: str, link: str, *, hard: bool) -> str:
        target = link if hard else posixpath.normpath(posixpath.join(posixpath.dirname(path), link))
        if target.startswith(("/", "../")) or target == "..":
            raise LayerError(f"{self._name}: the link {path} leads out of the archive, to {link}")
        return target


class _Part:
    """A part of a file, read without moving the file's own position: several threads may read one archive."""

    def __init__(self, fd: int, start: int, size: int) -> None:
        self._fd = fd
        self._at = start
        self._end = start + size

    def read(self, count: int, /) -> bytes:
        data = os.pread(self._fd, min(count, self._end - self._at), self._at)
        self._at += len(data)
        return data


@contextmanager
def opened_archive(path: Path, name: str, store: Store) -> Iterator[Archive]:
    """Open a tar archive. One that is compressed, or comes through a pipe, is first copied into the store.

    Raises `UsageError` when it is not there, `LayerError` when it is not an archive.
    """
    with _opened_file(path, name) as file:
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode) and not Decompressed(file, name=name).form:
            file.seek(0)
            yield Archive(file, name)
            return
        if file.seekable():
            file.seek(0)
        with spooled(file, name, store) as copy:
            yield Archive(copy, name)


@contextmanager
def spooled(file: Source, name: str, store: Store) -> Iterator[BinaryIO]:
    """Give a temporary file with what another holds, uncompressed.

    Raises `LayerError` when it grows so much that it can only be meant to fill the disk.
    """
    source = _Counted(file)
    with storing("the store"):
        path = store.scratch.path()
        with open(path, "w+b", buffering=0) as copy:
            os.unlink(path)
            plain = Decompressed(source, name=name)
            total = 0
            while data := plain.read(CHUNK):
                total += len(data)
                if plain.form and total > _FREE_GROWTH + _MOST_GROWTH * source.count:
                    raise LayerError(
                        f"{name}: it grows to more than {_MOST_GROWTH} times its size uncompressed"
                    )
                copy.write(data)
            copy.seek(0)
            yield copy


class _Counted:
    def __init__(self, file: Source) -> None:
        self._file = file
        self.count = 0

    def read(self, count: int, /) -> bytes:
        data = self._file.read(count)
        self.count += len(data)
        return data


@contextmanager
def _opened_file(path: Path, name: str) -> Iterator[BinaryIO]:
    if path == STANDARD:
        if os.isatty(0):
            raise UsageError(f"{name}: standard input is a terminal", hint="redirect it, or name a file")
        with open(0, "rb", closefd=False) as file:
            yield file
        return
    try:
        file = open(path, "rb")  # noqa: SIM115 - closed below
    except FileNotFoundError:
        raise UsageError(f"{name}: there is no file {path}") from None
    except OSError as error:
        raise UsageError(f"{name}: {path} cannot be read: {error.strerror}") from error
    with file:
        yield file


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def read(files: Files, path: str, name: str) -> bytes:
    """Return a document, or the beginning of one that is too large; raises `ImageError` when it is not there."""
    if files.size(path) is None:
        raise ImageError(f"{name}: {path} is missing", hint="have the image written again")
    with files.open(path) as file:
        parts = []
        left = LARGEST_DOCUMENT + 1
        while left and (data := file.read(left)):
            parts.append(data)
            left -= len(data)
    if not left:
        raise ImageError(f"{name}: {path} is larger than {LARGEST_DOCUMENT >> 20} MiB")
    return b"".join(parts)


class FilesOrigin:
    """An `Origin` whose documents and blobs are files; ``place`` returns where one is."""

    def __init__(
        self, name: str, title: str, files: Files, root: Descriptor, place: Callable[[Descriptor], str]
    ) -> None:
        self.name = name
        self.title = title
        self.remote: RemoteBlobs | None = None
        self._files = files
        self._root = root
        self._place = place

    def root(self) -> Descriptor:
        return self._root

    def document(self, one: Descriptor) -> bytes:
        return read(self._files, self._found(one), self.name)

    def open(self, one: Descriptor) -> AbstractContextManager[Source]:
        return self._files.open(self._found(one))

    def _found(self, one: Descriptor) -> str:
        path = self._place(one)
        if self._files.size(path) is None:
            raise missing(self.name, one)
        return path


def check_folder(folder: Path, marker: str, what: str) -> None:
    """Raise `BuildError` rather than write among somebody's files."""
    if folder.exists() and not (folder / marker).exists() and any(folder.iterdir()):
        raise BuildError(
            f"{folder} is there already and is not {what}", hint="name a new folder, or remove this one"
        )


def copy_blob(store: Store, digest: Digest, path: Path) -> None:
    """Copy a blob, verified on the way."""
    if path.exists() and path.stat().st_size == os.stat(store.blobs.path(digest)).st_size:
        return
    temporary = beside(path, hidden=False)
    try:
        with open(temporary, "wb") as file:
            file.writelines(store.blobs.chunks(digest))
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)
