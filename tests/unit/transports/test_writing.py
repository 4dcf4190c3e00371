"""Archives that images are written to."""

from __future__ import annotations

import io
import tarfile

from hermes.digest import CHUNK
from hermes.layer.tar_reader import members
from hermes.transports.archive import ArchiveWriter


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


def test_a_layer_of_more_than_8_gib_can_be_written() -> None:
    size = (8 << 30) + CHUNK
    out = _Beginning()
    zeros = bytes(CHUNK)
    with tarfile.TarFile(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT, copybufsize=CHUNK) as tar:
        archive = ArchiveWriter(tar)
        archive._add("layer.tar", size, iter([zeros] * (size // CHUNK)))
        archive.file("small", b"x")
    first = next(members(io.BytesIO(out.head).read, name="test"))
    assert (first.entry.path, first.entry.size) == ("layer.tar", size)
    assert out.size >= size
