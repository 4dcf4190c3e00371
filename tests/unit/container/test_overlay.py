"""Stacks of layers: how many the kernel takes (``OVL_MAX_STACK`` in Linux, fs/overlayfs/super.c, is 500)."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermes.container import overlay
from hermes.container.lowers import Tree
from hermes.container.overlay import mount_stack
from hermes.errors import SandboxError


def trees(folder: Path, count: int) -> list[Tree]:
    """Trees of as many layers, each with a file of its own."""
    found = []
    for number in range(count):
        root = folder / f"{number}/root"
        root.mkdir(parents=True)
        (root / f"file{number}").touch()
        found.append(Tree(f"layer {number}", str(root)))
    return found


def test_more_layers_than_the_kernel_takes_are_refused_with_their_number(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    with pytest.raises(SandboxError, match="501 layers are more than the 500 that overlayfs can stack"):
        mount_stack(trees(tmp_path, 501), str(tmp_path / "scratch"), target="m")


def test_as_many_layers_as_the_kernel_takes_are_mounted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[str] = []
    monkeypatch.setattr(overlay, "mount", lambda *arguments: given.extend(map(str, arguments)))
    (tmp_path / "scratch").mkdir()
    mount_stack(trees(tmp_path, 500), str(tmp_path / "scratch"), target="m")
    lowers = given[-1].split(",")[0].removeprefix("lowerdir=").split(":")
    assert lowers == [str(number) for number in reversed(range(500))]
    assert len(given[-1]) < 4096, "the options of mount(2) are a page"
