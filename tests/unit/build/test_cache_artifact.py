"""The index of a cache: what is written is read, and whatever else somebody wrote is refused."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from hermes.build.cache.artifact import ARTIFACT, INDEX, CacheIndex, index_in, manifest_of
from hermes.digest import Digest, canonical_json
from hermes.engine.action import Value
from hermes.engine.executor import Result
from hermes.errors import ImageError
from hermes.image.descriptor import Descriptor

ONE, TWO = Digest.of(b"one"), Digest.of(b"two")
HONEST: dict[str, Any] = {
    "documents": {ONE: base64.b64encode(b"one").decode()},
    "files": {TWO: 3},
    "layers": {ONE: [TWO, 3, "application/vnd.oci.image.layer.v1.tar+zstd"]},
    "results": {"key": [{"layer": ["layer", ONE, 7]}, 12]},
    "schema": 2,
    "version": 1,
}


def packed(document: Any) -> bytes:
    return zstandard.ZstdCompressor().compress(canonical_json(document))


def test_what_is_written_is_read() -> None:
    index = CacheIndex(
        {"key": Result({"layer": Value("layer", ONE, 7)}, 12)},
        {ONE: Descriptor("application/vnd.oci.image.layer.v1.tar+zstd", TWO, 3)},
        {ONE: b"one"},
        {TWO: 3},
    )
    assert index.dump() == packed(HONEST)
    found = CacheIndex.load(index.dump(), "c")
    assert (found.layers, found.documents, found.files) == (index.layers, index.documents, index.files)
    assert found.results["key"].outputs == {"layer": Value("layer", ONE, 7)}


def test_a_document_that_is_not_what_its_digest_says_is_left_out() -> None:
    found = CacheIndex.load(packed({**HONEST, "documents": {TWO: base64.b64encode(b"one").decode()}}), "c")
    assert found.documents == {}


def test_a_result_that_cannot_be_one_is_left_out() -> None:
    rows = {"a": [{"layer": ["layer", "sha256:../../x", 1]}, 0], "b": [{"layer": 1}, 0], "c": [[], 0]}
    assert CacheIndex.load(packed({**HONEST, "results": rows}), "c").results == {}


def bomb() -> bytes:
    packer = zstandard.ZstdCompressor().compressobj()
    return b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(257)), packer.flush()])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nothing",
        packed([]),
        packed({}),
        packed(HONEST)[:-9],
        packed({**HONEST, "version": 2}),
        packed({**HONEST, "schema": 1}),
        packed({**HONEST, "layers": {"sha256:x": [TWO, 3, ""]}}),
        packed({**HONEST, "layers": {ONE: [TWO, -3, ""]}}),
        packed({**HONEST, "files": {TWO: "3"}}),
        packed({**HONEST, "files": {TWO: True}}),
        packed({**HONEST, "results": [1]}),
        packed({**HONEST, "documents": {ONE: 5}}),
        bomb(),
    ],
    ids=lambda data: str(len(data)),
)
def test_what_is_not_an_index_is_refused(data: bytes) -> None:
    with pytest.raises(ImageError):
        CacheIndex.load(data, "c")


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_with_an_error_of_ours(data: bytes) -> None:
    with pytest.raises(ImageError):
        CacheIndex.load(zstandard.ZstdCompressor().compress(data), "c")


def test_a_manifest_names_its_index() -> None:
    index = Descriptor(INDEX, ONE, 3)
    assert index_in(manifest_of(index, []), "c") == index


@pytest.mark.parametrize(
    "manifest",
    [
        b"{}",
        b"[]",
        b"x",
        canonical_json({"artifactType": ARTIFACT}),
        canonical_json({"artifactType": ARTIFACT, "layers": []}),
        canonical_json({"artifactType": ARTIFACT, "layers": [{"mediaType": "x", "digest": ONE, "size": 1}]}),
        canonical_json(
            {"artifactType": ARTIFACT, "layers": [{"mediaType": INDEX, "digest": ONE, "size": 1 << 40}]}
        ),
    ],
    ids=lambda data: str(len(data)),
)
def test_a_manifest_of_something_else_is_refused(manifest: bytes) -> None:
    with pytest.raises(ImageError):
        index_in(manifest, "c")
