"""What tells that files are still the same, for many files, in the form that is read and compared fastest."""

from __future__ import annotations

import os
from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain
from typing import Final

from hermes.store.stamps import STAMP_NS, is_fresh, is_stamped

Signature = tuple[int, int, int, int]
"""mtime and ctime in nanoseconds, size in bytes, inode."""

NOTHING = (0, 0, 0, 0)
"""The signature of what is not there."""
_NEVER = (-1, -1, -1, -1)
_FEW: Final = 40
"""How many paths are found faster one by one than by a table of all."""
_CHUNK: Final = 1 << 16


def signature(path: str) -> Signature:
    """Return what tells that a file or folder is still the same; `NOTHING` when it is not there."""
    try:
        status = os.lstat(path)
    except OSError:
        return NOTHING
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


def output_signature(path: str) -> Signature:
    """Return a `signature` without the ctime, which changes when a blob gets or loses a name elsewhere.

    Of a blob, whose modification time says whether somebody else changed it, only the second of that counts.
    """
    mtime, _, size, inode = signature(path)
    return STAMP_NS if is_stamped(mtime) else mtime, 0, size, inode


class Signatures:
    """Paths with a signature each.

    ``text`` has a NUL after each path, ``numbers`` four for each: strings of their own would take most of the memory
    of a build with nothing to do.
    """

    def __init__(self, text: str, numbers: array[int]) -> None:
        self._text = text
        self._numbers = numbers

    @classmethod
    def of(cls, rows: Mapping[str, Signature]) -> Signatures:
        numbers = array("q")
        for row in rows.values():
            numbers.extend(_flat(row))
        return cls("".join(f"{path}\0" for path in rows), numbers)

    @classmethod
    def load(cls, row: tuple[str, bytes]) -> Signatures:
        """Return what `dump` has made plain."""
        text, data = row
        numbers = array("q")
        numbers.frombytes(data)
        return cls(text, numbers)

    def dump(self) -> tuple[str, bytes]:
        """Return all of it as plain values."""
        return self._text, self._numbers.tobytes()

    def with_rows(self, rows: Mapping[str, Signature], gone: Collection[str] = ()) -> Signatures:
        """Return the same with the signatures of some paths set or added, and without those that are ``gone``."""
        if gone or len(rows) > _FEW:
            kept = {path: row for path, row in self._rows() if path not in gone}
            return Signatures.of({**kept, **rows})
        numbers, added = self._numbers[:], {}
        for path, row in rows.items():
            place = self._place(path)
            if place is None:
                added[path] = row
            else:
                numbers[place * 4 : place * 4 + 4] = _flat(row)
        for row in added.values():
            numbers.extend(_flat(row))
        return Signatures(self._text + "".join(f"{path}\0" for path in added), numbers)

    def _place(self, path: str) -> int | None:
        if self._text.startswith(f"{path}\0"):
            return 0
        before = self._text.find(f"\0{path}\0")
        return None if before < 0 else self._text.count("\0", 0, before + 1)

    def _paths(self) -> Iterator[list[str]]:
        """Yield the paths, many at a time."""
        text, start = self._text, 0
        while start < len(text):
            end = text.index("\0", min(start + _CHUNK, len(text) - 1))
            yield text[start:end].split("\0")
            start = end + 1

    def _rows(self) -> Iterable[tuple[str, Signature]]:
        numbers = iter(self._numbers)
        return zip(
            chain.from_iterable(self._paths()),
            zip(numbers, numbers, numbers, numbers, strict=True),
            strict=True,
        )

    def changed(self, root: str) -> list[str]:
        """Return the paths, relative to ``root``, of which a file is not what it was."""
        lstat, prefix = os.lstat, f"{root}/"
        found = []
        for path, known in self._rows():
            try:
                status = lstat(prefix + path)
            except OSError:
                found.append(path)
                continue
            if (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino) != known:
                found.append(path)
        return found

    def differ(self) -> bool:
        """Tell whether one of the absolute paths has another `signature` than it had."""
        return any(signature(path) != known for path, known in self._rows())

    def outputs_differ(self) -> bool:
        """Tell whether one of the absolute paths has another `output_signature` than it had, or is a changed blob."""
        lstat = os.lstat
        for path, known in self._rows():
            try:
                status = lstat(path)
            except OSError:
                if known != NOTHING:
                    return True
                continue
            mtime = status.st_mtime_ns
            if known[0] == STAMP_NS and is_fresh(mtime, status.st_ctime_ns):
                mtime = STAMP_NS
            if (mtime, 0, status.st_size, status.st_ino) != known:
                return True
        return False


def _flat(row: Signature) -> array[int]:
    try:
        return array("q", row)
    except OverflowError:  # an inode of more than 63 bits is looked at each time
        return array("q", _NEVER)
