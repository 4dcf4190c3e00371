"""A day in CI: commits to examples/monorepo, each built on a fresh machine, with a shared cache and without: ``python -m tests.remote.day``.

Prints for each commit how many actions were executed, and what went to and came from the cache. A fresh machine is an empty
store and another folder. The digests with the cache must be those without.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from hermes.api.workspace import Workspace
from hermes.build.options import BuildOptions
from hermes.engine.events import ActionFinished, Event
from hermes.remote.settings import RemoteChoice
from tests.conftest import ROOT
from tests.registry.servers import Wire
from tests.remote.cluster import Cluster, reason_against

_ALL = "//examples/monorepo/..."
_SERVICES = ("catalog", "users", "orders", "billing", "mailer")


class Built(NamedTuple):
    """What a build on a fresh machine gave: digests by label, actions executed, seconds."""

    digests: dict[str, tuple[str, ...]]
    executed: int
    seconds: float


def built(root: Path, home: Path, remote: RemoteChoice | None) -> Built:
    """Build the example as one machine does, and throw that away."""
    events: list[Event] = []
    began = time.monotonic()
    workspace = Workspace(root, home=home, subscribers=[events.append], say=lambda _: None)
    result = workspace.build([_ALL], BuildOptions(remote=remote))
    seconds = time.monotonic() - began
    digests = {label: tuple(one.digest for one in outputs) for label, outputs in result.targets.items()}
    shutil.rmtree(home)
    executed = sum(isinstance(one, ActionFinished) for one in events)
    return Built(digests, executed, seconds)


def commits(root: Path, count: int, chance: random.Random) -> Iterator[str]:
    """Change the example as people do, again and again; yield what each commit did."""
    services = root / "examples/monorepo/services"
    yield "the first"
    for number in range(1, count):
        kind = chance.choices(("service", "node", "library", "settings", "nothing"), (8, 4, 2, 3, 3))[0]
        if kind == "service":
            path = services / chance.choice(_SERVICES) / "service.py"
        elif kind == "node":
            path = services / chance.choice(("feed", "search")) / "service.js"
        elif kind == "library":
            path = root / "examples/monorepo/lib/python/shop/money.py"
        elif kind == "settings":
            path = services / chance.choice(_SERVICES) / "BUILD"
        else:
            path = root / "examples/monorepo/README.md"
        mark = "//" if kind == "node" else "#"
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"\n{mark} commit {number}\n")
        yield f"{kind}: {path.relative_to(root / 'examples/monorepo')}"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--commits", type=int, default=20)
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument(
        "--without", type=int, default=1, metavar="N", help="build each Nth without the cache, too"
    )
    parser.add_argument("--download", default="minimal", choices=("minimal", "toplevel", "all"))
    asked = parser.parse_args()
    if reason := reason_against():
        print(reason)
        return 2
    with tempfile.TemporaryDirectory(prefix="hermes-day-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "cluster").mkdir()
        shutil.copytree(ROOT / "examples/monorepo", folder / "w/examples/monorepo")
        (folder / "w/hermes.yaml").touch()
        cluster = Cluster(folder / "cluster")
        try:
            cluster.prepare()
            cluster.start()
            return _day(folder, cluster, asked)
        finally:
            cluster.stop()


def _day(folder: Path, cluster: Cluster, asked: argparse.Namespace) -> int:
    print("commit | executed | up kB | down kB | s | without: executed | s | what")
    without = Built({}, 0, 0.0)
    wrong, sums = 0, [0, 0, 0, 0.0, 0, 0.0]
    for number, what in enumerate(commits(folder / "w", asked.commits, random.Random(asked.seed))):
        root = folder / f"checkout{number}"
        shutil.copytree(folder / "w", root)
        wire = Wire(cluster.url.removeprefix("grpc://"))
        remote = RemoteChoice(cache=f"grpc://{wire.host}", download=asked.download)
        with_it = built(root, folder / "fresh", remote)
        up, down = wire.up, wire.down
        wire.close()
        if number % asked.without == 0:
            without = built(root, folder / "fresh", None)
            wrong += with_it.digests != without.digests
        shutil.rmtree(root)
        row = [with_it.executed, up, down, with_it.seconds, without.executed, without.seconds]
        if number:
            sums = [a + b for a, b in zip(sums, row, strict=True)]
        print(_line(str(number), row, what), flush=True)
    print(_line(f"1-{asked.commits - 1}", sums, f"in all; {wrong} builds with other digests"))
    return int(bool(wrong))


def _line(number: str, row: list[float], what: str) -> str:
    executed, up, down, seconds, others, longer = row
    return f"{number} | {executed} | {up / 1000:.0f} | {down / 1000:.0f} | {seconds:.1f} | {others} | {longer:.1f} | {what}"


if __name__ == "__main__":
    sys.exit(main())
