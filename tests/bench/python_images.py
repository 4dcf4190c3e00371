"""A service in Python: wheels and first-party code on Debian, beside ``pip install`` in a Dockerfile by BuildKit."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.bench.peers import Docker
from tests.bench.timing import HERMES, Command, Row, pair
from tests.bench.warm import WarmStore
from tests.bench.wheels import lock_wheels
from tests.registry.servers import docker_registry

_LAYERS = """\
load("@hermes//rules:python.bzl", "py_image", "py_layers")
tar_layer(name="base", src="base.tar")
py_layers(name="deps", lock="pylock.toml", requirements="requirements.in", python="3.11", libc="glibc-2.36")
[py_image(
    name=name, base=":base", deps=[":deps"], srcs=glob(["app/*.py"]), module="app", compile=compile,
    missing_libraries=["libstdc++.so.6"],
) for name, compile in (("image", False), ("compiled", True))]
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
_COMPILE = """\
RUN python3 -m compileall -q --invalidation-mode checked-hash /app
"""
_MODULES = 20


def cases(folder: Path, base: Path, rounds: int, *, all_of_them: bool) -> Iterator[Row]:
    """About thirty wheels, or a few; ``base`` is a tar of a system with Python and pip. Nothing is downloaded while the time is taken.

    pip compiles nothing, as Hermes does unless it is told to, and its cache is a folder of wheels: no index is asked. An edit of
    first-party code is a COPY for BuildKit, which leaves the layer uncompressed in the daemon, where Hermes writes a layout; where the
    code is compiled, a RUN as well; and to a registry both compress and send it.
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

    yield from _edits(docker, workspace, store, contexts["install"], rounds)


def _edits(docker: Docker, workspace: Path, store: WarmStore, context: Path, rounds: int) -> Iterator[Row]:
    """First-party code changed: as it is, compiled, and pushed to a registry."""
    stamps = iter(range(10_000))

    def edit() -> None:
        text = f"EDIT = {next(stamps)}\n"
        for folder in (workspace, context):
            (folder / "app/m3.py").write_text(text)

    compiled = context.parent / "Compiled.Dockerfile"
    compiled.write_text((context / "Dockerfile").read_text() + _COMPILE)

    def rows(case: str, ours: list[str], theirs: str) -> Iterator[Row]:
        mine = Command([*HERMES, *ours], workspace, store.env, edit)
        peer = Command(["/bin/sh", "-ec", theirs], context, docker.env)
        pair(mine, peer, 2)
        measured, other = pair(mine, peer, 2 * rounds + 1)
        yield Row(
            f"first-party code changed{case}, beside BuildKit", measured.wall, other and other.wall, 0.3
        )

    build = shlex.join(docker.build(context))
    yield from rows("", ["build", "-q", "//:image"], build)
    with_compiler = shlex.join(docker.build(context, "-f", str(compiled)))
    yield from rows(" and compiled", ["build", "-q", "//:compiled"], with_compiler)
    if shutil.which("docker-registry"):
        with docker_registry(context.parent / "registry") as registry:
            name = f"{registry.host}/peer:v"
            named = shlex.join(docker.build(context, "-t", name))
            push = ["push", "-q", "//:image", f"docker://{registry.host}/ours:v"]
            yield from rows(" and pushed", push, f"{named}; {docker.client} push -q {name}")
