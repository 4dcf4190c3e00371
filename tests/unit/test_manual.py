"""Every command has a page of the manual, made of what its help says."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from docs.site.manual import Command, commands, exit_statuses, man_page, markdown_page
from hermes.cli.main import _COMMANDS

DATE = "2026-01-01"
PAGES = {command.name: man_page(command, DATE) for command in commands()}


def test_every_command_has_a_page() -> None:
    assert set(PAGES) >= {"hermes", *(f"hermes-{name}" for name in _COMMANDS)}
    assert {"hermes-ctr-run", "hermes-cache-gc"} <= set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_the_usual_sections_in_the_usual_order(name: str) -> None:
    sections = re.findall(r"^\.SH (.*)$", PAGES[name], re.MULTILINE)
    assert [one for one in sections if one != "COMMANDS"] == [
        "NAME",
        "SYNOPSIS",
        "DESCRIPTION",
        "OPTIONS",
        "EXIT STATUS",
        "ENVIRONMENT",
        "SEE ALSO",
    ]
    assert not re.search(r"^\.SH .*\n(?=\.SH|\Z)", PAGES[name], re.MULTILINE), "an empty section"


def test_the_exit_statuses_are_those_of_the_guide() -> None:
    statuses, of_programs = exit_statuses()
    assert [status for status, _ in statuses] == ["0", "1", "2", "130"]
    assert "127" in of_programs
    assert "127" in PAGES["hermes-ctr-run"]
    assert "127" not in PAGES["hermes-build"]


def test_text_means_nothing_to_roff() -> None:
    command = Command(
        ("hermes", "x"), "[A]", ("A 'b' \\n `c`.", "\b\n.TH is kept\n'br"), (("-h, --help", ".x"),), ()
    )
    page = man_page(command, DATE)
    assert r"\(aqb\(aq \en \(gac\(ga" in page
    assert "\\&.TH is kept\n\\(aqbr" in page
    assert "\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\n\\&.x\n" in page


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="needs mandoc")
def test_mandoc_finds_nothing_wrong(tmp_path: Path) -> None:
    for name, page in PAGES.items():
        (tmp_path / f"{name}.1").write_text(page)
    found = subprocess.run(
        ["mandoc", "-T", "lint", *sorted(tmp_path.iterdir())], capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stdout) == (0, "")


def test_the_page_of_the_site_has_every_command_with_its_options() -> None:
    page = markdown_page()
    for command in commands():
        assert f"\n## {' '.join(command.words)}\n" in page
        assert all(f"\n`{form}`\n" in page for form, _ in command.options)
