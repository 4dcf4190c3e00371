"""What tells that files are still the same, for many files, in the form that is read and compared fastest."""

from __future__ import annotations

import os
from array import array
from collections.abc import Collection, Iterable, Mapping
from typing import Final

Signature = tuple[int, int, int, int]
"""mtime and ctime in nanoseconds, size in bytes, inode."""

NOTHING = (0, 0, 0, 0)
"""The signature of what is not there."""
_NEVER = (-1, -1, -1, -1)
_FEW: Final = 40
"""How many paths are found faster one by one than by a table of all."""


def signature(path: str) -> Signature:
    """Return what tells that a file or folder is still the same; `NOTHING` when it is not there."""
    try:
        status = os.lstat(path)
    except OSError:
        return NOTHING
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


def output_signature(path: str) -> Signature:
    """Return a `signature` without the ctime, which changes when a blob gets or loses a name elsewhere."""
    mtime, _, size, inode = signature(path)
    return mtime, 0, size, inode


class Signatures:
    """Paths with a signature each."""

    def __init__(self, paths: list[str], numbers: array[int]) -> None:
        self._paths = paths
        self._numbers = numbers
        self._places: dict[str, int] = {}

    @classmethod
    def of(cls, rows: Mapping[str, Signature]) -> Signatures:
        return cls([], array("q")).with_rows(rows)

    @classmethod
    def load(cls, row: tuple[str, bytes]) -> Signatures:
        """Return what `dump` has made plain."""
        text, data = row
        numbers = array("q")
        numbers.frombytes(data)
        return cls(text.split("\0") if text else [], numbers)

    def dump(self) -> tuple[str, bytes]:
        """Return all of it as plain values."""
        return "\0".join(self._paths), self._numbers.tobytes()

    def with_rows(self, rows: Mapping[str, Signature], gone: Collection[str] = ()) -> Signatures:
        """Return the same with the signatures of some paths set or added, and without those that are ``gone``."""
        if gone:
            kept = {path: row for path, row in self._rows() if path not in gone}
            return Signatures.of({**kept, **rows})
        paths, numbers = list(self._paths), self._numbers[:]
        few = len(rows) <= _FEW
        for path, row in rows.items():
            place = self._search(path) if few else self._place(path)
            flat = _flat(row)
            if place is None:
                paths.append(path)
                numbers.extend(flat)
            else:
                numbers[place * 4 : place * 4 + 4] = flat
        return Signatures(paths, numbers)

    def __getitem__(self, path: str) -> Signature:
        place = self._place(path)
        if place is None:
            raise KeyError(path)
        mtime, ctime, size, inode = self._numbers[place * 4 : place * 4 + 4]
        return mtime, ctime, size, inode

    def __len__(self) -> int:
        return len(self._paths)

    def _search(self, path: str) -> int | None:
        try:
            return self._paths.index(path)
        except ValueError:
            return None

    def _place(self, path: str) -> int | None:
        if not self._places:
            self._places = {known: number for number, known in enumerate(self._paths)}
        return self._places.get(path)

    def _rows(self) -> Iterable[tuple[str, Signature]]:
        numbers = iter(self._numbers)
        return zip(self._paths, zip(numbers, numbers, numbers, numbers, strict=True), strict=True)

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
        """Tell whether one of the absolute paths has another `output_signature` than it had."""
        lstat = os.lstat
        for path, known in self._rows():
            try:
                status = lstat(path)
            except OSError:
                if known != NOTHING:
                    return True
                continue
            if (status.st_mtime_ns, 0, status.st_size, status.st_ino) != known:
                return True
        return False


def _flat(row: Signature) -> array[int]:
    try:
        return array("q", row)
    except OverflowError:  # an inode of more than 63 bits is looked at each time
        return array("q", _NEVER)
