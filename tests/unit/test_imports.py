"""The imports of `hermes` form no circle: each module can be read with only those that it imports.

Imports in functions and under TYPE_CHECKING count, and so do those of a package's ``__init__``, which the contracts of
import-linter leave out, and those of the command line, which imports its commands by name.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import grimp
import networkx as nx
import pytest

from hermes.cli import ctr, main, s2i


def circles(package: str, by_name: Iterable[tuple[str, str]] = ()) -> list[list[str]]:
    """Return the sets of modules that import each other; ``by_name`` are imports that are not statements."""
    graph = grimp.build_graph(package, exclude_type_checking_imports=False, cache_dir=None)
    imports = nx.DiGraph(by_name)
    for module in graph.modules:
        imports.add_edges_from((module, one) for one in graph.find_modules_directly_imported_by(module))
    itself = [[module] for module in nx.nodes_with_selfloops(imports)]
    return [sorted(one) for one in nx.strongly_connected_components(imports) if len(one) > 1] + itself


def test_no_modules_import_each_other() -> None:
    commands = [(main.__name__, f"hermes.cli.{module}") for module, _ in main._COMMANDS.values()]
    commands += [(ctr.__name__, f"hermes.cli.{module}") for module in ctr._MORE.values()]
    commands += [(s2i.__name__, f"hermes.cli.{module}") for module, _ in s2i._MORE.values()]
    assert circles("hermes", commands) == []


@pytest.mark.parametrize(
    "again",
    [
        "import {name}.a\n",
        "def f() -> None:\n    from {name}.a import g\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from {name} import a\n",
    ],
)
def test_imports_of_every_form_are_seen(again: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"sample_{tmp_path.name}"
    folder = tmp_path / name
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "a.py").write_text(f"from {name} import b\n\ndef g() -> None: ...\n")
    (folder / "b.py").write_text(again.format(name=name))
    monkeypatch.syspath_prepend(tmp_path)
    assert circles(name) == [[f"{name}.a", f"{name}.b"]]
