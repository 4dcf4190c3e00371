"""Dockerfiles translated in process: bases that are known by their documents alone, nothing that runs."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hermes.digest import Digest, canonical_json
from hermes.dockerfile.context import Context
from hermes.dockerfile.files import FolderFiles
from hermes.dockerfile.options import Options
from hermes.dockerfile.origins import BaseImage, BaseLayer, context_name
from hermes.dockerfile.parse import parse
from hermes.dockerfile.translate import Translation, translate
from hermes.engine.action import Action, Artifact, Output, Source
from hermes.image.platform import Platform
from tests.corpus import FOLDER, directives, options_of, write_context

PLATFORM = Platform("linux", "amd64")
_EXACT = ("kept", "media_types")
"""Parameters that only the digest of a row holds: they say little, and the same in nearly every file."""
EXAMPLES = sorted((FOLDER.parents[2] / "examples/dockerfiles").glob("**/Dockerfile"))


class KnownBases:
    """See `hermes.dockerfile.origins.Origins`: every name is an image of one layer, or one of ``folders``."""

    def __init__(self, folders: Mapping[str, Context] | None = None) -> None:
        self._folders = {context_name(name): one for name, one in (folders or {}).items()}
        self.asked: list[tuple[str, str]] = []

    @property
    def given(self) -> set[str]:
        return set(self._folders)

    def file(self, url: str) -> Digest:
        return Digest.of(url.encode())

    def commit(self, url: str, ref: str) -> str:
        return Digest.of(f"{url}#{ref}".encode()).hex[:40]

    def context(self, name: str) -> Context | None:
        return self._folders.get(context_name(name))

    def image(self, name: str, platform: Platform) -> BaseImage:
        self.asked.append((name, str(platform)))
        row = {"created": "1970-01-01T00:00:00Z", "created_by": name}
        document = {
            "architecture": platform.architecture,
            "config": {"Cmd": ["/bin/sh"], "Env": ["FROM_BASE=yes", "PATH=/bin"]},
            "history": [row],
            "os": platform.os,
        }
        return BaseImage(name, document, (BaseLayer(Digest.of(name.encode())),))


def translated(text: str, root: Path | str = "/nonexistent", **options: Any) -> Translation:
    """Translate a Dockerfile whose context is the folder ``root``; ``options`` are those of `Options`."""
    context = Context(FolderFiles(str(root), ""))
    return translate(
        parse("Dockerfile", text), context, KnownBases(), Options(**{"platform": PLATFORM, **options})
    )


def of_corpus(file: Path, root: Path) -> Translation:
    """Translate a file of the corpus as it asks to be built, with the context at ``root``."""
    text = file.read_text()
    found = directives(text)
    given = options_of(found.get("build", ""), root)
    folders = dict(one.split("=", 1) for one in given.get("--build-context", "").split())
    contexts = {name: Context(FolderFiles(path, name)) for name, path in folders.items()}
    context = Context(FolderFiles(str(root), ""))
    if name := given.get("--ignorefile"):
        from hermes.build.dockerfile.origins import ignored_in

        context.ignored, context.ignore_file = ignored_in(root, str(file), name)
    options = Options(
        target=given.get("--target", ""),
        arguments=dict(one.split("=", 1) for one in given.get("--build-arg", "").split()),
        platform=PLATFORM,
        docker=found.get("format") == "docker",
    )
    return translate(parse(file.name, text), context, KnownBases(contexts), options)


def make_context(root: Path) -> Path:
    """Make the context of the corpus with the same modes under every umask."""
    before = os.umask(0o022)
    try:
        write_context(root)
    finally:
        os.umask(before)
    return root


def actions_of(translation: Translation, kind: str) -> list[Action]:
    return [one for one in translation.graph.actions.values() if one.kind == kind]


def params_of(action: Action) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(action.params)
    return found


def roles_of(action: Action) -> list[tuple[str, str]]:
    """The roles of an action's inputs, and what each is made by."""
    return [
        (one.role, one.artifact.action if isinstance(one.artifact, Output) else one.artifact.path)
        for one in action.inputs
    ]


def shown(translation: Translation) -> dict[str, Any]:
    """A graph as the golden file has it.

    Of each action, by its id: its inputs, those parameters that say anything, and a digest of all of it. The layers
    of bases, and the actions that only compress, are in no row of their own.
    """
    actions = translation.graph.actions
    rows = {
        one.id: _row(one, actions) for one in actions.values() if one.kind not in ("compress", "base_layer")
    }
    said = [*translation.warnings, *(f"{one.span.first}: {one.rule}" for one in translation.findings)]
    return {**rows, **({"said": said} if said else {})}


def _row(action: Action, actions: Mapping[str, Action]) -> dict[str, Any]:
    params = {
        name: value for name, value in json.loads(action.params).items() if value and name not in _EXACT
    }
    inputs = [
        " ".join(filter(None, (one.role, one.path, "<-", _source(one.artifact, actions), one.hint)))
        for one in action.inputs
        if one.role != "blob"
    ]
    rest = [action.kind, action.params, action.env, action.unkeyed, action.platform, action.outputs]
    exact = Digest.of(canonical_json([*rest, inputs])).short
    return {"exact": exact, **({"in": inputs} if inputs else {}), **params}


def _source(artifact: Artifact, actions: Mapping[str, Action]) -> str:
    if isinstance(artifact, Source):
        return artifact.path.replace("\0", "@")
    if actions[artifact.action].kind == "base_layer":
        return "base"
    return artifact.action if artifact.name in ("layer", "file") else f"{artifact.action}:{artifact.name}"
