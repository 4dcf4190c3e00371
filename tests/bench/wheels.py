"""Wheels from a warm cache of downloads into an image, beside uv into a folder, and a compressed tar of that."""

from __future__ import annotations

import os
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

from tests.bench.timing import HERMES, Command, Row, pair

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
    workspace, home, fetched = folder / "workspace", folder / "home", folder / "fetched"
    workspace.mkdir()
    (workspace / "hermes.yaml").touch()
    (workspace / "BUILD").write_text(_LAYERS)
    wanted = _WANTED if all_of_them else _SMALL
    (workspace / "requirements.in").write_text("".join(f"{one}\n" for one in wanted))
    env = {"HERMES_HOME": str(home), "UV": os.fspath(find_uv_bin())}
    if subprocess.run(
        [*HERMES, "lock", "//:deps"], cwd=workspace, env={**os.environ, **env}, check=False
    ).returncode:
        raise LookupError("the packages cannot be resolved here")
    _fetch(workspace, home, env)
    home.rename(fetched)
    build = Command(
        [*HERMES, "build", "-q", "//:image"],
        workspace,
        env,
        lambda: _restore(fetched, home, workspace / "hermes-out"),
    )
    peer = Command(["/bin/sh", "-c", _PEER], workspace, env)
    pair(build, peer, 1)
    ours, theirs = pair(build, peer, rounds)
    yield Row("wheels into an image", ours.wall, theirs and theirs.wall, 1.5)
    yield Row("wheels into an image: processor", ours.cpu, theirs and theirs.cpu, 1.5)


def _fetch(workspace: Path, home: Path, env: dict[str, str]) -> None:
    """Bring the wheels of the lock into the store, and nothing else; write down what the peer is to install."""
    own = workspace.parent / "own"
    subprocess.run([*HERMES, "build", "-q", "//:image"], cwd=workspace, env={**os.environ, **env}, check=True)
    locked = {
        file["hashes"]["sha256"]: (package, file)
        for package in tomllib.loads((workspace / "pylock.toml").read_text())["packages"]
        for file in package["wheels"]
    }
    blobs = home / "blobs/sha256"
    targets, lines = [], []
    for sha256, (package, file) in locked.items():
        if (blobs / sha256).exists():
            known = f", size={file['size']}" if "size" in file else ""
            targets.append(
                f"fetch_file(name={package['name']!r}, urls=['file://{blobs}/{sha256}'], "
                f"filename={file['name']!r}, sha256='{sha256}'{known})\n"
            )
            lines.append(f"{package['name']}=={package['version']} --hash=sha256:{sha256}\n")
    (workspace / "hashed.txt").write_text("".join(lines))
    own.mkdir()
    (own / "hermes.yaml").touch()
    (own / "BUILD").write_text("".join(targets))
    fetching = home.with_name("fetching")
    subprocess.run(
        [*HERMES, "build", "-q", "//..."],
        cwd=own,
        env={**os.environ, **env, "HERMES_HOME": str(fetching)},
        check=True,
    )
    shutil.rmtree(home)
    fetching.rename(home)


def _restore(fetched: Path, home: Path, out: Path) -> None:
    shutil.rmtree(home, ignore_errors=True)
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(fetched, home, symlinks=True)
