"""Documents of images that anyone may have written: what is known of them is of its type, or there is one error."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given

from hermes.digest import Digest, canonical_json, read_json
from hermes.errors import ImageError
from hermes.image.assemble import Layer, configuration
from hermes.image.config import history_of, parse_config
from hermes.image.descriptor import IMAGE_INDEX, IMAGE_MANIFEST, Descriptor
from hermes.image.layout import read_index
from hermes.image.manifest import Index, Manifest, described
from tests.properties import changed, examples

DIGEST = Digest.of(b"x")
DESCRIPTOR = {
    "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
    "digest": DIGEST,
    "size": 5,
    "annotations": {"a": "b"},
    "platform": {"os": "linux", "architecture": "amd64", "variant": "v2"},
    "urls": ["https://example.org/x"],
}
MANIFEST = {
    "schemaVersion": 2,
    "mediaType": IMAGE_MANIFEST,
    "config": DESCRIPTOR,
    "layers": [DESCRIPTOR],
    "annotations": {"x": "y"},
}
INDEX = {
    "schemaVersion": 2,
    "mediaType": IMAGE_INDEX,
    "manifests": [DESCRIPTOR],
    "annotations": {"x": "y"},
}
CONFIG = {
    "os": "linux",
    "architecture": "arm",
    "variant": "v7",
    "author": "a",
    "created": "2020-01-01T00:00:00Z",
    "rootfs": {"type": "layers", "diff_ids": [DIGEST]},
    "history": [{"created_by": "x", "empty_layer": True}, {"created": "2020-01-01T00:00:00Z"}],
    "config": {
        "Cmd": ["a"],
        "Env": ["A=b"],
        "ExposedPorts": {"80/tcp": {}},
        "Healthcheck": {"Test": ["CMD", "x"], "Interval": 5},
        "Labels": {"a": "b"},
        "OnBuild": ["RUN x"],
        "StopSignal": "TERM",
        "User": "a:b",
        "Volumes": {"/v": {}},
        "WorkingDir": "/w",
    },
}
DEEP = "(nested 900 deep)"


def text(value: Any) -> bytes:
    """Return a value as JSON, with a list of lists in place of `DEEP`."""
    return json.dumps(value).replace(json.dumps(DEEP), "[" * 900 + "]" * 900).encode()


@examples(400)
@given(changed(MANIFEST))
@example({**MANIFEST, "annotations": {"a": DEEP}})
@example({**MANIFEST, "annotations": {"a": 1.5}})
@example({**MANIFEST, "schemaVersion": DEEP})
def test_a_changed_manifest_is_read_or_refused(document: Any) -> None:
    try:
        found = Manifest.parse(text(document))
    except ImageError:
        return
    assert Manifest.parse(found.to_bytes()) == found


@examples(400)
@given(changed(INDEX))
def test_a_changed_index_is_read_or_refused(document: Any) -> None:
    try:
        found = Index.parse(text(document))
    except ImageError:
        return
    assert Index.parse(found.to_bytes()) == found


@examples(600)
@given(changed(CONFIG))
@example({**CONFIG, "config": {"X": DEEP}})
@example({**CONFIG, "config": {"Healthcheck": {"Interval": 1.5}}})
@example({**CONFIG, "history": [{"x": 1e300}]})
@example({**CONFIG, "author": 0.5})
def test_an_image_on_a_changed_configuration_is_made_or_refused(document: Any) -> None:
    try:
        found = parse_config(text(document))
        history = history_of(found, "base")
        layers = [Layer(Digest.parse(one), None) for one in found.get("rootfs", {}).get("diff_ids") or ()]
        made = configuration(found, layers, history)
    except ImageError:
        return
    assert parse_config(canonical_json(made))["rootfs"] == made["rootfs"]


@examples(200)
@given(changed(INDEX))
@example(DEEP)
def test_the_changed_index_of_a_layout_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, document: Any
) -> None:
    folder = Path(tmp_path_factory.getbasetemp(), "layout")
    folder.mkdir(exist_ok=True)
    (folder / "index.json").write_bytes(text(document))
    try:
        for one in read_index(folder):
            Descriptor.from_json(one)
    except ImageError:
        pass


@pytest.mark.parametrize(
    "data",
    [
        *("[" * 900 + "]" * 900, "[" * 100_000, "NaN", "[-Infinity]", "[1e999]", "{", b"\xff"),
        *(b'"\xed\xa0\x80"', b'"\xc0\x80"', "[]".encode("utf-16"), "[]".encode("utf-32")),
    ],
)
def test_what_others_do_not_take_for_json_is_refused(data: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_json(data)


def test_bytes_of_half_a_surrogate_pair_are_refused_where_a_configuration_comes_in() -> None:
    """No process can be started with them, and no document written: Python's json reads them all the same."""
    data = json.dumps({**CONFIG, "config": {"Cmd": ["half"]}}).encode().replace(b"half", b"\xed\xa0\x80")
    with pytest.raises(ImageError, match="configuration is not JSON"):
        parse_config(data)


@pytest.mark.parametrize("parse", [Manifest.parse, Index.parse, parse_config])
def test_a_document_that_is_nested_too_deeply_is_refused(parse: Callable[[bytes], object]) -> None:
    with pytest.raises(ImageError, match="nested too deeply"):
        parse(b"[" * 100_000)


@pytest.mark.parametrize(("parse", "document"), [(Manifest.parse, MANIFEST), (Index.parse, INDEX)])
@pytest.mark.parametrize(
    ("name", "value"), [("schemaVersion", 1), ("annotations", {"a": 1}), ("annotations", [])]
)
def test_a_field_of_another_type_is_refused(
    parse: Callable[[bytes], object], document: dict[str, Any], name: str, value: object
) -> None:
    """And the documents as they are, also without the version that all have, are read."""
    assert parse(text(document))
    assert parse(text({key: one for key, one in document.items() if key != "schemaVersion"}))
    if value != []:  # an empty list is nothing, as other tools write it
        with pytest.raises(ImageError):
            parse(text({**document, name: value}))


@pytest.mark.parametrize(
    ("name", "value"),
    [("mediaType", 1), ("mediaType", None), ("digest", 1), ("digest", "sha256:x"), ("size", "5"), ("size", -1), ("size", True),
     ("size", 1.0), ("urls", [1]), ("urls", "x")],
)  # fmt: skip
def test_a_descriptor_with_a_wrong_field_is_refused(name: str, value: object) -> None:
    assert Descriptor.from_json(DESCRIPTOR).size == 5
    with pytest.raises(ImageError, match="a descriptor"):
        Descriptor.from_json({**DESCRIPTOR, name: value})


@pytest.mark.parametrize("name", CONFIG["config"])
def test_a_setting_of_another_type_is_refused(name: str) -> None:
    assert parse_config(text(CONFIG))["config"] == CONFIG["config"]
    wrong: list[object] = [5, [1], ["a", None], {"a": 1}, "a"]
    kinds = {
        "Healthcheck": (dict,),
        "ExposedPorts": (dict,),
        "Volumes": (dict,),
        "Labels": (),
        "Cmd": (),
        "Env": (),
        "OnBuild": (),
    }
    for value in wrong:
        if isinstance(value, kinds.get(name, (str,))):
            continue
        with pytest.raises(ImageError, match=f"{name} is of a wrong type"):
            parse_config(text({**CONFIG, "config": {name: value}}))


def test_what_is_neither_an_image_nor_an_index_has_no_descriptor() -> None:
    for document, media_type in ((MANIFEST, IMAGE_MANIFEST), (INDEX, IMAGE_INDEX)):
        data = text(document)
        assert described(data, "it") == Descriptor(media_type, Digest.of(data), len(data))
    with pytest.raises(
        ImageError, match="it has media type application/x, which is not an image or an index"
    ):
        described(text({**MANIFEST, "mediaType": "application/x"}), "it")
