"""Digests as lock files of web packages write them: ``sha512-BASE64``.

See W3C, "Subresource Integrity", section 3.5. A text may have several of them; the strongest algorithm counts.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

from hermes.errors import HermesError

if TYPE_CHECKING:
    from hashlib import _Hash

_ALGORITHMS: Final = ("sha512", "sha384", "sha256", "sha1")
"""The strongest first. The specification has the first three; old locks of npm have the last one."""


class Integrity(NamedTuple):
    """What a file is known by: an algorithm of hashlib, and the digests that it may have, in hexadecimal."""

    algorithm: str
    digests: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Integrity:
        """Return the digests of the strongest algorithm in ``text``; raises `HermesError`.

        A digest of an unknown algorithm is passed over where there is another, as the specification says.
        """
        found: dict[str, set[str]] = {}
        for one in text.split():
            algorithm, _, value = one.partition("-")
            if algorithm in _ALGORITHMS:
                found.setdefault(algorithm, set()).add(_hex(one, algorithm, value.partition("?")[0]))
        for algorithm in _ALGORITHMS:
            if algorithm in found:
                return cls(algorithm, tuple(sorted(found[algorithm])))
        raise HermesError(
            f"{text!r} has no digest of a known algorithm",
            hint="expected sha512-, sha384-, sha256- or sha1- and the digest in base64",
        )

    def __str__(self) -> str:
        values = (base64.b64encode(bytes.fromhex(one)).decode("ascii") for one in self.digests)
        return " ".join(f"{self.algorithm}-{value}" for value in values)

    def hasher(self) -> _Hash:
        """Return what computes a digest of the algorithm."""
        return hashlib.new(self.algorithm, usedforsecurity=self.algorithm != "sha1")


def _hex(whole: str, algorithm: str, value: str) -> str:
    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if len(data) != hashlib.new(algorithm, usedforsecurity=False).digest_size:
        raise HermesError(
            f"{whole!r} is not a digest of {algorithm}", hint=f"write {algorithm}- and the digest in base64"
        )
    return data.hex()
