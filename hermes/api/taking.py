"""Files of a container -> folders of this machine, placed as `docker cp` does; everything belongs to who runs this."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hermes.errors import UsageError
from hermes.store.atomic_replace import beside
from hermes.store.io_errors import writing
from hermes.store.removal import remove_tree
from hermes.transports.root_files import merge_folders

STANDARD_OUTPUT: Final = "-"


def check_place(paths: Sequence[str], dest: Path, *, is_folder: bool) -> None:
    """Raise `UsageError` where what is taken cannot go; ``is_folder``: the destination was named as a folder."""
    for path in paths:
        if not path.startswith("/"):
            raise UsageError(
                f"{path!r} is not an absolute path in the container", hint="write CONTAINER:/path"
            )
    if dest.is_dir():
        return
    if len(paths) > 1 or (is_folder and not paths[0].endswith("/.")):
        problem = "is not a folder" if dest.exists() else "is not there"
        raise UsageError(f"{dest} {problem}", hint="make the folder that the files are to be put into")
    if not dest.parent.is_dir():
        raise UsageError(
            f"{dest.parent} is not there", hint="make the folder that the file is to be put into"
        )


def placed(archive: Path, paths: Sequence[str], dest: Path) -> None:
    """Put what an archive of `Containers.take` holds where it belongs: each path is in a folder of its number there.

    In a folder each gets its own name, but what is in a path that ends with ``/.`` goes into the folder itself. Files are
    there as a whole or not at all. Raises `UsageError` where a folder would take the place of a file, or the other way.
    """
    from hermes.build.dockerfile.unpacked import unpack

    with writing(dest):
        staged = beside(dest / "hermes-copy" if dest.is_dir() else dest)
        try:
            staged.mkdir()
            closed = unpack(archive, staged, "the container")
            for number, path in enumerate(paths):
                name = posixpath.basename(posixpath.normpath(path)) or "root"
                _place(staged / str(number) / name, dest, path)
            for folder in closed:
                if os.path.isdir(folder):
                    os.chmod(folder, 0o700)
        finally:
            remove_tree(staged)


def _place(found: Path, dest: Path, path: str) -> None:
    is_folder = found.is_dir() and not found.is_symlink()
    if path.endswith("/.") and not is_folder:
        raise UsageError(f"{path}: is not a folder in the container", hint="leave out the /.")
    target = dest if path.endswith("/.") or not dest.is_dir() else dest / found.name
    there = target.is_dir() and not target.is_symlink()
    if os.path.lexists(target) and there != is_folder:
        here, taken = ("a folder", "a file") if there else ("a file", "a folder")
        raise UsageError(
            f"{target} is {here}, and {path} of the container is {taken}", hint="name another place"
        )
    if there:
        merge_folders(found, target)
    else:
        os.replace(found, target)
