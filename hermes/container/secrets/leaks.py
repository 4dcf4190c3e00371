"""Looking for secrets in what a command left: contents, names, link targets and extended attributes."""

from __future__ import annotations

import contextlib
import os
import resource
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from hermes.container.secrets.encodings import Form, forms
from hermes.container.secrets.masking import Masker
from hermes.digest import CHUNK
from hermes.errors import SecretLeaked
from hermes.layer.entry import FILE, Entry
from hermes.store.removal import remove_tree

_SHOWN: Final = 10
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Leak(NamedTuple):
    """A place where a secret is: ``what`` of ``path`` has ``form``."""

    path: str
    what: str
    form: Form


class Search:
    """Looks for every form of some secrets, given by their ids."""

    def __init__(self, values: Mapping[str, bytes]) -> None:
        self._forms = tuple(form for name, value in values.items() for form in forms(name, value))
        self._overlap = max((len(form.data) for form in self._forms), default=1) - 1

    def __bool__(self) -> bool:
        return bool(self._forms)

    @property
    def masker(self) -> Masker:
        """A new masker for all that is looked for."""
        return Masker(form.data for form in self._forms)

    def in_data(self, data: bytes) -> Form | None:
        return next((form for form in self._forms if form.data in data), None)

    def in_document(self, value: Any) -> Form | None:
        """Return what the texts of a JSON document have, whatever JSON does to them."""
        return self.in_data(b"\n".join(_texts(value)))

    def in_file(self, path: str) -> Form | None:
        """Return what a file's content has."""
        if not self._forms:
            return None
        fd = os.open(path, _READ)
        try:
            return self.in_open(fd)
        finally:
            os.close(fd)

    def in_open(self, fd: int) -> Form | None:
        """Read an open file."""
        return self.in_pieces(iter(lambda: os.read(fd, CHUNK), b""))

    def in_pieces(self, pieces: Iterable[bytes]) -> Form | None:
        """Return what some content has, whose pieces come one after the other."""
        before = b""
        for data in pieces:
            before += data
            if found := self.in_data(before):
                return found
            before = before[-self._overlap :] if self._overlap else b""
        return None

    def in_xattrs(self, fd: int) -> tuple[str, Form] | None:
        """Return what the extended attributes of an open file have."""
        for name in os.listxattr(fd):
            if form := self.in_data(os.fsencode(name) + b"\0" + os.getxattr(fd, name)):
                return "an extended attribute", form
        return None

    def in_entries(self, entries: Iterable[Entry], root: str) -> Iterator[Leak]:
        """Yield what the entries of a layer have, whose files are below ``root``."""
        if not self._forms:
            return
        for entry in entries:
            path = f"/{entry.path}"
            if form := self.in_data(os.fsencode(path)):
                yield Leak(path, "the name", form)
            if form := self.in_data(os.fsencode(entry.link)):
                yield Leak(path, "the target of the link", form)
            for name, value in entry.xattrs:
                if form := self.in_data(os.fsencode(name) + b"\0" + value):
                    yield Leak(path, "an extended attribute", form)
            if entry.type == FILE and entry.size and (form := self.in_file(f"{root}/{entry.path}")):
                yield Leak(path, "the content", form)

    def take_from(self, folder: str, since: int, shown: str) -> list[Leak]:
        """Remove the files of a folder that have a secret; return them as errors call them, below ``shown``.

        Contents that were last changed before ``since`` (nanoseconds, by ctime) are not read. Others may be
        changing the folder, so nothing in it is named by more than one part of a path, and no link is followed.
        """
        return [leak._replace(path=f"{shown}{leak.path}") for leak in self._walked(folder, since, take=True)]

    def in_folder(self, folder: str, since: int) -> list[Leak]:
        """Return what files of a folder have, as `take_from` does, and leave them there."""
        return self._walked(folder, since, take=False)

    def remove(self, root: str, leak: Leak) -> None:
        """Remove what `in_folder` has found from a root that shows it, in which no process runs."""
        fd = os.open(root, _READ | os.O_DIRECTORY)
        try:
            parts = _taken_path(os.fsencode(leak.path), leak.form).split(b"/")[1:]
            for part in parts[:-1]:
                above, fd = fd, os.open(part, _READ | os.O_DIRECTORY, dir_fd=fd)
                os.close(above)
            _remove(os.fsdecode(parts[-1]), fd)
        except FileNotFoundError:
            pass  # it was in what has been removed already
        finally:
            os.close(fd)

    def _walked(self, folder: str, since: int, *, take: bool) -> list[Leak]:
        walk = _Walk(self, since, take=take)
        with _many_files():
            walk.folder(os.open(folder, _READ | os.O_DIRECTORY))
        return walk.found


@contextlib.contextmanager
def _many_files() -> Iterator[None]:
    """Let this process have as many files open as it may: a search has one for each level."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


class _Level(NamedTuple):
    """An open folder that is being searched: its path, and the names in it that are left."""

    fd: int
    path: bytes
    names: list[str]


class _Walk:
    """One search of a folder; with ``take`` what is found is removed."""

    def __init__(self, search: Search, since: int, *, take: bool) -> None:
        self.found: list[Leak] = []
        self._search = search
        self._since = since
        self._take = take
        self._levels: list[_Level] = []

    def folder(self, fd: int) -> None:
        """Search an open folder, and all in it; it is closed."""
        self._enter(fd, b"")
        try:
            while self._levels:
                level = self._levels[-1]
                if level.names:
                    self._name(level, level.names.pop())
                else:
                    os.close(self._levels.pop().fd)
        finally:
            for level in self._levels:
                os.close(level.fd)

    def _enter(self, fd: int, path: bytes) -> None:
        self._levels.append(_Level(fd, path, sorted(os.listdir(fd), reverse=True)))

    def _name(self, level: _Level, name: str) -> None:
        path = level.path + b"/" + os.fsencode(name)
        if form := self._search.in_data(path):
            self._found(path, "the name", form, name, level.fd)
            self._leave(path.find(form.data))
            return
        with contextlib.suppress(FileNotFoundError):
            status = os.stat(name, dir_fd=level.fd, follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode):
                if form := self._search.in_data(os.fsencode(os.readlink(name, dir_fd=level.fd))):
                    self._found(path, "the target of the link", form, name, level.fd)
            elif stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode):
                self._one(level, name, path)

    def _leave(self, start: int) -> None:
        """Leave, and take, the folders in whose path a secret begins at ``start``: it is in all that they hold."""
        left = b""
        while start < len(self._levels[-1].path):
            level = self._levels.pop()
            os.close(level.fd)
            left = level.path
        if left and self._take:
            _remove(os.fsdecode(left.rpartition(b"/")[2]), self._levels[-1].fd)

    def _one(self, level: _Level, name: str, path: bytes) -> None:
        """Search a file, and what a folder itself has; what is in that comes next."""
        fd = os.open(name, _READ, dir_fd=level.fd)
        try:
            status = os.fstat(fd)
            leak = self._search.in_xattrs(fd)
            if leak is None and stat.S_ISREG(status.st_mode) and status.st_ctime_ns >= self._since:
                form = self._search.in_open(fd)
                leak = ("the content", form) if form else None
            if leak is None and stat.S_ISDIR(status.st_mode):
                self._enter(os.dup(fd), path)
        finally:
            os.close(fd)
        if leak is not None:
            self._found(path, *leak, name, level.fd)

    def _found(self, path: bytes, what: str, form: Form, name: str, folder: int) -> None:
        self.found.append(Leak(os.fsdecode(path), what, form))
        if self._take:
            _remove(name, folder)


def leaked(leaks: Sequence[Leak], masker: Masker, hint: str) -> SecretLeaked:
    """Return the error for what was found; what it says is masked itself."""
    ids = ", ".join(repr(one) for one in dict.fromkeys(leak.form.id for leak in leaks))
    lines = [
        f"  {masker.text(leak.path)}: {leak.what} has {leak.form.part}the secret {leak.form.id!r}"
        for leak in leaks[:_SHOWN]
    ]
    if len(leaks) > _SHOWN:
        lines.append(f"  ... and {len(leaks) - _SHOWN} more")
    message = f"the command left the secret {ids} behind:\n" + "\n".join(lines)
    return SecretLeaked(message, hint=hint)


def _texts(value: Any) -> Iterator[bytes]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield str(key).encode("utf-8", "surrogateescape")
            yield from _texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, str):
        yield value.encode("utf-8", "surrogateescape")


def _remove(name: str, folder: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            remove_tree(name, dir_fd=folder)
            os.rmdir(name, dir_fd=folder)  # which says why, if that could not be done
        else:
            os.unlink(name, dir_fd=folder)


def _taken_path(path: bytes, form: Form) -> bytes:
    """Return what to remove: the path itself, or as much of it as has the beginning of the secret in it."""
    at = path.find(form.data)
    end = path.find(b"/", at + 1) if at >= 0 else -1
    return path[:end] if end > 0 else path
