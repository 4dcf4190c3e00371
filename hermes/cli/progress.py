"""What a build shows while it goes on: a live display on a terminal, else lines. All on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from hermes.cli.lines import WARNING, write_line
from hermes.cli.plain import Plain
from hermes.errors import HermesError

if TYPE_CHECKING:
    from hermes.cli.ci import CiLog
    from hermes.cli.live import Live
    from hermes.engine.events import Event, Subscriber

PROGRESS: Final = ("auto", "tty", "plain", "quiet")
"""How builds are shown: as fits, live, in lines with what commands print, or not."""


class Display(Protocol):
    """Shows a build."""

    def event(self, event: Event) -> None:
        """Take notice of an event."""
        ...

    def say(self, text: str) -> None:
        """Show a line."""
        ...

    def summary(self, text: str) -> None:
        """Show how it ended."""
        ...


@contextmanager
def display(*, quiet: bool, progress: str = "auto", dockerfile: str = "") -> Iterator[Display]:
    """Give the display that fits where standard error goes, or that ``progress`` says, one of `PROGRESS`.

    ``dockerfile`` is the path of the file that errors call by its name alone.
    """
    if quiet or progress == "quiet":
        yield Quiet()
    elif progress == "tty" or (progress == "auto" and _is_terminal()):
        terminal = Terminal()
        try:
            yield terminal
        finally:
            terminal.close()
    elif progress == "auto" and (log := log_of_ci(os.environ)):
        from hermes.cli.ci import Grouped

        try:
            yield Grouped(log)
        except HermesError as error:
            log.annotate(error, dockerfile)
            raise
    else:
        yield Plain()


@contextmanager
def event_files(profile: Path | None, events: Path | None) -> Iterator[Sequence[Subscriber]]:
    """Give what writes a Chrome trace to ``profile``, and events as lines of JSON to ``events``, where these are named."""
    if profile is None and events is None:
        yield ()
        return
    from hermes.cli.traces import event_lines, trace

    with ExitStack() as opened:
        yield [
            opened.enter_context(write(path))
            for write, path in ((trace, profile), (event_lines, events))
            if path is not None
        ]


def log_of_ci(environment: Mapping[str, str]) -> CiLog | None:
    """Return the form of the log of the CI system that runs this; None for one that takes lines as they are."""
    if environment.get("GITHUB_ACTIONS") == "true":
        from hermes.cli.ci import GitHub

        return GitHub(environment.get("GITHUB_WORKSPACE", ""))
    if environment.get("GITLAB_CI") == "true":
        from hermes.cli.ci import GitLab

        return GitLab()
    return None


def _is_terminal() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


class Quiet:
    """Shows warnings only, whatever else is said."""

    def event(self, event: Event) -> None:
        name = type(event).__name__
        if name == "Warned":
            self.say(f"{WARNING}{event.message}")  # type: ignore[union-attr]

    def say(self, text: str) -> None:
        if text.startswith(WARNING):
            write_line(text)

    def summary(self, text: str) -> None:
        """Nothing is shown."""


class Terminal:
    """A live display, which is not even loaded for a build that has nothing to do."""

    def __init__(self) -> None:
        self._live: Live | None = None

    def event(self, event: Event) -> None:
        if self._live is None:
            from hermes.cli.live import Live

            self._live = Live()
        self._live.event(event)

    def say(self, text: str) -> None:
        if self._live is None:
            write_line(text)
        else:
            self._live.say(text)

    def summary(self, text: str) -> None:
        if self._live is None:
            write_line(text)
        else:
            self._live.summary(text)

    def close(self) -> None:
        """Take the display off the terminal."""
        if self._live is not None:
            self._live.close()
