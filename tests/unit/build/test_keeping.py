"""What else is wrong where something cannot be analyzed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermes import Workspace
from hermes.build.analyzed import AnalyzedPlan
from hermes.build.keeping import all_of_package, sound
from hermes.build.options import BuildOptions
from hermes.build.session import Session
from hermes.dsl.package import Package
from hermes.dsl.packages import Packages
from hermes.errors import BuildFailed, BuildFileError, HermesError, each
from hermes.store import Store

B = """\
filegroup(name = "i", srcs = [":no1", "//c:x", "//e:hidden"])
filegroup(name = "j", srcs = [":no2"])
filegroup(name = "z", srcs = [":y"])
filegroup(name = "y", srcs = [":x"])
filegroup(name = "x", srcs = [":no3"])
filegroup(name = "c1", srcs = [":c2"])
filegroup(name = "c2", srcs = [":c1"])
filegroup(name = "v", srcs = ["//e:hidden", "//e:other"])
files_layer(name = "w", srcs = ["//e:image"], files = {"/x": "//e:image"})
filegroup(name = "good")
"""
E = """\
filegroup(name = "hidden")
filegroup(name = "other")
image(name = "image", visibility = ["//visibility:public"])
"""
OF_B = ["1:", "1:", "2:", "5:", "6:", "8:", "8:", "9:", "9:"]
"""The lines of the errors in ``B``, where ``//c`` is told of elsewhere."""


class Tree:
    def __init__(self, root: Path) -> None:
        self.root, self.home = root / "tree", root / "home"
        self.write("hermes.yaml", "")
        self.store = Store.open(self.home)

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def session(self) -> Session:
        return Session.open(self.root, self.store, BuildOptions(), lambda _: None)

    def error(self, *patterns: str, **options: bool) -> HermesError:
        with pytest.raises(HermesError) as raised:
            Workspace(self.root, home=self.home).build(list(patterns), **options)
        return raised.value


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    made = Tree(tmp_path)
    yield made
    made.store.close()


def lines(error: HermesError, file: str = "b/BUILD") -> list[str]:
    """The lines of a file that an error tells of."""
    told = [str(one.location) for one in each(error)]
    return [one.removeprefix(f"{file}:").partition(":")[0] + ":" for one in told if one.startswith(file)]


def test_all_that_is_wrong_in_a_package_is_told(tree: Tree) -> None:
    tree.write("b/BUILD", B.replace('"//c:x", ', ""))
    tree.write("e/BUILD", E)
    tree.write("f/BUILD", 'filegroup(name = "f", srcs = [":nothing"])\n')
    assert lines(tree.error("//...")) == ["1:", *OF_B[2:]]
    assert len(each(tree.error("//..."))) == len(OF_B) - 1


def test_keep_going_tells_what_is_wrong_in_all_packages(tree: Tree) -> None:
    tree.write("b/BUILD", B)
    tree.write("c/BUILD", "import os\nfilegroup(name = 1)\nwhile 1: pass\n")
    tree.write("d/BUILD", 'filegroup(name = 2)\nfilegroup(name = "d", bogus = 3)\n')
    tree.write("e/BUILD", E)
    tree.write("f/BUILD", 'filegroup(name = "f", srcs = [":nothing"])\n')
    error = tree.error("//...", "//b:missing", keep_going=True)
    assert isinstance(error, BuildFailed)
    told = [one for listed in error.failures.values() for one in each(listed)]
    found = sorted(str(one.location).rpartition(":")[0] for one in told if one.location)
    assert found == sorted(
        [f"b/BUILD:{one}"[:-1] for one in OF_B[1:]]
        + ["c/BUILD:1", "c/BUILD:3", "d/BUILD:1", "d/BUILD:2", "f/BUILD:1"]
    )
    assert "//b:missing" in error.failures


def test_keep_going_loads_only_what_a_change_broke(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """It tells what a build from nothing tells, and links what that links."""
    group = 'filegroup(name = "{}", srcs = ["//{}"], visibility = ["//visibility:public"])\n'
    file = 'write_file(name = "{}", content = "{}", visibility = ["//visibility:public"])\n'
    for name, text in {"a": file, "b": group, "c": group, "d": file, "e": file, "f": file}.items():
        tree.write(f"{name}/BUILD", text.format(name, chr(ord(name) - 1)))
    Workspace(tree.root, home=tree.home).build(["//..."])
    loaded: list[str] = []
    load = Packages._load_package

    def noted(packages: Packages, name: str) -> Package:
        loaded.append(name)
        return load(packages, name)

    monkeypatch.setattr(Packages, "_load_package", noted)
    for number, text in enumerate(("filegroup(name = 1)\n", group.format("b", "a:none"), "broken(")):
        tree.write("b/BUILD", text)
        tree.write("e/BUILD", file.format("e", number))
        shutil.rmtree(tree.root / "hermes-out")
        loaded.clear()
        error = tree.error("//...", keep_going=True)
        assert "b" in loaded
        assert set(loaded) <= {"a", "b", "c", "e"}
        out = tree.root / "hermes-out"
        assert {path.name for path in out.iterdir()} == {"a", "d", "e", "f"}
        assert (out / "e/e").read_text() == str(number)
        shutil.rmtree(tree.home / "index")
        assert tree.error("//...", keep_going=True).render() == error.render()
        tree.write("b/BUILD", group.format("b", "a"))
        Workspace(tree.root, home=tree.home).build(["//..."])


def test_what_depends_on_something_broken_is_passed_over(tree: Tree) -> None:
    """Whatever was tried before: the first fails of a target two steps below it."""
    tree.write("b/BUILD", B)
    tree.write("e/BUILD", E)
    session = tree.session()
    labels = session.labels(["//b:z", "//b:y", "//b:x", "//b:c1", "//b:c2", "//b:good"], "")
    broken: dict[str, HermesError] = {}
    assert list(map(str, sound(session, labels, broken))) == ["//b:good"]
    assert list(broken) == ["//b:z", "//b:c1"]


def test_an_error_elsewhere_stays_alone(tree: Tree) -> None:
    tree.write("b/BUILD", 'filegroup(name = "a", srcs = [":no"])\n')
    session = tree.session()
    error = BuildFileError("elsewhere")
    assert all_of_package(session, session.labels(["//..."], ""), error) is error


EDITS = {
    "a target of a leaf": ("p3/BUILD", 'filegroup(name = "t", srcs = [":gone"])\n'),
    "syntax": ("p3/BUILD", "import os\nwhile 1: pass\n"),
    "declarations": ("p2/BUILD", 'filegroup(name = 1)\nfilegroup(name = "t", bogus = 2)\n'),
    "a target that others use": ("p0/BUILD", 'filegroup(name = "other")\n'),
    "visibility": ("p0/BUILD", 'filegroup(name = "t", visibility = ["//p1"])\n'),
    "a cycle": (
        "p0/BUILD",
        'filegroup(name = "t", srcs = ["//p3:t"], visibility = ["//visibility:public"])\n',
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_broken_package_costs_no_look_at_the_others(
    tree: Tree, edit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what is told is what is told without the memory of the last build."""
    public = 'visibility = ["//visibility:public"]'
    for number in range(8):
        below = f'"//p{number - 1}:t"' if number % 4 else ""
        tree.write(f"p{number}/BUILD", f'filegroup(name = "t", srcs = [{below}], {public})\n')
    Workspace(tree.root, home=tree.home).build(["//..."])
    tree.write(*EDITS[edit])
    loaded: list[str] = []
    load = Session.labels

    def from_nothing(self: Session, *arguments: object) -> object:
        loaded.append("all")
        return load(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Session, "labels", from_nothing)
    error = tree.error("//...")
    assert not loaded
    with pytest.raises(HermesError) as raised:
        AnalyzedPlan.make(tree.session(), ["//..."], "", None, None)
    assert loaded
    assert (type(error), error.render()) == (type(raised.value), raised.value.render())
