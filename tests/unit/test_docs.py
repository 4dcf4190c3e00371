"""The documents say what the code says. ``python -m tests.unit.test_docs`` writes docs/rules.md again."""

from __future__ import annotations

import ast
import dataclasses
import itertools
import re
import shlex
import tempfile
import typing
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
from hermes.engine.events import Event
from hermes.workspace.listing import Folders
from hermes.workspace.sources import FileIndex
from tests.conftest import ROOT
from tests.structures import page

REFERENCE = ROOT / "docs/rules.md"
HEAD = """\
# The rules

Made from the rules' own documentation by `python -m tests.unit.test_docs`. All rules have `name`, which must be
given, `visibility` (which packages may depend on the target; only its own unless it or `package()` says more) and
`tags` (free words; a target tagged `manual` is built only when it is named or needed). What is shown of a rule at its end is
a target of the examples, which tests build as root and as an ordinary user.

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
    "programs.bzl",
    "roots.bzl",
    "python.bzl",
    "s2i.bzl",
    "node.bzl",
    "ansible.bzl",
    "test.bzl",
]
EXAMPLES = (*sorted((ROOT / "examples").glob("**/BUILD")), ROOT / "BUILD.example")
"""Where worked examples are taken from: all of these are built by tests."""
LOADED = ("debian.bzl", "programs.bzl", "roots.bzl", "python.bzl", "s2i.bzl", "node.bzl", "ansible.bzl")
"""Rules that a BUILD file has to load."""


def rules_of(name: str, folder: Path) -> dict[str, Rule]:
    packages = Packages(Folders(folder), FileIndex(folder), None, lambda _: None)
    values: dict[str, Any] = dict(packages.modules.rule_set(name).names)
    return {key: value for key, value in values.items() if isinstance(value, Rule)}


def worked_example(name: str) -> str:
    """Return the call of a rule in the examples that says most about it, with what it loads and where it is."""
    found: list[tuple[int, str, Path]] = []
    for path in EXAMPLES:
        text = path.read_text()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
                said = ast.get_source_segment(text, node) or ""
                if any(one.arg == "name" and isinstance(one.value, ast.Constant) for one in node.keywords):
                    found.append((len(node.keywords), said, path))
    _, said, path = max(found, key=lambda one: one[0])  # the first of those with most attributes
    where = path.relative_to(ROOT).as_posix()
    loaded = next(
        (f'load("@hermes//rules:{file}", "{name}")\n\n' for file in LOADED if name in _names(file)), ""
    )
    return f"\nFrom [{where}](../{where}):\n\n```python\n{loaded}{said}\n```\n"


def _names(file: str) -> set[str]:
    return set(re.findall(r"^(\w+) = rule\(", (ROOT / "rules" / file).read_text(), re.MULTILINE))


def public_rules(file: str, folder: Path) -> dict[str, Rule]:
    """Return the rules of a file that a BUILD file can call."""
    prelude = (ROOT / "rules/prelude.bzl").read_text()
    return {
        name: rule
        for name, rule in rules_of(file, folder).items()
        if file in LOADED or re.search(rf"^{name} = _", prelude, re.MULTILINE)
    }


def reference() -> str:
    parts = [HEAD]
    with tempfile.TemporaryDirectory() as folder:
        for file in ORDER:
            for name, rule in public_rules(file, Path(folder)).items():
                where = f' (`load("@hermes//rules:{file}", "{name}")`)' if file in LOADED else ""
                parts.append(
                    f"\n## {name}\n\n{rule.doc}{where}\n\n| attribute | kind | meaning |\n| --- | --- | --- |\n"
                )
                for attribute, kind in sorted(rule.attributes.items()):
                    if COMMON.get(attribute) is not kind:
                        parts.append(_row(attribute, kind))
                parts.append(worked_example(name))
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


def test_the_table_of_test_files_is_that_of_their_cases() -> None:
    assert (ROOT / "docs/structure-tests.md").read_text() == page()


def test_every_rule_is_in_the_reference(tmp_path: Path) -> None:
    files = sorted(path.name for path in (ROOT / "rules").glob("*.bzl"))
    assert [
        name for name in files if name not in ORDER and name != "prelude.bzl" and rules_of(name, tmp_path)
    ] == []


def test_every_attribute_is_documented() -> None:
    assert not re.search(r"\| +\|$", reference(), re.MULTILINE)


def test_the_kinds_of_attributes_are_those_of_the_language() -> None:
    table = (ROOT / "docs/language.md").read_text().partition("\n| kind | takes |\n")[2].partition("\n\n")[0]
    kinds = [kind for row in table.splitlines() for kind in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(kinds) == sorted(KINDS)


def anchors_of(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


@pytest.mark.parametrize(
    "path", ["README.md", *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md"))]
)
def test_links_lead_somewhere(path: str) -> None:
    text = (ROOT / path).read_text()
    for target, anchor in re.findall(r"\]\(([^):#]*)#([^)]+)\)", text):
        linked_to = (ROOT / path).parent.joinpath(target) if target else ROOT / path
        assert anchor in anchors_of(linked_to), f"{target}#{anchor}"
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


def blocks(language: str) -> Iterator[tuple[str, str]]:
    """Yield the name of each document and its blocks of a language."""
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for block in re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL):
            yield path.name, block


def command_lines() -> list[str]:
    """The commands in blocks of shell and of CI systems, and the ways in docs/coming-from.md."""
    found = re.findall(r"`(?:\w+=\$\()?(hermes [^`]*?)\)?`", (ROOT / "docs/coming-from.md").read_text())
    for _, block in (*blocks("sh"), *blocks("yaml")):
        joined = block.replace("\\\n", " ")
        found += re.findall(
            r"^(?:.*(?:\$\(|\|\| )|\w+=\S+ | *-? *(?:run: )?)?(hermes .*)", joined, re.MULTILINE
        )
    return sorted({shlex.join(words_of(one)) for one in found})


def words_of(line: str) -> list[str]:
    """Return the words of the first command of a line of shell."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    return list(itertools.takewhile(lambda word: not set(word) <= set("();<>|&"), lexer))


@pytest.mark.parametrize("line", command_lines())
def test_the_commands_in_the_documents_are_command_lines(line: str) -> None:
    words = shlex.split(line)[1:]
    if words[:1] == ["build"] and "-t" in words:
        words[0] = "bud"
    command: click.Command = hermes
    while isinstance(command, click.Group) and words:
        name, found, words = command.resolve_command(click.Context(command), words)
        assert found is not None, name
        command = found
    assert not isinstance(command, click.Group) or line in ("hermes ctr", "hermes cache")
    # The document says of some what they are called only, without their arguments.
    command.make_context("hermes", words, resilient_parsing=len(line.split()) == 2)


def test_the_rules_in_the_ways_from_other_tools_have_those_attributes(tmp_path: Path) -> None:
    rules = {name: rule for file in ORDER for name, rule in rules_of(file, tmp_path).items()}
    text = (ROOT / "docs/coming-from.md").read_text()
    here = [row.split("|")[2] for row in text.splitlines() if row.startswith("| ")]
    named = [one for cell in here for one in re.findall(r"`(\w+)\(([\w, ]+)\)`", cell)]
    assert len(named) > 10
    for name, attributes in named:
        assert [one for one in attributes.split(", ") if one not in rules[name].attributes] == [], name


@pytest.mark.parametrize(
    ("document", "block"),
    [
        one for one in blocks("python") if one[0] != "writing-rules.md"
    ],  # tests/integration/test_writing_rules.py
    ids=lambda one: one.partition("\n")[0],
)
def test_build_files_in_the_documents_load(tmp_path: Path, document: str, block: str) -> None:
    if "import hermes" in block:
        compile(block, document, "exec")
        return
    # What glob() finds there.
    for name in ("app/main.py", "app/main.js", "roles/main.yml", "src/main.sh", "builder/run", "a.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    if "def " in block:
        (tmp_path / "rules.bzl").write_text(block)
        name, attribute = re.search(
            r"^(\w+) = rule\(.*?\"(\w+)\": attr", block, re.MULTILINE | re.DOTALL
        ).groups()
        block = f'load(":rules.bzl", "{name}")\n{name}(name = "a", {attribute} = "b")\n'
    (tmp_path / "BUILD").write_text(block)
    packages = Packages(Folders(tmp_path), FileIndex(tmp_path), None, lambda _: None)
    assert packages.package("").targets


def test_yaml_in_the_documents_is_yaml() -> None:
    assert [name for name, block in blocks("yaml") if not yaml.safe_load(block)] == []


def test_the_events_in_the_documents_are_those_there_are() -> None:
    text = (ROOT / "docs/watching.md").read_text()
    rows = re.findall(r"^\| `([A-Z]\w+)` \| (.*?) \|", text, re.MULTILINE)
    documented = {name: re.findall(r"`(\w+)`", cell) for name, cell in rows}
    assert documented == {
        event.__name__: [one.name for one in dataclasses.fields(event)] for event in typing.get_args(Event)
    }


def test_queries_in_the_documents_give_what_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HERMES_HOME", str(tmp_path / "home"))
    root = tmp_path / "workspace"
    page = (ROOT / "docs/query.md").read_text()
    files = re.split(r"^# (\S+/BUILD)$", dict(blocks("python"))["query.md"], flags=re.MULTILINE)[1:]
    for name, text in zip(files[::2], files[1::2], strict=True):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text(text)
    (root / "hermes.yaml").touch()
    (root / "base/a.txt").touch()
    monkeypatch.chdir(root)
    answers = []
    for line in re.findall(r"^hermes query .*", page, re.MULTILINE):
        assert status_of(shlex.split(line)[1:]) == 0
        answers.append(capsys.readouterr().out.split("\n")[:-1])
    image, files_layer = "//app:image", "//base:files"
    both = [image, files_layer]
    assert answers == [both, both, both, [image], [f"files_layer {files_layer}"], both]


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
