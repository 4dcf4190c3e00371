"""A wheel as an archive: its members, checked before any is used, and their bytes, verified when they are read.

See the specification "Binary distribution format" (PEP 427) and the ZIP file format. It does not know where files go.
"""

from __future__ import annotations

import base64
import binascii
import csv
import hashlib
import io
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO, Final, NamedTuple

from hermes.digest import CHUNK
from hermes.errors import LayerError
from hermes.layer.entry import WHITEOUT_PREFIX, normal_path

_MOST_MEMBERS: Final = 500_000
_MOST_METADATA: Final = 64 << 20
_INFLATED_AT_ONCE: Final = 32 << 20
_LARGE: Final = 256 << 20
_MOST_RATIO: Final = 200
"""A wheel that unpacks to `_LARGE` bytes and this many times its size is taken for a zip bomb."""
_LOCAL_HEADER: Final = struct.Struct("<4s22xHH")
_LOCAL_MAGIC: Final = b"PK\3\4"
_ENCRYPTED: Final = 1
_HASHES: Final = {"sha256": hashlib.sha256, "sha384": hashlib.sha384, "sha512": hashlib.sha512}
_HASH_SIZES: Final = {name: hasher().digest_size for name, hasher in _HASHES.items()}
_SIGNATURES: Final = ("RECORD.jws", "RECORD.p7s")


class Hash(NamedTuple):
    """What RECORD says of a file: an algorithm of hashlib, and the digest in hexadecimal."""

    algorithm: str
    hex: str


class Member:
    """A file in a wheel, as `hermes.layer.content.Content`: reading it raises `LayerError` where RECORD is not true."""

    __slots__ = ("_fd", "_info", "hash", "is_executable", "path", "size", "wheel")

    def __init__(self, wheel: str, fd: int, info: zipfile.ZipInfo, found: Hash) -> None:
        self.wheel = wheel
        self.path = info.filename
        self.size = info.file_size
        self.hash = found
        mode = info.external_attr >> 16
        self.is_executable = bool(stat.S_ISREG(mode) and mode & 0o111)
        self._fd = fd
        self._info = info

    @property
    def sha256(self) -> str:
        """The sha256 in hexadecimal if that is what RECORD says, or an empty string."""
        return self.hash.hex if self.hash.algorithm == "sha256" else ""

    def chunks(self) -> Iterable[bytes]:
        if self.size > _INFLATED_AT_ONCE:
            return self._verified(self._pieces())
        return (self.read(),)

    def read(self) -> bytes:
        """Return the whole content."""
        data = _inflated(self.wheel, self._fd, self._info)
        self._check(_HASHES[self.hash.algorithm](data).hexdigest())
        return data

    def _verified(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        hasher = _HASHES[self.hash.algorithm]()
        for one in pieces:
            hasher.update(one)
            yield one
        self._check(hasher.hexdigest())

    def _check(self, found: str) -> None:
        if found != self.hash.hex:
            raise LayerError(
                f"{self.wheel}: {self.path} is not what RECORD says: its {self.hash.algorithm} differs"
            )

    def _pieces(self) -> Iterator[bytes]:
        """Yield a large member bit by bit, and no more than it is said to have."""
        info, left = self._info, self.size
        position = _start(self.wheel, self._fd, info)
        end = position + info.compress_size
        inflate = zlib.decompressobj(-zlib.MAX_WBITS) if info.compress_type == zipfile.ZIP_DEFLATED else None
        pending = b""
        while left:
            if not pending:
                pending = os.pread(self._fd, min(CHUNK, end - position), position)
                position += len(pending)
                if not pending:
                    break
            data, pending = (
                (inflate.decompress(pending, left), inflate.unconsumed_tail) if inflate else (pending, b"")
            )
            left -= len(data)
            yield data
        if left:
            raise _damaged(self.wheel, self.path)


class Wheel:
    """An open wheel called ``name``: `members` are its files without RECORD, in the order of the archive."""

    def __init__(self, name: str, file: BinaryIO) -> None:
        """Check the archive; raises `LayerError` for one that is malformed or hostile."""
        self.name = name
        self._fd = file.fileno()
        self._infos = _checked(name, file)
        self.dist_info = self._dist_info()
        self.distribution, _, self.version = self.dist_info.removesuffix(".dist-info").rpartition("-")
        records = self._records()
        self.members: list[Member] = []
        for path, info in self._infos.items():
            if path == f"{self.dist_info}/RECORD" or path in self._signatures():
                continue
            if path not in records:
                raise LayerError(
                    f"{name}: {path} is not in RECORD", hint="get the wheel from who made it again"
                )
            self.members.append(Member(name, self._fd, info, records[path]))

    def metadata(self, name: str) -> str:
        """Return a text of the dist-info folder; raises `LayerError` where it is missing."""
        path = f"{self.dist_info}/{name}"
        info = self._infos.get(path)
        if info is None:
            raise LayerError(f"{self.name}: it has no {path}")
        if info.file_size > _MOST_METADATA:
            raise LayerError(f"{self.name}: {path} is larger than {_MOST_METADATA >> 20} MiB")
        data = _inflated(self.name, self._fd, info)
        if zlib.crc32(data) != info.CRC:
            raise _damaged(self.name, path)
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            raise LayerError(f"{self.name}: {path} is not UTF-8") from None

    def metadata_names(self) -> list[str]:
        """Return the names of the files in the dist-info folder."""
        prefix = f"{self.dist_info}/"
        return [path.removeprefix(prefix) for path in self._infos if path.startswith(prefix)]

    def _dist_info(self) -> str:
        folders = {path.partition("/")[0] for path in self._infos if "/" in path}
        found = sorted(one for one in folders if one.endswith(".dist-info"))
        if len(found) != 1 or found[0].count("-") < 1:
            said = f"has {', '.join(found)}" if found else "has no .dist-info folder"
            raise LayerError(f"{self.name}: a wheel has one .dist-info folder, and this {said}")
        return found[0]

    def _signatures(self) -> tuple[str, ...]:
        return tuple(f"{self.dist_info}/{one}" for one in _SIGNATURES)

    def _records(self) -> Mapping[str, Hash]:
        """Return what RECORD says of each file; see "Recording installed projects"."""
        found: dict[str, Hash] = {}
        try:
            rows = list(csv.reader(io.StringIO(self.metadata("RECORD"), newline="")))
        except csv.Error as error:
            raise LayerError(f"{self.name}: its RECORD is malformed: {error}") from None
        for row in rows:
            if not row:
                continue
            if len(row) != 3:
                raise LayerError(f"{self.name}: its RECORD is malformed: a row has {len(row)} fields, not 3")
            path, text, _ = row
            if path == f"{self.dist_info}/RECORD" or not text:
                continue
            one = self._hash(path, text)
            if found.setdefault(path, one) != one:
                raise LayerError(f"{self.name}: its RECORD says two things of {path}")
        return found

    def _hash(self, path: str, text: str) -> Hash:
        algorithm, _, encoded = text.partition("=")
        if algorithm not in _HASHES:
            raise LayerError(
                f"{self.name}: its RECORD has a hash of {path} by {algorithm!r}, and not by sha256"
            )
        try:
            digest = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        except (binascii.Error, ValueError):
            digest = b""
        if len(digest) != _HASH_SIZES[algorithm]:
            raise LayerError(f"{self.name}: its RECORD has a malformed hash of {path}")
        return Hash(algorithm, digest.hex())


def _checked(name: str, file: BinaryIO) -> dict[str, zipfile.ZipInfo]:
    """Return the files of an archive by their paths."""
    size = os.fstat(file.fileno()).st_size
    try:
        infos = zipfile.ZipFile(file).infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, UnicodeDecodeError, struct.error) as error:
        raise LayerError(f"{name}: it is not a wheel: {error}") from None
    if len(infos) > _MOST_MEMBERS:
        raise LayerError(f"{name}: it has {len(infos)} members, more than {_MOST_MEMBERS}")
    total = sum(one.file_size for one in infos)
    if sum(one.compress_size for one in infos) > size or (total > _LARGE and total > _MOST_RATIO * size):
        raise LayerError(f"{name}: it is a zip bomb: {size} bytes claim to hold {total}")
    found: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        if not info.is_dir():
            _check_member(name, info)
            if info.filename in found:
                raise LayerError(f"{name}: it has {info.filename} twice")
            found[info.filename] = info
    return found


def _check_member(name: str, info: zipfile.ZipInfo) -> None:
    path = info.filename
    if (
        path.startswith("/")
        or "\\" in path
        or info.orig_filename != path
        or normal_path(path, of=name) != path
    ):
        raise LayerError(f"{name}: the path {info.orig_filename!r} is not one that a wheel may have")
    if any(part.startswith(WHITEOUT_PREFIX) for part in path.split("/")):
        raise LayerError(f"{name}: the path {path!r} marks a removed file in a layer")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        what = "a symbolic link" if kind == stat.S_IFLNK else "a special file"
        raise LayerError(f"{name}: {path} is {what}, and a wheel holds files only")
    if info.flag_bits & _ENCRYPTED or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise LayerError(f"{name}: {path} is encrypted, or compressed otherwise than wheels are")


def _inflated(name: str, fd: int, info: zipfile.ZipInfo) -> bytes:
    import deflate

    if not info.file_size:
        return b""
    data = os.pread(fd, info.compress_size, _start(name, fd, info))
    if info.compress_type == zipfile.ZIP_DEFLATED:
        try:
            data = bytes(deflate.deflate_decompress(data, info.file_size))
        except deflate.DeflateError:
            raise _damaged(name, info.filename) from None
    if len(data) != info.file_size:
        raise _damaged(name, info.filename)
    return data


def _start(name: str, fd: int, info: zipfile.ZipInfo) -> int:
    """Return where the bytes of a member begin."""
    if info.header_offset < 0:  # of an archive whose directory is said to be behind its end
        raise _damaged(name, info.filename)
    header = os.pread(fd, _LOCAL_HEADER.size, info.header_offset)
    if len(header) != _LOCAL_HEADER.size:
        raise _damaged(name, info.filename)
    magic, path, extra = _LOCAL_HEADER.unpack(header)
    if magic != _LOCAL_MAGIC:
        raise _damaged(name, info.filename)
    return info.header_offset + len(header) + int(path) + int(extra)


def _damaged(name: str, path: str) -> LayerError:
    return LayerError(f"{name}: {path} is damaged: it cannot be unpacked to as many bytes as it claims")
