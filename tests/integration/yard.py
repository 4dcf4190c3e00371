"""Dockerfiles in a context of their own."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

from hermes import BuiltDockerfile, DockerfileOptions, Dockerfiles
from hermes.engine.events import Event
from tests.conftest import Sandbox, run_hermes


class Yard:
    """A context with a Dockerfile, and a store in which a busybox is called ``base``."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.root = sandbox.root.parent / "context"
        self.root.mkdir()
        self.events: list[Event] = []
        self.said: list[str] = []

    def write(self, path: str, content: str, mode: int = 0o644) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
        target.chmod(mode)
        return target

    def bud(self, dockerfile: str = "", **options: object) -> BuiltDockerfile:
        if dockerfile:
            self.write("Dockerfile", dockerfile)
        options.setdefault("pull", "never")
        builder = Dockerfiles(home=self.sandbox.home, subscribers=[self.events.append], say=self.said.append)
        return builder.build(DockerfileOptions(**{"context": str(self.root), **options}))

    def run(self, *arguments: str, **options: object) -> object:
        return run_hermes(*arguments, cwd=self.root, home=self.sandbox.home, **options)

    def shown(self, command: str, image: str = "it") -> str:
        """What a shell command prints in the image."""
        done = self.run("run", "--entrypoint", "/bin/sh", image, "--", "-c", command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def config(self, built: BuiltDockerfile) -> dict[str, object]:
        blobs = self.sandbox.home / "blobs/sha256"
        manifest = json.loads((blobs / built.digest[7:]).read_text())
        return json.loads((blobs / manifest["config"]["digest"][7:]).read_text())


def ran(built: BuiltDockerfile, *kinds: str) -> list[str]:
    """The lines whose actions of some kinds were executed: all that touch files, unless kinds are named."""
    wanted = kinds or ("run", "copy")
    return sorted(f"{kind} {place.partition(':')[2]}" for kind, place in built.executed if kind in wanted)


def archive(path: Path, *names: str) -> None:
    """Write an archive of files that hold their names; a name with ``->`` is a link."""
    with tarfile.open(path, "w") as made:
        for name in names:
            member = tarfile.TarInfo(name.partition("->")[0])
            if "->" in name:
                member.type, member.linkname = tarfile.SYMTYPE, name.partition("->")[2]
            member.size = 0 if member.issym() else len(name)
            made.addfile(member, io.BytesIO(name.encode()))
