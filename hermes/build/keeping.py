"""What else is wrong where targets cannot be loaded or analyzed, and which of them can."""

from __future__ import annotations

from collections.abc import Sequence

from hermes.build.session import Session
from hermes.errors import HermesError, each, together
from hermes.graph.label import Label


def sound(session: Session, labels: Sequence[Label], broken: dict[str, HermesError]) -> list[Label]:
    """Return those of some targets that can be analyzed; ``broken`` gets the errors of others, by their labels.

    What several targets fail of is told once.
    """
    told = {(one.message, one.location) for error in broken.values() for one in each(error)}
    found = []
    for label in labels:
        try:
            session.analysis.analyze([label])
        except HermesError as error:
            new = [one for one in each(error) if (one.message, one.location) not in told]
            told.update((one.message, one.location) for one in new)
            if new:
                broken[str(label)] = together(new)
        else:
            found.append(label)
    return found


def all_of_package(session: Session, labels: Sequence[Label], error: HermesError) -> HermesError:
    """Return an ``error`` of analysis with all others of ``labels`` that are in the same BUILD file."""
    file = error.location.file if error.location else ""
    package = next((one.name for one in session.packages.loaded.values() if one.file == file), None)
    broken: dict[str, HermesError] = {}
    sound(session, [label for label in labels if label.package == package], broken)
    found = [
        one for other in broken.values() for one in each(other) if one.location and one.location.file == file
    ]
    first = each(error)
    return together([*first, *sorted(found, key=_place)] if found else first)


def _place(error: HermesError) -> tuple[int, int]:
    return (error.location.line, error.location.column) if error.location else (0, 0)
