"""``hermes migrate``: a Dockerfile as a BUILD file of native rules."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, count
from pathlib import Path
from typing import Final

from hermes.build.dockerfile.options import DockerfileOptions, dockerfile_of, folder_of
from hermes.build.dockerfile.origins import NamedOrigins, ignored_in
from hermes.build.named import build_target
from hermes.dockerfile.context import Context
from hermes.dockerfile.files import FolderFiles
from hermes.dockerfile.migration.buildfile import Target, build_file
from hermes.dockerfile.migration.copies import Copying
from hermes.dockerfile.migration.migrate import KnownBase, migrate
from hermes.dockerfile.options import Options
from hermes.dockerfile.origins import BaseImage, context_name
from hermes.dockerfile.parse import parse
from hermes.dockerfile.translate import translate
from hermes.errors import LabelError, UsageError
from hermes.graph.label import Label, is_label
from hermes.image.platform import Platform
from hermes.image.reference import LOCALHOST, Reference
from hermes.layer import encodings, toc
from hermes.layer.view import View
from hermes.naming.registries import LazyBlobs
from hermes.store import Store
from hermes.store.location import default_home
from hermes.transports import REGISTRY
from hermes.transports.table import has_transport
from hermes.workspace.listing import BUILD_FILES

IMAGE: Final = "image"
"""The name of the target that is the image."""


@dataclass(frozen=True, slots=True)
class MigrateOptions:
    """What to migrate. ``name`` is that of the image's target; the rest is as in `DockerfileOptions`."""

    dockerfile: DockerfileOptions = field(default_factory=DockerfileOptions)
    name: str = IMAGE


def migrated(options: MigrateOptions, home: Path | None = None) -> str:
    """Return the text of a BUILD file for the folder of the context.

    Raises `DockerfileError` for a Dockerfile that is wrong, or has a line that no rule can say.
    """
    given = options.dockerfile
    try:
        Label.parse(f":{options.name}", relative_to="")
    except LabelError as error:
        raise UsageError(f"--name {options.name}: {error.message}", hint=error.hint) from None
    root = folder_of(given)
    path, text = dockerfile_of(given, root)
    dockerfile = parse(os.path.basename(path) or "Dockerfile", text)
    platform = Platform.parse(given.platform) if given.platform else Platform.host()
    files = Sources(str(root))
    ignored, ignore_file = ignored_in(root, path, given.ignore_file)
    store = Store.open(home or default_home())
    fetching = LazyBlobs.here(store)
    try:
        with store.in_use():
            origins = Origins(store, fetching, given.contexts, given.pull, platform)
            translation = translate(
                dockerfile,
                Context(files, ignored, ignore_file),
                origins,
                Options(
                    target=given.target,
                    arguments=given.arguments,
                    platform=platform,
                    secrets=Every(),
                    agents=Every(),
                ),
            )
            targets = migrate(
                translation, dockerfile, origins.bases, Copying(files, files.present()), options.name
            )
    finally:
        fetching.close()
        store.close()
    head = [
        f"Made from {dockerfile.text.name} by `hermes migrate`. A command has no network unless it seemed to need it."
    ]
    if any("digest" not in one.attributes for one in origins.pulled):
        head.append("`hermes lock` pins what the tags of images mean.")
    text = build_file(head, [*origins.pulled, *targets])
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(
            f"{dockerfile.text.name} has, or names, something that is not UTF-8, which a BUILD file must be",
            hint="build it with dockerfile_image",
        ) from None
    return text


class Every(frozenset[str]):
    """All ids: the user who builds a target gives it the secrets that it asks for."""

    def __contains__(self, _: object) -> bool:
        return True


class Sources(FolderFiles):
    """The files of a folder that targets of its package can name: no BUILD files."""

    def __init__(self, root: str) -> None:
        super().__init__("" if root == "/" else root, "")

    def names(self, folder: str) -> list[tuple[str, bool]]:
        found = super().names(folder)
        return found if folder else [one for one in found if one[0] not in BUILD_FILES]

    def present(self) -> list[str]:
        """Return all of them, as ``glob`` sees them: without folders that are packages themselves."""
        found, pending = [], [""]
        while pending:
            folder = pending.pop()
            for name, is_folder in self.names(folder):
                path = f"{folder}/{name}" if folder else name
                if not is_folder:
                    found.append(path)
                elif not any(self.status(f"{path}/{one}") for one in BUILD_FILES):
                    pending.append(path)
        return sorted(found)


class Origins(NamedOrigins):
    """Images that targets stand for; notes each that is asked for."""

    def __init__(
        self, store: Store, fetching: LazyBlobs, named: Mapping[str, str], pull: str, platform: Platform
    ) -> None:
        super().__init__(store, fetching, build_target, named, pull)
        self._platform = platform
        self.bases: dict[str, KnownBase] = {}
        self.pulled: list[Target] = []
        self._named = {context_name(name): text for name, text in named.items()}

    def image(self, name: str, platform: Platform) -> BaseImage:
        if platform != self._platform:
            raise UsageError(
                f"FROM --platform: {name} is wanted for {platform}, and targets are for one platform",
                hint="leave the flag out, or build the Dockerfile with dockerfile_image",
            )
        found = super().image(name, platform)
        if name not in self.bases:
            diff_ids = [one.diff_id for one in found.layers]
            view = None
            if all(encodings.available(self._store, one) for one in diff_ids):
                view = View([toc.load(self._store, one) for one in diff_ids])
            self.bases[name] = KnownBase(self.label(name), found.document, view)
        return replace(found, layers=tuple(one._replace(blob=None) for one in found.layers))

    def label(self, name: str) -> str:
        text = self._named.get(context_name(name), name)
        if is_label(text):
            return text
        text = text.removeprefix("docker-image://").removeprefix(REGISTRY)
        if has_transport(text) or Reference.parse(text).host == LOCALHOST:
            raise UsageError(
                f"{name} is on this machine only, and no target",
                hint=f"name the target that it is: --build-context {name}=//PACKAGE:NAME",
            )
        reference = Reference.parse(text).full
        slug = self._slug(reference)
        tag = f":{reference.tag}" if reference.tag else ""
        attributes = {"ref": f"{reference.host}/{reference.path}{tag}"}
        if reference.digest:
            attributes["digest"] = str(reference.digest)
        target = Target("image_pull", slug, attributes)
        known = next((one for one in self.pulled if one.attributes == attributes), None)
        if known is not None:
            return known.label
        self.pulled.append(target)
        return target.label

    def _slug(self, reference: Reference) -> str:
        """Return a name for a target that no other has."""
        text = "_".join(filter(None, (reference.path.rpartition("/")[2], reference.tag)))
        slug = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")
        taken = {one.name for one in self.pulled}
        names = chain([slug], (f"{slug}_{number}" for number in count(2)))
        return next(one for one in names if one not in taken)
