"""Small downloads into memory: the documents of an archive, which must be read before a digest is known."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote, urlsplit, urlunsplit

from hermes.digest import CHUNK
from hermes.errors import FetchError

_ATTEMPTS: Final = 4
_PAUSE: Final = 0.5
_TIMEOUT: Final = (15, 60)
_TRANSIENT: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_ABSENT: Final = frozenset({404, 410})
_NETWORK: Final = "check the network, and the addresses of the package sources"


class _Later(Exception):
    """A server cannot answer now."""


class _Absent(Exception):
    """There is nothing at an address."""


def download(address: str, limit: int) -> bytes | None:
    """Return what is at an http, https or file address, or None when there is nothing.

    Proxies are those of the environment. Raises `FetchError` when it has more than ``limit`` bytes or cannot
    be had.
    """
    import requests

    problem = ""
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE * 2 ** (attempt - 1))
        try:
            return _collect(address, limit)
        except _Absent:
            return None
        except (_Later, requests.ConnectionError, requests.Timeout) as error:
            problem = _reason(error)
        except requests.exceptions.ChunkedEncodingError:
            problem = "the connection broke"
        except requests.RequestException as error:
            raise FetchError(f"{shown(address)}: {_reason(error)}", hint=_NETWORK) from error
    raise FetchError(f"{shown(address)}: {problem}", hint=_NETWORK)


def shown(address: str) -> str:
    """Return an address as messages show it: without a user's name and password."""
    parts = urlsplit(address)
    if "@" not in parts.netloc:
        return address
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _collect(address: str, limit: int) -> bytes:
    data = bytearray()
    for piece in _pieces(address):
        data += piece
        if len(data) > limit:
            raise FetchError(
                f"{shown(address)}: is larger than the {limit} bytes that it may have",
                hint="the mirror may be in the middle of an update: try again later, or use another",
            )
    return bytes(data)


def _pieces(address: str) -> Iterator[bytes]:
    import requests

    parts = urlsplit(address)
    if parts.scheme == "file":
        yield from _local_pieces(unquote(parts.path))
        return
    with requests.get(
        address, stream=True, timeout=_TIMEOUT, headers={"Accept-Encoding": "identity"}
    ) as answer:
        if answer.status_code in _TRANSIENT:
            raise _Later(f"the server answered {answer.status_code}")
        if answer.status_code in _ABSENT:
            raise _Absent
        if answer.status_code != 200:
            raise FetchError(
                f"{shown(address)}: the server answered {answer.status_code}",
                hint="check the addresses of the package sources, and what the server asks for",
            )
        yield from answer.iter_content(CHUNK)


def _local_pieces(path: str) -> Iterator[bytes]:
    try:
        with open(path, "rb") as file:
            while piece := file.read(CHUNK):
                yield piece
    except (FileNotFoundError, NotADirectoryError):
        raise _Absent from None
    except OSError as error:
        raise FetchError(
            f"{path}: {error.strerror or os.strerror(error.errno or 0)}",
            hint="check who may read the package source",
        ) from error


def _reason(error: Exception) -> str:
    """Return the innermost cause that a library has wrapped, on one line."""
    cause = error.args[0] if error.args else error
    cause = getattr(cause, "reason", None) or cause
    return str(cause).rpartition(">: ")[2].split("\n", 1)[0] or type(error).__name__
