"""Images that lie, are damaged or mean harm: each is one clear error, and nothing of it becomes an image."""

from __future__ import annotations

import gzip
import io
import os
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from hermes.digest import Digest
from hermes.errors import HermesError, ImageError
from hermes.image.platform import Platform
from hermes.layer import decompress
from hermes.registry.client import Client
from hermes.store import Store, gc
from hermes.transports.table import opened as opened_origin
from hermes.transports.taking import import_index
from tests.properties import examples
from tests.unit.transports.images import COMPRESS, OCI, Made, small, take_in, tar_of, text

AMD64 = Platform("linux", "amd64")
DEEP = b"[" * 200_000


def state(store: Store) -> list[str]:
    """Whatever a failure could leave behind: documents of images, tables, scratch files."""
    left = [path.name for path in (store.home / "toc").iterdir()]
    left += [f"tmp/{path.name}" for path in Path(store.scratch.folder).iterdir()]
    documents = [
        name for name in os.listdir(store.blobs.folder) if store.blobs.read(Digest.from_hex(name))[:1] == b"{"
    ]
    return sorted([*left, *documents])


def refused(store: Store, origin: str, pattern: str) -> None:
    before = state(store)
    with pytest.raises(HermesError) as caught:
        take_in(origin, store, AMD64)
    message = caught.value.render()
    assert re.search(pattern, message), message
    assert "Traceback" not in message
    after = state(store)
    kept = [one for one in after if one not in before]
    # a layer that was right may stay, as what a cache holds; an image or an unfinished file may not
    assert [one for one in kept if one.startswith("tmp/")] == []
    assert not any(
        store.blobs.read(Digest.from_hex(one))[:1] == b"{"
        for one in kept
        if len(one) == 64 and os.path.exists(store.blobs.path(Digest.from_hex(one)))
    )
    assert list(gc.verify(store)) == []


def lying(change: Callable[[Made], None]) -> Made:
    made = small()
    change(made)
    return made


def with_size(place: str, size: int) -> Made:
    made = small()
    rows = made.manifest["layers"] if place == "layer" else [made.manifest["config"]]
    rows[0]["size"] = size
    made.row = made.add(text(made.manifest), f"{OCI}.manifest.v1+json")
    return made


def with_layer(data: bytes, diff_id: str | None = None, form: str = "+gzip") -> Made:
    """An image whose one layer is any bytes."""
    made = small(config={"rootfs": {"diff_ids": [diff_id or Digest.of(data)]}})
    made.manifest["layers"] = [made.add(data, f"{OCI}.layer.v1.tar{form}")]
    made.row = made.add(text(made.manifest), f"{OCI}.manifest.v1+json")
    return made


def damaged(place: str) -> Made:
    """An image of which one blob is not what its name says."""
    made = small()
    digest = {
        "manifest": made.row["digest"],
        "config": made.manifest["config"]["digest"],
        "layer": made.manifest["layers"][1]["digest"],
    }[place]
    data = made.blobs[digest.hex]
    made.blobs[digest.hex] = data[:-1] + bytes([data[-1] ^ 1])
    return made


def without(place: str) -> Made:
    made = small()
    rows = {"manifest": made.row, "config": made.manifest["config"], "layer": made.manifest["layers"][0]}
    del made.blobs[rows[place]["digest"].hex]
    return made


def of_manifest(data: bytes) -> Made:
    made = small()
    made.row = made.add(data, f"{OCI}.manifest.v1+json")
    return made


def of_config(data: bytes) -> Made:
    made = small()
    made.manifest["config"] = made.add(data, f"{OCI}.config.v1+json")
    made.row = made.add(text(made.manifest), f"{OCI}.manifest.v1+json")
    return made


PLAIN = tar_of({"a": b"one"})
CASES: dict[str, tuple[Callable[[], Made], str]] = {
    "a damaged manifest": (lambda: damaged("manifest"), "content does not match its digest sha256:"),
    "a damaged configuration": (lambda: damaged("config"), "content does not match its digest sha256:"),
    "a damaged layer": (lambda: damaged("layer"), "damaged|does not match its digest"),
    "a missing manifest": (lambda: without("manifest"), "is missing"),
    "a missing configuration": (lambda: without("config"), "is missing"),
    "a missing layer": (lambda: without("layer"), "is missing"),
    "a layer that is longer than it says": (lambda: with_size("layer", 40), "is longer than the 40 bytes"),
    "a layer that is shorter than it says": (lambda: with_size("layer", 4000), "and the manifest says 4000"),
    "a configuration of another size": (lambda: with_size("config", 10), "and its descriptor says 10"),
    "a huge configuration": (
        lambda: with_size("config", 1 << 40),
        "has 1099511627776 bytes, more than 8 MiB",
    ),
    "a lying diff_id": (
        lambda: with_layer(gzip.compress(PLAIN), Digest.of(b"else")),
        "the image's configuration says sha256:",
    ),
    "a diff_id that is no digest": (
        lambda: small(config={"rootfs": {"diff_ids": ["sha256:..", "x"]}}),
        "is not a digest",
    ),
    "too few diff_ids": (
        lambda: small(config={"rootfs": {"diff_ids": [Digest.of(PLAIN)]}}),
        "the manifest has 2 layers, and the image's configuration 1",
    ),
    "no rootfs": (lambda: small(config={"rootfs": None}), "does not name its layers"),
    "a truncated layer": (lambda: with_layer(gzip.compress(PLAIN)[:-20], Digest.of(PLAIN)), "damaged"),
    "a layer that is no tar": (
        lambda: with_layer(gzip.compress(b"no tar" * 200), Digest.of(b"")),
        "not a tar archive",
    ),
    "a layer cut in a file": (
        lambda: with_layer(gzip.compress(PLAIN[:513]), Digest.of(PLAIN[:513])),
        "ends in the middle of a file",
    ),
    "an empty layer": (lambda: with_layer(b"", Digest.of(b"")), "the archive is empty"),
    "a layer that leads out": (
        lambda: with_layer(gzip.compress(tar_of({"../x": b""})), Digest.of(tar_of({"../x": b""}))),
        "points outside the root",
    ),
    "a layer in a form that images do not have": (
        lambda: with_layer(__import__("lzma").compress(PLAIN), Digest.of(PLAIN)),
        "is compressed with xz",
    ),
    "a layer with something behind its end": (
        lambda: with_layer(gzip.compress(PLAIN) + b"more", Digest.of(PLAIN)),
        "damaged",
    ),
    "a manifest that is no JSON": (lambda: of_manifest(b"<html>"), "the manifest is not JSON"),
    "a manifest that is nested too deep": (lambda: of_manifest(DEEP), "nested too deeply|not JSON"),
    "a manifest that is a list": (lambda: of_manifest(b"[]"), "is not a JSON object"),
    "a manifest of schema 1": (
        lambda: of_manifest(b'{"schemaVersion":1}'),
        "has schema version 1, and 2 is supported",
    ),
    "a manifest without layers": (lambda: of_manifest(b'{"schemaVersion":2}'), "no config and layers"),
    "a manifest whose layers are numbers": (
        lambda: of_manifest(b'{"schemaVersion":2,"config":{},"layers":[1]}'),
        "a descriptor",
    ),
    "a manifest with odd annotations": (lambda: small(manifest={"annotations": [1]}), "annotations"),
    "a manifest that says to be an index": (
        lambda: small(manifest={"mediaType": f"{OCI}.index.v1+json"}),
        "and its descriptor says application/vnd.oci.image.manifest",
    ),
    "an artifact": (
        lambda: small(
            manifest={"layers": [{"mediaType": "text/plain", "digest": Digest.of(b"x"), "size": 1}]}
        ),
        "not a container image: layer media type text/plain is not supported",
    ),
    "a negative size": (
        lambda: small(manifest={"layers": [{"mediaType": "x", "digest": Digest.of(b"x"), "size": -1}]}),
        "no mediaType, digest and size",
    ),
    "a digest that leads out": (
        lambda: small(manifest={"layers": [{"mediaType": "x", "digest": "sha256:../../x", "size": 1}]}),
        "is not a digest",
    ),
    "a configuration that is no JSON": (lambda: of_config(b"\xff\xfe"), "configuration is not JSON"),
    "a configuration that is a number": (lambda: of_config(b"7"), "is not a JSON object"),
    "a configuration without a platform": (lambda: small(config={"os": 7}), "does not say its platform"),
    "a configuration with odd variables": (
        lambda: small(config={"config": {"Env": {"A": 1}}}),
        "Env is of a wrong type",
    ),
    "a configuration with an odd history": (lambda: small(config={"history": ["x"]}), "history"),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("archive", [False, True], ids=["layout", "archive"])
def test_a_hostile_layout_is_refused(store: Store, tmp_path: Path, name: str, archive: bool) -> None:
    make, pattern = CASES[name]
    made = make()
    if archive:
        path = tmp_path / "image.tar"
        path.write_bytes(tar_of(made.files()))
        refused(store, f"oci-archive:{path}", pattern)
    else:
        refused(store, made.layout(tmp_path / "image"), pattern)


def special(*entries: tuple[str, dict[str, Any]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, fields in entries:
            info = tarfile.TarInfo(name)
            for field, value in fields.items():
                setattr(info, field, value)
            archive.addfile(info)
    return out.getvalue()[:-1024].rstrip(b"\0").ljust(512 * len(entries), b"\0")


def link(target: str, kind: bytes = tarfile.SYMTYPE) -> dict[str, Any]:
    return {"type": kind, "linkname": target}


GOOD = small()
FILES = GOOD.docker_files()
FIRST = next(iter(name for name in FILES if name.endswith("layer.tar")))


def saved(**changes: Any) -> bytes:
    return tar_of(GOOD.docker_files(**changes))


def without_layer() -> dict[str, bytes]:
    return {name: data for name, data in FILES.items() if name != FIRST}


ARCHIVES: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "the archive is empty"),
    "text": (lambda: b"hello\n" * 500, "not a tar archive"),
    "an archive cut off": (lambda: saved()[: len(saved()) // 2], "ends in the middle"),
    "an archive of something else": (lambda: tar_of({"a": b"b"}), "not an archive of `docker save`"),
    "a file twice": (lambda: tar_of(FILES, ("manifest.json", b"[]")), "twice"),
    "a path that leads out": (lambda: tar_of({**FILES, "../x": b""}), "points outside the root"),
    "a link that leads out": (
        lambda: special((FIRST, link("../../../etc/passwd"))) + tar_of(without_layer()),
        "leads out of the archive",
    ),
    "an absolute link": (
        lambda: special((FIRST, link("/etc/passwd"))) + tar_of(without_layer()),
        "leads out of the archive",
    ),
    "a link in a circle": (
        lambda: special((FIRST, link("layer.tar"))) + tar_of(without_layer()),
        "leads in a circle",
    ),
    "a link to nothing": (
        lambda: special((FIRST, link("nothing"))) + tar_of(without_layer()),
        "is missing",
    ),
    "a device": (lambda: special(("x", {"type": tarfile.CHRTYPE})) + saved(), "neither a file nor"),
    "a missing layer": (lambda: tar_of(without_layer()), "layer.tar is missing"),
    "a missing configuration": (lambda: saved(Config="other.json"), "other.json is missing"),
    "a configuration outside": (lambda: saved(Config="../config.json"), "points outside the root"),
    "a layer outside": (lambda: saved(Layers=["../../x", "y"]), "points outside the root"),
    "fewer layers than diff_ids": (
        lambda: saved(Layers=[FIRST]),
        "has 1 layers, and the image's configuration 2",
    ),
    "layers that are no list": (lambda: saved(Layers="x"), "without Config, Layers"),
    "another layer": (lambda: tar_of({**FILES, FIRST: tar_of({"a": b"ONE"})}), "does not match its digest"),
    "a manifest.json that is a dict": (
        lambda: tar_of({**FILES, "manifest.json": b"{}"}),
        "no list of images|not a list",
    ),
    "a manifest.json that is nested too deep": (lambda: tar_of({**FILES, "manifest.json": DEEP}), "not JSON"),
    "a manifest.json of numbers": (
        lambda: tar_of({**FILES, "manifest.json": b"[1]"}),
        "not a list of images",
    ),
    "no image": (lambda: tar_of({**FILES, "manifest.json": b"[]"}), "there are 0 images"),
    "a huge manifest.json": (
        lambda: tar_of({**FILES, "manifest.json": b" " * (9 << 20)}),
        "larger than 8 MiB",
    ),
    "an old archive in a circle": (
        lambda: tar_of({"repositories": b'{"a":{"b":"x"}}', "x/json": b'{"parent":"x"}'}),
        "in a circle",
    ),
    "an old archive without a layer": (
        lambda: tar_of({"repositories": b'{"a":{"b":"x"}}', "x/json": b"{}"}),
        "x/layer.tar is missing",
    ),
    "an old archive that leads out": (
        lambda: tar_of({"repositories": b'{"a":{"b":"../x"}}', "x/json": b"{}"}),
        "points outside the root",
    ),
    "a layer in a form that Docker does not have": (
        lambda: tar_of({**FILES, FIRST: COMPRESS["+zstd"](FILES[FIRST])}),
        "is compressed with zstd(.|\n)*oci-archive:",
    ),
    "odd repositories": (lambda: tar_of({"repositories": b'{"a":{"b":1}}'}), "not what it should be"),
}


@pytest.mark.parametrize("name", ARCHIVES)
@pytest.mark.parametrize("squeezed", [False, True], ids=["plain", "compressed"])
def test_a_hostile_archive_of_docker_is_refused(
    store: Store, tmp_path: Path, name: str, squeezed: bool
) -> None:
    make, pattern = ARCHIVES[name]
    path = tmp_path / "image.tar"
    path.write_bytes(gzip.compress(make()) if squeezed else make())
    refused(store, f"docker-archive:{path}", pattern)


def test_the_archives_are_right_but_for_what_is_wrong_with_them(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(saved())
    assert take_in(f"docker-archive:{path}", store, AMD64)
    path.write_bytes(
        special((FIRST, link("../there/layer.tar")))
        + tar_of({**without_layer(), "there/layer.tar": FILES[FIRST]})
    )
    assert take_in(f"docker-archive:{path}", store, AMD64)
    assert take_in(small().layout(tmp_path / "layout"), store, AMD64).digest == small().digest


@pytest.mark.parametrize("form", ["+gzip", "+zstd"])
def test_a_bomb_is_refused(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.setattr(decompress, "_MOST_UNCOMPRESSED", 8 << 20)
    bomb = tar_of({"zeros": bytes(32 << 20)})
    refused(store, Made([bomb], form).layout(tmp_path / "bomb"), "uncompressed")


def test_an_archive_that_is_a_bomb_does_not_fill_the_disk(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(gzip.compress(tar_of({"zeros": bytes(100 << 20)}), 9))
    refused(store, f"docker-archive:{path}", "more than 200 times its size")


def test_a_pipe_in_a_layout_does_not_hang(store: Store, tmp_path: Path) -> None:
    made = small()
    origin = made.layout(tmp_path / "image")
    blob = tmp_path / "image/blobs/sha256" / made.row["digest"].hex
    blob.unlink()
    os.mkfifo(blob)
    refused(store, origin, "is missing")


INDEX = f"{OCI}.index.v1+json"


def index_of(made: Made, *rows: dict[str, Any]) -> dict[str, Any]:
    return made.add(text({"schemaVersion": 2, "mediaType": INDEX, "manifests": list(rows)}), INDEX)


def test_a_wrong_platform_lists_those_that_are_there(store: Store, tmp_path: Path) -> None:
    made = small()
    row = {**made.row, "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}}
    unknown = {**made.row, "platform": {"os": "unknown", "architecture": "unknown"}}
    origin = made.layout(tmp_path / "image", [index_of(made, row, unknown)])
    refused(store, origin, r"no image for linux/amd64\nhint: there is linux/arm64/v8; say --platform$")
    assert take_in(origin, store, Platform("linux", "arm64")).digest == made.digest


def test_indexes_that_are_nested_without_end_are_refused(store: Store, tmp_path: Path) -> None:
    made = small()
    row = made.row
    for _ in range(6):
        row = index_of(made, row)
    refused(store, made.layout(tmp_path / "image", [row]), "nested more than 4 deep")


def test_indexes_that_name_each_other_again_and_again_are_refused(store: Store, tmp_path: Path) -> None:
    """Four small documents, and a hundred million images."""
    made = small()
    row = made.row
    for _ in range(4):
        row = index_of(made, *[row] * 100)
    origin = made.layout(tmp_path / "image", [row])
    refused(store, origin, "list more than 10000 images")
    with (
        opened_origin(origin, store, Client) as found,
        pytest.raises(ImageError, match="list more than 10000 images"),
    ):
        import_index(found, store)


def test_half_an_index_is_no_index(store: Store, tmp_path: Path) -> None:
    made, other = small(), small(platform=("linux", "arm64"), form="+zstd")
    made.blobs |= other.blobs
    del made.blobs[other.manifest["layers"][0]["digest"].hex]
    root = index_of(
        made,
        {**made.row, "platform": {"os": "linux", "architecture": "amd64"}},
        {**other.row, "platform": {"os": "linux", "architecture": "arm64"}},
    )
    layout = made.layout(tmp_path / "image", [root])
    with opened_origin(layout, store, Client) as origin, pytest.raises(HermesError, match="is missing"):
        import_index(origin, store)
    assert not store.blobs.has(root["digest"])


SEED = saved()


@examples(200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, len(SEED) - 1), st.integers(0, 255)), min_size=1, max_size=5))
def test_a_mutated_archive_is_an_image_or_one_error(
    store: Store, tmp_path: Path, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(SEED)
    for at, value in changes:
        data[at] = value
    path = tmp_path / "image.tar"
    path.write_bytes(data)
    try:
        take_in(f"docker-archive:{path}", store, AMD64)
    except HermesError as error:
        assert error.message
