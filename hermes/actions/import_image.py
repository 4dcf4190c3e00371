"""``import_image``: an image from an OCI layout, an archive or a tree of files, that the workspace has or an action made."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from hermes.actions.environment import Environment
from hermes.actions.kinds import LAYERS, MANIFEST
from hermes.actions.layer import stored_layer
from hermes.actions.specs.import_image import ImportImage
from hermes.actions.specs.spec import of_request
from hermes.actions.tools import Tools, stored
from hermes.digest import Digest, canonical_json
from hermes.engine.action import FILE, Outputs, Value
from hermes.engine.executor import Request
from hermes.engine.key import Resolved
from hermes.errors import BuildError
from hermes.image.assemble import Layer, assemble
from hermes.image.config import timestamp
from hermes.image.descriptor import Descriptor
from hermes.image.platform import Platform
from hermes.layer.archives import archive_members
from hermes.layer.compress import ZSTD
from hermes.layer.content import Spool
from hermes.layer.decompress import Source
from hermes.layer.unpacking import Unpacking
from hermes.layer.write import Item
from hermes.store.io_errors import storing
from hermes.transports.docker_archive import origin_of
from hermes.transports.files import Archive, opened_archive
from hermes.transports.oci import layout_of
from hermes.transports.taking import import_image
from hermes.transports.transport import Origin


def execute(request: Request, tools: Tools) -> Outputs:
    """Raises `UsageError` where there is no such image for the platform, `LayerError` for what is not an archive."""
    spec = of_request(ImportImage[Resolved], request)
    platform = Platform.parse(request.action.platform)
    if len(spec.files) > 1:
        files = _Files({one.path: tools.path_of(one) for one in spec.files})
        return _imported(
            layout_of(files, "the layout", spec.image, "it is not an OCI layout"), platform, tools
        )
    (one,) = spec.files
    name = os.path.basename(one.path)
    with opened_archive(Path(tools.path_of(one)), name, tools.store) as archive:
        if origin := _origin(archive, name, spec.image):
            return _imported(origin, platform, tools)
    if spec.image:
        raise BuildError(f"{name} is a root file system, which has no image {spec.image!r}")
    return _of_root(one, name, platform, tools)


def _origin(archive: Archive, name: str, image: str) -> Origin | None:
    """Return the image of an archive; None for a root file system."""
    if archive.size("oci-layout") is not None:
        return layout_of(archive, name, image, f"{name} is not an archive of an OCI layout")
    if archive.size("manifest.json") is not None or archive.size("repositories") is not None:
        return origin_of(archive, name, image)
    return None


def _imported(origin: Origin, platform: Platform, tools: Tools) -> Outputs:
    taken = import_image(origin, tools.store, platform)
    document = taken.manifest.config
    return _outputs(
        tools,
        Value(FILE, document.digest, document.size),
        Value(MANIFEST, taken.descriptor.digest, taken.descriptor.size),
        [diff_id for _, diff_id in taken.layers],
    )


def _of_root(one: Resolved, name: str, platform: Platform, tools: Tools) -> Outputs:
    """Return an image without settings, of what a root file system has."""

    def items(spool: Spool) -> Iterator[Item]:
        unpacking = Unpacking("")
        with open(tools.path_of(one), "rb") as file:
            for member in archive_members(file, name=name):
                yield unpacking.placed(member.entry), spool.add(member.content, member.entry.size)

    with storing("the store"), closing(Spool(tools.store.scratch.unnamed())) as spool:
        layer = stored_layer(items(spool), tools, ZSTD).digest
    blob = tools.layers.compressed(layer, ZSTD)
    created = timestamp(0)
    document: Mapping[str, Any] = {
        "architecture": platform.architecture,
        "config": {},
        "created": created,
        "os": platform.os,
        **({"variant": platform.variant} if platform.variant else {}),
    }
    descriptor = Descriptor(ZSTD.media_type, blob.digest, blob.size)
    history = [{"created": created, "created_by": f"hermes import {name}"}]
    made = assemble(document, [Layer(layer, descriptor, of_base=True)], history, {})
    return _outputs(
        tools,
        stored(tools.store, FILE, made.config),
        stored(tools.store, MANIFEST, made.manifest.to_bytes()),
        [layer],
    )


def _outputs(tools: Tools, config: Value, manifest: Value, layers: list[Digest]) -> Outputs:
    environment = Environment.from_json(tools.document(config).get("config") or {})
    return {
        "config": config,
        "environment": stored(tools.store, FILE, canonical_json(environment.to_json())),
        "layers": stored(tools.store, LAYERS, canonical_json(layers)),
        "manifest": manifest,
    }


class _Files:
    """`hermes.transports.files.Files` of inputs: their paths, and where they are."""

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places

    def size(self, path: str) -> int | None:
        place = self._places.get(path)
        return None if place is None else os.stat(place).st_size

    @contextmanager
    def open(self, path: str) -> Iterator[Source]:
        if path not in self._places:
            raise BuildError(f"the layout has no file {path}", hint="name all files of the layout in src")
        with open(self._places[path], "rb") as file:
            yield file
