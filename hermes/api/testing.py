"""``hermes test``: the tests of targets are run, and what came of each is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from hermes.build.incremental import build
from hermes.build.options import BuildOptions
from hermes.build.result import BuildResult, BuiltOutput
from hermes.build.test_options import TestOptions
from hermes.engine.events import ActionFailed, ActionFinished
from hermes.errors import BuildFailed, HermesError, TestFailed
from hermes.testing.report import Report
from hermes.workspace.location import Location

if TYPE_CHECKING:
    from hermes.engine.events import Event, Subscriber

Status = Literal["passed", "failed", "timed out", "no cases", "not run"]

KIND = "test"
"""The kind of action that runs a test."""


class Run(NamedTuple):
    """One run of a test: what came of it, the path of its log if it is known, and whether it was run now."""

    report: Report
    log: str = ""
    is_cached: bool = False


class Tested(NamedTuple):
    """What came of one test target: its runs, or the ``error`` for which it did not run."""

    label: str
    runs: tuple[Run, ...] = ()
    error: HermesError | None = None

    @property
    def status(self) -> Status:
        if self.error is not None or not self.runs:
            return "not run"
        if any(one.report.timed_out for one in self.runs):
            return "timed out"
        if not all(one.report.passed for one in self.runs):
            return "failed"
        return "passed" if any(one.report.cases for one in self.runs) else "no cases"

    @property
    def is_cached(self) -> bool:
        return bool(self.runs) and all(one.is_cached for one in self.runs)

    @property
    def milliseconds(self) -> int:
        return sum(one.report.milliseconds for one in self.runs)

    @property
    def failed_runs(self) -> int:
        return sum(not one.report.passed for one in self.runs)


@dataclass(frozen=True, slots=True)
class TestResult:
    """What came of tests, in the order of their labels; ``failure`` is the error of a build in which something failed."""

    __test__ = False

    tests: tuple[Tested, ...]
    failure: BuildFailed | None = None

    @property
    def error(self) -> BuildFailed | None:
        """The failure if not only tests failed."""
        failures = self.failure.failures.values() if self.failure else ()
        return self.failure if any(not isinstance(one, TestFailed) for one in failures) else None

    @property
    def passed(self) -> bool:
        return self.failure is None and all(one.status in ("passed", "no cases") for one in self.tests)


def run_tests(
    where: Location,
    patterns: Sequence[str],
    options: BuildOptions,
    subscribers: Sequence[Subscriber] = (),
    say: Callable[[str], None] = lambda _: None,
) -> TestResult:
    """Run the tests that ``patterns`` mean; see `hermes.Workspace.test`."""
    if options.tests is None:
        options = replace(options, tests=TestOptions())
    seen = _Seen()
    failed = None
    try:
        result: BuildResult | BuildFailed = build(where, patterns, options, [*subscribers, seen.event], say)
    except BuildFailed as failure:
        result = failed = failure
    done = result.done if isinstance(result, BuildFailed) else result.targets
    failures = result.failures if isinstance(result, BuildFailed) else {}
    labels = sorted({*done, *failures, *seen.failed})
    return TestResult(
        tuple(_tested(label, done.get(label, ()), failures.get(label), seen) for label in labels), failed
    )


class _Seen:
    """What events said of tests, by the labels of their targets."""

    def __init__(self) -> None:
        self.executed: set[str] = set()
        self.failed: dict[str, list[TestFailed]] = {}

    def event(self, event: Event) -> None:
        if isinstance(event, ActionFinished) and event.kind == KIND:
            self.executed.add(event.owner)
        elif isinstance(event, ActionFailed) and isinstance(event.error, TestFailed):
            self.failed.setdefault(event.owner, []).append(event.error)


def _tested(label: str, outputs: Sequence[BuiltOutput], error: HermesError | None, seen: _Seen) -> Tested:
    runs = [Run(Report.from_json(dict(one.report)), one.log) for one in seen.failed.get(label, ())]
    for one in outputs:
        with open(one.path, "rb") as file:
            runs.append(Run(Report.load(file.read()), "", label not in seen.executed))
    return Tested(label, tuple(runs), None if isinstance(error, TestFailed) else error)
