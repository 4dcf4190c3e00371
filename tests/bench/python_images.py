"""A service in Python: wheels and first-party code on Debian, beside ``pip install`` in a Dockerfile by BuildKit."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.bench.peers import Docker
from tests.bench.timing import HERMES, Command, Row, pair
from tests.bench.warm import WarmStore
from tests.bench.wheels import lock_wheels

_LAYERS = """\
load("@hermes//rules:python.bzl", "py_image", "py_layers")
tar_layer(name="base", src="base.tar")
py_layers(name="deps", lock="pylock.toml", requirements="requirements.in", python="3.11", libc="glibc-2.36")
py_image(
    name="image", base=":base", deps=[":deps"], srcs=glob(["app/*.py"]), module="app", missing_libraries=["libstdc++.so.6"],
)
"""
_CACHE = "--mount=type=cache,id=wheels,target=/wheels"
_FILL = f"""\
FROM base
COPY wheels /have
RUN {_CACHE} cp /have/* /wheels/
"""
_INSTALL = f"""\
FROM base
COPY hashed.txt stamp /
RUN {_CACHE} pip install -q --break-system-packages --no-deps --require-hashes --no-index --find-links /wheels --no-compile -r hashed.txt
COPY app /app/app
WORKDIR /app
ENTRYPOINT ["python3", "-m", "app"]
"""
_MODULES = 20


def cases(folder: Path, base: Path, rounds: int, *, all_of_them: bool) -> Iterator[Row]:
    """About thirty wheels, or a few; ``base`` is a tar of a system with Python and pip. Nothing is downloaded while the time is taken.

    pip compiles nothing, as Hermes does unless it is told to, and its cache is a folder of wheels: no index is asked.
    """
    workspace, store = folder / "workspace", WarmStore(folder / "home", folder / "workspace")
    (workspace / "app").mkdir(parents=True)
    for number in range(_MODULES):
        (workspace / f"app/m{number}.py").write_text(f"def f{number}(x):\n    return x + {number}\n" * 20)
    (workspace / "app/__main__.py").write_text("import numpy\n")
    base.rename(workspace / "base.tar")
    (workspace / "BUILD").write_text(_LAYERS)
    lock_wheels(workspace, store, all_of_them=all_of_them)
    docker = Docker(folder / "docker")
    try:
        yield from _beside(docker, workspace, store, rounds)
    finally:
        docker.stop()


def _beside(docker: Docker, workspace: Path, store: WarmStore, rounds: int) -> Iterator[Row]:
    contexts = {}
    for name, text in (("base", "FROM scratch\nADD base.tar /\n"), ("fill", _FILL), ("install", _INSTALL)):
        contexts[name] = workspace.parent / name
        contexts[name].mkdir()
        (contexts[name] / "Dockerfile").write_text(text)
    shutil.copy(workspace / "base.tar", contexts["base"])
    shutil.copytree(workspace / "wheels", contexts["fill"] / "wheels")
    shutil.copy(workspace / "hashed.txt", contexts["install"])
    shutil.copytree(workspace / "app", contexts["install"] / "app")

    def kit(name: str, *options: str) -> Command:
        return Command(docker.build(contexts[name], "-t", name, *options), contexts[name], docker.env)

    kit("base").measure()
    kit("fill").measure()
    build = [*HERMES, "build", "-q", "//:image"]

    def forget() -> None:
        store.forget()
        Command([*HERMES, "build", "-q", "//:base"], workspace, store.env).measure()

    stamps = iter(range(10_000))

    def again() -> None:  # with --no-cache the wheels would be gone, too
        (contexts["install"] / "stamp").write_text(str(next(stamps)))

    ours, peer = Command(build, workspace, store.env, forget), replace(kit("install"), before=again)
    measured, other = pair(ours, peer, rounds)
    yield Row("wheels into an image, beside pip in BuildKit", measured.wall, other and other.wall, 0.25)

    def edit() -> None:
        text = f"EDIT = {next(stamps)}\n"
        for folder in (workspace, contexts["install"]):
            (folder / "app/m3.py").write_text(text)

    ours, peer = replace(ours, before=edit), kit("install")
    pair(ours, peer, 2)
    measured, other = pair(ours, peer, 2 * rounds + 1)
    yield Row("first-party code changed, beside BuildKit", measured.wall, other and other.wall, 0.3)
