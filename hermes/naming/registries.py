"""What commands know of registries: the settings of the workspace that they are started in, and what is fetched late."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from hermes.digest import Digest
from hermes.naming.remotes import RemoteContent
from hermes.registry.settings import AS_CONFIGURED, Access
from hermes.store import Store

if TYPE_CHECKING:
    from hermes.engine.events import Subscriber
    from hermes.image.descriptor import Descriptor
    from hermes.registry.client import Client
    from hermes.registry.settings import Registries
    from hermes.remote.settings import RemoteChoice, RemoteSettings
    from hermes.transports.transport import Destination
    from hermes.workspace.root import Settings

_BETWEEN_SECONDS: Final = 0.1


def settings_of(root: Path | None, home: Path) -> Settings:
    """Return what the ``hermes.yaml`` of a workspace says; without one, that of the workspace here, if there is one."""
    from hermes.errors import WorkspaceError
    from hermes.workspace.location import find_root
    from hermes.workspace.root import Settings, read_settings

    if root is None:
        try:
            root = find_root(Path.cwd())
        except WorkspaceError:
            return Settings()
    return read_settings(root, home)


def registries_of(root: Path | None, home: Path, access: Access = AS_CONFIGURED) -> Registries:
    """Return what `settings_of` gives of registries, with what a command says of them."""
    return replace(settings_of(root, home).registries, access=access)


def remote_of(root: Path | None, home: Path, choice: RemoteChoice | None = None) -> RemoteSettings | None:
    """Return the remote services that ``choice`` or else the environment names, over `settings_of`; None for none."""
    from hermes.remote.settings import chosen_settings

    return chosen_settings(settings_of(root, home).remote, choice)


class LazyBlobs:
    """Fetches layers for `hermes.container.layer_forms.LayerForms`, and blobs for exports, once they are needed.

    It also fetches documents again that the store finds missing or damaged: see `LocalBlobs.bring_document`.
    ``registries`` returns the settings; it is called, and a client made, with the first thing that is missing.
    ``tell`` is told of blobs on their way. ``keep_nondistributable`` is asked for whatever the settings say. ``remote`` returns
    who the remote services are that blobs may be with, by default what the workspace and the environment say.
    """

    def __init__(
        self,
        store: Store,
        registries: Callable[[], Registries],
        cancelled: threading.Event | None = None,
        tell: Subscriber = lambda _: None,
        *,
        keep_nondistributable: bool = False,
        remote: Callable[[], RemoteSettings | None] | None = None,
    ) -> None:
        self._store = store
        self.content = RemoteContent(store, remote or (lambda: remote_of(None, store.home)), cancelled)
        store.blobs.bring = self.content.bring
        self.keep_nondistributable = keep_nondistributable
        self._registries = registries
        self.cancelled = cancelled or threading.Event()
        self._progress = _Telling(tell)
        self._client: Client | None = None
        self._guard = threading.Lock()
        store.blobs.bring_document = self._document

    @classmethod
    def here(
        cls,
        store: Store,
        tell: Subscriber = lambda _: None,
        *,
        keep_nondistributable: bool = False,
        access: Access = AS_CONFIGURED,
        remote: Callable[[], RemoteSettings | None] | None = None,
    ) -> Self:
        """Return what fetches as the workspace says that this is called in, if any."""
        return cls(
            store,
            lambda: registries_of(None, store.home, access),
            tell=tell,
            keep_nondistributable=keep_nondistributable,
            remote=remote,
        )

    @property
    def client(self) -> Client:
        """The client that everything is fetched with."""
        with self._guard:
            if self._client is None:
                from hermes.registry.client import Client

                registries = self._registries()
                if self.keep_nondistributable:
                    registries = replace(registries, keep_nondistributable=True)
                self._client = Client(registries, cancelled=self.cancelled, progress=self._progress)
            return self._client

    def close(self) -> None:
        """Close connections, if there are any."""
        if self._client is not None:
            self._client.close()
        self.content.close()

    def layer(self, diff_id: Digest) -> None:
        """See `hermes.transports.fetching.LayerFetcher.layer`. A table of contents that was lost is made again."""
        from hermes.layer import encodings
        from hermes.layer.importing import restore

        if self.content.bring_layer(diff_id):
            return
        if restore(self._store, diff_id):
            return
        if encodings.find_foreign(self._store, diff_id) is not None:
            from hermes.registry.interruption import interruptible
            from hermes.transports.fetching import LayerFetcher

            fetcher = LayerFetcher(self.client, self._store)
            interruptible(lambda: fetcher.layer(diff_id), self.cancelled)

    def _document(self, digest: Digest) -> bool:
        if not self._store.blob_sources.of(digest):
            return False
        from hermes.registry.blobs import fetch_document
        from hermes.registry.interruption import interruptible

        return interruptible(lambda: fetch_document(self.client, self._store, digest), self.cancelled)

    def write(self, destination: Destination, manifest: Descriptor, name: str) -> None:
        """Write an image; what the destination needs of it and the store lacks is fetched first.

        Raises as `hermes.transports.transport.Destination.write` does, and `RegistryError`.
        """
        if destination.needs.blobs:
            from hermes.transports.fetching import LayerFetcher

            LayerFetcher(self.client, self._store).complete(manifest.digest, destination.needs)
        destination.write(manifest, self._store, name)


class _Telling:
    """`hermes.registry.client.Progress` as events, of which each blob makes no more than can be seen."""

    def __init__(self, tell: Subscriber) -> None:
        self._tell = tell
        self._told: dict[Digest, float] = {}

    def expected(self, blobs: Collection[Descriptor], *, sending: bool) -> None:
        from hermes.engine.events import BlobExpected

        for one in blobs:
            self._told.setdefault(one.digest, 0)
            self._tell(BlobExpected(one.digest, one.size, sending))

    def moved(self, blob: Descriptor, done: int, *, sending: bool) -> None:
        now = time.monotonic()
        if done == blob.size or now - self._told.get(blob.digest, 0) >= _BETWEEN_SECONDS:
            from hermes.engine.events import BlobMoved

            self._told[blob.digest] = now
            self._tell(BlobMoved(blob.digest, done, blob.size, sending))

    def ended(self, blob: Descriptor) -> None:
        if self._told.pop(blob.digest, None) is not None:
            from hermes.engine.events import BlobEnded

            self._tell(BlobEnded(blob.digest))
