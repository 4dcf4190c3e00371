"""``oci-archive:FILE[:TAG]``: OCI layouts as tar archives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from hermes.image.descriptor import Descriptor
from hermes.image.layout import MARKER, index_of, tagged
from hermes.image.stored import blobs_of
from hermes.store import Store
from hermes.store.io_errors import writing
from hermes.transports.archive import written_archive
from hermes.transports.files import FilesOrigin, opened_archive
from hermes.transports.oci import checked_tag, layout_of
from hermes.transports.transport import Needs, Place

if TYPE_CHECKING:
    from hermes.registry.client import Client


@contextmanager
def opened(place: Place, store: Store, _client: Callable[[], Client]) -> Iterator[FilesOrigin]:
    """Raises `UsageError` when the file is not there or does not hold one image with the tag, `LayerError` for other files."""
    with opened_archive(place.path, place.text, store) as files:
        yield layout_of(files, place.text, place.name, f"{place.path} is not an archive of an OCI layout")


def destination(place: Place, _client: Callable[[], Client]) -> LayoutArchiveDestination:
    """Raises `UsageError` for what cannot be a tag."""
    return LayoutArchiveDestination(place.path, checked_tag(place))


@dataclass(frozen=True, slots=True)
class LayoutArchiveDestination:
    """A layout of its own; the same image gives the same bytes."""

    needs: ClassVar[Needs] = Needs(external=False)

    path: Path
    tag: str

    def write(self, manifest: Descriptor, store: Store, name: str) -> None:
        with writing(self.path), written_archive(self.path) as archive:
            archive.folder("blobs")
            archive.folder("blobs/sha256")
            for digest in sorted(blobs_of(manifest, store)):
                archive.blob(f"blobs/sha256/{digest.hex}", store, digest)
            archive.file("index.json", index_of([tagged(manifest, self.tag)]))
            archive.file("oci-layout", MARKER)
