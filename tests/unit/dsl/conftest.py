"""BUILD files, evaluated without building anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hermes.dsl.package import Package
from hermes.dsl.packages import Packages
from hermes.store import Store
from hermes.workspace.listing import Folders
from hermes.workspace.sources import FileIndex


class Evaluator:
    """Evaluates packages of a folder; ``said`` is what they print."""

    def __init__(self, root: Path, store: Store) -> None:
        self.root = root
        self.said: list[str] = []
        self._store = store

    def write(self, path: str, text: str) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def package(self, name: str) -> Package:
        packages = Packages(Folders(self.root), FileIndex(self.root), self._store, self.said.append)
        return packages.package(name)

    def __call__(self, text: str) -> Package:
        """Evaluate a BUILD file."""
        self.write("pkg/BUILD", text)
        return self.package("pkg")


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store for what is compiled, which goes by content: the rules that come with Hermes are compiled once."""
    opened = Store.open(tmp_path_factory.mktemp("compiled"))
    yield opened
    opened.close()


@pytest.fixture
def evaluate(tmp_path: Path, compiled: Store) -> Evaluator:
    return Evaluator(tmp_path / "workspace", compiled)


@pytest.fixture
def printed(evaluate: Evaluator) -> Callable[[str], list[str]]:
    """Evaluate a .bzl file and return what it prints, without where."""

    def run(text: str) -> list[str]:
        evaluate.write("pkg/code.bzl", text + "\ndone = True\n")
        del evaluate.said[:]
        evaluate('load(":code.bzl", "done")\n')
        return [line.partition(": ")[2] if ".bzl:" in line else line for line in evaluate.said]

    return run
