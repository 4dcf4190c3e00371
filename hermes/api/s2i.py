"""The Python interface to Source-to-Image: what ``hermes s2i`` does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hermes.build.dockerfile.built import BuiltDockerfile
from hermes.build.s2i.options import S2IOptions
from hermes.store.location import default_home

if TYPE_CHECKING:
    from hermes.engine.events import Subscriber


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
        from hermes.build.named import build_target
        from hermes.build.s2i.build import S2IBuild

        return S2IBuild(options, self.home, build_target, self._subscribers, self._say).run()
