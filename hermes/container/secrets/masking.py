"""Secrets in a stream of text, replaced as it passes.

Where the stream is cut makes no difference. It knows nothing of files and processes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

_MARKS: Final = b"*#?X.~"
_HEAD: Final = 4


class Masker:
    """Replaces every occurrence of ``needles``, none of them empty, by ``***``; those that overlap by one.

    Where a needle has an asterisk, another character stands in, so that no mark makes a needle complete.
    """

    def __init__(self, needles: Iterable[bytes]) -> None:
        self._needles = tuple(dict.fromkeys(needles))
        used = frozenset(b"".join(self._needles))
        self.mark = bytes([next((one for one in _MARKS if one not in used), _MARKS[0])]) * 3
        self._held = b""
        self._covered = 0

    def feed(self, data: bytes) -> bytes:
        """Take the next piece of the stream; return what is known to be safe."""
        self._held += data
        return self._pass(self._begun())

    def finish(self) -> bytes:
        """Return the rest; the masker can then take another stream."""
        rest = self._pass(len(self._held))
        self._covered = 0
        return rest

    def mask(self, data: bytes) -> bytes:
        """Return a whole stream, masked."""
        return self.feed(data) + self.finish()

    def text(self, text: str) -> str:
        """Return a whole text, masked."""
        masked = self.mask(text.encode("utf-8", "surrogateescape"))
        return masked.decode("utf-8", "surrogateescape")

    def _pass(self, limit: int) -> bytes:
        """Let go of the first ``limit`` bytes, beyond which no needle that begins before is incomplete.

        ``_covered`` bytes at the front belong to needles whose mark has been written.
        """
        parts = []
        at = self._covered
        for start, end in self._occurrences(limit):
            if start >= at:
                parts += [self._held[at:start], self.mark]
            at = max(at, end)
        if at < limit:
            parts.append(self._held[at:limit])
        self._held = self._held[limit:]
        self._covered = max(0, at - limit)
        return b"".join(parts)

    def _occurrences(self, limit: int) -> Iterator[tuple[int, int]]:
        """Yield where needles are that begin before ``limit``, by their beginnings."""
        found = []
        for needle in self._needles:
            at = self._held.find(needle)
            while 0 <= at < limit:
                found.append((at, at + len(needle)))
                at = self._held.find(needle, at + 1)
        return iter(sorted(found))

    def _begun(self) -> int:
        """Return where the first needle begins of which the rest may be still to come."""
        size = len(self._held)
        first = size
        for needle in self._needles:
            at = max(0, size - len(needle) + 1)
            head = needle[:_HEAD]
            while (at := self._held.find(head, at)) >= 0:
                if needle.startswith(self._held[at:]):
                    first = min(first, at)
                    break
                at += 1
            for short in range(min(_HEAD, len(needle), size + 1) - 1, 0, -1):
                if self._held.endswith(needle[:short]):
                    first = min(first, size - short)
                    break
        return first
