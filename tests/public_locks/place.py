"""The workspace in which public locks are built, with bases that have Python and Node.js."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_BASE = """\
load("@hermes//rules:debian.bzl", "apt_layer")

[apt_layer(
    name = name,
    lock = name + ".lock.yaml",
    packages = ["base-files", "dash", "libgomp1", "libstdc++6", "ca-certificates", "tzdata", package],
    visibility = ["//visibility:public"],
) for name, package in {"python": "python3", "node": "nodejs"}.items()]
"""


class Place:
    """A workspace and a store below ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.workspace = root / "workspace"
        (self.workspace / "base").mkdir(parents=True, exist_ok=True)
        (self.workspace / "hermes.yaml").touch()
        (self.workspace / "base/BUILD").write_text(_BASE)
        (root / "theirs").mkdir(exist_ok=True)

    def prepare(self, base: str) -> None:
        """Lock and build one of the bases, ``python`` or ``node``."""
        self.hermes("lock", f"//base:{base}")
        self.hermes("build", "-q", f"//base:{base}")

    def package(self, name: str) -> Path:
        """Return the folder of a package."""
        folder = self.workspace / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def hermes(self, *arguments: str, offline: bool = False) -> str:
        """Run Hermes, in a namespace without a network if that is said; returns its output."""
        argv = [*(["unshare", "--net"] if offline else []), sys.executable, "-m", "hermes", *arguments]
        env = {**os.environ, "HERMES_HOME": str(self.root / "home")}
        done = subprocess.run(argv, cwd=self.workspace, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"hermes {' '.join(arguments)[:200]}: {done.stderr[-3000:]}")
        return done.stdout

    def in_image(
        self, image: str, argv: Sequence[str], theirs: Path | None = None, env: Sequence[str] = ()
    ) -> dict[str, str]:
        """Run a command in an image, with a folder at /theirs; it prints pairs as lines of JSON, which are returned."""
        mount = ["-v", f"{theirs}:/theirs:ro"] if theirs else []
        options = ["--rw", "--entrypoint", argv[0], *mount, *(f"--env={one}" for one in env)]
        said = self.hermes("run", "-q", *options, image, "--", *argv[1:])
        return dict(json.loads(line) for line in said.splitlines() if line.startswith("["))
