"""The logs of CI systems: sections, warnings and errors at their lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermes.cli.progress import display
from hermes.engine.events import ActionFinished, ActionPrinted, ActionStarted, BuildStarted, Warned
from hermes.errors import ActionError, BuildFailed, BuildFileError, HermesError, SourceLocation


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "app/web").mkdir(parents=True)
    (tmp_path / "app/BUILD").touch()
    (tmp_path / "app/web/Dockerfile").touch()
    monkeypatch.chdir(tmp_path / "app/web")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    for name in ("GITHUB_ACTIONS", "GITLAB_CI"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def shown(capsys: pytest.CaptureFixture[str], error: HermesError | None = None) -> str:
    def build() -> None:
        with display(quiet=False, dockerfile="Dockerfile") as screen:
            screen.event(BuildStarted(2, 2))
            for name in "ab":
                screen.event(ActionStarted(f"run.{name}", f"Dockerfile:{name}", "run", 1.0, "RUN 50%"))
            for text in ("::error::no", "two"):
                for name in "ab":
                    screen.event(ActionPrinted(f"run.{name}", f"Dockerfile:{name}", "run", text))
            screen.event(ActionFinished("run.a", "Dockerfile:a", "run", "key", 1.0, 2.0))
            screen.event(Warned("50% are\nold"))
            if error:
                raise error

    if error:
        with pytest.raises(HermesError):
            build()
    else:
        build()
    return capsys.readouterr().err


def test_github_shows_sections_and_warnings(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert shown(capsys) == (
        "Dockerfile:a RUN 50%\n"
        "Dockerfile:b RUN 50%\n"
        "::group::[1/2] Dockerfile:a RUN 50%25 1.0s\n"
        "Dockerfile:a | ::error::no\n"
        "Dockerfile:a | two\n"
        "::endgroup::\n"
        "::warning::50%25 are%0Aold\n"
    )


def test_gitlab_shows_sections(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITLAB_CI", "true")
    monkeypatch.setattr("hermes.cli.ci.time.time", lambda: 1234.5)
    assert shown(capsys).split("\n")[2:] == [
        "\x1b[0Ksection_start:1234:run.a[collapsed=true]\r\x1b[0K[1/2] Dockerfile:a RUN 50% 1.0s",
        "Dockerfile:a | ::error::no",
        "Dockerfile:a | two",
        "\x1b[0Ksection_end:1234:run.a\r\x1b[0K",
        "warning: 50% are",
        "old",
        "",
    ]


PLACE = SourceLocation("app/BUILD", 3, 5, "image(nam)")


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        (
            BuildFileError("there is no attribute 'nam'", hint="name", location=PLACE),
            [
                "::error file=app/BUILD,line=3,col=5::app/BUILD:3:5: there is no attribute 'nam'"
                "%0A  image(nam)%0A      ^%0Ahint: name"
            ],
        ),
        (
            BuildFailed(
                {
                    "//app:a": BuildFileError(
                        "//app:a: it ended with 1", location=SourceLocation("app/BUILD", 7)
                    ),
                    "Dockerfile:4": ActionError("Dockerfile:4: it ended with 2"),
                    "//app:b (Other:2)": ActionError("//app:b (Other:2): it ended with 3"),
                }
            ),
            [
                "::error file=app/BUILD,line=7::app/BUILD:7: //app:a: it ended with 1",
                "::error file=app/web/Dockerfile,line=4::Dockerfile:4: it ended with 2",
                "::error file=app/web/Other,line=2:://app:b (Other:2): it ended with 3",
            ],
        ),
        (BuildFileError("all is wrong"), ["::error::all is wrong"]),
    ],
)
def test_github_shows_errors_at_their_lines(
    error: HermesError,
    lines: list[str],
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    told = shown(capsys, error).split("\n")
    assert [one for one in told if one.startswith("::error")] == lines


def test_plain_lines_can_be_asked_for_on_ci(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    with display(quiet=False, progress="plain") as screen:
        screen.event(Warned("look out"))
    assert capsys.readouterr().err == "warning: look out\n"
