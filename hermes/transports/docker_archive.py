"""``docker-archive:FILE[:NAME]``: what ``docker save`` writes, also that of times before ``manifest.json``.

See the Docker image specification, v1.2, "Combined Image JSON + Filesystem Changeset Format". Such an archive has no
manifest of the image, and the layers as plain tars. Hermes gives it the manifest, in Docker's format, that has the
configuration as it is and each layer in the form that it has in the archive; so the configuration keeps its digest,
and the same archive always gives the same manifest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from hermes.digest import CHUNK, Digest, canonical_json, read_json
from hermes.errors import ImageError, UsageError
from hermes.image import docker
from hermes.image.config import diff_ids_of
from hermes.image.descriptor import Descriptor
from hermes.image.manifest import Manifest, json_object
from hermes.image.media_types import has_form, layer_type
from hermes.image.reference import is_tag_or_name, normal_name
from hermes.layer.decompress import Decompressed, Source
from hermes.layer.entry import normal_path
from hermes.store import Store
from hermes.store.io_errors import writing
from hermes.transports.archive import written_archive
from hermes.transports.files import Archive, opened_archive, read
from hermes.transports.transport import Needs, Origin, Place, RemoteBlobs, missing, refuse_index

if TYPE_CHECKING:
    from hermes.registry.client import Client

NEEDS: Final = Needs(uncompressed=True)
"""What the format needs, whether it goes to a file or a daemon."""

_LEGACY_VERSION: Final = b"1.0"
_MOST_LAYERS: Final = 10_000


class _Row(NamedTuple):
    """An image of an archive: its configuration, the paths of its layers, and its names."""

    config: bytes
    layers: list[str]
    names: list[str]


@contextmanager
def opened(place: Place, store: Store, _client: Callable[[], Client]) -> Iterator[Origin]:
    """Raises `UsageError` when there is no such image, `LayerError` when the file is not a tar archive."""
    with opened_archive(place.path, place.text, store) as archive:
        yield origin_of(archive, place.text, place.name)


def destination(place: Place, _client: Callable[[], Client]) -> DockerArchiveDestination:
    """Raises `UsageError` for what can be neither a name nor a tag."""
    if place.name and not is_tag_or_name(place.name):
        raise UsageError(
            f"{place.text!r}: {place.name!r} is not a name or a tag",
            hint="write NAME:TAG in lower case, or TAG",
        )
    return DockerArchiveDestination(place.text, place.path, place.name)


@dataclass(frozen=True, slots=True)
class DockerArchiveDestination:
    """What ``docker load`` takes, also of times before manifests; the same image gives the same bytes."""

    needs: ClassVar[Needs] = NEEDS

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


def write_docker_archive(path: Path, manifest: Descriptor, store: Store, repository: str, tag: str) -> None:
    """Write an image under a name for ``docker load``; raises as `Destination.write` does."""
    found = Manifest.parse(store.blobs.read(manifest.digest))
    config = store.blobs.read(found.config.digest)
    diff_ids = diff_ids_of(json.loads(config))
    identities = list(_legacy_ids(diff_ids, found.config.digest))
    with writing(path), written_archive(path) as archive:
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


def origin_of(archive: Archive, text: str, name: str) -> Origin:
    """Return the image called ``name``, or the only one, of an archive that errors call ``text``."""
    rows = list(
        _rows(archive, text) if archive.size("manifest.json") is not None else _old_rows(archive, text)
    )
    return _DockerArchive(archive, text, _chosen(text, rows, name))


class _DockerArchive:
    def __init__(self, archive: Archive, name: str, row: _Row) -> None:
        self.name = name
        self.title = row.names[0] if row.names else ""
        self.remote: RemoteBlobs | None = None
        self._archive = archive
        self._row = row
        self._places: dict[Digest, str] = {}
        self._text = self._manifest()

    def root(self) -> Descriptor:
        return Descriptor(docker.MANIFEST, Digest.of(self._text), len(self._text))

    def document(self, one: Descriptor) -> bytes:
        return self._row.config if one.media_type == docker.CONFIG else self._text

    def open(self, one: Descriptor) -> AbstractContextManager[Source]:
        if one.digest not in self._places:
            raise missing(self.name, one)
        return self._archive.open(self._places[one.digest])

    def _manifest(self) -> bytes:
        try:
            diff_ids = diff_ids_of(json_object(self._row.config, "the image's configuration"))
        except ImageError as error:
            raise ImageError(f"{self.name}: {error.message}") from None
        paths = self._row.layers
        if len(diff_ids) != len(paths):
            raise ImageError(
                f"{self.name}: manifest.json has {len(paths)} layers, and the image's configuration {len(diff_ids)}",
                hint="have the archive written again",
            )
        layers = tuple(self._layer(path, diff_id) for path, diff_id in zip(paths, diff_ids, strict=True))
        config = Descriptor(docker.CONFIG, Digest.of(self._row.config), len(self._row.config))
        return Manifest(config, layers, (), docker.MANIFEST).to_bytes()

    def _layer(self, path: str, diff_id: Digest) -> Descriptor:
        """Describe a layer: a plain one has the digest that the configuration says, which is checked later."""
        size = self._archive.size(path)
        if size is None:
            raise ImageError(f"{self.name}: {path} is missing", hint="have the archive written again")
        with self._archive.open(path) as file:
            form = Decompressed(file, name=f"{self.name}: {path}").form
        if not has_form(form, is_docker=True):
            raise ImageError(
                f"{self.name}: {path} is compressed with {form}, which an image of Docker's cannot be",
                hint="where the archive is a layout as well, read it as oci-archive:FILE",
            )
        digest = self._digest(path) if form else diff_id
        self._places[digest] = path
        return Descriptor(layer_type(form, is_docker=True), digest, size)

    def _digest(self, path: str) -> Digest:
        hasher = hashlib.sha256()
        with self._archive.open(path) as file:
            while data := file.read(CHUNK):
                hasher.update(data)
        return Digest.from_hex(hasher.hexdigest())


def _rows(archive: Archive, text: str) -> Iterator[_Row]:
    """Yield the images that ``manifest.json`` lists."""
    try:
        listed = read_json(read(archive, "manifest.json", text))
    except ValueError as error:
        raise ImageError(f"{text}: manifest.json is not JSON: {error}") from None
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise ImageError(f"{text}: manifest.json is not a list of images")
    for one in listed:
        config, layers, names = one.get("Config"), one.get("Layers") or [], one.get("RepoTags") or []
        if not isinstance(config, str) or not _is_texts(layers) or not _is_texts(names):
            raise ImageError(f"{text}: manifest.json has an image without Config, Layers and RepoTags")
        if len(layers) > _MOST_LAYERS:
            raise ImageError(f"{text}: manifest.json lists {len(layers)} layers, more than {_MOST_LAYERS}")
        paths = [normal_path(path, of=text) for path in layers]
        yield _Row(read(archive, normal_path(config, of=text), text), paths, names)


def _old_rows(archive: Archive, text: str) -> Iterator[_Row]:
    """Yield the images of an archive that has only ``repositories``, each with a configuration made for it."""
    if archive.size("repositories") is None:
        raise UsageError(
            f"{text} is not an archive of `docker save`", hint="such an archive has a manifest.json"
        )
    repositories = json_object(read(archive, "repositories", text), f"{text}: repositories")
    names: dict[str, list[str]] = {}
    for repository, tags in repositories.items():
        if not isinstance(tags, dict) or not _is_texts(list(tags.values())):
            raise ImageError(f"{text}: repositories is not what it should be")
        for tag, top in tags.items():
            names.setdefault(top, []).append(f"{repository}:{tag}")
    for top, called in names.items():
        yield _old_row(archive, text, top, called)


def _old_row(archive: Archive, text: str, top: str, names: list[str]) -> _Row:
    chain: list[tuple[str, dict[str, Any]]] = []
    identity = top
    while identity:
        path = normal_path(identity, of=text)
        if len(chain) > _MOST_LAYERS or any(path == known for known, _ in chain):
            raise ImageError(f"{text}: the layers below {top} go in a circle")
        document = json_object(read(archive, f"{path}/json", text), f"{text}: {path}/json")
        chain.append((path, document))
        identity = str(document.get("parent") or "")
    chain.reverse()
    layers = [f"{path}/layer.tar" for path, _ in chain]
    return _Row(_old_config(archive, text, chain, layers), layers, names)


def _old_config(
    archive: Archive, text: str, chain: list[tuple[str, dict[str, Any]]], layers: list[str]
) -> bytes:
    """Return the configuration that the oldest archives have in parts, in each layer's ``json``."""
    last = chain[-1][1]
    document = {name: last[name] for name in ("architecture", "author", "config", "os") if last.get(name)}
    document.setdefault("architecture", "amd64")
    document.setdefault("os", "linux")
    created = last.get("created")
    document["created"] = created if isinstance(created, str) else "1970-01-01T00:00:00Z"
    document["history"] = [_old_history(one) for _, one in chain]
    diff_ids = []
    for path in layers:
        if archive.size(path) is None:
            raise ImageError(f"{text}: {path} is missing", hint="have the archive written again")
        hasher = hashlib.sha256()
        with archive.open(path) as file:
            plain = Decompressed(file, name=f"{text}: {path}")
            while data := plain.read(CHUNK):
                hasher.update(data)
        diff_ids.append(Digest.from_hex(hasher.hexdigest()))
    document["rootfs"] = {"diff_ids": diff_ids, "type": "layers"}
    try:
        return canonical_json(document)
    except TypeError as error:
        raise ImageError(f"{text}: the image's configuration: {error}") from None


def _old_history(document: Mapping[str, Any]) -> dict[str, Any]:
    made = document.get("container_config")
    command = made.get("Cmd") if isinstance(made, Mapping) else None
    row: dict[str, Any] = {"created": str(document.get("created") or "1970-01-01T00:00:00Z")}
    if _is_texts(command):
        row["created_by"] = " ".join(command or ())
    return row


def _chosen(text: str, rows: list[_Row], name: str) -> _Row:
    known = ", ".join(one for row in rows for one in row.names)
    if not name:
        if len(rows) != 1:
            raise UsageError(
                f"{text}: there are {len(rows)} images",
                hint=f"name one: {known}" if known else "none of them has a name",
            )
        return rows[0]
    wanted = normal_name(name)
    found = [row for row in rows if any(normal_name(one) == wanted for one in row.names)]
    if not found:
        raise UsageError(
            f"{text}: there is no image {name}", hint=f"it has {known}" if known else "it has no names"
        )
    called = next(one for one in found[0].names if normal_name(one) == wanted)
    return found[0]._replace(names=[called])


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)
