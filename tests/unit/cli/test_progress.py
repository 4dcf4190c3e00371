"""What builds show: plain lines with what commands print, nothing, and which of them fits."""

from __future__ import annotations

import io
import sys

import pytest

from hermes.cli.main import hermes, status_of
from hermes.cli.progress import display
from hermes.engine.events import (
    ActionFailed,
    ActionFinished,
    ActionPrinted,
    ActionStarted,
    BuildStarted,
    Warned,
)
from hermes.errors import BuildError


def shown(capsys: pytest.CaptureFixture[str], *, quiet: bool = False, progress: str = "auto") -> str:
    with display(quiet=quiet, progress=progress) as screen:
        screen.event(BuildStarted(2, 1))
        screen.event(ActionStarted("a", "Dockerfile:2", "run", 1.0, "RUN make"))
        screen.event(ActionPrinted("a", "Dockerfile:2", "run", "one\ntwo"))
        screen.event(ActionPrinted("a", "Dockerfile:2", "run", "three"))
        screen.event(ActionFinished("a", "Dockerfile:2", "run", "key", 1.0, 2.5))
        screen.event(Warned("look out"))
        screen.event(ActionFailed("b", "Dockerfile:3", "run", BuildError("no"), 1.0, 2.0))
        screen.event(BuildStarted(3, 1))
        screen.event(ActionFinished("c", "Dockerfile:4", "copy", "key", 1.0, 1.0))
        screen.summary("done")
    return capsys.readouterr().err


LINES = """\
Dockerfile:2 RUN make
Dockerfile:2 | one
Dockerfile:2 | two
Dockerfile:2 | three
[1/2] Dockerfile:2 RUN make 1.5s
warning: look out
[2/2] Dockerfile:3 run FAILED
[3/5] Dockerfile:4 copy 0.0s
done
slowest: 1.5s Dockerfile:2 RUN make
"""


@pytest.mark.parametrize("progress", ["auto", "plain"])
def test_plain_lines_say_what_commands_print(capsys: pytest.CaptureFixture[str], progress: str) -> None:
    assert shown(capsys, progress=progress) == LINES


@pytest.mark.parametrize(("quiet", "progress"), [(True, "auto"), (False, "quiet"), (True, "plain")])
def test_quiet_says_warnings_alone(capsys: pytest.CaptureFixture[str], quiet: bool, progress: str) -> None:
    assert shown(capsys, quiet=quiet, progress=progress) == "warning: look out\n"


def test_a_live_display_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    told = shown(capsys, progress="tty")
    assert "Dockerfile:3 run failed" in told
    assert "warning: look out" in told
    assert "[1/2]" not in told


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variables", "is_colored"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_errors_are_colored_on_a_terminal_that_wants_it(
    variables: dict[str, str], is_colored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert status_of(["inspect", "a b"]) == 2
    assert terminal.getvalue().startswith("\x1b[1;31merror:\x1b[0m " if is_colored else "error: ")


@pytest.mark.parametrize(("kind", "last"), [(_Terminal, "error: it failed"), (io.StringIO, "29")])
def test_a_long_error_on_a_terminal_ends_with_what_it_begins_with(
    kind: type[io.StringIO], last: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise BuildError("\n".join(["it failed", *map(str, range(30))]))

    monkeypatch.setattr(hermes, "main", fail)
    monkeypatch.setattr(sys, "stderr", kind())
    monkeypatch.setenv("NO_COLOR", "1")
    assert status_of([]) == 1
    lines = sys.stderr.getvalue().splitlines()  # type: ignore[attr-defined]
    assert (lines[0], lines[-1]) == ("error: it failed", last)
