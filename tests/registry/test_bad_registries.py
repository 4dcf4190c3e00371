"""What a registry can answer wrongly: one clear message each, no partial image, and an intact store."""

from __future__ import annotations

import gzip
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from email.utils import formatdate

import pytest

from hermes.digest import Digest, canonical_json
from hermes.errors import BuildInterrupted, HermesError, ImageError, RegistryError, UsageError
from hermes.image.descriptor import IMAGE_INDEX, IMAGE_MANIFEST
from hermes.image.platform import Platform
from hermes.registry.client import Client
from hermes.store import Store
from tests.conftest import Sandbox
from tests.registry.faulty import Fault, FaultyRegistry, answers, endless, hang_up, short, trickle
from tests.registry.taking import layer, pull, refused, take


def test_a_limit_of_requests_is_waited_for(client: Client, faulty: FaultyRegistry, store: Store) -> None:
    digest = faulty.add_image([layer(100)])
    soon = formatdate(time.time() + 1, usegmt=True)
    faulty.faults["GET /v2/team/app/manifests"] += [
        answers(429, b"slow down", Retry_After="0"),
        answers(429, b"", Retry_After=soon),
        answers(503),
    ]
    faulty.faults["GET /v2/team/app/blobs"] += [
        answers(500),
        answers(502, b"<html>", Content_Type="text/html"),
    ]
    assert take(client, faulty, store).descriptor.digest == digest


def test_a_limit_of_requests_that_lasts_is_an_error(
    client: Client, faulty: FaultyRegistry, store: Store
) -> None:
    faulty.add_image([layer(100)])
    faulty.faults["/manifests"] += [answers(429, b"", Retry_After="0")] * 5
    assert "limits how often it is asked" in refused(client, faulty, store)
    faulty.faults["/manifests"] += [answers(429, b"", Retry_After="3600")]
    assert "asks to wait 3600 seconds" in refused(client, faulty, store)


def test_an_error_of_the_registry_that_lasts_is_an_error(
    client: Client, faulty: FaultyRegistry, store: Store
) -> None:
    faulty.add_image([layer(100)])
    body = b'{"errors": [{"code": "UNKNOWN", "message": "disk on fire"}]}'
    faulty.faults["/manifests"] += [answers(500, body)] * 5
    message = refused(client, faulty, store)
    assert "answered 500 to GET /v2/team/app/manifests/v (UNKNOWN: disk on fire)" in message
    assert len(faulty.asked("/manifests")) == 5


def test_html_instead_of_json(client: Client, faulty: FaultyRegistry, store: Store) -> None:
    faulty.faults["/manifests"] += [answers(200, b"<html>Log in to the hotel", Content_Type="text/html")]
    assert "the answer is text/html, not JSON" in refused(client, faulty, store)
    faulty.faults["/manifests"] += [answers(418, b"<html>no", Content_Type="text/html")]
    assert "answered 418" in refused(client, faulty, store)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"[]", "is not a manifest"),
        (b"{}", "is not the manifest of an image"),
        (b'{"schemaVersion": 1}', "schema version 1"),
        (b"[" * 100_000, "not JSON"),
        (
            b'{"manifests": 3, "mediaType": "%s"}' % IMAGE_INDEX.encode(),
            "the index has no list of manifests",
        ),
        (b'{"config": 1, "layers": [], "schemaVersion": 2}', "descriptor"),
        (
            b'{"config": {"digest": "sha256:no", "mediaType": "x", "size": 1}, "layers": [], "schemaVersion": 2}',
            "digest",
        ),
    ],
)
def test_a_document_that_is_none(
    client: Client, faulty: FaultyRegistry, store: Store, body: bytes, says: str
) -> None:
    faulty.faults["/manifests"] += [answers(200, body, Content_Type="application/json")]
    assert says in refused(client, faulty, store, HermesError)


def test_documents_that_a_proxy_has_compressed(client: Client, faulty: FaultyRegistry, store: Store) -> None:
    digest = faulty.add_image([layer(100)])
    data, kind = faulty.manifests["v"]

    def packed(body: bytes) -> Fault:
        return answers(200, gzip.compress(body), Content_Type=kind, Content_Encoding="gzip")

    faulty.faults["/manifests/"] += [packed(data), packed(bytes(100 << 20))]
    faulty.faults["/tags/"] += [packed(b'{"tags": ["a"]}')]
    assert take(client, faulty, store).descriptor.digest == digest
    assert list(client.repository(f"{faulty.host}/app").tags()) == ["a"]
    assert "more than 4 MiB" in refused(client, faulty, store)


@pytest.mark.parametrize("is_index", [False, True])
def test_a_digest_of_another_algorithm_is_named(
    client: Client, faulty: FaultyRegistry, store: Store, is_index: bool
) -> None:
    faulty.add_image([layer(100)])
    document = json.loads(faulty.manifests["v"][0])
    document["layers"][0]["digest"] = f"sha512:{'0' * 128}"
    if is_index:
        document = {"schemaVersion": 2, "manifests": document["layers"]}
    faulty.manifests["v"] = canonical_json(document), IMAGE_INDEX if is_index else IMAGE_MANIFEST
    said = refused(client, faulty, store, ImageError)
    assert said.startswith(f"docker://{faulty.host}/team/app:v: ")
    assert "0000 is a digest of another algorithm than sha256" in said


def test_a_manifest_that_its_registry_knows_by_another_algorithm(
    client: Client, faulty: FaultyRegistry
) -> None:
    digest = faulty.add_image([layer(100)])
    repository = client.repository(f"{faulty.host}/app")
    for _ in range(2):
        faulty.faults["HEAD"] += [answers(200, Docker_Content_Digest=f"sha512:{'0' * 128}")]
    assert repository.manifest_digest("v") == digest
    del faulty.manifests["v"]
    assert repository.manifest_digest("v") is None


def test_a_manifest_with_another_digest(client: Client, faulty: FaultyRegistry, store: Store) -> None:
    digest = faulty.add_image([layer(100)])
    faulty.add_image([layer(200)], "other")
    faulty.manifests[digest] = faulty.manifests["other"]
    with pytest.raises(RegistryError, match=r"was asked for"):
        take(client, faulty, store, f"@{digest}")
    faulty.faults["/manifests"] += [answers(200, b"{}", Docker_Content_Digest=digest)]
    assert "its registry says" in refused(client, faulty, store)


def test_a_blob_with_another_digest(client: Client, faulty: FaultyRegistry, store: Store) -> None:
    data = layer(100)
    faulty.add_image([data])
    faulty.blobs[Digest.of(data)] = data[::-1]
    assert "is damaged or lies" in refused(client, faulty, store)
    assert not store.blobs.has(Digest.of(data))


def test_a_blob_that_is_too_short_or_too_long(client: Client, faulty: FaultyRegistry, store: Store) -> None:
    data = layer(100)
    faulty.add_image([data])
    faulty.blobs[Digest.of(data)] = data[:-1]
    assert f"has {len(data) - 1} bytes, and should have {len(data)}" in refused(client, faulty, store)
    faulty.blobs[Digest.of(data)] = data + b"x"
    assert f"has {len(data) + 1} bytes, and should have {len(data)}" in refused(client, faulty, store)


def test_an_endless_body(client: Client, faulty: FaultyRegistry, store: Store) -> None:
    data = layer(100)
    faulty.add_image([data])
    faulty.faults[f"/blobs/{Digest.of(data)}"] += [endless]
    assert f"has more than the {len(data)} bytes" in refused(client, faulty, store)
    faulty.faults["/manifests"] += [endless]
    assert "has more than 4 MiB" in refused(client, faulty, store)
    faulty.faults["/manifests"] += [answers(404)]
    faulty.faults["/v2/"] += [endless]
    assert refused(client, faulty, store, UsageError)


def test_a_manifest_of_100_megabytes(client: Client, faulty: FaultyRegistry, store: Store) -> None:
    faulty.faults["/manifests"] += [answers(200, b" " * 100_000_000)]
    assert "has more than 4 MiB" in refused(client, faulty, store)


def test_a_config_that_claims_to_be_huge(client: Client, faulty: FaultyRegistry, store: Store) -> None:
    faulty.add_image([layer(100)])
    data, kind = faulty.manifests["v"]
    document = json.loads(data)
    document["config"]["size"] = 1 << 40
    faulty.manifests["v"] = canonical_json(document), kind
    assert "has 1099511627776 bytes, more than 8 MiB" in refused(client, faulty, store, ImageError)


def test_a_blob_that_is_missing(client: Client, faulty: FaultyRegistry, store: Store) -> None:
    data = layer(100)
    faulty.add_image([data])
    del faulty.blobs[Digest.of(data)]
    assert "does not have it" in refused(client, faulty, store)


def test_no_such_image(client: Client, faulty: FaultyRegistry, store: Store) -> None:
    assert "there is no image" in refused(client, faulty, store, UsageError)


def test_a_registry_that_is_down(client: Client, store: Store, faulty: FaultyRegistry) -> None:
    faulty.web.__exit__()
    try:
        message = refused(client, faulty, store)
    finally:
        faulty.web.__enter__()
    assert "cannot be reached" in message


def test_a_download_goes_on_where_it_was_cut(client: Client, faulty: FaultyRegistry, store: Store) -> None:
    data = layer(3_000_000)
    faulty.add_image([data])
    faulty.faults[f"/blobs/{Digest.of(data)}"] += [short(data, 1_000_000), hang_up]
    take(client, faulty, store)
    ranges = [headers.get("Range") for _, headers in faulty.asked(f"/blobs/{Digest.of(data)}")]
    assert ranges == [None, "bytes=1000000-", "bytes=1000000-"]


def test_a_download_starts_again_where_there_are_no_ranges(
    client: Client, faulty: FaultyRegistry, store: Store
) -> None:
    data = layer(3_000_000)
    faulty.add_image([data])
    faulty.faults[f"/blobs/{Digest.of(data)}"] += [short(data, 1_000_000), answers(200, data)]
    take(client, faulty, store)
    assert store.blobs.verify(Digest.of(data))


@pytest.mark.parametrize("sent", [1, 2_000_000])
def test_a_download_that_is_always_cut_and_starts_again_ends(
    client: Client, faulty: FaultyRegistry, store: Store, sent: int
) -> None:
    """A registry that ignores Range, as one that closes connections after so many bytes."""
    data = layer(3_000_000)
    faulty.add_image([data])
    faulty.faults[f"/blobs/{Digest.of(data)}"] += [short(data, sent)] * 1000
    message = refused(client, faulty, store)
    assert "does not go on where it was cut" in message
    assert len(faulty.asked(f"/blobs/{Digest.of(data)}")) <= 25


def test_a_download_of_a_few_bytes_each_time_ends(
    client: Client, faulty: FaultyRegistry, store: Store
) -> None:
    data = layer(3_000_000)
    faulty.add_image([data])

    def drip(handler: http.server.BaseHTTPRequestHandler) -> None:
        start = int(handler.headers.get("Range", "bytes=0-")[6:-1])
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        handler.send_header("Content-Length", str(len(data) - start))
        handler.end_headers()
        handler.wfile.write(data[start : start + 10])
        handler.close_connection = True

    faulty.faults[f"/blobs/{Digest.of(data)}"] += [drip] * 1000
    assert "the connection ended after 50 of" in refused(client, faulty, store)
    assert len(faulty.asked(f"/blobs/{Digest.of(data)}")) == 5


@pytest.mark.parametrize("where", ["/manifests/v", "/blobs/"])
@pytest.mark.parametrize("length", ["-5", "12x", ""])
def test_a_length_that_cannot_be_is_refused_at_once(
    client: Client, faulty: FaultyRegistry, store: Store, where: str, length: str
) -> None:
    faulty.add_image([layer(3000)])

    def wrong(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", length)
        handler.end_headers()

    faulty.faults[where] += [wrong]
    assert f"answered with an invalid Content-Length: {length!r}" in refused(client, faulty, store)


def endlessly(start: bytes, again: bytes) -> Fault:
    """Send something again and again, until the other side hangs up."""

    def send(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        handler.wfile.write(start)
        while True:
            handler.wfile.write(again * 1000)

    return send


CHUNKED = b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "fault",
    [
        endlessly(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        endlessly(CHUNKED + b"2\r\n{}\r\n0\r\n", b"X: y\r\n"),
        endlessly(b"HTTP/1.1 200 x\r\n", b"X: y\r\n"),
        endlessly(CHUNKED + b"-5\r\n", b"x"),
        endlessly(CHUNKED + b"1;", b"x"),
    ],
    ids=["interim answers", "trailers", "headers", "a chunk of a negative size", "an extension of a chunk"],
)
def test_what_never_ends_is_given_up(
    client: Client, faulty: FaultyRegistry, store: Store, fault: Fault
) -> None:
    faulty.add_image([layer(100)])
    faulty.faults["/manifests"] += [fault] * 9
    refused(client, faulty, store)
    assert len(faulty.asked("/manifests")) <= 5


@pytest.mark.parametrize("status", [403, 404, 418])
def test_a_list_of_tags_that_is_refused_is_one_error(
    client: Client, faulty: FaultyRegistry, status: int
) -> None:
    faulty.faults["/tags/"] += [answers(status)] * 5
    with pytest.raises(RegistryError, match=f"{status}"):
        list(client.repository(f"{faulty.host}/app").tags())


def test_a_repository_that_has_to_be_made_first_is_one_error(client: Client, faulty: FaultyRegistry) -> None:
    """As Artifactory and GitLab answer for a project that is not there."""
    faulty.faults["PUT /v2/team/app/manifests/v"] += [answers(404, b'{"errors": [{"code": "NAME_UNKNOWN"}]}')]
    with pytest.raises(RegistryError, match=r"answered 404 to PUT(.|\n)*hint:.* make team/app there"):
        client.repository(f"{faulty.host}/team/app").put_manifest("v", b"{}", IMAGE_MANIFEST)


def test_a_download_that_is_always_cut_ends(client: Client, faulty: FaultyRegistry, store: Store) -> None:
    data = layer(3000)
    faulty.add_image([data])
    faulty.faults[f"/blobs/{Digest.of(data)}"] += [short(data, 0)] * 20
    assert f"the connection ended after 0 of {len(data)} bytes" in refused(client, faulty, store)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What must come within half a minute must come within half a second."""
    monkeypatch.setattr("hermes.registry.pace.SECONDS", 0.5)


def silent(handler: object) -> None:
    time.sleep(1)
    handler.close_connection = True


@pytest.mark.usefixtures("impatient")
def test_a_registry_that_stalls_is_asked_once_more(
    client: Client, faulty: FaultyRegistry, store: Store
) -> None:
    data = layer(1_000_000)
    digest = faulty.add_image([data])

    def stalls(handler: object) -> None:
        short(data, 300_000)(handler)
        time.sleep(1)

    faulty.faults["/manifests"] += [silent] * 2
    assert "cannot be reached: next to nothing came for 0.5 seconds" in refused(client, faulty, store)
    assert len(faulty.asked("/manifests")) == 2
    faulty.faults["/manifests"] += [silent]
    faulty.faults[f"/blobs/{Digest.of(data)}"] += [stalls]
    assert take(client, faulty, store).descriptor.digest == digest
    assert faulty.asked(f"/blobs/{Digest.of(data)}")[-1][1]["Range"] == "bytes=262144-"


@pytest.mark.usefixtures("impatient")
def test_a_registry_that_never_answered_is_asked_once(
    client: Client, faulty: FaultyRegistry, store: Store
) -> None:
    faulty.add_image([layer(100)])
    faulty.faults["/v2/"] += [silent] * 9
    assert "cannot be reached" in refused(client, faulty, store)
    assert len(faulty.asked("/v2/")) == 1


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("sent", [0, 100_000])
def test_a_registry_that_sends_a_byte_now_and_then_is_given_up(
    client: Client, faulty: FaultyRegistry, store: Store, sent: int
) -> None:
    """Each byte is something, and so no time-out of a socket ends it."""
    data = layer(200_000)
    faulty.add_image([data])
    faulty.faults[f"/blobs/{Digest.of(data)}"] += [trickle(data, sent)] + [trickle(data)] * 9
    assert "next to nothing came for 0.5 seconds" in refused(client, faulty, store)
    assert len(faulty.asked(f"/blobs/{Digest.of(data)}")) <= 3


@pytest.mark.usefixtures("impatient")
def test_headers_that_come_a_byte_now_and_then_are_given_up(
    client: Client, faulty: FaultyRegistry, store: Store
) -> None:
    faulty.add_image([layer(100)])
    faulty.faults["/manifests"] += [trickle(bytes(200), headers=True)] * 9
    assert "next to nothing came for 0.5 seconds" in refused(client, faulty, store)
    assert len(faulty.asked("/manifests")) == 2


def test_what_was_cancelled_gives_up(faulty: FaultyRegistry, store: Store) -> None:
    faulty.add_image([layer(100)])
    with Client() as client:
        client.cancelled.set()
        with pytest.raises(BuildInterrupted):
            take(client, faulty, store)


def test_what_is_no_image_is_refused(client: Client, faulty: FaultyRegistry, store: Store) -> None:
    faulty.add_image([layer(100)])
    data, kind = faulty.manifests["v"]
    foreign = data.replace(b"oci.image.layer.v1.tar", b"oci.image.layer.nondistributable.v1.tar")
    faulty.manifests["v"] = foreign, kind
    assert "may not be distributed" in refused(client, faulty, store, ImageError)
    faulty.manifests["v"] = data.replace(b"image.config.v1+json", b"empty.v1+json"), kind
    assert (
        "is an OCI artifact, not an image (config media type application/vnd.oci.empty.v1+json)"
        in refused(client, faulty, store, ImageError)
    )


@pytest.mark.parametrize(
    "change",
    [
        {"config": [1]},
        {"config": {"Env": "A=1"}},
        {"config": {"Env": [1]}},
        {"config": {"Entrypoint": {"a": 1}}},
        {"config": {"User": 7}},
        {"config": {"Labels": ["a"]}},
        {"history": {"a": 1}},
        {"history": [1]},
        {"rootfs": 1},
        {"rootfs": {"diff_ids": ["sha256:no"]}},
        {"os": 1},
        {"architecture": None},
    ],
)
def test_a_hostile_configuration(
    client: Client, faulty: FaultyRegistry, store: Store, change: dict[str, object]
) -> None:
    faulty.add_image([layer(100)])
    manifest = json.loads(faulty.manifests["v"][0])
    config = {**json.loads(faulty.blobs[manifest["config"]["digest"]]), **change}
    data = canonical_json(config)
    faulty.blobs[Digest.of(data)] = data
    manifest["config"] |= {"digest": Digest.of(data), "size": len(data)}
    faulty.manifests["v"] = canonical_json(manifest), IMAGE_MANIFEST
    message = refused(client, faulty, store, HermesError)
    assert "config" in message or "digest" in message


def test_an_image_for_another_platform(client: Client, faulty: FaultyRegistry, store: Store) -> None:
    faulty.add_image([layer(100)])
    name = f"docker://{faulty.host}/team/app:v"
    with pytest.raises(UsageError, match=r"there is linux/amd64"):
        pull(client, name, store, Platform("linux", "arm64"))


def test_an_image_whose_layers_do_not_fit_its_configuration(
    client: Client, faulty: FaultyRegistry, store: Store
) -> None:
    faulty.add_image([layer(100)], diff_ids=[])
    faulty.add_image([layer(100)], "v", [Digest.of(b"1"), Digest.of(b"2")])
    assert "the manifest has 1 layers, and the image's configuration 2" in refused(
        client, faulty, store, ImageError
    )


# Lists.


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("target", ["file", "base", "ran"])
def test_an_interrupted_build_ends_at_once_though_the_server_is_stuck(
    workspace: Sandbox, faulty: FaultyRegistry, target: str, number: int
) -> None:
    stuck = threading.Event()

    def silent(_: object) -> None:
        stuck.wait(50)

    data = layer(100)
    digest = faulty.add_image([data])
    workspace.write(
        "BUILD",
        f"""
fetch_file(name = "file", urls = ["http://{faulty.host}/file"], sha256 = "{"0" * 64}")
image_pull(name = "base", ref = "{faulty.host}/app:v", digest = "{digest}")
run_layer(name = "ran", base = [":base"], cmd = "true")
""",
    )
    part = {"file": "/file", "base": "/manifests/", "ran": f"/blobs/{Digest.of(data)}"}[target]
    faulty.faults[part] += [silent] * 9
    process = subprocess.Popen(
        [sys.executable, "-m", "hermes", "build", "-q", f"//:{target}"],
        cwd=workspace.root,
        env={**os.environ, "HERMES_HOME": str(workspace.home)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while not faulty.asked(part):
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.05)
        process.send_signal(number)
        _, said = process.communicate(timeout=20)
        assert process.returncode == (130 if number == signal.SIGINT else 128 + number)
        assert said.strip() == "interrupted"
        assert not list((workspace.home / "tmp").iterdir())
    finally:
        stuck.set()
        process.kill()
        process.wait()
