"""What becomes of a configuration, a platform and a layout, setting by setting."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from hermes.digest import Digest
from hermes.errors import ImageError, MissingBlobError, UsageError
from hermes.image import docker
from hermes.image.config import history_of, is_timestamp, parse_config, platform_of
from hermes.image.descriptor import (
    IMAGE_CONFIG,
    IMAGE_INDEX,
    IMAGE_MANIFEST,
    REF_NAME,
    Descriptor,
)
from hermes.image.edit import edited
from hermes.image.layout import link_layout, read_index, tagged
from hermes.image.manifest import Index, Manifest, media_type_of
from hermes.image.media_types import as_oci, form_of, is_external
from hermes.image.platform import Platform
from hermes.image.stored import blobs_of, link_images, manifests_of
from hermes.store import Store

BEFORE: dict[str, Any] = {
    "os": "linux",
    "architecture": "amd64",
    "author": "somebody",
    "annotations": {"a": "1"},
    "config": {
        "Cmd": ["c"],
        "Env": ["A=1", "B=2"],
        "ExposedPorts": {"80/tcp": {}},
        "Healthcheck": {"Test": ["CMD", "x"], "Interval": 5},
        "Labels": {"l": "1"},
        "OnBuild": ["RUN a"],
        "Volumes": {"/v": {}},
        "WorkingDir": "/w",
    },
}


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("cmd", "", "Cmd", None),
        ("env", "A=b-", "Env", ["A=b-", "B=2"]),
        ("env", "A-", "Env", ["B=2"]),
        ("env", "C-", "Env", ["A=1", "B=2"]),
        ("env", "C=", "Env", ["A=1", "B=2", "C="]),
        ("label", "m=n=o", "Labels", {"l": "1", "m": "n=o"}),
        ("label", "m=-", "Labels", {"l": "1", "m": "-"}),
        ("label", "l-", "Labels", None),
        ("label", "m-", "Labels", {"l": "1"}),
        ("port", "53/udp", "ExposedPorts", {"53/udp": {}, "80/tcp": {}}),
        ("port", "80-", "ExposedPorts", None),
        ("port", "81-", "ExposedPorts", {"80/tcp": {}}),
        ("volume", "/a", "Volumes", {"/a": {}, "/v": {}}),
        ("volume", "/v-", "Volumes", None),
        ("workdir", "a", "WorkingDir", "/w/a"),
        ("workdir", "/a/../b", "WorkingDir", "/b"),
        ("workdir", "", "WorkingDir", None),
        ("onbuild", "RUN b", "OnBuild", ["RUN a", "RUN b"]),
        ("onbuild", "-", "OnBuild", None),
        ("healthcheck", "-", "Healthcheck", None),
        ("healthcheck", "", "Healthcheck", None),
        ("healthcheck", "CMD-SHELL  a b", "Healthcheck", {"Test": ["CMD-SHELL", "a b"], "Interval": 5}),
        ("healthcheck", 'CMD ["a b"]', "Healthcheck", {"Test": ["CMD", "a b"], "Interval": 5}),
        ("healthcheck-retries", "3", "Healthcheck", {"Test": ["CMD", "x"], "Interval": 5, "Retries": 3}),
        ("healthcheck-interval", "1s", "Healthcheck", {"Test": ["CMD", "x"], "Interval": 10**9}),
        ("stop-signal", "", "StopSignal", None),
        ("user", "a:b", "User", "a:b"),
    ],
)
def test_a_setting_changes_its_field_alone(name: str, text: str, field: str, value: object) -> None:
    made = edited(BEFORE, [(name, text)])
    assert made["config"].pop(field, None) == value
    left = {one: old for one, old in BEFORE["config"].items() if one != field}
    assert made == {**BEFORE, "config": left}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("annotation", "b=2", {"annotations": {"a": "1", "b": "2"}}),
        ("annotation", "a-", {"annotations": {}}),
        ("author", "me", {"author": "me"}),
        ("os", "windows", {"os": "windows"}),
        ("arch", "aarch64", {"architecture": "arm64"}),
        ("variant", "v8", {"variant": "v8"}),
    ],
)
def test_what_is_not_a_setting_stands_beside_them(name: str, text: str, expected: dict[str, Any]) -> None:
    assert edited(BEFORE, [(name, text)]) == BEFORE | expected


def test_what_is_unset_is_gone() -> None:
    made = edited(BEFORE, [("author", ""), ("variant", "v2"), ("variant", "")])
    assert {"author", "variant"}.isdisjoint(made)
    assert edited({"os": "linux", "architecture": "amd64"}, [("user", "a")])["config"] == {"User": "a"}
    assert edited({"architecture": "amd64", "config": {}}, [("arch", "arm64")])["architecture"] == "arm64"


@pytest.mark.parametrize(
    "change", [("label", "=x"), ("label", ""), ("annotation", "x"), ("env", "=x"), ("env", "")]
)
def test_a_setting_without_a_name_is_refused(change: tuple[str, str]) -> None:
    with pytest.raises(UsageError):
        edited(BEFORE, [change])


DIFF_IDS = [Digest.of(b"1"), Digest.of(b"2")]


def document(**more: Any) -> dict[str, Any]:
    return {"os": "linux", "architecture": "arm", "rootfs": {"diff_ids": DIFF_IDS}, **more}


def test_a_history_that_fits_is_kept_and_another_is_made() -> None:
    """See image-spec, config.md, "history": a row that is not empty_layer is one layer."""
    fits = [{"created_by": "a"}, {"created_by": "ENV", "empty_layer": True}, {"created_by": "b"}]
    assert history_of(document(history=fits), "base") == fits
    for other in (None, fits[:2], [*fits, {"created_by": "c"}]):
        made = history_of(document(history=other, created="2020-01-01T00:00:00Z"), "base")
        assert made == [{"created": "2020-01-01T00:00:00Z", "created_by": "base"}] * 2
    assert history_of(document(), "base", "2021-01-01T00:00:00Z")[0]["created"] == "2021-01-01T00:00:00Z"
    assert history_of(document(), "base")[0]["created"] == "1970-01-01T00:00:00Z"


@pytest.mark.parametrize("variant", [1, None, ["v7"]])
def test_a_variant_is_a_text(variant: object) -> None:
    with pytest.raises(ImageError, match="platform"):
        platform_of(document(variant=variant))


@pytest.mark.parametrize(
    "wrong",
    [
        {"config": []},
        {"created": 5},
        {"history": {}},
        {"history": [1]},
        {"config": {"Env": ["a\0"]}},
        {"config": {"User": 1}},
    ],
)
def test_a_field_of_a_wrong_type_is_refused(wrong: dict[str, Any]) -> None:
    from hermes.digest import canonical_json

    with pytest.raises(ImageError, match="the image's configuration"):
        parse_config(canonical_json(document(**wrong)))
    assert parse_config(canonical_json(document(config=None)))["config"] == {}


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("2020-02-30T00:00:00Z", False),
        ("2020-02-29T23:59:59.123456789Z", True),
        ("2020-02-29T00:00:00+01:00", True),
        ("2020-02-29 00:00:00Z", False),
    ],
)
def test_a_timestamp_is_a_date_that_there_is(text: str, is_one: bool) -> None:
    assert is_timestamp(text) is is_one


@pytest.mark.parametrize(
    ("document", "media_type"),
    [
        ({"mediaType": "a/b", "manifests": []}, "a/b"),
        ({"manifests": []}, IMAGE_INDEX),
        ({"config": {"mediaType": docker.CONFIG}}, docker.MANIFEST),
        ({"config": {"mediaType": IMAGE_CONFIG}}, IMAGE_MANIFEST),
        ({"config": docker.CONFIG}, IMAGE_MANIFEST),
        ({}, IMAGE_MANIFEST),
    ],
)
def test_what_a_document_is_shows_where_it_does_not_say(document: dict[str, Any], media_type: str) -> None:
    assert media_type_of(document) == media_type


OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"


@pytest.mark.parametrize(
    ("media_type", "form", "oci"),
    [
        (OCI_LAYER, "", OCI_LAYER),
        (f"{OCI_LAYER}+zstd", "zstd", f"{OCI_LAYER}+zstd"),
        (docker.LAYER, "gzip", f"{OCI_LAYER}+gzip"),
        ("application/vnd.docker.image.rootfs.diff.tar.zstd", "zstd", f"{OCI_LAYER}+zstd"),
        (FOREIGN, "gzip", "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
        ("application/x+gzip", None, "application/x+gzip"),
    ],
)
def test_layers_have_ocis_names(media_type: str, form: str | None, oci: str) -> None:
    """See image-spec, media-types.md, "Compatibility Matrix"."""
    blob = Descriptor(media_type, DIFF_IDS[0], 1, (("a", "b"),), Platform("linux", "arm"), ("https://x",))
    assert form_of(media_type) == form
    assert as_oci(blob) == Descriptor(oci, DIFF_IDS[0], 1, urls=("https://x",))
    assert is_external(blob) == (media_type == FOREIGN)
    assert not is_external(Descriptor(media_type, DIFF_IDS[0], 1))


def test_a_platform_has_three_parts_at_most() -> None:
    with pytest.raises(UsageError, match="write os/architecture"):
        Platform.parse("linux/arm/v7/x")
    with pytest.raises(UsageError, match="nothing is called"):
        Platform.parse("linux/amiga")


@pytest.mark.parametrize(
    ("platform", "debian"),
    [("linux/amd64", "amd64"), ("linux/arm/v7", "armhf"), ("linux/arm/v6", "armel"), ("linux/386", "i386")],
)
def test_debian_has_names_of_its_own(platform: str, debian: str) -> None:
    """See https://wiki.debian.org/SupportedArchitectures."""
    assert Platform.parse(platform).debian == debian
    assert str(Platform.of_debian(debian)) == platform


def test_variants_have_levels() -> None:
    assert Platform("linux", "amd64").level == 1
    assert Platform("linux", "arm", "v99").level == 99
    assert Platform("linux", "arm", "v123").level is None
    assert Platform("linux", "s390x").level == 0
    assert Platform("linux", "s390x").best_of([Platform("linux", "amd64")]) is None


def put(store: Store, content: bytes, media_type: str = OCI_LAYER, **more: Any) -> Descriptor:
    return Descriptor(media_type, store.blobs.put(content), len(content), **more)


def stored_index(store: Store) -> tuple[Descriptor, list[Digest]]:
    """An index of two images, one of them in an index of its own, and its blobs in order."""
    rows, digests = [], []
    for name in ("one", "two"):
        layer = put(store, name.encode())
        foreign = put(store, b"f" + name.encode(), FOREIGN, urls=("https://x",))
        config = put(store, b"{}" + name.encode(), IMAGE_CONFIG)
        made = Manifest(config, (layer, foreign)).to_bytes()
        rows.append(put(store, made, IMAGE_MANIFEST, platform=Platform("linux", "amd64", name)))
        digests.append([config.digest, layer.digest, foreign.digest, rows[-1].digest])
    inner = put(store, Index((rows[1],)).to_bytes(), IMAGE_INDEX)
    top = put(store, Index((rows[0], inner)).to_bytes(), IMAGE_INDEX)
    return top, [*digests[0], *digests[1], inner.digest, top.digest]


def test_the_blobs_of_an_index_are_those_of_its_images(store: Store) -> None:
    top, digests = stored_index(store)
    assert list(blobs_of(top, store, external=True)) == digests
    assert list(blobs_of(top, store)) == [one for one in digests if one not in (digests[2], digests[6])]
    assert [one.platform.variant for one in manifests_of(top, store) if one.platform] == ["one", "two"]


def test_a_layout_holds_what_its_image_needs_and_no_more(store: Store, tmp_path: Path) -> None:
    top, digests = stored_index(store)
    folder = tmp_path / "layout"
    old = folder / "blobs/sha256" / Digest.of(b"old").hex
    old.parent.mkdir(parents=True)
    old.write_bytes(b"old")
    link_images(folder, top, store, "v1")
    first = {one.name: one.stat().st_ino for one in (folder / "blobs/sha256").iterdir()}
    assert first == {one.hex: os.stat(store.blobs.path(one)).st_ino for one in digests}
    (row,) = read_index(folder)
    assert (row["digest"], row["annotations"]) == (top.digest, {REF_NAME: "v1"})
    assert Descriptor.from_json(row) == tagged(top, "v1")
    assert tagged(top, "") is top
    before = os.stat(folder / "index.json").st_mtime_ns
    link_images(folder, top, store, "v1")
    assert os.stat(folder / "index.json").st_mtime_ns == before
    assert sorted(os.listdir(folder)) == ["blobs", "index.json", "oci-layout"]
    store.blobs.remove(digests[0])
    with pytest.raises(MissingBlobError):
        link_layout(tmp_path / "other", [top], [(digests[0], store.blobs.path(digests[0]))])


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="needs a second file system")
def test_a_layout_on_another_file_system_leads_to_the_store(store: Store, tmp_path: Path) -> None:
    blob = put(store, b"x")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
        if os.stat(other).st_dev == os.stat(tmp_path).st_dev:
            pytest.skip("/dev/shm is no file system of its own")
        for _ in range(2):
            link_layout(Path(other), [blob], [(blob.digest, store.blobs.path(blob.digest))])
            assert os.readlink(f"{other}/blobs/sha256/{blob.digest.hex}") == store.blobs.path(blob.digest)
