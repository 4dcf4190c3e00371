"""Hundreds of hostile layers, documents and archives: none gets out, hangs, fills the memory or ends in a traceback.

Each kind is tried in a process of its own, whose memory is measured. ``make test`` tries one in twelve, ``make test-all``
one in three; ``python -m tests.hostile.run KIND FOLDER 1`` tries all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.hostile.run import BUSYBOX_PATH, KINDS

STEP = 3 if os.environ.get("HERMES_TEST_EXAMPLES") == "all" else 12
LEAST = {"layers": 300, "documents": 180, "archives": 150}
MOST_MEGABYTES = 400


@pytest.mark.skipif(not BUSYBOX_PATH.exists(), reason="the Debian package busybox-static is not installed")
@pytest.mark.parametrize("kind", KINDS)
def test_hostile_images_do_no_harm(kind: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile.run", kind, str(tmp_path), str(STEP)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout)
    found: dict[str, str] = said["found"]
    counts = Counter(one.partition(":")[0] for one in found.values())
    print(kind, dict(counts), f"{said['megabytes']:.0f} MB, slowest: {said['slowest']}")
    assert len(found) >= LEAST[kind] // STEP
    assert {name: verdict for name, verdict in found.items() if verdict not in ("taken", "refused")} == {}
    assert counts["taken"]
    assert counts["refused"]
    assert said["after"] == "taken"
    assert said["megabytes"] < MOST_MEGABYTES
