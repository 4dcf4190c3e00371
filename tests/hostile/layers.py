"""Layers that try to get out of their root, to stop whoever unpacks them, or to fill memory or disk.

The classes are those of known faults in tar, docker, containerd, umoci, podman and runc: paths and links that lead out,
links that are replaced between a check and a use, whiteouts, sparse files, numbers that overflow, attributes of overlayfs,
and compression that grows without bound. ``{out}`` in a link or name is a folder outside of the store.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import zstandard

Fields = dict[str, Any]
Row = tuple[str, Fields]
FILE: Final[Fields] = {}
FOLDER: Final[Fields] = {"type": tarfile.DIRTYPE, "mode": 0o755}
FIFO: Final[Fields] = {"type": tarfile.FIFOTYPE}
EVIL: Final = b"evil"


def link(target: str) -> Fields:
    return {"type": tarfile.SYMTYPE, "linkname": target}


def hard(target: str) -> Fields:
    return {"type": tarfile.LNKTYPE, "linkname": target}


def device(kind: bytes, major: int, minor: int) -> Fields:
    return {"type": kind, "devmajor": major, "devminor": minor}


def pax(**headers: str) -> Fields:
    return {"pax_headers": {name.replace("__", "."): value for name, value in headers.items()}}


def tar(rows: Sequence[Row], out: str = "") -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, fields in rows:
            info = tarfile.TarInfo(name.replace("{out}", out))
            for field, value in fields.items():
                setattr(info, field, value.replace("{out}", out) if isinstance(value, str) else value)
            info.size = fields.get("size", len(EVIL)) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(EVIL.ljust(info.size)))
    return made.getvalue()


def header(name: bytes, kind: bytes = b"0", size: bytes = b"00000000000\0", **fields: bytes) -> bytes:
    """A header whose fields may hold anything; its checksum is right."""
    block = bytearray(512)
    block[: len(name)] = name
    block[100:108], block[108:116], block[116:124] = b"0000644\0", b"0000000\0", b"0000000\0"
    block[124:136], block[136:148], block[156:157] = size, b"00000000000\0", kind
    block[257:265] = b"ustar\x0000"
    for field, value in fields.items():
        start = {
            "mode": 100,
            "uid": 108,
            "gid": 116,
            "mtime": 136,
            "link": 157,
            "major": 329,
            "minor": 337,
            "prefix": 345,
        }[field]
        block[start : start + len(value)] = value
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def extended(body: bytes, kind: bytes = b"x", claimed: int | None = None) -> bytes:
    size = len(body) if claimed is None else claimed
    return header(b"x", kind, b"%011o\0" % size) + body + bytes(-len(body) % 512)


def record(key: bytes, value: bytes) -> bytes:
    length = len(key) + len(value) + 3
    while len(b"%d" % length) + len(key) + len(value) + 3 != length:
        length = len(b"%d" % length) + len(key) + len(value) + 3
    return b"%d %s=%s\n" % (length, key, value)


def bomb(packer: Any, start: bytes = b"") -> bytes:
    """Return ``start`` and many zeros, packed."""
    parts = [
        packer.compress(start),
        *(packer.compress(bytes(1 << 20)) for _ in range(BOMB >> 20)),
        packer.compress(END),
        packer.flush(),
    ]
    return b"".join(parts)


BOMB: Final = 300 << 20
END: Final = bytes(1024)
OUTWARD: Final = [
    "../x",
    "a/../../x",
    "/../x",
    "./../x",
    "..",
    "a/..",
    "a/b/../../../x",
    "../" * 30 + "{out}/x",
]
TRAPS: Final = ["{out}", "/", "..", "../..", "/proc/self/root{out}", "/proc/self/cwd", "../" * 30 + "{out}"]
THROUGH: Final[dict[str, list[Row]]] = {
    "a file": [("a/x", FILE)],
    "a folder": [("a/x", FOLDER), ("a/x/y", FILE)],
    "a link": [("a/x", link("{out}/x"))],
    "a hard link": [("f", FILE), ("a/x", hard("f"))],
    "a pipe": [("a/x", FIFO)],
    "a whiteout": [("a/.wh.x", FILE)],
    "an opaque marker": [("a/.wh..wh..opq", FILE)],
}
NAMES: Final = [
    "a" * 255, "a" * 256, "ü" * 127, "ü" * 128, "d/" * 900 + "f", "d/" * 2040 + "f", "d/" * 2100 + "f", ("n" * 250 + "/") * 17 + "f",
    "a\nb", "a\\b", "a\tb", "\x1b[31mred", "-rf", " ", "~", "$(touch {out}/x)", "`touch {out}/x`", "..x", "x..", "...", "a/./b", "a//b", "./a", "/a", "a/", ".",
    "con", "a:b", "a|b", "\u202egpj.exe", "A", "a\u0301", "\u00e1",
]  # fmt: skip
WHITEOUTS: Final = [
    ".wh.", ".wh..", ".wh...", ".wh....", "a/.wh.", "a/.wh..", "a/.wh...", ".wh..wh..opq", ".wh..wh.plnk", ".wh..wh.aufs",
    ".wh..wh.orph", ".wh..wh..opq/x", ".wh.a/b", ".wh..wh.", ".wh.bin", ".wh.proc", ".wh.etc", "etc/.wh..wh..opq", ".wh.{out}",
]  # fmt: skip
PLACES: Final = [
    "etc/passwd",
    "etc/group",
    "etc/hosts",
    "etc/resolv.conf",
    "etc/hostname",
    "proc",
    "dev",
    "sys",
    "tmp",
    "bin/busybox",
    "etc",
]
XATTRS: Final = {
    "trusted.overlay.opaque": "y", "trusted.overlay.redirect": "/../..", "trusted.overlay.metacopy": "", "user.overlay.opaque": "y",
    "user.overlay.redirect": "{out}", "user.overlay.whiteout": "y", "user.overlay.whiteouts": "x", "user.overlay.origin": "x", "security.selinux": "x", "security.ima": "x",
    "system.posix_acl_access": "x", "user." + "n" * 300: "x", "user.big": "v" * 70_000, "nonsense": "x", "user.": "x", "security.capability": "short",
}  # fmt: skip


def links() -> Iterator[tuple[str, list[Row]]]:
    for path in OUTWARD:
        for what, fields in (
            ("file", FILE),
            ("folder", FOLDER),
            ("link", link("{out}/x")),
            ("hard link", hard("f")),
            ("pipe", FIFO),
        ):
            yield f"a {what} at {path[:20]}", [("f", FILE), (path, fields)]
        yield f"a hard link to {path[:20]}", [("x", hard(path))]
    for target in TRAPS:
        for what, rows in THROUGH.items():
            yield f"{what} through a link to {target[:22]}", [("a", link(target)), *rows]
    chain = [(f"l{n}", link(f"l{n + 1}" if n < 60 else "{out}")) for n in range(61)]
    yield "a file through a chain of links", [*chain, ("l0/x", FILE)]
    yield "links in a circle", [("a", link("b")), ("b", link("a")), ("a/x", FILE)]
    yield (
        "a link that becomes a folder and a link again",
        [("a", link("{out}")), ("a", FOLDER), ("a", link("{out}")), ("a/x", FILE)],
    )
    yield (
        "a folder that becomes a link below a file",
        [("a", FOLDER), ("a/b", FOLDER), ("a/b", link("{out}")), ("a/b/x", FILE)],
    )
    yield "a hard link to a link that leads out", [("l", link("{out}/secret")), ("h", hard("l")), ("h", FILE)]
    yield (
        "a file over a hard link to a link",
        [("l", link("{out}/secret")), ("h", hard("l")), ("l", FILE), ("h", FILE)],
    )
    yield "a hard link through a link", [("l", link("{out}")), ("h", hard("l/secret"))]
    yield "a hard link to nothing", [("h", hard("nothing"))]
    yield "a hard link to itself", [("h", hard("h"))]
    yield "hard links in a circle", [("a", hard("b")), ("b", hard("a"))]
    yield "a hard link to a folder", [("a", FOLDER), ("h", hard("a"))]
    yield "a hard link to a device", [("a", device(tarfile.CHRTYPE, 1, 3)), ("h", hard("a"))]
    yield "a hard link to a pipe", [("a", FIFO), ("h", hard("a"))]
    yield "a hard link to a file of the layer below", [("h", hard("bin/busybox"))]
    yield "a link without a target", [("a", link(""))]
    yield "a link of 5000 bytes", [("a", link("x" * 5000))]
    yield "a file below a file", [("a", FILE), ("a/b", FILE)]
    yield "a file below a pipe", [("a", FIFO), ("a/b", FILE)]
    yield "a file below a link of the layer below", [("lib/x", FILE)]
    yield (
        "a file that becomes a folder and back",
        [row for _ in range(200) for row in (("a", FOLDER), ("a/x", FILE), ("a", FILE))],
    )
    for name in NAMES:
        yield f"a file with the name {name[:20]!r} of {len(name)}", [(name, FILE)]
    for name in WHITEOUTS:
        yield f"{name} as a file", [(name, FILE)]
    yield "an opaque marker that is a link", [("a", FOLDER), ("a/.wh..wh..opq", link("{out}"))]
    yield "a whiteout that is a folder", [(".wh.a", FOLDER), (".wh.a/x", FILE)]
    yield "a whiteout of what the layer has", [("a", FILE), (".wh.a", FILE), ("a", FILE)]
    yield "a whiteout, and a file below", [(".wh.a", FILE), ("a/b", FILE)]
    for place in PLACES:
        yield f"/{place} is a pipe", [(place, FIFO)]
        yield f"/{place} is a link out", [(place, link("{out}/x"))]
        yield f"/{place} is a folder", [(place, FOLDER)]
        yield f"/{place} is a device", [(place, device(tarfile.CHRTYPE, 1, 5))]
    yield "a block device", [("sda", device(tarfile.BLKTYPE, 8, 0))]
    yield "a device with large numbers", [("d", device(tarfile.CHRTYPE, 2**21 - 1, 2**21 - 1))]
    for name, value in XATTRS.items():
        yield (
            f"the attribute {name[:30]}",
            [
                ("a", {"pax_headers": {f"SCHILY.xattr.{name}": value}}),
                ("d", {**FOLDER, "pax_headers": {f"SCHILY.xattr.{name}": value}}),
            ],
        )
    for mode in (0o7777, 0o4755, 0o0, 0o2000):
        yield f"the mode {mode:o}", [("a", {"mode": mode}), ("d", {**FOLDER, "mode": mode}), ("d/x", FILE)]


def raw() -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Archives that no library writes."""
    body = b"evil".ljust(512, b"\0")
    numbers = {
        "a negative size": b"\xff" * 12, "a size of 2**63": b"\x80\0\0\0" + b"\x80" + bytes(7), "a size that is no number": b"abcdefghijkl",
        "a size of all bits": b"77777777777\0", "a size with a sign": b"-0000000001\0", "an empty size": bytes(12), "a size of spaces": b" " * 12,
    }  # fmt: skip
    for name, size in numbers.items():
        yield name, lambda size=size: header(b"a", b"0", size) + body + END
    for field in ("mode", "uid", "gid", "major", "minor"):
        yield f"a negative {field}", lambda field=field: header(b"a", b"3", **{field: b"\xff" * 8}) + END
        yield f"a {field} of letters", lambda field=field: header(b"a", b"3", **{field: b"zzzzzzz\0"}) + END
    for mtime in (b"\xff" * 12, b"\x80" + b"\xff" * 11, b"zzzzzzzzzzz\0"):
        yield f"the time {mtime[:3]!r}", lambda mtime=mtime: header(b"a", mtime=mtime) + END
    for kind in b"SVMDNAXZ~\xff89":
        yield f"an entry of type {bytes([kind])!r}", lambda kind=kind: header(b"a", bytes([kind])) + END
    for key, value in {
        "GNU.sparse.major": b"1", "GNU.sparse.map": b"0,1,99999999999,1", "GNU.sparse.realsize": b"999999999999999", "GNU.sparse.name": b"../x",
        "path": b"../x", "linkpath": b"../x", "size": b"999999999999999999", "size ": b"-1", "uid": b"-1", "gid": b"99999999999999999999", "mtime": b"1e400",
        "mtime ": b"nan", "charset": b"BINARY", "hdrcharset": b"ISO-IR 10646 2000 UTF-8", "SCHILY.dev": b"1", "path ": b"a\0b", "size  ": b"0x10",
    }.items():  # fmt: skip
        yield (
            f"the extended header {key}={value[:12]!r}",
            lambda key=key, value=value: extended(record(key.strip().encode(), value)) + header(b"a") + END,
        )
    for name, text in {
        "a record of length 0": b"0 a=b\n", "a record of length 1": b"1 a=b\n", "a record longer than its header": b"999 a=b\n", "a negative record": b"-6 a=b\n",
        "a record without an end": b"6 a=b", "a record without a key": b"5 =b\n", "a record without a value": b"5 abc\n", "a record of letters": b"x a=b\n", "a record of digits without end": b"1" * 600,
    }.items():  # fmt: skip
        yield name, lambda text=text: extended(text) + header(b"a") + END
    yield "a header of 170,000 records", lambda: extended(b"6 a=b\n" * 170_000) + header(b"a") + END
    yield (
        "names of one file that are replaced one after the other",
        lambda: (
            header(b"f")
            + b"".join(header(b"h%d" % n, b"1", link=b"f") for n in range(20_000))
            + header(b"f")
            + b"".join(header(b"h%d" % n) for n in range(20_000))
            + END
        ),
    )
    yield (
        "9,000 records for each of 20,000 entries",
        lambda: (
            extended(b"".join(record(b"k%d" % n, b"") for n in range(9000)), b"g")
            + header(b"a") * 20_000
            + END
        ),
    )
    yield (
        "a sparse map of digits without end",
        lambda: (
            extended(
                record(b"GNU.sparse.major", b"1")
                + record(b"GNU.sparse.minor", b"0")
                + record(b"GNU.sparse.realsize", b"9")
            )
            + header(b"a", b"0", b"%011o\0" % (4 << 20))
            + b"1" * (4 << 20)
            + END
        ),
    )
    yield "a header of 8 GB", lambda: extended(b"x", claimed=2**33 - 1) + header(b"a") + END
    yield "a long name of 8 GB", lambda: extended(b"x", b"L", 2**33 - 1) + header(b"a") + END
    yield "a long name of 2 MB", lambda: extended(b"n" * (2 << 20), b"L") + header(b"a") + END
    yield "a long name that leads out", lambda: extended(b"../" * 50 + b"x\0", b"L") + header(b"a") + END
    yield (
        "a long link that leads out",
        lambda: extended(b"../" * 50 + b"x\0", b"K") + header(b"a", b"1") + END,
    )
    yield "a long name and nothing", lambda: extended(b"name\0", b"L") + END
    yield "headers without end", lambda: extended(record(b"a", b"b")) * 20_000
    yield "global headers without end", lambda: extended(record(b"a", b"b"), b"g") * 20_000
    yield (
        "global headers that grow",
        lambda: (
            b"".join(extended(record(b"k%d" % n, b"v" * 900_000), b"g") for n in range(60))
            + header(b"a")
            + END
        ),
    )
    yield (
        "a global path",
        lambda: extended(record(b"path", b"../x"), b"g") + header(b"a") + header(b"b") + END,
    )
    yield "a prefix that leads out", lambda: header(b"x", prefix=b"../..") + END
    yield "a name without an end", lambda: header(b"n" * 100) + END
    yield "a wrong checksum", lambda: header(b"a").replace(b"ustar", b"vstar") + END
    yield "an entry that is cut", lambda: header(b"a", b"0", b"00000001000\0") + b"x" * 100
    yield "a header that is cut", lambda: header(b"a")[:300]
    yield "no end", lambda: header(b"a")
    yield "two archives in one", lambda: tar([("a", FILE)]) + tar([("../x", FILE)])
    yield "something after the end", lambda: tar([("a", FILE)]) + b"\xff" * 5000
    yield "nothing", lambda: b""
    yield "zeros", lambda: bytes(1 << 20)
    yield "text", lambda: b"this is no archive\n" * 1000
    yield "an archive of cpio", lambda: b"070701" + b"0" * 5000
    yield "an archive of ar", lambda: b"!<arch>\ndebian-binary   " + b" " * 5000
    yield "a picture of a file system", lambda: b"hsqs" + bytes(5000)
    yield (
        "100,000 names of one file",
        lambda: header(b"f") + b"".join(header(b"h%d" % n, b"1", link=b"f") for n in range(100_000)) + END,
    )
    yield (
        "10,000 folders that become files",
        lambda: (header(b"d/", b"5") + header(b"d/x") + header(b"d")) * 10_000 + END,
    )
    yield (
        "3,000 nested folders",
        lambda: (
            b"".join(
                extended(record(b"path", b"d/" * n + b"x"), b"x") + header(b"a", b"5")
                for n in range(0, 2000, 2)
            )
            + END
        ),
    )


PACKED: Final[dict[str, Callable[[], bytes]]] = {
    "zeros that gzip hides": lambda: bomb(zlib.compressobj(9, wbits=31)),
    "a file of zeros that gzip hides": lambda: bomb(zlib.compressobj(9, wbits=31), header(b"a", b"0", b"%011o\0" % BOMB)),
    "a file of zeros that zstd hides": lambda: bomb(zstandard.ZstdCompressor(level=19).compressobj(), header(b"a", b"0", b"%011o\0" % BOMB)),
    "a zstd frame with a window of 2 GB": lambda: b"\x28\xb5\x2f\xfd\x00\xa8" + b"\x01\x00\x00" + b"x" * 100,
    "a zstd frame that says 2**60 bytes": lambda: b"\x28\xb5\x2f\xfd\xe0" + (1 << 60).to_bytes(8, "little") + b"\x01\x00\x00",
    "10,000 empty zstd frames": lambda: zstandard.ZstdCompressor().compress(b"") * 10_000,
    "a zstd frame to skip of 4 GB": lambda: b"\x50\x2a\x4d\x18\xff\xff\xff\xff" + b"x" * 100,
    "a zstd dictionary that nobody has": lambda: b"\x28\xb5\x2f\xfd\x23\xff\xff\xff\xff\x04\x21\x00\x00" + b"x" * 10,
    "10,000 empty members of gzip": lambda: gzip.compress(b"") * 10_000,
    "gzip with a name of 1 MB": lambda: b"\x1f\x8b\x08\x08\0\0\0\0\0\x03" + b"n" * (1 << 20),
    "gzip with a wrong checksum": lambda: gzip.compress(tar([("a", FILE)]))[:-8] + bytes(8),
    "gzip in gzip": lambda: gzip.compress(gzip.compress(tar([("a", FILE)]))),
    "gzip that is cut": lambda: gzip.compress(tar([("a", FILE)]))[:-20],
    "xz": lambda: lzma.compress(tar([("a", FILE)])),
    "bzip2": lambda: bz2.compress(tar([("a", FILE)])),
    "gzip and then text": lambda: gzip.compress(tar([("a", FILE)])) + b"text",
}  # fmt: skip


def all_layers(out: str) -> Iterator[tuple[str, Callable[[], bytes], Callable[[], bytes]]]:
    """Yield name, the blob of a layer, and the tar that its image says is in it."""
    for name, rows in links():
        yield name, lambda rows=rows: tar(rows, out), lambda rows=rows: tar(rows, out)
    for name, make in raw():
        yield name, make, make
    for name, make in PACKED.items():
        yield name, make, lambda: b"another"
