"""``oci:``, ``oci-archive:`` and ``dir:``, for reading: images as documents and blobs named by their digests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from hermes.errors import HermesError, ImageError, UsageError
from hermes.image.descriptor import REF_NAME, Descriptor
from hermes.image.manifest import described, json_object
from hermes.image.reference import Reference
from hermes.layer.compress import Source
from hermes.registry.files import Files, Folder, opened_archive
from hermes.registry.origins import LARGEST_DOCUMENT, Origin, missing
from hermes.store import Store


@contextmanager
def opened_layout(text: str, folder: Path, tag: str) -> Iterator[FilesOrigin]:
    """Open ``oci:DIR[:TAG]``; raises `UsageError` when there is no layout."""
    yield _layout(text, Folder(folder, text), tag, f"{folder} is not an OCI layout")


@contextmanager
def opened_layout_archive(text: str, path: Path, tag: str, store: Store) -> Iterator[Origin]:
    """Open ``oci-archive:FILE[:TAG]``."""
    with opened_archive(path, text, store) as files:
        yield _layout(text, files, tag, f"{path} is not an archive of an OCI layout")


@contextmanager
def opened_directory(text: str, folder: Path) -> Iterator[FilesOrigin]:
    """Open ``dir:DIR``; see containers-transports(5)."""
    files = Folder(folder, text)
    if files.size("version") is None or files.size("manifest.json") is None:
        raise UsageError(
            f"{folder} is not an image in the form dir:", hint="such a folder has a file version"
        )
    root = described(read(files, "manifest.json", text), f"{text}: manifest.json")

    def place(one: Descriptor) -> str:
        if one.digest == root.digest:
            return "manifest.json"
        instance = f"{one.digest.hex}.manifest.json"
        return one.digest.hex if files.size(instance) is None else instance

    yield FilesOrigin(text, "", files, root, place)


def read(files: Files, path: str, name: str) -> bytes:
    """Return a document, or the beginning of one that is too large; raises `ImageError` when it is not there."""
    if files.size(path) is None:
        raise ImageError(f"{name}: {path} is missing", hint="write the image again")
    with files.open(path) as file:
        parts = []
        left = LARGEST_DOCUMENT + 1
        while left and (data := file.read(left)):
            parts.append(data)
            left -= len(data)
    if not left:
        raise ImageError(f"{name}: {path} is larger than {LARGEST_DOCUMENT >> 20} MiB")
    return b"".join(parts)


class FilesOrigin:
    """An `Origin` whose documents and blobs are files; ``place`` returns where one is."""

    def __init__(
        self, name: str, title: str, files: Files, root: Descriptor, place: Callable[[Descriptor], str]
    ) -> None:
        self.name = name
        self.title = title
        self._files = files
        self._root = root
        self._place = place

    def root(self) -> Descriptor:
        return self._root

    def document(self, one: Descriptor) -> bytes:
        return read(self._files, self._found(one), self.name)

    def open(self, one: Descriptor) -> AbstractContextManager[Source]:
        return self._files.open(self._found(one))

    def _found(self, one: Descriptor) -> str:
        path = self._place(one)
        if self._files.size(path) is None:
            raise missing(self.name, one)
        return path


def _layout(text: str, files: Files, tag: str, problem: str) -> FilesOrigin:
    if files.size("oci-layout") is None or files.size("index.json") is None:
        raise UsageError(problem, hint="a layout has the files oci-layout and index.json")
    marker = json_object(read(files, "oci-layout", text), f"{text}: oci-layout")
    if not str(marker.get("imageLayoutVersion", "")).startswith("1."):
        raise ImageError(f"{text}: it is an OCI layout of a version that Hermes does not know")
    rows = _rows(json_object(read(files, "index.json", text), f"{text}: index.json"), text)
    chosen, found = _chosen(text, rows, tag)
    return FilesOrigin(text, _title(found), files, chosen, lambda one: f"blobs/sha256/{one.digest.hex}")


def _rows(index: dict[str, object], text: str) -> list[Descriptor]:
    listed = index.get("manifests")
    if not isinstance(listed, list):
        raise ImageError(f"{text}: index.json has no list of manifests")
    try:
        return [Descriptor.from_json(one) for one in listed]
    except ImageError as error:
        raise ImageError(f"{text}: index.json: {error.message}") from None


def _chosen(text: str, rows: list[Descriptor], tag: str) -> tuple[Descriptor, str]:
    tags = [(found, one) for one in rows for key, found in one.annotations if key == REF_NAME]
    known = ", ".join(sorted(found for found, _ in tags))
    if tag:
        same = [one for found, one in tags if found == tag]
        if not same:
            hint = f"it has {known}" if tags else "it has no tags"
            raise UsageError(f"{text}: there is no image with the tag {tag!r}", hint=hint)
        if len({one.digest for one in same}) > 1:
            raise ImageError(
                f"{text}: {len(same)} images have the tag {tag!r}", hint="write the layout again"
            )
        return same[0], tag
    if len(rows) != 1:
        nameless = "none of them has a tag to call it by" if rows else "write an image to it first"
        hint = f"name one: {known}" if tags else nameless
        raise UsageError(f"{text}: there are {len(rows)} images", hint=hint)
    return rows[0], tags[0][0] if tags else ""


def _title(tag: str) -> str:
    """Return a tag that is a whole name, as podman writes them."""
    try:
        return str(Reference.parse(tag)) if ":" in tag or "/" in tag else ""
    except HermesError:
        return ""
