"""How far the blobs are that come from registries, or go there: each, and all together. Draws nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from hermes.engine.events import BlobEnded, BlobExpected, BlobMoved

_WINDOW: Final = 5.0
"""Over how many seconds the rate is measured."""
_BRIEF: Final = 0.5
"""A rate over fewer seconds says nothing."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """A blob: ``done`` of ``size`` bytes have crossed."""

    digest: str
    size: int
    sending: bool
    done: int = 0
    is_moving: bool = False
    has_ended: bool = False


class Whole(NamedTuple):
    """All blobs of one direction. ``rate`` is in bytes a second, ``left`` in seconds; None: not known."""

    sending: bool
    ended: int
    total: int
    done: int
    size: int
    rate: float | None
    left: float | None


class Transfers:
    """Knows the blobs of a build, a pull or a push. Times are seconds of one clock."""

    def __init__(self) -> None:
        self._blobs: dict[str, Transfer] = {}
        self._crossed = {False: 0, True: 0}
        self._samples: dict[bool, deque[tuple[float, int]]] = {False: deque(), True: deque()}
        self._began: dict[bool, float] = {}
        self._ended: dict[bool, float] = {}

    def event(self, event: BlobExpected | BlobMoved | BlobEnded, now: float) -> None:
        known = self._blobs.get(event.digest)
        match event:
            case BlobExpected(digest=digest, size=size, sending=sending):
                if known is None or known.has_ended:
                    self._blobs[digest] = Transfer(digest, size, sending)
            case BlobMoved(digest=digest, done=done, size=size, sending=sending):
                before = known.done if known and known.sending == sending and not known.has_ended else 0
                self._blobs[digest] = Transfer(digest, size, sending, done, is_moving=True)
                self._count(max(0, done - before), now, sending=sending)
            case BlobEnded(digest=digest):
                if known is not None:
                    self._blobs[digest] = replace(known, is_moving=False, has_ended=True, done=known.size)
                    self._ended[known.sending] = now

    def _count(self, crossed: int, now: float, *, sending: bool) -> None:
        self._began.setdefault(sending, now)
        self._crossed[sending] += crossed
        samples = self._samples[sending]
        samples.append((now, self._crossed[sending]))
        while samples[0][0] < now - _WINDOW:
            samples.popleft()

    @property
    def are_under_way(self) -> bool:
        """Whether a blob has begun to move and others, or its end, are awaited."""
        return bool(self._began) and any(not one.has_ended for one in self._blobs.values())

    def moving(self) -> list[Transfer]:
        """Return the blobs that are on their way now."""
        return [one for one in self._blobs.values() if one.is_moving]

    def wholes(self, now: float) -> Iterator[Whole]:
        """Yield how far all blobs are: those that are fetched, then those that are sent."""
        for sending in sorted(self._began):
            blobs = [one for one in self._blobs.values() if one.sending == sending]
            done, size = sum(one.done for one in blobs), sum(one.size for one in blobs)
            rate = self._rate(now, sending=sending)
            left = (size - done) / rate if rate else None
            yield Whole(sending, sum(one.has_ended for one in blobs), len(blobs), done, size, rate, left)

    def _rate(self, now: float, *, sending: bool) -> float | None:
        (began, before), (_, after) = self._samples[sending][0], self._samples[sending][-1]
        return (after - before) / (now - began) if now - began >= _BRIEF and after > before else None

    def summaries(self) -> Iterator[tuple[bool, int, int, float]]:
        """Yield of what has ended, by direction: whether it was sent, how many blobs, their bytes, in how many seconds."""
        for sending, began in sorted(self._began.items()):
            count = sum(one.has_ended and one.sending == sending for one in self._blobs.values())
            if count:
                yield sending, count, self._crossed[sending], self._ended[sending] - began
