"""Which tests of a workspace are run, and how."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from hermes.errors import UsageError
from hermes.testing.sizes import SIZES


@dataclass(frozen=True, slots=True)
class TestOptions:
    """Which tests are run, and how; the outputs of a build are then what came of them.

    Only tests with one of ``tags`` and one of ``sizes`` are run, where these name any, and none with a tag or size in them
    after a ``-``. Of each only cases whose names ``chosen`` matches (a pattern of RE2), ``runs`` times, within ``seconds``
    (0: as its target says). With ``again``, and where there is more than one run, it does not matter what is known of
    earlier runs. Raises `UsageError`.
    """

    __test__ = False

    chosen: str = ""
    runs: int = 1
    seconds: int = 0
    tags: Sequence[str] = ()
    sizes: Sequence[str] = ()
    again: bool = False

    def __post_init__(self) -> None:
        if self.chosen:
            from hermes.testing.patterns import problem_of

            if problem := problem_of(self.chosen):
                raise UsageError(f"invalid pattern {self.chosen!r}: {problem}")
        if unknown := next((one for one in self.sizes if one.removeprefix("-") not in SIZES), ""):
            raise UsageError(f"unknown size {unknown!r} of tests", hint=f"there are {', '.join(SIZES)}")

    @property
    def is_fresh(self) -> bool:
        return self.again or self.runs > 1

    def means(self, tags: Collection[str], size: str) -> bool:
        """Tell whether a test with these tags and this size is one of those to run."""
        return _chosen(self.tags, tags) and _chosen(self.sizes, (size,))


def _chosen(asked: Sequence[str], given: Collection[str]) -> bool:
    wanted = {one for one in asked if not one.startswith("-")}
    unwanted = {one[1:] for one in asked if one.startswith("-")}
    return unwanted.isdisjoint(given) and (not wanted or not wanted.isdisjoint(given))
