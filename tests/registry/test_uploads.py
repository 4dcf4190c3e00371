"""What is written to a registry, whatever it does meanwhile: nothing is named that is not there."""

from __future__ import annotations

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from hermes.digest import Digest, canonical_json
from hermes.errors import RegistryError
from hermes.image.descriptor import IMAGE_MANIFEST
from hermes.registry.client import Client
from hermes.registry.push import Job, push
from hermes.store import Store
from tests.conftest import Sandbox
from tests.registry.faulty import FaultyRegistry, answers, hang_up
from tests.registry.servers import reply
from tests.registry.taking import cut_after, image_in, layer


def test_a_denied_push_names_nothing(client: Client, faulty: FaultyRegistry, store: Store) -> None:
    faulty.faults["PUT"] += [answers(403, b'{"errors": [{"code": "DENIED", "message": "read only"}]}')] * 9
    with pytest.raises(RegistryError, match=r"DENIED: read only"):
        push(client, store, [Job(image_in(store, 100), f"{faulty.host}/app", ("v",))])
    assert not faulty.manifests


def test_an_upload_goes_on_where_it_was_cut(client: Client, faulty: FaultyRegistry, store: Store) -> None:
    image = image_in(store, 3_000_000)
    size = sum(one["size"] for one in json.loads(store.blobs.read(image.digest))["layers"])
    faulty.faults["PATCH"] += [cut_after(faulty, 1_200_000), cut_after(faulty, 500_000)]
    push(client, store, [Job(image, f"{faulty.host}/app", ("v",))])
    ranges = [headers["Content-Range"] for _, headers in faulty.asked("PATCH")]
    assert ranges == [f"{start}-{size - 1}" for start in (0, 1_200_000, 1_700_000)]
    assert faulty.received < size + 1000
    assert faulty.manifests["v"][0] == store.blobs.read(image.digest)


def test_an_upload_whose_last_answer_is_lost(client: Client, faulty: FaultyRegistry, store: Store) -> None:
    image = image_in(store, 2_000_000)

    def lost(handler: object) -> None:
        name = handler.path.partition("?")[0].rpartition("/")[2]
        data = faulty.uploads.pop(name)
        faulty.blobs[Digest.of(data)] = data
        handler.close_connection = True

    faulty.faults["PUT /v2/app/blobs"] += [lost]
    push(client, store, [Job(image, f"{faulty.host}/app", ("v",))])
    assert faulty.received < 2_100_000


def test_an_upload_in_chunks_where_a_body_may_not_be_larger(
    client: Client, faulty: FaultyRegistry, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hermes.registry.upload._CHUNK", 1 << 20)
    image = image_in(store, 3_000_000)
    faulty.largest_body = 1 << 20
    push(client, store, [Job(image, f"{faulty.host}/app", ("v",))])
    sent = [headers["Content-Length"] for _, headers in faulty.asked("PATCH")]
    assert sent[1:3] == ["1048576"] * 2
    assert len(sent) == 4


def test_an_upload_of_which_the_registry_does_not_say_what_arrived(
    client: Client, faulty: FaultyRegistry, store: Store
) -> None:
    image = image_in(store, 3_000_000)

    def take_it(handler: object) -> None:
        name = handler.path.partition("?")[0].rpartition("/")[2]
        faulty.uploads[name] += handler.rfile.read(int(handler.headers["Content-Length"]))
        del handler.headers["Content-Length"]
        reply(handler, 202, Location=handler.path)

    faulty.faults["PATCH"] += [take_it] * 9
    faulty.faults["GET /v2/app/blobs/uploads/"] += [answers(404)] * 9
    push(client, store, [Job(image, f"{faulty.host}/app", ("v",))])
    assert len(faulty.asked("PATCH")) == 1
    assert "v" in faulty.manifests


def test_an_upload_that_fails_for_good_leaves_no_name(
    client: Client, faulty: FaultyRegistry, store: Store
) -> None:
    image = image_in(store, 2_000_000, 100)
    faulty.faults["PATCH"] += [hang_up] * 50
    with pytest.raises(RegistryError, match=r"the connection ended after 0 of"):
        push(client, store, [Job(image, f"{faulty.host}/app", ("v",))])
    assert not faulty.manifests


def test_a_small_blob_takes_two_requests(client: Client, faulty: FaultyRegistry, store: Store) -> None:
    push(client, store, [Job(image_in(store, 100), f"{faulty.host}/app", ("v",))])
    assert len(faulty.asked("POST")) == len(faulty.asked("PUT /v2/app/blobs")) == 2
    assert not faulty.asked("PATCH")


def test_an_interrupted_push_ends_at_once_though_the_registry_is_stuck(
    images: Sandbox, faulty: FaultyRegistry
) -> None:
    images.build("//app:image")
    stuck = threading.Event()
    faulty.faults["PATCH"] += [lambda _: stuck.wait(50)] * 9
    process = subprocess.Popen(
        [sys.executable, "-m", "hermes", "push", "-q", "//app:image", f"docker://{faulty.host}/app:v"],
        cwd=images.root,
        env={**os.environ, "HERMES_HOME": str(images.home)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while not faulty.asked("PATCH"):
            time.sleep(0.05)
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
        assert time.monotonic() - started < 5
        assert process.returncode == 130
        assert said.strip() == "interrupted"
        assert not faulty.manifests
        assert not list((images.home / "tmp").iterdir())
    finally:
        stuck.set()
        process.kill()
        process.wait()


@pytest.mark.parametrize("reads", [True, False])
def test_a_registry_that_stalls_while_it_is_written_to_is_given_up(
    client: Client, faulty: FaultyRegistry, store: Store, monkeypatch: pytest.MonkeyPatch, reads: bool
) -> None:
    monkeypatch.setattr("hermes.registry.pace.CONNECTING", 0.5)
    monkeypatch.setattr("hermes.registry.endpoint._WRITTEN", 0.5)
    over = threading.Event()

    def stall(handler: http.server.BaseHTTPRequestHandler) -> None:
        if reads:
            handler.rfile.read(int(handler.headers["Content-Length"]))
        over.wait(20)
        handler.close_connection = True

    faulty.faults["PATCH"] += [stall] * 9
    faulty.faults["PUT /v2/app/blobs"] += [stall] * 9
    image = image_in(store, 30_000_000)
    try:
        with pytest.raises(RegistryError, match="the connection ended after"):
            push(client, store, [Job(image, f"{faulty.host}/app", ("v",))])
    finally:
        over.set()
    assert len(faulty.asked("PATCH")) <= 2 * 2


def test_tags_come_in_pages(client: Client, faulty: FaultyRegistry) -> None:
    for number in range(5):
        faulty.add_image([layer(1)], f"t{number}")
    repository = client.repository(f"{faulty.host}/app")
    assert list(repository.tags()) == [f"t{number}" for number in range(5)]
    assert len(faulty.asked("/tags/list")) == 3
    faulty.faults["/tags/"] += [answers(200, b"{}", Link="</v2/app/tags/list>; rel=next")] * 3
    with pytest.raises(RegistryError, match=r"in a circle"):
        list(repository.tags())
    faulty.faults["/tags/"] += [answers(200, b"{}", Link='<http://elsewhere.example/>; rel="next"')]
    with pytest.raises(RegistryError, match=r"elsewhere"):
        list(repository.tags())


@pytest.mark.parametrize("has_referrers", [True, False])
def test_referrers(client: Client, faulty: FaultyRegistry, has_referrers: bool) -> None:
    faulty.has_referrers = has_referrers
    digest = Digest(faulty.add_image([layer(1)]))
    repository = client.repository(f"{faulty.host}/app", writing=True)
    subject = {"digest": digest, "mediaType": IMAGE_MANIFEST, "size": len(faulty.manifests["v"][0])}
    empty = {"digest": Digest.of(b"{}"), "mediaType": "application/vnd.oci.empty.v1+json", "size": 2}
    made = {}
    for kind in ("text/one", "text/two"):
        document = {"artifactType": kind, "config": empty, "layers": [empty], "mediaType": IMAGE_MANIFEST,
                    "schemaVersion": 2, "subject": subject, "annotations": {"kind": kind}}  # fmt: skip
        data = canonical_json(document)
        repository.put_manifest(Digest.of(data), data, IMAGE_MANIFEST)
        repository.put_manifest(Digest.of(data), data, IMAGE_MANIFEST)
        made[kind] = Digest.of(data)
    assert {one["digest"] for one in repository.referrers(digest)} == set(made.values())
    assert [one["digest"] for one in repository.referrers(digest, "text/two")] == [made["text/two"]]
    assert (f"sha256-{digest.hex}" in faulty.manifests) != has_referrers
    assert list(repository.referrers(Digest.of(b"other"))) == []


def test_deleting(client: Client, faulty: FaultyRegistry) -> None:
    from hermes.registry.answers import NotThere

    data = layer(1)
    digest = Digest(faulty.add_image([data]))
    repository = client.repository(f"{faulty.host}/app")
    repository.delete_manifest("v")
    repository.delete_manifest(digest)
    repository.delete_blob(Digest.of(data))
    assert repository.manifest_digest(digest) is None
    assert not repository.has_blob(Digest.of(data))
    with pytest.raises(NotThere):
        repository.delete_manifest("v")
    faulty.faults["DELETE"] += [answers(405)]
    with pytest.raises(RegistryError, match=r"does not let anything be deleted"):
        repository.delete_manifest("v")
