"""Files that are tar archives, compressed or not."""

from __future__ import annotations

import os

from hermes.errors import LayerError
from hermes.layer.compress import Decompressed
from hermes.layer.tar_reader import is_tar


def is_archive(path: str) -> bool:
    """Tell whether a file is a tar archive, compressed or not, that ADD unpacks."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        try:
            return is_tar(Decompressed(file, name=path).read)
        except LayerError:
            return False
