"""docs/tutorial.md does what it says: its commands run one after the other, as printed, with a registry that really runs."""

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


@pytest.mark.network
def test_the_tutorial_ends_with_two_images_in_a_registry(tmp_path: Path, registry: Registry) -> None:
    page = (ROOT / "docs/tutorial.md").read_text()
    steps = re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    script = "set -eu\n" + "".join(steps).replace("127.0.0.1:5000", registry.host)
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HERMES_HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path),
    }
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    place = 0
    for text in SAID:
        place = done.stdout.index(text, place) + len(text)
    for name in ("web", "job"):
        assert list(registry.folder.glob(f"data/**/repositories/shop/{name}/_manifests/tags/v1"))
