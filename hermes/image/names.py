"""Local names of images: ``images/NAME`` in the store holds the descriptor of a manifest."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from hermes.digest import canonical_json
from hermes.errors import ImageError, UsageError
from hermes.image.descriptor import Descriptor
from hermes.image.reference import Reference
from hermes.store import Store

_LOCAL: Final = "localhost"


class ImageNames:
    """The names in one store. A name without a host is also found under ``localhost``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._folder: Path = store.home / "images"

    def set(self, name: Reference, manifest: Descriptor) -> None:
        """Give a manifest a name, which it takes from whatever had it."""
        self._folder.mkdir(exist_ok=True)
        self._store.write(self._path(name), canonical_json(manifest.to_json()))

    def find(self, name: Reference) -> Descriptor | None:
        """Return the manifest that has a name."""
        for one in (name, Reference(_LOCAL, name.path, name.tag)) if not name.host else (name,):
            try:
                data = self._path(one).read_bytes()
            except FileNotFoundError:
                continue
            try:
                return Descriptor.from_json(json.loads(data))
            except (ValueError, ImageError):
                raise ImageError(
                    f"what the store knows of {one} is damaged", hint="give an image the name again"
                ) from None
        return None

    def get(self, name: Reference) -> Descriptor:
        """Return the manifest that has a name; raises `UsageError` with one that is near."""
        found = self.find(name)
        if found is None:
            known = [str(one) for one, _ in self]
            near = difflib.get_close_matches(str(name), known, 1)
            hint = f"did you mean {near[0]}?" if near else "a target is named //package:name"
            raise UsageError(f"there is no image {name} in the store", hint=hint)
        return found

    def remove(self, name: Reference) -> bool:
        """Take a name away; tell whether it was there."""
        try:
            self._path(name).unlink()
        except FileNotFoundError:
            return False
        return True

    def __iter__(self) -> Iterator[tuple[Reference, Descriptor]]:
        """Yield the names in their order, and what has them."""
        for entry in sorted(os.listdir(self._folder) if self._folder.is_dir() else ()):
            name = Reference.parse(unquote(entry))
            if (found := self.find(name)) is not None:
                yield name, found

    def _path(self, name: Reference) -> Path:
        return self._folder / quote(str(Reference(name.host, name.path, name.tag)), safe="")
