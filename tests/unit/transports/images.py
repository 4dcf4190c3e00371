"""Images for tests, right ones and ones that lie, as layouts and archives."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import zstandard

from hermes.digest import Digest
from hermes.image.descriptor import Descriptor
from hermes.image.platform import Platform
from hermes.registry.client import Client
from hermes.store import Store
from hermes.transports.table import opened
from hermes.transports.taking import import_image

OCI = "application/vnd.oci.image"
LAYER = f"{OCI}.layer.v1.tar"
COMPRESS = {
    "": lambda data: data,
    "+gzip": lambda data: gzip.compress(data, 9, mtime=1),
    "+zstd": lambda data: zstandard.ZstdCompressor(level=7).compress(data),
}


def take_in(text: str, store: Store, platform: Platform) -> Descriptor:
    """Take the image that ``text`` names into a store."""
    with opened(text, store, Client) as origin:
        return import_image(origin, store, platform).descriptor


def tar_of(files: Mapping[str, bytes], *more: tuple[str, bytes], mode: int = 0o644) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, data in (*files.items(), *more):
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(data), mode
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def text(document: Any) -> bytes:
    return json.dumps(document).encode()


class Made:
    """An image as blobs by their digests, with whatever a test makes wrong with it."""

    def __init__(
        self,
        tars: list[bytes],
        form: str = "+gzip",
        *,
        config: Mapping[str, Any] | None = None,
        manifest: Mapping[str, Any] | None = None,
        platform: tuple[str, str] = ("linux", "amd64"),
    ) -> None:
        self.blobs: dict[str, bytes] = {}
        self.tars = tars
        self.config = {
            "os": platform[0],
            "architecture": platform[1],
            "config": {"Env": ["A=b"]},
            "rootfs": {"type": "layers", "diff_ids": [Digest.of(one) for one in tars]},
            **(config or {}),
        }
        self.manifest = {
            "schemaVersion": 2,
            "mediaType": f"{OCI}.manifest.v1+json",
            "config": self.add(text(self.config), f"{OCI}.config.v1+json"),
            "layers": [self.add(COMPRESS[form](one), LAYER + form) for one in tars],
            **(manifest or {}),
        }
        self.row = self.add(text(self.manifest), f"{OCI}.manifest.v1+json")

    @property
    def digest(self) -> str:
        return str(self.row["digest"])

    def add(self, data: bytes, media_type: str) -> dict[str, Any]:
        digest = Digest.of(data)
        self.blobs[digest.hex] = data
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def files(self, rows: list[dict[str, Any]] | None = None) -> dict[str, bytes]:
        """The files of a layout."""
        listed = [self.row] if rows is None else rows
        return {
            "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
            "index.json": text({"schemaVersion": 2, "manifests": listed}),
            **{f"blobs/sha256/{name}": data for name, data in self.blobs.items()},
        }

    def layout(self, folder: Path, rows: list[dict[str, Any]] | None = None) -> str:
        """Write a layout; return it as an origin."""
        for path, data in self.files(rows).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        return f"oci:{folder}"

    def docker_files(self, **changes: Any) -> dict[str, bytes]:
        """The files of what ``docker save`` writes."""
        config = text(self.config)
        layers = {f"{Digest.of(one).hex}/layer.tar": one for one in self.tars}
        row = {"Config": "config.json", "RepoTags": ["app:1"], "Layers": list(layers), **changes}
        return {"config.json": config, "manifest.json": text([row]), **layers}


def small(form: str = "+gzip", **changes: Any) -> Made:
    """An image of two small layers."""
    return Made([tar_of({"a": b"one"}), tar_of({"b": b"two", "c/d": b"three"})], form, **changes)
