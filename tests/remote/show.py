"""What machines have of a service, with examples/monorepo: ``python -m tests.remote.show``.

Machine A builds it, and sends its results. Machine B, another user in another folder with an empty store, builds it
without executing anything and pushes all images without having had a layer. Then workers build it from nothing, while one of
them is killed and the service starts again. All digests must be those of A. Needs what `tests.remote.cluster` needs, docker-registry
and the user of the tests.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.conftest import USER
from tests.registry.servers import Registry, docker_registry
from tests.remote.cluster import ROOT, Cluster, reason_against

_ALL = "//examples/monorepo/..."
_LAYER = 64 << 10
"""Bytes of the smallest file that cannot be a document: every layer of the example is larger but those of a few files."""


class Machine:
    """A folder with a copy of the example, a store, and a user."""

    def __init__(self, folder: Path, registry: str, user: str = "") -> None:
        self.folder = folder
        self.home = folder / "home"
        self._user = user
        self._events = folder / "events"
        example = folder / "checkout/examples/monorepo"
        shutil.copytree(ROOT / "examples/monorepo", example)
        rules = example / "services/service.bzl"
        rules.write_text(rules.read_text().replace("registry.example.org", registry))
        (folder / "checkout/hermes.yaml").touch()
        if user:
            subprocess.run(["chown", "-R", user, folder], check=True)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin a command."""
        self._events.unlink(missing_ok=True)
        as_user = {"user": self._user, "group": self._user, "extra_groups": []} if self._user else {}
        return subprocess.Popen(
            [sys.executable, "-m", "hermes", *arguments],
            cwd=self.folder / "checkout",
            env={"PATH": os.environ["PATH"], "HERMES_HOME": str(self.home), "HOME": str(self.folder)},
            stdout=subprocess.PIPE,
            text=True,
            **as_user,
        )

    def run(self, *arguments: str) -> str:
        """Run a command; return what it prints to standard output."""
        process = self.start(*arguments)
        out, _ = process.communicate()
        assert process.returncode == 0, arguments
        return out

    def build(self, *options: str) -> dict[str, list[str]]:
        """Build the example; return digests by label."""
        return digests_in(self.run("build", _ALL, "--json", "--events", str(self._events), *options))

    def events(self, kind: str) -> list[dict[str, str]]:
        """The events of the last build that are of a kind."""
        lines = self._events.read_text().splitlines() if self._events.exists() else []
        whole = (json.loads(line) for line in lines if line.endswith("}"))
        return [one for one in whole if one["event"] == kind]

    def start_build(self, *options: str) -> subprocess.Popen[str]:
        return self.start("build", _ALL, "--json", "--events", str(self._events), *options)

    def layers(self) -> list[Path]:
        """The blobs in the store that are too large for documents."""
        blobs = (self.home / "blobs/sha256").iterdir()
        return [one for one in blobs if one.stat().st_size >= _LAYER and one.read_bytes()[:1] != b"{"]


def digests_in(text: str) -> dict[str, list[str]]:
    return {
        label: [one["digest"] for one in outputs] for label, outputs in json.loads(text)["targets"].items()
    }


@contextmanager
def service(folder: Path) -> Iterator[Cluster]:
    folder.mkdir()
    cluster = Cluster(folder)
    try:
        cluster.prepare()
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


class Showing:
    """Says what was seen, and counts what is not as it should be."""

    def __init__(self) -> None:
        self.wrong = 0

    def say(self, text: str, *, holds: bool = True) -> None:
        self.wrong += not holds
        print(f"{'' if holds else 'WRONG: '}{text}", flush=True)


def found_elsewhere(folder: Path, registry: Registry, showing: Showing) -> dict[str, list[str]]:
    """Show what another machine has of what the first one built; return the digests."""
    with service(folder / "shared") as cluster:
        cache = ["--remote-cache", cluster.url, "--remote-download", "minimal"]
        one = Machine(folder / "a", registry.host)
        right = one.build(*cache)
        showing.say(
            f"A, root, {one.folder}: {len(right)} targets, {len(one.events('ActionFinished'))} actions executed"
        )
        other = Machine(folder / "elsewhere/b", registry.host, USER)
        digests = other.build(*cache)
        executed = len(other.events("ActionFinished"))
        showing.say(
            f"B, {USER}, {other.folder}: {len(digests)} targets, {executed} actions executed",
            holds=not executed,
        )
        showing.say(f"the digests of B are those of A: {digests == right}", holds=digests == right)
        pushed = other.run("push", _ALL, "--remote-cache", cluster.url).split()
        images = {one for found in right.values() for one in found} & set(pushed)
        showing.say(f"B pushed {len(images)} images", holds=len(images) == 12)
        layers = other.layers()
        showing.say(f"layers in the store of B: {len(layers)}", holds=not layers)
        sizes = sum(
            one.stat().st_size
            for one in registry.folder.glob("data/docker/registry/v2/blobs/sha256/*/*/data")
        )
        showing.say(
            f"the registry has {len(registry.blobs)} blobs, {sizes / 1e6:.0f} MB", holds=sizes > 50_000_000
        )
        for name in ("catalog", "feed", "digest", "cleanup"):
            where = f"docker://{registry.host}/shop/{name}"
            command = [
                "skopeo",
                "copy",
                "-q",
                "--insecure-policy",
                "--src-tls-verify=false",
                where,
                f"dir:{folder}/{name}",
            ]
            subprocess.run(command, check=True)
        showing.say("skopeo has copied four of them, and held each blob to its digest")
    return right


def executed_elsewhere(folder: Path, registry: str, right: dict[str, list[str]], showing: Showing) -> None:
    """Show that a build by workers has the same digests although one is killed and the service starts again."""
    with service(folder / "executing") as cluster:
        workers = [cluster.worker(f"show{number}") for number in range(2)]
        machine = Machine(folder / "c", registry)
        build = machine.start_build("--remote-executor", cluster.url, "--no-remote-local-fallback")
        killed: list[str] = []
        began, seen = time.monotonic(), 0
        while build.poll() is None:
            executing = [one for one in machine.events("ActionMoved") if one["stage"] == "executing"]
            if executing and not killed:
                workers[0].send_signal(signal.SIGKILL)
                killed.append(f"a worker, while {executing[-1]['owner']} was executed")
            elif len(executing) > 1 and len(killed) == 1:
                cluster.kill_server()
                cluster.start()
                killed.append(f"the service, while {executing[-1]['owner']} was executed")
            time.sleep(0.02)
            for number, event in enumerate(machine.events("ActionMoved")[seen:], seen + 1):
                seen = number
                print(f"  {time.monotonic() - began:.1f} s: {event['owner']} {event['stage']}", flush=True)
        assert build.stdout is not None
        assert build.returncode == 0
        digests = digests_in(build.stdout.read())
        finished = machine.events("ActionFinished")
        there = sum(bool(one["where"]) for one in finished)
        showing.say(f"killed: {'; '.join(killed)}", holds=len(killed) == 2)
        showing.say(
            f"{len(digests)} targets, {len(finished)} actions executed, {there} of them by workers",
            holds=there > 0,
        )
        same = {label: found for label, found in digests.items() if right[label] == found}
        showing.say(f"digests that are those of A: {len(same)} of {len(right)}", holds=same == right)


def main() -> int:
    if reason := reason_against():
        print(reason)
        return 2
    showing = Showing()
    with tempfile.TemporaryDirectory(prefix="hermes-show-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        with docker_registry(folder / "registry") as registry:
            right = found_elsewhere(folder, registry, showing)
            executed_elsewhere(folder, registry.host, right, showing)
    return int(bool(showing.wrong))


if __name__ == "__main__":
    sys.exit(main())
