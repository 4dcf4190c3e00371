"""``oci:DIR[:TAG]``: OCI layouts; see image-spec, image-layout.md."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from hermes.digest import canonical_json
from hermes.errors import HermesError, ImageError, UsageError
from hermes.image.descriptor import REF_NAME, Descriptor
from hermes.image.layout import MARKER, index_of, read_index, tagged, write_whole
from hermes.image.manifest import json_object
from hermes.image.reference import Reference, is_tag_or_name
from hermes.image.stored import blobs_of
from hermes.store import Store
from hermes.store.io_errors import writing
from hermes.transports.files import Files, FilesOrigin, Folder, check_folder, copy_blob, read
from hermes.transports.transport import Needs, Place

if TYPE_CHECKING:
    from hermes.registry.client import Client


@contextmanager
def opened(place: Place, _store: Store, _client: Callable[[], Client]) -> Iterator[FilesOrigin]:
    """Raises `UsageError` when there is no layout, or not one image with the tag."""
    yield layout_in(place.path, place.text, place.name)


def destination(place: Place, _client: Callable[[], Client]) -> LayoutDestination:
    """Raises `UsageError` for what cannot be a tag."""
    return LayoutDestination(place.path, checked_tag(place))


def layout_in(folder: Path, text: str, tag: str) -> FilesOrigin:
    """Return the image of a layout that errors call ``text``."""
    return layout_of(Folder(folder, text), text, tag, f"{folder} is not an OCI layout")


def checked_tag(place: Place) -> str:
    """Return the tag of a place to write to, or an empty text; raises `UsageError`."""
    if place.name and not is_tag_or_name(place.name):
        raise UsageError(
            f"{place.text!r}: {place.name!r} is not a tag", hint="letters, digits and _ . - can stand in it"
        )
    return place.name


@dataclass(frozen=True, slots=True)
class LayoutDestination:
    """A layout of its own, or one more image in a layout that is there."""

    needs: ClassVar[Needs] = Needs(external=False)

    folder: Path
    tag: str

    def write(self, manifest: Descriptor, store: Store, name: str) -> None:
        folder, ours = self.folder, tagged(manifest, self.tag)
        with writing(folder), store.locks.held(f"layout:{folder.resolve()}"):
            check_folder(folder, "oci-layout", "an OCI layout")
            kept = [one for one in read_index(folder) if _name_of(one) != self.tag]
            blobs = folder / "blobs" / "sha256"
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(f"{folder}/oci-layout", MARKER)  # first: what is killed now can be written again
            blobs.mkdir(parents=True, exist_ok=True)
            for digest in blobs_of(manifest, store):
                copy_blob(store, digest, blobs / digest.hex)
            index = json.loads(index_of([ours]))
            index["manifests"] = [*kept, *index["manifests"]]
            write_whole(f"{folder}/index.json", canonical_json(index))


def _name_of(document: dict[str, object]) -> str:
    annotations = document.get("annotations")
    return str(annotations.get(REF_NAME, "")) if isinstance(annotations, dict) else ""


def layout_of(files: Files, text: str, tag: str, problem: str) -> FilesOrigin:
    """Return the image with a tag, or the only one, of a layout's files; raises `UsageError` with ``problem`` if there are none."""
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
