"""``image``, ``manifest``, ``compose`` and ``layer``: what goes into an image, and when it is compressed."""

from __future__ import annotations

from typing import Any

import pytest

from hermes.actions.kinds import LAYERS
from hermes.actions.specs.assemble_image import AssembleImage, MediaTypes
from hermes.actions.specs.compress import Compress
from hermes.actions.specs.config import Config
from hermes.actions.specs.layer import Directory, Files, Layer, Symlink
from hermes.actions.specs.manifest import Manifest
from hermes.actions.specs.stack import Kept, Made, Whole
from hermes.digest import Digest, canonical_json
from hermes.engine.action import FILE, Value
from hermes.engine.key import Resolved
from hermes.errors import ConflictError, ImageError
from hermes.image.assemble import EMPTY
from hermes.image.descriptor import IMAGE_CONFIG, IMAGE_MANIFEST, Descriptor
from hermes.image.manifest import Manifest as ManifestDocument
from hermes.layer import encodings
from hermes.layer.compress import GZIP, ZSTD
from tests.unit.actions.bench import Bench, file, folder, link

AMD64, ARM64 = "linux/amd64", "linux/arm64"
ZSTD_LAYER = "application/vnd.oci.image.layer.v1.tar+zstd"


def image(bench: Bench, *layers: Resolved, platform: str = AMD64, **more: Any) -> dict[str, Any]:
    """The configuration of an image, its value as ``of``, and as ``folders`` the layer that says what its folders are."""
    spec: Config[Resolved] = Config(
        **{"built_on": {}, "made_on": {}, "config": {}, "epoch": 0, "layers": layers, **more}
    )
    made = bench.run(spec, platform=platform)
    found = {"of": bench.output(made["config"]), "folders": bench.output(made["folders"])}
    return {**bench.document(made["config"]), **found}


@pytest.mark.parametrize("hints", [(), (ZSTD.spec,), (GZIP.spec,)], ids=["", "zstd", "gzip"])
def test_the_layer_of_folders_is_compressed_once_for_the_image_that_needs_it(
    bench: Bench, hints: tuple[str, ...]
) -> None:
    layers = bench.layer(folder("srv", 0o1777, 5), file("x")), bench.layer(file("srv/a"))
    spec: Config[Resolved] = Config(built_on={}, made_on={}, config={}, epoch=0, layers=layers)
    made = bench.run(spec, *hints, platform=AMD64)["folders"].digest
    assert made != EMPTY
    assert {one.spec for one in (ZSTD, GZIP) if encodings.find(bench.store, made, one)} == set(hints)


# layer


def test_a_layer_has_what_is_declared_with_the_modes_that_files_have(bench: Bench) -> None:
    files = Files(
        files=(
            bench.file("a", b"1"),
            bench.file("b", executable=True),
            bench.file("c"),
            bench.link("l", "a"),
        ),
        modes={"c": 0o600},
        owner="5:6",
    )
    spec: Layer[Resolved] = Layer(
        entries=(
            files,
            Directory(path="d", mode=0o1777, owner="0:0"),
            Symlink(path="s", target="d", owner="0:0"),
        ),
        mtime=9,
    )
    found = bench.entries(bench.run(spec)["layer"])
    rows = {path: (oct(one.mode), one.uid, one.gid, one.link) for path, one in found.items()}
    assert rows == {
        "a": ("0o644", 5, 6, ""),
        "b": ("0o755", 5, 6, ""),
        "c": ("0o600", 5, 6, ""),
        "d": ("0o1777", 0, 0, ""),
        "l": ("0o777", 5, 6, "a"),
        "s": ("0o777", 0, 0, "d"),
    }
    assert {one.mtime for one in found.values()} == {9}


def test_the_order_of_declaration_makes_no_difference(bench: Bench) -> None:
    a, b = Files(files=(bench.file("a"),), modes={}), Files(files=(bench.file("b"),), modes={})
    one = bench.run(Layer(entries=(a, b), mtime=0))
    assert one == bench.run(Layer(entries=(b, a), mtime=0))


@pytest.mark.parametrize("codec", [ZSTD, GZIP], ids=lambda codec: codec.name)
def test_a_layer_is_compressed_once_for_the_image_that_needs_it(bench: Bench, codec: Any) -> None:
    """What writes a layer knows how it is going to be compressed, so that the tar is not made a second time."""
    spec: Layer[Resolved] = Layer(entries=(Files(files=(bench.file("a", b"1"),), modes={}),), mtime=0)
    layer = bench.run(spec, codec.spec)["layer"]
    made = encodings.find(bench.store, layer.digest, codec)
    assert made is not None
    blob = bench.run(Compress(codec=codec.spec, layer=bench.output(layer)))["blob"]
    assert (blob.digest, blob.size) == (made.digest, made.size)


def test_a_layer_that_no_image_needs_compressed_is_not(bench: Bench) -> None:
    spec: Layer[Resolved] = Layer(entries=(Files(files=(bench.file("a", b"1"),), modes={}),), mtime=0)
    layer = bench.run(spec)["layer"]
    assert encodings.find(bench.store, layer.digest, ZSTD) is None
    assert encodings.find_plain(bench.store, layer.digest) is not None


# image


def test_an_image_has_the_settings_of_its_base_and_those_of_the_target(bench: Bench) -> None:
    base = image(
        bench,
        bench.layer(file("a")),
        config={
            "cmd": ["sh"],
            "env": {"PATH": "/bin", "A": "1"},
            "labels": {"a": "1", "b": "1"},
            "user": "5",
        },
    )
    made = image(
        bench,
        bench.layer(file("b")),
        base=base["of"],
        below=(bench.layer(file("a")),),
        config={"env": {"A": "$A:2"}, "labels": {"b": "2"}, "workdir": "/w"},
    )["config"]
    assert made == {
        "Cmd": ["sh"],
        "Env": ["A=1:2", "PATH=/bin"],
        "Labels": {"a": "1", "b": "2"},
        "User": "5",
        "WorkingDir": "/w",
    }


def test_a_new_entry_point_ends_an_inherited_command(bench: Bench) -> None:
    # docs.docker.com/reference/dockerfile/: "setting ENTRYPOINT will reset CMD to an empty value".
    base = image(bench, config={"cmd": ["sh"]})
    assert image(bench, base=base["of"], config={"entrypoint": ["/x"]})["config"] == {"Entrypoint": ["/x"]}


@pytest.mark.parametrize(
    ("base", "platform"), [(AMD64, ARM64), (ARM64, AMD64), ("linux/arm/v7", "linux/arm/v6")]
)
def test_a_base_of_another_platform_is_refused(bench: Bench, base: str, platform: str) -> None:
    of = image(bench, platform=base)["of"]
    with pytest.raises(ImageError, match=f"its base is for {base}, and the image for {platform}"):
        image(bench, base=of, platform=platform)


def test_a_base_for_the_platform_without_its_variant_fits(bench: Bench) -> None:
    # containerd, platforms: v8 is the variant of arm64 that is meant where none is said.
    of = image(bench, platform=ARM64)["of"]
    assert image(bench, base=of, platform="linux/arm64/v8")["architecture"] == "arm64"


def test_a_variable_that_no_base_sets_is_named(bench: Bench) -> None:
    with pytest.raises(Exception, match=r"env refers to \$PAHT, which no image below sets") as caught:
        image(bench, config={"env": {"A": "$PAHT"}})
    assert getattr(caught.value, "hint", "") == "did you mean $PATH?"


def test_layers_that_write_one_path_differently_are_a_conflict(bench: Bench) -> None:
    one, two = bench.layer(file("f", 1), name="//app:one"), bench.layer(file("f", 2), name="//app:two")
    with pytest.raises(ConflictError, match="/f: //app:one and //app:two"):
        image(bench, one, two)
    assert len(image(bench, one, two, allow_conflicts=True)["rootfs"]["diff_ids"]) == 2
    assert len(image(bench, one, two, built_on={"1": (0,)}, made_on={"1": (0,)})["rootfs"]["diff_ids"]) == 2


def test_what_is_below_a_link_of_another_layer_is_never_allowed(bench: Bench) -> None:
    one = bench.layer(link("lib", "usr/lib"), folder("usr"), folder("usr/lib"), name="//app:one")
    two = bench.layer(file("lib/x", 1), name="//app:two")
    with pytest.raises(ConflictError, match="/lib leads to usr/lib in //app:one"):
        image(bench, one, two, allow_conflicts=True)


def test_the_history_says_which_layers_hold_nothing(bench: Bench) -> None:
    nothing = bench.layer(name="//app:nothing")
    assert nothing.value.digest == EMPTY
    made = image(bench, bench.layer(file("a"), name="//app:a"), nothing)
    assert [(row["created_by"], row.get("empty_layer", False)) for row in made["history"]] == [
        ("hermes //app:a", False),
        ("hermes //app:nothing", True),
    ]
    # An image on it has the same rows, and one more layer.
    more = bench.layer(file("b"), name="//app:b")
    below = (bench.layer(file("a"), name="//app:a"), nothing)
    on_it = image(bench, more, base=made["of"], below=below)
    assert on_it["history"][:2] == made["history"]
    assert on_it["rootfs"]["diff_ids"] == [*made["rootfs"]["diff_ids"], more.value.digest]


def test_layers_of_an_image_from_elsewhere_all_stay(bench: Bench) -> None:
    diff_ids = [Digest.of(b"not here"), EMPTY]
    listed = canonical_json(diff_ids)
    elsewhere = Value(LAYERS, bench.store.blobs.put(listed), len(listed))
    base = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"diff_ids": diff_ids, "type": "layers"},
    }
    text = canonical_json(base)
    config = bench.output(Value(FILE, bench.store.blobs.put(text), len(text)))
    made = image(bench, base=config, below=(bench.output(elsewhere, "//app:base"),))
    assert made["rootfs"]["diff_ids"] == diff_ids
    assert [row.get("empty_layer", False) for row in made["history"]] == [False, False]


# manifest and compose


def blob(bench: Bench, layer: Resolved) -> Made[Resolved]:
    found = bench.run(Compress(codec=ZSTD.spec, layer=layer))["blob"]
    return Made(layer, bench.output(found))


def test_a_manifest_names_the_blobs_of_the_layers_that_hold_anything(bench: Bench) -> None:
    a, nothing = blob(bench, bench.layer(file("a"))), blob(bench, bench.layer())
    made = image(bench, a.layer, nothing.layer)
    spec: Manifest[Resolved] = Manifest(
        annotations={"b": "2", "a": "1"},
        codec=ZSTD.spec,
        media_type=ZSTD_LAYER,
        config=made["of"],
        folders=made["folders"],
        layers=(a, nothing),
    )
    document = bench.document(bench.run(spec)["manifest"])
    assert document == {
        "annotations": {"a": "1", "b": "2"},
        "config": {
            "digest": made["of"].value.digest,
            "mediaType": IMAGE_CONFIG,
            "size": made["of"].value.size,
        },
        "layers": [{"digest": a.blob.value.digest, "mediaType": ZSTD_LAYER, "size": a.blob.value.size}],
        "mediaType": IMAGE_MANIFEST,
        "schemaVersion": 2,
    }


def test_blobs_of_an_image_from_elsewhere_have_the_names_of_oci(bench: Bench) -> None:
    # image-spec, media-types.md, "Compatibility Matrix".
    layers = (
        Descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip", Digest.of(b"1"), 1),
        Descriptor(
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            Digest.of(b"2"),
            2,
            urls=("https://x",),
        ),
    )
    text = ManifestDocument(Descriptor(IMAGE_CONFIG, Digest.of(b"c"), 1), layers).to_bytes()
    whole = Whole(bench.output(Value("manifest", bench.store.blobs.put(text), len(text))))
    made = image(bench)
    spec: Manifest[Resolved] = Manifest(
        annotations={},
        codec=ZSTD.spec,
        media_type=ZSTD_LAYER,
        config=made["of"],
        folders=made["folders"],
        layers=(whole,),
    )
    found = bench.document(bench.run(spec)["manifest"])["layers"]
    assert [one["mediaType"] for one in found] == [
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    ]
    assert found[1]["urls"] == ["https://x"]


def test_a_dockerfiles_image_keeps_the_blobs_of_its_base(bench: Bench) -> None:
    base = Kept(EMPTY, Descriptor("application/vnd.oci.image.layer.v1.tar+gzip", Digest.of(b"1"), 1))
    own, nothing = blob(bench, bench.layer(file("a"))), blob(bench, bench.layer())
    row = {"created": "1970-01-01T00:00:00Z"}
    spec: AssembleImage[Resolved] = AssembleImage(
        annotations={},
        base_layers=1,
        document={"architecture": "amd64", "os": "linux", "config": {"User": "5", "WorkingDir": "/w"}},
        history=({**row, "created_by": "base"}, {**row, "created_by": "a"}, {**row, "created_by": "true"}),
        media_types=MediaTypes(IMAGE_CONFIG, ZSTD_LAYER, IMAGE_MANIFEST),
        layers=(base, own, nothing),
    )
    outputs = bench.run(spec)
    config = bench.document(outputs["config"])
    assert config["rootfs"]["diff_ids"] == [EMPTY, own.layer.value.digest]
    assert [row.get("empty_layer", False) for row in config["history"]] == [False, False, True]
    assert bench.document(outputs["layers"]) == config["rootfs"]["diff_ids"]
    manifest = bench.document(outputs["manifest"])
    assert [one["digest"] for one in manifest["layers"]] == [Digest.of(b"1"), own.blob.value.digest]
    assert bench.document(outputs["environment"]) == {"Env": [], "User": "5", "WorkingDir": "/w"}
