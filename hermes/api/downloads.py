"""Files from the network for working containers. The store has them only for as long as they are copied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from hermes.digest import Digest
from hermes.download import name_of, saved, shown
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
            digest = saved(url, path)
            if expected and digest != expected:
                raise FetchError(f"{shown(url)}: has the digest {digest}, and {expected} was asked for")
            found.append((str(path), name))
        yield tuple(found)
