"""What a source of COPY means: the same in a folder and among declared files."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from hermes.dockerfile.context import Collection, Context
from hermes.dockerfile.files import DeclaredFile, DeclaredFiles, FolderFiles
from hermes.engine.action import EXECUTABLE, FILE, LINK, Source
from hermes.errors import DockerfileError
from hermes.layer import entry
from hermes.wildcards import Ignored

FILES = {"a.txt": 0o644, "docs/b.txt": 0o644, "docs/deep/c.txt": 0o644, "run.sh": 0o755}
LINKS = {"docs/up": "../a.txt", "folder": "docs", "out": "../../outside", "loop": "loop"}


@pytest.fixture(params=["folder", "declared"])
def context(request: pytest.FixtureRequest, tmp_path: Path) -> Context:
    for name, mode in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        path.chmod(mode)
    for name, target in LINKS.items():
        (tmp_path / name).symlink_to(target)
    if request.param == "folder":
        for folder in (tmp_path / "docs", tmp_path / "docs/deep"):
            folder.chmod(0o755)
        return Context(FolderFiles(str(tmp_path), ""))
    declared = {
        name: DeclaredFile(EXECUTABLE if mode == 0o755 else FILE, Source(f"\0{name}"), str(tmp_path / name))
        for name, mode in FILES.items()
    }
    for name, target in LINKS.items():
        declared[name] = DeclaredFile(LINK, Source(f"\0{name}"), str(tmp_path / name), target)
    return Context(DeclaredFiles(declared, "here"))


def taken(context: Context, source: str, *, parents: bool = False) -> list[tuple[str, str, int, str]]:
    collection = Collection(context, Ignored((), of=""), parents=parents)
    for match in context.matching(source):
        collection.add(match)
    return [
        (row.name, row.type, row.mode, row.source[0].lstrip("\0") if row.source else "")
        for row in collection.rows.values()
    ]


DOCS = [
    ("b.txt", entry.FILE, 0o644, "docs/b.txt"),
    ("deep", entry.DIRECTORY, 0o755, ""),
    ("deep/c.txt", entry.FILE, 0o644, "docs/deep/c.txt"),
    ("up", entry.SYMLINK, 0o777, "docs/up"),
]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a.txt", [("a.txt", entry.FILE, 0o644, "a.txt")]),
        ("/run.sh", [("run.sh", entry.FILE, 0o755, "run.sh")]),
        ("docs", DOCS),
        ("folder/", DOCS),
        ("docs/up", [("up", entry.FILE, 0o644, "a.txt")]),
        ("*.txt", [("a.txt", entry.FILE, 0o644, "a.txt")]),
        ("*.md", []),
        ("docs/d*", [("c.txt", entry.FILE, 0o644, "docs/deep/c.txt")]),
    ],
)
def test_a_source_means(context: Context, source: str, expected: list[tuple[str, str, int, str]]) -> None:
    assert taken(context, source) == expected


def test_the_whole_context(context: Context) -> None:
    names = [name for name, *_ in taken(context, ".")]
    assert names == sorted([*FILES, *LINKS, "docs", "docs/deep"])


def test_parents_are_kept(context: Context) -> None:
    names = [name for name, *_ in taken(context, "docs/deep/c.txt", parents=True)]
    assert names == ["docs", "docs/deep", "docs/deep/c.txt"]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("../x", "leads out of the context"),
        ("b.txt", "is not in the context"),
        ("out", "is a link to ../../outside, which is not in the context"),
        ("loop", "too many symbolic links"),
        ("a.txt/x", "is not in the context"),
    ],
)
def test_a_source_is_wrong(context: Context, source: str, problem: str) -> None:
    with pytest.raises(DockerfileError, match=problem):
        context.matching(source)


def test_near_names_are_suggested(context: Context) -> None:
    with pytest.raises(DockerfileError) as caught:
        context.matching("docs/bb.txt")
    assert caught.value.hint == "did you mean docs/b.txt?"


def test_what_is_left_out_is_named_with_where_a_link_leads(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("")
    (tmp_path / "up").symlink_to("a.txt")
    context = Context(FolderFiles(str(tmp_path), ""), Ignored(("a.txt",), of="it"), ".dockerignore")
    for source, leads in (("a.txt", ""), ("up", " leads to a.txt, which")):
        with pytest.raises(DockerfileError) as caught:
            context.matching(source)
        assert caught.value.message == f"{source}{leads} is left out of the context by .dockerignore"
        assert caught.value.hint == "take it in again with !a.txt"


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="device nodes need root")
def test_devices_are_taken_but_for_the_one_that_is_a_whiteout(tmp_path: Path) -> None:
    os.mknod(tmp_path / "null", stat.S_IFCHR | 0o640, os.makedev(1, 3))
    os.mknod(tmp_path / "disk", stat.S_IFBLK | 0o600, os.makedev(7, 1))
    context = Context(FolderFiles(str(tmp_path), ""))
    collection = Collection(context, Ignored((), of=""), parents=False)
    for source in ("null", "disk"):
        for match in context.matching(source):
            collection.add(match)
    found = [(row.name, row.type, row.mode, row.device) for row in collection.rows.values()]
    assert found == [("null", entry.CHARACTER, 0o640, (1, 3)), ("disk", entry.BLOCK, 0o600, (7, 1))]
    os.mknod(tmp_path / "gone", stat.S_IFCHR, 0)
    (match,) = context.matching("gone")
    with pytest.raises(DockerfileError, match="gone is the device 0,0, which in a layer removes a file"):
        collection.add(match)
