"""``docker://HOST/PATH[:TAG][@DIGEST]``: images in registries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from hermes.digest import Digest
from hermes.errors import RegistryError, UsageError
from hermes.image.descriptor import Descriptor
from hermes.image.manifest import INDEXES, MANIFESTS
from hermes.image.reference import Reference
from hermes.registry.answers import NotThere
from hermes.registry.client import Client
from hermes.registry.download import download
from hermes.registry.push import Job, push
from hermes.registry.repository import Document, Repository
from hermes.store import Store
from hermes.transports import REGISTRY
from hermes.transports.transport import Needs, Place, missing

if TYPE_CHECKING:
    from hermes.layer.decompress import Source


def parse_name(text: str) -> Reference:
    """Return the image that ``docker://NAME`` names, with its host; raises `UsageError`."""
    if not text.startswith(REGISTRY):
        raise UsageError(f"{text!r} is not in a registry", hint=f"write {REGISTRY}HOST/NAME:TAG")
    return Reference.parse(text.removeprefix(REGISTRY)).full


@contextmanager
def opened(place: Place, store: Store, client: Callable[[], Client]) -> Iterator[RegistryOrigin]:
    """Raises `UsageError` for what is not a name; whether the image is there is seen when something is read."""
    yield RegistryOrigin(place.text, parse_name(place.text), client(), store)


def destination(place: Place, client: Callable[[], Client]) -> RegistryDestination:
    """Raises `UsageError` for what is not a name."""
    return registry_destination(place.text, client)


def registry_destination(text: str, client: Callable[[], Client]) -> RegistryDestination:
    """Return where ``docker://NAME`` is; raises `UsageError`. ``client`` is called once there is something to write."""
    return RegistryDestination(parse_name(text), client, has_tag=":" in text.rpartition("/")[2])


class RegistryOrigin:
    """An image in a registry; see `hermes.transports.transport.Origin`.

    Blobs come through the store, where they are resumed and verified.
    """

    def __init__(self, name: str, reference: Reference, client: Client, store: Store) -> None:
        self.name = name
        self.title = str(Reference(reference.host, reference.path, reference.tag))
        self.remote: Final = self
        self._reference = reference
        self._client = client
        self._store = store
        self._root: Descriptor | None = None
        self._known: dict[Digest, bytes] = {}
        self._source: Repository | None = None

    def root(self) -> Descriptor:
        if self._root is None:
            self._root = self._resolved(self._reference)
        return self._root

    def document(self, one: Descriptor) -> bytes:
        if one.media_type in (*INDEXES, *MANIFESTS):
            if one.digest not in self._known:
                try:
                    self._resolved(Reference(self._reference.host, self._reference.path, "", one.digest))
                except UsageError:
                    raise missing(self.name, one) from None
            return self._known[one.digest]
        self._download(one)
        return self._store.blobs.read(one.digest)

    def open(self, one: Descriptor) -> AbstractContextManager[Source]:
        self._download(one)
        return self._store.blobs.open(one.digest)

    @property
    def keeps_nondistributable(self) -> bool:
        return self._client.registries.keeps_nondistributable(self._reference.name)

    def record(self, digest: Digest) -> None:
        names = [self._reference.name]
        if self._source is not None:
            names.append(self._source.name)
        for name in dict.fromkeys(names):  # what a mirror has, its original has as well
            self._store.blob_sources.add(digest, name)

    def fetch(self, layers: Sequence[Descriptor]) -> None:
        has = self._store.blobs.has
        lacking = {one.digest: one for one in layers if not has(one.digest, one.size)}.values()
        self._client.progress.expected(lacking, sending=False)
        self._client.each(self._download, lacking)

    def _resolved(self, reference: Reference) -> Descriptor:
        found, self._source = _resolve(self._client, reference)
        self._known[found.descriptor.digest] = found.data
        return found.descriptor

    def _download(self, one: Descriptor) -> None:
        sources = self._client.sources(self._reference.name)
        if (first := self._source) is not None:
            sources = [first, *(other for other in sources if other != first)]
        download(self._client, sources, one, self._store)


@dataclass(frozen=True, slots=True)
class RegistryDestination:
    """A repository of a registry. ``has_tag``: the user said which; ``by_digest``: it gets none."""

    needs: ClassVar[Needs] = Needs(blobs=False)

    name: Reference
    client: Callable[[], Client]
    has_tag: bool
    by_digest: bool = False

    def write(self, manifest: Descriptor, store: Store, name: str) -> None:
        """Push an image. Without a tag it gets the one of ``name``; with a digest, it must have that."""
        push(self.client(), store, [self.job(manifest, name)])

    def job(self, manifest: Descriptor, name: str) -> Job:
        """Return what is to be pushed."""
        digest = self.name.digest
        if digest is not None and digest != manifest.digest:
            raise UsageError(
                f"{REGISTRY}{self.name}: the image has the digest {manifest.digest}",
                hint="name a tag instead of a digest",
            )
        if self.by_digest:
            return Job(manifest, self.name.name)
        tag = self.name.tag if self.has_tag and self.name.tag else Reference.parse(name).tag
        return Job(manifest, self.name.name, () if digest and not self.name.tag else (tag or "latest",))


def _resolve(client: Client, name: Reference) -> tuple[Document, Repository]:
    """Return the manifest or index that a name means, and where it was found: on a mirror, or at home.

    Raises `RegistryError`, or `UsageError` when there is no such image.
    """
    reference = str(name.digest or name.tag)
    problems = []
    failure: RegistryError | None = None
    for source in client.sources(name.name):
        try:
            return source.manifest(reference), source
        except NotThere:
            problems.append(f"{source.name} has no {reference}")
        except RegistryError as error:
            failure = error
            problems.append(error.message)
    if failure is not None and len(problems) == 1:
        raise failure
    if len(problems) == 1:
        raise UsageError(f"there is no image {name} in the registry", hint="check its name and its tag")
    shown = "".join(f"\n  {one}" for one in problems)
    raise RegistryError(f"{name} could not be read{shown}", hint="check its name and its tag")
