"""Whom a request goes to: redirects, token servers, mirrors and proxies, and where a credential goes along."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

import pytest

from hermes.digest import Digest
from hermes.errors import RegistryError
from hermes.registry.client import Client
from hermes.registry.endpoint import ATTEMPTS
from hermes.registry.push import Job, push
from hermes.registry.settings import Registries, RegistrySettings
from hermes.store import Store
from tests.registry.faulty import FaultyRegistry, answers
from tests.registry.servers import Web, reply, write_auth
from tests.registry.taking import AMD64, image_in, layer, pull, refused, take


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
            assert "not the URL of a registry" in refused(client, secure, store)
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


def test_a_token_is_renewed_of_a_host_in_upper_case(faulty: FaultyRegistry, store: Store) -> None:
    digest = faulty.add_image([layer(100)])
    host = faulty.host.replace("127.0.0.1", "LOCALHOST")
    given = iter(["one", "two", "three"])
    with Web(lambda handler: reply(handler, 200, json.dumps({"token": next(given)}).encode())) as server:
        challenge = answers(401, WWW_Authenticate=f'Bearer realm="http://{server.host}/t"')
        faulty.faults["/v2/"] += [challenge]
        faulty.faults["/blobs/"] += [challenge]
        with Client(Registries(((host, RegistrySettings(insecure=True)),))) as client:
            found = pull(client, f"docker://{host}/team/app:v", store, AMD64)
    assert found.descriptor.digest == digest


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
        name = "docker://registry.test:5000/team/app:v"
        assert pull(client, name, store, AMD64).descriptor.digest == digest
        assert "GET http://registry.test:5000/v2/team/app/manifests/v" in asked
        assert not [one for one in web.seen if "Authorization" in one[2]]


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
            assert take(client, faulty, store).descriptor.digest == digest
        assert mirror.asked("GET /v2/copy/app/manifests/v")
        assert not faulty.asked("/manifests")
        assert [line for line, _ in faulty.asked("/blobs/")] == [f"GET /v2/team/app/blobs/{Digest.of(other)}"]


def test_a_mirror_that_is_down_does_not_matter(faulty: FaultyRegistry, store: Store) -> None:
    digest = faulty.add_image([layer(100)])
    settings = Registries(((faulty.host, RegistrySettings(mirrors=("127.0.0.1:1",))),))
    with Client(settings) as client:
        assert take(client, faulty, store).descriptor.digest == digest


def test_a_blocked_registry_is_not_asked(faulty: FaultyRegistry, store: Store) -> None:
    settings = Registries(((f"{faulty.host}/team", RegistrySettings(blocked=True)),))
    with Client(settings) as client:
        with pytest.raises(RegistryError, match=r"is blocked"):
            take(client, faulty, store)
        with pytest.raises(RegistryError, match=r"is blocked"):
            push(client, store, [Job(image_in(store, 1), f"{faulty.host}/team/x", ("v",))])
    assert not faulty.web.seen


def test_a_host_where_nobody_answers_is_tried_a_few_times(store: Store) -> None:
    calls = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                calls.append(1)
                connection.close()

        threading.Thread(target=hang_up, daemon=True).start()
        host = f"127.0.0.1:{server.getsockname()[1]}"
        with Client() as client:
            for _ in range(2):
                with pytest.raises(RegistryError, match=f"{host} cannot be reached"):
                    pull(client, f"docker://{host}/app:v", store, AMD64)
        server.shutdown(socket.SHUT_RDWR)
    assert len(calls) == 1 + ATTEMPTS, "once without TLS, then with it; and never again"


def test_a_host_that_nobody_knows(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with Client() as client, pytest.raises(RegistryError) as raised:
        pull(client, "docker://nowhere.invalid/app:v", store, AMD64)
    assert "nowhere.invalid cannot be reached" in raised.value.message
    assert raised.value.message.count("(") == raised.value.message.count(")")


@pytest.mark.parametrize("place", ["http://[x", "http://127.0.0.1:port/", "//[", "http://127.0.0.1:99999/x"])
def test_addresses_that_are_none(
    client: Client, faulty: FaultyRegistry, store: Store, place: str, auth_file: Path
) -> None:
    digest = Digest.of(b"x")
    faulty.faults["/manifests"] += [answers(307, Location=place)]
    refused(client, faulty, store)
    for method in ("POST", "PATCH"):
        faulty.faults[method] += [answers(202, Location=place, Range="0-99")]
        with pytest.raises(RegistryError):
            push(client, store, [Job(image_in(store, 2 << 20), f"{faulty.host}/app", ("v",))])
        assert "v" not in faulty.manifests
    faulty.faults["/tags/list"] += [answers(200, b'{"tags": ["a"]}', Link=f'<{place}>; rel="next"')]
    with pytest.raises(RegistryError):
        list(client.repository(f"{faulty.host}/app").tags())
    faulty.faults["/referrers"] += [answers(200, b'{"manifests": []}', Link=f'<{place}>; rel="next"')]
    with pytest.raises(RegistryError):
        list(client.repository(f"{faulty.host}/app").referrers(digest))
    faulty.faults["/manifests"] += [answers(401, WWW_Authenticate=f'Bearer realm="{place}",service="x"')]
    refused(client, faulty, store)


def test_a_host_whose_name_cannot_be_one(client: Client, faulty: FaultyRegistry, store: Store) -> None:
    name = f"{'a' * 64}.example"
    with pytest.raises(RegistryError, match="too long"):
        pull(client, f"docker://{name}/app:v", store, AMD64)
    faulty.faults["/manifests"] += [answers(307, Location=f"http://{name}/")]
    assert "too long" in refused(client, faulty, store)
