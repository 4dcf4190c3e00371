"""Expands the actions of ``dockerfile_image``: a Dockerfile, and what the target declares, to the actions of its lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from hermes.actions.kinds import LAYERS
from hermes.actions.layer import link_of
from hermes.actions.specs.dockerfile import Dockerfile as DockerfileSpec
from hermes.actions.specs.dockerfile import FilesContext
from hermes.actions.specs.run import Run
from hermes.actions.specs.spec import Ref, of_action
from hermes.build.dockerfile.remote_sources import RemoteSources
from hermes.build.epoch import epoch_of
from hermes.build.memory.keys import part_of
from hermes.build.secrets import check_actions
from hermes.digest import Digest
from hermes.dockerfile.context import Context
from hermes.dockerfile.files import DeclaredFile, DeclaredFiles
from hermes.dockerfile.findings import tell
from hermes.dockerfile.options import Options
from hermes.dockerfile.origins import BaseImage, BaseLayer, context_name
from hermes.dockerfile.parse import Dockerfile, parse
from hermes.dockerfile.translate import Translation, scratch, translate
from hermes.download import shown
from hermes.engine.action import LINK, Action, ActionGraph, Artifact, Input, Output
from hermes.engine.executor import Expansion, Request
from hermes.engine.key import Resolved
from hermes.errors import BuildFailed, MissingBlobError, SourceError, UsageError
from hermes.image.assemble import Layer
from hermes.image.config import history_of, parse_config, platform_of, timestamp
from hermes.image.descriptor import Descriptor
from hermes.image.kept import kept_blob
from hermes.image.manifest import Manifest
from hermes.image.platform import Platform
from hermes.layer.content import changed
from hermes.store import Store

_MAIN: Final = ""


@dataclass(slots=True)
class _Declared:
    """What one target declares: the files of each context, and for each name of an image its layers."""

    files: dict[str, dict[str, DeclaredFile]] = field(default_factory=dict)
    configs: dict[str, Digest] = field(default_factory=dict)
    layers: dict[str, list[BaseLayer]] = field(default_factory=dict)


class DockerfileTargets:
    """See the module.

    ``secrets`` are those that the build has, ``say`` is told of warnings.
    """

    def __init__(self, store: Store, secrets: Mapping[str, bytes], say: Callable[[str], None]) -> None:
        self._excerpts: dict[str, str] = {}
        self._instructions: dict[str, str] = {}
        self._store = store
        self._secrets = secrets
        self._say = say

    def explain(self, error: BuildFailed) -> None:
        """Show those lines with failures that come from them."""
        with_excerpts(error, self._excerpts)

    def instruction(self, owner: str) -> str:
        """Return the instruction that the owner of actions is, if it is one of a Dockerfile."""
        return self._instructions.get(owner, "")

    def expand(self, request: Request) -> Expansion:
        """Return the actions of a target; raises `DockerfileError` and what else `translate` does."""
        spec = _spec_of(request)
        declared = self._declared(spec)
        text = self._text(spec.dockerfile.resolved).decode("utf-8", "surrogateescape")
        dockerfile = parse(spec.dockerfile.resolved.path, text)
        owner = request.action.owner
        context = Context(DeclaredFiles(declared.files.get(_MAIN, {}), f"the files of {owner}"))
        options = _options(spec, Platform.parse(request.action.platform))
        translation = translate(dockerfile, context, self._origins(declared, spec, owner), options)
        self._check(translation, dockerfile, owner, options.secrets)
        graph = ActionGraph()
        for action in translation.graph.actions.values():
            graph.add(_placed(action, request.action, translation.graph))
        for place, span in translation.spans.items():
            placed = _owner(request.action, place)
            self._excerpts[placed] = dockerfile.text.excerpt(span)
            self._instructions[placed] = dockerfile.text.instruction(span)
        composed = _name(request.action, translation.manifest.action)
        return Expansion(graph, {name: Output(composed, name) for name in request.action.outputs})

    def _origins(self, declared: _Declared, spec: DockerfileSpec[_Read], owner: str) -> _Origins:
        remote = RemoteSources(self._store, warn=self._say) if spec.network else None
        return _Origins(declared, self._store, owner, remote)

    def _check(
        self, translation: Translation, dockerfile: Dockerfile, owner: str, known: frozenset[str]
    ) -> None:
        for warning in translation.warnings:
            self._say(warning)
        tell(dockerfile, translation.findings, self._say)
        if self._secrets:
            check_actions(translation.graph, self._secrets)
        for action in translation.graph.actions.values():
            for one in of_action(Run[Ref], action).secrets if action.kind == Run.kind else ():
                if one.id not in known:
                    span = translation.spans[action.owner]
                    hint = f'add it to the target: secrets = ["{one.id}"]'
                    raise dockerfile.text.error(f"{owner} does not declare the secret {one.id!r}", span, hint)

    def _text(self, one: Resolved) -> bytes:
        try:
            with open(self._place(one), "rb") as file:
                data = file.read()
        except OSError as error:
            raise SourceError(f"{one.path}: {error.strerror}") from error
        if Digest.of(data) != one.value.digest:
            raise changed(one.path)
        return data

    def _place(self, one: Resolved) -> str:
        return one.origin or self._store.blobs.path(one.value.digest)

    def _declared(self, spec: DockerfileSpec[_Read]) -> _Declared:
        found = _Declared()
        for context in spec.contexts:
            if isinstance(context, FilesContext):
                found.files[context.name] = {
                    one.resolved.path: self._file(one.given, one.resolved) for one in context.files
                }
                continue
            if context.config is not None:
                found.configs[context.name] = context.config.resolved.value.digest
            layers = found.layers.setdefault(context.name, [])
            for one in context.layers:
                below = list(map(BaseLayer, self._diff_ids(one.layers.resolved)))
                if one.manifest is not None:
                    manifest = one.manifest.resolved.value.digest
                    below = self._kept(manifest, below, is_docker=spec.docker)
                layers += below
        return found

    def _file(self, given: Artifact, one: Resolved) -> DeclaredFile:
        link = link_of(one, self._store) if one.value.kind == LINK else None
        return DeclaredFile(one.value.kind, given, self._place(one), link)

    def _diff_ids(self, one: Resolved) -> list[Digest]:
        """Return the layers of an input that are in an image."""
        if one.value.kind != LAYERS:
            return [] if Layer(one.value.digest).is_left_out else [one.value.digest]
        return list(map(Digest.parse, json.loads(self._store.blobs.read(one.value.digest))))

    def _kept(self, manifest: Digest, layers: list[BaseLayer], *, is_docker: bool) -> list[BaseLayer]:
        """Return the layers of an image from elsewhere with the blobs that it has of them."""
        blobs: tuple[Descriptor, ...] = Manifest.parse(self._store.blobs.read(manifest)).layers
        return [
            BaseLayer(one.diff_id, kept_blob(self._store, one.diff_id, blob, is_docker=is_docker))
            for one, blob in zip(layers, blobs, strict=True)
        ]


class _Origins:
    """See `hermes.dockerfile.origins.Origins`: what a target declares, and, unless it is hermetic, what ``remote`` finds."""

    def __init__(self, declared: _Declared, store: Store, owner: str, remote: RemoteSources | None) -> None:
        self._remote = remote
        self._declared = declared
        self._store = store
        self._owner = owner
        self._images = {context_name(name): name for name in declared.layers}
        self._folders = {
            context_name(name): Context(DeclaredFiles(files, f"the files of {name}"))
            for name, files in declared.files.items()
            if name != _MAIN
        }

    @property
    def given(self) -> Collection[str]:
        return {*self._images, *self._folders}

    def context(self, name: str) -> Context | None:
        return self._folders.get(context_name(name))

    def file(self, url: str) -> Digest:
        if self._remote is None:
            raise UsageError(
                f"{self._owner} is hermetic, and what is at {shown(url)} may change",
                hint="write ADD --checksum=sha256:..., with the digest of the file, or leave out hermetic",
            )
        return self._remote.file(url)

    def commit(self, url: str, ref: str) -> str:
        if self._remote is None:
            raise UsageError(
                f"{self._owner} is hermetic, and what {ref or 'the default branch'} of {shown(url)} is may change",
                hint=f"name the commit: {shown(url)}#COMMIT, or --checksum=COMMIT, or leave out hermetic",
            )
        return self._remote.commit(url, ref)

    def image(self, name: str, platform: Platform) -> BaseImage:
        given = self._images.get(context_name(name))
        if given is None:
            import difflib

            near = difflib.get_close_matches(name, [*self._declared.layers, *self._folders], 1)
            raise UsageError(
                f"{self._owner} does not say what {name} is",
                hint=f"did you mean {near[0]}?"
                if near
                else f'add contexts = {{"{name}": ":LABEL"}}, where LABEL is an image_pull or another image',
            )
        document = self._document(given, platform)
        if platform.best_of([platform_of(document)]) is None:
            raise UsageError(
                f"{name} is for {platform_of(document)}, and the image for {platform}",
                hint="name a base for that platform",
            )
        return BaseImage(name, document, tuple(self._declared.layers[given]))

    def _document(self, name: str, platform: Platform) -> dict[str, Any]:
        config = self._declared.configs.get(name)
        if config is None:
            row = {"created": timestamp(0), "created_by": f"hermes {name}"}
            return {**scratch(platform), "history": [row] * len(self._declared.layers[name])}
        document = parse_config(self._store.blobs.read(config))
        document["history"] = history_of(document, name)
        return document


def with_excerpts(error: BuildFailed, excerpts: Mapping[str, str]) -> BuildFailed:
    """Return the failures with the lines of the Dockerfile that they come from, by the owners of actions."""
    for owner, one in error.failures.items():
        if owner in excerpts and not isinstance(one, MissingBlobError):
            one.message = f"{one.message}\n{excerpts[owner]}"
    return error


class _Read(NamedTuple):
    """Something that the target declares, and what it turned out to be."""

    given: Artifact
    resolved: Resolved


def _spec_of(request: Request) -> DockerfileSpec[_Read]:
    rows = [
        (one.role, _Read(given.artifact, one))
        for given, one in zip(request.action.inputs, request.inputs, strict=True)
    ]
    return DockerfileSpec.of(json.loads(request.action.params), rows)


def _options(spec: DockerfileSpec[_Read], platform: Platform) -> Options:
    return Options(
        target=spec.target,
        arguments=spec.arguments,
        platform=platform,
        network="default" if spec.network else "none",
        secrets=frozenset(spec.secrets),
        epoch=epoch_of(spec.arguments, spec.epoch),
        labels=spec.labels,
        annotations=spec.annotations,
        squash=spec.squash,
        docker=spec.docker,
        codec=spec.codec,
    )


# The actions of a Dockerfile as those of a target.


def _placed(action: Action, target: Action, graph: ActionGraph) -> Action:
    def there(artifact: Artifact) -> Artifact:
        if isinstance(artifact, Output) and artifact.action in graph.actions:
            return Output(_name(target, artifact.action), artifact.name)
        return artifact

    inputs: Iterator[Input] = (one._replace(artifact=there(one.artifact)) for one in action.inputs)
    return replace(
        action, id=_name(target, action.id), owner=_owner(target, action.owner), inputs=tuple(inputs)
    )


def _name(target: Action, action: str) -> str:
    return part_of(target.id, action)


def _owner(target: Action, place: str) -> str:
    return f"{target.owner} ({place})"
