"""The Python interface to compose files: what ``hermes bud --compose`` does.

::

    project = hermes.api.composing.ComposeProject(Asked(["compose.yaml"]))
    print(project.build(["web"])["web"].digest)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hermes.build.dockerfile.built import BuiltDockerfile
from hermes.build.dockerfile.composed import wanted_of
from hermes.build.dockerfile.options import DockerfileOptions
from hermes.build.dockerfile.together import Wanted, build_together
from hermes.compose.project import Asked, load
from hermes.store.location import default_home

if TYPE_CHECKING:
    from hermes.engine.events import Subscriber


class ComposeProject:
    """The services that compose files describe; ``say`` is told of warnings. Raises `ComposeError` and `UsageError`."""

    def __init__(
        self,
        asked: Asked,
        *,
        home: Path | None = None,
        subscribers: Sequence[Subscriber] = (),
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.home = home or default_home()
        self._subscribers = tuple(subscribers)
        self._say = say
        self._project = load(asked, os.environ, say)

    def build(
        self, services: Sequence[str] = (), options: DockerfileOptions | None = None
    ) -> dict[str, BuiltDockerfile]:
        """Build the images of services, all that are enabled if none is named, and those that they use.

        ``options`` count for all of them, before what the files say. Raises `HermesError`.
        """
        from hermes.build.named import build_target

        wanted = self._wanted(services, options)
        return build_together(wanted, self.home, build_target, self._subscribers, self._say)

    def plan(self, services: Sequence[str] = (), options: DockerfileOptions | None = None) -> dict[str, Any]:
        """Return what `build` would build, in the form of ``docker buildx bake --print``."""
        wanted = self._wanted(services, options)
        return {
            "group": {"default": {"targets": list(wanted)}},
            "target": {name: _shown(one) for name, one in wanted.items()},
        }

    def _wanted(self, services: Sequence[str], options: DockerfileOptions | None) -> dict[str, Wanted]:
        return wanted_of(self._project, services, options or DockerfileOptions(), self._say)


def _shown(one: Wanted) -> dict[str, Any]:
    options = one.options
    contexts = {**options.contexts, **{name: f"target:{other}" for name, other in one.uses.items()}}
    found = {
        "context": options.context,
        "contexts": contexts,
        "dockerfile": options.file,
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
        "extra-hosts": [f"{name}={address}" for name, address in options.hosts],
    }
    return {key: value for key, value in found.items() if value}
