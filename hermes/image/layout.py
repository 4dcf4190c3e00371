"""Image layouts: a folder with ``oci-layout``, ``index.json`` and ``blobs``; see image-spec, image-layout.md."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from hermes.digest import Digest, canonical_json, read_json
from hermes.errors import ImageError
from hermes.image.descriptor import IMAGE_INDEX, REF_NAME, Descriptor
from hermes.store.blobs import missing
from hermes.store.stamps import keep_fresh

MARKER: Final = b'{"imageLayoutVersion":"1.0.0"}'

_NO_LINK: Final = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP)


def index_of(manifests: Iterable[Descriptor]) -> bytes:
    """Return the text of an ``index.json``."""
    listed = [manifest.to_json() for manifest in manifests]
    return canonical_json({"manifests": listed, "mediaType": IMAGE_INDEX, "schemaVersion": 2})


def link_layout(folder: Path, manifests: Sequence[Descriptor], blobs: Iterable[tuple[Digest, str]]) -> None:
    """Make ``folder`` the layout of ``manifests``, of hard links to ``blobs`` (each with where it is).

    Where the file system cannot link, the blobs are symbolic links. What is there already is left alone, what
    belongs to an older image goes away. Raises `MissingBlobError`.
    """
    inner = f"{folder}/blobs/sha256"
    wanted = {digest.hex: path for digest, path in blobs}
    for name, path in wanted.items():
        if not os.path.exists(path):
            raise missing(Digest.from_hex(name))
    os.makedirs(inner, exist_ok=True)
    before = {entry.name: entry for entry in os.scandir(inner)}
    for name, path in wanted.items():
        if name not in before or not _same(before[name], path):
            link_blob(path, f"{inner}/{name}")
    write_whole(f"{folder}/oci-layout", MARKER)
    write_whole(f"{folder}/index.json", index_of(manifests))
    for name, entry in before.items():
        if name not in wanted:
            keep_fresh(entry.path)
            os.unlink(entry.path)


def link_blob(source: str, path: str) -> None:
    """Make ``path`` a hard link to a blob, or a symbolic link where that cannot be."""
    temporary = f"{path}.{os.getpid()}~"
    keep_fresh(source)
    keep_fresh(path)
    try:
        os.link(source, temporary)
    except FileNotFoundError:
        raise missing(Digest.from_hex(os.path.basename(source))) from None
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        os.symlink(source, temporary)
    os.replace(temporary, path)
    if os.path.lexists(temporary):  # rename(2) does nothing when both names are links to one file
        os.unlink(temporary)


def read_index(folder: Path) -> list[dict[str, Any]]:
    """Return the manifests that a layout's index lists, as they are; raises `ImageError`."""
    path = folder / "index.json"
    try:
        document = read_json(path.read_bytes())
    except FileNotFoundError:
        return []
    except ValueError as error:
        raise ImageError(
            f"{path} is not JSON: {error}", hint="remove it, or write to another folder"
        ) from None
    listed = document.get("manifests") if isinstance(document, dict) else None
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise ImageError(f"{path} is not the index of a layout", hint="write to another folder")
    return listed


def tagged(manifest: Descriptor, tag: str) -> Descriptor:
    """Return a descriptor that names its manifest."""
    if not tag:
        return manifest
    return Descriptor(
        manifest.media_type, manifest.digest, manifest.size, ((REF_NAME, tag),), manifest.platform
    )


def write_whole(path: str, data: bytes) -> None:
    """Write a file whole or not at all, and only if that changes it."""
    try:
        with open(path, "rb") as file:
            if file.read() == data:
                return
    except FileNotFoundError:
        pass
    temporary = f"{path}.{os.getpid()}~"
    try:
        with open(temporary, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _same(entry: os.DirEntry[str], path: str) -> bool:
    try:
        ours, theirs = entry.stat(), os.stat(path)
    except FileNotFoundError:
        return False
    return (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino)
