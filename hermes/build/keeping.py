"""``--keep-going`` when targets cannot be loaded or analyzed: which can, and what is wrong with the others."""

from __future__ import annotations

from collections.abc import Sequence

from hermes.build.session import Session
from hermes.errors import HermesError
from hermes.graph.label import Label


def sound(
    session: Session, patterns: Sequence[str], package: str
) -> tuple[list[Label], dict[str, HermesError]]:
    """Return those targets of some patterns that can be analyzed, and errors by packages and targets.

    What several targets fail of is told once.
    """
    broken: dict[str, HermesError] = {}
    found = []
    for label in session.labels(patterns, package, broken):
        try:
            session.analysis.analyze([label])
        except HermesError as error:
            told = {(one.message, one.location) for one in broken.values()}
            if (error.message, error.location) not in told:
                broken[str(label)] = error
        else:
            found.append(label)
    return found, broken
