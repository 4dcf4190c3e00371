"""The JSON documents of an image, held against the rules of the OCI image specification (v1.1)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from hermes.digest import Digest
from hermes.errors import ImageError, UsageError
from hermes.image.config import diff_ids_of, is_timestamp, parse_config, platform_of, timestamp
from hermes.image.descriptor import IMAGE_CONFIG, Descriptor
from hermes.image.manifest import Manifest
from hermes.image.platform import Platform
from tests.conftest import Sandbox

SMALL = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}
"""The smallest configuration that an image can have."""

DIGEST = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
STRINGS = {"type": "array", "items": {"type": "string"}}
STRING_MAP = {"type": "object", "additionalProperties": {"type": "string"}}
SET = {"type": "object", "additionalProperties": {"type": "object", "maxProperties": 0}}
TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"}
DESCRIPTOR = {  # descriptor.md, "Properties"
    "type": "object",
    "required": ["mediaType", "digest", "size"],
    "properties": {
        "mediaType": {
            "type": "string",
            "pattern": r"^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*/[A-Za-z0-9!#$&^_.+-]+$",
        },
        "digest": DIGEST,
        "size": {"type": "integer", "minimum": 0},
        "annotations": STRING_MAP,
    },
    "additionalProperties": False,
}
LAYERS = ["application/vnd.oci.image.layer.v1.tar+zstd", "application/vnd.oci.image.layer.v1.tar+gzip"]
MANIFEST = {  # manifest.md, "Image Manifest Property Descriptions"
    "type": "object",
    "required": ["schemaVersion", "mediaType", "config", "layers"],
    "properties": {
        "schemaVersion": {"const": 2},
        "mediaType": {"const": "application/vnd.oci.image.manifest.v1+json"},
        "config": {
            **DESCRIPTOR,
            "properties": {**DESCRIPTOR["properties"], "mediaType": {"const": IMAGE_CONFIG}},
        },
        "layers": {
            "type": "array",
            "minItems": 1,
            "items": {
                **DESCRIPTOR,
                "properties": {**DESCRIPTOR["properties"], "mediaType": {"enum": LAYERS}},
            },
        },
        "annotations": STRING_MAP,
    },
    "additionalProperties": False,
}
INDEX = {  # image-index.md, and image-layout.md, "index.json file"
    "type": "object",
    "required": ["schemaVersion", "mediaType", "manifests"],
    "properties": {
        "schemaVersion": {"const": 2},
        "mediaType": {"const": "application/vnd.oci.image.index.v1+json"},
        "manifests": {"type": "array", "items": DESCRIPTOR},
    },
    "additionalProperties": False,
}
CONFIG = {  # config.md, "Properties"
    "type": "object",
    "required": ["architecture", "os", "rootfs"],
    "properties": {
        "created": TIME,
        "architecture": {"type": "string"},
        "os": {"type": "string"},
        "variant": {"type": "string"},
        "config": {
            "type": "object",
            "properties": {
                "User": {"type": "string"},
                "ExposedPorts": SET,
                "Env": {"type": "array", "items": {"type": "string", "pattern": "^[^=]+=.*$"}},
                "Entrypoint": STRINGS,
                "Cmd": STRINGS,
                "Volumes": SET,
                "WorkingDir": {"type": "string"},
                "Labels": STRING_MAP,
                "StopSignal": {"type": "string"},
            },
            "additionalProperties": False,
        },
        "rootfs": {
            "type": "object",
            "required": ["type", "diff_ids"],
            "properties": {"type": {"const": "layers"}, "diff_ids": {"type": "array", "items": DIGEST}},
            "additionalProperties": False,
        },
        "history": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "created": TIME,
                    "created_by": {"type": "string"},
                    "empty_layer": {"type": "boolean"},
                },
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}

BUILD = """
files_layer(name = "layer", files = {"/f": "BUILD"})
image(name = "base", layers = [":layer"], env = {"A": "1", "PATH": "/x:$PATH"}, cmd = ["inherited"], labels = {"a": "1"})
image(
    name = "image",
    base = ":base",
    annotations = {"note": "ü"},
    cmd = ["b"],
    compression = "%s",
    created = "2024-02-29T12:00:00+01:00",
    entrypoint = ["/f"],
    env = {"A": "2", "B": "$A$$"},
    labels = {"title": "t"},
    ports = ["80", "53/udp"],
    stop_signal = "SIGQUIT",
    user = "1:2",
    volumes = ["/data"],
    workdir = "/w",
    platform = "linux/arm64",
)
"""


def document(folder: Path, digest: str) -> Any:
    return json.loads((folder / "blobs/sha256" / digest.removeprefix("sha256:")).read_bytes())


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_every_document_follows_the_specification(workspace: Sandbox, compression: str) -> None:
    workspace.write(
        "app/BUILD",
        (BUILD % compression).replace('name = "base", ', 'name = "base", platform = "linux/arm64", '),
    )
    ((_, digest, path),) = workspace.build("//app:image").targets["//app:image"]
    layout = Path(path)
    assert json.loads((layout / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads((layout / "index.json").read_bytes())
    jsonschema.validate(index, INDEX)
    assert [one["digest"] for one in index["manifests"]] == [digest]
    manifest = document(layout, digest)
    jsonschema.validate(manifest, MANIFEST)
    for one in (manifest["config"], *manifest["layers"]):
        assert (layout / "blobs/sha256" / one["digest"][7:]).stat().st_size == one["size"]
    config = document(layout, manifest["config"]["digest"])
    jsonschema.validate(config, CONFIG)
    assert len(config["history"]) == len(config["rootfs"]["diff_ids"]) == len(manifest["layers"])
    assert config["created"] == "2024-02-29T12:00:00+01:00"
    assert (config["os"], config["architecture"]) == ("linux", "arm64")
    assert config["config"] == {
        "Cmd": ["b"],
        "Entrypoint": ["/f"],
        "Env": ["A=2", "PATH=/x:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "B=1$"],
        "ExposedPorts": {"53/udp": {}, "80/tcp": {}},
        "Labels": {"a": "1", "title": "t"},
        "StopSignal": "SIGQUIT",
        "User": "1:2",
        "Volumes": {"/data": {}},
        "WorkingDir": "/w",
    }
    assert config["history"][0]["created_by"] == "hermes //app:layer"


def test_a_new_entry_point_ends_an_inherited_command(workspace: Sandbox) -> None:
    workspace.write("app/BUILD", BUILD % "zstd" + 'image(name = "i", base = ":base", entrypoint = ["/f"])')
    ((_, digest, path),) = workspace.build("//app:i").targets["//app:i"]
    config = document(Path(path), document(Path(path), digest)["config"]["digest"])["config"]
    assert "Cmd" not in config


def test_a_manifest_comes_back_from_its_bytes() -> None:
    blob = Descriptor(LAYERS[0], Digest.of(b"x"), 1, (("a", "b"),))
    manifest = Manifest(Descriptor(IMAGE_CONFIG, Digest.of(b"c"), 2), (blob, blob), (("k", "v"),))
    assert Manifest.parse(manifest.to_bytes()) == manifest


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"schemaVersion": 1}',
        b'{"schemaVersion": 2}',
        b'{"schemaVersion": 2, "config": {}, "layers": []}',
        b'{"schemaVersion": 2, "config": {"mediaType": "a/b", "digest": "sha256:12", "size": 1}, "layers": []}',
        b'{"schemaVersion": 2, "config": {"mediaType": "a/b", "digest": 1, "size": -1}, "layers": []}',
    ],
)
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(ImageError):
        Manifest.parse(data)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("linux/amd64", Platform("linux", "amd64")),
        ("amd64", Platform("linux", "amd64")),
        ("linux/x86_64", Platform("linux", "amd64")),
        ("linux/arm64/v8", Platform("linux", "arm64")),
        ("linux/arm", Platform("linux", "arm", "v7")),
        ("linux/armhf", Platform("linux", "arm", "v7")),
        ("linux/arm/v6", Platform("linux", "arm", "v6")),
    ],
)
def test_platforms_have_one_name(text: str, parsed: Platform) -> None:
    assert Platform.parse(text) == parsed
    assert Platform.parse(str(parsed)) == parsed


@pytest.mark.parametrize("text", ["", "/", "linux/", "a/b/c/d", "linux/amiga", "amiga/amd64", "linux/amd 64"])
def test_what_is_no_platform_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Platform.parse(text)


def test_times_are_rfc_3339() -> None:
    assert timestamp(0) == "1970-01-01T00:00:00Z"
    assert is_timestamp(timestamp(1_700_000_000))
    assert not any(
        map(
            is_timestamp,
            ["", "2024", "2024-01-01", "2024-13-01T00:00:00Z", "2024-01-01T00:00:00", "yesterday"],
        )
    )


@pytest.mark.parametrize("broken", [{}, {"os": 1, "architecture": "x"}, {"rootfs": {"diff_ids": "x"}}])
def test_a_configuration_without_platform_or_layers_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(ImageError):
        platform_of(broken)
    with pytest.raises(ImageError):
        diff_ids_of(broken)


def test_half_of_a_surrogate_pair_is_read_as_go_reads_it() -> None:
    """Go's encoding/json gives U+FFFD for it; no process, file or UTF-8 document can hold it."""
    document = {
        **SMALL,
        "config": {"Cmd": ["a\udcff", "\U0001f600"], "Env": ["A=\ud800"], "Labels": {"\udfff": "x"}},
    }
    config = parse_config(json.dumps(document).encode())["config"]
    assert config == {"Cmd": ["a\ufffd", "\U0001f600"], "Env": ["A=\ufffd"], "Labels": {"\ufffd": "x"}}


@pytest.mark.parametrize(
    "config",
    [{"WorkingDir": "/a\0b"}, {"Cmd": ["x\0"]}, {"Env": ["A=\0"]}, {"User": "\0"}, {"Labels": {"a\0": "b"}}],
)
def test_a_nul_character_is_refused_where_a_configuration_comes_in(config: dict[str, object]) -> None:
    with pytest.raises(ImageError, match="contains a NUL character"):
        parse_config(json.dumps({**SMALL, "config": config}).encode())
