"""`hermes init`: what it writes is built, tested and run by what it prints."""

from __future__ import annotations

import os
import pty
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from hermes.api.starting import TEMPLATES
from tests.conftest import run_hermes


@pytest.mark.network
@pytest.mark.parametrize("template", TEMPLATES)
def test_what_it_prints_is_all_that_one_needs(tmp_path: Path, home: Path, template: str) -> None:
    done = run_hermes("init", "shop", "--template", template, cwd=tmp_path, home=home)
    assert done.returncode == 0, done.stderr
    for path in done.stdout.splitlines():
        assert (tmp_path / path).is_file()
    cd, *lines = [
        shlex.split(line, comments=True) for line in done.stderr.split("\n\n")[-1].strip().splitlines()
    ]
    assert cd == ["cd", "shop"]
    assert [line[:2] for line in lines] == [["hermes", "build"], ["hermes", "test"], ["hermes", "run"]]
    for line in lines if "-p" not in lines[-1] else lines[:-1]:  # a service does not end
        done = run_hermes(*line[1:], cwd=tmp_path / "shop", home=home)
        assert done.returncode == 0, done.stderr
        if line[1] == "run":
            assert done.stdout == "Hello, Ada!\n"
    done = run_hermes("test", cwd=tmp_path / "shop/app", home=home)
    assert (done.returncode, "(cached) PASSED" in done.stdout) == (0, True), done.stderr


def test_it_asks_on_a_terminal_and_nowhere_else(tmp_path: Path, home: Path) -> None:
    done = run_hermes("init", "a", cwd=tmp_path, home=home, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert "--template python, node, program, debian, dockerfile" in done.stderr
    assert not (tmp_path / "a").exists()
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "hermes", "init", "a", "--no-lock"],
        cwd=tmp_path,
        env={**os.environ, "HERMES_HOME": str(home)},
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    os.close(theirs)
    os.write(ours, b"nothing\n4\n")
    printed, _ = process.communicate(timeout=60)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert process.returncode == 0, shown
    assert "1  python      a web service in Python" in shown
    assert "'nothing' is not one of" in shown
    assert "a/app/greet.sh" in printed.splitlines()


def test_a_folder_that_is_no_package_has_nothing_to_build_or_test(tmp_path: Path, home: Path) -> None:
    (tmp_path / "hermes.yaml").touch()
    for command in ("build", "test"):
        done = run_hermes(command, cwd=tmp_path, home=home)
        assert done.returncode == 2
        assert "no PATTERN is given, and the current folder is not a package" in done.stderr
        assert "//..." in done.stderr
    (tmp_path / "BUILD").write_text('filegroup(name = "a", srcs = ["BUILD"])\n')
    done = run_hermes("build", cwd=tmp_path, home=home)
    assert done.returncode == 0, done.stderr
