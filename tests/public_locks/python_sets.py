"""Requirement sets of Python: what `uv` installs into a virtual environment, and what Hermes makes of the same lock."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from tests.public_locks import trees
from tests.public_locks.place import Place

PYTHON = "3.11"
LIBC = "glibc-2.36"
PREFIX = "opt/venv"

SETS: Mapping[str, Sequence[str]] = {
    "aiohttp": ["aiohttp[speedups]", "aiosqlite", "pydantic-settings"],
    "black": ["black[d]", "isort", "mypy", "ruff"],
    "celery": ["celery[redis]", "django", "djangorestframework", "gunicorn", "psycopg[binary]"],
    "datasette": ["datasette", "sqlite-utils"],
    "fastapi": ["fastapi[standard]"],
    "jupyterlab": ["jupyterlab"],
    "mkdocs": ["mkdocs-material"],
    "poetry": ["poetry"],
    "scikit-learn": ["matplotlib", "pandas", "scikit-learn"],
    "sphinx": ["furo", "myst-parser", "sphinx"],
}
"""Requirements of popular projects by name; their dependencies are what their metadata says on the day."""

_LOADS = 'load("@hermes//rules:python.bzl", "py_image", "py_layers")\n'
_TARGETS = """\
py_layers(name = "deps", lock = {lock!r}, python = {python!r}, libc = {libc!r}, max_layers = {layers}{more})
py_image(name = "image", base = "//base:python", deps = [":deps"], module = "x", check_libraries = False)
"""
_IMPORTS = """\
import importlib, json, os, signal, sys
names, theirs = json.loads(sys.argv[1]), sys.argv[2:]
sys.path[:] = [one for one in sys.path if not theirs or "site-packages" not in one] + theirs
for name in names:
    readable, writable = os.pipe()
    if not os.fork():
        signal.alarm(60)
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for one in range(3):
            os.dup2(null, one)
        try:
            importlib.import_module(name)
            said = "ok"
        except BaseException as error:
            said = "%s: %s" % (type(error).__name__, str(error)[:200])
        os.write(writable, said.encode()[:4096])
        os._exit(0)
    os.close(writable)
    print(json.dumps([name, open(readable, "rb").read().decode("utf-8", "replace")]), flush=True)
    os.wait()
"""
_OWN = frozenset({"pyvenv.cfg", ".gitignore", ".lock", "CACHEDIR.TAG"})
_ACTIVATION = re.compile(r"bin/(activate.*|deactivate.*|pydoc\.bat|python[0-9.]*)|lib64|bin/pip3\.[0-9]+")
"""What uv makes besides: also a program of pip that its wheel does not name, as pip alone would."""
_HELP = re.compile(r"lib/python[0-9.]+/site-packages/_virtualenv\.(py|pth)")
_NOTES = frozenset({"INSTALLER", "REQUESTED", "RECORD", "uv_cache.json", "direct_url.json"})
_ENTRY = re.compile(rb"^from ([\w.]+) import (\w+)$", re.MULTILINE)


class Wanted(NamedTuple):
    """What is wanted of the lock in a folder."""

    lock: str
    python: str = PYTHON
    extras: Sequence[str] = ()
    groups: Sequence[str] = ()
    project: str = ""
    exclude: Sequence[str] = ()


class Told(NamedTuple):
    """What came of a set: how many packages and paths, how many modules are imported, and what differs."""

    packages: int
    paths: int
    imported: int
    problems: str = ""


def lock_of(place: Place, name: str, wanted: Sequence[str]) -> Wanted:
    """Lock requirements by `hermes lock`."""
    folder = place.package(name)
    (folder / "requirements.in").write_text("".join(f"{one}\n" for one in wanted))
    text = _targets(Wanted("requirements.txt"), 20).replace(
        "max_layers", 'requirements = "requirements.in", max_layers'
    )
    (folder / "BUILD").write_text(text)
    place.hermes("lock", f"//{name}:deps")
    return Wanted("requirements.txt")


def compared(place: Place, name: str, wanted: Wanted) -> Told:
    """Build a set with and then without a network, install it by uv, and compare paths and what can be imported."""
    folder = place.package(name)
    for layers, offline in ((2, False), (20, True)):
        (folder / "BUILD").write_text(_targets(wanted, layers))
        place.hermes("build", "-q", f"//{name}:deps", offline=offline)
    place.hermes("build", "-q", f"//{name}:image", offline=True)
    theirs = place.root / "theirs" / name
    _install(folder, theirs, wanted, place)
    layers_of = sorted((place.workspace / "hermes-out" / name).glob("deps.*.tar.zst"))
    records = _Records(), _Records()
    ours_tree = _without_notes(trees.of_layers(layers_of, PREFIX, records[0].rewrite))
    their_tree = _without_notes(trees.of_folder(theirs, records[1].rewrite))
    problems = [*trees.differences(ours_tree, their_tree, "uv")]
    problems += [
        f"RECORD of {one} differs"
        for one in sorted({*records[0].rows, *records[1].rows})
        if records[0].rows.get(one) != records[1].rows.get(one)
    ]
    names = _modules(ours_tree)
    site = f"lib/python{PYTHON}/site-packages"
    image = f"//{name}:image"
    mine = place.in_image(image, [f"/{PREFIX}/bin/python", "-c", _IMPORTS, json.dumps(names)])
    peers = place.in_image(
        image, ["/usr/bin/python3", "-c", _IMPORTS, json.dumps(names), "/theirs"], theirs / site
    )
    problems += [
        f"import {one}: {mine.get(one)!r}, with uv's files {peers.get(one)!r}"
        for one in names
        if mine.get(one) != peers.get(one)
    ]
    return Told(
        len(records[0].rows), len(ours_tree), sum(one == "ok" for one in mine.values()), trees.shown(problems)
    )


def _targets(wanted: Wanted, layers: int) -> str:
    more = "".join(
        f", {key} = {list(value) if not isinstance(value, str) else value!r}"
        for key, value in (
            ("extras", wanted.extras),
            ("groups", wanted.groups),
            ("project", wanted.project),
            ("exclude", wanted.exclude),
        )
        if value
    )
    return _LOADS + _TARGETS.format(
        lock=wanted.lock, python=wanted.python, libc=LIBC, layers=layers, more=more
    )


def _install(folder: Path, venv: Path, wanted: Wanted, place: Place) -> None:
    from uv import find_uv_bin

    uv = os.fspath(find_uv_bin())
    env = {
        **os.environ,
        "UV_CACHE_DIR": str(place.root / "uv"),
        "UV_PROJECT_ENVIRONMENT": str(venv),
        "UV_LINK_MODE": "copy",
    }
    interpreter = ["--python", f"/usr/bin/python{PYTHON}"]

    def run(*arguments: str) -> None:
        done = subprocess.run(
            [uv, *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"uv {arguments[0]}: {done.stderr[-2000:]}")

    if wanted.lock == "uv.lock":
        chosen = [f"--extra={one}" for one in wanted.extras] + [f"--group={one}" for one in wanted.groups]
        chosen += [f"--package={wanted.project}"] if wanted.project else []
        chosen += [f"--no-install-package={one}" for one in wanted.exclude]
        local = ["--no-install-project", "--no-install-workspace", "--no-install-local"]
        run("sync", "-q", "--frozen", "--no-build", "--no-default-groups", *local, *chosen, *interpreter)
        return
    run("venv", "-q", *interpreter, str(venv))
    hashes = [] if wanted.lock.endswith(".toml") else ["--require-hashes", "--no-deps"]
    run("pip", "install", "-q", *hashes, "--only-binary", ":all:", "-r", wanted.lock, "--python", str(venv))
    for one in wanted.exclude:
        run("pip", "uninstall", "-q", one, "--python", str(venv))


class _Records:
    """Makes of files what counts of them, and keeps the rows of each RECORD, by its distribution."""

    def __init__(self) -> None:
        self.rows: dict[str, set[tuple[str, ...]]] = {}

    def rewrite(self, path: str, data: bytes) -> bytes:
        parts = PurePosixPath(path).parts
        if parts[-1] == "RECORD" and parts[-2].endswith(".dist-info"):
            rows = csv.reader(io.StringIO(data.decode()))
            self.rows[parts[-2]] = {tuple(row) for row in rows if row and not _is_note(row[0])} - {()}
            return b""
        if parts[0] == "bin" and data.startswith(b"#!"):
            line, _, rest = data.partition(b"\n")
            if b"python" in line or b"exec" in rest[:200]:
                # The programs that tools write for an entry point differ; which function they start must not.
                entry = _ENTRY.search(rest)
                return b"entry %s:%s" % (entry[1], entry[2]) if entry and b"sys.exit(" in rest else rest
        return data


def _is_note(path: str) -> bool:
    """Tell of a row of a RECORD whether it is about what each installer writes itself, or that one leaves out."""
    return PurePosixPath(path).name in _NOTES or "/bin/" in path or "/__pycache__/" in path


def _without_notes(tree: Mapping[str, trees.Node]) -> dict[str, trees.Node]:
    """Leave out what a virtual environment has itself, and what installers note of themselves.

    Empty folders, too: uv makes those that an archive names, pip and the PyPA's installer do not. And what is called
    ``__pycache__``, which the installer leaves out as it could be of other code.
    """
    return trees.without_empty_folders(
        {
            path: one
            for path, one in tree.items()
            if path not in _OWN
            and "__pycache__" not in path.split("/")
            and not _ACTIVATION.fullmatch(path)
            and not _HELP.fullmatch(path)
            and not (PurePosixPath(path).name in _NOTES and ".dist-info/" in path)
        }
    )


def _modules(tree: Mapping[str, trees.Node]) -> list[str]:
    """Return the modules at the top of site-packages."""
    site = f"lib/python{PYTHON}/site-packages/"
    found = set()
    for path in tree:
        first, _, rest = path.removeprefix(site).partition("/")
        if not path.startswith(site):
            continue
        if rest == "__init__.py":
            found.add(first)
        elif not rest and first.endswith((".py", ".so")):
            found.add(first.partition(".")[0])
    return sorted(one for one in found if one.isidentifier())
