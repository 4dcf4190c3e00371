"""Registries for one command: what is configured of them, their connections, and a bounded pool of threads."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Collection, Iterable
from typing import Final, Protocol, Self, TypeVar
from urllib.parse import urlsplit

from hermes.errors import BuildInterrupted, RegistryError
from hermes.image.descriptor import Descriptor
from hermes.registry.addresses import joined
from hermes.registry.credential import Credential
from hermes.registry.credentials import Credentials
from hermes.registry.endpoint import Endpoint
from hermes.registry.repository import Address, Repository
from hermes.registry.settings import Registries, RegistrySettings

JOBS: Final = 4
"""How many blobs are on their way at once."""

T = TypeVar("T")


class Progress(Protocol):
    """Told, from several threads, of the blobs that are on their way."""

    def expected(self, blobs: Collection[Descriptor], *, sending: bool) -> None:
        """These blobs are going to cross, unless it turns out that they are there already; each is `ended`."""
        ...

    def moved(self, blob: Descriptor, done: int, *, sending: bool) -> None:
        """So many of a blob's bytes have crossed: less than before where it begins again."""
        ...

    def ended(self, blob: Descriptor) -> None:
        """A blob has arrived, or nobody tries any more; it need not have been on its way."""
        ...


class Unseen:
    """A `Progress` that nobody looks at."""

    def expected(self, blobs: Collection[Descriptor], *, sending: bool) -> None:
        """Nothing is told."""

    def moved(self, blob: Descriptor, done: int, *, sending: bool) -> None:
        """Nothing is told."""

    def ended(self, blob: Descriptor) -> None:
        """Nothing is told."""


class Client:
    """Speaks to registries as ``registries`` says. Safe to use from several threads.

    ``progress`` is told of every blob. Once ``cancelled`` is set, what is under way gives up.
    """

    def __init__(
        self,
        registries: Registries | None = None,
        *,
        credentials: Credentials | None = None,
        cancelled: threading.Event | None = None,
        progress: Progress | None = None,
        jobs: int = JOBS,
    ) -> None:
        self.registries = registries or Registries()
        self.cancelled = cancelled or threading.Event()
        self.progress: Progress = progress or Unseen()
        self._jobs = jobs
        self._credentials = credentials or Credentials(access=self.registries.access)
        self._endpoints: dict[tuple[str, RegistrySettings, Credential | None], Endpoint] = {}
        self._guard = threading.Lock()

    def close(self) -> None:
        """Close all connections; the client can still be used."""
        with self._guard:
            for endpoint in self._endpoints.values():
                endpoint.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def repository(self, name: str, *, writing: bool = False) -> Repository:
        """Return the repository ``HOST/PATH`` itself; raises `RegistryError` when that is blocked."""
        prefix, settings = self.registries.of(name)
        if settings.blocked:
            raise _blocked(name, prefix)
        host, _, path = name.partition("/")
        with self._guard:
            key = host, settings, self._credentials.find(name)
            if key not in self._endpoints:
                self._endpoints[key] = Endpoint(
                    host,
                    settings,
                    self.registries,
                    key[2],
                    self.cancelled,
                    no_credential=self._credentials.problem(name),
                )
            return Repository(self._endpoints[key], path, writing)

    def sources(self, name: str) -> list[Repository]:
        """Return where ``HOST/PATH`` can be read, in the order to try: its mirrors, then itself."""
        own = self.repository(name)
        return [*map(self.repository, self.registries.mirrors_of(name)), own]

    def address(self, url: str) -> Address:
        """Return a blob that is at a URL; raises `RegistryError` when that is invalid or blocked."""
        parts = urlsplit(joined("", url, "a layer"))
        if parts.scheme not in ("http", "https") or not parts.netloc or "@" in parts.netloc:
            raise RegistryError(f"a layer has the URL {url!r}, from which a blob cannot be downloaded")
        prefix, settings = self.registries.of(f"{parts.netloc}{parts.path}")
        if settings.blocked:
            raise _blocked(url, prefix)
        base = f"{parts.scheme}://{parts.netloc}"
        with self._guard:
            key = base, settings, None
            if key not in self._endpoints:
                self._endpoints[key] = Endpoint(
                    parts.netloc, settings, self.registries, None, self.cancelled, base
                )
            return Address(self._endpoints[key], url)

    def check_cancelled(self) -> None:
        """Raise `BuildInterrupted` once the user has had enough."""
        if self.cancelled.is_set():
            raise BuildInterrupted

    def each(self, function: Callable[[T], object], items: Iterable[T]) -> None:
        """Call ``function`` with every item, a few at a time; raises what the first that failed raised.

        What is under way is waited for, except when the user interrupts: it may be stuck in the network then.
        """
        listed = list(items)
        if len(listed) < 2 or self._jobs < 2:
            for one in listed:
                function(one)
            return
        given, done = queue.SimpleQueue[T](), queue.SimpleQueue[BaseException | None]()
        stopped = threading.Event()
        for one in listed:
            given.put(one)

        def work() -> None:
            with contextlib.suppress(queue.Empty):
                while not stopped.is_set():
                    one = given.get_nowait()
                    try:
                        function(one)
                    except BaseException as error:  # noqa: BLE001 - raised again in the calling thread
                        done.put(error)
                    else:
                        done.put(None)

        count = min(self._jobs, len(listed))
        threads = [threading.Thread(target=work, name="registry", daemon=True) for _ in range(count)]
        for thread in threads:
            thread.start()
        try:
            failure = next((error for error in (done.get() for _ in listed) if error is not None), None)
            stopped.set()
            for thread in threads:
                thread.join()
        except BaseException:
            stopped.set()
            self.cancelled.set()
            raise
        if failure is not None:
            raise failure


def _blocked(name: str, prefix: str) -> RegistryError:
    return RegistryError(f"{name} is blocked", hint=f"hermes.yaml says so of {prefix}, under registries")
