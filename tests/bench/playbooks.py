"""A playbook of eleven small tasks in a working container, beside the buildah plugin of the PyPI package ansible."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.bench.peers import Buildah
from tests.bench.timing import HERMES, Command, Row, pair

_PLAY = """\
- hosts: all
  gather_facts: false
  tasks:
    - ping:
    - file: {path: /srv/a, state: directory, mode: "0750"}
    - copy: {content: "hello", dest: /srv/a/x}
    - copy: {src: play.yml, dest: /srv/a/play.yml}
    - template: {src: play.yml, dest: /etc/t.conf}
    - lineinfile: {path: /etc/lines, line: "a b", create: true}
    - group: {name: app}
    - user: {name: app, group: app, home: /srv/app}
    - command: id -un
    - shell: echo hi > /srv/a/hi
    - stat: {path: /srv/a}
"""
_BUILDAH = """\
#!/bin/sh
if [ "$1" = run ]; then shift; exec {base} run --isolation chroot "$@"; fi
exec {base} "$@"
"""


def cases(folder: Path, base: Path, rounds: int) -> Iterator[Row]:
    """``base`` is a tar of a system with Python; the containers are made before the time is taken."""
    if importlib.util.find_spec("ansible_collections.containers") is None:
        raise LookupError("the PyPI package ansible, which has the buildah plugin, is not installed")
    context = folder / "context"
    context.mkdir()
    base.rename(context / "base.tar")
    (context / "Dockerfile").write_text("FROM scratch\nADD base.tar /\n")
    (folder / "play.yml").write_text(_PLAY)
    env = {"HERMES_HOME": str(folder / "home"), "ANSIBLE_HOME": str(folder / "ansible")}
    buildah = Buildah(folder / "buildah")
    (folder / "bin").mkdir()
    (folder / "bin/buildah").write_text(_BUILDAH.format(base=" ".join(buildah.argv())))
    (folder / "bin/buildah").chmod(0o755)
    theirs = {**env, "PATH": f"{folder}/bin:{os.environ['PATH']}"}
    policy = f"--signature-policy={buildah.folder}/policy.json"
    steps = (
        [*HERMES, "bud", "-q", "--network", "none", "-t", "base", str(context)],
        [*HERMES, "ctr", "from", "--name", "one", "base"],
        buildah.bud(context, "-q", "-t", "base"),
        buildah.argv("from", "--pull-never", policy, "--name", "one", "base"),
    )
    try:
        for argv in steps:
            subprocess.run(argv, cwd=folder, env={**os.environ, **env}, check=True, capture_output=True)
        for number, text in enumerate(("without pipelining", "with pipelining")):
            given = {"ANSIBLE_PIPELINING": str(number)}
            ours = Command(_argv("hermes.build.hermes"), folder, {**env, **given})
            peer = Command(_argv("containers.podman.buildah"), folder, {**theirs, **given})
            measured, other = pair(ours, peer, rounds)
            yield Row(f"eleven tasks {text}", measured.wall, other and other.wall, 0.6)
    finally:
        buildah.remove()


def _argv(plugin: str) -> list[str]:
    python = ["-e", "ansible_python_interpreter=/usr/bin/python3"]
    return [
        str(Path(sys.executable).with_name("ansible-playbook")),
        "-i",
        "one,",
        "-c",
        plugin,
        *python,
        "play.yml",
    ]
