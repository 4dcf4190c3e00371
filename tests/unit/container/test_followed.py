"""Trees of an image that have something below a link of a tree below them."""

from __future__ import annotations

import os
from pathlib import Path

from hermes.container.followed import followed
from hermes.container.lowers import Tree
from hermes.layer.trees import Passing


def tree(folder: Path, name: str, implied: list[str], **files: str) -> Tree:
    """A tree with files by their paths, ``__`` for a slash; a content of ``-> TARGET`` makes a link."""
    for path, content in files.items():
        there = folder / path.replace("__", "/")
        there.parent.mkdir(parents=True, exist_ok=True)
        if content.startswith("-> "):
            there.symlink_to(content.removeprefix("-> "))
        else:
            there.write_text(content)
        os.utime(there, ns=(0, 7_000_000_000), follow_symlinks=False)
    return Tree(name, str(folder), Passing(["", *implied]))


def test_the_link_stays_and_files_are_where_it_leads(tmp_path: Path) -> None:
    lower = tree(tmp_path / "1", "image", ["usr"], usr__lib__a="a", lib="-> usr/lib")
    upper = tree(tmp_path / "2", "image", ["lib", "lib/x"], lib__b="b", lib__x__y="y")
    found = followed([lower, upper], str(tmp_path / "made"))
    assert found[:2] == [lower, upper]
    assert len(found) == 3
    made = Path(found[2].root)
    assert os.readlink(made / "lib") == "usr/lib"
    assert (made / "usr/lib/b").read_text() == "b"
    assert (made / "usr/lib/x/y").read_text() == "y"
    assert {os.lstat(made / one).st_mtime_ns for one in ("lib", "usr/lib/b")} == {7_000_000_000}
    assert sorted(found[2].passing.implied) == ["", "usr", "usr/lib", "usr/lib/x"]


def test_links_below_what_a_link_leads_to_are_followed(tmp_path: Path) -> None:
    lower = tree(
        tmp_path / "1",
        "image",
        ["usr", "usr/lib", "opt"],
        opt__a="a",
        usr__lib__x="-> /opt",
        lib="-> usr/lib",
    )
    upper = tree(tmp_path / "2", "image", ["lib", "lib/x"], lib__x__y="y")
    found = followed([lower, upper], str(tmp_path / "made"))
    assert os.readlink(Path(found[-1].root) / "usr/lib/x") == "/opt"
    assert (Path(found[-1].root) / "opt/y").read_text() == "y"


def test_links_of_something_else_and_to_files_stay_in_the_way(tmp_path: Path) -> None:
    """Who wrote the layer is told to give the path where the link leads."""
    lower = tree(tmp_path / "1", "base", [], lib="-> file", file="x", etc="-> nowhere")
    assert len(followed([lower, tree(tmp_path / "2", "base", ["lib"], lib__b="b")], str(tmp_path / "a"))) == 2
    assert len(followed([lower, tree(tmp_path / "3", "own", ["etc"], etc__b="b")], str(tmp_path / "b"))) == 2
