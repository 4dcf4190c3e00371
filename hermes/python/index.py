"""The files that package indexes have of a project.

See "Simple repository API": PEP 503 (HTML) and PEP 691 (JSON). An index is believed in nothing: what comes is held to
the digest that the lock has.
"""

from __future__ import annotations

import html.parser
import json
import os
import posixpath
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urldefrag, urljoin, urlsplit, urlunsplit
from urllib.request import pathname2url

from hermes.download import Absent, download, shown
from hermes.errors import FetchError, LockError
from hermes.python.package_sources import PackageSources
from hermes.python.pins import LockedFile

if TYPE_CHECKING:
    import requests

ACCEPTED: Final = "application/vnd.pypi.simple.v1+json, text/html;q=0.5, */*;q=0.1"
_MOST_PAGE: Final = 256 << 20


def session_for(sources: PackageSources) -> requests.Session:
    """Return a session for pages and files of these sources."""
    from hermes.registry import pace

    session = pace.session()
    session.headers["Accept"] = ACCEPTED
    if sources.ca:
        session.verify = sources.ca
    if sources.client:
        session.cert = sources.client
    return session


class PackageIndex:
    """The sources of one machine, asked once for each project; threads may share it."""

    def __init__(self, sources: PackageSources, cancelled: threading.Event | None = None) -> None:
        self.sources = sources
        self._cancelled = cancelled
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._found: dict[str, tuple[list[LockedFile], list[str]]] = {}

    def files_of(self, project: str, session: requests.Session) -> list[LockedFile]:
        """Return the files of a project, by its normalized name, with their addresses.

        Raises `FetchError` when there are none and a source could not be read, `LockError` when none has the project.
        """
        with self._lock:
            own = self._locks.setdefault(project, threading.Lock())
        with own:
            if project not in self._found:
                self._found[project] = self._read(project, session)
        files, problems = self._found[project]
        if files:
            return files
        said = "".join(f"\n  {one}" for one in problems)
        if problems:
            raise FetchError(f"no package index could be asked for {project}{said}", hint="check the network")
        if not self.sources.indexes and not self.sources.find_links:
            raise FetchError(
                "no package index is known",
                hint="name one under python.indexes in hermes.yaml, or configure pip or uv on this machine",
            )
        raise LockError(
            f"no package index has {project}",
            hint="check the indexes that pip or uv is configured with, or python.indexes in hermes.yaml",
        )

    def _read(self, project: str, session: requests.Session) -> tuple[list[LockedFile], list[str]]:
        found: list[LockedFile] = []
        problems: list[str] = []
        for address in [*self._pages(project), *map(_address, self.sources.find_links)]:
            try:
                found += self._page(address, session)
            except Absent:
                continue
            except FetchError as error:
                problems.append(error.message)
        return [one for one in found if _project_of(one.filename) == project], problems

    def _pages(self, project: str) -> Iterator[str]:
        for index in self.sources.indexes:
            yield f"{_address(index).rstrip('/')}/{project}/"

    def _page(self, address: str, session: requests.Session) -> list[LockedFile]:
        if address.startswith("file://"):
            path = unquote(urlsplit(address).path)
            if os.path.isdir(path) and not os.path.isfile(f"{path}/index.html"):
                names = sorted(os.listdir(path))
                return [
                    LockedFile(name, "", None, f"file://{pathname2url(f'{path}/{name}')}") for name in names
                ]
            if os.path.isdir(path):
                address = f"{address.rstrip('/')}/index.html"

        def collect(pieces: Iterator[bytes]) -> bytes:
            data = bytearray()
            for piece in pieces:
                data += piece
                if len(data) > _MOST_PAGE:
                    raise FetchError(f"{shown(address)}: is larger than a page of an index can be")
            return bytes(data)

        data = download(address, collect, session, self._cancelled)
        return [_with_host_credentials(one, address) for one in files_in(data, address)]


def files_in(data: bytes, address: str) -> list[LockedFile]:
    """Return the files that a page lists, JSON or HTML; ``address`` is that of the page. Raises `FetchError`."""
    if data.lstrip()[:1] == b"{":
        try:
            listed = json.loads(data).get("files")
            return [_of_json(one, address) for one in listed]
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise FetchError(f"{shown(address)}: is not a page of a package index") from None
    parser = _Anchors()
    parser.feed(data.decode("utf-8", "replace"))
    base = urljoin(address, parser.base)
    return [_of_anchor(href, base) for href in parser.hrefs]


def _of_json(document: Mapping[str, Any], address: str) -> LockedFile:
    size = document.get("size")
    return LockedFile(
        str(document["filename"]),
        str((document.get("hashes") or {}).get("sha256", "")).lower(),
        size if isinstance(size, int) else None,
        urljoin(address, str(document["url"])),
    )


def _of_anchor(href: str, base: str) -> LockedFile:
    address, fragment = urldefrag(urljoin(base, href))
    sha256 = fragment.removeprefix("sha256=").lower() if fragment.startswith("sha256=") else ""
    return LockedFile(posixpath.basename(unquote(urlsplit(address).path)), sha256, None, address)


class _Anchors(html.parser.HTMLParser):
    """Gathers where a page leads to."""

    def __init__(self) -> None:
        super().__init__()
        self.hrefs: list[str] = []
        self.base = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href")
        if tag == "a" and href:
            self.hrefs.append(href)
        elif tag == "base" and href and not self.base:
            self.base = href


def _with_host_credentials(one: LockedFile, page: str) -> LockedFile:
    """Return a file with the credentials of the page that lists it, if it is on the same host."""
    user, at, _ = urlsplit(page).netloc.rpartition("@")
    parts, own = urlsplit(one.url), urlsplit(page)
    same = (parts.scheme, parts.hostname, parts.port) == (own.scheme, own.hostname, own.port)
    if not at or not same or "@" in parts.netloc:
        return one
    return one._replace(url=urlunsplit(parts._replace(netloc=f"{user}@{parts.netloc}")))


def _address(source: str) -> str:
    """Return a source as an address: a path of this machine as a ``file:`` one."""
    if "://" in source or source.startswith("file:"):
        return source
    return f"file://{pathname2url(os.path.abspath(os.path.expanduser(source)))}"


def _project_of(filename: str) -> str:
    """Return the normalized name of the project that a file belongs to, or an empty string."""
    from packaging.utils import (
        InvalidSdistFilename,
        InvalidWheelFilename,
        parse_sdist_filename,
        parse_wheel_filename,
    )

    try:
        if filename.endswith(".whl"):
            return parse_wheel_filename(filename)[0]
        return parse_sdist_filename(filename)[0]
    except (InvalidSdistFilename, InvalidWheelFilename):
        return ""
