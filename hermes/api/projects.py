"""The Python interface to compose and bake files: what ``hermes bud --compose`` and ``--bake`` do.

::

    project = ComposeProject(Asked(["compose.yaml"]))
    print(project.build(["web"])["web"].digest)
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hermes.build.dockerfile.built import BuiltDockerfile
from hermes.build.dockerfile.options import DockerfileOptions
from hermes.build.dockerfile.together import Wanted, build_together
from hermes.store.location import default_home

if TYPE_CHECKING:
    from hermes.bake.project import Asked as BakeAsked
    from hermes.bake.project import Target
    from hermes.compose.project import Asked as ComposeAsked
    from hermes.engine.events import Subscriber


class _Project(ABC):
    """Images that files describe by name; ``say`` is told of warnings."""

    def __init__(
        self,
        home: Path | None = None,
        subscribers: Sequence[Subscriber] = (),
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.home = home or default_home()
        self._subscribers = tuple(subscribers)
        self._say = say

    def build(
        self, names: Sequence[str] = (), options: DockerfileOptions | None = None
    ) -> dict[str, BuiltDockerfile]:
        """Build what is named, or what the files mean where nothing is, and the images that it uses.

        ``options`` count for all of them, before what the files say. Raises `HermesError`.
        """
        from hermes.build.named import build_target
        from hermes.dockerfile.origins import context_name

        given = options or DockerfileOptions()
        shared = frozenset((*given.arguments, *map(context_name, given.contexts)))
        wanted = self.wanted(names, replace(given, shared=shared))
        return build_together(wanted, self.home, build_target, self._subscribers, self._say)

    def plan(self, names: Sequence[str] = (), options: DockerfileOptions | None = None) -> dict[str, Any]:
        """Return what `build` would build, in the form of ``docker buildx bake --print``."""
        wanted = self.wanted(names, options or DockerfileOptions())
        return {
            "group": {"default": {"targets": list(self._named(names, wanted))}},
            "target": {name: self._shown(name, one) for name, one in wanted.items()},
        }

    def _shown(self, _name: str, one: Wanted) -> dict[str, Any]:
        return _shown(one)

    @abstractmethod
    def wanted(self, names: Sequence[str], options: DockerfileOptions) -> dict[str, Wanted]:
        """Return what is to be built, by name."""

    def _named(self, names: Sequence[str], wanted: Iterable[str]) -> Iterable[str]:
        """Return those of what is wanted that names mean."""
        return names or wanted


class ComposeProject(_Project):
    """The services that compose files describe. Raises `ComposeError` and `UsageError`."""

    def __init__(
        self,
        asked: ComposeAsked,
        *,
        home: Path | None = None,
        subscribers: Sequence[Subscriber] = (),
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        from hermes.compose.project import load

        super().__init__(home, subscribers, say)
        self._project = load(asked, os.environ, say)

    def wanted(self, names: Sequence[str], options: DockerfileOptions) -> dict[str, Wanted]:
        from hermes.build.dockerfile.composed import wanted_of

        return wanted_of(self._project, names, options, self._say)


class BakeProject(_Project):
    """The targets that bake files describe. Raises `BakeError` and `UsageError`."""

    def __init__(
        self,
        asked: BakeAsked,
        *,
        home: Path | None = None,
        subscribers: Sequence[Subscriber] = (),
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        from hermes.bake.project import Project

        super().__init__(home, subscribers, say)
        self._project = Project(asked, os.environ, say)
        self._targets: dict[str, Target] = {}

    def wanted(self, names: Sequence[str], options: DockerfileOptions) -> dict[str, Wanted]:
        from hermes.build.dockerfile.baked import wanted_of

        self._targets = self._project.chosen(names)
        return wanted_of(self._targets, options, self._say)

    def _shown(self, name: str, one: Wanted) -> dict[str, Any]:
        """Return what the target says, also what builds here do without, and over it what the command line does."""
        said = {key: value for key, value in self._targets[name].values.items() if value}
        return {**said, **super()._shown(name, one)}

    def _named(self, names: Sequence[str], wanted: Iterable[str]) -> Iterable[str]:
        return self._project.order(names)


def _file_in_context(options: DockerfileOptions) -> str:
    """Return the Dockerfile as bake files name it: from the context, if that is a folder of this machine."""
    is_here = "://" not in options.context and not options.context.startswith("git@")
    return os.path.relpath(options.file, options.context) if options.file and is_here else options.file


def _shown(one: Wanted) -> dict[str, Any]:
    options = one.options
    contexts = {**options.contexts, **{name: f"target:{other}" for name, other in one.uses.items()}}
    found = {
        "context": options.context,
        "contexts": contexts,
        "dockerfile": _file_in_context(options),
        "dockerfile-inline": options.text,
        "args": dict(options.arguments),
        "labels": dict(options.labels),
        "tags": list(options.tags),
        "target": options.target,
        "secret": [
            f"id={secret.id}," + (f"src={secret.file}" if secret.file else f"env={secret.variable}")
            for secret in options.secrets
        ],
        "ssh": [
            f"{agent.id}={','.join(agent.paths)}" if agent.paths else agent.id for agent in options.agents
        ],
        "platforms": options.platform.split(",") if options.platform else [],
        "network": options.network if options.network != "default" else "",
        "no-cache": not options.use_cache,
        "no-cache-filter": list(options.fresh_stages),
        "output": list(options.destinations),
        "extra-hosts": dict(options.hosts),
    }
    return {key: value for key, value in found.items() if value}
