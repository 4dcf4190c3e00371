"""Files from the network for working containers. The store has them only for as long as they are copied."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from hermes.digest import Digest
from hermes.download import Absent, download, name_of, shown
from hermes.errors import FetchError, UsageError
from hermes.store import Store
from hermes.store.location import default_home


def is_url(text: str) -> bool:
    return text.startswith(("http://", "https://"))


@contextmanager
def downloaded(urls: Sequence[str], checksum: str) -> Iterator[tuple[tuple[str, str], ...]]:
    """Give pairs of a file that holds a download and the name it is to have; they are removed afterwards.

    Raises `FetchError` when something cannot be fetched, or has another digest than ``checksum``.
    """
    expected = Digest.parse(checksum) if checksum else None
    with closing(Store.open(default_home())) as store, store.scratch.directory() as folder:
        found = []
        for number, url in enumerate(urls):
            name = name_of(url)
            if not name:
                raise UsageError(
                    f"{url} names no file", hint="name the file that it is to be in the destination"
                )
            path = folder / str(number)
            digest = _fetch(url, path)
            if expected and digest != expected:
                raise FetchError(f"{shown(url)}: has the digest {digest}, and {expected} was asked for")
            found.append((str(path), name))
        yield tuple(found)


def _fetch(url: str, path: Path) -> Digest:
    from hermes.registry import pace

    def take(pieces: Iterator[bytes]) -> Digest:
        hasher = hashlib.sha256()
        with path.open("wb") as file:
            for data in pieces:
                hasher.update(data)
                file.write(data)
        return Digest.from_hex(hasher.hexdigest())

    try:
        with pace.session() as session:
            digest = download(url, take, session)
    except Absent as error:
        raise FetchError(f"{shown(url)}: {error}", hint="check the address") from None
    except FetchError as error:
        error.hint = error.hint or "check the address and the network"
        raise
    path.chmod(0o600)
    return digest
