"""Which blobs and layers must not leave this machine by themselves, because a secret may have gone into them.

``private/HEX`` is an empty file. What somebody pushes or exports is another matter.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from hermes.digest import Digest


class PrivateBlobs:
    """The marks of one store."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)

    def add(self, digest: Digest) -> None:
        """Mark a blob, or a layer by its diff_id."""
        os.makedirs(self._folder, exist_ok=True)
        os.close(os.open(f"{self._folder}/{digest.hex}", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))

    def has_any(self, digests: Iterable[Digest]) -> bool:
        """Tell whether one of some blobs or layers is marked."""
        return os.path.isdir(self._folder) and any(
            os.path.exists(f"{self._folder}/{one.hex}") for one in digests
        )

    def forget(self, is_gone: Callable[[Digest], bool]) -> None:
        """Take the marks off what is not in the store any more."""
        for name in os.listdir(self._folder) if os.path.isdir(self._folder) else ():
            if is_gone(Digest.from_hex(name)):
                os.unlink(f"{self._folder}/{name}")
