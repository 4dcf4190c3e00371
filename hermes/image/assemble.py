"""Configuration and manifest of an image that is made: one composer for targets, Dockerfiles and working containers.

Pure: documents in, documents out. What decides here is the same for all of them: a layer without entries is not in
the image and its row of the history says ``empty_layer``, as docker writes it; layers of a base stay as they are; of
the other fields of a configuration those stay that image-spec, config.md, has. A manifest in Docker's format has no
annotations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from hermes.digest import Digest, canonical_json
from hermes.errors import ImageError
from hermes.image import docker
from hermes.image.config import PASSED_ON, platform_of, readable
from hermes.image.descriptor import IMAGE_CONFIG, IMAGE_MANIFEST, Descriptor
from hermes.image.manifest import Manifest
from hermes.layer.tar_writer import END

EMPTY: Final = Digest.of(END)
"""The diff_id of a layer without entries: two zero blocks. Docker leaves out the same one (``layer.IsEmpty`` in moby)."""

MOST_LAYERS: Final = 125
"""What docker takes: "max depth exceeded" with 126 (``maxLayerDepth`` in moby, 20.10 to 28)."""


class Format(NamedTuple):
    """The media types of an image's documents."""

    manifest: str
    config: str


OCI: Final = Format(IMAGE_MANIFEST, IMAGE_CONFIG)
DOCKER: Final = Format(docker.MANIFEST, docker.CONFIG)


class Layer(NamedTuple):
    """A layer of an image, and the blob that holds it. One ``of_base`` stays in the image whatever it holds."""

    diff_id: Digest
    blob: Descriptor | None = None
    of_base: bool = False

    @property
    def is_left_out(self) -> bool:
        return self.diff_id == EMPTY and not self.of_base


class Assembled(NamedTuple):
    """``layers`` are those that are in the image, the lowest first."""

    document: dict[str, Any]
    config: bytes
    manifest: Manifest
    layers: tuple[Layer, ...]


def assemble(
    document: Mapping[str, Any],
    layers: Sequence[Layer],
    history: Sequence[Mapping[str, Any]],
    annotations: Mapping[str, str],
    form: Format = OCI,
    *,
    comment: str = "",
) -> Assembled:
    """Return an image of ``layers``, the lowest first, which all have a blob. For the rest see `configuration`.

    ``comment`` is a field of Docker's format alone.
    """
    made = configuration(document, layers, history)
    if comment:
        made["comment"] = comment
    config = canonical_json(made)
    full = tuple(one for one in layers if not one.is_left_out)
    blobs = [one.blob for one in full if one.blob is not None]
    assert len(blobs) == len(full), "a layer has no blob"
    descriptor = Descriptor(form.config, Digest.of(config), len(config))
    return Assembled(made, config, manifest_of(descriptor, blobs, annotations, form), full)


def configuration(
    document: Mapping[str, Any], layers: Sequence[Layer], history: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the configuration of an image, see image-spec, config.md; empty settings are left out.

    ``document`` says the platform, ``config`` and what else is passed on. Each row of ``history`` that is not marked
    ``empty_layer`` stands for the next layer. Raises `ImageError` when there are more or fewer layers.
    """
    platform = platform_of(document)
    made: dict[str, Any] = {
        "architecture": platform.architecture,
        "config": {name: value for name, value in (document.get("config") or {}).items() if value},
        "history": list(_marked(history, layers)),
        "os": platform.os,
        "rootfs": {"diff_ids": [one.diff_id for one in layers if not one.is_left_out], "type": "layers"},
    }
    if platform.variant:
        made["variant"] = platform.variant
    made.update({name: document[name] for name in PASSED_ON if document.get(name)})
    found: dict[str, Any] = readable(made)
    return found


def manifest_of(
    config: Descriptor, blobs: Iterable[Descriptor], annotations: Mapping[str, str], form: Format = OCI
) -> Manifest:
    """Return the manifest of a configuration and the blobs of its layers; see image-spec, manifest.md."""
    pairs = () if form == DOCKER else tuple(sorted(readable(dict(annotations)).items()))
    return Manifest(config, tuple(blobs), pairs, form.manifest)


def _marked(history: Sequence[Mapping[str, Any]], layers: Sequence[Layer]) -> Iterable[dict[str, Any]]:
    """Yield the rows of a history, with a mark on those whose layer is left out."""
    rows = sum(not row.get("empty_layer") for row in history)
    if rows != len(layers):
        raise ImageError(f"the history of the image has {rows} layers, and the image {len(layers)}")
    left = iter(layers)
    for row in history:
        is_empty = row.get("empty_layer") or next(left).is_left_out
        yield {**row, "empty_layer": True} if is_empty else dict(row)


def depth_warning(document: Mapping[str, Any]) -> str:
    """Return what is to be said of an image, by its configuration, that has more layers than docker takes; else nothing."""
    count = len(document["rootfs"]["diff_ids"])
    if count <= MOST_LAYERS:
        return ""
    return (
        f"the image has {count} layers, and docker takes {MOST_LAYERS} at most; put more into one layer, or make "
        "several one: squash = True of dockerfile_image, --squash of hermes bud and hermes ctr commit"
    )
