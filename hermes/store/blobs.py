"""Blobs: immutable files named by the sha256 of what they hold.

A blob is hashed while it is written, and its modification time is in second 1, so that a later write to it shows in its
`stat`. Before it leaves the store it is read again if anything was done to it since it was last known to be whole: see
`hermes.store.stamps`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Protocol, Self

from hermes.digest import CHUNK, Digest
from hermes.errors import BuildInterrupted, HermesError, MissingBlobError
from hermes.store.io_errors import storing
from hermes.store.regular import regular
from hermes.store.scratch import Scratch
from hermes.store.stamps import is_fresh, is_stamped, stamp

_AGAIN: Final = "build or pull what it belongs to again"
_HEX_DIGITS: Final = 64


class BlobStore(Protocol):
    """What holds blobs, each as a file of this machine."""

    def has(self, digest: Digest, size: int | None = None) -> bool:
        """Tell whether the blob is there, whole, with ``size`` bytes when that is known."""
        ...

    def path(self, digest: Digest) -> str:
        """Return the path of a file that holds the blob, there or not."""
        ...

    def put(self, data: bytes) -> Digest:
        """Store ``data`` and return its digest."""
        ...

    def writer(self) -> BlobWriter:
        """Return a writer for a blob whose digest is not known yet."""
        ...


class BlobWriter:
    """Writes one blob: `write` its bytes, then `commit`; left without `commit`, nothing stays behind."""

    def __init__(self, folder: str, scratch: Scratch) -> None:
        self._folder = folder
        self._path = scratch.path()
        self._hash = hashlib.sha256()
        self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
        self.size = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._hash.update(data)
        write_all(self._fd, data)
        self.size += len(data)

    @property
    def digest(self) -> Digest:
        """The digest of what has been written so far."""
        return Digest.from_hex(self._hash.hexdigest())

    def commit(self) -> Digest:
        """Make the blob visible under its digest and return that."""
        digest = self.digest
        now = stamp()
        os.utime(self._fd, ns=(now, now))
        os.close(self._fd)
        self._fd = -1
        os.rename(self._path, f"{self._folder}/{digest.hex}")
        return digest

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            os.unlink(self._path)


class LocalBlobs:
    """`BlobStore` in a folder of this machine.

    While it is ``in_doubt``, because one blob was found to be damaged, `has` reads what may have been changed. ``bring``
    is called with a blob that is to be read and is not there, and stores it if it can; so is ``bring_document`` with
    what `read` finds missing or damaged, and says with an error why it cannot.
    """

    def __init__(self, folder: Path, scratch: Scratch) -> None:
        self.folder = str(folder)
        self.in_doubt = False
        self.bring: Callable[[Digest], bool] = _brings_nothing
        self.bring_document: Callable[[Digest], bool] = _brings_nothing
        self._scratch = scratch

    def path(self, digest: Digest) -> str:
        return f"{self.folder}/{digest.hex}"

    def writer(self) -> BlobWriter:
        with storing(self.folder):
            self._scratch.check_writable()
            return BlobWriter(self.folder, self._scratch)

    def put(self, data: bytes) -> Digest:
        digest = Digest.of(data)
        if not self._is_whole(digest, len(data)):
            with storing(self.folder), self.writer() as writer:
                writer.write(data)
                writer.commit()
        return digest

    def has(self, digest: Digest, size: int | None = None) -> bool:
        """See `BlobStore`. A blob that was changed since it was written is removed."""
        path = self.path(digest)
        try:
            status = os.stat(path)
        except FileNotFoundError:
            return False
        if not stat.S_ISREG(status.st_mode) or (size is not None and status.st_size != size):
            self.remove(digest)
            return False
        if self.in_doubt:
            return is_fresh(status.st_mtime_ns, status.st_ctime_ns) or self.verify(digest)
        return is_stamped(status.st_mtime_ns) or self.verify(digest)

    def check(self, digest: Digest, size: int | None = None) -> None:
        """Raise `MissingBlobError` for a blob that is not there, or not whole; it is read if it may have changed.

        What leaves the store without being read must be checked first. What is damaged is removed.
        """
        path = self.path(digest)
        was_there = os.path.lexists(path) or self.bring(digest)
        if not self._is_whole(digest, size):
            raise corrupt(digest) if was_there else missing(digest)

    def _is_whole(self, digest: Digest, size: int | None) -> bool:
        """Tell whether the blob is there and right; it is read if it may have changed, and removed if it is damaged."""
        if not self.has(digest, size):
            return False
        status = os.stat(self.path(digest))
        return is_fresh(status.st_mtime_ns, status.st_ctime_ns) or self.verify(digest)

    def verify(self, digest: Digest) -> bool:
        """Read the whole blob; remove it when it is not what its name says."""
        path = self.path(digest)
        try:
            with open(path, "rb", opener=regular) as file:
                status = os.fstat(file.fileno())
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            return False
        except IsADirectoryError:
            found = ""
        if found != digest.hex:
            self.remove(digest)
            return False
        if not is_fresh(status.st_mtime_ns, status.st_ctime_ns):
            now = stamp()
            with contextlib.suppress(OSError):  # of a store that is read-only
                os.utime(path, ns=(now, now))
        return True

    def read(self, digest: Digest) -> bytes:
        """Return the whole blob, a document, verified; raises `MissingBlobError`.

        One that is missing or damaged is brought from elsewhere, if it is known where.
        """
        try:
            return self._read(digest)
        except MissingBlobError as error:
            lost = error
        try:
            is_here = self.bring(digest) or self.bring_document(digest)
        except (BuildInterrupted, MissingBlobError):
            raise
        except HermesError as error:
            raise MissingBlobError(
                f"{lost.message}; it could not be fetched again: {error.message}",
                digest=digest,
                hint=error.hint or _AGAIN,
            ) from error
        if not is_here:
            raise lost
        return self._read(digest)

    def _read(self, digest: Digest) -> bytes:
        try:
            with open(self.path(digest), "rb", opener=regular) as file:
                data = file.read()
        except FileNotFoundError:
            raise missing(digest) from None
        except IsADirectoryError:
            data = b""
        if Digest.of(data) != digest:
            self.remove(digest)
            raise corrupt(digest)
        return data

    def chunks(self, digest: Digest) -> Iterator[bytes]:
        """Yield the blob in pieces; raises `MissingBlobError` at the end when they are not its bytes."""
        hasher = hashlib.sha256()
        with self.open(digest) as file:
            while data := file.read(CHUNK):
                hasher.update(data)
                yield data
        if hasher.hexdigest() != digest.hex:
            self.remove(digest)
            raise corrupt(digest)

    def open(self, digest: Digest) -> BinaryIO:
        """Open the blob for reading, unverified; raises `MissingBlobError`."""
        try:
            return open(self.path(digest), "rb", buffering=0, opener=regular)
        except FileNotFoundError:
            if self.bring(digest):
                return self.open(digest)
            raise missing(digest) from None
        except IsADirectoryError:
            self.remove(digest)
            raise corrupt(digest) from None

    def beginning(self, begin: str) -> list[Digest]:
        """Return the digests of the blobs whose hexadecimal digits begin with ``begin``, sorted."""
        try:
            listed = os.listdir(self.folder)
        except FileNotFoundError:
            return []
        names = [name for name in listed if name.startswith(begin) and len(name) == _HEX_DIGITS]
        return [Digest.from_hex(name) for name in sorted(names)]

    def remove(self, digest: Digest) -> None:
        path = self.path(digest)
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        except IsADirectoryError:
            from hermes.store.removal import remove_tree

            remove_tree(path)


def _brings_nothing(_: Digest) -> bool:
    return False


def write_all(fd: int, data: bytes | bytearray | memoryview) -> None:
    """Write all of ``data`` to ``fd``."""
    written = os.write(fd, data)
    if written != len(data):
        view = memoryview(data)
        while written < len(view):
            written += os.write(fd, view[written:])


def missing(digest: Digest) -> MissingBlobError:
    return MissingBlobError(f"the store has no blob {digest}", digest=digest, hint=_AGAIN)


def corrupt(digest: Digest) -> MissingBlobError:
    return MissingBlobError(
        f"the store's blob {digest} did not match its digest and was removed",
        digest=digest,
        hint=_AGAIN,
    )
