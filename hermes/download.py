"""What is at an http, https or file address, asked for again while that may help."""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit

from hermes.digest import CHUNK, Digest
from hermes.errors import BuildInterrupted, FetchError, ServerStalled, UsageError

if TYPE_CHECKING:
    import requests

_ATTEMPTS: Final = 4
_FIRST_WAIT: Final = 0.5
_TRANSIENT: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_ABSENT: Final = frozenset({404, 410})
_OF_SYSTEM: Final = re.compile(r"\[Errno -?[0-9]+\] ([^)'\"]+)")
"""Why a connection failed, as the system says it, within what a library makes of it."""

T = TypeVar("T")


class Absent(Exception):
    """There is nothing at an address, and asking again will not help."""


class NotModified(Exception):
    """What is at an address is what it was when the headers were given that it was asked for with."""


class _Later(Exception):
    """A server cannot answer now."""


def download(
    address: str,
    take: Callable[[Iterator[bytes]], T],
    session: requests.Session,
    cancelled: threading.Event | None = None,
    *,
    headers: Mapping[str, str] = MappingProxyType({}),
    answered: dict[str, str] | None = None,
) -> T:
    """Return what ``take`` makes of what is at an address; it is called again, with all of it, after a failure.

    ``headers`` are sent, and those of the answer put into ``answered``. ``session`` is one of `hermes.registry.pace`. Proxies are those of the environment. Raises `FetchError`, `Absent` when there is nothing, `NotModified` for 304, and `BuildInterrupted`
    once ``cancelled`` is set.
    """
    import requests

    from hermes.registry.answers import STALLS, Cut, Stalled

    cancelled = cancelled or threading.Event()
    problem = ""
    stalls = 0
    for attempt in range(_ATTEMPTS):
        if attempt and cancelled.wait(_FIRST_WAIT * 2 ** (attempt - 1)):
            raise BuildInterrupted
        try:
            return take(_pieces(address, session, cancelled, headers, answered))
        except Stalled as error:
            problem = str(error)
            stalls += 1
            if stalls == STALLS:
                raise ServerStalled(f"{shown(address)}: {problem}") from None
        except (_Later, requests.ConnectionError) as error:
            problem = _reason(error)
        except (Cut, requests.exceptions.ChunkedEncodingError):
            problem = "the connection broke"
        except requests.RequestException as error:
            raise FetchError(f"{shown(address)}: {_reason(error)}") from error
    raise FetchError(f"{shown(address)}: {problem}")


def saved(address: str, path: Path) -> Digest:
    """Write what is at an address to a new file that only this user may read; raises `FetchError`."""
    from hermes.registry import pace

    def take(pieces: Iterator[bytes]) -> Digest:
        hasher = hashlib.sha256()
        with open(path, "wb", opener=partial(os.open, mode=0o600)) as file:
            for data in pieces:
                hasher.update(data)
                file.write(data)
        return Digest.from_hex(hasher.hexdigest())

    try:
        with pace.session() as session:
            return download(address, take, session)
    except Absent as error:
        raise FetchError(f"{shown(address)}: {error}", hint="check the address") from None
    except FetchError as error:
        error.hint = error.hint or "check the address and the network"
        raise


def shown(address: str) -> str:
    """Return an address as messages show it: without a user's name and password."""
    try:
        parts = urlsplit(address)
    except ValueError:
        scheme, slashes, rest = address.partition("://")
        return f"{scheme}{slashes}{rest.rpartition('@')[2]}"
    if "@" not in parts.netloc:
        return address
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def name_of(address: str) -> str:
    """Return what the file at an address is called, or an empty string; raises `UsageError` for an invalid URL."""
    try:
        return posixpath.basename(unquote(urlsplit(address).path))
    except ValueError as error:
        raise UsageError(f"invalid URL {shown(address)}: {error}") from None


def _pieces(
    address: str,
    session: requests.Session,
    cancelled: threading.Event,
    headers: Mapping[str, str],
    answered: dict[str, str] | None,
) -> Iterator[bytes]:
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise FetchError(f"invalid URL {shown(address)}: {error}") from None
    found = (
        _local(unquote(parts.path))
        if parts.scheme == "file"
        else _remote(address, session, headers, answered)
    )
    for data in found:
        if cancelled.is_set():
            raise BuildInterrupted
        yield data


def _remote(
    address: str, session: requests.Session, headers: Mapping[str, str], answered: dict[str, str] | None
) -> Iterator[bytes]:
    import requests

    from hermes.registry import pace
    from hermes.registry.answers import Stalled, pieces, reason_of

    patience = (pace.CONNECTING, pace.SECONDS)
    try:
        sent = {"Accept-Encoding": "identity", **headers}
        answer = session.get(address, stream=True, timeout=patience, headers=sent)
    except requests.Timeout as error:
        raise Stalled(reason_of(error, pace.SECONDS)) from None
    except requests.RequestException:
        raise
    except ValueError as error:
        raise FetchError(f"{shown(address)}: redirects to an invalid URL: {error}") from None
    with answer:
        said = f"the server answered {answer.status_code}"
        if answer.status_code in _TRANSIENT:
            raise _Later(said)
        if answer.status_code in _ABSENT:
            raise Absent(said)
        if answer.status_code == 304 and headers:
            raise NotModified
        if answered is not None:
            answered.clear()
            answered.update(
                {name: answer.headers[name] for name in ("ETag", "Last-Modified") if name in answer.headers}
            )
        if answer.status_code != 200:
            raise FetchError(f"{shown(address)}: {said}")
        # As they are: an archive whose encoding is named is one all the same.
        yield from pieces(answer, CHUNK)


def _local(path: str) -> Iterator[bytes]:
    try:
        with open(path, "rb") as file:
            while data := file.read(CHUNK):
                yield data
    except (FileNotFoundError, NotADirectoryError):
        raise Absent("no such file") from None
    except OSError as error:
        raise FetchError(f"{path}: {error.strerror or os.strerror(error.errno or 0)}") from error


def _reason(error: Exception) -> str:
    """Return the innermost cause that a library has wrapped, on one line."""
    cause = error.args[0] if error.args else error
    text = str(getattr(cause, "reason", None) or cause).split("\n", 1)[0]
    if of_system := _OF_SYSTEM.search(text):
        return of_system[1]
    return text.rpartition(">: ")[2] or type(error).__name__
