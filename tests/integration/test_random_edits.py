"""What a build remembers of packages never makes its plan another one than one from nothing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from hermes import Workspace
from hermes.build.analyzed import AnalyzedPlan
from hermes.build.memory.records import Record
from hermes.build.memory.snapshot import Snapshots
from hermes.build.options import BuildOptions
from hermes.digest import Digest
from hermes.errors import HermesError
from tests.integration.monorepo import Monorepo
from tests.properties import ALL

EDITS = int(os.environ.get("HERMES_RANDOM_EDITS", "250" if ALL else "40"))
BUILDS: list[tuple[list[str], dict[str, Any]]] = [
    (["//..."], {}),
    (["//..."], {"keep_going": True}),
    (["//..."], {"values": {"mode": "debug"}}),
    (["//...", "-//data/..."], {"platform": "linux/arm64"}),
    (["//app/...", "//lib:all"], {}),
    (["//app:a"], {}),
]


def outcome(root: Path, home: Path, patterns: list[str], options: dict[str, Any]) -> Any:
    """Build, and return what came of it: outputs and counts, or the error."""
    try:
        result = Workspace(root, home=home).build(patterns, **options)
    except HermesError as error:
        return type(error), error.render().replace(str(root), "ROOT")
    assert all(os.path.exists(one.path) for listed in result.targets.values() for one in listed)
    outputs = {
        label: [(one.kind, one.digest, os.path.relpath(one.path, root)) for one in listed]
        for label, listed in result.targets.items()
    }
    return list(outputs.items()), result.cached + len(result.executed)


def linked(root: Path) -> dict[str, str]:
    """Return what is in the output folder, by paths."""
    out = root / "hermes-out"
    return {
        os.path.relpath(path, out): Digest.of(path.read_bytes()).hex
        for path in out.rglob("*")
        if path.is_file()
    }


def remembered(root: Path, home: Path, patterns: list[str], options: dict[str, Any]) -> Any:
    """Return what was remembered: rows, actions, keys and outputs, and the digests of files."""
    key = BuildOptions(**options).key(patterns, "")
    with Snapshots(home, root).memory(key) as memory:
        assert memory is not None
        records = {name: memory.record(name) for name in memory.rows}
        rows = {
            name: row._replace(targets=plain_targets(row, records[name])) for name, row in memory.rows.items()
        }
        actions = {name: record.actions for name, record in records.items()}
        known = {
            name: {one: row[:2] for one, row in record.known.items()} for name, record in records.items()
        }
        provided = {name: record.provided for name, record in records.items()}
        files = {path: row[4:] for record in memory.every() for path, row in record.files.items()}
        listings = {path: row for record in memory.every() for path, row in record.listings.items()}
        return (rows, memory.wanted, memory.settings, actions, known, provided), files, listings


def plain_targets(row: Any, record: Record) -> Any:
    """Return targets without the digests of what is made again each time, as it holds functions."""
    return {
        key: target if record.provided[key] is not None else target._replace(digest=b"")
        for key, target in row.targets.items()
    }


@pytest.mark.timeout(120 + 5 * EDITS)
@pytest.mark.parametrize("seed", range(2))
def test_after_any_edits_a_plan_is_the_one_from_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    repo = Monorepo(tmp_path / "one", seed)
    homes = tmp_path / "home", tmp_path / "other-home"
    other, good = tmp_path / "two", tmp_path / "good"
    from_nothing: list[Path] = []
    make = AnalyzedPlan.make

    def counted(session: Any, *arguments: Any) -> AnalyzedPlan:
        from_nothing.append(session.root)
        return make(session, *arguments)

    monkeypatch.setattr(AnalyzedPlan, "make", counted)
    done, failed = 0, 0
    history: list[str] = []
    for number in range(EDITS):
        history.append(repo.edit() if number else "first")
        build = repo.chance.choices(BUILDS, (6, 4, 3, 2, 2, 2))[0]
        shutil.rmtree(other, ignore_errors=True)
        shutil.copytree(repo.root, other, symlinks=True, ignore=shutil.ignore_patterns("hermes-out"))
        shutil.rmtree(homes[1] / "index", ignore_errors=True)
        ours, expected = outcome(repo.root, homes[0], *build), outcome(other, homes[1], *build)
        assert ours == expected, (number, history[-5:], build)
        if isinstance(expected[0], type):
            failed += 1
            assert linked(other).items() <= linked(repo.root).items(), (number, history[-5:], build)
            if good.is_dir() and repo.chance.random() < 0.7:
                repo.restore(good)
            continue
        done += 1
        shutil.rmtree(good, ignore_errors=True)
        shutil.copytree(other, good, symlinks=True, ignore=shutil.ignore_patterns("hermes-out"))
        (exact, files, listings), (exact_other, files_other, listings_other) = (
            remembered(root, home, *build) for root, home in ((repo.root, homes[0]), (other, homes[1]))
        )
        for one, two in zip(exact, exact_other, strict=True):
            assert one == two, (number, history[-5:], build)
        assert files_other.items() <= files.items(), (number, history[-5:], build)
        assert listings_other.items() <= listings.items(), (number, history[-5:], build)
    assert min(done, failed) > EDITS // 8, (done, failed)
    assert from_nothing.count(other) - from_nothing.count(repo.root) > EDITS // 8
