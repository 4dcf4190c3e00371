"""What a target declares for actions that are found when its images are known, and those actions as the target's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

from hermes.actions.kinds import LAYERS
from hermes.actions.layer import link_of
from hermes.actions.specs.dockerfile import Context, FilesContext
from hermes.build.memory.keys import part_of
from hermes.digest import Digest
from hermes.dockerfile.files import DeclaredFile
from hermes.dockerfile.origins import BaseLayer
from hermes.dockerfile.translate import scratch
from hermes.engine.action import LINK, Action, ActionGraph, Artifact, Input, Output
from hermes.engine.executor import Request
from hermes.engine.key import Resolved
from hermes.errors import SourceError
from hermes.image.assemble import Layer
from hermes.image.config import history_of, parse_config, timestamp
from hermes.image.descriptor import Descriptor
from hermes.image.kept import kept_blob
from hermes.image.manifest import Manifest
from hermes.image.platform import Platform
from hermes.layer.content import changed
from hermes.store import Store


class Read(NamedTuple):
    """Something that a target declares, and what it turned out to be."""

    given: Artifact
    resolved: Resolved


def rows_of(request: Request) -> list[tuple[str, Read]]:
    """Return what an action reads, by role, in the order of its inputs."""
    return [
        (one.role, Read(given.artifact, one))
        for given, one in zip(request.action.inputs, request.inputs, strict=True)
    ]


@dataclass(slots=True)
class Declared:
    """What one target declares: the files of each context, and for each name of an image its layers."""

    store: Store
    files: dict[str, dict[str, DeclaredFile]] = field(default_factory=dict)
    configs: dict[str, Digest] = field(default_factory=dict)
    layers: dict[str, list[BaseLayer]] = field(default_factory=dict)

    @classmethod
    def of(cls, contexts: Sequence[Context[Read]], store: Store, *, is_docker: bool) -> Self:
        """``is_docker``: what is built on the images is to have Docker's format."""
        found = cls(store)
        for context in contexts:
            if isinstance(context, FilesContext):
                found.files[context.name] = {
                    one.resolved.path: _file(one.given, one.resolved, store) for one in context.files
                }
                continue
            if context.config is not None:
                found.configs[context.name] = context.config.resolved.value.digest
            layers = found.layers.setdefault(context.name, [])
            for one in context.layers:
                below = list(map(BaseLayer, _diff_ids(one.layers.resolved, store)))
                if one.manifest is not None:
                    manifest = one.manifest.resolved.value.digest
                    below = _kept(manifest, below, store, is_docker=is_docker)
                layers += below
        return found

    def document(self, name: str, platform: Platform) -> dict[str, Any]:
        """Return the configuration of an image or of layers, with a history that fits."""
        config = self.configs.get(name)
        if config is None:
            row = {"created": timestamp(0), "created_by": f"hermes {name}"}
            return {**scratch(platform), "history": [row] * len(self.layers[name])}
        document = parse_config(self.store.blobs.read(config))
        document["history"] = history_of(document, name)
        return document


def text_of(one: Resolved, store: Store) -> bytes:
    """Return what is in a file that an action reads; raises `SourceError` if it changed."""
    try:
        with open(_place(one, store), "rb") as file:
            data = file.read()
    except OSError as error:
        raise SourceError(f"{one.path}: {error.strerror}") from error
    if Digest.of(data) != one.value.digest:
        raise changed(one.path)
    return data


def _place(one: Resolved, store: Store) -> str:
    if one.origin:
        return one.origin
    store.blobs.check(one.value.digest)
    return store.blobs.path(one.value.digest)


def _file(given: Artifact, one: Resolved, store: Store) -> DeclaredFile:
    link = link_of(one, store) if one.value.kind == LINK else None
    return DeclaredFile(one.value.kind, given, _place(one, store), link)


def _diff_ids(one: Resolved, store: Store) -> list[Digest]:
    """Return the layers of an input that are in an image."""
    if one.value.kind != LAYERS:
        return [] if Layer(one.value.digest).is_left_out else [one.value.digest]
    return list(map(Digest.parse, json.loads(store.blobs.read(one.value.digest))))


def _kept(manifest: Digest, layers: list[BaseLayer], store: Store, *, is_docker: bool) -> list[BaseLayer]:
    """Return the layers of an image from elsewhere with the blobs that it has of them."""
    blobs: tuple[Descriptor, ...] = Manifest.parse(store.blobs.read(manifest)).layers
    return [
        BaseLayer(one.diff_id, kept_blob(store, one.diff_id, blob, is_docker=is_docker))
        for one, blob in zip(layers, blobs, strict=True)
    ]


def placed(action: Action, target: Action, graph: ActionGraph) -> Action:
    """Return an action of ``graph`` as one of a target."""

    def there(artifact: Artifact) -> Artifact:
        if isinstance(artifact, Output) and artifact.action in graph.actions:
            return Output(part_of(target.id, artifact.action), artifact.name)
        return artifact

    inputs: Iterator[Input] = (one._replace(artifact=there(one.artifact)) for one in action.inputs)
    owner = owner_of(target, action.owner)
    return replace(action, id=part_of(target.id, action.id), owner=owner, inputs=tuple(inputs))


def owner_of(target: Action, place: str) -> str:
    """Return the owner of actions of a target that come from a line or step."""
    return f"{target.owner} ({place})"
