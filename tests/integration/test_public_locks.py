"""Locks of public packages beside what uv and npm install; ``python -m tests.public_locks`` has ten of each."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.public_locks import node_locks, python_sets
from tests.public_locks.place import Place

pytestmark = [
    pytest.mark.network,
    pytest.mark.root,
    pytest.mark.skipif(
        not os.environ.get("HERMES_TEST_PEERS"), reason="HERMES_TEST_PEERS=all asks uv and npm"
    ),
]


def test_a_requirement_set_is_what_uv_installs(tmp_path: Path) -> None:
    pytest.importorskip("uv")
    place = Place(tmp_path)
    place.prepare("python")
    told = python_sets.compared(place, "small", python_sets.lock_of(place, "small", ["sqlite-utils"]))
    assert told.problems == ""
    assert told.imported > 3


def test_a_package_lock_is_what_npm_installs(tmp_path: Path) -> None:
    shutil.which("npm") or pytest.skip("npm is not installed")
    place = Place(tmp_path)
    place.prepare("node")
    told = node_locks.compared(place, "small", node_locks.lock_of(place, "small", {"express": "4"}))
    assert told.problems == ""
    assert told.imported > 3
