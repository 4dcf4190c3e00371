"""Content digests and canonical JSON: the two things that every identity in Hermes is made of."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable
from typing import Any, Final

from hermes.errors import HermesError

_SHA256: Final = re.compile(r"sha256:[0-9a-f]{64}\Z")
_OTHER: Final = re.compile(r"(?!sha256:)[a-z0-9]+(?:[+._-][a-z0-9]+)*:[A-Za-z0-9=_-]+\Z")

_DEEPEST: Final = 100

CHUNK: Final = 1 << 20
"""How many bytes are read, hashed and compressed at a time."""


class Digest(str):
    """The sha256 of some bytes, as ``sha256:`` and 64 lower-case hexadecimal digits.

    It is a string, so it goes into JSON and paths as it is. See image-spec, descriptor.md, "Digests".
    """

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Return ``text`` as a digest; raises `HermesError` when it is anything else."""
        if _OTHER.match(text):
            raise HermesError(f"{text} is a digest of another algorithm than sha256, the one that is known")
        if not _SHA256.match(text):
            raise HermesError(
                f"{text!r} is not a digest", hint="write sha256: and 64 lower-case hexadecimal digits"
            )
        return cls(text)

    @classmethod
    def of(cls, data: bytes) -> Digest:
        return cls("sha256:" + hashlib.sha256(data).hexdigest())

    @classmethod
    def from_hex(cls, text: str) -> Digest:
        return cls("sha256:" + text)

    @property
    def hex(self) -> str:
        return self[7:]

    @property
    def short(self) -> str:
        """The first twelve digits, enough for a person."""
        return self[7:19]


def canonical_json(value: Any) -> bytes:
    """Encode ``value`` so that equal values give equal bytes: sorted keys, no spaces, UTF-8, no floats.

    Lone surrogates (bytes of a file name that are not UTF-8) come out as those bytes.
    """
    _refuse_floats(value)
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return text.encode("utf-8", "surrogateescape")


def parse_json(data: bytes) -> Any:
    """Return what `canonical_json` has encoded, bytes that are not UTF-8 as lone surrogates; raises `ValueError`."""
    return read_json(data.decode("utf-8", "surrogateescape"))


def read_json(text: str | bytes) -> Any:
    """Return the value of a JSON text that anyone may have written; raises `ValueError`.

    Also for one that is nested too deeply for those that go through it, for NaN and infinite numbers, which JSON
    does not have, and for bytes that are not UTF-8 (RFC 8259, section 8.1).
    """
    if isinstance(text, bytes):  # json takes UTF-16, and the bytes of half a surrogate pair
        text = text.decode("utf-8-sig")
    try:
        value = json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    level = [value]
    for _ in range(_DEEPEST):
        level = [below for one in level if isinstance(one, dict | list) for below in _values(one)]
        if not level:
            return value
    raise ValueError("it is nested too deeply")


def _values(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is not a number of JSON")


def _refuse_floats(value: Any) -> None:
    kind = type(value)
    if kind is dict:
        for item in value.values():
            _refuse_floats(item)
    elif kind is list or kind is tuple:
        for item in value:
            if type(item) is not str:
                _refuse_floats(item)
    elif kind is float:
        raise TypeError(f"{value!r}: a float has no canonical form")
