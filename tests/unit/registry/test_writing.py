"""Archives that images are written to."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hermes.digest import CHUNK
from hermes.layer.tar_reader import members
from hermes.registry import transports

if TYPE_CHECKING:
    import pytest


class _Beginning(io.RawIOBase):
    """A file of which only the beginning is kept."""

    def __init__(self) -> None:
        self.head = b""
        self.size = 0

    def write(self, data: bytes) -> int:  # type: ignore[override]
        if len(self.head) < CHUNK:
            self.head += bytes(data[:CHUNK])
        self.size += len(data)
        return len(data)

    def tell(self) -> int:
        return self.size


def test_a_layer_of_more_than_8_gib_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = (8 << 30) + CHUNK
    out = _Beginning()
    opened = transports.tarfile.open

    def to_nowhere(name: Path, **options: object) -> object:
        name.touch()
        return opened(fileobj=out, **options)

    monkeypatch.setattr(transports.tarfile, "open", to_nowhere)
    zeros = bytes(CHUNK)
    with transports._archive(tmp_path / "image.tar") as archive:
        archive._add("layer.tar", size, iter([zeros] * (size // CHUNK)))
        archive.file("small", b"x")
    first = next(members(io.BytesIO(out.head).read, name="test"))
    assert (first.entry.path, first.entry.size) == ("layer.tar", size)
    assert out.size >= size
    assert os.listdir(tmp_path) == ["image.tar"]


def test_what_a_writer_that_was_killed_left_is_removed(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    left = tmp_path / f".image.tar.{process.pid}~"
    left.write_text("half")
    os.utime(left, (0, 0))
    with transports._archive(tmp_path / "image.tar") as archive:
        archive.file("small", b"x")
    assert os.listdir(tmp_path) == ["image.tar"]
