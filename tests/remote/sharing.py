"""A workspace for builds that share results by a service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hermes.api.workspace import Workspace
from hermes.build.options import BuildOptions
from hermes.build.result import BuildResult
from hermes.engine.events import Event
from hermes.remote.settings import RemoteChoice
from tests.conftest import Sandbox
from tests.integration.conftest import add_base

BUILD = """\
base = ["//base:root"]
files_layer(name = "files", srcs = ["file"], dest = "/in")
run_layer(name = "a", base = base + [":files"], cmd = "mkdir /srv/x; cp /in/file /srv/x/a; chown 33:34 /srv/x; mkfifo /f; echo told {word}")
run_layer(name = "b", base = base + [":a"], cmd = "cat /srv/x/a {more} > /b; ln /b /c; rm -r /root")
image(name = "image", layers = base + [":a", ":b"])
files_layer(name = "deep", srcs = ["file"], dest = "/srv/one/two")
files_layer(name = "deeper", srcs = ["file"], dest = "/usr/lib/one/two")
image(name = "folders", layers = [":deep", ":deeper"])
run_layer(name = "hidden", base = base, cmd = "wc -c < /run/secrets/it > /n; echo {word}", secrets = ["it"])
"""


@dataclass
class Place:
    """A workspace, and builds of it in stores of their own."""

    root: Sandbox
    folder: Path
    word: str
    events: list[Event] = field(default_factory=list)

    def write(self, more: str = "") -> None:
        self.root.write("app/BUILD", BUILD.format(word=self.word, more=more))

    def build(self, store: str, url: str = "", *patterns: str, **options: object) -> BuildResult:
        self.events.clear()
        choice = {"cache": url, **options.pop("choice", {})} if url else None
        workspace = Workspace(
            self.root.root, home=self.folder / store, subscribers=[self.events.append], say=lambda _: None
        )
        remote = RemoteChoice(**choice) if choice else None
        return workspace.build(patterns or ("//app:image",), BuildOptions(remote=remote, **options))

    def of(self, kind: type[Event]) -> list[Event]:
        return [one for one in self.events if isinstance(one, kind)]

    def tars(self, store: str) -> set[str]:
        """The layers whose tars are in a store."""
        home = self.folder / store
        return {one.name for one in (home / "toc").iterdir()} & {
            one.name for one in (home / "blobs/sha256").iterdir()
        }


Made = Callable[[str], Place]


def made(sandbox: Sandbox, folder: Path, word: str) -> Place:
    """Return a place whose commands say ``word``, which no other test does."""
    add_base(sandbox)
    sandbox.write("app/file", word)
    it = Place(sandbox, folder, word)
    it.write()
    return it


def digest_of(result: BuildResult) -> str:
    return next(iter(result.targets.values()))[0].digest


def layout_of(result: BuildResult) -> list[Path]:
    folder = Path(next(iter(result.targets.values()))[0].path)
    return list((folder / "blobs/sha256").iterdir())


class Calling(list):
    """A list that calls a function with what is appended."""

    def __init__(self, call: Callable[[Event], None]) -> None:
        super().__init__()
        self._call = call

    def append(self, event: Event) -> None:
        super().append(event)
        self._call(event)
