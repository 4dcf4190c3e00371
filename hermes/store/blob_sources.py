"""Where a blob is besides in this store: the repositories of registries that were seen to have it.

``places/HEX`` is a JSON list of ``HOST/PATH``, the one seen first at the start. It is a hint: what is there no longer
is found out by asking.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hermes.digest import Digest, read_json
from hermes.store.regular import regular

_MOST: Final = 16


class BlobSources:
    """The places of the blobs of one store. ``write`` writes a file whole or not at all."""

    def __init__(self, folder: Path, write: Callable[[str, bytes], None]) -> None:
        self._folder = str(folder)
        self._write = write

    def path(self, digest: Digest) -> str:
        """Return the path of the file for a blob, there or not."""
        return f"{self._folder}/{digest.hex}"

    def of(self, digest: Digest) -> tuple[str, ...]:
        """Return the repositories that had a blob."""
        try:
            with open(self.path(digest), "rb", opener=regular) as file:
                found = read_json(file.read())
        except (OSError, ValueError):
            return ()
        return tuple(found) if isinstance(found, list) and all(isinstance(one, str) for one in found) else ()

    def add(self, digest: Digest, place: str) -> None:
        """Note that a repository has a blob."""
        before = self.of(digest)
        if place in before:
            return
        os.makedirs(self._folder, exist_ok=True)
        self._write(self.path(digest), json.dumps([*before[1 - _MOST :], place]).encode())

    def remove(self, digest: Digest, place: str) -> None:
        """Note that a repository does not have a blob any more."""
        before = self.of(digest)
        if place in before:
            kept = [one for one in before if one != place]
            self._write(self.path(digest), json.dumps(kept).encode())
