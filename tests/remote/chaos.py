"""Builds many actions on workers while these and the service are killed at random: ``python -m tests.remote.chaos``.

Every digest must be that of a build on one machine without a service.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

from hermes.api.workspace import Workspace
from hermes.build.options import BuildOptions
from hermes.engine.events import ActionFinished, Event, Warned
from hermes.remote.settings import RemoteChoice
from tests.conftest import Sandbox
from tests.integration.conftest import add_base
from tests.remote.cluster import Cluster, reason_against

_LAYER = 'run_layer(name = "a{n}", base = ["//base:root"], cmd = "sleep {s}; echo {n} > /f{n}; chown {n}:{n} /f{n}")\n'


class Killer:
    """Kills a worker, the service or both every few seconds, and starts others."""

    def __init__(self, cluster: Cluster, chance: random.Random, every: float) -> None:
        self.killed = {"worker": 0, "server": 0}
        self._cluster = cluster
        self._chance = chance
        self._every = every
        self._stopping = threading.Event()
        self._started = 0
        self._thread = threading.Thread(target=self._run)

    def begin(self, workers: int) -> None:
        for _ in range(workers):
            self._start()
        self._thread.start()

    def end(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _start(self) -> None:
        self._started += 1
        self._cluster.worker(f"chaos{self._started}")

    def _run(self) -> None:
        while not self._stopping.wait(self._every * self._chance.uniform(0.5, 1.5)):
            if self._chance.random() < 0.7:
                alive = [one for one in self._cluster.workers if one.poll() is None]
                one = self._chance.choice(alive)
                one.send_signal(self._chance.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM)))
                self.killed["worker"] += 1
                self._start()
            if self._chance.random() < 0.3:
                self._cluster.kill_server()
                time.sleep(self._chance.uniform(0, 2))
                self._cluster.start()
                self.killed["server"] += 1


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--actions", type=int, default=300)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--every", type=float, default=5, help="seconds between kills")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args()
    if reason := reason_against():
        print(reason)
        return 2
    with tempfile.TemporaryDirectory(prefix="hermes-chaos-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        sandbox = Sandbox(folder / "workspace", folder / "home")
        add_base(sandbox)
        layers = (_LAYER.format(n=n, s=f"0.{n % 10}") for n in range(asked.actions))
        sandbox.write("app/BUILD", "".join(layers))
        events: list[Event] = []

        def digests(store: str, remote: RemoteChoice | None) -> dict[str, str]:
            workspace = Workspace(sandbox.root, home=folder / store, subscribers=[events.append])
            built = workspace.build(["//app/..."], BuildOptions(remote=remote))
            return {label: outputs[0].digest for label, outputs in built.targets.items()}

        right = digests("here", None)
        events.clear()
        (folder / "cluster").mkdir()
        folder.chmod(0o755)
        cluster = Cluster(folder / "cluster")
        killer = Killer(cluster, random.Random(asked.seed), asked.every)
        try:
            cluster.prepare()
            cluster.start()
            killer.begin(asked.workers)
            began = time.monotonic()
            found = digests("there", RemoteChoice(executor=cluster.url, jobs=16))
            seconds = time.monotonic() - began
        finally:
            killer.end()
            cluster.stop()
        elsewhere = sum(isinstance(one, ActionFinished) and bool(one.where) for one in events)
        warned = [one.message for one in events if isinstance(one, Warned)]
        wrong = [label for label in right if found.get(label) != right[label]]
        print(
            f"seed {asked.seed}: {len(right)} digests, {len(wrong)} wrong; {elsewhere} executed there in {seconds:.0f} s; "
            f"killed {killer.killed['worker']} workers and {killer.killed['server']} servers; {len(warned)} warnings"
        )
        for text in (*wrong, *dict.fromkeys(warned)):
            print(f"  {text}")
        return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
