"""The documents say what the code says. ``python -m tests.unit.test_docs`` writes docs/rules.md again."""

from __future__ import annotations

import re
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from docs.site.hooks import linked
from hermes.cli.main import hermes, status_of
from hermes.dsl.attributes import KINDS
from hermes.dsl.packages import Packages
from hermes.dsl.rule import COMMON, Rule
from hermes.workspace.listing import Folders
from hermes.workspace.sources import FileIndex
from tests.conftest import ROOT

REFERENCE = ROOT / "docs/rules.md"
HEAD = """\
# The rules

Made from the rules' own documentation by `python -m tests.unit.test_docs`. All rules have `name`, which must be
given, `visibility` (which packages may depend on the target; only its own unless it or `package()` says more) and
`tags` (free words; a target tagged `manual` is built only when it is named or needed).

A `label` names a target or a file of the package; a list of labels may be one label alone. A `path` is absolute and
in the image.
"""
ORDER = [
    "files.bzl",
    "layers.bzl",
    "commands.bzl",
    "images.bzl",
    "dockerfiles.bzl",
    "debian.bzl",
    "python.bzl",
]
LOADED = ("debian.bzl", "python.bzl")
"""Rules that a BUILD file has to load."""


def rules_of(name: str, folder: Path) -> dict[str, Rule]:
    packages = Packages(Folders(folder), FileIndex(folder), None, lambda _: None)
    values: dict[str, Any] = dict(packages.rule_set(name).names)
    return {key: value for key, value in values.items() if isinstance(value, Rule)}


def reference() -> str:
    parts = [HEAD]
    with tempfile.TemporaryDirectory() as folder:
        for file in ORDER:
            for name, rule in rules_of(file, Path(folder)).items():
                where = f' (`load("@hermes//rules:{file}", "{name}")`)' if file in LOADED else ""
                parts.append(
                    f"\n## {name}\n\n{rule.doc}{where}\n\n| attribute | kind | meaning |\n| --- | --- | --- |\n"
                )
                for attribute, kind in sorted(rule.attributes.items()):
                    if COMMON.get(attribute) is not kind:
                        parts.append(_row(attribute, kind))
    return "".join(parts)


def _row(name: str, attribute: Any) -> str:
    default = attribute.default
    if attribute.mandatory:
        note = " Must be given."
    elif default not in (None, "", (), False) and default != {}:
        note = f" Default: `{default}`."
    else:
        note = ""
    return f"| `{name}` | {attribute.kind.replace('_', ' ')} | {attribute.doc}{note} |\n"


def test_the_reference_is_that_of_the_rules() -> None:
    assert REFERENCE.read_text() == reference()


def test_every_rule_is_in_the_reference(tmp_path: Path) -> None:
    files = sorted(path.name for path in (ROOT / "rules").glob("*.bzl"))
    assert [
        name for name in files if name not in ORDER and name != "prelude.bzl" and rules_of(name, tmp_path)
    ] == []


def test_every_attribute_is_documented() -> None:
    assert not re.search(r"\| +\|$", reference(), re.MULTILINE)


def test_the_kinds_of_attributes_are_in_the_guide() -> None:
    text = (ROOT / "docs/language.md").read_text()
    assert [kind for kind in KINDS if kind not in text] == []


@pytest.mark.parametrize(
    "path", ["README.md", *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md"))]
)
def test_links_lead_somewhere(path: str) -> None:
    text = (ROOT / path).read_text()
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in target]
    assert [target for target in targets if not (ROOT / path).parent.joinpath(target).exists()] == []


def pages_of(nav: list[dict[str, Any]]) -> Iterator[str]:
    for entry in nav:
        for where in entry.values():
            if isinstance(where, str):
                yield where
            else:
                yield from pages_of(where)


def test_every_document_is_a_page_of_the_site() -> None:
    settings = yaml.safe_load((ROOT / "docs/site/mkdocs.yml").read_text())
    written = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert sorted(pages_of(settings["nav"])) == sorted(written | {"index.md", "commands.md"})


def test_links_of_the_site_lead_to_pages_or_into_the_repository() -> None:
    def on_the_site(text: str, folder: str) -> str:
        return linked(text, folder, "https://git.example/hermes")

    assert on_the_site("[a](docs/guide.md#layers) [b](#here)", "") == "[a](guide.md#layers) [b](#here)"
    assert on_the_site("[a](guide.md)", "docs") == "[a](guide.md)"
    assert on_the_site("[a](../examples/python)", "docs") == "[a](https://git.example/hermes/examples/python)"
    assert on_the_site("[a](https://a.example/x)", "docs") == "[a](https://a.example/x)"
    assert on_the_site("[a](../missing)", "docs") == "[a](../missing)"


def test_the_commands_in_the_documents_exist(capsys: pytest.CaptureFixture[str]) -> None:
    named = set()
    for path in (ROOT / "README.md", ROOT / "docs/guide.md", ROOT / "docs/images.md"):
        named.update(re.findall(r"^hermes ([a-z]+)", path.read_text(), re.MULTILINE))
    for name in named:
        assert status_of([name, "--help"]) == 0
    assert "Usage: hermes" in capsys.readouterr().out


def ways() -> list[str]:
    """The commands of docs/coming-from.md, with options and arguments."""
    text = (ROOT / "docs/coming-from.md").read_text()
    return sorted(set(re.findall(r"`(?:\w+=\$\()?(hermes [^`]*?)\)?`", text)))


@pytest.mark.parametrize("way", ways())
def test_the_ways_from_other_tools_are_command_lines_that_there_are(way: str) -> None:
    words = shlex.split(way)[1:]
    if words[:1] == ["build"] and "-t" in words:
        words[0] = "bud"
    command: click.Command = hermes
    while isinstance(command, click.Group) and words:
        name, found, words = command.resolve_command(click.Context(command), words)
        assert found is not None, name
        command = found
    command.make_context("hermes", words, resilient_parsing=True)


def test_the_tests_that_documents_name_exist() -> None:
    named = {
        name
        for path in (ROOT / "docs").glob("*.md")
        for name in re.findall(r"`(test_\w+)`", path.read_text())
    }
    written = {
        name
        for path in (ROOT / "tests").rglob("*.py")
        for name in re.findall(r"def (test_\w+)", path.read_text())
    }
    assert named
    assert sorted(named - written) == []


if __name__ == "__main__":
    REFERENCE.write_text(reference())
