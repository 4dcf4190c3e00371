"""Expands the actions of ``s2i_image`` to those of its steps, when the configurations of its images are known."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from hermes.actions.specs import s2i as names
from hermes.actions.specs.s2i import S2I
from hermes.build.dockerfile.declared import Declared, Read, placed, rows_of
from hermes.build.memory.keys import part_of
from hermes.build.s2i.options import EXCLUDED
from hermes.dockerfile.files import DeclaredFiles
from hermes.dockerfile.options import Options
from hermes.dockerfile.origins import BaseImage
from hermes.engine.action import ActionGraph, Output
from hermes.engine.executor import Expansion, Request
from hermes.errors import UsageError
from hermes.image.config import platform_of, timestamp
from hermes.image.platform import Platform
from hermes.s2i.artifacts import mappings
from hermes.s2i.asked import Asked, Injection
from hermes.s2i.facts import IN_IMAGE, SCRIPTS_URL, Facts
from hermes.s2i.plan import plan
from hermes.s2i.scripts import NAMES, SOURCE_FOLDERS, InFiles, InImage, Place
from hermes.store import Store


class S2ITargets:
    """See the module; ``say`` is told of warnings."""

    def __init__(self, store: Store, say: Callable[[str], None]) -> None:
        self._store = store
        self._say = say

    def expand(self, request: Request) -> Expansion:
        """Return the actions of a target; raises `UsageError`."""
        spec: S2I[Read] = S2I.of(json.loads(request.action.params), rows_of(request))
        declared = Declared.of(spec.contexts, self._store, is_docker=False)
        asked = self._asked(spec, declared, Platform.parse(request.action.platform), request.action.owner)
        made = plan(asked, self._say)
        graph = ActionGraph()
        for action in made.graph.actions.values():
            graph.add(placed(action, request.action, made.graph))
        composed = part_of(request.action.id, made.manifest.action)
        return Expansion(graph, {name: Output(composed, name) for name in request.action.outputs})

    def _asked(self, spec: S2I[Read], declared: Declared, platform: Platform, owner: str) -> Asked:
        source = DeclaredFiles(declared.files.get(names.SOURCE, {}), f"the files of {owner}")
        given: list[Place] = []
        if names.SCRIPTS in declared.files:
            if unknown := sorted(declared.files[names.SCRIPTS].keys() - {*NAMES}):
                raise UsageError(
                    f"scripts: there is no script {unknown[0]}", hint=f"they are called {', '.join(NAMES)}"
                )
            scripts = DeclaredFiles(declared.files[names.SCRIPTS], f"the scripts of {owner}")
            given.append(InFiles(scripts, "", "scripts"))
        given += [InFiles(source, folder, f"{folder} of srcs", of_source=True) for folder in SOURCE_FOLDERS]

        def read(path: str) -> bytes:
            with open(declared.files[names.SOURCE][path].place, "rb") as file:
                return file.read()

        def image(name: str) -> BaseImage | None:
            return _image(spec, declared, name, platform) if name in declared.layers else None

        builder = _image(spec, declared, names.BUILDER, platform)
        return Asked(
            builder=_with_layers(builder, declared),
            source=source,
            read=read,
            given=given,
            of_image=_of_image,
            previous=image(names.PREVIOUS),
            runtime=image(names.RUNTIME),
            runtime_artifacts=[
                one for text in spec.artifacts for one in mappings(text, of="runtime_artifacts")
            ],
            name=spec.name,
            description=spec.description,
            labels=spec.labels,
            environment=spec.env,
            destination=spec.destination,
            assemble_user=spec.assemble_user,
            assemble_runtime_user=spec.assemble_runtime_user,
            exclude=EXCLUDED,
            injections=[
                Injection(DeclaredFiles(files, name), name.removeprefix(names.INJECTED))
                for name, files in declared.files.items()
                if name.startswith(names.INJECTED)
            ],
            options=Options(
                platform=platform, network="default" if spec.network else "none", epoch=spec.epoch
            ),
        )


def _image(spec: S2I[Read], declared: Declared, name: str, platform: Platform) -> BaseImage:
    document = declared.document(name, platform)
    called = spec.called.get(name, name)
    if platform.best_of([platform_of(document)]) is None:
        raise UsageError(
            f"{called} is for {platform_of(document)}, and the image for {platform}",
            hint="name one for that platform",
        )
    return BaseImage(called, document, tuple(declared.layers[name]))


def _with_layers(builder: BaseImage, declared: Declared) -> BaseImage:
    """Return the builder with the layers on it that are declared."""
    more = declared.layers.get(names.LAYERS, [])
    rows = [{"created": timestamp(0), "created_by": f"hermes {names.LAYERS}"} for _ in more]
    document = {**builder.document, "history": [*(builder.document.get("history") or ()), *rows]}
    return BaseImage(builder.name, document, (*builder.layers, *more))


def _of_image(image: Facts) -> Sequence[Place]:
    """Return where an image says that its scripts are; a target downloads nothing for it."""
    url = image.scripts_url
    if not url:
        return ()
    if not url.startswith(IN_IMAGE):
        raise UsageError(
            f"{image.name}: its scripts are at {url}, and a target takes none from there",
            hint="give the target the files of the scripts: scripts = glob(...)",
        )
    return (InImage(url.removeprefix(IN_IMAGE), f"the label {SCRIPTS_URL} ({url})"),)
