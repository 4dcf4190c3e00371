"""A blob from the store into a repository: asked for, mounted, or sent, and resumed where a connection is cut.

See distribution-spec, "Pushing Blobs" (end-4, end-5, end-6, end-11, end-13).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, Self
from urllib.parse import urlencode, urlsplit, urlunsplit

from hermes.errors import RegistryError
from hermes.image.descriptor import Descriptor
from hermes.registry.addresses import joined
from hermes.registry.answers import STALLS, Cut, NotThere, Refused, Stalled
from hermes.registry.client import Client
from hermes.registry.endpoint import Ask
from hermes.registry.repository import Repository, unreachable
from hermes.sizes import LARGEST_SIZE, whole_number
from hermes.store import Store

if TYPE_CHECKING:
    import requests

_ATTEMPTS: Final = 5
_LARGEST_CHUNK: Final = 1 << 40
_WHOLE: Final = 1 << 20
"""A blob of so many bytes is sent with one request after the first."""
_CHUNK: Final = 16 << 20
"""How many bytes are in a chunk where a registry, or a proxy, takes no larger one."""
_UNSURE: Final = frozenset({408, 416, 500, 502, 503, 504})
"""Statuses after which a registry is asked what has arrived."""
_RANGE: Final = re.compile(r"(?:bytes=)?0-([0-9]+)\Z")


class Content(Protocol):
    """The bytes of a blob, read on from a place: a file, or a stream from elsewhere."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def seek(self, start: int, /) -> object:
        """Go to a byte."""
        ...

    def read(self, count: int, /) -> bytes:
        """Return the next bytes, at most ``count``; nothing at the end."""
        ...


@dataclass(slots=True)
class _Session:
    """An upload: where its next request goes, how much is there, and how much is sent at a time (0: the rest)."""

    location: str
    offset: int = 0
    chunk: int = 0
    least: int = 1


def upload(
    client: Client,
    target: Repository,
    blob: Descriptor,
    store: Store,
    provide: Callable[[], Content | None],
    mount_from: str = "",
) -> bool:
    """Bring a blob into a repository, from ``mount_from`` (a path of the same registry) if that has it.

    ``provide`` is called when its bytes are needed: it has the store have them, or returns what gives them instead. Tells
    whether it was mounted. Raises `RegistryError`.
    """
    fruitless = stalls = 0
    session: _Session | None = None
    content: Content | None = None
    while True:
        before = session.offset if session else 0
        try:
            if session is None:
                session = _begin(target, blob, mount_from)
                if session is None:
                    return True
                content = provide()
            elif not _look(target, session):
                session = None
                continue
            with content or store.blobs.open(blob.digest) as file:
                _send(client, target, blob, session, file)
        except (Cut, NotThere) as error:
            reached = session.offset if session else 0
            fruitless, stalls = fruitless + 1, stalls + isinstance(error, Stalled)
            if reached > before:
                fruitless = stalls = 0
            if fruitless == _ATTEMPTS or stalls == STALLS:
                raise RegistryError(
                    f"{target.name}: the connection ended after {reached} of {blob.size} bytes of {blob.digest}: {error}",
                    hint="try again",
                ) from None
            target.endpoint.wait(fruitless)
            if target.has_blob(blob.digest):  # the answer to the last request was lost
                return False
        except Refused as error:
            fruitless += 1
            if error.status == 413 and session is not None and not session.chunk:
                session.chunk = max(_CHUNK, session.least)
            elif error.status not in _UNSURE or fruitless == _ATTEMPTS:
                raise error.error from None
            else:
                target.endpoint.wait(fruitless)
        else:
            return False


def _begin(target: Repository, blob: Descriptor, mount_from: str) -> _Session | None:
    """Start an upload, or have the blob mounted and return None (end-4a, end-11)."""
    where, scopes = f"/v2/{target.path}/blobs/uploads/", target.push
    if mount_from:
        where += f"?{urlencode({'mount': blob.digest, 'from': mount_from})}"
        scopes = (*scopes, f"repository:{mount_from}:pull")
    ask = Ask("POST", where, scopes, {"Content-Length": "0"}, accepted=(202, 201))
    try:
        with target.endpoint.send(ask) as answer:
            if answer.status_code == 201:
                return None
            least = answer.headers.get("OCI-Chunk-Min-Length", "")
            return _Session(_location(answer, target), least=whole_number(least, _LARGEST_CHUNK) or 1)
    except Cut as error:
        raise unreachable(target.endpoint, error) from None
    except Refused as error:
        if mount_from and error.status in (401, 403):  # no right to read where it is to be mounted from
            return _begin(target, blob, "")
        raise error.error from None


def _look(target: Repository, session: _Session) -> bool:
    """Ask how much of an upload has arrived (end-13); tell whether it can go on.

    A docker-registry gives up an upload that was cut within a request; the blob is then sent from its start.
    """
    ask = Ask("GET", session.location, target.push, accepted=(204, 200, 202))
    try:
        with target.endpoint.send(ask) as answer:
            session.location = _location(answer, target, session.location)
            session.offset = _arrived(answer.headers.get("Range", ""))
    except (NotThere, Refused):
        return False
    return True


def _send(client: Client, target: Repository, blob: Descriptor, session: _Session, file: Content) -> None:
    """Send what has not arrived yet, and have the registry check the digest (end-6)."""

    def rest(start: int, size: int) -> Part:
        def told(done: int) -> None:
            target.endpoint.check_cancelled()
            client.progress.moved(blob, start + done, sending=True)

        file.seek(start)
        return Part(file, size, told)

    whole = blob.size <= _WHOLE and not session.offset and not session.chunk
    while session.offset < blob.size and not whole:
        start = session.offset
        size = min(session.chunk or blob.size, blob.size - start)
        headers = {
            "Content-Length": str(size),
            "Content-Range": f"{start}-{start + size - 1}",
            "Content-Type": "application/octet-stream",
        }
        ask = Ask(
            "PATCH",
            session.location,
            target.push,
            headers,
            lambda start=start, size=size: rest(start, size),  # type: ignore[misc]
            accepted=(202, 204, 201),
            again=False,
        )
        with target.endpoint.send(ask) as answer:
            session.location = _location(answer, target, session.location)
            said = answer.headers.get("Range")  # the specification wants it, and some do without
            arrived = start + size if said is None else _arrived(said)
            if not start < arrived <= start + size:
                raise Cut(f"the registry says that {arrived} bytes arrived")
            session.offset = arrived
    headers = {"Content-Length": str(blob.size if whole else 0), "Content-Type": "application/octet-stream"}
    where = _with_digest(session.location, blob.digest)
    body = (lambda: rest(0, blob.size)) if whole and blob.size else None
    ask = Ask("PUT", where, target.push, headers, body, accepted=(201, 204), again=False)
    with target.endpoint.send(ask):
        pass


class Part:
    """A part of a file as the body of a request. ``told`` is called with how many bytes of it were read."""

    def __init__(self, file: Content, size: int, told: Callable[[int], None]) -> None:
        self._file = file
        self._size = size
        self._read = 0
        self._told = told

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        while data := self.read(1 << 18):
            yield data

    def read(self, count: int = -1) -> bytes:
        left = self._size - self._read
        data = self._file.read(left if count < 0 else min(count, left))
        self._read += len(data)
        if data:
            self._told(self._read)
        return data


def _location(answer: requests.Response, target: Repository, before: str = "") -> str:
    found = answer.headers.get("Location", "") or before
    if not found:
        raise RegistryError(f"{target.name}: the registry does not say where to upload to")
    return joined(answer.url, found, target.endpoint.host)


def _arrived(text: str) -> int:
    """Return how many bytes ``0-END`` says have arrived; an empty upload is ``0-0`` or says nothing."""
    found = _RANGE.match(text)
    last = whole_number(found[1], LARGEST_SIZE) if found else 0
    return last + 1 if last else 0


def _with_digest(location: str, digest: str) -> str:
    parts = urlsplit(location)
    query = f"{parts.query}&digest={digest}" if parts.query else f"digest={digest}"
    return urlunsplit(parts._replace(query=query))
