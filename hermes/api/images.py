"""The Python interface to images with names: what ``hermes images``, ``pull``, ``tag``, ``rmi`` and ``copy`` do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hermes.build.named import build_target
from hermes.digest import Digest
from hermes.engine.events import Events, Subscriber
from hermes.errors import HermesError, UsageError
from hermes.graph.label import is_label
from hermes.image.config import platform_of
from hermes.image.descriptor import Descriptor
from hermes.image.names import ImageNames
from hermes.image.reference import Reference
from hermes.naming.image_names import in_store, named
from hermes.naming.registries import LazyBlobs
from hermes.registry.settings import AS_CONFIGURED, Access
from hermes.store import Store
from hermes.store.location import default_home
from hermes.transports import REGISTRY
from hermes.transports.examining import Image, examine, images_of
from hermes.transports.stored import StoreOrigin
from hermes.transports.table import has_transport, parse_destination

if TYPE_CHECKING:
    from hermes.layer.compress import Compression


@dataclass(frozen=True, slots=True)
class NamedImage:
    """An image with a name. ``size`` is that of its blobs in bytes, ``created`` as its configuration has it.

    An index has several ``platforms``, and the sizes of its images together. What is damaged has none.
    """

    name: str
    digest: Digest
    platforms: tuple[str, ...]
    size: int
    created: str

    def to_json(self) -> dict[str, Any]:
        return {
            "created": self.created,
            "digest": self.digest,
            "name": self.name,
            "platforms": list(self.platforms),
            "size": self.size,
        }


class Images:
    """The images with names of the store at ``home``. ``subscribers`` are told of blobs on their way.

    ``access`` says how registries are read, and ``writing`` how they are written to (default: in the same way).
    """

    def __init__(
        self,
        *,
        home: Path | None = None,
        subscribers: Sequence[Subscriber] = (),
        access: Access = AS_CONFIGURED,
        writing: Access | None = None,
    ) -> None:
        self.home = home or default_home()
        self._access = access
        self._writing = access if writing is None else writing
        self._events = Events(*subscribers)

    def all(self) -> list[NamedImage]:
        """Return all of them, in the order of their names."""
        with self._opened() as store:
            return [_described(store, name, one) for name, one in ImageNames(store)]

    def damaged(self) -> list[str]:
        """Return the names whose entries in the store are damaged; they can only be removed or given anew."""
        with self._opened() as store:
            return [str(one) for one in ImageNames(store).damaged()]

    def pull(
        self,
        origin: str,
        name: str = "",
        *,
        platform: str = "",
        whole: bool = False,
        keep_nondistributable: bool = False,
    ) -> tuple[Reference, Descriptor]:
        """Take an image from elsewhere into the store and give it a name: by default the one that it has there.

        ``whole`` takes an index with the images for all its platforms. Layers that may not be distributed are refused,
        or with ``keep_nondistributable`` stay where they are. What names no transport is a name of a registry.
        """
        if not has_transport(origin) and not is_label(origin):
            Reference.parse(origin)
            origin = f"{REGISTRY}{origin}"
        given = _new_name(name) if name else None
        with self._opened() as store, self._fetching(store, keep_nondistributable) as fetching:
            found = in_store(origin, store, fetching, build_target, platform, whole=whole)
            chosen = given or _own_name(found)
            ImageNames(store).set(chosen, found.root())
            return chosen.normal, found.root()

    def tag(self, image: str, names: Sequence[str]) -> None:
        """Give an image of the store more names; other images lose them."""
        parsed = [_new_name(one) for one in names]
        with self._opened() as store:
            found = named(image, store)
            for one in parsed:
                ImageNames(store).set(one, found.root())

    def remove(self, image: str, *, force: bool = False) -> list[str]:
        """Take a name away, or with a digest the only name (``force``: all names) of an image; return them.

        The image itself goes when `hermes cache gc` wants its place.
        """
        with self._opened() as store:
            names = ImageNames(store)
            if same := names.by_digest(image):
                found = [name for one in same for name in names.names_of(one.digest)]
                if len(found) > 1 and not force:
                    raise UsageError(
                        f"{image} has {len(found)} names: {', '.join(map(str, found))}",
                        hint="name those that are to go, or say --force",
                    )
            elif names.without_name(image):
                raise UsageError(
                    f"the image {image} has no name", hint="`hermes cache gc` removes such images"
                )
            else:
                found = [names.stored_name(Reference.parse(image))]
            for one in found:
                if not names.remove(one):
                    names.get(one)
            return [str(one) for one in found]

    def copy(
        self,
        source: str,
        destination: str,
        *,
        platform: str = "",
        whole: bool | None = None,
        compression: Compression | None = None,
        keep_nondistributable: bool = False,
    ) -> Descriptor:
        """Write an image to a destination, from anywhere; return its manifest.

        Its blobs stay as they are, unless ``compression`` says how layers are to be compressed.

        ``whole`` writes an index with all its images. Left open, that is what becomes of an index that is in the
        store or is built, and of one elsewhere the image for ``platform`` (default: this machine's). For
        ``keep_nondistributable`` see `pull`.
        """
        if ":" not in destination and has_transport(source):
            hint = f"to give it a name, use `hermes pull {source} {destination}`"
            raise UsageError(f"{destination!r} has no transport", hint=hint)
        parsed = parse_destination(destination, lambda: sending.client)
        with (
            self._opened() as store,
            self._fetching(store, keep_nondistributable) as fetching,
            self._sending(store, fetching) as sending,
        ):
            found = in_store(source, store, fetching, build_target, platform, whole=whole)
            root = found.root()
            if compression is not None:
                from hermes.build.recompressing import recompressed

                root = recompressed(store, fetching, root, compression)
            fetching.write(parsed, root, _title(found))
            return root

    def _fetching(self, store: Store, keep: bool) -> AbstractContextManager[LazyBlobs]:
        return closing(
            LazyBlobs.here(store, self._events.emit, keep_nondistributable=keep, access=self._access)
        )

    def _sending(self, store: Store, fetching: LazyBlobs) -> AbstractContextManager[LazyBlobs]:
        """Return what has the client that writes: that which reads, unless they are told different things."""
        if self._writing == self._access:
            return nullcontext(fetching)
        return closing(LazyBlobs.here(store, self._events.emit, access=self._writing))

    @contextmanager
    def _opened(self) -> Iterator[Store]:
        store = Store.open(self.home)
        try:
            with store.in_use():
                yield store
        finally:
            store.close()


def images_in(origin: StoreOrigin) -> Iterator[Image]:
    """Yield what is known of the images that a manifest or index of the store stands for."""
    for one in images_of(origin, origin.root()):
        yield examine(origin, one)


def _described(store: Store, name: Reference, one: Descriptor) -> NamedImage:
    try:
        found = list(images_in(StoreOrigin(store, one, str(name))))
    except HermesError:
        return NamedImage(str(name), one.digest, (), 0, "")
    blobs = {
        blob.digest: blob.size for image in found for blob in (image.manifest.config, *image.manifest.layers)
    }
    return NamedImage(
        str(name),
        one.digest,
        tuple(str(platform_of(image.config)) for image in found),
        sum(blobs.values()),
        max((str(image.config.get("created") or "") for image in found), default=""),
    )


def _new_name(text: str) -> Reference:
    """Return a name for an image; raises `UsageError`."""
    parsed = Reference.parse(text)
    if parsed.digest is not None:
        raise UsageError(f"{text}: a name that is given to an image has no digest", hint="give it a tag")
    return parsed


def _own_name(origin: StoreOrigin) -> Reference:
    try:
        return Reference.parse(origin.title)
    except UsageError:
        raise UsageError(
            f"{origin.name}: the image has no name there", hint=f"give it one: hermes pull {origin.name} NAME"
        ) from None


def _title(origin: StoreOrigin) -> str:
    """Return a name with a tag for a format that needs one."""
    try:
        found = Reference.parse(origin.title)
    except UsageError:
        return "image:latest"
    return f"{found.name}:{found.tag or 'latest'}"
