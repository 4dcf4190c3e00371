"""Hostile layers, documents, archives and registries: none gets out, hangs, fills the memory or ends in a traceback.

Each kind is tried in a process of its own, whose memory is measured. Documents and archives are all tried; of the layers
and of the modes of registries `make test` tries one in twelve, ``make test-all`` one in three. `python -m tests.hostile`
tries all, and shows the counts in a table.
"""

from __future__ import annotations

import os

import pytest

from tests.hostile.run import BUSYBOX_PATH, KINDS
from tests.hostile.table import Row, tried

STEP = 3 if os.environ.get("HERMES_TEST_EXAMPLES") == "all" else 12
LEAST = {"layers": 300 // STEP, "documents": 1150, "archives": 200, "registries": 1850 // STEP}
MOST_MEGABYTES = 400


@pytest.mark.skipif(not BUSYBOX_PATH.exists(), reason="the Debian package busybox-static is not installed")
@pytest.mark.parametrize("kind", KINDS)
def test_hostile_images_and_registries_do_no_harm(kind: str) -> None:
    row: Row = tried(kind, STEP)
    print(row)
    assert row.cases >= LEAST[kind]
    assert row.wrong == {}
    assert row.counts["taken"]
    assert row.counts["refused"]
    assert row.megabytes < MOST_MEGABYTES
