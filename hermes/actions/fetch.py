"""``fetch``: a download that is known by its digest before it begins."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote, urlsplit

from hermes.actions.tools import Tools, params_of
from hermes.digest import CHUNK, Digest
from hermes.engine.action import EXECUTABLE, FILE, Outputs, Value
from hermes.engine.executor import Request
from hermes.errors import FetchError, LockError
from hermes.store.faults import storing

APT: Final = "apt:"
_ATTEMPTS: Final = 4
_TIMEOUT: Final = (15, 60)
_TRANSIENT: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


class _Gone(Exception):
    """There is nothing at an address, and asking again will not help."""


def execute(request: Request, tools: Tools) -> Outputs:
    """Raises `FetchError`, or `LockError` for a package that is no longer on any mirror."""
    params = params_of(request)
    digest = Digest.from_hex(params["sha256"])
    kind = EXECUTABLE if params["executable"] else FILE
    if not tools.store.blobs.has(digest, params.get("size")):
        listed: list[str] = json.loads(request.action.unkeyed)["urls"]
        _download(request.action.owner, listed, digest, params.get("size"), tools)
    return {"file": Value(kind, digest, os.stat(tools.store.blobs.path(digest)).st_size)}


def _download(owner: str, listed: list[str], digest: Digest, size: int | None, tools: Tools) -> None:
    problems = []
    gone = True
    for address in _addresses(listed, tools):
        try:
            _fetch(address, digest, size, tools)
        except _Gone as error:
            problems.append(f"{address}: {error}")
        except FetchError as error:
            gone = False
            problems.append(error.message)
        else:
            return
    if not problems:
        raise FetchError(
            f"{owner}: no mirror is known for Debian packages",
            hint="name one under apt.sources in hermes.yaml, or configure apt on this machine",
        )
    shown = "".join(f"\n  {problem}" for problem in problems)
    if gone and all(address.startswith(APT) for address in listed):
        path = listed[0].removeprefix(APT)
        raise LockError(
            f"{owner}: {path} is no longer on the mirror{shown}",
            hint=f"run `hermes lock {owner}` to resolve it again",
        )
    raise FetchError(
        f"{owner}: nothing could be fetched{shown}", hint="check the addresses, the digest and the network"
    )


def _addresses(listed: list[str], tools: Tools) -> Iterator[str]:
    for address in listed:
        if address.startswith(APT):
            for mirror in tools.mirrors():
                yield f"{mirror.rstrip('/')}/{address.removeprefix(APT)}"
        else:
            yield address


def _fetch(address: str, digest: Digest, size: int | None, tools: Tools) -> None:
    """Fetch one address into the store, trying again when it may help."""
    import requests

    for attempt in range(_ATTEMPTS):
        tools.check_cancelled()
        try:
            _store(_pieces(address, tools), address, digest, size, tools)
        except (
            requests.ConnectionError,
            requests.Timeout,
            requests.exceptions.ChunkedEncodingError,
        ) as error:
            problem = FetchError(f"{address}: {_reason(error)}")
        except requests.RequestException as error:
            raise FetchError(f"{address}: {_reason(error)}") from error
        except _Later as error:
            problem = FetchError(f"{address}: {error}")
        else:
            return
        if attempt < _ATTEMPTS - 1:
            tools.cancelled.wait(0.5 * 2**attempt)
    raise problem


class _Later(Exception):
    """A server cannot answer now."""


def _pieces(address: str, tools: Tools) -> Iterator[bytes]:
    parts = urlsplit(address)
    if parts.scheme == "file":
        yield from _local_pieces(unquote(parts.path))
        return
    with tools.session().get(
        address, stream=True, timeout=_TIMEOUT, headers={"Accept-Encoding": "identity"}
    ) as answer:
        if answer.status_code in _TRANSIENT:
            raise _Later(f"the server answered {answer.status_code}")
        if answer.status_code in (404, 410):
            raise _Gone(f"the server answered {answer.status_code}")
        if answer.status_code != 200:
            raise FetchError(f"{address}: the server answered {answer.status_code}")
        for data in answer.iter_content(CHUNK):
            tools.check_cancelled()
            yield data


def _local_pieces(path: str) -> Iterator[bytes]:
    try:
        with open(path, "rb") as file:
            while data := file.read(CHUNK):
                yield data
    except FileNotFoundError:
        raise _Gone("there is no such file") from None
    except OSError as error:
        raise FetchError(f"{path}: {error.strerror}") from error


def _store(pieces: Iterator[bytes], address: str, digest: Digest, size: int | None, tools: Tools) -> None:
    with storing("the store"), tools.store.blobs.writer() as blob:
        for data in pieces:
            blob.write(data)
            if size is not None and blob.size > size:
                raise FetchError(f"{address}: is larger than the {size} bytes that were declared")
        if size is not None and blob.size != size:
            raise FetchError(f"{address}: has {blob.size} bytes, and {size} were declared")
        if blob.digest != digest:
            raise FetchError(f"{address}: has the digest {blob.digest}, and {digest} was declared")
        blob.commit()


def _reason(error: Exception) -> str:
    text = str(error.args[0]) if error.args else str(error)
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return str(reason).rpartition(": ")[2] if reason else text
