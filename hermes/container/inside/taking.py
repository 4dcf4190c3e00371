"""Files of a root as an archive, for who started the command to unpack. Runs in the user namespace, which may read them all."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from hermes.container.inside.rootpath import resolve
from hermes.digest import CHUNK
from hermes.errors import UsageError
from hermes.layer.entry import BLOCK, CHARACTER, DIRECTORY, FIFO, FILE, SYMLINK, Entry, join
from hermes.layer.tar_writer import END, header, padding

_KINDS: Final = {
    stat.S_IFBLK: BLOCK,
    stat.S_IFCHR: CHARACTER,
    stat.S_IFDIR: DIRECTORY,
    stat.S_IFIFO: FIFO,
    stat.S_IFLNK: SYMLINK,
    stat.S_IFREG: FILE,
}
"""What an archive can hold; a socket is left out."""


def write_archive(root: str, paths: Sequence[str], archive: str) -> None:
    """Write what is at each path, below a folder of its number, by the last part of its path.

    A path that is a link means what that leads to. Raises `UsageError` where there is nothing.
    """
    with open(archive, "wb") as file:
        for number, path in enumerate(paths):
            found = resolve(root, path.lstrip("/"))
            if not os.path.lexists(found):
                raise UsageError(f"{path}: there is no such file in the container", hint=_near(root, path))
            name = join(str(number), posixpath.basename(posixpath.normpath(path)) or "root")
            for entry, content in _below(found, name):
                file.write(header(entry))
                file.writelines(content)
                file.write(padding(entry.size))
        file.write(END)


def _near(root: str, path: str) -> str | None:
    import difflib

    folder = resolve(root, posixpath.dirname(path.rstrip("/")).lstrip("/"))
    names = os.listdir(folder) if os.path.isdir(folder) else []
    near = difflib.get_close_matches(posixpath.basename(path.rstrip("/")), names, 1)
    return f"did you mean {posixpath.join(posixpath.dirname(path), near[0])}?" if near else None


def _below(path: str, name: str) -> Iterator[tuple[Entry, Iterable[bytes]]]:
    """Yield a file or folder, which is called ``name`` in the archive, with all in it."""
    pending = [(path, name)]
    while pending:
        here, called = pending.pop()
        status = os.lstat(here)
        kind = _KINDS.get(stat.S_IFMT(status.st_mode))
        if kind is None:
            continue
        entry = Entry(
            called,
            kind,
            stat.S_IMODE(status.st_mode),
            status.st_uid,
            status.st_gid,
            status.st_size if kind == FILE else 0,
            link=os.readlink(here) if kind == SYMLINK else "",
            device=(os.major(status.st_rdev), os.minor(status.st_rdev))
            if kind in (BLOCK, CHARACTER)
            else (0, 0),
            mtime=max(0, int(status.st_mtime)),
        )
        yield entry, _pieces(here, status.st_size) if kind == FILE else ()
        if kind == DIRECTORY:
            pending += [
                (f"{here}/{one}", f"{called}/{one}") for one in sorted(os.listdir(here), reverse=True)
            ]


def _pieces(path: str, size: int) -> Iterator[bytes]:
    """Yield as many bytes as a file had when it was looked at."""
    with open(path, "rb", buffering=0) as file:
        while size:
            data = file.read(min(CHUNK, size)) or bytes(min(CHUNK, size))
            size -= len(data)
            yield data
