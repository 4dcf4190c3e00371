"""Archives that anyone may have written: refused with one error, and nothing outside of the root is touched."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.errors import LayerError
from hermes.layer.apply import TreeWriter
from hermes.layer.decompress import Decompressed
from hermes.layer.tar_reader import members
from hermes.layer.tar_writer import header
from tests.properties import examples


def tar_of(*entries: tuple[str, dict[str, object]], content: bytes = b"") -> bytes:
    """Return a tar with entries given by name and fields of `tarfile.TarInfo`."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, fields in entries:
            info = tarfile.TarInfo(name)
            for field, value in fields.items():
                setattr(info, field, value)
            info.size = len(content) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def extract(tar: bytes, root: Path) -> None:
    writer = TreeWriter(str(root), name="test")
    for member in members(io.BytesIO(tar).read, name="test"):
        writer.add(member.entry, member.content)
    writer.finish()


FILE: dict[str, object] = {}
FOLDER = {"type": tarfile.DIRTYPE, "mode": 0o755}


def link(target: str) -> dict[str, object]:
    return {"type": tarfile.SYMTYPE, "linkname": target}


def hard(target: str) -> dict[str, object]:
    return {"type": tarfile.LNKTYPE, "linkname": target}


HOSTILE = {
    "a path that leads out": [("../out", FILE)],
    "a path that leads out in the middle": [("a", FOLDER), ("a/../../out", FILE)],
    "a file through a link": [("a", link("/")), ("a/out", FILE)],
    "a file through a relative link": [("a", link("..")), ("a/out", FILE)],
    "a folder through a link": [("a", link("..")), ("a/out", FOLDER)],
    "a file through a file": [("a", FILE), ("a/out", FILE)],
    "a hard link that leads out": [("a", hard("../../etc/passwd"))],
    "a hard link to what is not there": [("a", hard("b"))],
    "a hard link to a folder": [("a", FOLDER), ("b", hard("a"))],
    "a hard link to itself": [("a", hard("a"))],
    "a hard link through a link": [("a", link("..")), ("b", hard("a/out"))],
    "a whiteout of nothing": [(".wh.", FILE)],
    "a whiteout of a parent": [(".wh...", FILE)],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused(tmp_path: Path, name: str) -> None:
    root = tmp_path / "deep" / "root"
    root.mkdir(parents=True)
    with pytest.raises(LayerError):
        extract(tar_of(*HOSTILE[name], content=b"evil"), root)
    assert [path.name for path in tmp_path.rglob("*") if path.name == "out"] == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep"]


@pytest.mark.parametrize("name", ["/etc/passwd", "./etc/passwd", "//etc//passwd", "/./etc/./passwd"])
def test_an_absolute_path_stays_inside(tmp_path: Path, name: str) -> None:
    extract(tar_of((name, FILE), content=b"x"), tmp_path)
    assert (tmp_path / "etc/passwd").read_bytes() == b"x"


def test_an_absolute_link_is_kept_and_not_followed(tmp_path: Path) -> None:
    extract(tar_of(("a", link("/etc/passwd"))), tmp_path)
    assert (tmp_path / "a").readlink() == Path("/etc/passwd")


def test_a_path_that_comes_again_replaces_what_was_there(tmp_path: Path) -> None:
    extract(tar_of(("a", link("/etc")), ("a", FOLDER), ("a/b", FILE), content=b"x"), tmp_path)
    assert (tmp_path / "a/b").read_bytes() == b"x"
    assert not (tmp_path / "a").is_symlink()


def test_a_device_is_left_out(tmp_path: Path) -> None:
    extract(tar_of(("null", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}), ("b", FILE)), tmp_path)
    assert os.listdir(tmp_path) == ["b"]


GOOD = tar_of(
    ("a", FOLDER),
    ("a/b", {"pax_headers": {"SCHILY.xattr.user.x": "y"}}),
    ("c", link("a/b")),
    content=b"hello",
)


def damaged(at: int, value: int) -> bytes:
    data = bytearray(GOOD)
    data[at] = value
    return bytes(data)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("nothing at all", lambda: b""),
        ("a wrong checksum", lambda: damaged(0, 0x41)),
        ("an end in a header", lambda: GOOD[:700]),
        ("an end in a file", lambda: GOOD[: GOOD.index(b"hello") + 2]),
        ("no tar", lambda: os.urandom(4096)),
        ("text", lambda: b"this is no archive\n" * 100),
    ],
)
def test_a_damaged_archive_is_refused(tmp_path: Path, name: str, make: Callable[[], bytes]) -> None:
    with pytest.raises(LayerError, match=r"^test: "):
        extract(make(), tmp_path)


@pytest.mark.parametrize(
    "fields",
    [
        {"mtime": 10**20},
        {"mtime": -(10**20)},
        {"pax_headers": {"mtime": str(10**20)}},
        {"uid": (1 << 32) - 1},
        {"pax_headers": {"gid": str(10**15)}},
        {"pax_headers": {"SCHILY.xattr.user.a\0b": "x"}},
        {"type": tarfile.SYMTYPE, "pax_headers": {"linkpath": "a\0b"}},
    ],
)
def test_what_no_file_system_can_say_is_refused(tmp_path: Path, fields: dict[str, object]) -> None:
    with pytest.raises(LayerError, match=r"^test: "):
        extract(tar_of(("a", fields)), tmp_path)


def with_device(major: int, minor: int) -> bytes:
    """Return the header of a device, whose numbers are binary as GNU tar writes large ones."""
    block = bytearray(tar_of(("a", {"type": tarfile.CHRTYPE}))[:512])
    for at, number in ((329, major), (337, minor)):
        block[at : at + 8] = b"\x80" + number.to_bytes(7, "big")
    block[148:156] = b" " * 8
    block[148:155] = b"%06o\0" % sum(block)
    return bytes(block) + bytes(1024)


@pytest.mark.parametrize(("major", "minor"), [(1 << 12, 0), (0, 1 << 20), (1 << 52, 1 << 52)])
def test_a_device_that_linux_cannot_have_is_refused(major: int, minor: int) -> None:
    with pytest.raises(LayerError, match=f"{major}:{minor} is not a device"):
        list(members(io.BytesIO(with_device(major, minor)).read, name="test"))


def test_the_largest_device_goes_through_a_layer() -> None:
    (found,) = (one.entry for one in members(io.BytesIO(with_device(4095, 1048575)).read, name="test"))
    assert found.device == (4095, 1048575)
    again = io.BytesIO(header(found) + bytes(1024))
    assert [one.entry for one in members(again.read, name="test")] == [found]


def test_an_empty_value_of_an_extended_header_is_none(tmp_path: Path) -> None:
    """POSIX has it delete what a global header says: the fields of the entry count."""
    headers = dict.fromkeys(["path", "mtime", "uid", "gid", "size", "SCHILY.xattr.user.x"], "")
    tar = tar_of(("a", {"pax_headers": headers, "mtime": 5}), content=b"x")
    (entry,) = (member.entry for member in members(io.BytesIO(tar).read, name="test"))
    assert (entry.path, entry.mtime, entry.uid, entry.size) == ("a", 5, 0, 1)
    assert entry.xattrs == (("user.x", b""),)


CHANGES = st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=4)


@examples(400)
@given(changes=CHANGES, fix=st.booleans())
def test_a_mutated_archive_gives_entries_or_one_error(changes: list[tuple[int, int]], *, fix: bool) -> None:
    data = bytearray(GOOD)
    for at, value in changes:
        data[at] = value
    if fix:  # a right checksum lets the damage go further
        for start in range(0, len(data) - 1024, 512):
            if data[start + 257 : start + 262] == b"ustar":
                data[start + 148 : start + 156] = b" " * 8
                data[start + 148 : start + 155] = b"%06o\0" % sum(data[start : start + 512])
    try:
        for member in members(io.BytesIO(bytes(data)).read, name="test"):
            assert sum(map(len, member.content)) == member.entry.size
            assert ".." not in member.entry.path.split("/")
            assert not member.entry.path.startswith("/")
    except LayerError:
        pass


@examples(200)
@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh9"]),
)
def test_damaged_compression_gives_bytes_or_one_error(data: bytes, magic: bytes) -> None:
    source = Decompressed(io.BytesIO(magic + data), name="test")
    try:
        while source.read(1 << 16):
            pass
    except LayerError as error:
        assert error.message.startswith("test: ")


def test_a_bomb_is_read_in_pieces() -> None:
    import zstandard

    packed = zstandard.ZstdCompressor(level=19).compress(bytes(1 << 28))
    assert len(packed) < 20_000
    source = Decompressed(io.BytesIO(packed), name="test")
    assert max(len(source.read(1 << 30)) for _ in range(5)) <= 1 << 22
