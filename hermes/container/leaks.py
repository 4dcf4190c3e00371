"""Looking for secrets in what a command left: contents, names, link targets and extended attributes."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from hermes.container.forms import Form, forms
from hermes.container.masking import Masker
from hermes.digest import CHUNK
from hermes.errors import SecretLeaked
from hermes.layer.entry import FILE, Entry

_SHOWN: Final = 10


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
        """Return what a file's content has, read in pieces that overlap."""
        if not self._forms:
            return None
        before = b""
        with open(path, "rb", buffering=0) as file:
            while data := file.read(CHUNK):
                before += data
                if found := self.in_data(before):
                    return found
                before = before[-self._overlap :] if self._overlap else b""
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

    def take_from(self, folder: str, since: int, shown: str) -> Iterator[Leak]:
        """Yield what files of a folder have, which errors call ``shown``, and remove those files.

        Contents that were last changed before ``since`` (nanoseconds, by ctime) are not read.
        """
        pending = [""]
        while pending:
            below = pending.pop()
            with contextlib.suppress(FileNotFoundError), os.scandir(f"{folder}/{below}") as items:
                for item in list(items):
                    path = f"{below}/{item.name}"
                    with contextlib.suppress(FileNotFoundError):
                        found = self._in_item(item, path, since)
                        if found is not None:
                            _remove(folder, path, found[1])
                            yield Leak(f"{shown}{path}", *found)
                        elif item.is_dir(follow_symlinks=False):
                            pending.append(path)

    def _in_item(self, item: os.DirEntry[str], path: str, since: int) -> tuple[str, Form] | None:
        if form := self.in_data(os.fsencode(path)):
            return "the name", form
        status = item.stat(follow_symlinks=False)
        if stat.S_ISLNK(status.st_mode) and (form := self.in_data(os.fsencode(os.readlink(item.path)))):
            return "the target of the link", form
        for name in os.listxattr(item.path, follow_symlinks=False):
            value = os.getxattr(item.path, name, follow_symlinks=False)
            if form := self.in_data(os.fsencode(name) + b"\0" + value):
                return "an extended attribute", form
        if stat.S_ISREG(status.st_mode) and status.st_ctime_ns >= since and (form := self.in_file(item.path)):
            return "the content", form
        return None


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


def _remove(folder: str, path: str, form: Form) -> None:
    """Remove a file; where it is its path that has the secret, from the first part of that on."""
    at = os.fsencode(path).find(form.data)
    if at >= 0:
        end = os.fsencode(path).find(b"/", at + 1)
        path = os.fsdecode(os.fsencode(path)[: end if end > 0 else None])
    target = f"{folder}{path}"
    if os.path.isdir(target) and not os.path.islink(target):
        shutil.rmtree(target, ignore_errors=True)
    else:
        os.unlink(target)
