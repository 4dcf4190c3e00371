"""``squash``: a stack as one layer, in the form that the image needs."""

from __future__ import annotations

import pytest

from hermes.actions.specs.squash import Squash
from hermes.engine.key import Resolved
from hermes.layer import encodings, toc
from hermes.layer.compress import GZIP, ZSTD
from tests.unit.actions.bench import Bench, file, folder


@pytest.mark.parametrize(("hints", "forms"), [((), {ZSTD.spec}), ((GZIP.spec,), {GZIP.spec})])
def test_a_stack_is_compressed_once_for_the_image_that_needs_it(
    bench: Bench, hints: tuple[str, ...], forms: set[str]
) -> None:
    below = bench.layer(folder("srv"))
    roots = bench.layer(folder("opt"), file("opt/a", 4)), bench.layer(file("opt/b", 5))
    spec: Squash[Resolved] = Squash(mtime=7, below=(below,), roots=roots)
    made = bench.run(spec, *hints)["layer"].digest
    assert [one.path for one in toc.load(bench.store, made).entries] == ["opt", "opt/a", "opt/b"]
    assert {one.spec for one in (ZSTD, GZIP) if encodings.find(bench.store, made, one)} == forms
