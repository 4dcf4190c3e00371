"""Builds with a remote cache and on workers: BuildGrid and PostgreSQL on this machine, beside builds without."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hermes.actions.packed import Folder, Part
from hermes.build.remote.station import Answer, Station
from hermes.build.remote.worker import Worker, WorkerOptions
from hermes.digest import Digest
from hermes.remote.address import Address
from hermes.remote.folder import StoredFolder
from hermes.remote.settings import USUAL_PLATFORM
from tests.bench.timing import HERMES, Command, Row, median, pair
from tests.registry.servers import Wire, docker_registry
from tests.remote.cluster import Cluster, reason_against

_SKOPEO = ("skopeo", "copy", "-q", "--insecure-policy", "--dest-tls-verify=false")
_LAYERS = "layers = [':base'] + [':r%d' % n for n in range({})]"


def cases(folder: Path, large: int, many: int, rounds: int) -> Iterator[Row]:
    """Yield the figures; ``large`` is the size of a base in bytes, ``many`` a number of cached actions."""
    if reason := reason_against():
        raise LookupError(reason)
    folder.chmod(0o755)
    (folder / "cluster").mkdir()
    cluster = Cluster(folder / "cluster")
    try:
        cluster.prepare()
        cluster.start()
        yield from _cached(folder / "cached", cluster, many, rounds)
        yield from _pushed(folder / "pushed", cluster, min(large, 50 << 20), rounds)
        yield from _executed(folder / "executed", cluster, rounds)
        yield _sent_once(folder / "sent", cluster, large)
        yield _at_once(folder / "at-once", cluster)
    finally:
        cluster.stop()


def _workspace(folder: Path, rules: str) -> dict[str, str]:
    """Write a workspace with a base of busybox, ``//:base``; return the environment of its builds."""
    folder.mkdir(parents=True)
    shutil.copy("/bin/busybox", folder / "busybox")
    (folder / "hermes.yaml").touch()
    links = ", ".join(f"'/bin/{name}': 'busybox'" for name in ("sh", "sleep", "true", "wc"))
    base = f"files_layer(name='base', files={{'/bin/busybox': 'busybox'}}, symlinks={{{links}}}, dirs=['/etc'])\n"
    (folder / "BUILD").write_text(base + rules)
    return {"HERMES_HOME": str(folder / "home")}


def _cached(folder: Path, cluster: Cluster, many: int, rounds: int) -> Iterator[Row]:
    """Nothing to do, and stores that are empty, beside a cache that has everything."""
    commands = "".join(
        f"run_layer(name='r{n}', base=':base', cmd='echo {n} > /etc/r{n}')\n" for n in range(9)
    )
    env = _workspace(folder, f"{commands}image(name='image', {_LAYERS.format(9)})\n")
    plain = [*HERMES, "build", "-q", "//:image"]
    cache = [*plain, "--remote-cache", cluster.url]
    Command(cache, folder, env).measure()
    Command(plain, folder, env).measure()
    with_it, without = pair(Command(cache, folder, env), Command(plain, folder, env), 4 * rounds)
    assert without is not None
    more = 1000 * (with_it.cpu - without.cpu)
    yield Row("remote: nothing to do, more than without", more, None, 5, "ms CPU")

    def clear() -> None:
        shutil.rmtree(folder / "home")
        shutil.rmtree(folder / "hermes-out", ignore_errors=True)

    minimal = [*cache, "--remote-download", "minimal"]
    yield Row(
        "remote: 22 cached actions", median(Command(minimal, folder, env, clear), rounds).wall, None, 0.6
    )
    wire = Wire(cluster.url.removeprefix("grpc://"))
    Command([*minimal, "--remote-cache", f"grpc://{wire.host}"], folder, env, clear).measure()
    yield Row("remote: all that came for them", wire.down / 1000, None, 100, "kB")
    wire.close()

    lines = "".join(f"files_layer(name='l{n}', files={{'/f': 'f{n}'}})\n" for n in range(many))
    (folder / "many").mkdir()
    (folder / "many/BUILD").write_text(lines)
    for n in range(many):
        (folder / f"many/f{n}").write_text(f"{n}\n")
    argv = [*HERMES, "build", "-q", "//many/...", "--remote-cache", cluster.url]
    Command(argv, folder, env).measure()
    yield Row(
        f"remote: {many} cached actions",
        median(Command(argv, folder, env, clear), min(rounds, 3)).wall,
        None,
        2.5,
    )


def _pushed(folder: Path, cluster: Cluster, size: int, rounds: int) -> Iterator[Row]:
    """An image whose layers are in the cache alone to a registry, beside skopeo, which has them on disk."""
    env = _workspace(
        folder,
        "files_layer(name='large', files={'/large': 'bytes'})\nimage(name='image', layers=[':large'])\n",
    )
    (folder / "bytes").write_bytes(random.Random(17).randbytes(size))
    build = [*HERMES, "build", "-q", "//:image", "--remote-cache", cluster.url]
    Command(build, folder, env).measure()
    if shutil.which("skopeo") is None or shutil.which("docker-registry") is None:
        return
    shutil.copytree((folder / "hermes-out/image").resolve(), folder / "layout")
    with docker_registry(folder / "registry") as registry:

        def clear() -> None:
            shutil.rmtree(folder / "home", ignore_errors=True)
            shutil.rmtree(registry.folder / "data", ignore_errors=True)
            Command([*build, "--remote-download", "minimal"], folder, env).measure()

        push = [
            *HERMES,
            "push",
            "-q",
            "//:image",
            f"docker://{registry.host}/ours:v",
            "--remote-cache",
            cluster.url,
        ]
        push += ["--remote-download", "minimal"]
        theirs = [*_SKOPEO, f"oci:{folder}/layout", f"docker://{registry.host}/theirs:v"]
        ours, peer = pair(Command(push, folder, env, clear), Command(theirs, folder, env, clear), rounds)
        yield Row("remote: push from the cache", ours.wall, peer and peer.wall, 1.0)
        yield Row("remote: push from the cache, memory", ours.memory, None, 100, "MB")


def _executed(folder: Path, cluster: Cluster, rounds: int) -> Iterator[Row]:
    """One command, by `hermes worker` and by a worker that runs `hermes execute-action`, beside the same one here."""
    env = _workspace(folder, "")
    base = (folder / "BUILD").read_text()
    number = iter(range(1_000_000))

    def change() -> None:
        rule = f"run_layer(name='r', base=':base', cmd='echo {next(number)} > /etc/r')\n"
        (folder / "BUILD").write_text(base + rule)

    here = [*HERMES, "build", "-q", "//:r"]
    there = [*here, "--remote-executor", cluster.url, "--no-remote-local-fallback"]
    worker = cluster.worker("executes")
    platform = {**USUAL_PLATFORM, "hermes-ids": "processes"}
    with _processes(folder / "processes", cluster.url):
        for name, bound in (("hermes worker", 250), ("execute-action", 700)):
            if name == "execute-action":
                text = ", ".join(f'{key}: "{value}"' for key, value in platform.items())
                (folder / "hermes.yaml").write_text(f"remote: {{platform: {{{text}}}}}\n")
            remote, local = Command(there, folder, env, change), Command(here, folder, env, change)
            remote.measure(), local.measure()
            ours, peer = pair(remote, local, 2 * rounds)
            assert peer is not None
            yield Row(
                f"remote: a command by {name}, more than here",
                1000 * (ours.wall - peer.wall),
                None,
                bound,
                "ms",
            )
    worker.terminate()
    worker.wait()


class _Processes(Station):
    """Executes each action as a process in a folder of its own, with a store that is kept: as workers of other engines do."""

    def execute(self, folder: Folder, printed: Callable[[str], None] = lambda _: None) -> Answer:
        assert isinstance(folder, StoredFolder)
        with self.store.scratch.directory() as name:
            root = Path(name)
            for path in folder._files:
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                with folder.open(path) as file:
                    (root / path).write_bytes(file.read())
            words = [*HERMES, "execute-action", "--schema=1", "action.json", "out"]
            env = {**os.environ, "HERMES_HOME": f"{self.store.home}-processes"}
            env.pop("PYTHONDONTWRITEBYTECODE", None)
            done = subprocess.run(words, cwd=root, env=env, check=False, capture_output=True)
            parts = []
            for path in sorted((root / "out").rglob("*")):
                if path.is_file():
                    data = path.read_bytes()
                    parts.append(Part(str(path.relative_to(root / "out")), Digest.of(data), len(data), data))
            return Answer(done.returncode, tuple(parts))


@contextmanager
def _processes(home: Path, url: str) -> Iterator[None]:
    with _Processes(home) as station:
        options = WorkerOptions(Address.parse(url), 1, "processes", {"hermes-ids": "processes"})
        worker = Worker(station, options, print)
        thread = threading.Thread(target=worker.run, args=(lambda: None,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            worker.stop(now=True)
            thread.join(30)


def _sent_once(folder: Path, cluster: Cluster, large: int) -> Row:
    """Eight commands at once on a large base: what is sent for them, beside the size of the base."""
    rules = "files_layer(name='large', files={'/large': 'bytes'})\n" + "".join(
        f"run_layer(name='r{n}', base=[':base', ':large'], cmd='wc -c /large; echo {n} > /etc/r')\n"
        for n in range(8)
    )
    env = _workspace(folder, rules)
    (folder / "bytes").write_bytes(random.Random(18).randbytes(large))
    workers = [cluster.worker(f"sent{n}") for n in range(2)]
    wire = Wire(cluster.url.removeprefix("grpc://"))
    patterns = [f"//:r{n}" for n in range(8)]
    argv = [
        *HERMES,
        "build",
        "-q",
        *patterns,
        "--remote-executor",
        f"grpc://{wire.host}",
        "--no-remote-local-fallback",
    ]
    Command(argv, folder, env).measure()
    sent = wire.up
    wire.close()
    for one in workers:
        one.terminate()
        one.wait()
    return Row("remote: bytes sent for eight commands, bases", sent / large, None, 1.05, "")


def _at_once(folder: Path, cluster: Cluster) -> Row:
    """Sixteen commands that sleep for a second, by four workers and by one."""
    env = _workspace(folder, "")
    base = (folder / "BUILD").read_text()
    number = iter(range(1_000_000))

    def change() -> None:
        word = next(number)
        rules = (
            f"run_layer(name='r{n}', base=':base', cmd='sleep 1; echo {word} > /etc/r{n}')\n"
            for n in range(16)
        )
        (folder / "BUILD").write_text(base + "".join(rules))

    argv = [*HERMES, "build", "-q", "//...", "--remote-executor", cluster.url, "--no-remote-local-fallback"]
    build = Command(argv, folder, env, change)
    workers = [cluster.worker("alone")]
    build.measure()
    one = build.measure().wall
    workers += [cluster.worker(f"of-four{n}") for n in range(3)]
    time.sleep(3)
    build.measure()
    four = median(build, 3).wall
    for worker in workers:
        worker.terminate()
        worker.wait()
    return Row("remote: four workers beside one", four, one, 1 / 3.5)
