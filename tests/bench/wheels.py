"""Wheels from a warm cache of downloads into an image, beside uv into a folder, and a compressed tar of that."""

from __future__ import annotations

import os
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

from tests.bench.timing import HERMES, Command, Row, pair
from tests.bench.warm import Fetched, WarmStore

_WANTED = (
    "numpy",
    "pydantic",
    "aiohttp[speedups]",
    "sqlalchemy",
    "django",
    "fastapi",
    "flask",
    "requests",
    "alembic",
)
_SMALL = ("flask",)
_LAYERS = """\
load("@hermes//rules:python.bzl", "py_layers")
py_layers(name="deps", lock="pylock.toml", requirements="requirements.in", python="3.11", libc="glibc-2.36")
image(name="image", layers=[":deps"])
"""
_PEER = """\
set -e
rm -rf target out.tar.zst
"$UV" pip install -q --no-deps --require-hashes --only-binary :all: --link-mode copy --target target -r hashed.txt \\
    --python-version 3.11 --python-platform x86_64-manylinux_2_36
tar -cf - target | zstd -q -3 -o out.tar.zst
"""


def cases(folder: Path, rounds: int, *, all_of_them: bool) -> Iterator[Row]:
    """About thirty wheels, or a few; nothing is downloaded while the time is taken."""
    try:
        from uv import find_uv_bin
    except ImportError:
        raise LookupError("uv is not installed") from None
    if not shutil.which("zstd"):
        raise LookupError("zstd is not installed")
    workspace, store = folder / "workspace", WarmStore(folder / "home", folder / "workspace")
    workspace.mkdir()
    (workspace / "BUILD").write_text(_LAYERS)
    lock_wheels(workspace, store, all_of_them=all_of_them)
    build = Command([*HERMES, "build", "-q", "//:image"], workspace, store.env, store.forget)
    peer = Command(["/bin/sh", "-c", _PEER], workspace, {"UV": os.fspath(find_uv_bin())})
    pair(build, peer, 1)
    ours, theirs = pair(build, peer, rounds)
    yield Row("wheels into an image", ours.wall, theirs and theirs.wall, 1.5)
    yield Row("wheels into an image: processor", ours.cpu, theirs and theirs.cpu, 1.5)


def lock_wheels(workspace: Path, store: WarmStore, *, all_of_them: bool) -> list[Fetched]:
    """Lock and fetch packages; leave their wheels in the store, and what pip and uv are to install in ``hashed.txt``.

    Return the wheels, which are in ``wheels``, too. The package of the workspace has the target ``//:image``.
    """
    (workspace / "hermes.yaml").touch()
    wanted = _WANTED if all_of_them else _SMALL
    (workspace / "requirements.in").write_text("".join(f"{one}\n" for one in wanted))
    env = {**os.environ, **store.env}
    if subprocess.run([*HERMES, "lock", "//:deps"], cwd=workspace, env=env, check=False).returncode:
        raise LookupError("the packages cannot be resolved here")
    subprocess.run([*HERMES, "build", "-q", "//:image"], cwd=workspace, env=env, check=True)
    found, lines = [], []
    (workspace / "wheels").mkdir()
    for package in tomllib.loads((workspace / "pylock.toml").read_text())["packages"]:
        for file in package["wheels"]:
            blob = store.home / "blobs/sha256" / file["hashes"]["sha256"]
            if blob.exists():
                found.append(Fetched(file["name"], blob.name, file.get("size")))
                lines.append(f"{package['name']}=={package['version']} --hash=sha256:{blob.name}\n")
                shutil.copy(blob, workspace / "wheels" / file["name"])
    (workspace / "hashed.txt").write_text("".join(lines))
    store.keep(found)
    return found
