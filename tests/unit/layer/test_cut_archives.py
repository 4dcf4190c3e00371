"""A file that is cut anywhere is refused: by GNU tar, gzip, zstd, xz, bzip2 and by Hermes."""

from __future__ import annotations

import functools
import io
import lzma
import random
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.errors import LayerError
from hermes.layer.archives import archive_members
from hermes.layer.decompress import Decompressed
from hermes.layer.tar_reader import members
from tests.properties import examples, some

TEXT = b"some text that is long enough for two kinds of blocks\n" * 40
NOISE = random.Random(5).randbytes(700)
FORMS = {
    "gzip": ["gzip", "-n"],
    "zstd": ["zstd", "-q"],
    "zstd without a checksum": ["zstd", "-q", "--no-check"],
    "zstd of unknown size": ["zstd", "-q", "--no-content-size"],
    "xz": ["xz"],
    "bzip2": ["bzip2"],
    "lzma": ["xz", "--format=lzma"],
}


def tar_of(*contents: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for number, content in enumerate(contents):
            info = tarfile.TarInfo(f"file{number}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def piped(command: list[str], data: bytes) -> subprocess.CompletedProcess[bytes]:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    return subprocess.run(command, input=data, capture_output=True, check=False)


@functools.cache
def packed(form: str) -> bytes:
    """Return some 300 bytes that are cut at every length, and hold noise that is stored and text that is not."""
    return piped([*FORMS[form], "-c"], TEXT + NOISE[:120]).stdout


def plain(data: bytes, form: str) -> bytes | None:
    """Return what Hermes decompresses, or None where it refuses."""
    source = Decompressed(io.BytesIO(data), name="test", form=form.partition(" ")[0])
    try:
        return b"".join(iter(lambda: source.read(1 << 16), b""))
    except LayerError as error:
        assert error.message.startswith("test: ")
        return None


def told(data: bytes, form: str) -> bytes | None:
    """Return what the tool decompresses, or None where it fails."""
    done = piped([*FORMS[form], "-dc"], data)
    return done.stdout if done.returncode == 0 else None


@pytest.mark.parametrize("form", FORMS)
def test_a_compressed_file_is_whole_or_refused_at_every_length_of_a_cut(form: str) -> None:
    data = packed(form)
    assert plain(data, form) == told(data, form) == TEXT + NOISE[:120]
    for length in some(range(len(data) - 1, 0, -1), 8):
        assert plain(data[:length], form) is told(data[:length], form) is None, length


@pytest.mark.parametrize("form", [form for form in FORMS if form != "lzma"])
def test_two_streams_are_cut_as_the_tool_cuts_them(form: str) -> None:
    once = packed(form)
    for length in some(range(2 * len(once), len(once) - 1, -1), 8):
        data = (once + once)[:length]
        assert plain(data, form) == told(data, form), length


TAILS = [
    *(bytes(count) for count in (1, 2, 3, 4, 5, 8, 64)),
    *(b"BZh9", b"B", b"BZ", b"Bx", b"\0B", b"garbage", b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18\0\0\0\0"),
    *(b"\x5f\x2a\x4d\x18\x02\0\0\0ab", b"\x5f\x2a\x4d\x18\x03\0\0\0ab", b"\x5f\x2a\x4d\x18\x02\0\0"),
]


@pytest.mark.parametrize("form", [form for form in FORMS if form != "lzma"])
@pytest.mark.parametrize("tail", TAILS)
def test_what_follows_a_stream_is_taken_as_the_tool_takes_it(form: str, tail: bytes) -> None:
    data = packed(form) + tail
    assert plain(data, form) == told(data, form)


@examples(100)
@given(form=st.sampled_from(["zstd", "zstd without a checksum", "zstd of unknown size"]), data=st.data())
def test_how_a_cut_frame_comes_in_makes_no_difference(form: str, data: st.DataObject) -> None:
    whole = packed(form)
    length = data.draw(st.integers(4, 2 * len(whole)))
    step = data.draw(st.integers(1, 40))
    cut = io.BytesIO((whole + whole)[:length])

    class InSteps:
        def read(self, count: int, /) -> bytes:
            return cut.read(min(count, step))

    source = Decompressed(InSteps(), name="test")
    try:
        found: bytes | None = b"".join(iter(lambda: source.read(1 << 16), b""))
    except LayerError:
        found = None
    assert found == plain((whole + whole)[:length], form)


def listed(read: Callable[[], list[str]]) -> list[str] | None:
    try:
        return read()
    except LayerError:
        return None


def names(data: bytes) -> list[str]:
    return [member.entry.path for member in archive_members(io.BytesIO(data), name="test")]


def test_a_tar_is_cut_as_gnu_tar_cuts_it(tmp_path: Path) -> None:
    """But for an end in the middle of a header: GNU tar takes what is before it, and the readers of Go and Python refuse it."""
    data = tar_of(b"hello", NOISE, b"")
    ends = [0, 512, 517, 1024, 1536, 1536 + len(NOISE), 2560, 3072, 3584, 4096, len(data)]
    for length in sorted(
        {end + near for end in ends for near in (-2, -1, 0, 1, 2, 100)} & {*range(len(data) + 1)}
    ):
        path = tmp_path / "cut.tar"
        path.write_bytes(data[:length])
        done = piped(["tar", "-tf", str(path)], b"")
        expected = done.stdout.decode().split() if done.returncode == 0 else None
        found = listed(lambda cut=data[:length]: names(cut))  # type: ignore[misc]
        in_a_header = length % 512 and (length < 512 or 1024 < length < 1536 or 2560 < length < 3072)
        assert found == (None if in_a_header else expected), length


@pytest.mark.parametrize("form", FORMS)
def test_an_archive_that_is_cut_behind_its_end_is_refused(form: str) -> None:
    """The last checksum is behind the last member, and says whether that is right."""
    data = piped([*FORMS[form], "-c"], tar_of(TEXT)).stdout
    name = form.partition(" ")[0]
    whole = archive_members(io.BytesIO(data), name="test", form=name)
    assert [member.entry.path for member in whole] == ["file0"]
    for short in (1, 2, 4, 8):
        with pytest.raises(LayerError, match=r"^test: "):
            list(archive_members(io.BytesIO(data[:-short]), name="test", form=name))


@pytest.mark.parametrize("form", ["gzip", "xz", "bzip2", "zstd"])
def test_a_checksum_that_is_wrong_is_refused(form: str) -> None:
    data = bytearray(piped([*FORMS[form], "-c"], tar_of(TEXT)).stdout)
    at = {"gzip": -6, "xz": -40, "bzip2": -3, "zstd": -2}[form]
    data[at] ^= 0x10
    assert told(bytes(data), form) is None
    with pytest.raises(LayerError, match=r"^test: "):
        names(bytes(data))


def test_a_layer_that_umoci_made_may_lack_its_last_padding() -> None:
    data = tar_of(b"hello")[:517]
    with pytest.raises(LayerError, match="ends in the middle"):
        names(data)
    assert [one.entry.path for one in members(io.BytesIO(data).read, name="test", unpadded=True)] == ["file0"]


def test_the_oldest_form_of_xz_is_not_guessed() -> None:
    """It has no magic; only where its name says so it is read."""
    data = lzma.compress(tar_of(b"hello"), format=lzma.FORMAT_ALONE)
    with pytest.raises(LayerError):
        names(data)
    found = archive_members(io.BytesIO(data), name="test", form="lzma")
    assert [member.entry.path for member in found] == ["file0"]
