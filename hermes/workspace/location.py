"""Where a workspace is: its root, found from a folder in it. What its settings say is read elsewhere (`root`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hermes.errors import WorkspaceError

MARKER: Final = "hermes.yaml"
OUTPUT_FOLDER: Final = "hermes-out"


@dataclass(frozen=True, slots=True)
class Location:
    """Where a command works: the workspace's ``root``, the store's ``home``, and the ``package`` of the current folder."""

    root: Path
    home: Path
    package: str = ""

    @classmethod
    def at(cls, start: Path, home: Path) -> Location:
        """Return the workspace that a folder is in; raises `WorkspaceError` when it is in none."""
        start = start.absolute()
        root = find_root(start)
        package = "" if start == root or not start.is_dir() else str(start.relative_to(root))
        return cls(root, home, package)


def find_root(start: Path) -> Path:
    """Return the nearest folder at or above ``start`` with a ``hermes.yaml``; raises `WorkspaceError`."""
    start = start.absolute()
    for folder in (start, *start.parents):
        if (folder / MARKER).is_file():
            return folder
    raise WorkspaceError(
        f"there is no workspace at {start} or above",
        hint=f"a workspace is a folder with a {MARKER}; make one with `touch {MARKER}`",
    )
