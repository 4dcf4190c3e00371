"""Which layers are extracted: the folders ``trees/HEX`` of the store, and whether somebody changed one.

::

    trees/HEX/root       the files of the layer, an overlay's lower directory
    trees/HEX/parents    which of its directories are none of its layer's changes: a `Passing` in JSON
    trees/HEX/owners     in a namespace with one id: who should own what is not root's
    trees/HEX/sealed     when the tree was finished, and what is in it; see `seal`
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO, Final, NamedTuple

from hermes.digest import CHUNK, Digest
from hermes.store import Store
from hermes.store.regular import read_regular, regular

OWNERS: Final = "owners"
PASSING: Final = "parents"
SEAL: Final = "sealed"


class Passing(NamedTuple):
    """Directories that a layer holds only because something is in them, as paths like those of `Entry`.

    ``implied`` ones have no entry; ``passed`` ones have an entry that says what they were in the root that the layer was
    made on. In a stack neither covers what another layer says of the directory.
    """

    implied: Sequence[str] = ()
    passed: Sequence[str] = ()


def describe_tree(folder: str, passing: Passing, owners: Mapping[str, tuple[int, int]]) -> None:
    """Write what belongs beside the root of a tree that is finished, and seal it."""
    with open(f"{folder}/{PASSING}", "w", encoding="utf-8", errors="surrogateescape") as file:
        json.dump(passing, file)
    if owners:
        with open(f"{folder}/{OWNERS}", "w", encoding="utf-8") as file:
            json.dump(owners, file)
    seal(folder)


def read_passing(folder: str) -> Passing:
    """Return what `describe_tree` wrote of directories; earlier versions wrote a list of paths."""
    text = read_regular(f"{folder}/{PASSING}").decode("utf-8", "surrogateescape")
    found = json.loads(text)
    if len(found) == 2 and all(isinstance(one, list) for one in found):
        return Passing(*found)
    return Passing(found)


def read_owners(folder: str) -> dict[str, Sequence[int]]:
    """Return what `describe_tree` wrote of owners: paths to user and group ids."""
    try:
        text = read_regular(f"{folder}/{OWNERS}").decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return {}
    found: dict[str, Sequence[int]] = json.loads(text)
    return found


def has_tree(store: Store, diff_id: Digest, *, owned: bool = False) -> bool:
    """Tell whether a layer is extracted; ``owned``: with every file belonging to whom it should."""
    folder = f"{store.trees}/{diff_id.hex}"
    return os.path.isdir(f"{folder}/root") and not (owned and os.path.exists(f"{folder}/{OWNERS}"))


def seal(folder: str) -> None:
    """Note that a tree is as it should be now: the time as its file system has it, and the paths of what is in it.

    Whatever is done to a file or directory later sets the time of its last change of status (ctime), which no program
    can choose. Paths are relative to ``folder``. Left out are symbolic links and whiteouts, which cannot be changed but by
    their directory; overlayfs makes all whiteouts of a mount names of one file, and removes one of those names when
    the mount is gone. Runs where all of the tree can be read.
    """
    with open(f"{folder}/{SEAL}", "wb") as file:
        now = os.fstat(file.fileno()).st_ctime_ns
        file.write(b"%d" % now)
        file.writelines(b"\0" + os.fsencode(path) for path in _to_seal(folder))


def _to_seal(folder: str) -> Iterator[str]:
    yield from (one for one in (PASSING, OWNERS) if os.path.exists(f"{folder}/{one}"))
    pending = ["root"]
    while pending:
        at = pending.pop()
        yield at
        with os.scandir(f"{folder}/{at}") as items:
            for item in items:
                if item.is_dir(follow_symlinks=False):
                    pending.append(f"{at}/{item.name}")
                elif item.is_file(follow_symlinks=False) or not (item.is_symlink() or _is_whiteout(item)):
                    yield f"{at}/{item.name}"


def _is_whiteout(item: os.DirEntry[str]) -> bool:
    status = item.stat(follow_symlinks=False)
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_sealed(folder: str) -> bool:
    """Tell whether nothing in a tree was changed since it was sealed, by the ctime of all that is in it.

    Where this process may not search all of the tree, it is not told. A file that lost bits on the disk is not found: see
    `hermes.layer.tree_check`.
    """
    try:
        at = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with open(f"{folder}/{SEAL}", "rb", opener=regular) as file:
                parts = _parts(file)
                latest = int(next(parts))
                look = os.stat
                return look(next(parts), dir_fd=at, follow_symlinks=False).st_ctime_ns <= latest and not any(
                    look(path, dir_fd=at, follow_symlinks=False).st_ctime_ns > latest for path in parts
                )
        finally:
            os.close(at)
    except (OSError, ValueError, StopIteration):
        return False


def _parts(file: BinaryIO) -> Iterator[bytes]:
    """Yield what a seal holds: the time, and the paths."""
    begun = b""
    while data := file.read(CHUNK):
        *whole, begun = (begun + data).split(b"\0")
        yield from whole
    yield begun
