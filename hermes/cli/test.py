"""``hermes test``."""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from hermes.cli.build_options import build_options, event_file_options, quiet_option
from hermes.cli.completion import labels
from hermes.cli.lines import colored_output
from hermes.cli.options import (
    patterns_or_here,
    progress_option,
)
from hermes.cli.progress import display, event_files
from hermes.errors import BuildFailed, CommandFailed, NoTests, TestFailed, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hermes.api.testing import Run, Tested, TestResult
    from hermes.build.options import BuildOptions
    from hermes.engine.events import Event

OUTPUTS: Final = ("errors", "all", "streamed")
_WIDTH: Final = 60
_COLORS: Final = {"passed": "32", "no cases": "33"}
_FAILED: Final = "1;31"


@click.command("test")
@click.argument("patterns", nargs=-1, metavar="[PATTERN...]", shell_complete=labels)
@progress_option
@build_options
@quiet_option
@click.option(
    "--test-output",
    "shown",
    type=click.Choice(OUTPUTS),
    default="errors",
    show_default=True,
    help="Show the logs of tests that failed, of all, or as they come.",
)
@click.option("--test-filter", "case", default="", metavar="REGEX", help="Run only cases whose names match.")
@click.option(
    "--runs",
    type=click.IntRange(1, 10_000),
    default=1,
    metavar="N",
    help="Run each test N times, whatever is cached.",
)
@click.option(
    "--test-timeout",
    "seconds",
    type=click.IntRange(1),
    metavar="SECONDS",
    help="End every test after this time, whatever its size and timeout say.",
)
@click.option(
    "--test-tag-filters",
    "tags",
    default="",
    metavar="TAG,-TAG",
    help="Run only tests with these tags, or without.",
)
@click.option(
    "--test-size-filters",
    "sizes",
    default="",
    metavar="SIZE,-SIZE",
    help="Run only tests of these sizes, or of others.",
)
@click.option("--no-cache", "again", is_flag=True, help="Run tests again that are known to pass.")
@click.option(
    "--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write what came of them as JUnit XML."
)
@event_file_options
def command(
    patterns: tuple[str, ...],
    options: BuildOptions,
    quiet: bool,
    progress: str,
    shown: str,
    case: str,
    runs: int,
    seconds: int | None,
    tags: str,
    sizes: str,
    again: bool,
    junit: Path | None,
    profile: Path | None,
    events: Path | None,
) -> None:
    """Run tests of images, and build what they need.

    PATTERN is as for hermes build; of the targets that it names, those of image_test, command_test, http_test and of
    other rules for tests are run. A test that passed runs again when something that it depends on has changed.

    The exit status is 0 when all passed, 3 when one failed, 4 when there is no test, and that of hermes build when
    something could not be built.

    \b
    hermes test //...
    hermes test //app:test --test-output streamed --no-cache
    hermes test //... --junit report.xml --test-tag-filters=-slow
    """
    from hermes.api.workspace import Workspace
    from hermes.build.test_options import TestOptions

    started = time.monotonic()
    options = replace(
        options,
        tests=TestOptions(case, runs, seconds or 0, _words(tags), _words(sizes), again),
    )
    if junit is not None and not junit.absolute().parent.is_dir():
        raise UsageError(f"--junit {junit}: {junit.absolute().parent} is not a folder")
    with suppress(BuildFailed), ExitStack() as closing:
        screen = closing.enter_context(display(quiet=quiet, progress=progress))

        def show(event: Event) -> None:
            if shown == "streamed" or type(event).__name__ != "ActionPrinted" or event.kind != "test":  # type: ignore[union-attr]
                screen.event(event)

        written = closing.enter_context(event_files(profile, events))
        workspace = Workspace(subscribers=[show, *written], say=screen.say)
        result = workspace.test(patterns_or_here(patterns), options)
        screen.summary(_summary(result, time.monotonic() - started))
        if result.failure is not None:
            raise result.failure  # the log of a CI system gets annotations
    if junit is not None:
        _write(junit, result)
    for line in _lines(result, shown, quiet=quiet):
        click.echo(line)
    _end(result, case)


def _words(text: str) -> tuple[str, ...]:
    return tuple(filter(None, (one.strip().removeprefix("+") for one in text.split(","))))


def _summary(result: TestResult, seconds: float) -> str:
    statuses = [one.status for one in result.tests]
    count = len(statuses)
    parts = [f"{statuses.count('passed')} of {count} test{'s' if count != 1 else ''} passed"]
    if cached := sum(one.is_cached for one in result.tests):
        parts.append(f"{cached} cached")
    for status, words in (
        ("failed", "failed"),
        ("timed out", "timed out"),
        ("no cases", "without cases"),
        ("not run", "not run"),
    ):
        number = sum(one == status for one in statuses)
        parts += [f"{number} {words}"] if number else []
    return f"{', '.join(parts)}, {seconds:.2f}s"


def _lines(result: TestResult, shown: str, *, quiet: bool) -> Iterator[str]:
    for one in result.tests:
        is_fine = one.status in _COLORS
        if not (quiet and is_fine):
            yield f"{one.label:{_WIDTH}} {_verdict(one)}"
        for number, run in enumerate(one.runs, 1):
            name = f" (run {number} of {len(one.runs)})" if len(one.runs) > 1 else ""
            if not run.report.passed:
                yield from _failure(run, name)
            if shown == "all" or (shown == "errors" and not run.report.passed):
                yield from _log(run, name)


def _verdict(tested: Tested) -> str:
    words = colored_output(tested.status.upper(), _COLORS.get(tested.status, _FAILED))
    if tested.status == "not run":
        return words
    if len(tested.runs) > 1:
        words += (
            f" in {tested.failed_runs} of {len(tested.runs)} runs"
            if tested.failed_runs
            else f" {len(tested.runs)} times"
        )
    took = f"{tested.milliseconds / 1000:.1f}s"
    return f"{'(cached) ' if tested.is_cached else ''}{words} in {took}"


def _failure(run: Run, name: str) -> Iterator[str]:
    for case in run.report.failures:
        yield f"  {case.name}{name}"
        for error in case.errors:
            yield from (f"    {line}" for line in error.split("\n"))
    if run.report.timed_out:
        yield f"  took too long, and was ended{name}; raise its size or timeout if it may take so long"


def _log(run: Run, name: str) -> Iterator[str]:
    printed = [one for one in run.report.cases if one.stdout or one.stderr]
    for case in printed:
        yield f"  -- {case.name}{name}"
        for text in (case.stdout, case.stderr):
            yield from (f"  | {line}" for line in text.splitlines())
    if run.log:
        yield f"  full log: {run.log}"


def _write(path: Path, result: TestResult) -> None:
    from hermes.testing.junit import Suite, document

    suites = []
    for one in result.tests:
        if not one.runs:
            suites.append(Suite(one.label, error=one.error.render() if one.error else "it was not run"))
        for number, run in enumerate(one.runs, 1):
            suites.append(
                Suite(one.label if len(one.runs) == 1 else f"{one.label} (run {number})", run.report)
            )
    try:
        path.write_bytes(document(suites))
    except OSError as error:
        raise UsageError(f"--junit {path}: {error.strerror}") from error


def _end(result: TestResult, case: str) -> None:
    """Raise what decides the exit status where not all is well."""
    if result.error is not None:
        raise result.error
    if not result.passed:
        raise CommandFailed(TestFailed.exit_status)
    if case and all(one.status == "no cases" for one in result.tests):
        raise NoTests(
            f"--test-filter {case} matches no case", hint="names are such as 'Command Test: version'"
        )
