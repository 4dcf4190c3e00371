"""One thing done to each of several: a failure does not keep the others from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hermes.cli.lines import write_line
from hermes.errors import HermesError


def each(names: Iterable[str], do: Callable[[str], object]) -> None:
    """Call ``do`` with each name; raises the last error at the end, and shows those before it."""
    failed: HermesError | None = None
    for name in names:
        try:
            do(name)
        except HermesError as error:
            if failed is not None:
                write_line(f"error: {failed.render()}")
            failed = error
    if failed is not None:
        raise failed
