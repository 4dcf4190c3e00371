"""Fixtures of the tests of actions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hermes.store import Store
from tests.unit.actions.bench import Bench, opened


@pytest.fixture
def bench(store: Store, tmp_path: Path) -> Iterator[Bench]:
    with opened(store, tmp_path) as made:
        yield made
