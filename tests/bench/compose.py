"""A compose file in which nothing changed, beside docker compose with a warm daemon of Debian 13."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from tests import newer
from tests.bench.timing import HERMES, Command, Row, median, pair

_SERVICES = 10
_DOCKERFILE = """FROM base
WORKDIR /srv
COPY src /srv/src
RUN ["/bin/busybox", "sh", "-c", "echo {} > /made"]
CMD ["busybox", "cat", "/made"]
"""


def cases(folder: Path, rounds: int) -> Iterator[Row]:
    if not newer.available():
        raise LookupError(newer.WHY)
    project = folder / "project"
    lines = ["services:"]
    for number in range(_SERVICES):
        source = project / f"s{number}/src"
        source.mkdir(parents=True)
        for file in range(20):
            (source / f"f{file}").write_text(f"{number} {file}\n" * 100)
        (source.parent / "Dockerfile").write_text(_DOCKERFILE.format(number))
        lines += [
            f"  s{number}:",
            f"    build: {{context: ./s{number}, network: none}}",
            f"    image: s{number}:latest",
        ]
    (project / "compose.yaml").write_text("\n".join(lines) + "\n")
    base = folder / "base"
    base.mkdir()
    shutil.copy("/bin/busybox", base)
    (base / "Dockerfile").write_text("FROM scratch\nCOPY busybox /bin/\n")
    with _Docker(folder) as docker:
        env = {"HERMES_HOME": str(folder / "home")}
        Command([*HERMES, "bud", "-q", "-t", "base", "."], base, env).measure()
        docker.command(base, "docker", "build", "-q", "-t", "base", ".").measure()
        ours = Command([*HERMES, "bud", "-q", "--compose", "compose.yaml"], project, env)
        theirs = docker.command(project, "docker", "compose", "build", "-q")
        pair(ours, theirs, 2)
        found, other = pair(ours, theirs, rounds)
        assert other is not None
        chroot = median(docker.command(project, "true"), rounds)
        yield Row("compose file of ten services again", found.wall, other.wall - chroot.wall, 0.5)


class _Docker:
    """A dockerd of the root with its data in ``folder``; ends with the block."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._place = folder / "docker"
        self._place.mkdir()
        self._socket = f"unix://{self._place}/socket"

    def command(self, cwd: Path, *argv: str) -> Command:
        return Command(newer.command(argv, self._folder, cwd), cwd, {"DOCKER_HOST": self._socket})

    def __enter__(self) -> Self:
        place = self._place
        argv = [
            *("dockerd", "--iptables=false", "--ip6tables=false", "--bridge=none", "--host", self._socket),
            *(f"--data-root={place}/data", f"--exec-root={place}/exec", f"--pidfile={place}/pid"),
        ]
        with (place / "log").open("wb") as log:
            self._process = subprocess.Popen(
                newer.command(argv, self._folder, place), stdout=log, stderr=log, start_new_session=True
            )
        shown = self.command(place, "docker", "version")
        environment = {**os.environ, **shown.env}
        while subprocess.run(shown.argv, env=environment, check=False, capture_output=True).returncode:
            if self._process.poll() is not None:
                raise LookupError(f"dockerd cannot run here: {(place / 'log').read_text()[-200:]}")
            time.sleep(0.2)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(60)
