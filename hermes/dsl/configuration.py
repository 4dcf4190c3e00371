"""What a build is for: the platform, the values of ``--set``, and the time that files get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hermes.image.platform import Platform


@dataclass(frozen=True, slots=True)
class TestRuns:
    """How tests are run: each ``runs`` times, only the cases whose names ``chosen``, a pattern, matches.

    ``seconds`` take the place of what a target says of its timeout (0: they do not).
    """

    __test__ = False

    chosen: str = ""
    runs: int = 1
    seconds: int = 0


@dataclass(frozen=True, slots=True)
class Configuration:
    """``values`` are the pairs of ``--set``, sorted. ``epoch`` is in seconds since 1970."""

    platform: Platform
    values: tuple[tuple[str, str], ...] = ()
    epoch: int = 0
    tests: TestRuns = TestRuns()

    def on(self, platform: Platform) -> Configuration:
        """Return the same for another platform."""
        return replace(self, platform=platform)

    def satisfies(self, platform: str, values: Mapping[str, str]) -> bool:
        """Tell whether a condition holds."""
        if platform and not self.platform.matches(Platform.parse(platform)):
            return False
        mine = dict(self.values)
        return all(mine.get(name) == value for name, value in values.items())
