"""Expands the actions of ``dockerfile_image``: a Dockerfile, and what the target declares, to the actions of its lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import Final

from hermes.actions.specs.dockerfile import Dockerfile as DockerfileSpec
from hermes.actions.specs.run import Run
from hermes.actions.specs.spec import Ref, of_action
from hermes.build.dockerfile.declared import Declared, Read, owner_of, placed, rows_of, text_of
from hermes.build.dockerfile.remote_sources import RemoteSources
from hermes.build.epoch import epoch_of
from hermes.build.memory.keys import part_of
from hermes.build.secrets import check_actions
from hermes.digest import Digest
from hermes.dockerfile.context import Context
from hermes.dockerfile.files import DeclaredFiles
from hermes.dockerfile.findings import tell
from hermes.dockerfile.options import Options
from hermes.dockerfile.origins import BaseImage, context_name
from hermes.dockerfile.parse import Dockerfile, parse
from hermes.dockerfile.translate import Translation, translate
from hermes.download import shown
from hermes.engine.action import ActionGraph, Output
from hermes.engine.executor import Expansion, Request
from hermes.errors import BuildFailed, MissingBlobError, UsageError
from hermes.image.config import platform_of
from hermes.image.platform import Platform
from hermes.store import Store

_MAIN: Final = ""


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
        spec = DockerfileSpec.of(json.loads(request.action.params), rows_of(request))
        declared = Declared.of(spec.contexts, self._store, is_docker=spec.docker)
        text = text_of(spec.dockerfile.resolved, self._store).decode("utf-8", "surrogateescape")
        dockerfile = parse(spec.dockerfile.resolved.path, text)
        owner = request.action.owner
        context = Context(DeclaredFiles(declared.files.get(_MAIN, {}), f"the files of {owner}"))
        options = _options(spec, Platform.parse(request.action.platform))
        translation = translate(dockerfile, context, self._origins(declared, spec, owner), options)
        self._check(translation, dockerfile, owner, options.secrets)
        graph = ActionGraph()
        for action in translation.graph.actions.values():
            graph.add(placed(action, request.action, translation.graph))
        for place, span in translation.spans.items():
            owned = owner_of(request.action, place)
            self._excerpts[owned] = dockerfile.text.excerpt(span)
            self._instructions[owned] = dockerfile.text.instruction(span)
        composed = part_of(request.action.id, translation.manifest.action)
        return Expansion(graph, {name: Output(composed, name) for name in request.action.outputs})

    def _origins(self, declared: Declared, spec: DockerfileSpec[Read], owner: str) -> _Origins:
        remote = RemoteSources(self._store, warn=self._say) if spec.network else None
        return _Origins(declared, owner, remote)

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


class _Origins:
    """See `hermes.dockerfile.origins.Origins`: what a target declares, and, unless it is hermetic, what ``remote`` finds."""

    def __init__(self, declared: Declared, owner: str, remote: RemoteSources | None) -> None:
        self._remote = remote
        self._declared = declared
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
        document = self._declared.document(given, platform)
        if platform.best_of([platform_of(document)]) is None:
            raise UsageError(
                f"{name} is for {platform_of(document)}, and the image for {platform}",
                hint="name a base for that platform",
            )
        return BaseImage(name, document, tuple(self._declared.layers[given]))


def with_excerpts(error: BuildFailed, excerpts: Mapping[str, str]) -> BuildFailed:
    """Return the failures with the lines of the Dockerfile that they come from, by the owners of actions."""
    for owner, one in error.failures.items():
        if owner in excerpts and not isinstance(one, MissingBlobError):
            one.message = f"{one.message}\n{excerpts[owner]}"
    return error


def _options(spec: DockerfileSpec[Read], platform: Platform) -> Options:
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
