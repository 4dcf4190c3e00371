"""What an archive becomes as a tree is what its table of contents says, whatever the order of its entries."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hermes.digest import Digest
from hermes.errors import LayerError
from hermes.layer import rows, toc
from hermes.layer.apply import OPAQUE_XATTR, TreeWriter
from hermes.layer.importing import LayerBlob, import_layer
from hermes.layer.tar_reader import members
from hermes.layer.tree_check import difference
from hermes.layer.trees import describe_tree, is_sealed
from hermes.store import Store
from tests.properties import examples

PATHS = st.sampled_from(
    ["a", "b", "a/b", "a/c", "a/b/c", "b/a", ".wh.a", "a/.wh.b", "a/.wh..wh..opq", "b/.wh.c"]
)
ENTRIES = st.lists(
    st.tuples(
        PATHS,
        st.sampled_from(
            [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE]
        ),
        st.sampled_from(["a", "b", "a/b", "a/c"]),
        st.sampled_from([0o644, 0o755, 0o4711]),
        st.binary(max_size=3),
    ),
    min_size=1,
    max_size=8,
)


def archive(entries: list[tuple[str, bytes, str, int, bytes]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        for path, kind, link, mode, content in entries:
            info = tarfile.TarInfo(path)
            info.type = tarfile.REGTYPE if ".wh." in path else kind
            info.linkname = link if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
            info.mode, info.mtime = mode, len(content)
            info.size = len(content) if info.isreg() and ".wh." not in path else 0
            made.addfile(info, io.BytesIO(content))
    return out.getvalue()


@examples(200)
@given(ENTRIES, st.booleans())
@example([("a", tarfile.SYMTYPE, "b", 0o644, b""), ("c", tarfile.LNKTYPE, "a", 0o644, b"")], False)
@example(
    [
        ("a", tarfile.REGTYPE, "", 0o644, b"1"),
        ("b", tarfile.LNKTYPE, "a", 0o644, b""),
        ("c", tarfile.LNKTYPE, "b", 0o644, b""),
        ("a", tarfile.DIRTYPE, "", 0o755, b""),
        ("d", tarfile.LNKTYPE, "c", 0o644, b""),
        ("b", tarfile.FIFOTYPE, "", 0o644, b""),
        ("a/c", tarfile.LNKTYPE, "d", 0o644, b""),
    ],
    True,
)
def test_a_tree_does_not_differ_from_the_table_of_its_layer(
    entries: list[tuple[str, bytes, str, int, bytes]], many: bool
) -> None:
    """Also when there are so ``many`` entries that they are kept in a file."""
    data = archive(entries)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        if many:
            stack.enter_context(patch.object(rows, "_MOST_IN_MEMORY", 2))
            stack.enter_context(patch.object(rows, "_PER_LINE", 3))
            stack.enter_context(patch.object(toc, "_LARGE", 150))
        store = Store.open(Path(folder) / "home")
        digest = store.blobs.put(data)
        root = f"{folder}/root"
        os.mkdir(root)
        writer = TreeWriter(root, name="test")
        try:
            import_layer(store, LayerBlob(digest, len(data), digest, ""), open, name="test")
            for member in members(io.BytesIO(data).read, name="test"):
                writer.add(member.entry, member.content)
        except LayerError:
            return
        describe_tree(folder, writer.finish(), {})
        assert difference(toc.load(store, Digest(digest)), root, {}) == ""
        assert is_sealed(folder)


def _again(path: Path, data: str) -> None:
    """Write a file whose status does not tell of it."""
    status = path.stat()
    path.write_text(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _replace(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a file more": (lambda root: (root / "d/more").touch(), "d/more is not in the layer"),
    "a file less": (lambda root: (root / "d/g").unlink(), "d/g is missing"),
    "a whiteout less": (lambda root: (root / "gone").unlink(), "gone is missing"),
    "no whiteout": (lambda root: _replace(root / "gone", Path.touch), "gone is not a whiteout"),
    "a mode": (lambda root: (root / "d/f").chmod(0o600), "d/f has another mode"),
    "a time": (lambda root: os.utime(root / "d/f", (7, 7)), "d/f has another time"),
    "an owner": (lambda root: os.chown(root / "d/f", 1, 2), "d/f has another owner"),
    "a content": (lambda root: _again(root / "d/f", "y"), "d/f has another content"),
    "a size": (lambda root: _again(root / "d/f", "xx"), "d/f has another content"),
    "an attribute": (lambda root: os.setxattr(root / "d/f", "user.a", b"b"), "d/f has other extended"),
    "a link": (lambda root: _replace(root / "l", lambda path: path.symlink_to("e")), "l leads elsewhere"),
    "a type": (lambda root: _replace(root / "l", Path.mkdir), "l is of another type"),
    "two files": (lambda root: _replace(root / "h", Path.touch), "h is another file"),
    "an opaque marker": (
        lambda root: os.removexattr(root / "d", OPAQUE_XATTR),
        "d has another opaque marker",
    ),
}


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="whiteouts and owners need root")
@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_tree_differs_from_the_table_of_its_layer(tmp_path: Path, name: str) -> None:
    data = archive(
        [
            ("d", tarfile.DIRTYPE, "", 0o755, b""),
            ("d/.wh..wh..opq", tarfile.REGTYPE, "", 0o644, b""),
            ("d/f", tarfile.REGTYPE, "", 0o644, b"x"),
            ("d/g", tarfile.FIFOTYPE, "", 0o644, b""),
            ("h", tarfile.LNKTYPE, "d/f", 0o644, b""),
            ("l", tarfile.SYMTYPE, "d", 0o777, b""),
            (".wh.gone", tarfile.REGTYPE, "", 0o644, b""),
        ]
    )
    store = Store.open(tmp_path / "home")
    digest = store.blobs.put(data)
    import_layer(store, LayerBlob(digest, len(data), digest, ""), open, name="test")
    root = tmp_path / "root"
    root.mkdir()
    writer = TreeWriter(str(root), name="test")
    for member in members(io.BytesIO(data).read, name="test"):
        writer.add(member.entry, member.content)
    writer.finish()
    table = toc.load(store, digest)
    assert difference(table, str(root), {}) == ""
    change, problem = CHANGES[name]
    change(root)
    os.utime(root / "d", (0, 0))
    assert difference(table, str(root), {}).startswith(problem)
