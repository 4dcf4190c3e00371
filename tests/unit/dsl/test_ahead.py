"""Compiling on other cores: names keep their order, the others do the rest, and no process is left."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hermes.build.options import BuildOptions
from hermes.build.session import Session
from hermes.dsl import ahead
from hermes.errors import BuildFileError
from hermes.store import Store

_COUNT = ahead._LEAST + 3 * ahead._MISSES


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})


@pytest.fixture
def names() -> list[str]:
    return [f"p{number:04}" for number in range(_COUNT)]


def _has_child() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} was not compiled"
        time.sleep(0.005)


def test_another_process_compiles_from_the_last_name_on(tmp_path: Path, names: list[str]) -> None:
    def compile_all(rest: Iterator[str]) -> None:
        for name in rest:
            (tmp_path / name).write_text(str(os.getpid()))

    seen: list[str] = []
    for name in ahead.in_turn(names, lambda: len(seen), compile_all):
        seen.append(name)
        if len(seen) > ahead._MISSES + 1:
            _wait_for(tmp_path / names[ahead._MISSES + 2])
    assert seen == names
    assert max(path.name for path in tmp_path.iterdir()) == names[-1]
    assert {path.read_text() for path in tmp_path.iterdir()}.isdisjoint({str(os.getpid())})
    assert not _has_child()


@pytest.mark.parametrize("misses", [0, ahead._MISSES - 1])
def test_no_process_is_started_where_few_files_are_new(
    names: list[str], misses: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fork() -> int:
        raise AssertionError

    monkeypatch.setattr(os, "fork", fork)
    counts = iter([0])
    assert list(ahead.in_turn(names, lambda: next(counts, misses), lambda rest: None)) == names


def test_a_failure_in_another_process_is_silent_and_leaves_none(
    names: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    def compile_all(rest: Iterator[str]) -> None:
        raise RuntimeError(next(rest))

    misses = iter(range(10**6))
    assert list(ahead.in_turn(names, lambda: next(misses), compile_all)) == names
    assert not _has_child()
    assert capfd.readouterr() == ("", "")


def test_what_stops_early_waits_for_the_other_process(names: list[str]) -> None:
    misses = iter(range(10**6))
    turn = ahead.in_turn(names, lambda: next(misses), lambda rest: [time.sleep(0.01) for _ in rest] and None)
    for _, _name in zip(range(2 * ahead._MISSES), turn, strict=False):
        pass
    turn.close()
    assert not _has_child()


def test_a_workspace_loads_the_same_targets_and_the_first_error(tmp_path: Path, names: list[str]) -> None:
    root = tmp_path / "workspace"
    for name in names:
        (root / name).mkdir(parents=True)
        (root / name / "BUILD").write_text(f"files_layer(name = 'layer', files = {{'/{name}': 'BUILD'}})\n")
    (root / "hermes.yaml").touch()

    def loaded(home: Path) -> tuple[list[str], int]:
        with closing(Store.open(home)) as store:
            session = Session.open(root, store, BuildOptions(), lambda _: None)
            labels = session.labels(["//..."], "")
        return list(map(str, labels)), len(list((home / "compiled").iterdir()))

    labels, compiled = loaded(tmp_path / "home")
    assert labels == [f"//{name}:layer" for name in names]
    assert compiled >= _COUNT
    (root / names[-2] / "BUILD").write_text("nonsense(\n")
    (root / names[-1] / "BUILD").write_text("nonsense = = 2\n")
    with pytest.raises(BuildFileError) as caught:
        loaded(tmp_path / "home2")
    assert caught.value.location is not None
    assert caught.value.location.file == f"{names[-2]}/BUILD"
    assert not _has_child()
