"""A blob from a registry into the store: verified while it comes, and resumed where a connection ends too early."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from hermes.errors import RegistryError
from hermes.image.descriptor import Descriptor
from hermes.image.media_types import is_external
from hermes.registry.answers import STALLS, Cut, NotThere, Stalled, pieces
from hermes.registry.client import Client
from hermes.registry.repository import Address, Repository
from hermes.sizes import whole_number
from hermes.store import BlobWriter, Store
from hermes.store.io_errors import storing

if TYPE_CHECKING:
    import requests

_ATTEMPTS: Final = 5
_PIECE: Final = 1 << 18
"""How many bytes are read at a time, of which a connection that stalls loses the last."""
_ENOUGH: Final = 1 << 16
"""How many bytes a connection must bring before it ends, or it counts as a failed attempt."""
_LIES: Final = "the registry, or something in between, is damaged or lies"


class _FromTheStart(Exception):
    """The registry does not go on where a connection was cut."""


def download(client: Client, sources: Sequence[Repository], blob: Descriptor, store: Store) -> None:
    """Take a blob into the store unless it is there, from the first of ``sources`` that gives it.

    A layer that may not be distributed comes from its URLs where no source has it. Processes that want the same blob
    wait for each other. Raises `RegistryError` with what each source said.
    """
    if store.blobs.has(blob.digest, blob.size):
        return
    with store.locks.held(f"blob:{blob.digest}", waiting=client.check_cancelled):
        if store.blobs.has(blob.digest, blob.size):
            client.progress.ended(blob)
            return
        try:
            _download_from(client, sources, blob, store)
        finally:
            client.progress.ended(blob)


def _download_from(client: Client, sources: Sequence[Repository], blob: Descriptor, store: Store) -> None:
    problems: list[str] = []
    failure: RegistryError | None = None
    everywhere: list[Repository | str] = [*sources, *(blob.urls if is_external(blob) else ())]
    for source in everywhere:
        is_url = isinstance(source, str)
        name = source if isinstance(source, str) else source.name
        try:
            _download(client, client.address(source) if isinstance(source, str) else source, blob, store)
        except NotThere:
            problems.append(f"{name} does not have it")
            if not is_url:
                store.blob_sources.remove(blob.digest, name)
        except RegistryError as error:
            problems.append(error.message)
            failure = error
        else:
            if not is_url:
                store.blob_sources.add(blob.digest, name)
            return
    if failure is not None and len(problems) == 1:
        raise failure
    shown = "".join(f"\n  {one}" for one in problems)
    raise RegistryError(f"the blob {blob.digest} could not be read{shown}", hint="is the image whole there?")


def _download(client: Client, source: Repository | Address, blob: Descriptor, store: Store) -> None:
    """Download from one place, as often from the start as `_ATTEMPTS` says where that does not go on after a cut."""
    for attempt in range(_ATTEMPTS):
        with storing("the store"), store.blobs.writer() as writer:
            try:
                _read_whole(client, source, blob, writer)
            except _FromTheStart:
                source.endpoint.wait(attempt)
                continue
            if writer.digest != blob.digest:
                raise RegistryError(
                    f"{source.name}: the blob {blob.digest} has the digest {writer.digest}", hint=_LIES
                )
            writer.commit()
            return
    raise RegistryError(
        f"{source.name}: each connection ended within the {blob.size} bytes of {blob.digest}, "
        "and the registry does not go on where it was cut",
        hint="try again later",
    )


def _read_whole(client: Client, source: Repository | Address, blob: Descriptor, writer: BlobWriter) -> None:
    """Read a blob from the start; connections that end may do so as often as they like if each brings enough."""
    fruitless = stalls = 0
    while True:
        before = writer.size
        try:
            _read_on(client, source, blob, writer)
        except Cut as error:
            fruitless, stalls = fruitless + 1, stalls + isinstance(error, Stalled)
            if writer.size >= before + _ENOUGH:
                fruitless = stalls = 0
            if fruitless == _ATTEMPTS or stalls == STALLS:
                raise RegistryError(
                    f"{source.name}: the connection ended after {writer.size} of {blob.size} bytes of {blob.digest}: {error}",
                    hint="try again",
                ) from None
            source.endpoint.wait(fruitless)
        else:
            return


def _read_on(client: Client, source: Repository | Address, blob: Descriptor, writer: BlobWriter) -> None:
    """Read the rest of a blob."""
    with source.blob(blob.digest, writer.size) as answer:
        declared = answer.headers.get("Content-Length", "")
        if (
            answer.status_code == 200
            and declared.isdecimal()
            and whole_number(declared, blob.size) != blob.size
        ):
            raise RegistryError(
                f"{source.name}: the blob {blob.digest} has {declared} bytes, and should have {blob.size}",
                hint=_LIES,
            )
        if writer.size and not _continues(answer, writer.size):
            raise _FromTheStart
        for data in pieces(answer, _PIECE):
            source.endpoint.check_cancelled()
            if writer.size + len(data) > blob.size:
                raise RegistryError(
                    f"{source.name}: the blob {blob.digest} has more than the {blob.size} bytes that it should",
                    hint=_LIES,
                )
            writer.write(data)
            client.progress.moved(blob, writer.size, sending=False)
    if writer.size < blob.size:
        raise Cut("the answer is too short")


def _continues(answer: requests.Response, start: int) -> bool:
    """Tell whether an answer is the part that was asked for; see RFC 9110, section 14.4."""
    part = answer.headers.get("Content-Range", "").removeprefix("bytes ")
    return answer.status_code == 206 and part.startswith(f"{start}-")
