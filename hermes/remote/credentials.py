"""Headers that a program gives: a credential helper, as Bazel has them (EngFlow's credential-helper-spec).

It is called as ``HELPER get`` with ``{"uri": "https://HOST[:PORT]/SERVICE"}`` on its standard input, and writes
``{"headers": {NAME: [VALUE, ...]}, "expires": TIME}`` with a time of RFC 3339.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from hermes.errors import RemoteError, UsageError

_SECONDS: Final = 10
_KEPT_SECONDS: Final = 1800.0
"""For how long headers are used whose program does not say when they expire."""
_EARLY_SECONDS: Final = 5.0
_SETTLING_SECONDS: Final = 1.0
_TRIES: Final = 2

Headers = tuple[tuple[str, str], ...]


class CredentialHelper:
    """A program, by its path or by its name in PATH. Safe to use from several threads."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._guard = threading.Lock()
        self._known: dict[str, tuple[float, Headers]] = {}
        self._refused = 0
        self._last = 0.0

    def headers(self, uri: str) -> Headers:
        """Return the headers for a service; raises `RemoteError`, which never shows what the program printed as headers."""
        with self._guard:
            until, found = self._known.get(uri, (0.0, ()))
            if time.time() >= until:
                until, found = self._asked(uri)
                self._last = time.monotonic()
                self._known[uri] = until, found
            return found

    def has_others(self) -> bool:
        """Tell, of headers that were refused, whether another try is worth it: with those that are asked for now, a few times.

        Several calls may have been refused at once, with headers that have been replaced since.
        """
        with self._guard:
            if time.monotonic() - self._last < _SETTLING_SECONDS:
                return True
            self._refused += 1
            self._known.clear()
            return self._refused <= _TRIES

    def worked(self) -> None:
        """Note that headers were not refused."""
        self._refused = 0

    def _asked(self, uri: str) -> tuple[float, Headers]:
        try:
            done = subprocess.run(
                [self._program, "get"],
                input=json.dumps({"uri": uri}).encode(),
                capture_output=True,
                timeout=_SECONDS,
                check=False,
            )
        except OSError as error:
            raise self._wrong(f"cannot be started: {error.strerror}") from None
        except subprocess.TimeoutExpired:
            raise self._wrong(f"has not answered within {_SECONDS} seconds") from None
        if done.returncode:
            said = " ".join(done.stderr.decode("utf-8", "replace").split())[:300]
            raise self._wrong(f"ended with status {done.returncode}" + (f": {said}" if said else ""))
        try:
            document = json.loads(done.stdout)
            headers = tuple(_pairs(document.get("headers", {}).items()))
            expires = document.get("expires")
            until = datetime.fromisoformat(expires).timestamp() - _EARLY_SECONDS if expires else None
        except (ValueError, TypeError, AttributeError, UsageError):
            raise self._wrong('has not written {"headers": {NAME: [VALUE]}, "expires": TIME}') from None
        return time.time() + _KEPT_SECONDS if until is None else until, headers

    def _wrong(self, problem: str) -> RemoteError:
        return RemoteError(
            f"the credential helper {self._program} {problem}",
            hint='run it by itself: echo \'{"uri": "https://HOST"}\' | HELPER get',
        )


def _pairs(headers: Iterable[tuple[str, Any]]) -> Iterable[tuple[str, str]]:
    from hermes.remote.settings import header_of

    for name, values in headers:
        for value in values if isinstance(values, list) else [None]:
            if not isinstance(value, str):
                raise TypeError(value)
            yield header_of(f"{name}={value}")
