"""Headers at the bounds of their fields, beside Python's tarfile: what is written there, and what is read."""

from __future__ import annotations

import io
import tarfile
from typing import Any

import pytest

from hermes.errors import LayerError
from hermes.layer.entry import DIRECTORY, FIFO, FILE, HARDLINK, SYMLINK, Entry
from hermes.layer.tar_reader import is_tar, members
from hermes.layer.tar_writer import BLOCK_SIZE, END, header


def theirs(entry: Entry) -> tarfile.TarInfo:
    """What Python reads of an entry's header."""
    data = io.BytesIO(header(entry) + END)
    with tarfile.open(fileobj=data, encoding="utf-8", errors="surrogateescape") as archive:
        found = archive.next()
    assert found is not None
    return found


def ours(data: bytes, step: int = 1 << 20) -> list[Entry]:
    """The entries of an archive that is given in pieces of at most ``step`` bytes."""
    source = io.BytesIO(data)
    found = []
    for member in members(lambda count: source.read(min(count, step)), name="test"):
        for _ in member.content:
            pass
        found.append(member.entry)
    return found


def block(**fields: Any) -> bytearray:
    """A header as Python writes it."""
    info = tarfile.TarInfo("a")
    for name, value in fields.items():
        setattr(info, name, value)
    return bytearray(info.tobuf(tarfile.USTAR_FORMAT))


def summed(data: bytearray) -> bytes:
    """A header with the checksum that it should have."""
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    return bytes(data)


@pytest.mark.parametrize(
    ("path", "blocks"),
    [
        ("a" * 100, 1),
        ("a" * 101, 3),
        ("p" * 155 + "/" + "n" * 100, 1),
        ("p" * 156 + "/" + "n" * 99, 3),
        ("p" * 155 + "/" + "n" * 101, 3),
        ("p" * 154 + "/" + "n" * 101, 3),
        ("p/" + "n" * 100, 1),
        ("p/" + "n" * 99, 3),
        ("/".join(["ab"] * 85), 1),
        ("ü", 3),
    ],
)
def test_a_path_is_in_the_header_where_it_fits(path: str, blocks: int) -> None:
    if path == "p/" + "n" * 99:  # 101 bytes, of which the last slash leaves 99
        blocks = 1
    entry = Entry(path, FILE, 0o644)
    assert theirs(entry).name == path
    assert len(header(entry)) == blocks * BLOCK_SIZE
    assert ours(header(entry) + END) == [entry]


@pytest.mark.parametrize("length", [97, 98, 99, 100, 153, 154, 155, 254, 255])
def test_a_folder_of_any_length_ends_with_a_slash(length: int) -> None:
    for path in ("d" * length, "d" * (length // 2) + "/" + "e" * (length - length // 2 - 1)):
        entry = Entry(path, DIRECTORY, 0o755)
        found = theirs(entry)
        assert (found.name, found.type) == (path, tarfile.DIRTYPE)
        assert ours(header(entry) + END) == [entry]
    assert header(Entry("", DIRECTORY, 0o755)).startswith(b"./\0")


@pytest.mark.parametrize("length", [99, 100, 101, 3999])
@pytest.mark.parametrize("kind", [SYMLINK, HARDLINK])
def test_a_link_may_lead_anywhere(kind: str, length: int) -> None:
    entry = Entry("l", kind, 0o777, link="/".join(["t" * 23] * 170)[:length])
    assert theirs(entry).linkname == entry.link
    assert (len(header(entry)) == BLOCK_SIZE) == (length <= 100)
    assert ours(header(entry) + END) == [entry]


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("uid", [0, 0o7777777, 0o7777777 + 1, (1 << 32) - 2]),
        ("gid", [0, 0o7777777, 0o7777777 + 1, (1 << 32) - 2]),
        ("mtime", [0, 0o77777777777, 0o77777777777 + 1, -1, -(1 << 40)]),
        ("size", [0o77777777777, 0o77777777777 + 1, 1 << 40]),
    ],
)
def test_a_number_is_in_the_header_where_it_fits(field: str, values: list[int]) -> None:
    for value in values:
        entry = Entry("a", FILE, 0o644)._replace(**{field: value})
        assert getattr(theirs(entry), field) == value
        fits = 0 <= value <= (0o7777777 if field in ("uid", "gid") else 0o77777777777)
        assert (len(header(entry)) == BLOCK_SIZE) == fits
        data = io.BytesIO(header(entry))
        assert next(members(data.read, name="test")).entry == entry


@pytest.mark.parametrize("length", [*range(75), *range(950, 990)])
def test_a_record_counts_its_own_length(length: int) -> None:
    entry = Entry("a", FILE, 0o644, xattrs=(("user.a", b"v" * length),))
    assert theirs(entry).pax_headers["SCHILY.xattr.user.a"] == "v" * length
    assert ours(header(entry) + END) == [entry]


@pytest.mark.parametrize("step", [1, 7, 511, 513])
def test_how_the_bytes_come_makes_no_difference(step: int) -> None:
    long = Entry("n" * 150 + "/" + "n" * 150, FILE, 0o644, size=700)
    data = header(long) + b"x" * 700 + bytes(-700 % 512) + header(Entry("b", FIFO, 0o600)) + END
    assert ours(data, step) == [long, Entry("b", FIFO, 0o600)]
    with pytest.raises(LayerError, match="ends in the middle of"):
        ours(data[:1500], step)
    with pytest.raises(LayerError, match="ends in the middle of a header"):
        ours(data[:-1300], step)


def test_a_prefix_counts_in_posix_archives_alone() -> None:
    """GNU tar keeps times there; its magic is ``ustar`` with two spaces."""
    posix = block()
    posix[345:348] = b"pre"
    assert [one.path for one in ours(summed(posix) + END)] == ["pre/a"]
    gnu = block()
    gnu[345:348] = b"123"
    gnu[257:265] = b"ustar  \0"
    assert [one.path for one in ours(summed(gnu) + END)] == ["a"]


def test_old_archives_have_files_of_type_zero_and_folders_by_their_name() -> None:
    assert ours(summed(block(type=b"\0")) + END) == [Entry("a", FILE, 0o644)]
    assert ours(summed(block(name="a/", type=b"0")) + END) == [Entry("a", DIRECTORY, 0o644)]
    assert ours(summed(block(name="a/", type=b"7", size=0)) + END) == [Entry("a", DIRECTORY, 0o644)]


def test_a_checksum_may_be_of_signed_bytes() -> None:
    """As some old tars computed it; see GNU tar, src/list.c."""
    made = block()
    made[0:1] = b"\xfc"
    made[148:156] = b" " * 8
    made[148:156] = b"%06o\0 " % (sum(made) - 256)
    assert [one.path for one in ours(bytes(made) + END)] == ["\udcfc"]
    made[148:156] = b"%06o\0 " % 1
    with pytest.raises(LayerError, match="not a tar archive"):
        ours(bytes(made) + END)


def with_records(body: bytes, kind: bytes = b"x") -> bytes:
    """An archive of a file that an extended header stands before."""
    first = block(name="x", type=kind, size=len(body))
    return bytes(first) + body + bytes(-len(body) % 512) + bytes(block()) + END


@pytest.mark.parametrize(
    "body",
    [
        *(
            b"x",
            b"7 a=b",
            b" a=b\n",
            b"x a=b\n",
            b"-6 a=b\n",
            b"7 a=bc\n\n",
            b"99 a=b\n",
            b"5 a=b\n",
            b"6 ab\n",
        ),
        *(b"8 a\0=bc\n", b"00000006 a=b\n", b"2 ", b"0 ", b"6 a=b\n5 a=b\n"),
    ],
)
def test_a_malformed_extended_header_is_refused(body: bytes) -> None:
    with pytest.raises(LayerError, match="extended header is malformed"):
        ours(with_records(body))


@pytest.mark.parametrize(
    ("value", "seconds"), [("5", 5), ("5.9", 5), ("-5", -5), ("-5.1", -6), ("-0.5", -1), ("0", 0)]
)
def test_a_time_is_the_whole_second_before(value: str, seconds: int) -> None:
    record = f" mtime={value}\n"
    body = f"{len(record) + 2}{record}" if len(record) > 7 else f"{len(record) + 1}{record}"
    assert [one.mtime for one in ours(with_records(body.encode()))] == [seconds]


def test_a_global_header_counts_until_an_entry_says_otherwise() -> None:
    def entry(name: str, own: bytes = b"") -> bytes:
        before = (
            bytes(block(name="x", type=b"x", size=len(own))) + own + bytes(-len(own) % 512) if own else b""
        )
        return before + bytes(block(name=name))

    first = b"9 uid=77\n"
    data = bytes(block(name="g", type=b"g", size=len(first))) + first + bytes(-len(first) % 512)
    data += entry("a") + entry("b", b"8 uid=5\n") + entry("c") + END
    assert [(one.path, one.uid) for one in ours(data)] == [("a", 77), ("b", 5), ("c", 77)]


def test_an_extended_header_has_a_mebibyte_at_most() -> None:
    fits, more = b"a" * (1 << 20), b"a" * ((1 << 20) + 1)
    with pytest.raises(LayerError, match="extended header is malformed"):
        ours(with_records(fits))
    with pytest.raises(LayerError, match="1048577 bytes of extended header are too many"):
        ours(with_records(more))
    long = "/".join(["n" * 200] * 15)
    assert ours(with_records(long.encode(), b"L"))[0].path == long
    with pytest.raises(LayerError, match="are too many"):
        ours(with_records(more, b"L"))


@pytest.mark.parametrize("kind", [b"8", b"A", b"V", b"M", b"\xff"])
def test_a_type_that_a_layer_cannot_hold_is_named(kind: bytes) -> None:
    with pytest.raises(
        LayerError, match=r"entries of this type are not supported \(type .*\) \(at byte 512\)"
    ):
        ours(summed(block(type=kind)) + END)


def test_what_begins_like_an_archive_is_one() -> None:
    assert is_tar(io.BytesIO(bytes(block())).read)
    assert not is_tar(io.BytesIO(bytes(block())[:511]).read)
    assert not is_tar(io.BytesIO(bytes(512)).read)
    assert not is_tar(io.BytesIO(b"text" * 200).read)
    odd = io.BytesIO(bytes(block()))
    assert is_tar(lambda count: odd.read(min(count, 10)))


@pytest.mark.parametrize("major", [0, 1, 4095])
def test_devices_have_their_numbers(major: int) -> None:
    entry = Entry("d", "4", 0o600, device=(major, 7))
    found = theirs(entry)
    assert (found.type, found.devmajor, found.devminor) == (tarfile.BLKTYPE, major, 7)
    assert ours(header(entry) + END) == [entry]
    file = block(type=b"0", devmajor=5, devminor=6)
    assert ours(summed(file) + END)[0].device == (0, 0)


def test_an_entry_of_another_type_cannot_be_written() -> None:
    with pytest.raises(LayerError, match="cannot hold entries of type"):
        header(Entry("a", "V", 0o644))


@pytest.mark.parametrize("field", [slice(108, 116), slice(116, 124), slice(124, 136), slice(329, 337)])
def test_a_negative_number_is_refused(field: slice) -> None:
    """A binary number as GNU tar writes it may be below zero, which only a time can be."""
    data = block(type=tarfile.CHRTYPE if field.start == 329 else tarfile.REGTYPE)
    data[field] = b"\xff" * len(data[field])
    with pytest.raises(LayerError, match="a negative"):
        ours(summed(data) + END)


@pytest.mark.parametrize(("path", "problem"), [("n" * 256, "name"), ("p/" * 2048 + "n", "path")])
def test_a_path_is_as_long_as_linux_allows(path: str, problem: str) -> None:
    assert [one.path for one in ours(header(Entry(path[1:], FILE, 0o644)) + END)] == [path[1:].lstrip("/")]
    with pytest.raises(LayerError, match=f"the {problem} .* bytes, more than"):
        ours(header(Entry(path, FILE, 0o644)) + END)


def test_records_that_all_entries_share_are_few() -> None:
    body = b"".join(b"%d k%d=v\n" % (len(f"k{number}=v") + 3, number) for number in range(10, 100))
    shared = block(type=tarfile.XGLTYPE, size=len(body))
    archive = summed(shared) + body + bytes(-len(body) % BLOCK_SIZE)
    assert [one.path for one in ours(archive + header(Entry("a", FILE, 0o644)) + END)] == ["a"]
    with pytest.raises(LayerError, match="too many global extended headers"):
        ours(archive + archive.replace(b" k", b" l") + header(Entry("a", FILE, 0o644)) + END)


def test_records_of_an_extended_header_are_read_one_after_the_other() -> None:
    """A mebibyte of them, which took a minute when the rest was copied for each."""
    body = b"6 a=b\n" * 170_000 + b"14 path=other\n"
    extended = block(type=tarfile.XHDTYPE, size=len(body))
    archive = summed(extended) + body + bytes(-len(body) % BLOCK_SIZE)
    assert [one.path for one in ours(archive + header(Entry("a", FILE, 0o644)) + END)] == ["other"]


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("size", "-1", "b'-1' is not a size"),
        ("size", "1e3", "b'1e3' is not a size"),
        ("size", "1" * 20, "is not a size"),
        ("uid", "root", "b'root' is not a user id"),
        ("gid", "4294967295", "4294967295 is not a group id"),
        ("mtime", "now", "b'now' is not a time"),
    ],
)
def test_a_number_of_an_extended_header_is_decimal(key: str, value: str, problem: str) -> None:
    length = len(key) + len(value) + 4
    length += len(str(length)) - 1
    with pytest.raises(LayerError, match=problem):
        ours(with_records(f"{length} {key}={value}\n".encode()))
