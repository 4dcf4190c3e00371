"""``hermes push``: images of a build, or of the store, into registries, as one unit."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hermes.build.export import only_image, reference_of
from hermes.build.requested_outputs import IMAGE, INDEX, PUSH
from hermes.build.result import BuildResult
from hermes.digest import Digest
from hermes.engine.events import Subscriber
from hermes.errors import UsageError
from hermes.image.descriptor import Descriptor
from hermes.image.stored import descriptor_of
from hermes.layer.compress import Compression
from hermes.naming.registries import LazyBlobs
from hermes.registry.push import MOUNTED, PRESENT, SENT, Job, push
from hermes.registry.settings import Registries
from hermes.sizes import size
from hermes.store import Store
from hermes.transports import REGISTRY
from hermes.transports.docker import registry_destination
from hermes.transports.stored import StoreOrigin

if TYPE_CHECKING:
    from hermes.remote.settings import RemoteSettings

Say = Callable[[str], None]


class Pushed(NamedTuple):
    """An image in a registry: the label or name it had here, ``HOST/PATH``, its tags there, and its digest."""

    label: str
    repository: str
    tags: tuple[str, ...]
    digest: str


def has_pushes(result: BuildResult) -> bool:
    """Tell whether a target of a build says where its image is pushed to."""
    return any(one.kind == PUSH for outputs in result.targets.values() for one in outputs)


@dataclass(frozen=True, slots=True)
class Pushing:
    """Pushes from the store at ``home``.

    ``registries`` returns the settings, ``say`` is told what became of each blob and ``tell`` of those on their way;
    ``compression`` is what is asked of layers. ``remote`` returns who the remote services are that have blobs which are not here:
    those are passed on without being stored.
    """

    home: Path
    registries: Callable[[], Registries]
    say: Say
    tell: Subscriber = lambda _: None
    compression: Compression | None = None
    remote: Callable[[], RemoteSettings | None] | None = None

    def built(self, result: BuildResult, destinations: Sequence[str] = ()) -> list[Pushed]:
        """Push the one image of a build to ``destinations``, or what its targets say; see `Workspace.push`."""
        with self._opened() as opened:
            if destinations:
                label, digest = only_image(result)
                jobs = opened.to_destinations(str(label), digest, reference_of(label), destinations)
            else:
                jobs = opened.as_said(result)
                if not jobs:
                    raise UsageError(
                        "no target says where it is pushed to",
                        hint=f"name a target of the rule image_push, or say where: hermes push LABEL {REGISTRY}HOST/NAME:TAG",
                    )
            return opened.pushed(jobs)

    def stored(self, image: StoreOrigin, destinations: Sequence[str]) -> list[Pushed]:
        """Push an image of the store; the tag of its name goes where a destination has none."""
        digest, name = image.root().digest, image.title or "image"
        with self._opened() as opened:
            return opened.pushed(opened.to_destinations(image.name, digest, name, destinations))

    def _fetching(self, store: Store) -> LazyBlobs:
        return LazyBlobs(store, self.registries, tell=self.tell, remote=self.remote)

    @contextmanager
    def _opened(self) -> Iterator[_Opened]:
        store = Store.open(self.home)
        try:
            with store.in_use(), closing(self._fetching(store)) as fetching:
                yield _Opened(store, fetching, self)
        finally:
            store.close()


@dataclass(frozen=True, slots=True)
class _Opened:
    """What is pushed from, and with what."""

    store: Store
    fetching: LazyBlobs
    how: Pushing

    def to_destinations(
        self, label: str, digest: Digest, name: str, destinations: Sequence[str]
    ) -> list[tuple[str, Job]]:
        parsed = [registry_destination(text, lambda: self.fetching.client) for text in destinations]
        manifest = self._manifest(digest, self.how.compression)
        return [(label, one.job(manifest, name)) for one in parsed]

    def as_said(self, result: BuildResult) -> list[tuple[str, Job]]:
        """Return what targets of the rule image_push say."""
        found = []
        for label, outputs in result.targets.items():
            images = [one for one in outputs if one.kind in (IMAGE, INDEX)]
            for one in outputs:
                if one.kind == PUSH:
                    said = json.loads(self.store.blobs.read(Digest(one.digest)))
                    compression = Compression.at(said.get("compression"), said.get("compression_level"))
                    manifest = self._manifest(Digest(images[0].digest), self.how.compression or compression)
                    found.append((label, Job(manifest, said["repository"], tuple(said["tags"]))))
        return found

    def pushed(self, jobs: Sequence[tuple[str, Job]]) -> list[Pushed]:
        elsewhere = self.fetching.content.reader
        traffic = push(self.fetching.client, self.store, [job for _, job in jobs], self.how.say, elsewhere)
        counts = ", ".join(
            f"{traffic.blobs[name]} {name}" for name in (SENT, MOUNTED, PRESENT) if traffic.blobs[name]
        )
        if counts:
            self.how.say(f"blobs: {counts}; {size(traffic.bytes)} sent")
        return [Pushed(label, job.repository, job.tags, job.manifest.digest) for label, job in jobs]

    def _manifest(self, digest: Digest, compression: Compression | None) -> Descriptor:
        manifest = descriptor_of(self.store, digest)
        if compression is None:
            return manifest
        from hermes.build.recompressing import recompressed

        return recompressed(self.store, self.fetching, manifest, compression)
