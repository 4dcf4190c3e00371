"""The logs of CI systems: what a command printed is a section that can be opened, errors are shown at their lines.

See "Workflow commands for GitHub Actions" and "Custom collapsible sections" of GitLab.
"""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from hermes.cli.lines import write_line
from hermes.cli.plain import Plain
from hermes.errors import BuildFailed, HermesError

_MOST_LINES: Final = 20_000
"""How many lines of a command are kept until it ends; all are in its log."""
_PLACE: Final = re.compile(r"(?:^|[ (])(?P<file>[^\s:()]+):(?P<line>\d+)(?::(?P<column>\d+))?(?=[:)\s]|$)")


class CiLog(Protocol):
    """The form of a CI system's log."""

    def begin(self, name: str, title: str) -> None:
        """Begin a section; ``name`` tells it from others."""
        ...

    def end(self, name: str) -> None:
        """End it."""
        ...

    def warn(self, text: str) -> bool:
        """Show a warning as the system does; False where it has no form for it."""
        ...

    def annotate(self, error: HermesError, dockerfile: str) -> None:
        """Show an error at its line; ``dockerfile`` is the path of the file that errors call by its name alone."""
        ...


class Grouped(Plain):
    """Shows what a command printed in one piece, when it has ended: sections can't be open side by side."""

    def __init__(self, log: CiLog) -> None:
        super().__init__()
        self._log = log
        self._printed: dict[str, deque[str]] = {}

    def printed(self, action: str, lines: list[str]) -> None:
        self._printed.setdefault(action, deque(maxlen=_MOST_LINES)).extend(lines)

    def ended(self, action: str, text: str) -> None:
        lines = self._printed.pop(action, None)
        if not lines:
            self.say(text)
            return
        self._log.begin(action, text)
        for line in lines:
            self.say(line)
        self._log.end(action)

    def warn(self, text: str) -> None:
        if not self._log.warn(text):
            super().warn(text)


class Annotation(NamedTuple):
    """An error with its place in a file, or none: an empty ``file``. ``line`` and ``column`` count from 1; 0: unknown."""

    file: str
    line: int
    column: int
    text: str


def annotations_of(error: HermesError, dockerfile: str) -> Iterator[Annotation]:
    """Yield each error of a build with its place, where it has one; see `CiLog.annotate`."""
    for one in error.failures.values() if isinstance(error, BuildFailed) else (error,):
        text = one.render()
        first = text.partition("\n")[0]
        found = _PLACE.search(first)
        if one.location is not None:
            yield Annotation(one.location.file, one.location.line, one.location.column, text)
        elif found is None:
            yield Annotation("", 0, 0, text)
        else:
            file = found["file"]
            if dockerfile and os.path.basename(dockerfile) == file:
                file = dockerfile
            yield Annotation(file, int(found["line"]), int(found["column"] or 0), text)


class GitHub:
    """GitHub Actions; ``workspace`` is the folder that files of annotations are named from."""

    def __init__(self, workspace: str) -> None:
        self._workspace = workspace

    def begin(self, name: str, title: str) -> None:
        write_line(f"::group::{_value(title)}")

    def end(self, name: str) -> None:
        write_line("::endgroup::")

    def warn(self, text: str) -> bool:
        write_line(f"::warning::{_value(text)}")
        return True

    def annotate(self, error: HermesError, dockerfile: str) -> None:
        for one in annotations_of(error, dockerfile):
            properties = []
            if one.file:
                properties.append(f"file={_property(self._path(one.file))}")
                properties += [f"line={one.line}"] if one.line else []
                properties += [f"col={one.column}"] if one.column else []
            write_line(
                f"::error {','.join(properties)}::{_value(one.text)}".replace("::error ::", "::error::")
            )

    def _path(self, file: str) -> str:
        """Return a path from the folder of the repository; errors name files from here, or from a folder above."""
        here = Path.cwd()
        found = next((one / file for one in (here, *here.parents) if (one / file).exists()), here / file)
        path = os.path.relpath(os.path.realpath(found), os.path.realpath(self._workspace or here))
        return file if path.startswith("..") else path


class GitLab:
    """GitLab CI, which shows no errors at their lines."""

    def begin(self, name: str, title: str) -> None:
        now = int(time.time())
        write_line(f"\x1b[0Ksection_start:{now}:{_word(name)}[collapsed=true]\r\x1b[0K{title}")

    def end(self, name: str) -> None:
        write_line(f"\x1b[0Ksection_end:{int(time.time())}:{_word(name)}\r\x1b[0K")

    def warn(self, text: str) -> bool:
        return False

    def annotate(self, error: HermesError, dockerfile: str) -> None:
        """Nothing is shown besides the error."""


def _value(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _value(text).replace(":", "%3A").replace(",", "%2C")


def _word(name: str) -> str:
    """Return a name of letters, digits, full stops and underscores."""
    return re.sub(r"[^A-Za-z0-9._]+", "_", name).strip("_") or "step"
