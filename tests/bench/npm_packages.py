"""npm packages from a warm cache of downloads into an image, beside ``npm ci`` into a folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.bench.timing import HERMES, Command, Row, pair

_WANTED = {"express": "4", "webpack": "5", "eslint": "8", "jest": "29"}
_SMALL = {"express": "4"}
_LAYERS = """\
load("@hermes//rules:node.bzl", "npm_layers")
npm_layers(name="deps", lock="package-lock.json", package_json=["package.json"], node="20")
image(name="image", layers=[":deps"])
"""
_FETCH = """\
def _archive_impl(ctx):
    file = ctx.actions.fetch(ctx.label.name, urls = ["npm:" + ctx.attr.address], integrity = ctx.attr.integrity)
    return [DefaultInfo(files = [file])]

archive = rule(
    implementation = _archive_impl,
    attrs = {"address": attr.string(mandatory = True), "integrity": attr.string(mandatory = True)},
)
"""
_PEER = 'rm -rf node_modules; exec npm ci --ignore-scripts --no-audit --no-fund --cache "$CACHE"'


def cases(folder: Path, rounds: int, *, all_of_them: bool) -> Iterator[Row]:
    """About four hundred packages, or a few; nothing is downloaded while the time is taken."""
    if not shutil.which("npm"):
        raise LookupError("npm is not installed")
    workspace, home, fetched = folder / "workspace", folder / "home", folder / "fetched"
    workspace.mkdir()
    (workspace / "hermes.yaml").touch()
    (workspace / "BUILD").write_text(_LAYERS)
    document = {"name": "bench", "version": "1.0.0", "dependencies": _WANTED if all_of_them else _SMALL}
    (workspace / "package.json").write_text(json.dumps(document))
    env = {"HERMES_HOME": str(home), "CACHE": str(folder / "cache")}
    whole = {**os.environ, **env}
    lock = ["npm", "install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund"]
    lock.append("--omit-lockfile-registry-resolved=false")  # or npm asks for the address of each package
    if subprocess.run(lock, cwd=workspace, env=whole, check=False, stdout=subprocess.DEVNULL).returncode:
        raise LookupError("the packages cannot be resolved here")
    _fetch(workspace, folder / "own", {**whole, "HERMES_HOME": str(fetched)})
    theirs = folder / "theirs"
    theirs.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(workspace / name, theirs)

    def restore() -> None:
        shutil.rmtree(home, ignore_errors=True)
        shutil.rmtree(workspace / "hermes-out", ignore_errors=True)
        shutil.copytree(fetched, home, symlinks=True)

    argv = [*HERMES, "build", "-q", "//:image"]
    build = Command(argv, workspace, env, restore)
    peer = Command(["/bin/sh", "-c", _PEER], theirs, env)
    pair(build, peer, 1)
    ours, npm = pair(build, peer, rounds)
    yield Row("npm packages into an image", ours.wall, npm and npm.wall, 0.5)
    yield Row("npm packages into an image: processor", ours.cpu, npm and npm.cpu, 0.5)
    again, npm = pair(Command(argv, workspace, env), peer, rounds)
    yield Row("npm packages: nothing changed", again.wall, npm and npm.wall, 0.1)


def _fetch(workspace: Path, own: Path, env: dict[str, str]) -> None:
    """Bring the archives of the lock into a store, and nothing else."""
    packages = json.loads((workspace / "package-lock.json").read_text())["packages"]
    targets = {}
    for location, entry in packages.items():
        if entry.get("integrity", "") not in {"", *targets}:
            name = entry.get("name", location.rpartition("node_modules/")[2])
            address = entry.get("resolved", f"{name}@{entry['version']}")
            targets[entry["integrity"]] = (
                f"archive(name='f{len(targets)}', address={address!r}, integrity={entry['integrity']!r})\n"
            )
    own.mkdir()
    (own / "hermes.yaml").touch()
    (own / "fetch.bzl").write_text(_FETCH)
    (own / "BUILD").write_text('load(":fetch.bzl", "archive")\n' + "".join(targets.values()))
    subprocess.run([*HERMES, "build", "-q", "//..."], cwd=own, env=env, check=True)
