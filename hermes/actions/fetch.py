"""``fetch``: a download that is known by its digest before it begins."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from hermes.actions.specs.fetch import Fetch
from hermes.actions.specs.spec import NONE, of_request
from hermes.actions.tools import Tools
from hermes.debian.download import quoted
from hermes.digest import Digest
from hermes.download import Absent, download, shown
from hermes.engine.action import EXECUTABLE, FILE, Outputs, Value
from hermes.engine.executor import Request
from hermes.engine.key import Resolved
from hermes.errors import FetchError, LockError, ServerStalled, WorkspaceError
from hermes.integrity import Integrity
from hermes.registry.interruption import interruptible
from hermes.store.io_errors import storing

if TYPE_CHECKING:
    import requests

APT: Final = "apt:"
"""Before the path of a Debian package, below each mirror."""
PYPI: Final = "pypi:"
"""Before ``PROJECT/FILENAME`` of a Python package, on each package index."""
NPM: Final = "npm:"
"""Before ``NAME@VERSION`` of an npm package, or the address that a lock has of it, which the registry may replace."""


class Place(NamedTuple):
    """Where a file may be, the session of the calling thread for it, and what the request says besides."""

    address: str
    session: Callable[[], requests.Session]
    headers: Mapping[str, str] = NONE


class Expected(NamedTuple):
    """What a file is known by: one of the digests, or an integrity; and its size, if that is known."""

    digests: frozenset[Digest] = frozenset()
    integrity: Integrity | None = None
    size: int | None = None


def execute(request: Request, tools: Tools) -> Outputs:
    """Raises `FetchError`, or `LockError` for a package that is no longer on any mirror."""
    spec = of_request(Fetch[Resolved], request)
    kind = EXECUTABLE if spec.executable else FILE
    if spec.sha256:
        digest = Digest.from_hex(spec.sha256)
        if not tools.store.blobs.has(digest, spec.size):
            expected = Expected(frozenset({digest}), None, spec.size)
            _download(request.action.owner, spec.urls, expected, tools)
    else:
        expected = Expected(integrity=Integrity.parse(spec.integrity), size=spec.size)
        digest = _download(request.action.owner, spec.urls, expected, tools)
    return {"file": Value(kind, digest, os.stat(tools.store.blobs.path(digest)).st_size)}


def _download(owner: str, listed: Sequence[str], expected: Expected, tools: Tools) -> Digest:
    problems: list[str] = []
    found = _first(_places(listed, tools, problems), expected, tools, problems)
    if isinstance(found, Digest):
        return found
    if not problems:
        raise FetchError(
            "no mirror is known for Debian packages",
            hint="name one under apt.sources in hermes.yaml, or configure apt on this machine",
        )
    said = "".join(f"\n  {problem}" for problem in problems)
    if found and all(address.startswith(APT) for address in listed):
        path = listed[0].removeprefix(APT)
        raise LockError(
            f"{path} is no longer on the mirror{said}",
            hint=f"run `hermes lock {owner}` to resolve it again; without a lock, name the version that there is",
        )
    raise FetchError(
        f"nothing could be fetched{said}", hint="check the addresses, the digest and the network"
    )


def fetched(places: Sequence[Place], digests: frozenset[Digest], tools: Tools) -> Digest:
    """Fetch a file with one of ``digests`` from one of ``places``, and return which it is; raises `FetchError`."""
    problems: list[str] = []
    found = _first(places, Expected(digests), tools, problems)
    if isinstance(found, Digest):
        return found
    said = "".join(f"\n  {problem}" for problem in problems)
    raise FetchError(f"nothing could be fetched{said}", hint="check the package index and the network")


def _first(places: Sequence[Place], expected: Expected, tools: Tools, problems: list[str]) -> Digest | bool:
    """Fetch from the first of ``places`` that has it; where none has, tell whether it is gone from all of them."""
    gone = True
    stalled = {one.address for one in places if _host(one.address) in tools.stalled}
    for place in sorted(places, key=lambda one: one.address in stalled):
        try:
            return _fetch(place, expected, tools)
        except Absent as error:
            problems.append(f"{shown(place.address)}: {error}")
        except FetchError as error:
            if isinstance(error, ServerStalled):
                tools.stalled.add(_host(place.address))
            gone = False
            problems.append(error.message)
    return gone


def _places(listed: Sequence[str], tools: Tools, problems: list[str]) -> list[Place]:
    """Return where a file may be; what is wrong with a package index goes to ``problems``."""
    found: list[Place] = []
    for address in listed:
        try:
            if address.startswith(APT):
                path = quoted(address.removeprefix(APT))
                found += (Place(f"{one.rstrip('/')}/{path}", tools.session) for one in tools.mirrors())
            elif address.startswith(PYPI):
                found += _on_indexes(address.removeprefix(PYPI), tools)
            elif address.startswith(NPM):
                found += _on_npm_registry(address.removeprefix(NPM), tools)
            else:
                found.append(Place(address, tools.session))
        except (FetchError, LockError, WorkspaceError) as error:
            problems.append(error.message)
    return found


def _on_indexes(what: str, tools: Tools) -> list[Place]:
    project, _, filename = what.partition("/")
    files = tools.index.files_of(project, tools.package_session())
    own = [Place(one.url, tools.package_session) for one in files if one.filename == filename]
    if not own:
        raise FetchError(f"no package index has {filename}")
    return own


def _on_npm_registry(what: str, tools: Tools) -> list[Place]:
    registry = tools.npm
    session = tools.npm_session
    return [Place(one, session, registry.headers(one)) for one in registry.addresses(what)]


def _host(address: str) -> str:
    return address.split("/", 3)[2] if "://" in address else ""


def _fetch(place: Place, expected: Expected, tools: Tools) -> Digest:
    """Fetch from one place into the store."""

    def take(pieces: Iterator[bytes]) -> Digest:
        return _store(pieces, place.address, expected, tools)

    session = place.session()
    return interruptible(
        lambda: download(place.address, take, session, tools.cancelled, headers=place.headers),
        tools.cancelled,
    )


def _store(pieces: Iterator[bytes], address: str, expected: Expected, tools: Tools) -> Digest:
    size = expected.size
    hasher = expected.integrity.hasher() if expected.integrity else None
    with tools.store.blobs.writer() as blob:
        for data in pieces:
            if hasher is not None:
                hasher.update(data)
            with storing("the store"):
                blob.write(data)
            if size is not None and blob.size > size:
                raise FetchError(f"{shown(address)}: is larger than the {size} bytes that were declared")
        if size is not None and blob.size != size:
            raise FetchError(f"{shown(address)}: has {blob.size} bytes, and {size} were declared")
        if expected.integrity is not None and hasher is not None:
            actual = Integrity(expected.integrity.algorithm, (hasher.hexdigest(),))
            if actual.digests[0] not in expected.integrity.digests:
                raise FetchError(f"{shown(address)}: has {actual}, and {expected.integrity} was declared")
        elif blob.digest not in expected.digests:
            known = sorted(expected.digests)
            declared = known[0] if len(known) == 1 else f"one of {len(known)} others"
            raise FetchError(f"{shown(address)}: has the digest {blob.digest}, and {declared} was declared")
        with storing("the store"):
            return blob.commit()
