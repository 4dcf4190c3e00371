"""The services that settings name: one connection with each, made when it is first needed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from hermes.errors import BuildInterrupted

if TYPE_CHECKING:
    from hermes.remote.address import Address
    from hermes.remote.cas import Cas
    from hermes.remote.settings import RemoteSettings
    from hermes.store.locks import KeyLocks


class Connections:
    """See the module. Safe to use from several threads.

    ``settings`` is called with the first need of a service, and ``locks`` are those of processes with the same store. Once ``cancelled`` is set, what waits for another try gives up.
    """

    def __init__(
        self,
        settings: Callable[[], RemoteSettings | None],
        cancelled: threading.Event | None = None,
        locks: KeyLocks | None = None,
    ) -> None:
        self._locks = locks
        self._settings = settings
        self._cancelled = cancelled or threading.Event()
        self._guard = threading.Lock()
        self._open: dict[str, Cas] = {}
        self._is_closed = False

    def cas(self, address: Address) -> Cas:
        """Return the storage of a service; raises `RemoteError`."""
        from hermes.remote.cas import Cas
        from hermes.remote.channel import Channel

        settings = self._settings()
        assert settings is not None
        with self._guard:
            if self._is_closed:
                raise BuildInterrupted
            if address.place not in self._open:
                seconds = settings.timeout
                self._open[address.place] = Cas(
                    Channel(address, self._cancelled, deadline=seconds, patience=seconds), self._locks
                )
            return self._open[address.place]

    def at(self, place: str) -> Cas | None:
        """Return the storage of a service by its `Address.place`; None unless the settings name it."""
        address = next((one for one in self._addresses() if one.place == place), None)
        return self.cas(address) if address is not None else None

    def names(self, place: str) -> bool:
        """Tell whether the settings name a service."""
        return any(one.place == place for one in self._addresses())

    def _addresses(self) -> Iterator[Address]:
        settings = self._settings()
        if settings is not None and settings.cache:
            yield settings.cache_address()
        if settings is not None and settings.executor:
            yield settings.address()

    @property
    def traffic(self) -> tuple[int, int]:
        """How many bytes of content went there, and came from there."""
        with self._guard:
            counts = [one.traffic for one in self._open.values()]
        return sum(one.up for one in counts), sum(one.down for one in counts)

    def close(self) -> None:
        """End all calls; there are no others."""
        with self._guard:
            self._is_closed = True
            opened = list(self._open.values())
        for one in opened:
            one.channel.close()
