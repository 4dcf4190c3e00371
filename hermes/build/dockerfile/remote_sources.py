"""What ADD names by an address whose content may change: looked up once for a build, and the digest is the input.

A file is asked for again by the ``ETag`` and ``Last-Modified`` that it had, and comes only if it is another one: see RFC 9110,
13.1. The notes of that are in ``remote`` in the store.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hermes.digest import Digest
from hermes.errors import FetchError, UsageError
from hermes.store.io_errors import storing
from hermes.store.regular import read_regular

if TYPE_CHECKING:
    from hermes.store import Store

_VALIDATORS: Final = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}
"""The fields of an answer, and those by which they are sent back."""


class RemoteSources:
    """Looks up files and commits.

    With ``warn`` what was there the last time is taken, and that is said, where it cannot be asked for.
    """

    def __init__(
        self,
        store: Store,
        cancelled: threading.Event | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self._store = store
        self._cancelled = cancelled or threading.Event()
        self._warn = warn
        self._found: dict[tuple[str, str], str] = {}

    def file(self, url: str) -> Digest:
        """Return the digest of what is at an address now, which is in the store then; raises `UsageError`."""
        return Digest.parse(self._once(url, "", lambda note: self._asked(url, note)))

    def commit(self, url: str, ref: str) -> str:
        """Return the commit that a ref of a repository leads to now; raises `UsageError`."""
        from hermes.actions.git import Checkout

        def asked(_: Mapping[str, str]) -> dict[str, str]:
            return {"found": Checkout(Path(os.devnull), url, self._cancelled).commit_of(ref or "HEAD")}

        return self._once(url, ref or "HEAD", asked)

    def _once(self, url: str, ref: str, ask: Callable[[Mapping[str, str]], dict[str, str]]) -> str:
        from hermes.download import shown

        if known := self._found.get((url, ref)):
            return known
        place = (
            self._store.home
            / "remote"
            / hashlib.sha256(f"{url}\0{ref}".encode(errors="surrogateescape")).hexdigest()
        )
        note = _read(place)
        try:
            new = ask(note)
        except FetchError as error:
            if self._warn is None or "found" not in note:
                raise UsageError(
                    error.message, hint=error.hint or "check the address and the network"
                ) from None
            self._warn(f"{error.message}; {shown(url)} is taken as it was: {note['found']}")
            new = note
        if new != note:
            with storing("the store"):
                place.parent.mkdir(exist_ok=True)
                self._store.write(place, json.dumps(new).encode())
        found = self._found[url, ref] = new["found"]
        return found

    def _asked(self, url: str, note: Mapping[str, str]) -> dict[str, str]:
        from hermes.download import Absent, NotModified, download, shown
        from hermes.registry import pace

        kept = "found" in note and self._store.blobs.has(Digest.parse(note["found"]))
        headers = {field: note[name] for name, field in _VALIDATORS.items() if kept and name in note}
        answered: dict[str, str] = {}

        def take(pieces: Iterator[bytes]) -> Digest:
            with self._store.blobs.writer() as blob:
                for data in pieces:
                    with storing("the store"):
                        blob.write(data)
                with storing("the store"):
                    return blob.commit()

        try:
            with pace.session() as session:
                digest = download(url, take, session, self._cancelled, headers=headers, answered=answered)
        except NotModified:
            return dict(note)
        except Absent as error:
            raise FetchError(f"{shown(url)}: {error}", hint="check the address") from None
        return {"found": str(digest), **{name: answered[name] for name in _VALIDATORS if name in answered}}


def _read(place: Path) -> dict[str, str]:
    """Return a note; one that cannot be read is not there."""
    with contextlib.suppress(OSError, ValueError):
        note: Any = json.loads(read_regular(place))
        if isinstance(note, dict) and all(isinstance(one, str) for one in note.values()):
            return note
    return {}
