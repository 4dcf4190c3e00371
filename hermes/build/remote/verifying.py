"""Makes some results of remote services here again, and takes those of this machine where they differ."""

from __future__ import annotations

import random
from collections.abc import Callable

from hermes.build.made_again import MadeAgain
from hermes.engine.executor import Request, Result


class Verifier:
    """Makes ``percent`` of a hundred results again."""

    def __init__(self, again: MadeAgain, percent: int, warn: Callable[[str], None]) -> None:
        self._again = again
        self._percent = percent
        self._warn = warn

    def check(self, request: Request, result: Result) -> Result:
        """Return a result of a service, or what this machine made instead where that is something else."""
        if not result.where or random.uniform(0, 100) >= self._percent:  # noqa: S311 - a sample
            return result
        found = self._again.other(request, result)
        if found is None:
            return result
        made, difference = found
        kind = next(value.kind for name, value in result.outputs.items() if made.outputs[name] != value)
        self._warn(
            f"{request.action.owner}: {result.where} gave another {kind} than this machine made: "
            f"{difference}; the build goes on with that of this machine"
        )
        return made
