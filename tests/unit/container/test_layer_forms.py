"""Forms of layers: which layers are extracted, and what is remembered of their use."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermes.store import Store
from hermes.store.gc import collect, usage
from tests.unit.actions.bench import Bench, file, opened


@pytest.fixture
def bench(store: Store, tmp_path: Path) -> Iterator[Bench]:
    with opened(store, tmp_path) as made:
        yield made


def test_a_tree_that_was_used_again_outlives_one_that_was_not(bench: Bench) -> None:
    store, forms = bench.store, bench.tools.layers
    layers = [bench.layer(file(name, 5000)).value.digest for name in ("a", "b")]
    for one in layers:
        forms.ensure_tree(one)
        time.sleep(0.02)  # a tick of the clock that the file system takes its times from
    forms.ensure_tree(layers[0])
    trees = [f"{store.trees}/{one.hex}" for one in layers]
    blobs = [entry.path for entry in os.scandir(store.blobs.folder)]
    _, size = usage(store).kinds["tree"]
    collect(store, size - 1, forms.remover.remove, held=lambda: blobs)
    assert [os.path.exists(one) for one in trees] == [True, False]


def test_a_layer_is_extracted_once(bench: Bench) -> None:
    layer = bench.layer(file("a", 5)).value.digest
    bench.tools.layers.ensure_tree(layer)
    tree = f"{bench.store.trees}/{layer.hex}"
    before = os.stat(tree).st_ino
    bench.tools.layers.ensure_tree(layer)
    assert os.stat(tree).st_ino == before
    assert Path(f"{tree}/root/a").read_bytes() == b"x" * 5
