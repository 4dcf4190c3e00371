"""A workspace for builds with and without a build service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hermes.api.workspace import Workspace
from hermes.build.options import BuildOptions
from hermes.build.result import BuildResult
from hermes.engine.events import ActionFinished, Event
from hermes.remote.settings import RemoteChoice
from tests.conftest import Sandbox
from tests.integration.conftest import add_base

BUILD = """\
base = ["//base:root"]
run_layer(name = "a", base = base, cmd = "mkdir /srv/x; echo a > /srv/x/a; chown 33:34 /srv/x; echo {word}; sleep {seconds}")
run_layer(name = "b", base = base + [":a"], cmd = "cat /srv/x/a /in/file > /b; ln -s b /l; rm -r /root", srcs = {{"/in/file": "file"}})
run_layer(name = "c", base = base, cmd = "mkfifo /f; chmod 4755 /bin/busybox; ln /f /g; sleep {seconds}")
image(name = "image", layers = base + [":a", ":b", ":c"])
run_layer(name = "bad", base = base, cmd = "echo {word} told; nothing-like-{word}")
run_layer(name = "hidden", base = base, cmd = "wc -c < /run/secrets/it > /n", secrets = ["it"])
"""


@dataclass
class Place:
    """A workspace whose actions no other test has executed, and builds of it in stores of their own."""

    root: Sandbox
    folder: Path
    events: list[Event] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def build(self, store: str, url: str = "", *patterns: str, **options: object) -> BuildResult:
        self.events.clear()
        choice = options.pop("choice", {})
        remote = RemoteChoice(executor=url, **choice) if url else None
        workspace = Workspace(
            self.root.root, home=self.folder / store, subscribers=[self.events.append], say=self.said.append
        )
        return workspace.build(patterns or ("//app:image",), BuildOptions(remote=remote, **options))

    def of(self, kind: type[Event]) -> list[Event]:
        return [one for one in self.events if isinstance(one, kind)]

    def elsewhere(self) -> set[str]:
        """The owners of commands that another machine executed."""
        return {
            one.owner
            for one in self.events
            if isinstance(one, ActionFinished) and one.where and one.kind == "run"
        }


Made = Callable[..., Place]


def made(sandbox: Sandbox, folder: Path, word: str, seconds: float = 0) -> Place:
    """Return a place whose commands say ``word``, which no other test does, and sleep."""
    add_base(sandbox)
    sandbox.write("app/BUILD", BUILD.format(word=word, seconds=seconds))
    sandbox.write("app/file", word)
    return Place(sandbox, folder)


def digest_of(result: BuildResult) -> str:
    return next(iter(result.targets.values()))[0].digest
