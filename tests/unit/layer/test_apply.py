"""Layers extracted for overlayfs: see Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories"."""

from __future__ import annotations

import os
from pathlib import Path

from hermes.layer.apply import TreeWriter
from hermes.layer.entry import DIRECTORY, Entry, opaque

FOLDER = Entry("a", DIRECTORY, 0o755)


def test_an_opaque_directory_has_the_attribute_that_overlayfs_looks_for(tmp_path: Path) -> None:
    writer = TreeWriter(str(tmp_path), name="test")
    for entry in (FOLDER, FOLDER._replace(path="a/b"), opaque("a/b"), FOLDER._replace(path="c")):
        writer.add(entry, iter(()))
    writer.finish()
    assert os.getxattr(tmp_path / "a/b", "user.overlay.opaque") == b"y"
    for path in ("a", "c"):
        assert os.listxattr(tmp_path / path) == []
    assert sorted(os.listdir(tmp_path / "a/b")) == []
