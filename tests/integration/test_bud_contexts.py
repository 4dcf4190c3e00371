"""Contexts from standard input and from addresses of the web. What is right was asked of docker and buildah."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from hermes.errors import FetchError, LayerError, UsageError
from tests.integration.conftest import OrdinaryUser
from tests.integration.yard import Yard, ran

TEXT = "FROM base\nCOPY sub /got\nRUN ls /got > /listed\n"


def packed(yard: Yard, *options: str, name: str = "x.tar") -> Path:
    """An archive of the context, beside it."""
    path = yard.root.parent / name
    subprocess.run(["tar", "-C", yard.root, *options, "-cf", path, "."], check=True)
    return path


def bud_from(yard: Yard, file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    with file.open("rb") as stdin:
        return yard.run("bud", "-q", "--pull=never", *arguments, "-", stdin=stdin)


def filled(yard: Yard) -> None:
    yard.write("Dockerfile", TEXT)
    yard.write("other/Dockerfile", "FROM base\nCOPY sub/a.txt /other\n")
    yard.write("sub/a.txt", "a", 0o640)
    yard.write("sub/left.md", "b")
    yard.write(".dockerignore", "*.md\nsub/*.md\n")


@pytest.mark.parametrize("how", [[], ["--gzip"], ["--xz"], ["--zstd"], ["--bzip2"]])
def test_an_archive_on_standard_input_is_the_context(yard: Yard, how: list[str]) -> None:
    filled(yard)
    expected = yard.bud().digest
    done = bud_from(yard, packed(yard, *how), "-t", "it")
    assert (done.returncode, done.stdout.strip()) == (0, expected), done.stderr
    assert yard.shown("cat /listed; stat -c %a /got/a.txt") == "a.txt\n640\n"
    assert os.listdir(yard.sandbox.home / "tmp") == []


def test_a_dockerfile_of_the_archive_can_be_named(yard: Yard) -> None:
    filled(yard)
    done = bud_from(yard, packed(yard), "-t", "it", "-f", "other/Dockerfile")
    assert done.returncode == 0, done.stderr
    assert yard.shown("cat /other") == "a"


def test_a_text_on_standard_input_is_a_dockerfile_without_a_context(yard: Yard) -> None:
    filled(yard)
    text = yard.root.parent / "text"
    text.write_text("FROM base\nCOPY <<E /got\nhere\nE\n")
    assert bud_from(yard, text, "-t", "it").returncode == 0
    assert yard.shown("cat /got") == "here\n"
    text.write_text(TEXT)
    done = bud_from(yard, text)
    assert (done.returncode, "sub is not in the context" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("content", "arguments", "problem"),
    [
        (b"FROM base\n", ["-f", "other"], "is a Dockerfile, and -f names another"),
        (b"FROM base\n", ["-f", "-"], "cannot be both"),
        (b"", [], "no instructions"),
    ],
)
def test_what_standard_input_cannot_be(
    yard: Yard, content: bytes, arguments: list[str], problem: str
) -> None:
    (yard.root / "input").write_bytes(content)
    done = bud_from(yard, yard.root / "input", *arguments)
    assert (done.returncode, problem in done.stderr) == (2, True), done.stderr


def test_an_archive_is_whole_and_has_a_dockerfile_in_it(yard: Yard) -> None:
    filled(yard)
    whole = packed(yard).read_bytes()
    cut = yard.root.parent / "cut.tar"
    cut.write_bytes(whole[: len(whole) // 2])
    assert "standard input" in bud_from(yard, cut).stderr
    for how in "--gzip", "--zstd", "--xz", "--bzip2":
        cut.write_bytes(packed(yard, how).read_bytes()[:100])
        said = bud_from(yard, cut).stderr
        assert said.startswith("error: standard input: "), said
        assert "Dockerfile" not in said
    (yard.root / "Dockerfile").unlink()
    assert "no Dockerfile in the context from standard input" in bud_from(yard, packed(yard)).stderr
    (yard.root / "Dockerfile").symlink_to("/etc/passwd")
    done = bud_from(yard, packed(yard))
    assert "Dockerfile is a link that leads out of the context" in done.stderr
    assert "root:" not in done.stderr
    assert os.listdir(yard.sandbox.home / "tmp") == []


def test_the_context_of_an_address_is_its_archive_or_dockerfile(yard: Yard, served: tuple[Path, str]) -> None:
    folder, address = served
    filled(yard)
    packed(yard, "--gzip").rename(folder / "app.tar.gz")
    (folder / "Dockerfile").write_text("FROM base\nRUN echo web > /w\n")
    expected = yard.bud().digest
    built = yard.bud(context=f"{address}/app.tar.gz")
    assert built.digest == expected
    assert [one for one in yard.said if "has the digest sha256:" in one]
    assert ran(yard.bud(context=f"{address}/app.tar.gz")) == []
    yard.bud(context=f"{address}/Dockerfile", tags=["it"])
    assert yard.shown("cat /w") == "web\n"
    with pytest.raises(FetchError, match="gone"):
        yard.bud(context=f"{address}/gone.tar")
    (folder / "bad.tar").write_bytes((folder / "app.tar.gz").read_bytes()[:200])
    with pytest.raises(LayerError, match=r"bad\.tar"):
        yard.bud(context=f"{address}/bad.tar")


def test_a_named_context_may_be_at_an_address(yard: Yard, served: tuple[Path, str]) -> None:
    folder, address = served
    with tarfile.open(folder / "more.tar", "w") as made:
        member = tarfile.TarInfo("file")
        member.size = 4
        made.addfile(member, io.BytesIO(b"more"))
    (folder / "text").write_text("no archive")
    text = "FROM base\nCOPY --from=more file /\nRUN --mount=from=more,target=/m cat /m/file > /m2\n"
    yard.bud(text, contexts={"more": f"{address}/more.tar"}, tags=["it"])
    assert yard.shown("cat /file /m2") == "moremore"
    with pytest.raises(UsageError, match="there is no archive"):
        yard.bud(text, contexts={"more": f"{address}/text"})


def test_a_check_reads_standard_input_too(yard: Yard) -> None:
    text = yard.root.parent / "text"
    text.write_text("FROM base\nCMD a\n")
    done = bud_from(yard, text, "--check")
    assert (done.returncode, "JSONArgsRecommended" in done.stdout) == (1, True)


def test_an_ordinary_user_leaves_nothing_of_a_context(yard: Yard, ordinary_user: OrdinaryUser) -> None:
    (yard.root / "closed/in").mkdir(parents=True)
    yard.write("closed/in/file", "x")
    yard.write("Dockerfile", "FROM scratch\nCOPY closed /\n")
    for folder in ("closed/in", "closed"):
        (yard.root / folder).chmod(0o555)
    archive = packed(yard)
    archive.chmod(0o644)
    with archive.open("rb") as stdin:
        done = ordinary_user.run("bud", "-q", "-", stdin=stdin)
    assert done.returncode == 0, done.stderr
    assert os.listdir(ordinary_user.home / "tmp") == []
