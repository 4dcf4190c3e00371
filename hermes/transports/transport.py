"""What a transport is: an `Origin` to read an image from, a `Destination` to write one to.

A module of this package that has ``opened`` and ``destination`` is a `Transport`; its row in `hermes.transports.table`
makes it known. Nothing that an origin gives is believed: `hermes.transports.taking` checks every digest, size and
diff_id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from hermes.errors import ImageError, UsageError
from hermes.image.descriptor import Descriptor
from hermes.image.manifest import INDEXES

if TYPE_CHECKING:
    from hermes.digest import Digest
    from hermes.layer.decompress import Source
    from hermes.registry.client import Client
    from hermes.store import Store

STANDARD: Final = Path("-")
"""The path that means standard output or input, for archives."""
LARGEST_DOCUMENT: Final = 8 << 20
"""How large a manifest, an index or a configuration may be, in bytes."""


class RemoteBlobs(Protocol):
    """The blobs of an origin from which any process can fetch them later."""

    @property
    def keeps_nondistributable(self) -> bool:
        """Whether the settings allow images with layers that may not be distributed, without the bytes of those."""
        ...

    def record(self, digest: Digest) -> None:
        """Note in the store where a layer or a document can be fetched."""
        ...

    def fetch(self, layers: Sequence[Descriptor]) -> None:
        """Fetch blobs of layers into the store, verified, a few at a time; raises `RegistryError`."""
        ...


class Origin(Protocol):
    """One image, or an index of images, somewhere else."""

    @property
    def name(self) -> str:
        """What errors call it: as the user wrote it."""
        ...

    @property
    def title(self) -> str:
        """What it is called there, as a name that the store could give it, or empty."""
        ...

    @property
    def remote(self) -> RemoteBlobs | None:
        """Its blobs where they can be fetched later, or None where they must be read while the origin is open."""
        ...

    def root(self) -> Descriptor:
        """Return the manifest or index; raises `UsageError` when there is none or it is not clear which."""
        ...

    def document(self, one: Descriptor) -> bytes:
        """Return a manifest, index or configuration; raises `ImageError` when it is not there.

        At most `LARGEST_DOCUMENT` bytes are read, which need not be those that the descriptor says.
        """
        ...

    def open(self, one: Descriptor) -> AbstractContextManager[Source]:
        """Open the blob of a layer, which need not be what the descriptor says; raises as `document` does."""
        ...


class Needs(NamedTuple):
    """What a destination needs of an image in the store before it can write it.

    ``blobs``: the layers' blobs, or else it gets by itself what it lacks. ``uncompressed``: layers that can be read as
    plain tars. ``external``: the blobs of layers that are downloaded from their URLs, too.
    """

    blobs: bool = True
    uncompressed: bool = False
    external: bool = True


class Destination(Protocol):
    """Somewhere an image can be written to."""

    @property
    def needs(self) -> Needs:
        """What must be in the store before `write`."""
        ...

    def write(self, manifest: Descriptor, store: Store, name: str) -> None:
        """Write the image; ``name`` is what to call it where the user gave no name: ``path/of/image:tag``.

        What is written appears whole or not at all. Raises `BuildError` when that fails, `MissingBlobError` when the
        store does not hold all of it.
        """
        ...


class Place(NamedTuple):
    """``TRANSPORT:WHERE``: all of it, as errors have it, and the part behind the colon, which is not empty."""

    text: str
    where: str

    @property
    def path(self) -> Path:
        """The absolute path of ``PATH[:NAME]``, or `STANDARD`; raises `UsageError` when there is none."""
        path = self.where.partition(":")[0]
        if path == str(STANDARD):
            return STANDARD
        if not path:
            transport = self.text.partition(":")[0]
            raise UsageError(f"{self.text!r} names no path", hint=f"write {transport}:PATH")
        return Path(path).absolute()

    @property
    def name(self) -> str:
        """The name or tag of ``PATH[:NAME]``, or an empty text."""
        return self.where.partition(":")[2]


class Reader(Protocol):
    """A transport that images are read from."""

    def opened(
        self, place: Place, store: Store, client: Callable[[], Client]
    ) -> AbstractContextManager[Origin]:
        """Open an image; raises `UsageError` when the place names nothing that can be read.

        ``client`` returns what registries are read with, and is called for those only.
        """
        ...


class Writer(Protocol):
    """A transport that images are written to."""

    def destination(self, place: Place, client: Callable[[], Client]) -> Destination:
        """Return where a place is; raises `UsageError`. ``client`` is called once there is something to write."""
        ...


class Transport(Reader, Writer, Protocol):
    """A transport for both, as modules of this package are."""


def missing(origin: str, one: Descriptor) -> ImageError:
    """Return the error for something that an origin should have."""
    return ImageError(f"{origin}: {one.digest} is missing", hint="have the image written again")


def refuse_index(one: Descriptor, where: str) -> None:
    """Raise `UsageError` where only one image can be written, and this is an index."""
    if one.media_type in INDEXES:
        transport = where.partition(":")[0]
        raise UsageError(
            f"{where}: {transport}: holds an image for one platform, and this is an index",
            hint="name one of its images (`hermes copy --platform`), or write to oci:, oci-archive: or dir:",
        )
