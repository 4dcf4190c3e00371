"""The first image of README.md and docs/tutorial.md: commands run one after the other, as printed, and do what is said."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.registry.servers import Registry

SAID = (
    "Hello, world!",
    "Hello, Ada!",
    "Hello, stock! 7",
    "//job:image\n//lib:lib\n//web:image\n",
    "Good day, stock! 7",
    "Good day, Ada!",
)


def run(script: str, folder: Path) -> str:
    """Run lines of shell in a new folder, with Hermes in PATH and a store of its own; return what they print."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HERMES_HOME": str(folder / "home"),
        "TMPDIR": str(folder),
    }
    done = subprocess.run(
        ["bash", "-euc", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def shell_of(text: str) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.network
def test_the_first_image_of_the_readme(tmp_path: Path) -> None:
    section = (ROOT / "README.md").read_text().partition("\n## The same by hand\n")[2]
    script = shell_of(section.partition("\n## ")[0])[0]
    assert "\nHello, Ada\n" in run(script, tmp_path)
    assert (tmp_path / "shop/shop.tar").exists()


@pytest.mark.network
def test_the_tutorial_ends_with_two_images_in_a_registry(tmp_path: Path, registry: Registry) -> None:
    steps = shell_of((ROOT / "docs/tutorial.md").read_text())
    printed = run("".join(steps).replace("127.0.0.1:5000", registry.host), tmp_path)
    place = 0
    for text in SAID:
        place = printed.index(text, place) + len(text)
    for name in ("web", "job"):
        assert list(registry.folder.glob(f"data/**/repositories/shop/{name}/_manifests/tags/v1"))
