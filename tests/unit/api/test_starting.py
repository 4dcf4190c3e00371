"""What `hermes init` writes, and what it refuses to write over."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermes.api.starting import TEMPLATES, fit, start
from hermes.dsl.packages import Packages
from hermes.errors import UsageError
from hermes.graph.label import Label
from hermes.store import Store
from hermes.workspace.listing import Folders
from hermes.workspace.sources import FileIndex

LOCK = """version: 1
packages:
- {name: libc6, version: 2.41-12}
- {name: nodejs, version: "20.19.2+dfsg-1"}
- {name: python3, version: 3.13.5-1}
"""


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_template_has_an_image_and_a_test(tmp_path: Path, store: Store, template: str) -> None:
    root = tmp_path / "shop"
    written = start(root, template)
    assert {"hermes.yaml", ".gitignore", "app/BUILD"} <= set(written)
    assert sorted(written) == sorted(str(one.relative_to(root)) for one in root.rglob("*") if one.is_file())
    for target in TEMPLATES[template].locked:
        (root / f"app/{target.partition(':')[2]}.lock.yaml").write_text(LOCK)
    fit(root)
    packages = Packages(Folders(root), FileIndex(root), store, lambda _: None)
    targets = packages.package("app").targets
    assert {"image", "greets"} <= set(targets)
    for target in TEMPLATES[template].locked:
        assert packages.target(Label.parse(target)) is not None


def test_versions_are_those_of_the_locked_packages(tmp_path: Path) -> None:
    for template, lines in (
        ("python", ['python = "3.13"', 'libc = "glibc-2.41"']),
        ("node", ['node = "20.19.2"']),
    ):
        root = tmp_path / template
        start(root, template)
        (root / "app/base.lock.yaml").write_text(LOCK)
        fit(root)
        text = (root / "app/BUILD").read_text()
        assert all(f"\n    {line},\n" in text for line in lines)


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/BUILD").write_text("mine\n")
    (tmp_path / ".gitignore").write_text("mine\n")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError, match=r"has app/BUILD already; nothing was written"):
        start(tmp_path, "debian")
    assert sorted(tmp_path.rglob("*")) == before
    (tmp_path / "app/BUILD").unlink()
    assert ".gitignore" not in start(tmp_path, "debian")
    assert (tmp_path / ".gitignore").read_text() == "mine\n"


def test_a_workspace_is_not_begun_in_another(tmp_path: Path) -> None:
    start(tmp_path / "one", "debian")
    with pytest.raises(UsageError, match="one is a workspace already"):
        start(tmp_path / "one", "node")
    with pytest.raises(UsageError, match=r"two is in the workspace .*/one already"):
        start(tmp_path / "one/two", "node")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="file is not a folder"):
        start(tmp_path / "file", "node")
    with pytest.raises(UsageError, match="there is no template 'go'") as caught:
        start(tmp_path / "three", "go")
    assert "python" in (caught.value.hint or "")
    assert not (tmp_path / "three").exists()
