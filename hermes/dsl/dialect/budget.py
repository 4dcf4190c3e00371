"""What the files of a workspace may take: one budget of work and memory for each file and each analysis.

Work is counted in steps, of which a loop takes as many for each round as its body has operations; an operation that
takes longer for large values says what it takes before it begins. A file gets as many steps as take some seconds, so
what runs out does so at the same place on every machine. Memory is what the process holds more than it did: values
that are made are counted until so much has come together that it is worth measuring.
"""

from __future__ import annotations

import os
import resource
from typing import Any, Final

from hermes.dsl.dialect.values import LARGEST_TEXT, EvalError, Struct, described

MOST_WORK: Final = 50_000_000
MOST_MEMORY: Final = 256 << 20
"""Bytes that the values of one file may take."""

_UNMEASURED: Final = 32 << 20
_BETWEEN: Final = 1_000_000
_SHORT: Final = 256
_FEW: Final = 32
_BITS_OF_A_HASH: Final = 64
_MOST_DEPTH: Final = 200

POINTER: Final = 8
"""Bytes of an item in a list."""

ENTRY: Final = 100
"""Bytes of an entry in a dict."""


Spent = tuple[int, int, int, int, int | None]


class Budget:
    """Steps and bytes that are left to the file or the implementation that runs at present."""

    __slots__ = ("_before", "_left", "_made", "_mark", "_weak", "memory", "work")

    def __init__(self, work: int = MOST_WORK, memory: int = MOST_MEMORY) -> None:
        self.work = work
        self.memory = memory
        self._left = self._mark = self._made = self._weak = 0
        self._before: int | None = None

    def begin(self) -> Spent:
        """Give what runs from now on a budget of its own; return what `end` takes to go back to the one before."""
        outer = self._left, self._mark, self._made, self._weak, self._before
        self._left, self._mark, self._made, self._weak = self.work, self.work - _BETWEEN, 0, 0
        self._before = None
        return outer

    def end(self, outer: Spent) -> None:
        self._left, self._mark, self._made, self._weak, self._before = outer

    def spend(self, work: int) -> None:
        """Take ``work`` steps; raises `EvalError` when there are not as many left."""
        self._left -= work
        if self._left < self._mark:
            self._look()

    def make(self, size: int) -> None:
        """Take ``size`` bytes, and the steps that filling them takes, before they are made."""
        self._made += size
        self._left -= size >> 6
        if self._made > _UNMEASURED or self._left < self._mark:
            self._look()

    def make_text(self, length: int, *parts: str) -> None:
        """Take what a string of ``length`` characters needs that is made of those of ``parts``.

        Short ones are part of the step that makes them.
        """
        if length <= _SHORT:
            return
        if length > LARGEST_TEXT:
            raise too_long(length)
        self.make(length if all(map(str.isascii, parts)) else 4 * length)

    def make_list(self, length: int, each: int = POINTER) -> None:
        """Take what a list of ``length`` items needs, of which each takes ``each`` bytes."""
        if length <= _FEW:
            return
        if length > LARGEST_TEXT:
            raise too_long(length)
        self.make(length * each)

    def _look(self) -> None:
        if self._left < 0:
            raise EvalError(f"the file takes more than {self.work} steps", "loop over less, or make less")
        self._mark = self._left - _BETWEEN
        held = _resident()
        if self._before is None:
            self._before = held
        if held - self._before + self._made > self.memory:
            raise EvalError(
                f"the values of the file take more than {self.memory >> 20} MiB of memory", "make less"
            )
        if self._made > _UNMEASURED:
            self._made = 0

    def key(self, value: Any) -> None:
        """Take what hashing ``value``, and comparing it with keys of the same hash, needs.

        Raises `EvalError` if it cannot be a key of a dict.
        """
        kind = type(value)
        if kind is str or kind is bool or value is None:
            return
        if kind is int and -(1 << 32) < value < 1 << 32:
            return
        weight = _Weight()
        self.spend(2 * weight.of(value, 0))
        if weight.bits > _BITS_OF_A_HASH:
            # A file can make as many such keys of one hash as it likes, and each is compared with all before it.
            self._weak += 1
            self.spend(64 + (self._weak // 2 if kind is int else 8 * self._weak))

    def keys(self, mapping: dict[Any, Any]) -> None:
        """Take what putting all keys of a dict into another one needs."""
        self.make(ENTRY * len(mapping))
        for one in mapping:
            if type(one) is not str:
                self.key(one)


class _Weight:
    """How many values hashing one goes through, and how many bits of integers those hold.

    What is shared is counted as often as it is met, since its hash is made as often, but gone through once.
    """

    __slots__ = ("_known", "bits")

    def __init__(self) -> None:
        self.bits = 0
        self._known: dict[int, tuple[int, int]] = {}

    def of(self, value: Any, depth: int, *, changing: bool = False) -> int:
        """Return how many values ``value`` is made of; ``changing`` tells whether lists and dicts may be among them."""
        kind = type(value)
        if kind is int:
            self.bits += value.bit_length()
            return 1 + int(value.bit_length() >> 6)
        if kind is str:
            return 1 + (len(value) >> 6)
        if kind is range:
            return sum(self.of(one, depth) for one in (value.start, value.stop, value.step))
        if kind is tuple:
            items: Any = value
        elif isinstance(value, Struct):
            items = value.fields.values()
            if not value.hashes_fields:
                self.bits += _BITS_OF_A_HASH + 1
                changing = True
        elif kind is list or kind is dict:
            if not changing:
                raise EvalError(f"{described(value)} cannot be a key of a dict")
            items = value if kind is list else value.values()
        else:
            return 1
        if depth > _MOST_DEPTH:
            raise EvalError("the value is nested too deeply to be a key of a dict")
        known = self._known.get(id(value))
        if known is None:
            before = self.bits
            total = 1 + sum(self.of(one, depth + 1, changing=changing) for one in items)
            known = total, self.bits - before
            self._known[id(value)] = known
        else:
            self.bits += known[1]
        return known[0]


def too_long(size: int) -> EvalError:
    """Return the error for a string or list that would have more than a file may make."""
    return EvalError(f"the result would have {size} characters or items, more than {LARGEST_TEXT}")


def _resident() -> int:
    """Return the bytes of memory that the process holds."""
    try:
        with open("/proc/self/statm", "rb") as opened:
            return int(opened.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
