"""``hermes migrate --compose`` and ``--bake``: services and targets as a BUILD file of `dockerfile_image` targets."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hermes.api.migrating import Every, Origins, Sources
from hermes.build.dockerfile.options import DockerfileOptions, dockerfile_of, folder_of
from hermes.build.dockerfile.origins import ignored_in
from hermes.build.dockerfile.together import Wanted, build_together, on_others
from hermes.build.named import build_target
from hermes.dockerfile.context import Context
from hermes.dockerfile.files import FolderFiles
from hermes.dockerfile.migration.buildfile import Call, Target, build_file
from hermes.dockerfile.options import Options
from hermes.dockerfile.origins import context_name
from hermes.dockerfile.parse import parse
from hermes.dockerfile.translate import translate
from hermes.errors import UsageError
from hermes.image.platform import Platform
from hermes.image.reference import Reference
from hermes.naming.registries import LazyBlobs
from hermes.store import Store

if TYPE_CHECKING:
    from hermes.api.projects import BakeProject, ComposeProject


def migrated_project(
    project: ComposeProject | BakeProject, names: Sequence[str], folder: Path, *, pull: str
) -> str:
    """Return the text of a BUILD file for ``folder``, with a target for each image that files describe.

    An image that others are built on is built, as its settings decide what theirs are. Raises `DockerfileError`, and
    `UsageError` for what no target can say.
    """
    wanted = project.wanted(names, DockerfileOptions(pull=pull))
    used = {other for one in wanted.values() for other in one.uses.values()}
    built = build_together(
        {name: one for name, one in wanted.items() if name in _closure(wanted, used)},
        project.home,
        build_target,
        (),
        lambda _: None,
    )
    labels = {name: re.sub(r"[^A-Za-z0-9_.-]+", "_", name) for name in wanted}
    pulled: list[Target] = []
    targets: list[Target] = []
    for name, one in wanted.items():
        uses = {context: f":{labels[other]}" for context, other in one.uses.items()}
        options = on_others(one, built)
        writer = _Image(labels[name], options, uses, folder.resolve(), project.home, pulled)
        targets += writer.targets()
    head = ["Made from compose or bake files by `hermes migrate`. RUN has the network, as there."]
    if any("digest" not in one.attributes for one in pulled):
        head.append("`hermes lock` pins what the tags of images mean.")
    return build_file(head, [*pulled, *targets])


def _closure(wanted: Mapping[str, Wanted], names: set[str]) -> set[str]:
    found, pending = set[str](), list(names)
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += wanted[name].uses.values()
    return found


class _Origins(Origins):
    """Images that targets stand for; ``uses`` maps names of contexts to the labels of other targets of the file."""

    uses: Mapping[str, str]

    def label(self, name: str) -> str:
        return self.uses.get(context_name(name)) or super().label(name)


class _Image:
    """One Dockerfile as targets of the BUILD file of ``folder``; new pulls are added to ``pulled``."""

    def __init__(
        self,
        name: str,
        options: DockerfileOptions,
        uses: Mapping[str, str],
        folder: Path,
        home: Path,
        pulled: list[Target],
    ) -> None:
        self._name = name
        self._options = options
        self._uses = {context_name(one): label for one, label in uses.items()}
        self._folder = folder
        self._home = home
        self._pulled = pulled
        self._root = folder_of(options)
        self._path, self._text = dockerfile_of(options, self._root)

    def targets(self) -> Iterator[Target]:
        options = self._options
        if options.agents or options.network == "host":
            raise self._error(
                "RUN has an SSH agent or the network of the machine, which a target cannot have"
            )
        platforms = [Platform.parse(one.strip()) for one in options.platform.split(",") if one.strip()]
        contexts = self._contexts(platforms[0] if platforms else Platform.host())
        if self._path:
            dockerfile = self._inside(Path(self._path))
        else:
            dockerfile = f":{self._name}_dockerfile"
            yield Target("write_file", dockerfile[1:], {"content": self._text, "filename": "Dockerfile"})
        strip = self._inside(self._root)
        attributes: dict[str, Any] = {
            "annotations": dict(options.annotations),
            "build_args": dict(options.arguments),
            "context": self._files(strip),
            "contexts": contexts,
            "dockerfile": dockerfile,
            "format": options.format if options.format != "oci" else "",
            "hermetic": options.network == "none",
            "labels": dict(options.labels),
            "secrets": [one.id for one in options.secrets],
            "strip_prefix": strip,
            "target": options.target,
        }
        is_index = len(platforms) > 1
        if len(platforms) == 1:
            attributes["platform"] = str(platforms[0])
        name = f"{self._name}_image" if is_index else self._name
        comments = [f"extra_hosts has no attribute: {one}={at}" for one, at in options.hosts]
        yield Target("dockerfile_image", name, attributes, comments)
        if is_index:
            index = {"image": f":{name}", "platforms": [str(one) for one in platforms]}
            yield Target("image_index", self._name, index)
        yield from self._pushes()

    def _error(self, message: str, hint: str | None = None) -> UsageError:
        return UsageError(f"{self._name}: {message}", hint=hint or "build it with `hermes bud`")

    def _inside(self, path: Path) -> str:
        """Return a path relative to the folder of the BUILD file."""
        found = os.path.relpath(os.path.realpath(path), self._folder)
        if found == ".." or found.startswith("../"):
            raise self._error(
                f"{path} is outside of {self._folder}", "write to a folder above: -o FOLDER/BUILD.hermes"
            )
        return "" if found == "." else found

    def _contexts(self, platform: Platform) -> dict[str, str]:
        """Map what FROM and --from name besides stages to labels."""
        options = self._options
        ignored, ignore_file = ignored_in(self._root, self._path, options.ignore_file)
        store = Store.open(self._home)
        fetching = LazyBlobs.here(store)
        try:
            with store.in_use():
                origins = _Origins(store, fetching, options.contexts, options.pull, platform)
                origins.uses = self._uses
                origins.pulled = self._pulled
                translate(
                    parse(os.path.basename(self._path) or "Dockerfile", self._text),
                    Context(FolderFiles(str(self._root), ""), ignored, ignore_file),
                    origins,
                    Options(
                        target=options.target,
                        arguments=options.arguments,
                        platform=platform,
                        secrets=Every(),
                        agents=Every(),
                    ),
                )
        finally:
            fetching.close()
            store.close()
        return {name: base.label for name, base in origins.bases.items()}

    def _files(self, strip: str) -> Call:
        """Return the files of the context: what the ignore file leaves out is left out by name."""
        start = f"{strip}/" if strip else ""
        ignored, _ = ignored_in(self._root, self._path, self._options.ignore_file)
        left_out: list[str] = []
        kept: list[str] = []
        for path in Sources(str(self._folder)).present():
            if path.startswith(start):
                (left_out if ignored.leaves_out(path[len(start) :]) else kept).append(path)
        named = (("exclude", _folded(left_out, kept, start)),) if left_out else ()
        return Call("glob", ([f"{start}**"],), named)

    def _pushes(self) -> Iterator[Target]:
        repositories: dict[str, list[str]] = {}
        for tag in self._options.tags:
            found = Reference.parse(tag)
            if found.host and not found.digest:
                repositories.setdefault(found.name, []).append(found.tag)
        for number, (repository, tags) in enumerate(repositories.items()):
            name = f"{self._name}_push{number + 1 if number else ''}"
            yield Target(
                "image_push", name, {"image": f":{self._name}", "repository": repository, "tags": tags}
            )


def _folded(left_out: Sequence[str], kept: Sequence[str], start: str) -> list[str]:
    """Return patterns for paths: a folder of which nothing is kept is one."""
    needed = {path[:at] for path in kept for at, letter in enumerate(path) if letter == "/"}
    found: dict[str, None] = {}
    for path in left_out:
        folders = [path[:at] for at, letter in enumerate(path) if letter == "/" and at >= len(start)]
        whole = next((one for one in folders if one not in needed), "")
        found[f"{whole}/**" if whole else path] = None
    return sorted(found)
