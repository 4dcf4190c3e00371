"""``dir:DIR``: manifest, configuration and layers side by side; see containers-transports(5).

An index is the ``manifest.json``, and each of its manifests is beside it with its digest in its name.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from hermes.errors import UsageError
from hermes.image.descriptor import Descriptor
from hermes.image.manifest import described
from hermes.image.stored import blobs_of, manifests_of
from hermes.store import Store
from hermes.store.atomic_replace import beside, replace_folder
from hermes.store.io_errors import writing
from hermes.transports.files import FilesOrigin, Folder, check_folder, copy_blob, read
from hermes.transports.transport import Needs, Place

if TYPE_CHECKING:
    from hermes.registry.client import Client

_VERSION: Final = b"Directory Transport Version: 1.1\n"


@contextmanager
def opened(place: Place, _store: Store, _client: Callable[[], Client]) -> Iterator[FilesOrigin]:
    """Raises `UsageError` when the folder is not such an image."""
    yield image_in(Path(place.where).absolute(), place.text)


def destination(place: Place, _client: Callable[[], Client]) -> DirectoryDestination:
    """Raises `UsageError` for a place with a tag, which such an image cannot have."""
    if place.name:
        raise UsageError(f"{place.text!r}: a dir: has no tag", hint=f"write dir:{place.path}")
    return DirectoryDestination(place.path)


def image_in(folder: Path, text: str) -> FilesOrigin:
    """Return the image in a folder, which errors call ``text``."""
    files = Folder(folder, text)
    if files.size("version") is None or files.size("manifest.json") is None:
        raise UsageError(
            f"{folder} is not an image in the form dir:", hint="such a folder has a file version"
        )
    root = described(read(files, "manifest.json", text), f"{text}: manifest.json")

    def place(one: Descriptor) -> str:
        if one.digest == root.digest:
            return "manifest.json"
        instance = f"{one.digest.hex}.manifest.json"
        return one.digest.hex if files.size(instance) is None else instance

    return FilesOrigin(text, "", files, root, place)


@dataclass(frozen=True, slots=True)
class DirectoryDestination:
    """A folder of its own, which takes the place of one that is there in one step."""

    needs: ClassVar[Needs] = Needs()

    folder: Path

    def write(self, manifest: Descriptor, store: Store, name: str) -> None:
        folder = Path(os.path.realpath(self.folder))  # a link stays, and leads to what is written
        with writing(folder):
            check_folder(folder, "version", "a dir: image")
            making = beside(folder)
            making.mkdir(parents=True)
            try:
                instances = {one.digest for one in manifests_of(manifest, store)}
                for digest in blobs_of(manifest, store, external=True):
                    place = f"{digest.hex}.manifest.json" if digest in instances else digest.hex
                    copy_blob(
                        store, digest, making / ("manifest.json" if digest == manifest.digest else place)
                    )
                (making / "version").write_bytes(_VERSION)
                replace_folder(making, folder)
            finally:
                shutil.rmtree(making, ignore_errors=True)
