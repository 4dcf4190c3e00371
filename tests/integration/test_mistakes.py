"""34 common mistakes: each message says what is wrong, where, and what to do. docs/mistakes.md is written from them.

`python -m tests.integration.test_mistakes` writes the documentation.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermes.cli.main import status_of
from tests.conftest import ROOT
from tests.integration.conftest import BUSYBOX
from tests.integration.mistakes import MISTAKES, Mistake
from tests.integration.mistakes_peers import PEERS
from tests.registry.faulty import FaultyRegistry

DOCUMENT = ROOT / "docs/mistakes.md"
HEAD = """\
# Common mistakes, and what Hermes says

34 mistakes, each with the message of Hermes and, where it has the same thing, what is said by BuildKit (of Docker 20.10, by
buildx 0.13.1), buildah 1.28 or Bazel 4.2.3. A test makes each of them and holds the message to this page; the page is
written by `python -m tests.integration.test_mistakes`.
"""


def made(mistake: Mistake, folder: Path, registry: str) -> str:
    """Make a mistake in a folder, with a store of its own; return what is said, without what differs from run to run."""
    folder.mkdir()
    if mistake.workspace:
        (folder / "hermes.yaml").touch()
    for path, text in mistake.files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    if "Dockerfile" in mistake.files:
        shutil.copy(BUSYBOX, folder / "busybox")
    told = io.StringIO()
    before = Path.cwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()):
            status = status_of(mistake.command.replace("{registry}", registry).split())
    finally:
        os.chdir(before)
    assert status in (1, 2)
    said = told.getvalue()
    said = said[said.index("error: ") :].rstrip()
    for shown, real in (("/workspace", str(folder)), ("REGISTRY", registry)):
        said = said.replace(real, shown)
    return re.sub(r"full log: .*", "full log: ...", said)


@pytest.fixture
def registry() -> Iterator[FaultyRegistry]:
    found = FaultyRegistry()
    with found.web:
        yield found


def section(mistake: Mistake, said: str) -> str:
    parts = [
        f"## {mistake.title[0].upper()}{mistake.title[1:]}",
        f"`hermes {mistake.command}`:",
        f"```\n{said}\n```",
    ]
    parts += [f"{name}:\n\n```\n{text}\n```" for name, text in PEERS.get(mistake.title, {}).items()]
    return "\n\n".join(parts).replace("{registry}", "REGISTRY")


def test_there_are_34_of_them() -> None:
    assert PEERS.keys() <= {one.title for one in MISTAKES}
    assert len({one.title for one in MISTAKES}) == len(MISTAKES) == 34


@pytest.mark.parametrize("mistake", MISTAKES, ids=[one.title for one in MISTAKES])
def test_a_mistake_is_told_with_what_where_and_what_to_do(
    mistake: Mistake, home: Path, tmp_path: Path, registry: FaultyRegistry
) -> None:
    said = made(mistake, tmp_path / "workspace", registry.host)
    assert "Traceback" not in said
    for part in (mistake.what, mistake.where, mistake.to_do):
        assert part.replace("{registry}", "REGISTRY") in said
    is_the_same = os.uname().machine == "x86_64" and "registry-1.docker.io" not in said
    if is_the_same:  # the name of the platform and what the resolver says differ
        assert section(mistake, said) in DOCUMENT.read_text()


def write_document() -> None:
    parts = [HEAD.rstrip()]
    registry = FaultyRegistry()
    with registry.web:
        for mistake in MISTAKES:
            with tempfile.TemporaryDirectory() as folder:
                os.environ["HERMES_HOME"] = f"{folder}/home"
                parts.append(section(mistake, made(mistake, Path(folder, "workspace"), registry.host)))
    DOCUMENT.write_text("\n\n".join(parts) + "\n")


if __name__ == "__main__":
    os.environ["NO_COLOR"] = "1"
    write_document()
    sys.exit()
