"""Lines on standard error, and what is said in them of builds."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hermes.build.result import BuildResult

WARNING: Final = "warning: "
"""What a warning begins with."""


def summary_line(result: BuildResult, seconds: float) -> str:
    """Say in one line what a build did."""
    count = len(result.executed)
    did = "nothing to do" if not count else f"built {count} target{'s' if count != 1 else ''}"
    return f"{did}, {result.cached} action{'s' if result.cached != 1 else ''} cached, {seconds:.2f}s"


def print_beside(text: str, destinations: Sequence[str]) -> None:
    """Print a line on standard output, or on standard error where one of ``destinations`` is standard output."""
    import click

    if destinations:
        from hermes.naming.outputs import is_on_standard_output

        click.echo(text, err=any(map(is_on_standard_output, destinations)))
    else:
        click.echo(text)


def colored(text: str, code: str) -> str:
    """Return a text in a color (a code of ECMA-48, "Select Graphic Rendition") where standard error is a terminal.

    Without color where ``NO_COLOR`` is set (no-color.org) or the terminal has none.
    """
    if not sys.stderr.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{code}m{text}\x1b[0m"


def colored_output(text: str, code: str) -> str:
    """As `colored`, for standard output."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{code}m{text}\x1b[0m"


def write_line(text: str) -> None:
    """Write a line to standard error, whatever is in it."""
    with contextlib.suppress(OSError):  # a full disk or a reader that is gone must not end a build
        sys.stderr.write(text.encode("utf-8", "backslashreplace").decode() + "\n")
        sys.stderr.flush()
