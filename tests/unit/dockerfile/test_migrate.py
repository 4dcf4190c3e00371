"""Dockerfiles -> BUILD files of native rules, in process.

The golden file holds what the corpus comes to; that it builds the same files is the claim of
`tests.integration.test_migrate`. Write it again with ``python -m tests.unit.dockerfile.test_migrate``.
"""

from __future__ import annotations

import ast
import json
import tempfile
from pathlib import Path
from typing import Final

import pytest

from hermes.api.migrating import Sources
from hermes.digest import Digest
from hermes.dockerfile.context import Context
from hermes.dockerfile.files import FolderFiles
from hermes.dockerfile.migration.buildfile import Target, build_file
from hermes.dockerfile.migration.copies import Copying
from hermes.dockerfile.migration.migrate import KnownBase, migrate
from hermes.dockerfile.options import Options
from hermes.dockerfile.parse import parse
from hermes.dockerfile.translate import Translation, translate
from hermes.dsl.dialect.check import check
from hermes.errors import DockerfileError
from hermes.layer.entry import DIRECTORY, FILE, SYMLINK, Entry
from hermes.layer.toc import TableOfContents
from hermes.layer.view import View
from tests.corpus import FILES
from tests.unit.dockerfile.graphs import PLATFORM, KnownBases, make_context, of_corpus

GOLDEN: Final = Path(__file__).with_name("golden_build_files.json")
CASES: Final = {file.stem: file for file in FILES}

NAMES: Final = {
    "cache",
    "copy_layer",
    "files_layer",
    "glob",
    "image",
    "run_layer",
    "tar_layer",
    "tmpfs",
    "write_file",
}
"""What the BUILD files may call: a part of what the prelude and the language have."""

BASE: Final = [
    *(Entry(path, DIRECTORY, 0o755) for path in ("bin", "etc", "root", "srv")),
    *(
        Entry(path, FILE, 0o644, size=1, digest="0" * 64)
        for path in ("bin/busybox", "etc/group", "etc/passwd")
    ),
    Entry("srv/link", SYMLINK, 0o777, link="/etc"),
]
"""What the base of the corpus has that copies can meet."""


def build_text(file: Path, context: Path) -> str:
    """The BUILD file of a Dockerfile, or the error that says which line has no rule."""
    translation = of_corpus(file, context)
    return written(translation, file.name, file.read_text(), context)


def written(translation: Translation, name: str, text: str, context: Path) -> str:
    origins = KnownBases()
    view = View([TableOfContents(Digest.of(b"base"), 0, BASE)])
    bases = {
        one: KnownBase(f"//bases:{one}", origins.image(one, PLATFORM).document, view)
        for one in ("base", "localhost/base")
    }
    files = Sources(str(context))
    try:
        targets = migrate(translation, parse(name, text), bases, Copying(files, files.present()), "image")
    except DockerfileError as error:
        return f"{error.message} (hint: {error.hint})"
    return build_file([], targets)


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_context(tmp_path_factory.mktemp("corpus") / "context")


@pytest.fixture(scope="module")
def golden() -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads(GOLDEN.read_text())
    return found


def test_the_golden_file_has_each_dockerfile(golden: dict[str, list[str]]) -> None:
    assert golden.keys() == CASES.keys()


@pytest.mark.parametrize("name", CASES)
def test_a_dockerfile_comes_to_the_same_targets(
    name: str, context: Path, golden: dict[str, list[str]]
) -> None:
    text = build_text(CASES[name], context)
    assert text.splitlines() == golden[name]
    if "image(" in text:
        check(text, "BUILD", NAMES)


def migrated(text: str, context: Path) -> str:
    translation = translate(
        parse("Dockerfile", text),
        Context(FolderFiles(str(context), "")),
        KnownBases(),
        Options(platform=PLATFORM, secrets=frozenset({"key"})),
    )
    return written(translation, "Dockerfile", text, context)


@pytest.mark.parametrize(
    ("instruction", "expected"),
    [
        ("RUN --mount=type=cache,id=x,target=/c,ro x", 'cache("x", "/c", read_only = True)'),
        ("RUN --mount=type=secret,id=key x", 'secrets = ["key"]'),
        ("RUN curl https://example.org", "network = True"),
        ("RUN echo $$", '"echo $$"'),
        ("COPY --chown=33:44 a.txt /a", 'owner = "33:44"'),
        ("COPY --chmod=600 a.txt /a", "0600"),
        ("ADD files.tar.gz /srv", "tar_layer("),
        ("COPY --from=base /etc/passwd /p", "copy_layer("),
    ],
)
def test_what_an_instruction_says_is_in_its_target(context: Path, instruction: str, expected: str) -> None:
    assert expected in migrated(f"FROM base\n{instruction}\n", context)


@pytest.mark.parametrize(
    ("instruction", "problem"),
    [
        ("RUN --mount=type=bind,target=/in,rw x", "a mount that the command may write has no rule"),
        ("RUN --mount=type=ssh x", "no rule gives a command an SSH agent"),
    ],
)
def test_what_no_rule_can_say_is_an_error_with_its_line(
    context: Path, instruction: str, problem: str
) -> None:
    text = f"FROM base\n{instruction}\n"
    translation = translate(
        parse("Dockerfile", text),
        Context(FolderFiles(str(context), "")),
        KnownBases(),
        Options(platform=PLATFORM, agents=frozenset({"default"})),
    )
    assert written(translation, "Dockerfile", text, context).startswith(f"Dockerfile:2: {problem}")


def _write_golden() -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = make_context(Path(folder) / "context")
        found = {name: build_text(file, made).splitlines() for name, file in CASES.items()}
    GOLDEN.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    _write_golden()


@pytest.mark.parametrize(
    "text", ["a", 'a"b', "a\nb", '"a"\nb', 'a\nb"', "a\n\\b", "a\tb\n", 'a\n"""b', "é\nü", "\n"]
)
def test_a_text_is_a_literal_of_itself(text: str) -> None:
    written = build_file([], [Target("run_layer", "a", {"cmd": text})])
    (call,) = ast.parse(written).body
    assert isinstance(call, ast.Expr)
    assert isinstance(call.value, ast.Call)
    assert {one.arg: ast.literal_eval(one.value) for one in call.value.keywords} == {"name": "a", "cmd": text}
