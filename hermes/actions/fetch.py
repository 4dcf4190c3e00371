"""``fetch``: a download that is known by its digest before it begins."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Final

from hermes.actions.specs.fetch import Fetch
from hermes.actions.specs.spec import of_request
from hermes.actions.tools import Tools
from hermes.debian.download import quoted
from hermes.digest import Digest
from hermes.download import Absent, download, shown
from hermes.engine.action import EXECUTABLE, FILE, Outputs, Value
from hermes.engine.executor import Request
from hermes.engine.key import Resolved
from hermes.errors import FetchError, LockError, ServerStalled
from hermes.registry.interruption import interruptible
from hermes.store.io_errors import storing

APT: Final = "apt:"


def execute(request: Request, tools: Tools) -> Outputs:
    """Raises `FetchError`, or `LockError` for a package that is no longer on any mirror."""
    spec = of_request(Fetch[Resolved], request)
    digest = Digest.from_hex(spec.sha256)
    kind = EXECUTABLE if spec.executable else FILE
    if not tools.store.blobs.has(digest, spec.size):
        _download(request.action.owner, spec.urls, digest, spec.size, tools)
    return {"file": Value(kind, digest, os.stat(tools.store.blobs.path(digest)).st_size)}


def _download(owner: str, listed: Sequence[str], digest: Digest, size: int | None, tools: Tools) -> None:
    problems = []
    gone = True
    stalled = {address for address in _addresses(listed, tools) if _host(address) in tools.stalled}
    for address in sorted(_addresses(listed, tools), key=stalled.__contains__):
        try:
            _fetch(address, digest, size, tools)
        except Absent as error:
            problems.append(f"{shown(address)}: {error}")
        except FetchError as error:
            if isinstance(error, ServerStalled):
                tools.stalled.add(_host(address))
            gone = False
            problems.append(error.message)
        else:
            return
    if not problems:
        raise FetchError(
            "no mirror is known for Debian packages",
            hint="name one under apt.sources in hermes.yaml, or configure apt on this machine",
        )
    said = "".join(f"\n  {problem}" for problem in problems)
    if gone and all(address.startswith(APT) for address in listed):
        path = listed[0].removeprefix(APT)
        raise LockError(
            f"{path} is no longer on the mirror{said}",
            hint=f"run `hermes lock {owner}` to resolve it again",
        )
    raise FetchError(
        f"nothing could be fetched{said}", hint="check the addresses, the digest and the network"
    )


def _addresses(listed: Sequence[str], tools: Tools) -> Iterator[str]:
    for address in listed:
        if address.startswith(APT):
            for mirror in tools.mirrors():
                yield f"{mirror.rstrip('/')}/{quoted(address.removeprefix(APT))}"
        else:
            yield address


def _host(address: str) -> str:
    return address.split("/", 3)[2] if "://" in address else ""


def _fetch(address: str, digest: Digest, size: int | None, tools: Tools) -> None:
    """Fetch one address into the store."""

    def take(pieces: Iterator[bytes]) -> None:
        _store(pieces, address, digest, size, tools)

    session = tools.session()
    interruptible(lambda: download(address, take, session, tools.cancelled), tools.cancelled)


def _store(pieces: Iterator[bytes], address: str, digest: Digest, size: int | None, tools: Tools) -> None:
    with tools.store.blobs.writer() as blob:
        for data in pieces:
            with storing("the store"):
                blob.write(data)
            if size is not None and blob.size > size:
                raise FetchError(f"{shown(address)}: is larger than the {size} bytes that were declared")
        if size is not None and blob.size != size:
            raise FetchError(f"{shown(address)}: has {blob.size} bytes, and {size} were declared")
        if blob.digest != digest:
            raise FetchError(f"{shown(address)}: has the digest {blob.digest}, and {digest} was declared")
        with storing("the store"):
            blob.commit()
