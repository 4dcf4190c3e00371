"""The Python interface to Source-to-Image: what ``hermes s2i`` does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hermes.build.dockerfile.built import BuiltDockerfile
from hermes.build.dockerfile.options import PULL_MISSING
from hermes.build.s2i.options import S2IOptions
from hermes.store.location import default_home

if TYPE_CHECKING:
    from hermes.build.s2i.build import S2IBuild
    from hermes.engine.events import Subscriber
    from hermes.naming.targets import BuiltTarget


class SourceToImage:
    """Builds applications with the store at ``home``; ``say`` is told of warnings."""

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

    def build(self, options: S2IOptions) -> BuiltDockerfile:
        """Build an image of an application and name it; raises `HermesError`."""
        from hermes.build.s2i.snapshot import unchanged

        if known := unchanged(options, self.home, self._say):
            return known
        return self._build(options).run()

    def options_of(self, image: str, pull: str = PULL_MISSING) -> S2IOptions:
        """Return the options that an image says it was built with; raises `UsageError`."""
        from hermes.build.s2i.again import options_of

        return options_of(self._build(S2IOptions("", image, pull=pull)).facts())

    def write_dockerfile(self, options: S2IOptions, path: str | Path) -> None:
        """Write a Dockerfile that builds the same files, and what it copies to ``upload`` beside it."""
        self._build(options).write_dockerfile(Path(path).absolute())

    def generate(self, options: S2IOptions, path: Path) -> None:
        """Write a Dockerfile that builds any source, of which ``options`` say nothing."""
        from hermes.build.s2i.dockerfiles import write_text
        from hermes.s2i.written import generated

        facts = self._build(options).facts()
        write_text(path, generated(facts, options.environment, options.assemble_user))

    def run(self, built: BuiltDockerfile, stdio: tuple[int, int, int] = (0, 1, 2)) -> int:
        """Run an image that was built, as docker would; return the exit status of its program."""
        from hermes.api.run_options import RunOptions
        from hermes.api.running import run_image

        how = RunOptions(writable=True, network="default")
        name = built.names[0] if built.names else built.digest.short
        return run_image(self.home, name, built.digest, (), None, how, stdio, self._say)

    def usage(self, options: S2IOptions, stdio: tuple[int, int, int] = (0, 1, 2)) -> int:
        """Run the usage script of a builder; return its exit status. Raises `UsageError` where there is none."""
        return self._build(options).usage(stdio)

    def _build(self, options: S2IOptions) -> S2IBuild:
        from hermes.build.s2i.build import S2IBuild

        def build_target(label: str, home: Path, platform: str) -> BuiltTarget:
            from hermes.build.named import build_target

            return build_target(label, home, platform)

        return S2IBuild(options, self.home, build_target, self._subscribers, self._say)
