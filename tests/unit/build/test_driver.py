"""The driver of builds, over a real store, with actions that need no namespace."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hermes.actions.specs.fetch import Fetch
from hermes.actions.specs.spec import Spec
from hermes.actions.specs.write import Write
from hermes.build.driver import Driver, How, Job
from hermes.build.memory.keys import keys_of
from hermes.digest import canonical_json
from hermes.engine.action import Action, ActionGraph
from hermes.engine.events import BuildStarted, Event, Warned
from hermes.engine.scheduler import LastResult, Report
from hermes.errors import BuildFailed
from hermes.registry.settings import Registries
from hermes.workspace.root import Settings

PLAIN = How(Settings())


class NoSources:
    def seen(self, path: str) -> Any:
        raise AssertionError(path)


def action(name: str, spec: Spec[Any]) -> Action:
    params, unkeyed = (canonical_json(one).decode() for one in (spec.params(), spec.unkeyed()))
    return Action(name, f"//:{name}", spec.kind, params, (), spec.outputs, unkeyed=unkeyed)


def graph(**specs: Spec[Any]) -> ActionGraph:
    found = ActionGraph()
    for name, spec in specs.items():
        found.add(action(name, spec))
    return found


class Builds:
    """Runs graphs with the store at ``home``, each by a driver of its own."""

    def __init__(self, home: Path, root: Path) -> None:
        self.home = home
        self.root = root
        self.events: list[Event] = []

    def driver(self) -> Driver:
        return Driver(self.home, [self.events.append], Registries)

    def job(self, found: ActionGraph, **fields: Any) -> Job:
        return Job(found, list(found.actions), NoSources(), self.root, **fields)

    def run(self, found: ActionGraph, how: How = PLAIN, **fields: Any) -> Report:
        driver = self.driver()
        return driver.run(lambda _: driver.execute(self.job(found, **fields), how))

    def keys(self, called: str) -> list[str]:
        """What `hermes explain` has of an action."""
        driver = self.driver()
        return driver.run(lambda _: keys_of(driver.store, self.root, called))

    @property
    def warnings(self) -> list[str]:
        return [one.message for one in self.events if isinstance(one, Warned)]


@pytest.fixture
def builds(home: Path, tmp_path: Path) -> Builds:
    return Builds(home, tmp_path)


TWO = graph(a=Write(content="a"), b=Write(content="b"))
MISSING = Fetch(sha256="0" * 64, urls=("file:///nonexistent",))


def test_what_has_a_result_is_not_run_again(builds: Builds) -> None:
    assert sorted(builds.run(TWO).executed) == ["a", "b"]
    assert builds.run(TWO).executed == []


def test_without_the_cache_every_action_runs_once_and_its_result_is_kept(builds: Builds) -> None:
    builds.run(TWO)
    assert sorted(builds.run(TWO, How(Settings(), use_cache=False)).executed) == ["a", "b"]
    assert builds.run(TWO).executed == []


@pytest.mark.parametrize(
    ("settings", "option", "expected"),
    [(None, None, len(os.sched_getaffinity(0))), (3, None, 3), (3, 2, 2), (None, 5, 5)],
)
def test_options_say_how_many_run_at_once_and_settings_where_those_do_not(
    builds: Builds, settings: int | None, option: int | None, expected: int
) -> None:
    builds.run(TWO, How(Settings(jobs=settings), jobs=option))
    assert [one.jobs for one in builds.events if isinstance(one, BuildStarted)] == [expected]


def test_the_keys_of_what_ran_are_known_by_the_names_that_the_job_gives(builds: Builds) -> None:
    known = builds.run(TWO, called="Dockerfile/{}".format).known
    assert builds.keys("Dockerfile/a") == [known["a"].key]
    assert builds.keys("a") == []


def test_a_build_that_fails_reports_and_remembers_what_ran(builds: Builds) -> None:
    driver = builds.driver()
    found = graph(a=Write(content="a"), b=MISSING)
    with pytest.raises(BuildFailed):
        driver.run(lambda _: driver.execute(builds.job(found), How(Settings(), jobs=1, keep_going=True)))
    assert driver.report.executed == ["a"]
    assert builds.keys("a") == [driver.report.known["a"].key]


def reading(builds: Builds, driver: Driver, known: dict[str, LastResult]) -> Callable[[bool], bytes]:
    """Return a build that takes the actions of the last one for granted at first, and then reads its file."""

    def build(fresh: bool) -> bytes:
        job = builds.job(TWO) if fresh else builds.job(TWO, known=known, dirty=[])
        report = driver.execute(job, PLAIN)
        return driver.store.blobs.read(report.known["a"].outputs["file"].digest)

    return build


def test_a_blob_that_is_gone_is_made_again(builds: Builds) -> None:
    known = builds.run(TWO).known
    driver = builds.driver()
    os.unlink(driver.store.blobs.path(known["a"].outputs["file"].digest))
    assert driver.run(reading(builds, driver, known)) == b"a"
    assert driver.report.executed == ["a"]
    assert [text for text in builds.warnings if text.endswith("; building what gives it again")]


def test_an_error_that_is_no_missing_blob_is_not_tried_twice(builds: Builds) -> None:
    asked = []
    driver = builds.driver()

    def build(fresh: bool) -> Report:
        asked.append(fresh)
        return driver.execute(builds.job(graph(b=MISSING)), PLAIN)

    with pytest.raises(BuildFailed):
        driver.run(build)
    assert asked == [False]


@pytest.mark.parametrize("last", [Write(content="c"), MISSING])
def test_a_damaged_cache_is_told_of_whatever_comes_of_the_build(builds: Builds, last: Spec[Any]) -> None:
    builds.run(TWO)
    for one in (builds.home / "results").glob("cache.db*"):
        one.write_bytes(b"this is no database" * 1000)
    try:
        builds.run(graph(c=last))
    except BuildFailed:
        assert last is MISSING
    assert builds.warnings == ["the result cache was damaged; a new one has been started"]
