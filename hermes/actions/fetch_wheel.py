"""``fetch_wheel``: asks the package indexes which file has which digest, chooses the wheel, and fetches that."""

from __future__ import annotations

import hashlib
import os
from urllib.parse import unquote, urlsplit

from hermes.actions.fetch import Place, fetched
from hermes.actions.specs.fetch_wheel import FetchWheel
from hermes.actions.specs.spec import of_request
from hermes.actions.tools import Tools
from hermes.digest import Digest
from hermes.engine.action import FILE, Outputs, Value
from hermes.engine.executor import Request
from hermes.engine.key import Resolved
from hermes.errors import LockError
from hermes.image.platform import Platform
from hermes.python.pins import best_wheel, no_wheel, of_version
from hermes.python.target import PythonTarget


def execute(request: Request, tools: Tools) -> Outputs:
    """Raises `LockError` when no wheel fits or none has a digest of the lock, `FetchError` when it cannot be had."""
    spec = of_request(FetchWheel[Resolved], request)
    target = PythonTarget.of(spec.python, Platform.parse(spec.platform), spec.libc)
    known = set(spec.sha256)
    listed = of_version(tools.index.files_of(spec.project, tools.package_session()), spec.version)
    listed = [one if one.sha256 else one._replace(sha256=_sha256_here(one.url)) for one in listed]
    locked = [one for one in listed if one.sha256 in known or not one.sha256]
    if listed and not locked:
        raise LockError(
            f"no file of {spec.project} {spec.version} on the package indexes has a sha256 of the lock",
            hint="the lock is stale, or an index serves other files: lock it again, and compare",
        )
    chosen = best_wheel(locked, target)
    if chosen is None:
        raise no_wheel(spec.project, spec.version, locked, target)
    same = [one for one in locked if one.filename == chosen.filename]
    places = [Place(one.url, tools.package_session) for one in same]
    digest = fetched(places, frozenset(map(Digest.from_hex, known)), tools)
    return {"file": Value(FILE, digest, os.stat(tools.store.blobs.path(digest)).st_size)}


def _sha256_here(address: str) -> str:
    """Return the sha256 of a file of this machine, of which no page says it; empty for one of another."""
    if not address.startswith("file://"):
        return ""
    try:
        with open(unquote(urlsplit(address).path), "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
