"""What is seen of blobs on their way: a line for each on a terminal, and nothing elsewhere."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Collection
from pathlib import Path

import pytest

from hermes.digest import Digest
from hermes.errors import RegistryError
from hermes.image.descriptor import Descriptor
from hermes.image.manifest import Manifest
from hermes.image.platform import Platform
from hermes.registry.client import Client
from hermes.registry.push import Job, push
from hermes.store import Store
from tests.conftest import Sandbox
from tests.integration.test_terminals import Session
from tests.registry.faulty import FaultyRegistry
from tests.registry.servers import Registry, Wire
from tests.registry.taking import pull
from tests.registry.test_lazy_bases import app, base
from tests.registry.test_push_and_pull import ok

__all__ = ["app", "base"]


class Watching:
    """A `hermes.registry.client.Progress` that remembers."""

    def __init__(self) -> None:
        self.rows: dict[Digest, list[tuple[int, bool]]] = {}
        self.ends: list[Digest] = []
        self.expectations: list[tuple[Digest, bool]] = []
        self._guard = threading.Lock()

    def expected(self, blobs: Collection[Descriptor], *, sending: bool) -> None:
        self.expectations += [(one.digest, sending) for one in blobs]

    def moved(self, blob: Descriptor, done: int, *, sending: bool) -> None:
        with self._guard:
            assert blob.digest not in self.ends
            assert done <= blob.size
            self.rows.setdefault(blob.digest, []).append((done, sending))

    def ended(self, blob: Descriptor) -> None:
        self.ends.append(blob.digest)


@pytest.fixture
def slow(images: Sandbox, registry: Registry, wire: Wire) -> Wire:
    """A slow wire to the registry, which has ``app:v1``."""
    ok(images.run("push", "-q", "//app:image", f"docker://{registry.host}/app:v1"))
    wire.pause = 0.03
    return wire


def test_a_pull_shows_each_blob_on_a_terminal(slow: Wire, tmp_path: Path) -> None:
    other = Sandbox(tmp_path / "other", tmp_path / "other-home")
    session = Session(other, ["pull", f"docker://{slow.host}/app:v1", "app"])
    session.until("fetching ")
    session.until("MiB of 2.9 MiB")
    session.until("app:latest  sha256:")
    assert session.ended() == 0


def test_a_push_shows_each_blob_on_a_terminal(slow: Wire, images: Sandbox) -> None:
    images.write("app/f0", (images.root / "app/f0").read_bytes()[::-1])
    session = Session(images, ["push", "//app:image", f"docker://{slow.host}/app:v2"])
    session.until("sending ")
    session.until("MiB of 2.9 MiB")
    session.until("blobs: ")
    session.until("sha256:")
    assert session.ended() == 0


def test_a_build_shows_the_layers_that_it_fetches(app: Sandbox, wire: Wire) -> None:
    wire.pause = 0.03
    session = Session(app, ["build", "//app:ran"])
    session.until("fetching ")
    session.until("MiB of 3.8 MiB")
    session.until("built ")
    assert session.ended() == 0


def test_nothing_is_shown_elsewhere(slow: Wire, tmp_path: Path) -> None:
    other = Sandbox(tmp_path / "other", tmp_path / "other-home")
    slow.pause = 0
    done = other.run("pull", f"docker://{slow.host}/app:v1", "app")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1
    session = Session(other, ["copy", "-q", f"docker://{slow.host}/app:v1", "oci:layout:v1"])
    assert session.ended() == 0
    assert session.seen == ""


PIECE = 16_384
"""A blob comes in more pieces than one for each of these bytes."""


def test_an_event_tells_of_a_blob_a_few_times_a_second(app: Sandbox, wire: Wire) -> None:
    wire.pause = 0.01
    ok(app.run("build", "-q", "--events", "events", "//app:ran"))
    events = [json.loads(line) for line in (app.root / "events").read_text().splitlines()]
    moved = [one for one in events if one["event"] == "BlobMoved" and one["size"] > 1_000_000]
    ended = {one["digest"] for one in events if one["event"] == "BlobEnded"}
    for digest in {one["digest"] for one in moved}:
        steps = [one["done"] for one in moved if one["digest"] == digest]
        size = next(one["size"] for one in moved if one["digest"] == digest)
        assert len(steps) < size / PIECE
        assert steps == sorted(steps)
        assert steps[-1] == size
        assert digest in ended
    assert not any(one["sending"] for one in moved)


def test_every_byte_is_told_of_and_every_end(faulty: FaultyRegistry, store: Store) -> None:
    size = 3_000_000
    faulty.add_image([os.urandom(size)])
    watching = Watching()
    with Client(progress=watching) as client:
        pulled = pull(client, f"docker://{faulty.host}/team/app:v", store, Platform.host())
    layer = Manifest.parse(store.blobs.read(pulled.descriptor.digest)).layers[0].digest
    steps = [done for done, _ in watching.rows[layer]]
    assert steps == sorted(steps)
    assert steps[-1] == size
    assert set(watching.rows) == set(watching.ends)
    assert watching.expectations == [(layer, False)]
    faulty.blobs.clear()
    faulty.manifests.clear()
    again = Watching()
    with Client(progress=again) as client:
        push(client, store, [Job(pulled.descriptor, f"{faulty.host}/team/new", ("v",))])
    assert again.rows[layer][-1] == (size, True)
    assert set(again.rows) == set(again.ends)


def test_what_is_given_up_has_an_end(faulty: FaultyRegistry, store: Store) -> None:
    faulty.add_image([b"right" * 100])
    (blob,) = (digest for digest, data in faulty.blobs.items() if data.startswith(b"right"))
    faulty.blobs[blob] = b"wrong" * 100
    watching = Watching()
    with (
        Client(progress=watching) as client,
        pytest.raises(RegistryError, match="has the digest"),
    ):
        pull(client, f"docker://{faulty.host}/team/app:v", store, Platform.host())
    assert watching.rows[Digest(blob)] == [(500, False)]
    assert Digest(blob) in watching.ends
