"""The file of records, beside other builds of the same targets."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermes.build.memory import records
from hermes.build.memory.records import Record, Records, Update, write

UPDATE = Update({}, (), (), {"p": Record(provided={"//p:a": 1})})


def test_a_file_that_another_build_removes_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, made = Records.make, []

    def removed(folder: Path, prefix: str) -> Records:
        made.append(make(folder, prefix))
        if len(made) < 3:
            made[-1].path.unlink()
        return made[-1]

    monkeypatch.setattr(Records, "make", removed)
    name, places = write(UPDATE, tmp_path, "key")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    opened = Records.open(tmp_path / name)
    assert opened is not None
    assert Record.load(opened.read(places["p"])).provided == {"//p:a": 1}
    opened.close()


def test_a_file_that_is_removed_again_and_again_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Records.make

    def removed(folder: Path, prefix: str) -> Records:
        found = make(folder, prefix)
        found.path.unlink()
        return found

    monkeypatch.setattr(Records, "make", removed)
    with pytest.raises(FileNotFoundError):
        write(UPDATE, tmp_path, "key")
    assert records._TRIES > 2
