"""The table of transports, and what is read from it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from hermes.cli.main import hermes
from hermes.errors import UsageError
from hermes.registry.client import Client
from hermes.store import Store
from hermes.transports.table import TABLE, Row, has_transport, opened, parse_destination
from tests.conftest import ROOT


@pytest.mark.parametrize("row", TABLE, ids=[row.name for row in TABLE])
def test_each_row_names_a_module_that_reads_and_writes(row: Row) -> None:
    if row.reader:
        assert callable(row.reader().opened)
    if row.writer:
        assert callable(row.writer().destination)
    assert has_transport(row.form)


def test_the_documentation_has_the_same_rows() -> None:
    """Name, whether it is read, and whether it is written; in docs/images.md."""
    text = (ROOT / "docs/images.md").read_text()
    found = re.findall(r"^\| `([a-z-]+:[^`]*)` \| (yes|no) \| (yes|no) \|", text, re.MULTILINE)
    rows = [(row.form, "yes" if row.reader else "no", "yes" if row.writer else "no") for row in TABLE]
    assert sorted(found) == sorted(rows)


@pytest.mark.parametrize("command", [["copy"], ["pull"], ["ctr", "from"], ["ctr", "commit"]])
def test_help_lists_them(command: list[str]) -> None:
    said = CliRunner().invoke(hermes, [*command, "--help"]).output
    rows = [row for row in TABLE if (row.reader if command[-1] in ("pull", "from") else row.writer)]
    assert [row.form for row in rows if row.form not in said or row.help not in said] == []


@pytest.mark.parametrize(
    "text", ["oci:", "oci:/", "oci::tag", "dir::", "docker://", "docker-archive::x", "oci"]
)
def test_a_transport_without_a_place_is_refused(store: Store, tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError), opened(text, store, Client):
        pass
    with pytest.raises(UsageError):
        parse_destination(text, Client)


def test_a_transport_that_is_near_is_named(store: Store) -> None:
    with pytest.raises(UsageError) as caught:
        parse_destination("oci-archiv:x.tar", Client)
    assert caught.value.hint == "did you mean oci-archive:x.tar?"
    with pytest.raises(UsageError) as read, opened("nothing-near:x", store, Client):
        pass
    assert all(row.name in str(read.value.hint) for row in TABLE if row.reader)
