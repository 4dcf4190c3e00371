"""``hermes-out``: what was built, linked to the store's blobs."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from hermes.build.requested_outputs import FILE, IMAGE, INDEX, LAYER, PUSH, TESTED, Wanted
from hermes.build.result import BuiltOutput
from hermes.container.layer_forms import LayerForms
from hermes.digest import Digest
from hermes.engine.action import EXECUTABLE, Value
from hermes.engine.scheduler import LastResult
from hermes.errors import BuildError
from hermes.image.config import diff_ids_of
from hermes.image.descriptor import Descriptor
from hermes.image.layout import link_blob, link_layout, tagged
from hermes.image.manifest import Manifest
from hermes.image.stored import blobs_of, descriptor_of, manifests_of
from hermes.layer import encodings
from hermes.layer.compress import ZSTD
from hermes.naming.remotes import RemoteContent
from hermes.store import Store
from hermes.store.atomic_replace import beside
from hermes.store.io_errors import writing
from hermes.workspace.location import OUTPUT_FOLDER
from hermes.workspace.sources import FileIndex

_LAYER: Final = ".tar.zst"
_FORMER: Final = (".tar", ".tar.gz")
"""What earlier versions called layers, by the form that the store happened to have."""


class Linked(NamedTuple):
    """What is in the output folder, by the labels of targets.

    ``vouched`` are the absolute paths that tell, by their signatures, that what was linked now is still there. Where
    nothing could be linked, ``is_there`` is false; ``is_whole`` is false where something was left with a remote service.
    """

    targets: dict[str, tuple[BuiltOutput, ...]]
    vouched: list[str]
    is_there: bool = True
    is_whole: bool = True


class Outputs:
    """Links what targets give below the workspace's ``hermes-out``.

    With ``leaves``, what a remote service has is left there, and not linked.
    """

    def __init__(
        self,
        root: Path,
        store: Store,
        layers: LayerForms,
        index: FileIndex,
        content: RemoteContent,
        *,
        leaves: bool = False,
    ) -> None:
        self._root = root
        self._out = str(root / OUTPUT_FOLDER)
        self._store = store
        self._layers = layers
        self._index = index
        self._content = content
        self._leaves = leaves
        self._is_whole = True
        self._folders: set[str] = set()
        self._vouched: list[str] = []

    def link(
        self,
        wanted: Sequence[Wanted],
        known: Mapping[str, LastResult],
        before: Sequence[BuiltOutput | None] = (),
        changed: Collection[str] = (),
    ) -> Linked:
        """Link each output.

        ``before``, if not empty, is what was linked for each of ``wanted`` and is intact (None: nothing); ``known``
        then has those actions that may have given something else, ``changed`` the sources that are something else.
        """
        found: dict[str, list[BuiltOutput]] = {}
        self._bring_layers(wanted, known)
        with self._store.locks.held(f"outputs:{self._root}"), writing(self._out):
            for number, one in enumerate(wanted):
                outputs = found.setdefault(one.label, [])
                last = before[number] if before else None
                if last is not None and self._is_same(one, last, known, changed):
                    outputs.append(last)
                else:
                    outputs.append(self._link(one, known))
            if (
                os.path.isdir(self._out)
                and os.stat(self._out).st_dev != os.stat(self._store.blobs.folder).st_dev
            ):
                self._store.note_outputs(self._out)
        targets = {label: tuple(outputs) for label, outputs in found.items()}
        return Linked(targets, self._vouched, is_whole=self._is_whole)

    def _bring_layers(self, wanted: Sequence[Wanted], known: Mapping[str, LastResult]) -> None:
        """Fetch the layers that are linked, and that a remote service has, together."""
        if self._leaves:
            return
        layers = (
            known[one.action].outputs[one.output].digest
            for one in wanted
            if one.kind == LAYER and one.output and one.action in known
        )
        self._content.bring_layers(
            one for one in layers if encodings.recorded(self._store, one, ZSTD) is None
        )

    def could_be_linked(self) -> bool:
        """Tell whether the output folder can be written, or made, and the store's blobs linked."""
        places = self._out if os.path.isdir(self._out) else self._root, self._store.blobs.folder
        return all(os.access(one, os.W_OK | os.X_OK) for one in places)

    def unlinked(self, wanted: Sequence[Wanted], known: Mapping[str, LastResult]) -> Linked:
        """Return what `link` would, with paths that are not there."""
        found: dict[str, list[BuiltOutput]] = {}
        for one in wanted:
            output = self._link(one, known) if not one.output else None
            if output is None:
                digest = known[one.action].outputs[one.output].digest
                output = BuiltOutput(one.kind, digest, f"{self._out}/{one.path}")
            found.setdefault(one.label, []).append(output)
        return Linked({label: tuple(outputs) for label, outputs in found.items()}, [], is_there=False)

    def _is_same(
        self, one: Wanted, before: BuiltOutput, known: Mapping[str, LastResult], changed: Collection[str]
    ) -> bool:
        if not one.output:
            return one.action not in changed
        now = known.get(one.action)
        return now is None or (
            one.kind not in (FILE, PUSH) and now.outputs[one.output].digest == before.digest
        )

    def _link(self, one: Wanted, known: Mapping[str, LastResult]) -> BuiltOutput:
        if not one.output:
            return BuiltOutput(FILE, self._index.value(one.action).digest, self._index.absolute(one.action))
        value = known[one.action].outputs[one.output]
        if one.kind == TESTED:
            return BuiltOutput(TESTED, value.digest, self._store.blobs.path(value.digest))
        path = f"{self._out}/{one.path}"
        if one.kind in (IMAGE, INDEX):
            return self._image(one.kind, path, value)
        return self._layer(path, value) if one.kind == LAYER else self._file(one.kind, path, value)

    def _image(self, kind: str, path: str, value: Value) -> BuiltOutput:
        blobs = self._store.blobs
        found = descriptor_of(self._store, value.digest)
        elsewhere = {one for image in manifests_of(found, self._store) for one in self._elsewhere(image)}
        digests = [
            one for one in blobs_of(found, self._store) if one not in elsewhere and not self._is_left(one)
        ]
        if len(digests) + len(elsewhere) < len(set(blobs_of(found, self._store))):
            self._vouched += self._notes_of_layers(found)
        self._content.bring_all(digests)
        self._make_folder(os.path.dirname(path))
        if os.path.islink(path) or os.path.isfile(path):
            os.unlink(path)
        descriptor = tagged(found, "latest")
        link_layout(Path(path), [descriptor], [(one, self._whole(one)) for one in digests])
        parts = ("oci-layout", "index.json", "blobs/sha256")
        self._vouched += [*(f"{path}/{part}" for part in parts), *(blobs.path(one) for one in digests)]
        return BuiltOutput(kind, value.digest, path)

    def _notes_of_layers(self, image: Descriptor) -> Iterator[str]:
        """Yield the paths of the notes of where the layers of an image are, or of the images of an index."""
        blobs, notes = self._store.blobs, self._store.remote_blobs
        for one in manifests_of(image, self._store):
            config = Manifest.parse(blobs.read(one.digest)).config
            for diff_id in diff_ids_of(json.loads(blobs.read(config.digest))):
                if notes.of(diff_id) is not None:
                    yield notes.path(diff_id)

    def _elsewhere(self, image: Descriptor) -> list[Digest]:
        """Return those blobs of an image's layers that are only in a registry, until somebody needs them."""
        blobs = self._store.blobs
        manifest = Manifest.parse(blobs.read(image.digest))
        missing = [one.digest for one in manifest.layers if not blobs.has(one.digest, one.size)]
        if not missing:
            return []
        diff_ids = diff_ids_of(json.loads(blobs.read(manifest.config.digest)))
        promised = {one.digest for row in diff_ids if (one := encodings.find_foreign(self._store, row))}
        return [one for one in missing if one in promised]

    def _layer(self, path: str, value: Value) -> BuiltOutput:
        """Give a layer in one form, whatever forms the store has it in: the one that images have by default."""
        for former in _FORMER:
            if os.path.lexists(path + former):
                os.unlink(path + former)
        if not encodings.available(self._store, value.digest) and self._is_left(value.digest):
            return self._left(LAYER, value, path + _LAYER)
        encoding = self._layers.compressed(value.digest, ZSTD)
        return BuiltOutput(LAYER, value.digest, self._blob(path + _LAYER, encoding.digest, executable=False))

    def _file(self, kind: str, path: str, value: Value) -> BuiltOutput:
        if self._is_left(value.digest):
            return self._left(kind, value, path)
        return BuiltOutput(
            kind, value.digest, self._blob(path, value.digest, executable=value.kind == EXECUTABLE)
        )

    def _is_left(self, digest: Digest) -> bool:
        """Tell whether a blob or layer is left with the service that has it, until somebody needs it."""
        if not self._leaves or self._store.blobs.has(digest) or not self._content.has(digest):
            return False
        self._is_whole = False
        self._vouched.append(self._store.remote_blobs.path(digest))
        return True

    def _left(self, kind: str, value: Value, path: str) -> BuiltOutput:
        """Take away what an earlier build has linked where something is left with a service now."""
        if os.path.lexists(path):
            os.unlink(path)
        return BuiltOutput(kind, value.digest, path)

    def _blob(self, path: str, digest: Digest, *, executable: bool) -> str:
        """Make ``path`` the blob: a link, or a copy where it has to be executable."""
        source = self._whole(digest)
        self._make_place(path)
        if not (executable or _same(path, source)):
            link_blob(source, path)
        elif executable:
            temporary = beside(Path(path), hidden=False)
            shutil.copyfile(source, temporary)
            os.chmod(temporary, 0o755)  # noqa: S103 - it is a program
            os.replace(temporary, path)
        self._vouched += [path, source]
        return path

    def _whole(self, digest: Digest) -> str:
        """Return where a blob is; raises `MissingBlobError` when it is not there or was damaged."""
        self._store.blobs.check(digest)
        return self._store.blobs.path(digest)

    def _make_place(self, path: str) -> None:
        """Make what ``path`` is in, and take away a folder that is there."""
        self._make_folder(os.path.dirname(path))
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)

    def _make_folder(self, folder: str) -> None:
        """Make a folder below ``hermes-out``, taking away a file or link that an older build left there."""
        if folder in self._folders:
            return
        try:
            os.makedirs(folder, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            at = folder
            while len(at) > len(self._out) and not os.path.lexists(at):
                at = os.path.dirname(at)
            if at == self._out or not at.startswith(f"{self._out}/"):
                raise BuildError(f"{self._out} is not a folder", hint="move it away") from None
            os.unlink(at)
            os.makedirs(folder, exist_ok=True)
        self._folders.add(folder)


def place_of(one: Wanted) -> BuiltOutput:
    """Return an output by where it will be below ``hermes-out``, with what gives it for a digest that is not known yet."""
    path = f"{one.path}{_LAYER}" if one.kind == LAYER else one.path
    return BuiltOutput(one.kind, f"{one.action} {one.output}", path)


def in_one_place(targets: Mapping[str, Sequence[BuiltOutput]]) -> Iterator[tuple[str, str, str]]:
    """Yield the labels of each two targets that give other things at one path, or one below the other, and the path."""
    found: dict[str, tuple[str, str]] = {}
    for label, outputs in targets.items():
        for one in outputs:
            other, digest = found.setdefault(one.path, (label, one.digest))
            if digest != one.digest:
                yield other, label, one.path
    clear: set[str] = set()
    for path, (label, _) in found.items():
        folders = []
        above = path.rpartition("/")[0]
        while above and above not in clear:
            folders.append(above)
            above = above.rpartition("/")[0]
        outer = [folder for folder in folders if folder in found]
        for folder in outer:
            yield found[folder][0], label, folder
        if not outer:
            clear.update(folders)


def _same(path: str, source: str) -> bool:
    try:
        return os.path.samefile(path, source)
    except OSError:
        return False
