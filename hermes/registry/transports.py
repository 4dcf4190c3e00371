"""Where an image of the store can be written: ``oci:``, ``oci-archive:``, ``docker-archive:``, ``dir:`` and others.

What is written appears whole or not at all, and the same image gives the same bytes.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import shutil
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from hermes.digest import CHUNK, Digest, canonical_json
from hermes.errors import BuildError, UsageError
from hermes.image.config import diff_ids_of
from hermes.image.descriptor import REF_NAME, Descriptor
from hermes.image.layout import MARKER, index_of, read_index, tagged, write_whole
from hermes.image.manifest import Manifest
from hermes.layer import encodings, toc
from hermes.registry.images import blobs_of, manifests_of, refuse_index
from hermes.registry.prefixes import is_remote
from hermes.store import Store
from hermes.store.beside import beside, replace_folder
from hermes.store.faults import writing

if TYPE_CHECKING:
    from hermes.registry.client import Client

_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")
_REFERENCE: Final = re.compile(
    r"(?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?[a-z0-9]+(?:(?:[._]|__|-+|/)[a-z0-9]+)*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?\Z"
)
_DIR_VERSION: Final = b"Directory Transport Version: 1.1\n"
_LEGACY_VERSION: Final = b"1.0"
_MOST_PLAIN: Final = (8 << 30) - 1
"""The largest size that a header of a tar archive can say without an extended one."""


class Destination(Protocol):
    """Somewhere an image can be written to."""

    def write(self, manifest: Descriptor, store: Store, name: str) -> None:
        """Write the image; ``name`` is what to call it where the user gave no name: ``path/of/image:tag``.

        Raises `BuildError` when that fails, `MissingBlobError` when the store does not hold all of it.
        """
        ...


def parse_destination(text: str, client: Callable[[], Client]) -> Destination:
    """Return the destination that ``TRANSPORT:WHERE`` names; raises `UsageError`.

    ``client`` returns what registries are written to with, and is called once there is something to write.
    """
    if is_remote(text):
        from hermes.registry.remote import destination

        return destination(text, client)
    transport, colon, where = text.partition(":")
    if colon and transport in _ELSEWHERE:
        if not where.strip("/"):
            raise UsageError(f"{text!r} names no place to write to", hint=f"write {transport}:NAME")
        return _elsewhere(text, transport, where)
    if transport not in _TRANSPORTS:
        known = (*_TRANSPORTS, *_ELSEWHERE)
        near = difflib.get_close_matches(transport, known, 1)
        hint = f"did you mean {near[0]}:{where}?" if near else f"it is one of {', '.join(known)}"
        raise UsageError(f"{text!r} begins with no transport", hint=hint)
    path, _, name = where.partition(":")
    if not colon or not path:
        raise UsageError(f"{text!r} names no place to write to", hint=f"write {transport}:PATH")
    return _TRANSPORTS[transport](text, Path(path).absolute(), name)


def _oci(text: str, path: Path, tag: str) -> Destination:
    return _Layout(path, _checked_tag(text, tag))


def _oci_archive(text: str, path: Path, tag: str) -> Destination:
    return _LayoutArchive(path, _checked_tag(text, tag))


def _docker_archive(text: str, path: Path, name: str) -> Destination:
    if name and not _REFERENCE.match(name) and not _TAG.match(name):
        raise UsageError(
            f"{text!r}: {name!r} is not a name or a tag", hint="write NAME:TAG in lower case, or TAG"
        )
    return _DockerArchive(text, path, name)


def _dir(text: str, path: Path, name: str) -> Destination:
    if name:
        raise UsageError(f"{text!r}: a dir: has no tag", hint=f"write dir:{path}")
    return _Directory(path)


def _elsewhere(text: str, transport: str, where: str) -> Destination:
    """Return a destination that is no path."""
    if transport == "containers-storage":
        from hermes.registry.storage import StorageDestination

        return StorageDestination(text)
    if transport == "docker-daemon":
        from hermes.registry.daemon import DaemonDestination

        return DaemonDestination(text, where)
    raise UsageError(f"{text!r} names no registry", hint=f"write docker://{where.lstrip('/')}")


_ELSEWHERE: Final = ("containers-storage", "docker", "docker-daemon")
_TRANSPORTS: Final[Mapping[str, Callable[[str, Path, str], Destination]]] = {
    "oci": _oci,
    "oci-archive": _oci_archive,
    "docker-archive": _docker_archive,
    "dir": _dir,
}


def _checked_tag(text: str, tag: str) -> str:
    if tag and not _TAG.match(tag) and not _REFERENCE.match(tag):
        raise UsageError(f"{text!r}: {tag!r} is not a tag", hint="letters, digits and _ . - can stand in it")
    return tag


@dataclass(frozen=True, slots=True)
class _Layout:
    """``oci:DIR[:TAG]``: a layout of its own, or one more image in a layout that is there."""

    folder: Path
    tag: str

    def write(self, manifest: Descriptor, store: Store, name: str) -> None:
        folder, ours = self.folder, tagged(manifest, self.tag)
        with writing(folder), store.locks.held(f"layout:{folder.resolve()}"):
            _check_folder(folder, "oci-layout", "an OCI layout")
            kept = [one for one in read_index(folder) if _name_of(one) != self.tag]
            blobs = folder / "blobs" / "sha256"
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(f"{folder}/oci-layout", MARKER)  # first: what is killed now can be written again
            blobs.mkdir(parents=True, exist_ok=True)
            for digest in blobs_of(manifest, store):
                _copy(store, digest, blobs / digest.hex)
            index = json.loads(index_of([ours]))
            index["manifests"] = [*kept, *index["manifests"]]
            write_whole(f"{folder}/index.json", canonical_json(index))


@dataclass(frozen=True, slots=True)
class _LayoutArchive:
    """``oci-archive:FILE[:TAG]``: a layout as a tar archive."""

    path: Path
    tag: str

    def write(self, manifest: Descriptor, store: Store, name: str) -> None:
        with writing(self.path), _archive(self.path) as archive:
            archive.folder("blobs")
            archive.folder("blobs/sha256")
            for digest in sorted(blobs_of(manifest, store)):
                archive.blob(f"blobs/sha256/{digest.hex}", store, digest)
            archive.file("index.json", index_of([tagged(manifest, self.tag)]))
            archive.file("oci-layout", MARKER)


@dataclass(frozen=True, slots=True)
class _DockerArchive:
    """``docker-archive:FILE[:NAME]``: what ``docker load`` takes, also of times before manifests.

    See the Docker image specification, v1.2, "Combined Image JSON + Filesystem Changeset Format".
    """

    text: str
    path: Path
    name: str

    def write(self, manifest: Descriptor, store: Store, name: str) -> None:
        refuse_index(manifest, self.text)
        write_docker_archive(self.path, manifest, store, *self._reference(name))

    def _reference(self, name: str) -> tuple[str, str]:
        """Return repository and tag: what the user gave, completed by the image's own name."""
        repository, _, tag = name.rpartition(":")
        given = self.name
        if not given:
            return repository, tag
        last = given.rpartition("/")[2]
        if ":" in last:
            repository, _, tag = given.rpartition(":")
            return repository, tag
        return (given, tag) if "/" in given else (repository, given)


@dataclass(frozen=True, slots=True)
class _Directory:
    """``dir:DIR``: manifest, configuration and layers side by side, as ``containers-transports(5)`` has it.

    An index is the ``manifest.json``, and each of its manifests is beside it with its digest in its name.
    """

    folder: Path

    def write(self, manifest: Descriptor, store: Store, name: str) -> None:
        folder = self.folder
        with writing(folder):
            _check_folder(folder, "version", "a dir: image")
            making = beside(folder)
            making.mkdir(parents=True)
            try:
                instances = {one.digest for one in manifests_of(manifest, store)}
                for digest in blobs_of(manifest, store, external=True):
                    place = f"{digest.hex}.manifest.json" if digest in instances else digest.hex
                    _copy(store, digest, making / ("manifest.json" if digest == manifest.digest else place))
                (making / "version").write_bytes(_DIR_VERSION)
                replace_folder(making, folder)
            finally:
                shutil.rmtree(making, ignore_errors=True)


def write_docker_archive(path: Path, manifest: Descriptor, store: Store, repository: str, tag: str) -> None:
    """Write an image under a name for ``docker load``; raises as `Destination.write` does."""
    found = Manifest.parse(store.blobs.read(manifest.digest))
    config = store.blobs.read(found.config.digest)
    diff_ids = diff_ids_of(json.loads(config))
    identities = list(_legacy_ids(diff_ids, found.config.digest))
    with writing(path), _archive(path) as archive:
        parent = ""
        for identity, diff_id in zip(identities, diff_ids, strict=True):
            archive.folder(identity)
            archive.file(f"{identity}/VERSION", _LEGACY_VERSION)
            archive.file(f"{identity}/json", _legacy_json(identity, parent))
            archive.layer(f"{identity}/layer.tar", store, diff_id)
            parent = identity
        archive.file(f"{found.config.digest.hex}.json", config)
        entry = {
            "Config": f"{found.config.digest.hex}.json",
            "Layers": [f"{identity}/layer.tar" for identity in identities],
            "RepoTags": [f"{repository}:{tag}"],
        }
        archive.file("manifest.json", canonical_json([entry]))
        if parent:
            archive.file("repositories", canonical_json({repository: {tag: parent}}))


def _name_of(document: dict[str, object]) -> str:
    annotations = document.get("annotations")
    return str(annotations.get(REF_NAME, "")) if isinstance(annotations, dict) else ""


def _check_folder(folder: Path, marker: str, what: str) -> None:
    """Raise `BuildError` rather than write among somebody's files."""
    if folder.exists() and not (folder / marker).exists() and any(folder.iterdir()):
        raise BuildError(
            f"{folder} is there already and is not {what}", hint="name a new folder, or remove this one"
        )


def _copy(store: Store, digest: Digest, path: Path) -> None:
    """Copy a blob, verified on the way."""
    if path.exists() and path.stat().st_size == os.stat(store.blobs.path(digest)).st_size:
        return
    temporary = beside(path, hidden=False)
    try:
        with open(temporary, "wb") as file:
            file.writelines(store.blobs.chunks(digest))
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)


def _legacy_ids(diff_ids: list[Digest], config: Digest) -> Iterator[str]:
    """Yield an identity for each layer that depends on all below it, and for the last on the configuration."""
    parent = ""
    for number, diff_id in enumerate(diff_ids, 1):
        parts = (parent, diff_id, config if number == len(diff_ids) else "")
        parent = Digest.of(" ".join(parts).encode()).hex
        yield parent


def _legacy_json(identity: str, parent: str) -> bytes:
    document = {"created": "1970-01-01T00:00:00Z", "id": identity}
    return canonical_json(document | ({"parent": parent} if parent else {}))


class _Archive:
    """A tar archive whose headers depend on names and sizes alone."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive

    def folder(self, path: str) -> None:
        info = tarfile.TarInfo(path)
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        self._archive.addfile(info)

    def file(self, path: str, data: bytes) -> None:
        self._add(path, len(data), iter((data,)))

    def blob(self, path: str, store: Store, digest: Digest) -> None:
        with store.blobs.open(digest) as file:
            size = os.fstat(file.fileno()).st_size
        self._add(path, size, store.blobs.chunks(digest))

    def layer(self, path: str, store: Store, diff_id: Digest) -> None:
        """Add a layer's tar, uncompressed."""
        with encodings.open_tar(store, diff_id) as tar:
            self._add(path, toc.load(store, diff_id).size, tar.chunks())

    def _add(self, path: str, size: int, pieces: Iterator[bytes]) -> None:
        info = tarfile.TarInfo(path)
        info.size, info.mode = size, 0o644
        self._archive.format = tarfile.PAX_FORMAT if size > _MOST_PLAIN else tarfile.USTAR_FORMAT
        self._archive.addfile(info, _Pieces(pieces))  # type: ignore[arg-type]
        for _ in pieces:
            raise BuildError(f"{path} is longer than the {size} bytes that were noted")


class _Pieces:
    """The reading side of a file, made of pieces."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def read(self, count: int) -> bytes:
        parts = [self._rest[:count]]
        self._rest = self._rest[count:]
        have = len(parts[0])
        while have < count and (data := next(self._pieces, b"")):
            parts.append(data[: count - have])
            self._rest = data[count - have :]
            have += len(parts[-1])
        return b"".join(parts)


@contextmanager
def _archive(path: Path) -> Iterator[_Archive]:
    """Give an archive that takes the place of ``path`` once it is whole."""
    if path.is_dir():
        raise BuildError(f"{path} is a folder", hint="name a file")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = beside(path)
    try:
        with tarfile.TarFile(temporary, "w", format=tarfile.USTAR_FORMAT, copybufsize=CHUNK) as archive:
            yield _Archive(archive)
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)
