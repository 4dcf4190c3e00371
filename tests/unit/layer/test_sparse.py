"""Sparse members of tar archives are the files that GNU tar unpacks from them."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.errors import LayerError
from hermes.layer.sparse import sparse_of
from hermes.layer.tar_reader import members
from tests.properties import examples

FORMATS = {
    "old GNU": ["--format=gnu"],
    "pax 0.0": ["--format=posix", "--sparse-version=0.0"],
    "pax 0.1": ["--format=posix", "--sparse-version=0.1"],
    "pax 1.0": ["--format=posix", "--sparse-version=1.0"],
}
LONG = "folder/" + "long-name-" * 14


@pytest.fixture(autouse=True)
def _gnu_tar() -> None:
    if not shutil.which("tar"):
        pytest.skip("tar is not installed")


def sparse_file(path: Path, size: int, data: dict[int, bytes]) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        file.truncate(size)
        for offset, one in data.items():
            file.seek(offset)
            file.write(one)
    return path.read_bytes()


def archive(folder: Path, how: list[str], *names: str) -> bytes:
    command = ["tar", "--sparse", *how, "-C", str(folder), "-cf", "-", *names]
    return subprocess.run(command, capture_output=True, check=True).stdout


def contents(tar: bytes) -> dict[str, bytes]:
    found = {}
    for member in members(io.BytesIO(tar).read, name="test"):
        found[member.entry.path] = b"".join(member.content)
        assert len(found[member.entry.path]) == member.entry.size
    return found


SHAPES = {
    "only a hole": (1 << 20, {}),
    "a hole at the end": (1 << 20, {0: b"begin"}),
    "a hole at the beginning": (1 << 20, {(1 << 20) - 4096: b"x" * 4096}),
    "holes between": (3 << 20, {4096: b"one", 1 << 20: b"two" * 5000, 2 << 20: b"three"}),
    "more pieces than a header holds": (8 << 20, {at << 18: f"piece {at}".encode() for at in range(30)}),
    "an odd size": ((1 << 20) + 777, {500_000: b"odd"}),
}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_sparse_member_is_the_file_that_was_packed(tmp_path: Path, form: str, shape: str) -> None:
    whole = sparse_file(tmp_path / "sparse", *SHAPES[shape])
    (tmp_path / "after").write_bytes(b"what comes after")
    tar = archive(tmp_path, FORMATS[form], "sparse", "after")
    assert len(tar) < len(whole)
    assert contents(tar) == {"sparse": whole, "after": b"what comes after"}


@pytest.mark.parametrize("form", FORMATS)
def test_a_sparse_member_has_its_own_name_and_can_be_passed_over(tmp_path: Path, form: str) -> None:
    sparse_file(tmp_path / LONG, *SHAPES["holes between"])
    (tmp_path / "after").write_bytes(b"after")
    tar = archive(tmp_path, FORMATS[form], LONG, "after")
    found = [member.entry for member in members(io.BytesIO(tar).read, name="test")]
    assert [(one.path, one.size) for one in found] == [(LONG, 3 << 20), ("after", 5)]


@pytest.mark.parametrize("form", FORMATS)
def test_a_sparse_member_that_is_cut_is_refused_where_gnu_tar_refuses_it(tmp_path: Path, form: str) -> None:
    sparse_file(tmp_path / "sparse", *SHAPES["more pieces than a header holds"])
    tar = archive(tmp_path, FORMATS[form], "sparse")
    end = len(tar.rstrip(b"\0"))
    end += -end % 512
    for length in range(512, end, 512 * 7 + 100):
        done = subprocess.run(["tar", "-xOf", "-"], input=tar[:length], capture_output=True, check=False)
        assert done.returncode
        with pytest.raises(LayerError, match=r"^test: "):
            contents(tar[:length])


@examples(60)
@given(
    form=st.sampled_from(list(FORMATS)),
    blocks=st.lists(st.integers(0, 60), unique=True, max_size=12),
    more=st.integers(0, 5000),
)
def test_any_sparse_file_comes_back(form: str, blocks: list[int], more: int) -> None:
    data = {at * 4096: bytes([at + 1]) * 4096 for at in blocks}
    with tempfile.TemporaryDirectory() as folder:
        whole = sparse_file(Path(folder) / "sparse", 61 * 4096 + more, data)
        assert contents(archive(Path(folder), FORMATS[form], "sparse")) == {"sparse": whole}


def changed(tar: bytes, old: bytes, new: bytes) -> bytes:
    """Return an archive with other text of the same length in its extended header."""
    assert tar.count(old) == 1
    assert len(old) == len(new)
    return tar.replace(old, new)


def test_a_map_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    sparse_file(tmp_path / "sparse", 1 << 20, {4096: b"x" * 4096})
    tar = archive(tmp_path, FORMATS["pax 0.1"], "sparse")
    pairs = b"4096,4096,1048576,0"
    for wrong in (
        b"4096,9999,1048576,0",
        b"4096,4096,104857x,0",
        b"4096,4096,0000001,0",
        b"4096,4096,1048577,0",
    ):
        with pytest.raises(LayerError, match=r"^test: sparse: "):
            contents(changed(tar, pairs, wrong))
    with pytest.raises(LayerError, match="sparse"):
        contents(changed(tar, pairs, b"4096,4096,1048576,,"))


def test_holes_that_fill_the_disk_are_refused(tmp_path: Path) -> None:
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(9 << 30)  # which nobody reads
    for how in FORMATS.values():
        tar = archive(tmp_path, how, "sparse")
        with pytest.raises(LayerError, match="8 GiB of holes"):
            list(members(io.BytesIO(tar).read, name="test"))


@pytest.mark.parametrize(
    ("block", "problem"),
    [(b"1000001\n" + b"0\n" * 252, "too many pieces"), (b"1" * 512, "malformed")],
    ids=["pieces", "digits"],
)
def test_a_map_in_the_data_has_a_bound(block: bytes, problem: str) -> None:
    blocks = iter([block] * 3)
    with pytest.raises(ValueError, match=problem):
        sparse_of(
            bytes(512),
            {"GNU.sparse.major": b"1", "GNU.sparse.minor": b"0", "GNU.sparse.realsize": b"1"},
            int,
            lambda: next(blocks),
        )


@pytest.mark.parametrize(
    ("kind", "version", "problem"),
    [
        (tarfile.REGTYPE, "2", "of a version that is not known"),
        (tarfile.DIRTYPE, "0", "is a sparse file, which cannot be here"),
        (tarfile.SYMTYPE, "0", "is a sparse file, which cannot be here"),
    ],
)
def test_a_sparse_member_that_no_tar_writes_is_refused(kind: bytes, version: str, problem: str) -> None:
    made = io.BytesIO()
    fields = {
        "GNU.sparse.major": version,
        "GNU.sparse.minor": "0",
        "GNU.sparse.size": "0",
        "GNU.sparse.map": "0,0",
    }
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as written:
        member = tarfile.TarInfo("x")
        member.type, member.pax_headers, member.linkname = (
            kind,
            fields,
            "a" if kind == tarfile.SYMTYPE else "",
        )
        written.addfile(member)
    with pytest.raises(LayerError, match=problem):
        contents(made.getvalue())
