"""A build service with two workers, shared by the tests of a file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import Sandbox
from tests.remote import place as places
from tests.remote import sharing as shared
from tests.remote.cluster import Cluster, reason_against


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    if reason := reason_against():
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="hermes-cluster-", ignore_cleanup_errors=True) as folder:
        made = Cluster(Path(folder))
        try:
            made.prepare()
            made.start()
            for name in ("one", "two"):
                made.worker(name)
            yield made
        finally:
            made.stop()


@pytest.fixture
def place(workspace: Sandbox, tmp_path: Path) -> places.Made:
    return partial(places.made, workspace, tmp_path)


@pytest.fixture
def sharing(workspace: Sandbox, tmp_path: Path) -> shared.Made:
    return partial(shared.made, workspace, tmp_path)
