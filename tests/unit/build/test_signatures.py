"""Paths with what tells that their files are the same."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from hermes.build.memory.signatures import Signatures, signature

PATHS = st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=6)
ROWS = st.tuples(*[st.integers(-1, 2**63 - 1)] * 4)


def rows_of(signatures: Signatures) -> dict[str, tuple[int, int, int, int]]:
    return dict(signatures._rows())


@given(st.dictionaries(PATHS, ROWS), st.dictionaries(PATHS, ROWS, max_size=60), st.sets(PATHS, max_size=3))
def test_rows_are_set_added_and_taken_out(
    rows: dict[str, tuple[int, int, int, int]],
    others: dict[str, tuple[int, int, int, int]],
    gone: set[str],
) -> None:
    before = Signatures.of(rows)
    expected = {**{path: row for path, row in rows.items() if path not in gone}, **others}
    changed = Signatures.load(before.with_rows(others, gone).dump())
    assert rows_of(changed) == expected
    assert rows_of(before) == rows


def test_many_paths_are_read_in_parts() -> None:
    rows = {f"folder/{number}": (number, 1, 2, 3) for number in range(30_000)}
    signatures = Signatures.of(rows)
    assert rows_of(signatures) == rows
    assert rows_of(signatures.with_rows({"folder/29999": (0, 0, 0, 0)}))["folder/29999"] == (0, 0, 0, 0)


def test_a_file_that_changed_or_is_gone_is_told(tmp_path: Path) -> None:
    names = ["one", "two", "three"]
    for name in names:
        (tmp_path / name).write_text(name)
    signatures = Signatures.of({name: signature(str(tmp_path / name)) for name in names})
    assert signatures.changed(str(tmp_path)) == []
    (tmp_path / "one").unlink()
    (tmp_path / "three").write_text("other words")
    assert signatures.changed(str(tmp_path)) == ["one", "three"]
