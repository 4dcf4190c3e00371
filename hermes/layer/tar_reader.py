"""Reads tar archives that anyone may have written, as a stream.

Understands ustar, pax (global and per entry), GNU long names and links, sparse files and base-256 numbers; refuses
what it does not understand instead of guessing. It never writes anything: see `hermes.layer.apply`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from hermes.digest import CHUNK
from hermes.errors import LayerError
from hermes.layer.entry import (
    BLOCK,
    CHARACTER,
    DIRECTORY,
    FIFO,
    FILE,
    HARDLINK,
    LARGEST_ID,
    SYMLINK,
    Entry,
    normal_path,
)
from hermes.layer.sparse import MAP, NAME, OLD_GNU, REPEATED, is_sparse, sparse_of
from hermes.layer.tar_writer import BLOCK_SIZE, PASSED, byte_sum

Read = Callable[[int], bytes]

_MOST_METADATA: Final = 1 << 20
_MOST_HEADERS: Final = 4 << 20
_MOST_RECORDS: Final = 10_000
_MOST_SHARED: Final = 100
"""How many records all entries may share: each of them is looked at again for every entry."""
_MOST_ENTRIES: Final = 5_000_000
_MOST_HOLES: Final = 8 << 30
_MOST_NUMBERS: Final = 256
_MOST_DIGITS: Final = 7
"""Of the length of a record, which is in an extended header of at most `_MOST_METADATA` bytes."""
_LATEST: Final = (1 << 63) - 1
_LARGEST_MAJOR: Final = (1 << 12) - 1
_LARGEST_MINOR: Final = (1 << 20) - 1
"""See ``MINORBITS`` in Linux, include/linux/kdev_t.h."""
_KINDS: Final = {
    b"0": FILE,
    b"\0": FILE,
    b"7": FILE,
    b"1": HARDLINK,
    b"2": SYMLINK,
    b"3": CHARACTER,
    b"4": BLOCK,
    b"5": DIRECTORY,
    b"6": FIFO,
    OLD_GNU: FILE,
}
_ZERO: Final = bytes(BLOCK_SIZE)
_XATTR: Final = "SCHILY.xattr."


class Member(NamedTuple):
    """An entry and its content, which must be read (or left) before the next member is asked for."""

    entry: Entry
    content: Iterator[bytes]


def members(
    read: Read, *, name: str, skip: Callable[[int], None] | None = None, unpadded: bool = False
) -> Iterator[Member]:
    """Yield the members of the tar archive that ``read(n)`` gives up to n bytes of.

    The mode of a symbolic link, which means nothing on Linux, is always 0777.

    ``skip(n)``, if given, goes past n bytes without reading them, and past the end without saying so. ``unpadded``
    archives may end behind the last file's content instead of its padding, as layers that umoci writes do; the digest
    says whether they are whole. ``name`` is what errors call the archive. Raises `LayerError` when it is truncated,
    damaged or holds what a layer cannot.
    """
    return _Reader(read, name, skip, unpadded=unpadded).members()


def is_tar(read: Read) -> bool:
    """Tell whether what ``read`` gives begins with a header of a tar archive."""
    block = b""
    while len(block) < BLOCK_SIZE and (data := read(BLOCK_SIZE - len(block))):
        block += data
    try:
        stored = int(block[148:156].rstrip(b"\0 ") or b"x", 8)
    except ValueError:
        return False
    return len(block) == BLOCK_SIZE and stored == sum(block) - sum(block[148:156]) + 8 * ord(" ")


class _Reader:
    def __init__(self, read: Read, name: str, skip: Callable[[int], None] | None, *, unpadded: bool) -> None:
        self._read = read
        self._go_past = skip
        self._name = name
        self._unpadded = unpadded
        self._numbers: dict[bytes, int] = {}
        self._offset = 0
        self._unread = 0
        self._padding = 0
        self._holes = 0

    def members(self) -> Iterator[Member]:
        shared: dict[str, bytes] = {}
        count = 0
        while True:
            pax = dict(shared)
            long_name = long_link = None
            start = self._offset
            while True:
                block = self._block()
                if block is None:
                    return
                kind = block[156:157]
                if kind == b"x":
                    pax.update(self._pax(self._metadata(block)))
                elif kind == b"g":
                    shared.update(self._pax(self._metadata(block)))
                    if len(shared) > _MOST_SHARED or sum(map(len, shared.values())) > _MOST_HEADERS:
                        raise self._error("too many global extended headers")
                    pax = {**shared, **pax}
                elif kind == b"L":
                    long_name = self._metadata(block).rstrip(b"\0")
                elif kind == b"K":
                    long_link = self._metadata(block).rstrip(b"\0")
                else:
                    break
                if self._offset - start > _MOST_HEADERS or len(pax) > _MOST_RECORDS:
                    raise self._error("too many extended headers for one entry")
            count += 1
            if count > _MOST_ENTRIES:
                raise self._error(f"more than {_MOST_ENTRIES} entries")
            entry = self._entry(block, pax, long_name, long_link)
            if is_sparse(block[156:157], pax):
                yield self._sparse(entry, block, pax)
            else:
                self._follows(entry.size)
                yield Member(entry, self._content(entry.size))
            self._skip()

    def _follows(self, size: int) -> None:
        """Note that ``size`` bytes and their padding follow."""
        self._padding = -size % BLOCK_SIZE
        self._unread = size + self._padding

    def _sparse(self, entry: Entry, block: bytes, pax: dict[str, bytes]) -> Member:
        if entry.type != FILE or self._go_past is not None:
            raise self._error(f"{entry.path}: is a sparse file, which cannot be here")
        start = self._offset
        try:
            found = sparse_of(
                block, pax, lambda field: self._number(field, "size"), lambda: self._exactly(BLOCK_SIZE)
            )
        except ValueError as error:
            raise self._error(f"{entry.path}: {error}") from None
        in_data = 0 if block[156:157] == OLD_GNU else self._offset - start
        stored = found.size - found.holes
        if stored != entry.size - in_data:
            raise self._error(f"{entry.path}: the map of a sparse file is not that of its data")
        self._holes += found.holes
        if self._holes > _MOST_HOLES:
            raise self._error(f"{entry.path}: more than {_MOST_HOLES >> 30} GiB of holes in sparse files")
        self._follows(stored)
        return Member(entry._replace(size=found.size), found.expanded(self._content(stored)))

    def _error(self, what: str) -> LayerError:
        return LayerError(f"{self._name}: {what} (at byte {self._offset})")

    def _exactly(self, count: int) -> bytes:
        data = self._read(count)
        if len(data) < count:
            parts = [data]
            have = len(data)
            while have < count:
                more = self._read(count - have)
                if not more:
                    raise self._error("the archive ends in the middle of an entry")
                parts.append(more)
                have += len(more)
            data = b"".join(parts)
        self._offset += count
        return data

    def _block(self) -> bytes | None:
        """Return the next header block, or None at the end of the archive."""
        data = self._read(BLOCK_SIZE)
        if not data:
            if self._offset == 0:
                raise self._error("the archive is empty")
            return None
        while len(data) < BLOCK_SIZE:
            more = self._read(BLOCK_SIZE - len(data))
            if not more and not data.strip(b"\0") and self._offset:  # cut where nothing is lost
                return None
            if not more:
                raise self._error("the archive ends in the middle of a header")
            data += more
        self._offset += BLOCK_SIZE
        if data == _ZERO:
            return None
        field = data[148:156].split(b"\0", 1)[0].strip()
        stated = -1 if not field or field.strip(b"01234567") else int(field, 8)
        plain = byte_sum(data) - sum(data[148:156]) + 256
        if stated != plain:
            signed = plain - 256 * sum(byte > 127 for byte in data[:148] + data[156:])
            if stated != signed:
                raise self._error("not a tar archive, or one of its headers is damaged")
        return data

    def _metadata(self, block: bytes) -> bytes:
        size = self._number(block[124:136], "size")
        if size > _MOST_METADATA:
            raise self._error(f"{size} bytes of extended header are too many")
        data = self._exactly(size + (-size % BLOCK_SIZE))
        return data[:size]

    def _pax(self, body: bytes) -> dict[str, bytes]:
        records: dict[str, bytes] = {}
        numbers: list[bytes] = []
        start = 0
        while start < len(body):
            space = body.find(b" ", start, start + _MOST_DIGITS + 1)
            length = body[start:space]
            if space < 0 or not length.isdigit():
                raise self._error("an extended header is malformed")
            end = start + int(length)
            record = body[space + 1 : end]
            key, equals, value = record[:-1].partition(b"=")
            if end > len(body) or not record.endswith(b"\n") or not equals or b"\0" in key:
                raise self._error("an extended header is malformed")
            name = _text(key)
            if name in REPEATED:
                numbers.append(value)
            elif name == MAP:
                numbers = [value]
            else:
                records[name] = value
            start = end
        if numbers:
            records[MAP] = b",".join(numbers)
        return records

    def _number(self, field: bytes, what: str) -> int:
        """Return what a numeric field says. Most entries have the mode, owner and time of the one before them."""
        value = self._numbers.get(field)
        if value is None:
            if len(self._numbers) >= _MOST_NUMBERS:
                self._numbers.clear()
            value = self._numbers[field] = self._parsed(field, what)
        return value

    def _parsed(self, field: bytes, what: str) -> int:
        if field[0] & 0x80:
            value = _base256(field)
            if value < 0:
                raise self._error(f"a negative {what}")
            return value
        text = field.rstrip(b"\0 ")
        if not text.isdigit():
            text = field.split(b"\0", 1)[0].strip()
        if text.strip(b"01234567"):
            raise self._error(f"{text!r} is not a {what}")
        return int(text, 8) if text else 0

    def _decimal(self, pax: dict[str, bytes], key: str, otherwise: bytes, what: str) -> int:
        value = pax.get(key)
        if not value:
            return self._number(otherwise, what)
        if not value.isdigit() or len(value) > 19:
            raise self._error(f"{value!r} is not a {what}")
        return int(value)

    def _identity(self, pax: dict[str, bytes], key: str, otherwise: bytes, what: str) -> int:
        value = self._decimal(pax, key, otherwise, what) if pax else self._number(otherwise, what)
        if value > LARGEST_ID:
            raise self._error(f"{value} is not a {what}")
        return value

    def _entry(
        self, block: bytes, pax: dict[str, bytes], long_name: bytes | None, long_link: bytes | None
    ) -> Entry:
        kind = _KINDS.get(block[156:157])
        if kind is None:
            raise self._error(f"entries of this type are not supported (type {block[156:157]!r})")
        name = (
            pax.get(NAME) or pax.get("path") or long_name
        )  # an empty value counts as absent; see pax, "pax Extended Header"
        if name is None:
            name = block[:100].split(b"\0", 1)[0]
            prefix = block[345:500].split(b"\0", 1)[0] if block[257:263] == b"ustar\0" else b""
            if prefix:
                name = prefix + b"/" + name
        link = pax.get("linkpath") or long_link
        if link is None:
            link = block[157:257].split(b"\0", 1)[0]
        if kind == FILE and name.endswith(b"/"):
            kind = DIRECTORY
        path = normal_path(_text(name), of=self._name)
        if not path and kind != DIRECTORY:
            raise self._error("an entry without a name")
        target = _text(link)
        if "\0" in target:
            raise self._error(f"{path}: a link to a name with a NUL byte")
        if kind == HARDLINK:
            target = normal_path(target, of=self._name)
        elif kind != SYMLINK:
            target = ""
        elif not target:
            raise self._error(f"{path}: a symbolic link without a target")
        return Entry(
            path,
            kind,
            0o777 if kind == SYMLINK else self._number(block[100:108], "mode") & 0o7777,
            self._identity(pax, "uid", block[108:116], "user id"),
            self._identity(pax, "gid", block[116:124], "group id"),
            self._decimal(pax, "size", block[124:136], "size") if kind == FILE else 0,
            link=target,
            xattrs=_xattrs(pax),
            device=self._device(block) if kind in (CHARACTER, BLOCK) else (0, 0),
            mtime=self._mtime(pax, block),
            passed=kind == DIRECTORY and pax.get("comment") == PASSED,
        )

    def _device(self, block: bytes) -> tuple[int, int]:
        major, minor = self._number(block[329:337], "device"), self._number(block[337:345], "device")
        if major > _LARGEST_MAJOR or minor > _LARGEST_MINOR:
            raise self._error(f"{major}:{minor} is not a device")
        return major, minor

    def _mtime(self, pax: dict[str, bytes], block: bytes) -> int:
        seconds = self._seconds(pax, block)
        if not -_LATEST <= seconds <= _LATEST:
            raise self._error(f"{seconds} is not a time")
        return seconds

    def _seconds(self, pax: dict[str, bytes], block: bytes) -> int:
        value = pax.get("mtime")
        if not value:
            field = block[136:148]
            return _base256(field) if field[0] & 0x80 else self._number(field, "time")
        try:
            whole, _, _ = value.partition(b".")
            return int(whole) - (1 if whole.startswith(b"-") and b"." in value else 0)
        except ValueError:
            raise self._error(f"{value!r} is not a time") from None

    def _content(self, size: int) -> Iterator[bytes]:
        while size:
            data = self._read(min(CHUNK, size))
            if not data:
                raise self._error("the archive ends in the middle of a file")
            self._offset += len(data)
            self._unread -= len(data)
            size -= len(data)
            yield data

    def _skip(self) -> None:
        if self._go_past is not None and self._unread:
            self._go_past(self._unread)
            self._offset += self._unread
            self._unread = 0
        needed = self._padding if self._unpadded else 0
        while self._unread > needed:
            data = self._exactly(min(CHUNK, self._unread - needed))
            self._unread -= len(data)
        while self._unread and (data := self._read(self._unread)):
            self._offset += len(data)
            self._unread -= len(data)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _base256(field: bytes) -> int:
    """Return GNU's binary number: two's complement, its first bit a flag."""
    value = int.from_bytes(field, "big")
    bits = 8 * len(field)
    value &= (1 << (bits - 1)) - 1
    return value - (1 << (bits - 1)) if value >> (bits - 2) else value


def _xattrs(pax: dict[str, bytes]) -> tuple[tuple[str, bytes], ...]:
    if not pax:
        return ()
    found = [(key[len(_XATTR) :], value) for key, value in pax.items() if key.startswith(_XATTR)]
    return tuple(sorted((key, value) for key, value in found if key))
