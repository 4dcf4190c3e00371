"""package-locks: what ``npm ci --ignore-scripts`` leaves of them, and what Hermes makes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.public_locks import trees
from tests.public_locks.place import Place
from tests.public_locks.python_sets import Told

SETS: Mapping[str, Mapping[str, str]] = {
    "babel": {"@babel/cli": "7", "@babel/core": "7", "@babel/preset-env": "7"},
    "eslint": {"eslint": "8", "typescript": "5", "@typescript-eslint/parser": "8"},
    "express": {"express": "5", "helmet": "8", "pino": "9"},
    "fastify": {"fastify": "5", "@fastify/static": "8"},
    "jest": {"jest": "29", "ts-jest": "29", "typescript": "5"},
    "mocha": {"mocha": "10", "chai": "4", "sinon": "17", "nyc": "15"},
    "nest": {"@nestjs/core": "10", "@nestjs/common": "10", "@nestjs/platform-express": "10", "rxjs": "7"},
    "react": {"next": "14", "react": "18", "react-dom": "18"},
    "vite": {"vite": "5", "vue": "3", "@vitejs/plugin-vue": "5"},
    "webpack": {"webpack": "5", "webpack-cli": "5", "sass": "1"},
}
"""Dependencies on popular packages by name; what they need is what their metadata says on the day."""

_LOADS = 'load("@hermes//rules:node.bzl", "node_image", "npm_layers")\n'
_TARGETS = """\
npm_layers(
    name = "deps", lock = "package-lock.json", node = {node!r}, dest = {dest!r}, package_json = {about},
    allow_sha1 = True{more},
)
node_image(name = "image", base = "//base:node", deps = [":deps"], script = "x", check_libraries = False)
"""
_IMPORTS = """\
const { createRequire } = require("module");
const { spawnSync } = require("child_process");
let [folder, ...names] = JSON.parse(process.argv[1]);
const one = async (name) => {
    try {
        await import(createRequire(folder + "/x.js").resolve(name));
        return "ok";
    } catch (error) {
        return String(error).split("\\n")[0].replaceAll(/\\/(app|theirs)\\b/g, "");
    }
};
const all = async () => {
    for (const name of names) require("fs").writeSync(3, JSON.stringify([name, await one(name)]) + "\\n");
    process.exit(0);
};
if (process.argv[2]) all();
while (!process.argv[2] && names.length) {
    const done = spawnSync(process.execPath, ["-e", process.env.SOURCE, JSON.stringify([folder, ...names]), "all"],
        { encoding: "utf8", timeout: 120000, stdio: ["ignore", "ignore", "ignore", "pipe"] });
    const lines = done.output[3].split("\\n").filter((line) => line);
    for (const line of lines) console.log(line);
    names = names.slice(lines.length);
    if (names.length) console.log(JSON.stringify([names.shift(), "ended the process"]));
}
"""
"""Imports packages, one process for all of them; another one goes on after a package that ends it."""


class Wanted(NamedTuple):
    """What is wanted of a lock: ``omit`` as npm's, ``exclude`` packages that Hermes does not take."""

    omit: Sequence[str] = ()
    exclude: Sequence[str] = ()


def lock_of(place: Place, name: str, wanted: Mapping[str, str]) -> Wanted:
    """Lock dependencies by `hermes lock`."""
    folder = place.package(name)
    (folder / "package.json").write_text(
        json.dumps({"name": name, "version": "1.0.0", "dependencies": dict(wanted)})
    )
    (folder / "BUILD").write_text(_targets(Wanted(), "/app", "18.20.4"))
    place.hermes("lock", f"//{name}:deps")
    return Wanted()


def compared(place: Place, name: str, wanted: Wanted) -> Told:
    """Build a lock with and then without a network, install it by npm, and compare paths and what can be imported."""
    folder = place.package(name)
    theirs = place.root / "theirs" / name
    shutil.copytree(folder, theirs, symlinks=True)
    version = subprocess.run(
        ["node", "--version"], capture_output=True, text=True, check=True
    ).stdout.strip()[1:]
    for dest, offline in (("/fetched", False), ("/app", True)):
        (folder / "BUILD").write_text(_targets(wanted, dest, version))
        place.hermes("build", "-q", f"//{name}:deps", offline=offline)
    place.hermes("build", "-q", f"//{name}:image", offline=True)
    _install(theirs, wanted, place)
    layers = sorted((place.workspace / "hermes-out" / name).glob("deps.*.tar.zst"))
    ours = _installed(trees.of_layers(layers, "app"))
    peers = _installed(trees.of_folder(theirs))
    problems = [*trees.differences(ours, peers, "npm")]
    names = _packages(ours)
    found = []
    for root, mounted in (("/app", None), ("/theirs", theirs)):
        argument = json.dumps([root, *names])
        argv = ["/usr/bin/node", "-e", _IMPORTS, argument]
        found.append(place.in_image(f"//{name}:image", argv, mounted, [f"SOURCE={_IMPORTS}"]))
    mine, other = found
    problems += [
        f"import {one}: {mine.get(one)!r}, with npm's files {other.get(one)!r}"
        for one in names
        if mine.get(one) != other.get(one)
    ]
    return Told(
        sum(one.endswith("/package.json") for one in ours),
        len(ours),
        sum(one == "ok" for one in mine.values()),
        trees.shown(problems),
    )


def _targets(wanted: Wanted, dest: str, node: str) -> str:
    more = "".join(
        f", {key} = {list(value)}"
        for key, value in (("omit", wanted.omit), ("exclude", wanted.exclude))
        if value
    )
    about = 'glob(["**/package.json"])'
    return _LOADS + _TARGETS.format(node=node, dest=dest, about=about, more=more)


def _install(folder: Path, wanted: Wanted, place: Place) -> None:
    argv = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", f"--cache={place.root / 'npm'}"]
    argv += [f"--omit={one}" for one in wanted.omit]
    if '"resolved": "http' in (folder / "package-lock.json").read_text():
        argv.append(
            "--omit-lockfile-registry-resolved=false"
        )  # as npm notes them, if nobody told it otherwise
    env = {**os.environ, "NO_UPDATE_NOTIFIER": "1"}
    done = subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"npm ci: {done.stderr[-2000:]}")


def _installed(tree: Mapping[str, trees.Node]) -> dict[str, trees.Node]:
    """Return what is in ``node_modules``, at the top or of a workspace."""
    return {path: one for path, one in tree.items() if "node_modules" in path.split("/")}


def _packages(tree: Mapping[str, trees.Node]) -> list[str]:
    """Return the packages at the top of ``node_modules`` that are no links."""
    found = set()
    for path in tree:
        parts = path.split("/")
        at = 3 if len(parts) > 1 and parts[1].startswith("@") else 2
        if parts[0] == "node_modules" and parts[at:] == ["package.json"]:
            found.add("/".join(parts[1:at]))
    return sorted(found)
