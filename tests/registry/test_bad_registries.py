"""What a registry can do wrong: one clear message each, no partial image, and an intact store."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from hermes.digest import Digest, canonical_json
from hermes.errors import BuildInterrupted, HermesError, ImageError, RegistryError, UsageError
from hermes.image.descriptor import IMAGE_INDEX, IMAGE_MANIFEST, Descriptor
from hermes.image.platform import Platform
from hermes.registry.client import Client, parse_name
from hermes.registry.pull import Pulled, pull
from hermes.registry.push import Job, push
from hermes.registry.settings import Registries, RegistrySettings
from hermes.store import Store
from tests.conftest import Sandbox
from tests.registry.faulty import FaultyRegistry, answers, endless, hang_up, short
from tests.registry.servers import Web, reply, write_auth

AMD64 = Platform("linux", "amd64")


def layer(size: int) -> bytes:
    """A tar archive of one file with random bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("file")
        info.size = size
        archive.addfile(info, io.BytesIO(os.urandom(size)))
    return buffer.getvalue()


@pytest.fixture
def faulty() -> Iterator[FaultyRegistry]:
    registry = FaultyRegistry()
    with registry.web:
        yield registry


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(jobs=2) as found:
        yield found


def take(client: Client, faulty: FaultyRegistry, store: Store, reference: str = ":v") -> Pulled:
    return pull(client, parse_name(f"docker://{faulty.host}/team/app{reference}"), store, AMD64)


def refused(
    client: Client, faulty: FaultyRegistry, store: Store, kind: type[HermesError] = RegistryError
) -> str:
    """The message of a pull that fails; the store must then hold no image and nothing half."""
    with pytest.raises(kind) as error:
        take(client, faulty, store)
    for entry in os.scandir(store.blobs.folder):
        assert store.blobs.verify(Digest.from_hex(entry.name))
    assert not [one for one in os.scandir(store.home / "tmp") if list(os.scandir(one.path))]
    return str(error.value)


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
    assert take(client, faulty, store).manifest.digest == digest


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
        (b"[]", "is no manifest"),
        (b"{}", "is no manifest of an image"),
        (b'{"schemaVersion": 1}', "schema version 1"),
        (b"[" * 100_000, "not JSON"),
        (b'{"manifests": 3, "mediaType": "%s"}' % IMAGE_INDEX.encode(), "no index of images"),
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
    assert "its configuration has more than 8 MiB" in refused(client, faulty, store, ImageError)


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


def test_a_download_that_is_always_cut_ends(client: Client, faulty: FaultyRegistry, store: Store) -> None:
    data = layer(3000)
    faulty.add_image([data])
    faulty.faults[f"/blobs/{Digest.of(data)}"] += [short(data, 0)] * 20
    assert f"the connection ended after 0 of {len(data)} bytes" in refused(client, faulty, store)


def test_a_redirect_in_a_circle(client: Client, faulty: FaultyRegistry, store: Store) -> None:
    faulty.faults["/manifests"] += [answers(307, Location="/v2/team/app/manifests/v")] * 20
    assert "redirects in a circle" in refused(client, faulty, store)


def test_a_redirect_to_another_host_goes_without_the_credential(
    client: Client, faulty: FaultyRegistry, store: Store, auth_file: Path
) -> None:
    data = layer(1000)
    faulty.add_image([data])
    write_auth(auth_file, faulty.host)
    with Web(lambda handler: reply(handler, 200, data)) as storage:
        challenge = answers(401, WWW_Authenticate='Basic realm="x"')
        faulty.faults["/v2/"] += [challenge]
        faulty.faults[f"/blobs/{Digest.of(data)}"] += [
            answers(307, Location=f"http://{storage.host}/signed?x=1")
        ]
        take(client, faulty, store)
        assert [path for _, path, _ in storage.seen] == ["/signed?x=1"]
        assert "Authorization" not in storage.seen[0][2]
    assert "Authorization" in faulty.asked("/manifests")[0][1]


def test_a_redirect_of_what_is_written_to_another_host(
    client: Client, faulty: FaultyRegistry, store: Store
) -> None:
    faulty.faults["POST"] += [answers(307, Location="http://127.0.0.1:1/v2/")]
    with pytest.raises(RegistryError, match=r"redirects what is written"):
        push(client, store, [Job(image_in(store, 100), f"{faulty.host}/app", ("v",))])
    assert "v" not in faulty.manifests


def test_a_redirect_away_from_tls(
    certificates: dict[str, Path], store: Store, faulty: FaultyRegistry
) -> None:
    secure = FaultyRegistry((certificates["server.pem"], certificates["server.key"]))
    with secure.web:
        settings = Registries(((secure.host, RegistrySettings(ca=str(certificates["ca.pem"]))),))
        with Client(settings) as client:
            secure.faults["/manifests"] += [answers(307, Location=f"http://{faulty.host}/v2/x")]
            assert "without TLS" in refused(client, secure, store)
            secure.faults["/manifests"] += [answers(307, Location="file:///etc/passwd")]
            assert "no address of a registry" in refused(client, secure, store)
    assert not faulty.web.seen


def test_a_token_that_has_expired_is_renewed(
    client: Client, faulty: FaultyRegistry, store: Store, auth_file: Path
) -> None:
    faulty.add_image([layer(100)])
    write_auth(auth_file, faulty.host)
    given = iter(["one", "two", "three"])

    def token(handler: object) -> None:
        reply(handler, 200, json.dumps({"token": next(given), "expires_in": 300}).encode())

    with Web(token) as server:
        header = f'Bearer realm="http://{server.host}/t",service="s",scope="repository:team/app:pull"'
        expired = answers(401, b"", WWW_Authenticate=f'{header},error="invalid_token"')
        faulty.faults["/v2/"] += [answers(401, WWW_Authenticate=header)]
        faulty.faults["/blobs/"] += [expired]
        take(client, faulty, store)
        assert len(server.seen) == 2
        assert "service=s" in server.seen[0][1]
        assert "Basic" in server.seen[0][2]["Authorization"]
    assert {row[1]["Authorization"] for row in faulty.asked("/blobs/")} == {"Bearer one", "Bearer two"}


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (401, b'{"details": "who are you?"}', "who are you?"),
        (403, b"<html>", "denies access"),
        (200, b"<html>", "gave no token"),
        (200, b"{}", "gave no token"),
        (200, b'{"token": "a\\nb"}', "gave no token"),
        (200, b"x" * 500_000, "gave no token"),
    ],
)
def test_a_token_server_that_refuses(
    client: Client, faulty: FaultyRegistry, store: Store, status: int, body: bytes, says: str
) -> None:
    with Web(lambda handler: reply(handler, status, body)) as server:
        header = f'Bearer realm="http://{server.host}/t",service="s"'
        faulty.faults["/v2/"] += [answers(401, WWW_Authenticate=header)]
        assert says in refused(client, faulty, store)


def test_a_token_server_elsewhere_without_tls_gets_no_credential(
    certificates: dict[str, Path], store: Store, auth_file: Path
) -> None:
    secure = FaultyRegistry((certificates["server.pem"], certificates["server.key"]))
    with secure.web, Web(lambda handler: reply(handler, 200, b"{}")) as thief:
        write_auth(auth_file, secure.host)
        settings = Registries(((secure.host, RegistrySettings(ca=str(certificates["ca.pem"]))),))
        with Client(settings) as client:
            header = f'Bearer realm="http://{thief.host}/t"'
            secure.faults["/v2/"] += [answers(401, WWW_Authenticate=header)]
            assert "without TLS" in refused(client, secure, store)
        assert not thief.seen


def test_a_denied_push_names_nothing(client: Client, faulty: FaultyRegistry, store: Store) -> None:
    faulty.faults["PUT"] += [answers(403, b'{"errors": [{"code": "DENIED", "message": "read only"}]}')] * 9
    with pytest.raises(RegistryError, match=r"DENIED: read only"):
        push(client, store, [Job(image_in(store, 100), f"{faulty.host}/app", ("v",))])
    assert not faulty.manifests


def image_in(store: Store, *sizes: int) -> Descriptor:
    """An image in the store."""
    source = FaultyRegistry()
    digest = Digest(source.add_image([layer(size) for size in sizes]))
    for data in source.blobs.values():
        store.blobs.put(data)
    data, kind = source.manifests[digest]
    return Descriptor(kind, store.blobs.put(data), len(data))


def cut_after(faulty: FaultyRegistry, count: int):
    """Keep ``count`` bytes of what is sent, and hang up."""

    def answer(handler: object) -> None:
        name = handler.path.partition("?")[0].rpartition("/")[2]
        faulty.uploads[name] += handler.rfile.read(count)
        faulty.received += count
        handler.close_connection = True

    return answer


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


def test_a_slow_registry(
    client: Client, faulty: FaultyRegistry, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hermes.registry.endpoint._TIMEOUT", (1, 0.1))
    data = layer(1_000_000)
    digest = faulty.add_image([data])

    def slow(handler: object) -> None:
        time.sleep(0.4)
        handler.close_connection = True

    def stalls(handler: object) -> None:
        short(data, 300_000)(handler)
        time.sleep(0.4)

    faulty.faults["/manifests"] += [slow] * 5
    assert "cannot be reached: nothing came for 0.1 seconds" in refused(client, faulty, store)
    faulty.faults["/manifests"] += [slow]
    faulty.faults[f"/blobs/{Digest.of(data)}"] += [stalls]
    assert take(client, faulty, store).manifest.digest == digest
    assert faulty.asked(f"/blobs/{Digest.of(data)}")[-1][1]["Range"] == "bytes=262144-"


def test_proxies_of_the_environment(
    faulty: FaultyRegistry, store: Store, monkeypatch: pytest.MonkeyPatch, auth_file: Path
) -> None:
    digest = faulty.add_image([layer(100)])
    asked = []

    def proxy(handler: object) -> None:
        asked.append(f"{handler.command} {handler.path}")
        if handler.command == "CONNECT":
            reply(handler, 405)
            return
        handler.path = handler.path.removeprefix("http://registry.test:5000")
        faulty.web.answer(handler)

    (auth_file.parent / ".netrc").write_text("machine registry.test login me password secret")
    monkeypatch.setenv("NETRC", str(auth_file.parent / ".netrc"))
    settings = Registries((("registry.test:5000", RegistrySettings(insecure=True)),))
    with Web(proxy) as web, Client(settings) as client:
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://{web.host}")
        monkeypatch.delenv("no_proxy", raising=False)
        name = parse_name("docker://registry.test:5000/team/app:v")
        assert pull(client, name, store, AMD64).manifest.digest == digest
        assert "GET http://registry.test:5000/v2/team/app/manifests/v" in asked
        assert not [one for one in web.seen if "Authorization" in one[2]]


def test_what_was_cancelled_gives_up(faulty: FaultyRegistry, store: Store) -> None:
    faulty.add_image([layer(100)])
    with Client() as client:
        client.cancelled.set()
        with pytest.raises(BuildInterrupted):
            take(client, faulty, store)


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


def test_a_mirror_is_asked_first_and_the_registry_where_it_fails(
    faulty: FaultyRegistry, store: Store
) -> None:
    data, other = layer(1000), layer(2000)
    mirror = FaultyRegistry()
    digest = faulty.add_image([data, other])
    with mirror.web:
        mirror.add_image([data, other])
        settings = Registries(((f"{faulty.host}/team", RegistrySettings(mirrors=(f"{mirror.host}/copy",))),))
        del mirror.blobs[Digest.of(other)]
        with Client(settings) as client:
            assert take(client, faulty, store).manifest.digest == digest
        assert mirror.asked("GET /v2/copy/app/manifests/v")
        assert not faulty.asked("/manifests")
        assert [line for line, _ in faulty.asked("/blobs/")] == [f"GET /v2/team/app/blobs/{Digest.of(other)}"]


def test_a_mirror_that_is_down_does_not_matter(faulty: FaultyRegistry, store: Store) -> None:
    digest = faulty.add_image([layer(100)])
    settings = Registries(((faulty.host, RegistrySettings(mirrors=("127.0.0.1:1",))),))
    with Client(settings) as client:
        assert take(client, faulty, store).manifest.digest == digest


def test_a_blocked_registry_is_not_asked(faulty: FaultyRegistry, store: Store) -> None:
    settings = Registries(((f"{faulty.host}/team", RegistrySettings(blocked=True)),))
    with Client(settings) as client:
        with pytest.raises(RegistryError, match=r"is blocked"):
            take(client, faulty, store)
        with pytest.raises(RegistryError, match=r"is blocked"):
            push(client, store, [Job(image_in(store, 1), f"{faulty.host}/team/x", ("v",))])
    assert not faulty.web.seen


def test_what_is_no_image_is_refused(client: Client, faulty: FaultyRegistry, store: Store) -> None:
    faulty.add_image([layer(100)])
    data, kind = faulty.manifests["v"]
    foreign = data.replace(b"oci.image.layer.v1.tar", b"oci.image.layer.nondistributable.v1.tar")
    faulty.manifests["v"] = foreign, kind
    assert "may not be distributed" in refused(client, faulty, store, ImageError)
    faulty.manifests["v"] = data.replace(b"image.config.v1+json", b"empty.v1+json"), kind
    assert "no image but an artifact" in refused(client, faulty, store, ImageError)


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
    name = parse_name(f"docker://{faulty.host}/team/app:v")
    with pytest.raises(UsageError, match=r"there is linux/amd64"):
        pull(client, name, store, Platform("linux", "arm64"))


def test_an_image_whose_layers_do_not_fit_its_configuration(
    client: Client, faulty: FaultyRegistry, store: Store
) -> None:
    faulty.add_image([layer(100)], diff_ids=[])
    faulty.add_image([layer(100)], "v", [Digest.of(b"1"), Digest.of(b"2")])
    assert "differ in their layers" in refused(client, faulty, store, ImageError)


# Lists.


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
    from hermes.registry.endpoint import NotThere

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
