"""The example built across hosts, over packets that are late and get lost, and over a good network: ``python -m tests.remote.hosts``.

The service, each worker and the client are hosts of their own; see `tests.remote.network`. A build from nothing has its commands
executed by the workers and sends its results; a fresh machine then finds all of them. Downloads are in the client's store before, for
they come from elsewhere. Prints seconds, calls and bytes, and whether all digests are those of a build on one machine.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import grpc

from hermes.api.workspace import Workspace
from hermes.build.options import BuildOptions
from hermes.engine.events import ActionFinished, Event, Warned
from hermes.engine.executor import Result
from hermes.remote.settings import RemoteChoice
from hermes.store import Store
from tests.remote import network
from tests.remote.cluster import ROOT, Cluster, reason_against
from tests.remote.network import Count, Network

_DOWNLOADS = ("fetch", "fetch_wheel")


class Built(NamedTuple):
    """A build of a client.

    Its digests by label, how many actions were executed here and there, what it warned of, its calls by method, and the keys of what was downloaded.
    """

    seconds: float
    digests: dict[str, list[str]]
    here: int
    there: int
    warned: list[str]
    calls: dict[str, int]
    downloaded: list[str]


class Counting:
    """A channel of gRPC whose calls are counted by method."""

    def __init__(self, channel: Any, calls: Counter[str]) -> None:
        self._channel = channel
        self._calls = calls
        self.close = channel.close
        self.unary_unary = self._counted(channel.unary_unary)
        self.unary_stream = self._counted(channel.unary_stream)
        self.stream_unary = self._counted(channel.stream_unary)

    def _counted(self, make: Callable[..., Any]) -> Callable[..., Any]:
        def made(method: str, **options: Any) -> Any:
            call = make(method, **options)

            def counted(*arguments: Any, **more: Any) -> Any:
                self._calls[method.rpartition("/")[2]] += 1
                return call(*arguments, **more)

            return counted

        return made


def built(root: Path, home: Path, patterns: Sequence[str], remote: RemoteChoice | None) -> Built:
    """Build here, and count."""
    calls: Counter[str] = Counter()
    open_channel = grpc.insecure_channel
    grpc.insecure_channel = lambda *arguments: Counting(open_channel(*arguments), calls)
    events: list[Event] = []
    began = time.monotonic()
    workspace = Workspace(root, home=home, subscribers=[events.append], say=lambda _: None)
    result = workspace.build(patterns, BuildOptions(remote=remote))
    seconds = time.monotonic() - began
    finished = [one for one in events if isinstance(one, ActionFinished)]
    places = Counter(bool(one.where) for one in finished)
    digests = {label: [one.digest for one in outputs] for label, outputs in result.targets.items()}
    warned = [one.message for one in events if isinstance(one, Warned)]
    downloaded = [one.key for one in finished if one.kind in _DOWNLOADS]
    return Built(seconds, digests, places[False], places[True], warned, dict(calls), downloaded)


def built_on(hosts: Network, name: str, *arguments: object) -> Built:
    """Build on a host, in a process of its own."""
    command = [*hosts.on(name), sys.executable, "-m", "tests.remote.hosts", "--client", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=ROOT)
    return Built(*json.loads(done.stdout))


def copy_results(keys: Iterable[str], source: Path, target: Path) -> None:
    """Make a store that has some results of another, with the blobs that they name, and nothing else."""
    old, new = Store.open(source), Store.open(target)
    for key in keys:
        image, data = old.results.preimage(key), old.results.get(key)
        assert image is not None
        assert data is not None
        result = Result.load(data)
        assert result is not None
        for one in result.outputs.values():
            shutil.copyfile(old.blobs.path(one.digest), new.blobs.path(one.digest))
        new.results.put(key, data, image)
    old.close()
    new.close()


class Measuring:
    """Builds of ``root`` in a network, each with a service and workers that know nothing before."""

    def __init__(self, folder: Path, root: Path, patterns: Sequence[str], workers: int) -> None:
        self._folder = folder
        self._root = root
        self._patterns = patterns
        self._workers = [f"worker{number}" for number in range(1, workers + 1)]
        self.here = built(root, folder / "here", patterns, None)

    def run(self, delay: float, loss: float) -> dict[str, Built]:
        """Build from nothing, and then on fresh machines; return the builds by what they are."""
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        folder.chmod(0o755)
        (folder / "cluster").mkdir()
        found: dict[str, Built] = {}
        with Network("server", "client", *self._workers) as hosts:
            cluster = Cluster(folder / "cluster", hosts)
            try:
                cluster.prepare()
                cluster.start()
                for name in self._workers:
                    cluster.worker(name)
                for name in self._workers:
                    cluster.wait_for(name)
                hosts.delay, hosts.loss = delay, loss
                for what, download in (
                    ("from nothing", "toplevel"),
                    ("found, minimal", "minimal"),
                    ("found, toplevel", "toplevel"),
                ):
                    home = folder / download / what
                    copy_results(self.here.downloaded, self._folder / "here", home)
                    before = hosts.count()
                    client = [self._root, home, cluster.url, download, *self._patterns]
                    found[what] = built_on(hosts, "client", *client)
                    self._tell(what, found[what], hosts.count() - before)
                    shutil.rmtree(home)
            finally:
                cluster.stop()
        shutil.rmtree(folder)
        return found

    def _tell(self, what: str, it: Built, count: Count) -> None:
        calls = ", ".join(f"{number} {name}" for name, number in sorted(it.calls.items()))
        wrong = sum(self.here.digests.get(label) != found for label, found in it.digests.items())
        print(
            f"{what}: {it.seconds:.1f} s; {it.here} actions executed here, {it.there} there; {len(it.digests)} targets, "
            f"{wrong} with other digests\n  {count}\n  calls: {calls}",
            flush=True,
        )
        for text in dict.fromkeys(it.warned):
            print(f"  warning: {text}")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--delay", type=float, default=0.02, help="seconds that a packet takes")
    parser.add_argument("--loss", type=float, default=0.01, help="the share of packets that are lost")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--client", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("patterns", nargs="*", default=["//examples/monorepo/..."])
    asked = parser.parse_args()
    if asked.client:
        root, home, url, download, *patterns = asked.client
        remote = RemoteChoice(executor=url, cache=url, download=download, local_fallback=False)
        json.dump(built(Path(root), Path(home), patterns, remote), sys.stdout)
        return 0
    if reason := reason_against() or network.reason_against():
        print(reason)
        return 2
    with tempfile.TemporaryDirectory(prefix="hermes-hosts-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copytree(ROOT / "examples/monorepo", folder / "w/examples/monorepo")
        (folder / "w/hermes.yaml").touch()
        measuring = Measuring(folder, folder / "w", asked.patterns, asked.workers)
        print(f"on one machine: {measuring.here.seconds:.1f} s, downloads included")
        print("\nhosts, without delay and loss")
        near = measuring.run(0, 0)
        print(f"\nhosts, {1000 * asked.delay:.0f} ms and {asked.loss:.0%} of loss for each packet")
        far = measuring.run(asked.delay, asked.loss)
    print()
    for what, it in far.items():
        print(f"{what}: {it.seconds / near[what].seconds:.2f} times as long as without")
    right = measuring.here.digests
    return int(any(one.digests != right for one in (*near.values(), *far.values())))


if __name__ == "__main__":
    sys.exit(main())
