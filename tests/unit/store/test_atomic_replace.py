"""What is written beside a target, and what is left of it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hermes.store.atomic_replace import beside, replace_folder


@pytest.fixture
def dead() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_the_dead_left_is_removed_and_nothing_else(tmp_path: Path, dead: int) -> None:
    target = tmp_path / "it.tar"
    stays = [f".it.tar.{os.getppid()}~", f".it.tar.{dead}", f".other.{dead}~", ".it.tar.x~", "it.tar"]
    goes = [f".it.tar.{dead}~", f".it.tar.{os.getpid()}~"]
    for name in stays + goes:
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (0, 0))
    assert beside(target) == tmp_path / goes[1]
    assert sorted(os.listdir(tmp_path)) == sorted(stays)


def test_what_was_written_a_moment_ago_may_be_somebodys_of_another_machine(tmp_path: Path, dead: int) -> None:
    (tmp_path / f"it.{dead}~").mkdir()
    beside(tmp_path / "it", hidden=False)
    assert os.listdir(tmp_path) == [f"it.{dead}~"]


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_folder_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, exchanges: bool) -> None:
    if not exchanges:
        monkeypatch.setattr("hermes.store.atomic_replace._exchange", lambda *_: False)
    for content in ("first", "second"):
        new = tmp_path / "new"
        new.mkdir()
        (new / content).touch()
        replace_folder(new, tmp_path / "it")
        assert [os.listdir(tmp_path), os.listdir(tmp_path / "it")] == [["it"], [content]]


def test_a_folder_is_there_at_any_moment(tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.mkdir()
    missed, done = [], threading.Event()

    def look() -> None:
        while not done.is_set():
            if not path.exists():
                missed.append(path)

    watcher = threading.Thread(target=look)
    watcher.start()
    for _ in range(100):
        new = tmp_path / "new"
        new.mkdir()
        for number in range(10):
            (new / str(number)).touch()
        replace_folder(new, path)
    done.set()
    watcher.join()
    assert not missed
