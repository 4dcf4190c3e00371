"""Images of the store into registries: each blob once, then the manifests, then what names them.

Nothing points at something that is missing at any moment: whatever is interrupted leaves blobs that nobody sees.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from hermes.digest import Digest
from hermes.image.descriptor import Descriptor
from hermes.image.manifest import INDEXES, Index, Manifest
from hermes.image.media_types import is_external
from hermes.registry.blobs import fetch
from hermes.registry.client import Client
from hermes.registry.repository import Repository
from hermes.registry.upload import Content, upload
from hermes.sizes import size
from hermes.store import Store

SENT: Final = "sent"
MOUNTED: Final = "mounted"
PRESENT: Final = "there already"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Job:
    """An image to push: its manifest or index, ``HOST/PATH``, and the tags that it gets there (or none)."""

    manifest: Descriptor
    repository: str
    tags: tuple[str, ...] = ()


@dataclass(slots=True)
class Traffic:
    """What a push moved: blobs by what became of them, and the bytes of those that were sent."""

    blobs: dict[str, int] = field(default_factory=lambda: {SENT: 0, MOUNTED: 0, PRESENT: 0})
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class _Document:
    data: bytes
    descriptor: Descriptor


def push(
    client: Client,
    store: Store,
    jobs: Sequence[Job],
    say: Say = lambda _: None,
    elsewhere: Callable[[Digest], Content | None] = lambda _: None,
) -> Traffic:
    """Push images as one: first the blobs of all, each once to a registry, then manifests, then tags.

    ``elsewhere`` gives the bytes of blobs that are passed on without being stored; what is neither there nor here is fetched.
    Raises `RegistryError`; what was not named yet then stays without a name.
    """
    return _Push(client, store, say, elsewhere).run(jobs)


class _Push:
    def __init__(
        self, client: Client, store: Store, say: Say, elsewhere: Callable[[Digest], Content | None]
    ) -> None:
        self._client = client
        self._elsewhere = elsewhere
        self._store = store
        self._say = say
        self._traffic = Traffic()
        self._guard = threading.Lock()

    def run(self, jobs: Sequence[Job]) -> Traffic:
        documents = [self._documents(one.manifest) for one in jobs]
        targets = [self._client.repository(one.repository, writing=True) for one in jobs]
        done = [False] * len(jobs)
        right: list[tuple[str, ...]] = [()] * len(jobs)

        def look(number: int) -> None:
            target, digest = targets[number], jobs[number].manifest.digest
            first = jobs[number].tags[:1]
            right[number] = tuple(tag for tag in first if target.manifest_digest(tag) == digest)
            done[number] = bool(right[number]) or target.manifest_digest(digest) is not None

        self._client.each(look, range(len(jobs)))
        layers: dict[tuple[str, Digest], tuple[Descriptor, dict[Repository, None]]] = {}
        configs: dict[tuple[str, Digest], tuple[Descriptor, dict[Repository, None]]] = {}
        for target, found, is_there in zip(targets, documents, done, strict=True):
            for document in found if not is_there else ():
                if document.descriptor.media_type in INDEXES:
                    continue
                manifest = Manifest.parse(document.data)
                sent = [one for one in manifest.layers if not is_external(one)]
                rows = [(layers, one) for one in sent] + [(configs, manifest.config)]
                for blobs, one in rows:
                    blobs.setdefault((target.endpoint.host, one.digest), (one, {}))[1][target] = None
        expected = [one for blobs in (layers, configs) for one, _ in blobs.values()]
        self._client.progress.expected(expected, sending=True)
        for blobs in (layers, configs):
            self._client.each(lambda row: self._bring_told(row[0], list(row[1])), blobs.values())

        def name(number: int) -> None:
            tags = [tag for tag in jobs[number].tags if tag not in right[number]]
            self._name(targets[number], documents[number], tags, is_there=done[number])

        self._client.each(name, range(len(jobs)))
        return self._traffic

    def _documents(self, root: Descriptor) -> list[_Document]:
        """Return the manifests of an image, those that an index lists before it."""
        data = self._store.blobs.read(root.digest)
        below = []
        if root.media_type in INDEXES:
            below = [self._documents(one) for one in Index.parse(data).manifests]
        return [*(one for listed in below for one in listed), _Document(data, root)]

    def _bring_told(self, blob: Descriptor, targets: Sequence[Repository]) -> None:
        try:
            self._bring(blob, targets)
        finally:
            self._client.progress.ended(blob)

    def _bring(self, blob: Descriptor, targets: Sequence[Repository]) -> None:
        """Bring a blob to the repositories of one registry that need it."""
        for target in targets:
            host = target.endpoint.host
            if target.has_blob(blob.digest):
                outcome = PRESENT
            else:
                places = [
                    one for one in self._store.blob_sources.of(blob.digest) if one.startswith(f"{host}/")
                ]
                others = [one for one in places if one != target.name]
                mount_from = others[-1].removeprefix(f"{host}/") if others else ""
                mounted = upload(
                    self._client,
                    target,
                    blob,
                    self._store,
                    lambda: self._provide(blob),
                    mount_from,
                )
                outcome = MOUNTED if mounted else SENT
            self._store.blob_sources.add(blob.digest, target.name)
            with self._guard:
                self._traffic.blobs[outcome] += 1
                self._traffic.bytes += blob.size if outcome == SENT else 0
                self._say(f"{target.name}: {blob.digest.short} {size(blob.size)} {outcome}")

    def _provide(self, blob: Descriptor) -> Content | None:
        content = self._elsewhere(blob.digest)
        if content is None:
            fetch(self._client, self._store, blob)
        return content

    def _name(
        self, target: Repository, documents: Sequence[_Document], tags: Sequence[str], *, is_there: bool
    ) -> None:
        root = documents[-1]
        for one in documents[:-1] if not is_there else ():
            target.put_manifest(one.descriptor.digest, one.data, one.descriptor.media_type)
        if not tags and not is_there:
            target.put_manifest(root.descriptor.digest, root.data, root.descriptor.media_type)
        for tag in tags:
            if not is_there or target.manifest_digest(tag) != root.descriptor.digest:
                target.put_manifest(tag, root.data, root.descriptor.media_type)
