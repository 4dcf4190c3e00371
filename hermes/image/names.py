"""Local names of images: ``images/NAME`` in the store holds the descriptor of a manifest."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from hermes.digest import Digest, canonical_json, read_json
from hermes.errors import HermesError, ImageError, UsageError
from hermes.image.descriptor import Descriptor
from hermes.image.reference import LOCALHOST, Reference
from hermes.store import Store
from hermes.store.io_errors import storing
from hermes.store.regular import read_regular
from hermes.store.removal import remove_tree

_LONGEST_FILE: Final = 255
_NOT_THERE: Final = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
_DIGITS: Final = re.compile(r"(?:sha256:)?([0-9a-f]{7,64})\Z")
_FEWEST_DIGITS: Final = 12
_LARGEST_DOCUMENT: Final = 8 << 20


class ImageNames:
    """The names in one store, in their normal form: see `Reference.normal`.

    A name without a host is also found under ``localhost``, and one under ``localhost`` without a host.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._folder: Path = store.home / "images"

    def set(self, name: Reference, manifest: Descriptor) -> None:
        """Give a manifest a name, which another one loses; raises `UsageError` for one that is too long."""
        path = self._path(name.normal)
        if len(path.name) > _LONGEST_FILE:
            raise UsageError(f"{name} is too long for a name in the store", hint="take a shorter one")
        with storing(self._folder):
            self._folder.mkdir(exist_ok=True)
        self._store.write(path, canonical_json(manifest.to_json()))
        if name.full != name.normal:
            self.remove(name.full)

    def stored_name(self, name: Reference) -> Reference:
        """Return a name as it is in the store; see there what else it may be."""
        return next((one for one in _forms(name) if os.path.exists(self._path(one))), name.normal)

    def find(self, name: Reference) -> Descriptor | None:
        """Return the manifest that has a name."""
        for one in _forms(name):
            try:
                return Descriptor.from_json(read_json(read_regular(self._path(one))))
            except (ValueError, ImageError, OSError) as error:
                if isinstance(error, OSError) and error.errno in _NOT_THERE:
                    continue
                raise ImageError(
                    f"the entry of the image name {one} in the store is damaged",
                    hint=f"remove it (hermes rmi {one}), and pull, build or tag the image again",
                ) from None
        return None

    def get(self, name: Reference) -> Descriptor:
        """Return the manifest that has a name; raises `UsageError` with one that is near."""
        found = self.find(name)
        if found is None:
            near = self.near(name)
            other = f"`hermes pull {name}` takes it from a registry; a target is named //package:name"
            hint = f"did you mean {near}?" if near else other
            raise UsageError(f"there is no image {name} in the store", hint=hint)
        return found

    def near(self, name: Reference) -> str | None:
        """Return a name of the store that is like another, and may be the one that is meant."""
        import difflib

        known = [str(one) for one in self._names()]
        return next(iter(difflib.get_close_matches(str(name.normal), known, 1)), None)

    def names_of(self, digest: Digest) -> list[Reference]:
        """Return the names that a manifest has, in their order."""
        return [name for name, one in self if one.digest == digest]

    def by_digest(self, text: str) -> list[Descriptor]:
        """Return the named manifests whose digest begins with ``text``, which may leave out ``sha256:``."""
        if (begin := digits(text)) is None:
            return []
        found = {one.digest: one for _, one in self if one.digest.hex.startswith(begin)}
        return list(found.values())

    def without_name(self, text: str) -> list[Descriptor]:
        """Return the manifests and indexes of the store, named or not, whose digest begins with ``text``.

        That has twelve digits at least, and may leave out ``sha256:``.
        """
        from hermes.image.manifest import INDEXES, Index, Manifest, described

        begin = digits(text) or ""
        blobs = self._store.blobs
        found = []
        for digest in blobs.beginning(begin) if len(begin) >= _FEWEST_DIGITS else ():
            with suppress(HermesError, OSError):
                if os.stat(blobs.path(digest)).st_size <= _LARGEST_DOCUMENT:
                    data = blobs.read(digest)
                    one = described(data, digest)
                    Index.parse(data) if one.media_type in INDEXES else Manifest.parse(data)
                    found.append(one)
        return found

    def remove(self, name: Reference) -> bool:
        """Take a name away; tell whether it was there."""
        path = self._path(name)
        if not os.path.lexists(path):
            return False
        with storing(path):
            remove_tree(path) if os.path.isdir(path) else path.unlink(missing_ok=True)
        return True

    def __iter__(self) -> Iterator[tuple[Reference, Descriptor]]:
        """Yield the names in their order, and what has them, without those whose files are damaged."""
        for name in self._names():
            with suppress(ImageError):
                if (found := self.find(name)) is not None:
                    yield name, found

    def damaged(self) -> list[Reference]:
        """Return the names whose files are damaged: what they named is not known any more."""
        found = []
        for name in self._names():
            try:
                self.find(name)
            except ImageError:
                found.append(name)
        return found

    def _names(self) -> Iterator[Reference]:
        for entry in sorted(os.listdir(self._folder) if self._folder.is_dir() else ()):
            with suppress(UsageError):  # what others left there, such as a network file system
                yield Reference.parse(unquote(entry))

    def _path(self, name: Reference) -> Path:
        return self._folder / quote(str(Reference(name.host, name.path, name.tag)), safe="")


def digits(text: str) -> str | None:
    """Return the digits of what may be a digest, or the beginning of one; None for anything else."""
    match = _DIGITS.match(text)
    return match[1] if match else None


def _forms(name: Reference) -> tuple[Reference, ...]:
    """Return the names under which an image may be that is called by one, the first before the others."""
    found = [name.normal]
    if not name.host:
        found.append(Reference(LOCALHOST, name.path, name.tag))
    elif name.host == LOCALHOST:
        found.append(Reference("", name.path, name.tag))
    return (*found, name.full)
