"""What came of a test, as it is kept and shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Self

from hermes.digest import canonical_json

MOST_SHOWN: Final = 1 << 16
"""How many characters of an output a report has."""


class Case(NamedTuple):
    """One thing that was tested: it passed if there are no ``errors``. ``milliseconds`` is how long it took."""

    name: str
    errors: tuple[str, ...] = ()
    milliseconds: int = 0
    stdout: str = ""
    stderr: str = ""

    @property
    def passed(self) -> bool:
        return not self.errors


class Report(NamedTuple):
    """What came of a test target. ``timed_out``: it took too long and was ended, and cases that are not there did not run."""

    cases: tuple[Case, ...] = ()
    milliseconds: int = 0
    timed_out: bool = False

    @property
    def passed(self) -> bool:
        return not self.timed_out and all(one.passed for one in self.cases)

    @property
    def failures(self) -> Sequence[Case]:
        return [one for one in self.cases if not one.passed]

    def dump(self) -> bytes:
        return canonical_json(self.to_json())

    def to_json(self) -> dict[str, Any]:
        return {
            "cases": [one._asdict() for one in self.cases],
            "milliseconds": self.milliseconds,
            "timed_out": self.timed_out,
        }

    @classmethod
    def load(cls, data: bytes) -> Self:
        """Return what `dump` wrote."""
        return cls.from_json(json.loads(data))

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        cases = tuple(Case(**{**one, "errors": tuple(one["errors"])}) for one in document["cases"])
        return cls(cases, document["milliseconds"], document["timed_out"])


def clipped(text: str) -> str:
    """Return an output that is not too long to be kept in a report."""
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}\n... ({len(text)} characters)"
