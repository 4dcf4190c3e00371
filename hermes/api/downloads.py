"""Files from the network for working containers. What is downloaded is not kept in the store."""

from __future__ import annotations

import hashlib
import posixpath
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from hermes.digest import CHUNK, Digest
from hermes.errors import FetchError, UsageError

_TIMEOUT = (15, 60)


def is_url(text: str) -> bool:
    return text.startswith(("http://", "https://"))


@contextmanager
def downloaded(urls: Sequence[str], checksum: str) -> Iterator[tuple[tuple[str, str], ...]]:
    """Give pairs of a file that holds a download and the name it is to have; they are removed afterwards.

    Raises `FetchError` when something cannot be fetched, or has another digest than ``checksum``.
    """
    expected = Digest.parse(checksum) if checksum else None
    folder = Path(tempfile.mkdtemp(prefix="hermes-"))
    try:
        found = []
        for number, url in enumerate(urls):
            name = posixpath.basename(unquote(urlsplit(url).path))
            if not name:
                raise UsageError(
                    f"{url} names no file", hint="name the file that it is to be in the destination"
                )
            path = folder / str(number)
            digest = _fetch(url, path)
            if expected and digest != expected:
                raise FetchError(f"{url}: has the digest {digest}, and {expected} was asked for")
            found.append((str(path), name))
        yield tuple(found)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fetch(url: str, path: Path) -> Digest:
    import requests

    hasher = hashlib.sha256()
    try:
        with requests.get(url, stream=True, timeout=_TIMEOUT) as answer, path.open("wb") as file:
            if answer.status_code != 200:
                raise FetchError(f"{url}: the server answered {answer.status_code}")
            for data in answer.iter_content(CHUNK):
                hasher.update(data)
                file.write(data)
    except requests.RequestException as error:
        raise FetchError(
            f"{url}: it cannot be fetched ({type(error).__name__})", hint="check the address"
        ) from error
    path.chmod(0o600)
    return Digest.from_hex(hasher.hexdigest())
