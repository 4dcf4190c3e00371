"""The addresses of npm packages, as npm makes them of what a lock and its configuration say."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit, urlunsplit

from hermes.errors import FetchError
from hermes.node.npmrc import NpmSources

if TYPE_CHECKING:
    import requests

_ASKED_SECONDS: Final = 30


def session_for(sources: NpmSources) -> requests.Session:
    """Return a session for registries and files of these sources."""
    from hermes.registry import pace

    session = pace.session()
    if sources.ca:
        session.verify = sources.ca
    elif not sources.verified:
        session.verify = False
    if all(sources.client):
        session.cert = sources.client
    return session


class NpmRegistry:
    """The sources of one machine; threads may share it."""

    def __init__(self, sources: NpmSources) -> None:
        self.sources = sources
        self._lock = threading.Lock()
        self._default: str | None = None

    def addresses(self, what: str) -> list[str]:
        """Return where a package may be: ``NAME@VERSION``, or the address that a lock has of it.

        npm takes addresses of its public registry for those of the registry that is configured. Here that is asked first,
        whatever the host of the lock, and the address of the lock after it: the digest decides what is taken.

        Raises `FetchError` when there is no address and no registry is known.
        """
        if "://" not in what:
            name, _, version = what.rpartition("@")
            registry = self.sources.registry_of(name) or self._npms_default()
            return [tarball_address(registry, name, version)]
        replaced, registry = self.sources.replaced, self.sources.registry
        if not registry or replaced == "never" or not what.startswith(("http://", "https://")):
            return [what]
        moved = moved_address(what, registry)
        if replaced == "npmjs":
            return list(dict.fromkeys([moved, what]))
        wanted = urlsplit(replaced if "://" in replaced else f"//{replaced}")
        given = urlsplit(what)
        below = wanted.path.rstrip("/")
        fits = wanted.hostname == given.hostname and f"{given.path}/".startswith(f"{below}/")
        if replaced != "always" and not fits:
            return [what]
        if replaced != "always" and below:
            moved = moved_address(urlunsplit(given._replace(path=given.path[len(below) :])), registry)
        return [moved]

    def headers(self, address: str) -> Mapping[str, str]:
        """Return what a request for an address says besides."""
        found = self.sources.authorization(address)
        return {"Authorization": found} if found else {}

    def _npms_default(self) -> str:
        """Return the registry that npm asks if it is told nothing; raises `FetchError` without an npm."""
        with self._lock:
            if self._default is None:
                self._default = _asked()
        if not self._default:
            raise FetchError(
                "no npm registry is known",
                hint="name one as node.registry in hermes.yaml, or as registry in ~/.npmrc",
            )
        return self._default


def moved_address(address: str, registry: str) -> str:
    """Return an address with scheme, host and path of another registry, unless its path is below that already."""
    given, own = urlsplit(address), urlsplit(registry)
    below = own.path.rstrip("/")
    path = given.path if f"{given.path}/".startswith(f"{below}/") else below + given.path
    return urlunsplit(given._replace(scheme=own.scheme, netloc=own.netloc, path=path))


def tarball_address(registry: str, name: str, version: str) -> str:
    """Return where a registry has a version of a package."""
    path = quote(name, safe="@/")
    return f"{registry.rstrip('/')}/{path}/-/{path.rpartition('/')[2]}-{quote(version)}.tgz"


def _asked() -> str:
    npm = shutil.which("npm")
    if npm is None:
        return ""
    try:
        made = subprocess.run(
            [npm, "config", "get", "registry"],
            capture_output=True,
            check=True,
            text=True,
            timeout=_ASKED_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    found = made.stdout.strip()
    return found if found.startswith(("http://", "https://")) else ""
