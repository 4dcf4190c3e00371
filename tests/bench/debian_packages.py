"""Debian packages from a warm cache of downloads into an image, beside mmdebstrap."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hermes.yaml_text import parse_yaml
from tests.bench.timing import HERMES, Command, Row, pair
from tests.bench.warm import Fetched, WarmStore

_LAYERS = """\
load("@hermes//rules:debian.bzl", "apt_layer")
apt_layer(name="packages", lock="packages.lock.yaml", packages=["python3"])
image(name="image", layers=[":packages"])
"""


def cases(folder: Path, rounds: int) -> Iterator[Row]:
    """python3 with all that it depends on, unpacked; nothing is downloaded while the time is taken.

    mmdebstrap does the same with its variant ``extract``, its fastest, from a repository in a folder.
    """
    if not shutil.which("mmdebstrap"):
        raise LookupError("mmdebstrap is not installed")
    workspace, store = folder / "workspace", WarmStore(folder / "home", folder / "workspace")
    workspace.mkdir()
    (workspace / "hermes.yaml").touch()
    (workspace / "BUILD").write_text(_LAYERS)
    build = [*HERMES, "build", "-q", "//:image"]
    for argv in ([*HERMES, "lock"], build):
        env = {**os.environ, **store.env}
        if subprocess.run(argv, cwd=workspace, env=env, check=False, capture_output=True).returncode:
            raise LookupError("the packages cannot be fetched here")
    packages = parse_yaml((workspace / "packages.lock.yaml").read_bytes())["packages"]
    repository = _repository(folder / "repository", store.home / "blobs/sha256", packages)
    store.keep(Fetched(_filename(one), one["sha256"], one["size"]) for one in packages)
    names = ",".join(one["name"] for one in packages)
    peer = [
        "mmdebstrap",
        "-q",
        "--variant=extract",
        f"--include={names}",
        "stable",
        "peer.tar.zst",
        repository,
    ]
    ours, theirs = Command(build, workspace, store.env, store.forget), Command(peer, folder, {})
    pair(ours, theirs, 1)
    measured, other = pair(ours, theirs, rounds)
    yield Row("python3 of Debian", measured.wall, other and other.wall, 0.3)
    yield Row("python3 of Debian: processor", measured.cpu, other and other.cpu, 1.0)


def _filename(package: dict[str, Any]) -> str:
    return str(package["path"]).rpartition("/")[2]


def _repository(folder: Path, blobs: Path, packages: Sequence[dict[str, Any]]) -> str:
    """Make a repository of packages; return its line of sources.list(5)."""
    folder.mkdir()
    paragraphs = []
    for one in packages:
        name = _filename(one)
        shutil.copy(blobs / one["sha256"], folder / name)
        control = subprocess.run(
            ["dpkg-deb", "-f", folder / name], capture_output=True, text=True, check=True
        )
        where = f"Filename: ./{name}\nSize: {one['size']}\nSHA256: {one['sha256']}\n"
        paragraphs.append(f"{control.stdout.strip()}\n{where}\n")
    (folder / "Packages").write_text("".join(paragraphs))
    return f"deb [trusted=yes] copy://{folder} ./"
