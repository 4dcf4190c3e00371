"""Images are taken in as they are: the same blobs, the same digest, whatever the layers' form."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.digest import Digest
from hermes.errors import LayerError, UsageError
from hermes.image import docker
from hermes.image.manifest import Manifest
from hermes.image.platform import Platform
from hermes.layer import encodings, toc
from hermes.layer.canonical import canonical
from hermes.layer.compress import CODECS, codec_at, codec_of
from hermes.layer.flatten import flatten
from hermes.layer.importing import LayerBlob, import_layer
from hermes.layer.write import compress, write_layer
from hermes.registry.client import Client
from hermes.store import Store
from hermes.transports.table import opened
from tests.properties import examples
from tests.unit.layer.test_round_trips import items_of
from tests.unit.layer.trees import Node, trees
from tests.unit.transports.images import COMPRESS, Made, small, take_in, tar_of, text

AMD64 = Platform("linux", "amd64")


@pytest.fixture(scope="module")
def shared() -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder))
        yield store
        store.close()


@examples(60)
@given(trees())
def test_a_layer_taken_in_by_any_encoding_is_the_same(shared: Store, tree: dict[str, Node]) -> None:
    """Every form gives one diff_id and one table of contents, and the tar comes out of each again."""
    written = write_layer(canonical(items_of(tree), name="test"), blobs=shared.blobs)
    tar = shared.blobs.read(written.toc.diff_id)
    diff_id = written.toc.diff_id
    found = set()
    for squeeze in COMPRESS.values():
        with tempfile.TemporaryDirectory() as folder:
            store = Store.open(Path(folder))
            blob = squeeze(tar)
            file = Path(folder, "blob")
            file.write_bytes(blob)
            layer = LayerBlob(Digest.of(blob), len(blob), diff_id, "any")
            import_layer(store, layer, partial(file.open, "rb"), name="test")
            found.add(toc.load(store, diff_id).dump())
            assert encodings.available(store, diff_id)
            assert store.blobs.read(Digest.of(blob)) == blob
            with encodings.open_tar(store, diff_id) as again:
                assert b"".join(again.chunks()) == tar
            store.close()
    assert found == {written.toc.dump()}


@pytest.mark.parametrize("form", COMPRESS)
def test_the_blob_alone_is_kept(store: Store, tmp_path: Path, form: str) -> None:
    made = small(form)
    assert take_in(made.layout(tmp_path / "image"), store, AMD64).digest == made.digest
    kept = {path.name for path in Path(store.blobs.folder).iterdir()}
    assert kept == set(made.blobs)
    for tar, row in zip(made.tars, made.manifest["layers"], strict=True):
        found = encodings.find_any(store, Digest.of(tar))
        assert (found.digest, found.size, found.form) == (row["digest"], row["size"], form[1:])


def test_an_archive_of_docker_with_compressed_layers_keeps_them(store: Store, tmp_path: Path) -> None:
    """As containerd's store gives them to ``docker save``; the same layers plain have other blobs."""
    made = small()
    files = {
        name: COMPRESS["+gzip"](data) if name.endswith(".tar") else data
        for name, data in made.docker_files().items()
    }
    path = tmp_path / "image.tar"
    path.write_bytes(tar_of(files))
    descriptor = take_in(f"docker-archive:{path}", store, AMD64)
    layers = Manifest.parse(store.blobs.read(descriptor.digest)).layers
    assert [one.digest for one in layers] == [Digest.of(COMPRESS["+gzip"](one)) for one in made.tars]
    assert {one.media_type for one in layers} == {docker.LAYER}


def test_an_archive_older_than_manifests_is_read(store: Store, tmp_path: Path) -> None:
    tars = small().tars
    rows = {
        "repositories": text({"app": {"v1": "top"}}),
        "low/json": text({"id": "low", "created": "2014-01-01T00:00:00Z"}),
        "low/layer.tar": tars[0],
        "top/json": text(
            {"id": "top", "parent": "low", "config": {"Env": ["A=b"]}, "container_config": {"Cmd": ["make"]}}
        ),
        "top/layer.tar": tars[1],
    }
    path = tmp_path / "image.tar"
    path.write_bytes(tar_of(rows))
    descriptor = take_in(f"docker-archive:{path}:app:v1", store, AMD64)
    manifest = Manifest.parse(store.blobs.read(descriptor.digest))
    config = json.loads(store.blobs.read(manifest.config.digest))
    assert config["rootfs"]["diff_ids"] == [Digest.of(one) for one in tars]
    assert config["config"] == {"Env": ["A=b"]}
    assert [one.get("created_by") for one in config["history"]] == [None, "make"]


def test_two_blobs_of_one_layer_are_both_known(store: Store, tmp_path: Path) -> None:
    forms = {form: small(form) for form in COMPRESS}
    for form, made in forms.items():
        take_in(made.layout(tmp_path / f"image{form}"), store, AMD64)
    diff_id = Digest.of(small().tars[0])
    for made in forms.values():
        assert encodings.find_blob(store, diff_id, made.manifest["layers"][0]["digest"])
    for made in forms.values():
        store.blobs.remove(made.manifest["layers"][0]["digest"])
    assert encodings.find_any(store, diff_id) is None


def test_a_level_gives_another_blob_of_the_same_layer(store: Store) -> None:
    tar = " ".join(map(str, range(100_000))).encode()
    diff_id = store.blobs.put(tar)
    for name in CODECS:
        usual, hard = CODECS[name], codec_at(name, 12)
        digests = set()
        for codec in (usual, hard):
            encodings.record(store, diff_id, compress([tar], store.blobs, codec))
            digests.add(encodings.find(store, diff_id, codec).digest)
            assert codec_of(codec.spec) == codec
        assert len(digests) == 2
        assert usual.identity != hard.identity
    with pytest.raises(UsageError, match="gzip has no compression level 13"):
        codec_at("gzip", 13)


LINUX = [
    Platform("linux", *one)
    for one in [("amd64",), ("amd64", "v2"), ("arm", "v5"), ("arm", "v6"), ("arm64", "v8")]
]


@pytest.mark.parametrize(
    ("wanted", "best"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v2"),
        ("linux/arm/v7", "linux/arm/v6"),
        ("linux/arm/v6", "linux/arm/v6"),
        ("linux/arm/v5", "linux/arm/v5"),
        ("linux/arm64", "linux/arm64/v8"),
        ("linux/arm64/v9", "linux/arm64/v8"),
        ("linux/riscv64", None),
        ("windows/amd64", None),
    ],
)
def test_the_best_variant_is_chosen(wanted: str, best: str | None) -> None:
    found = Platform.parse(wanted).best_of(LINUX)
    assert (str(found) if found else None) == best


@given(st.permutations(LINUX), st.sampled_from(["amd64/v4", "arm/v7", "arm64"]))
def test_the_order_of_an_index_does_not_matter(offered: list[Platform], wanted: str) -> None:
    platform = Platform.parse(f"linux/{wanted}")
    assert platform.best_of(offered) == platform.best_of(LINUX)


def test_an_archive_without_its_last_padding_is_read(store: Store, tmp_path: Path) -> None:
    """As umoci writes it; a content that is cut is still an error."""
    whole = tar_of({"a": b"content"})
    made = Made([whole[: 512 + 7]])
    assert take_in(made.layout(tmp_path / "image"), store, AMD64).digest == made.digest
    with pytest.raises(LayerError, match="ends in the middle of a file"):
        take_in(Made([whole[: 512 + 6]]).layout(tmp_path / "cut"), store, AMD64)


def test_a_hard_link_to_a_hard_link_leads_to_the_file(store: Store, tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("file"))
        for name, target in (("one", "file"), ("two", "one"), ("three", "two")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.LNKTYPE, target
            archive.addfile(info)
    take_in(Made([out.getvalue()]).layout(tmp_path / "image"), store, AMD64)
    flat = flatten([toc.load(store, Digest.of(out.getvalue()))])
    assert [(one.entry.path, one.entry.link) for one in flat] == [
        ("file", ""),
        ("one", "file"),
        ("three", "file"),
        ("two", "file"),
    ]


def test_an_image_of_an_archive_keeps_the_name_that_it_was_asked_for_by(store: Store, tmp_path: Path) -> None:
    names = ["app:v1", "docker.io/library/app:v2", "registry.example:5000/app:v3"]
    files = small().docker_files()
    (row,) = json.loads(files["manifest.json"])
    path = tmp_path / "image.tar"
    path.write_bytes(tar_of({**files, "manifest.json": text([{**row, "RepoTags": names}])}))
    for asked, expected in (("", names[0]), ("app:v2", names[1]), (names[2], names[2])):
        with opened(f"docker-archive:{path}:{asked}".rstrip(":"), store, Client) as origin:
            assert origin.title == expected


@pytest.mark.parametrize("rootfs", [{"type": "layers"}, {"type": "layers", "diff_ids": None}])
def test_an_image_without_layers_need_not_list_them(store: Store, tmp_path: Path, rootfs: object) -> None:
    """As docker and podman write what is FROM scratch and has metadata alone."""
    made = Made([], config={"rootfs": rootfs})
    assert take_in(made.layout(tmp_path / "image"), store, AMD64).digest == made.digest
