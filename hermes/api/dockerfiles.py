"""The Python interface to Dockerfiles: what ``hermes bud`` does.

::

    image = hermes.Dockerfiles().build(DockerfileOptions(context=".", tags=["app:latest"]))
    print(image.digest)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hermes.build.dockerfile.built import BuiltDockerfile
from hermes.build.dockerfile.fetched_contexts import fetched
from hermes.build.dockerfile.options import DockerfileOptions, read_once
from hermes.build.dockerfile.outputs import applied
from hermes.build.dockerfile.snapshot import unchanged
from hermes.store.location import default_home

if TYPE_CHECKING:
    from hermes.api.explaining import Explanation
    from hermes.engine.events import Subscriber


class Dockerfiles:
    """Builds Dockerfiles with the store at ``home``; ``say`` is told of warnings."""

    def __init__(
        self,
        *,
        home: Path | None = None,
        subscribers: Sequence[Subscriber] = (),
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.home = home or default_home()
        self._subscribers = tuple(subscribers)
        self._say = say

    def build(self, options: DockerfileOptions | None = None) -> BuiltDockerfile:
        """Build an image, name it and write it where it is to be written.

        Raises `HermesError`: `DockerfileError` when the Dockerfile is wrong, `BuildFailed` when an action failed.
        """
        asked = applied(read_once(options or DockerfileOptions()), self._say)
        with fetched(asked, self.home, self._say) as chosen:
            if known := unchanged(chosen, self.home, self._say):
                return known
            from hermes.build.dockerfile.build import DockerfileBuild
            from hermes.build.named import build_target

            build = DockerfileBuild({"": chosen}, self.home, build_target, self._subscribers, self._say)
            return build.run()[""]

    def check(
        self, options: DockerfileOptions | None = None, found: Callable[[str], None] | None = None
    ) -> list[str]:
        """Return what is better done otherwise, each with its place and lines; raises as `build` does.

        That is of all stages, or of those that ``target`` needs. ``found`` is told of each before an error is raised.
        """
        from hermes.build.dockerfile.build import DockerfileBuild
        from hermes.build.named import build_target

        texts: list[str] = []

        def note(text: str) -> None:
            texts.append(text)
            if found is not None:
                found(text)

        with fetched(read_once(options or DockerfileOptions()), self.home, self._say) as chosen:
            DockerfileBuild({"": chosen}, self.home, build_target, (), self._say).check(note)
        return texts

    def explain(self, options: DockerfileOptions | None = None) -> Iterator[Explanation]:
        """Yield why each action of a Dockerfile was last executed; of the options only file and context count."""
        from hermes.api.explaining import explain_dockerfile

        return explain_dockerfile(options or DockerfileOptions(), self.home)
