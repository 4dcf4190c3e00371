"""``fetch``: a download that is known by its digest before it begins."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
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
"""Before the path of a Debian package, below each mirror."""
PYPI: Final = "pypi:"
"""Before ``PROJECT/FILENAME`` of a Python package, on each package index."""


def execute(request: Request, tools: Tools) -> Outputs:
    """Raises `FetchError`, or `LockError` for a package that is no longer on any mirror."""
    spec = of_request(Fetch[Resolved], request)
    digest = Digest.from_hex(spec.sha256)
    kind = EXECUTABLE if spec.executable else FILE
    if not tools.store.blobs.has(digest, spec.size):
        _download(request.action.owner, spec.urls, digest, spec.size, tools)
    return {"file": Value(kind, digest, os.stat(tools.store.blobs.path(digest)).st_size)}


def _download(owner: str, listed: Sequence[str], digest: Digest, size: int | None, tools: Tools) -> None:
    problems: list[str] = []
    addresses = _addresses(listed, tools, problems)
    gone = _first(addresses, frozenset({digest}), size, tools, problems)
    if isinstance(gone, Digest):
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


def fetched(addresses: Sequence[str], digests: frozenset[Digest], tools: Tools) -> Digest:
    """Fetch a file with one of ``digests`` from one of ``addresses``, and return which it is; raises `FetchError`."""
    problems: list[str] = []
    found = _first(addresses, digests, None, tools, problems)
    if isinstance(found, Digest):
        return found
    said = "".join(f"\n  {problem}" for problem in problems)
    raise FetchError(f"nothing could be fetched{said}", hint="check the package index and the network")


def _first(
    addresses: Iterable[str], digests: frozenset[Digest], size: int | None, tools: Tools, problems: list[str]
) -> Digest | bool:
    """Fetch from the first of ``addresses`` that has it; where none has, tell whether it is gone from all of them."""
    gone = True
    known = list(addresses)
    stalled = {address for address in known if _host(address) in tools.stalled}
    for address in sorted(known, key=stalled.__contains__):
        try:
            return _fetch(address, digests, size, tools)
        except Absent as error:
            problems.append(f"{shown(address)}: {error}")
        except FetchError as error:
            if isinstance(error, ServerStalled):
                tools.stalled.add(_host(address))
            gone = False
            problems.append(error.message)
    return gone


def _addresses(listed: Sequence[str], tools: Tools, problems: list[str]) -> list[str]:
    """Return where a file may be; what is wrong with a package index goes to ``problems``."""
    found: list[str] = []
    for address in listed:
        if address.startswith(APT):
            path = quoted(address.removeprefix(APT))
            found += (f"{mirror.rstrip('/')}/{path}" for mirror in tools.mirrors())
        elif address.startswith(PYPI):
            project, _, filename = address.removeprefix(PYPI).partition("/")
            try:
                files = tools.index.files_of(project, tools.package_session())
            except (FetchError, LockError) as error:
                problems.append(error.message)
                continue
            own = [one.url for one in files if one.filename == filename]
            found += own
            if not own:
                problems.append(f"no package index has {filename}")
        else:
            found.append(address)
    return found


def _host(address: str) -> str:
    return address.split("/", 3)[2] if "://" in address else ""


def _fetch(address: str, digests: frozenset[Digest], size: int | None, tools: Tools) -> Digest:
    """Fetch one address into the store."""

    def take(pieces: Iterator[bytes]) -> Digest:
        return _store(pieces, address, digests, size, tools)

    session = tools.session()
    return interruptible(lambda: download(address, take, session, tools.cancelled), tools.cancelled)


def _store(
    pieces: Iterator[bytes], address: str, digests: frozenset[Digest], size: int | None, tools: Tools
) -> Digest:
    with tools.store.blobs.writer() as blob:
        for data in pieces:
            with storing("the store"):
                blob.write(data)
            if size is not None and blob.size > size:
                raise FetchError(f"{shown(address)}: is larger than the {size} bytes that were declared")
        if size is not None and blob.size != size:
            raise FetchError(f"{shown(address)}: has {blob.size} bytes, and {size} were declared")
        if blob.digest not in digests:
            declared = " or ".join(sorted(digests)) if len(digests) == 1 else f"one of {len(digests)} others"
            raise FetchError(f"{shown(address)}: has the digest {blob.digest}, and {declared} was declared")
        with storing("the store"):
            return blob.commit()
