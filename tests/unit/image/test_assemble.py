"""The one composer of images: empty layers, history, fields, formats.

Right values are of image-spec (config.md, manifest.md) and of what docker 20.10 writes.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from hermes.digest import Digest
from hermes.errors import ImageError
from hermes.image import docker
from hermes.image.assemble import DOCKER, EMPTY, Layer, assemble, configuration, manifest_of
from hermes.image.config import diff_ids_of, platform_of
from hermes.image.descriptor import IMAGE_CONFIG, IMAGE_MANIFEST, Descriptor
from hermes.image.manifest import Manifest
from hermes.image.platform import Platform

PLATFORM = {"architecture": "amd64", "os": "linux"}
FULL = [Digest.of(b"a"), Digest.of(b"b"), Digest.of(b"c")]


def blob(number: int) -> Descriptor:
    return Descriptor("application/vnd.oci.image.layer.v1.tar+zstd", Digest.of(bytes([number])), number)


def row(text: str, **more: bool) -> dict[str, Any]:
    return {"created": "1970-01-01T00:00:00Z", "created_by": text, **more}


def rows_of(document: dict[str, Any]) -> list[tuple[str, bool]]:
    return [(one["created_by"], bool(one.get("empty_layer"))) for one in document["history"]]


def test_the_layer_that_is_left_out_is_the_one_that_docker_leaves_out() -> None:
    # moby, layer/empty.go: "DigestSHA256EmptyTar is the canonical sha256 digest of empty tar file -
    # (1024 NULL bytes)".
    assert EMPTY == "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"


def test_a_layer_without_entries_is_left_out_as_docker_does() -> None:
    """docker 20.10 of ``COPY busybox``, ``RUN true``, ``RUN touch /x``: two diff_ids, and a mark in the second row."""
    layers = [Layer(FULL[0], blob(1)), Layer(EMPTY, blob(2)), Layer(FULL[1], blob(3))]
    made = assemble(PLATFORM, layers, [row("COPY"), row("RUN true"), row("RUN touch /x")], {})
    document = json.loads(made.config)
    assert document["rootfs"] == {"type": "layers", "diff_ids": [FULL[0], FULL[1]]}
    assert document["history"] == [row("COPY"), row("RUN true", empty_layer=True), row("RUN touch /x")]
    assert made.manifest.layers == (blob(1), blob(3))
    assert [one.diff_id for one in made.layers] == [FULL[0], FULL[1]]


def test_an_empty_layer_of_a_base_stays_in_the_image() -> None:
    layers = [Layer(EMPTY, blob(1), of_base=True), Layer(FULL[0], blob(2)), Layer(EMPTY, blob(3))]
    made = assemble(PLATFORM, layers, [row("base"), row("a"), row("b")], {})
    assert diff_ids_of(made.document) == [EMPTY, FULL[0]]
    assert made.manifest.layers == (blob(1), blob(2))
    assert rows_of(made.document) == [("base", False), ("a", False), ("b", True)]


def test_rows_that_are_marked_already_stand_for_no_layer() -> None:
    history = [row("ENV", empty_layer=True), row("a"), row("CMD", empty_layer=True), row("b")]
    made = configuration(PLATFORM, [Layer(EMPTY), Layer(FULL[0])], history)
    assert rows_of(made) == [("ENV", True), ("a", True), ("CMD", True), ("b", False)]
    assert diff_ids_of(made) == [FULL[0]]


@pytest.mark.parametrize("count", [0, 2])
def test_a_history_of_more_or_fewer_layers_is_refused(count: int) -> None:
    with pytest.raises(ImageError, match=f"1 layers, and the image {count}"):
        configuration(PLATFORM, [Layer(one) for one in FULL[:count]], [row("a")])


def test_an_image_of_empty_layers_alone_has_no_layers() -> None:
    # config.md asks for "rootfs" and its "diff_ids", manifest.md for "layers", also where they are empty.
    made = assemble(PLATFORM, [Layer(EMPTY, blob(1))], [row("a")], {})
    assert json.loads(made.config)["rootfs"] == {"type": "layers", "diff_ids": []}
    assert json.loads(made.manifest.to_bytes())["layers"] == []


def test_only_fields_of_the_specification_are_passed_on() -> None:
    """config.md, "Properties"; docker's own (``container_config`` is of the base's last step) are of no use in a derived image."""
    passed = {
        **PLATFORM,
        "author": "A <a@example.org>",
        "created": "2024-02-29T12:00:00+01:00",
        "os.features": ["win32k"],
        "os.version": "10.0.14393.1066",
        "variant": "v8",
    }
    own = {
        "annotations": {"a": "b"},
        "container": "0123",
        "container_config": {"Cmd": ["x"]},
        "docker_version": "20.10.24",
        "history": [row("old")],
        "id": "0123",
        "rootfs": {"type": "layers", "diff_ids": [FULL[2]]},
    }
    made = configuration({**passed, **own, "config": {"Cmd": ["c"]}}, [], [])
    empty = {"history": [], "rootfs": {"type": "layers", "diff_ids": []}}
    assert made == {**passed, "config": {"Cmd": ["c"]}, **empty}
    assert platform_of(made) == Platform("linux", "amd64", "v8")


def test_empty_settings_and_fields_are_left_out() -> None:
    config = {"Env": [], "Labels": {}, "User": "", "Cmd": None, "WorkingDir": "/w"}
    made = configuration({**PLATFORM, "author": "", "config": config, "variant": ""}, [], [])
    assert made["config"] == {"WorkingDir": "/w"}
    assert made.keys() == {"architecture", "config", "history", "os", "rootfs"}


@pytest.mark.parametrize("broken", [{}, {"os": "linux"}, {"architecture": "amd64", "os": 1}])
def test_a_configuration_says_its_platform(broken: dict[str, Any]) -> None:
    with pytest.raises(ImageError, match="does not say its platform"):
        configuration(broken, [], [])


def test_documents_are_utf_8_whatever_a_command_line_held() -> None:
    # RFC 8259, section 8.1: JSON is UTF-8; Go's encoding/json writes U+FFFD for other bytes.
    text = b"echo \xff".decode("utf-8", "surrogateescape")
    made = assemble({**PLATFORM, "author": text}, [], [row(text, empty_layer=True)], {"a": text})
    document = json.loads(made.config.decode("utf-8"))
    assert document["history"][0]["created_by"] == document["author"] == "echo \ufffd"
    assert json.loads(made.manifest.to_bytes().decode("utf-8"))["annotations"] == {"a": "echo \ufffd"}


def test_the_manifest_describes_the_configuration_as_it_is_written() -> None:
    made = assemble(PLATFORM, [Layer(FULL[0], blob(1))], [row("a")], {"b": "2", "a": "1"})
    config = Descriptor(IMAGE_CONFIG, Digest.of(made.config), len(made.config))
    expected = Manifest(config, (blob(1),), (("a", "1"), ("b", "2")), IMAGE_MANIFEST)
    assert made.manifest == expected
    assert Manifest.parse(made.manifest.to_bytes()) == expected


def test_an_image_in_dockers_format_has_its_media_types_and_no_annotations() -> None:
    # distribution, "Image Manifest Version 2, Schema 2": the fields are schemaVersion, mediaType, config, layers.
    made = assemble(PLATFORM, [], [], {"a": "1"}, DOCKER)
    document = json.loads(made.manifest.to_bytes())
    assert document.keys() == {"schemaVersion", "mediaType", "config", "layers"}
    assert document["mediaType"] == docker.MANIFEST
    assert document["config"]["mediaType"] == docker.CONFIG


def test_a_manifest_keeps_where_the_blob_of_a_base_can_be_downloaded() -> None:
    foreign = Descriptor(
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        FULL[0],
        9,
        urls=("https://example.org/layer",),
    )
    made = manifest_of(Descriptor(IMAGE_CONFIG, FULL[1], 1), [foreign], {})
    (found,) = json.loads(made.to_bytes())["layers"]
    assert found["urls"] == ["https://example.org/layer"]
    assert found["digest"] == FULL[0]
