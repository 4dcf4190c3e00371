"""Images that are out of the ordinary, each with the one verdict that every transport must give.

The verdicts are those of skopeo 1.9, podman 4.3 and containerd 1.6 for the same bytes, tried with them, where these
agree or one of them runs the image; docs/images.md has the list.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hermes.digest import Digest
from hermes.transports.examining import MOST_LAYERS
from tests.unit.transports.images import OCI, Made, small, tar_of, text

INDEX = f"{OCI}.index.v1+json"
MANIFEST = f"{OCI}.manifest.v1+json"
ARM, AMD = {"os": "linux", "architecture": "arm64"}, {"os": "linux", "architecture": "amd64"}
NO_IMAGE = r"there is no image for linux/amd64\nhint: there is linux/arm64; say --platform"


@dataclass(frozen=True)
class Odd:
    """An image, and what becomes of it: a pattern of the error, or an empty text where it is taken.

    ``whole``: the same when it is taken with the images for all platforms, where another verdict is right. ``used``:
    the error comes once what is in the layers is needed. ``archive``: it can be in an archive of ``docker save``, as a
    daemon gives it out. ``storage``: skopeo puts it into a store of podman's, and it is still odd there.
    ``unserved``: a docker-registry that has it does not give it out.
    """

    make: Callable[[], Made]
    error: str = ""
    whole: str | None = None
    used: str = ""
    archive: bool = False
    storage: bool = False
    unserved: bool = False


def with_rows(*rows: dict[str, Any], blobs: Made, **more: Any) -> Made:
    """An index of ``rows``."""
    document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(rows), **more}
    blobs.row = blobs.add(text(document), INDEX)
    return blobs


def indexed(*platforms: dict[str, str] | None, **changes: Any) -> Made:
    """An index of one image, listed once for each platform that is said of it."""
    made = small(**changes)
    rows = [made.row | ({"platform": one} if one else {}) for one in platforms]
    return with_rows(*rows, blobs=made)


def of_two(*said: dict[str, str] | None) -> Made:
    """An index of an image for arm64 and one for amd64."""
    arm, amd = small(platform=("linux", "arm64")), small("+zstd")
    amd.blobs |= arm.blobs
    rows = [
        one.row | ({"platform": platform} if platform else {})
        for one, platform in zip((arm, amd), said, strict=True)
    ]
    return with_rows(*rows, blobs=amd)


def nested(depth: int) -> Made:
    made = small()
    for _ in range(depth):
        made = with_rows(made.row, blobs=made)
    return made


def of_layers(count: int) -> Made:
    """An image that has one small layer again and again."""
    return Made([tar_of({"a": b"one"})] * count)


def manifest(**changes: Any) -> Made:
    return small(manifest=changes)


def config_type(media_type: str, **changes: Any) -> Made:
    made = small()
    config = made.add(b"{}", media_type)
    made.manifest |= {"config": config, **changes}
    made.row = made.add(text(made.manifest), MANIFEST)
    return made


def layer_type(media_type: str, data: bytes) -> Made:
    """An image whose one layer is any bytes of any type."""
    made = small(config={"rootfs": {"diff_ids": [Digest.of(PLAIN)]}})
    made.manifest["layers"] = [made.add(data, media_type)]
    made.row = made.add(text(made.manifest), MANIFEST)
    return made


def raw(data: bytes, media_type: str = MANIFEST) -> Made:
    made = small()
    made.row = made.add(data, media_type)
    return made


def layer(data: bytes, diff_id: str) -> Made:
    """An image whose one layer is any bytes."""
    made = small(config={"rootfs": {"diff_ids": [diff_id]}})
    made.manifest["layers"] = [made.add(data, f"{OCI}.layer.v1.tar+gzip")]
    made.row = made.add(text(made.manifest), MANIFEST)
    return made


def without(field: str) -> Callable[[], Made]:
    def make() -> Made:
        made = small()
        del made.manifest[field]
        made.row = made.add(text(made.manifest), MANIFEST)
        return made

    return make


def row(*, of: Made | None = None, **changes: Any) -> Made:
    """An index whose row says something else of its manifest than that is."""
    made = of or small()
    return with_rows({**made.row, "platform": AMD, **changes}, blobs=made)


def lacking(what: str) -> Made:
    """An index with an image of which something is not there."""
    made = small()
    rows = {"manifest": made.row, "config": made.manifest["config"], "layer": made.manifest["layers"][0]}
    made = row(of=made)
    del made.blobs[rows[what]["digest"].hex]
    return made


PLAIN = tar_of({"a": b"one"})

ODD = {
    "for another platform": Odd(
        lambda: small(platform=("linux", "arm64")), NO_IMAGE, whole="", archive=True, storage=True
    ),
    "an index for another platform": Odd(
        lambda: indexed(ARM, platform=("linux", "arm64")), NO_IMAGE, whole=""
    ),
    "an index with one manifest and no platform": Odd(lambda: indexed(None)),
    "an index with one manifest for another platform, which its configuration says": Odd(
        lambda: indexed(None, platform=("linux", "arm64")), NO_IMAGE, whole=""
    ),
    "an index that says no platforms": Odd(lambda: of_two(None, None)),
    "an index that says the platform of the other": Odd(lambda: of_two(ARM, None)),
    "an index that lists a platform twice": Odd(lambda: indexed(AMD, AMD)),
    "an index with an empty platform": Odd(lambda: indexed({})),
    "an index whose configuration says another platform": Odd(
        lambda: indexed(AMD, platform=("linux", "arm64"))
    ),
    "an index in an index": Odd(lambda: nested(2)),
    "indexes nested too deep": Odd(lambda: nested(6), "its indexes are nested more than 4 deep"),
    "an index of attestations": Odd(
        lambda: indexed({"os": "unknown", "architecture": "unknown"}), "the index lists no images", whole=""
    ),
    "an index of nothing": Odd(lambda: with_rows(blobs=small()), "the index lists no images", whole=""),
    "an artifact": Odd(
        lambda: config_type("application/vnd.cncf.helm.config.v1+json"),
        r"is an OCI artifact, not an image \(config media type application/vnd.cncf.helm.config.v1\+json\)",
    ),
    "an artifact with a type": Odd(
        lambda: config_type(f"{OCI.replace('image', 'empty')}.v1+json", artifactType="application/x"),
        r"is an OCI artifact, not an image \(config media type application/vnd.oci.empty.v1\+json\)",
    ),
    "a layer of an unknown type": Odd(
        lambda: layer_type("application/x-squashfs", b"hsqs" * 200),
        "not a container image: layer media type application/x-squashfs is not supported",
    ),
    "a layer whose type says another compression": Odd(
        lambda: layer_type(f"{OCI}.layer.v1.tar+zstd", gzip.compress(PLAIN))
    ),
    "as many layers as can be mounted": Odd(lambda: of_layers(MOST_LAYERS), archive=True),
    "one layer too many": Odd(
        lambda: of_layers(MOST_LAYERS + 1), "has 501 layers, and 500 can be mounted at most", archive=True
    ),
    "no layers": Odd(lambda: Made([]), archive=True, storage=True),
    "more layers than in the configuration": Odd(
        lambda: small(config={"rootfs": {"diff_ids": [Digest.of(PLAIN)]}}),
        "(the manifest|manifest.json) has 2 layers, and the image's configuration 1",
        archive=True,
    ),
    "a configuration without a platform": Odd(
        lambda: small(config={"os": None}),
        "the image's configuration does not say its platform",
        archive=True,
        storage=True,
    ),
    "a manifest without a media type": Odd(without("mediaType")),
    "a manifest of schema 1": Odd(
        lambda: raw(b'{"schemaVersion":1,"name":"x","fsLayers":[]}'), "schema version", unserved=True
    ),
    "a manifest larger than 4 MiB": Odd(
        lambda: manifest(annotations={"a": "x" * (4 << 20)}),
        "larger than 4 MiB|more than 4 MiB",
        unserved=True,
    ),
    "a row with the media type of Docker's manifests": Odd(
        lambda: row(mediaType="application/vnd.docker.distribution.manifest.v2+json")
    ),
    "an index that is listed as a manifest": Odd(
        lambda: row(of=nested(1), mediaType=MANIFEST), "the manifest has no config and layers"
    ),
    "a manifest that says to be an index": Odd(
        lambda: row(of=manifest(mediaType=INDEX)),
        "has media type application/vnd.oci.image.index.v1\\+json, and its descriptor says",
    ),
    "a manifest without a schema version": Odd(without("schemaVersion"), unserved=True),
    "a manifest of another schema version": Odd(
        lambda: manifest(schemaVersion=3),
        "has schema version 3, and 2 is supported",
        unserved=True,
    ),
    "a manifest that is not there": Odd(lambda: lacking("manifest"), "is missing"),
    "a configuration that is not there": Odd(lambda: lacking("config"), "is missing|could not be read"),
    "a layer that is not there": Odd(lambda: lacking("layer"), used="is missing|could not be read"),
    "a row with another size": Odd(lambda: row(size=7), "bytes, and its descriptor says 7"),
    "a layer with another diff_id": Odd(
        lambda: layer(gzip.compress(PLAIN), Digest.of(b"else")),
        used=f"its content has diff_id {Digest.of(PLAIN)}, and the image's configuration says",
        storage=True,
    ),
    "a layer that is not a tar archive": Odd(
        lambda: layer(gzip.compress(b"no tar" * 200), Digest.of(b"no tar" * 200)), used="not a tar archive"
    ),
    "a layer cut off": Odd(
        lambda: layer(gzip.compress(PLAIN)[:-20], Digest.of(PLAIN)), used="damaged|ends too early|cut"
    ),
}


def write_dir(made: Made, folder: Path) -> None:
    """Write an image as skopeo writes ``dir:``."""
    folder.mkdir()
    (folder / "version").write_text("Directory Transport Version: 1.1\n")
    for name, data in made.blobs.items():
        is_manifest = b'"schemaVersion"' in data[:5_000_000] and data[:1] == b"{"
        (folder / (f"{name}.manifest.json" if is_manifest else name)).write_bytes(data)
    (folder / "manifest.json").write_bytes(made.blobs[made.row["digest"].hex])


def write_repository(made: Made, data: Path, path: str) -> None:
    """Put an image where a docker-registry keeps its data, since it does not accept all of these from clients."""
    root = data / "docker/registry/v2"
    for name, blob in made.blobs.items():
        place = root / "blobs/sha256" / name[:2] / name
        place.mkdir(parents=True, exist_ok=True)
        (place / "data").write_bytes(blob)
        for kind in ("_layers/sha256", "_manifests/revisions/sha256"):
            link = root / "repositories" / path / kind / name
            link.mkdir(parents=True, exist_ok=True)
            (link / "link").write_text(f"sha256:{name}")
    tag = root / "repositories" / path / "_manifests/tags/v/current"
    tag.mkdir(parents=True, exist_ok=True)
    (tag / "link").write_text(str(made.digest))


def write_saved(made: Made, path: Path) -> None:
    """Write what ``docker save`` would."""
    names = [f"{number}/layer.tar" for number in range(len(made.tars))]
    files = dict(zip(names, made.tars, strict=True))
    entry = {"Config": "config.json", "RepoTags": ["app:1"], "Layers": names}
    path.write_bytes(
        tar_of({**files, "config.json": text(made.config), "manifest.json": json.dumps([entry]).encode()})
    )
