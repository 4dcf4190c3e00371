"""A workspace, a context, a container and a store, and the commands that are going to be killed in them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.conftest import Sandbox
from tests.integration.conftest import add_base

KINDS: Final = ("build", "bud", "ctr run", "ctr commit")
"""The commands that are killed."""

STUCK: Final = 180.0
"""Seconds after which a command counts as stuck."""

_CONTAINER: Final = "victim"
_FILES: Final = 20
_BUILD: Final = """
files_layer(name = "files", srcs = glob(["src/*"]), dest = "/srv")
[run_layer(
    name = "run%d" % number,
    base = ["//base:root", ":files"],
    cmd = "for f in /srv/src/*; do cat $f; done > /etc/all%d; sleep 0.05; mkdir -p /srv/o%d; cp -r /srv/src /srv/o%d" % (
        number, number, number,
    ),
) for number in range(4)]
image(
    name = "image",
    base = "//base:root",
    layers = [":files"] + [":run%d" % number for number in range(4)],
)
"""
_ROOT: Final = """
image(name = "image", env = {"PATH": "/bin"}, layers = ["//base:root"])
"""
_DOCKERFILE: Final = """
FROM root AS first
COPY src /srv/src
RUN cat /srv/src/* > /etc/all; sleep 0.05
RUN mkdir -p /srv/a && cp -r /srv/src /srv/a
FROM root
RUN sleep 0.05; echo on > /etc/on
COPY --from=first /srv/a /srv/b
RUN chmod -R go-w /srv/b
"""
_FILL: Final = "for i in $(seq 60); do mkdir -p /srv/$i; echo $i {salt} > /srv/$i/file; done; sleep 0.05; ln -sfn /srv /etc/srv"
"""What a command does in the container: the same however often it is broken off before."""
_LIST: Final = (
    "{ stat -c '%n %f %u %g %s %Y' $(find /bin /etc /root /srv | sort); cat $(find /etc /srv -type f | sort); }"
    " | busybox sha256sum"
)
"""Shows an image. How many layers it has depends on which of the commits that were to be killed were quicker."""


class Stuck(Exception):
    """A command that was not killed failed, or did not end."""


class Scene:
    """``folder`` is this scene's alone. Commands are run as ``user``, who is this process's when empty, by ``runtime``.

    Two scenes that are given the same salt must come to the same results.
    """

    def __init__(self, folder: Path, user: str = "", runtime: str = "bwrap") -> None:
        self.folder = folder
        self.user = user
        self.runtime = ["--runtime", runtime]
        self.home = folder / "home"
        self.temporary = folder / "temporary"
        self.temporary.mkdir(parents=True)
        self.workspace = Sandbox(folder / "workspace", self.home)
        add_base(self.workspace)
        self.workspace.write("root/BUILD", _ROOT)
        self.workspace.write("app/BUILD", _BUILD)
        self.workspace.write("app/Dockerfile", _DOCKERFILE)
        self.change("0")
        self.finished("build", "-q", "//root:image", "-o", f"oci:{folder}/root")
        self.finished("pull", "-q", f"oci:{folder}/root", "root")

    def change(self, salt: str) -> None:
        """Change the sources and the container, so that nothing of what the commands do has been done before."""
        self.salt = salt
        for number in range(_FILES):
            self.workspace.write(f"app/src/{number}", f"{number} {salt}\n" * 1000)
        if self.user:
            subprocess.run(["chown", "-R", self.user, str(self.folder)], check=True)
        if (self.home / "containers").exists():
            self.finished("ctr", "rm", "--all")
            self.finished("ctr", "from", "--name", _CONTAINER, "root")

    def arguments(self, kind: str) -> list[str]:
        """Return the command line of one of `KINDS`, without the program."""
        if kind == "build":
            return ["build", "-q", "--json", *self.runtime, "//app:image"]
        if kind == "bud":
            return ["bud", "-q", "--pull=never", *self.runtime, "app"]
        if kind == "ctr run":
            return ["ctr", "run", *self.runtime, _CONTAINER, "sh", "-c", _FILL.format(salt=self.salt)]
        return ["ctr", "commit", "--timestamp", "0", _CONTAINER, "committed"]

    def result(self, kind: str) -> str:
        """Run a command to its end and return what came of it, in a form that two scenes must agree on.

        Raises `Stuck`. Call it in the order of `KINDS`: what is committed is what the command before has made.
        """
        said = self.finished(*self.arguments(kind))
        if kind == "build":
            return json.dumps(json.loads(said)["targets"], sort_keys=True).replace(str(self.folder), "")
        if kind == "ctr commit":
            return self.finished("run", "-q", "--entrypoint", "sh", "committed", "-c", _LIST)
        return said.strip()

    def finished(self, *arguments: str) -> str:
        """Run a command to its end; return its output. Raises `Stuck`."""
        process = self.start(*arguments)
        try:
            output, errors = process.communicate(timeout=STUCK)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise Stuck(f"hermes {' '.join(arguments)}: not finished after {STUCK:g} s") from None
        if process.returncode:
            raise Stuck(f"hermes {' '.join(arguments)}: {errors}")
        return output

    def start(self, *arguments: str, group: Path | None = None) -> subprocess.Popen[str]:
        """Start Hermes, in a control group if one is given."""
        who: dict[str, object] = {}
        if self.user:
            who = {"user": self.user, "group": self.user, "extra_groups": []}
        process = subprocess.Popen(
            [sys.executable, "-m", "hermes", *arguments],
            cwd=self.workspace.root,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            **who,  # type: ignore[call-overload]
        )
        if group is not None:
            (group / "cgroup.procs").write_text(str(process.pid))
        return process

    def _environment(self) -> Mapping[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "HERMES_HOME": str(self.home),
            "TMPDIR": str(self.temporary),
        }

    def remove(self) -> None:
        """Remove the folder, whose files may have any owner."""
        shutil.rmtree(self.folder, ignore_errors=True)
