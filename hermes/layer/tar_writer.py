"""Canonical tar: equal entries give equal bytes.

ustar where it fits (POSIX.1-1988), pax records only where it does not (POSIX.1-2001, "pax Header Block"),
extended attributes as ``SCHILY.xattr.NAME`` records. Two zero blocks end the archive, with no padding after
them. Knows nothing of where content comes from or goes to.
"""

from __future__ import annotations

from typing import Final
from zlib import adler32

from hermes.errors import LayerError
from hermes.layer.entry import BLOCK, CHARACTER, DIRECTORY, FIFO, FILE, HARDLINK, SYMLINK, Entry

BLOCK_SIZE: Final = 512
END: Final = bytes(2 * BLOCK_SIZE)
PASSED: Final = b"hermes: passed through"
"""The ``comment`` record of a directory that a layer only passes through. Every tool takes it for a directory like others:
POSIX says that a comment is to be ignored, and unlike a record of our own it makes none print a warning."""

_NAME: Final = 100
_PREFIX: Final = 155
_MOST_ID: Final = 0o7777777
_MOST_SIZE: Final = 0o77777777777
_PAX_NAME: Final = b"././@PaxHeader"
_TYPES: Final = frozenset((FILE, HARDLINK, SYMLINK, CHARACTER, BLOCK, DIRECTORY, FIFO))
_NO_DEVICE: Final = bytes(16)
_BLANK_SUM: Final = b"        "
_MAGIC: Final = b"ustar\00000" + bytes(64)
_END_OF_HEADER: Final = bytes(12)


def header(entry: Entry) -> bytes:
    """Return the header blocks of ``entry``: one, or a pax header and one."""
    if entry.type not in _TYPES:
        raise LayerError(f"{entry.path}: a layer cannot hold entries of type {entry.type!r}")
    name = entry.path.encode("utf-8", "surrogateescape")
    if entry.type == DIRECTORY:
        name = name + b"/" if name else b"./"
    link = entry.link.encode("utf-8", "surrogateescape")
    size, uid, gid, mtime = entry.size, entry.uid, entry.gid, entry.mtime
    records: list[tuple[bytes, bytes]] = []
    prefix = b""

    if len(name) > _NAME or not name.isascii():
        split = _split(name) if name.isascii() else None
        if split is None:
            records.append((b"path", name))
            name = _ascii(name)
        else:
            prefix, name = split
    if len(link) > _NAME or not link.isascii():
        records.append((b"linkpath", link))
        link = _ascii(link)
    if size > _MOST_SIZE:
        records.append((b"size", b"%d" % size))
        size = 0
    if uid > _MOST_ID:
        records.append((b"uid", b"%d" % uid))
        uid = 0
    if gid > _MOST_ID:
        records.append((b"gid", b"%d" % gid))
        gid = 0
    if not 0 <= mtime <= _MOST_SIZE:
        records.append((b"mtime", b"%d" % mtime))
        mtime = 0
    records.extend(
        (b"SCHILY.xattr." + key.encode("utf-8", "surrogateescape"), value) for key, value in entry.xattrs
    )

    if entry.passed:
        records.append((b"comment", PASSED))
    device = _NO_DEVICE
    if entry.type in (CHARACTER, BLOCK):
        device = b"%07o\0%07o\0" % entry.device
    block = _block(name, prefix, link, entry.type.encode(), (entry.mode, uid, gid, size, mtime), device)
    return _pax(records) + block if records else block


def padding(size: int) -> bytes:
    """Return what follows ``size`` bytes of content to fill its last block."""
    return bytes(-size % BLOCK_SIZE)


def _block(
    name: bytes, prefix: bytes, link: bytes, kind: bytes, numbers: tuple[int, ...], device: bytes
) -> bytes:
    start = name.ljust(_NAME, b"\0") + b"%07o\0%07o\0%07o\0%011o\0%011o\0" % numbers
    rest = kind + link.ljust(_NAME, b"\0") + _MAGIC + device + prefix.ljust(_PREFIX, b"\0") + _END_OF_HEADER
    checksum = byte_sum(start + _BLANK_SUM + rest)
    return start + b"%06o\0 " % checksum + rest


def byte_sum(block: bytes) -> int:
    """Return the sum of the bytes of a block, a header's checksum.

    The lower half of an Adler-32 is one more than the sum of the bytes, modulo a number that 256 bytes cannot reach. That
    is ten times as fast as adding them up.
    """
    return (adler32(block[:256]) & 0xFFFF) + (adler32(block[256:]) & 0xFFFF) - 2


def _pax(records: list[tuple[bytes, bytes]]) -> bytes:
    body = b"".join(_record(key, value) for key, value in sorted(records))
    return (
        _block(_PAX_NAME, b"", b"", b"x", (0o644, 0, 0, len(body), 0), _NO_DEVICE) + body + padding(len(body))
    )


def _record(key: bytes, value: bytes) -> bytes:
    """Return ``LENGTH key=value\\n``, where the decimal length counts itself."""
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest) + 1
    while len(rest) + len(b"%d" % length) != length:
        length = len(rest) + len(b"%d" % length)
    return b"%d" % length + rest


def _split(name: bytes) -> tuple[bytes, bytes] | None:
    """Split a long path into ustar's prefix and name at the last slash that fits."""
    if len(name) > _PREFIX + 1 + _NAME:
        return None
    cut = name.rfind(b"/", 0, min(_PREFIX + 1, len(name) - 1))
    if cut <= 0 or len(name) - cut - 1 > _NAME:
        return None
    return name[:cut], name[cut + 1 :]


def _ascii(text: bytes) -> bytes:
    """What an archiver without pax would see of a name that does not fit."""
    return bytes(byte for byte in text if byte < 0x80)[:_NAME]
