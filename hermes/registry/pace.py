"""Connections that are given up when next to nothing comes through them.

A time-out of a socket begins anew with each byte, so a server that sends one a second would be waited for without end,
in the middle of a line of its headers too. What counts here is the time spent waiting for the other side: a reader
that is slow itself is not to blame it. The bound is that of cargo (``http.low-speed-limit`` and ``http.timeout``).
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Any, Final

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

SECONDS: Final = 30
LEAST: Final = 10 * SECONDS
"""How many bytes must come in `SECONDS` of waiting."""
CONNECTING: Final = 15
"""How many seconds a connection may take to be made."""

_BLOCK: Final = 1 << 18
_MOST_INTERIM: Final = 100
"""How many answers such as ``100 Continue`` may come before one that counts; see RFC 9110, section 15.2."""


def session() -> requests.Session:
    """Return a session whose connections have a pace to keep."""
    made = requests.Session()
    for scheme in ("https://", "http://"):
        made.mount(scheme, _Adapter())
    return made


class _Paced(io.RawIOBase):
    """What a connection brings; raises `TimeoutError` when that is too little."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self._waited = 0.0
        self._count = 0

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._raw.fileno()

    def readinto(self, buffer: Any) -> int | None:
        began = time.monotonic()
        count: int | None = self._raw.readinto(buffer)
        self._waited += time.monotonic() - began
        self._count += count or 0
        if self._waited >= SECONDS:
            if count and self._count < LEAST:
                raise TimeoutError(f"{self._count} bytes in {self._waited:.0f} seconds")
            self._waited, self._count = 0.0, 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """An answer with bounds where ``http.client`` reads on and on: the three methods below are those of it that do."""

    def __init__(self, sock: socket.socket, *arguments: Any, **named: Any) -> None:
        super().__init__(sock, *arguments, **named)
        self.fp = io.BufferedReader(_Paced(self.fp.detach()))
        self._statuses = 0

    def _read_status(self) -> tuple[str, int, str]:
        self._statuses += 1
        if self._statuses > _MOST_INTERIM:
            raise http.client.HTTPException(f"more than {_MOST_INTERIM} interim answers")
        found: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]
        return found

    def _read_next_chunk_size(self) -> int:
        size: int = super()._read_next_chunk_size()  # type: ignore[misc]
        if size < 0:
            raise ValueError("a chunk of a negative size")  # which is expected there, of what is not a number
        return size

    def _read_and_discard_trailer(self) -> None:
        http.client.parse_headers(self.fp)  # trailers are headers, of which there may not be too many


class _Connection(HTTPConnection):
    response_class = _Response


class _SecureConnection(HTTPSConnection):
    response_class = _Response


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS: Final = {"http": _Pool, "https": _SecurePool}


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        super().init_poolmanager(*arguments, blocksize=_BLOCK, **named)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *arguments: Any, **named: Any) -> Any:
        manager = super().proxy_manager_for(*arguments, **named)
        manager.pool_classes_by_scheme = _POOLS
        return manager
