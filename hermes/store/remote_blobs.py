"""Which blobs are in the storage of a remote service that need not be here.

``remote/HEX`` is ``{"place": ADDRESS, "size": BYTES}``, where the address is as `hermes.remote.address.Address.place` gives
it. Of a layer that is the plain tar, whose digest is its diff_id. It is a hint: what is there no longer is found out
by asking.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from hermes.digest import Digest, read_json
from hermes.store.regular import regular


class RemoteBlob(NamedTuple):
    """A blob of ``size`` bytes in the storage of the service ``place``."""

    place: str
    size: int


class RemoteBlobs:
    """The notes of one store. ``write`` writes a file whole or not at all."""

    def __init__(self, folder: Path, write: Callable[[str, bytes], None]) -> None:
        self._folder = str(folder)
        self._write = write

    def path(self, digest: str) -> str:
        """Return the path of the note of a blob, there or not."""
        return f"{self._folder}/{digest[7:]}"

    def of(self, digest: Digest) -> RemoteBlob | None:
        """Return where a blob is; None for one that nobody was seen to have, or whose note is damaged."""
        try:
            with open(self.path(digest), "rb", opener=regular) as file:
                found = read_json(file.read())
            return RemoteBlob(str(found["place"]), int(found["size"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def add(self, digest: Digest, blob: RemoteBlob) -> None:
        """Note that a service has a blob."""
        if self.of(digest) != blob:
            os.makedirs(self._folder, exist_ok=True)
            self._write(self.path(digest), json.dumps(blob._asdict()).encode())

    def remove(self, digest: Digest) -> None:
        """Note that the service does not have a blob any more."""
        with suppress(FileNotFoundError):
            os.unlink(self.path(digest))
