"""Where credentials come from, and whose they are."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from hermes.errors import RegistryError
from hermes.registry.credential import Credential
from hermes.registry.credentials import Credentials


def encoded(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def write(path: Path, document: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path / "me"), "XDG_RUNTIME_DIR": str(tmp_path / "run")}


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that answers as a credential helper and notes what it was asked."""
    program = tmp_path / "bin/docker-credential-vault"
    write(
        program,
        '#!/bin/sh\nread server\necho "$1 $server" >> "$0.asked"\n'
        "case $server in\n"
        "none*) echo credentials not found in native keychain; exit 1;;\n"
        "broken*) echo the vault is locked; exit 1;;\n"
        'token*) echo \'{"ServerURL": "x", "Username": "<token>", "Secret": "t"}\';;\n'
        "odd*) echo no JSON;;\n"
        '*) echo \'{"ServerURL": "x", "Username": "u", "Secret": "s"}\';;\nesac\n',
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return program


def test_files_are_read_in_their_order(tmp_path: Path, env: dict[str, str]) -> None:
    places = [
        tmp_path / "run/containers/auth.json",
        tmp_path / "me/.config/containers/auth.json",
        tmp_path / "me/.docker/config.json",
    ]
    for number, path in reversed(list(enumerate(places))):
        write(
            path, {"auths": {"a.example": encoded("u", str(number)), f"{number}.example": encoded("v", "p")}}
        )
        found = Credentials(env).find("a.example/x")
        assert found == Credential("u", str(number))
    assert Credentials(env).find("2.example/x") == Credential("v", "p")
    assert Credentials(env).find("3.example/x") is None


def test_a_named_file_is_the_only_one(tmp_path: Path, env: dict[str, str]) -> None:
    write(tmp_path / "me/.docker/config.json", {"auths": {"a.example": encoded("u", "p")}})
    env["REGISTRY_AUTH_FILE"] = str(write(tmp_path / "mine.json", {"auths": {}}))
    assert Credentials(env).find("a.example/x") is None
    del env["REGISTRY_AUTH_FILE"]
    env["DOCKER_CONFIG"] = str(tmp_path / "elsewhere")
    assert Credentials(env).find("a.example/x") is None


def test_the_longest_part_of_a_name_counts(tmp_path: Path, env: dict[str, str]) -> None:
    auths = {
        "a.example": encoded("host", "1"),
        "a.example/team": encoded("team", "2"),
        "a.example/team/app": encoded("app", "3"),
    }
    write(tmp_path / "me/.docker/config.json", {"auths": auths})
    find = Credentials(env).find
    users = {
        name: found.username
        for name in ("a.example/x", "a.example/team/x", "a.example/team/app", "a.example/teams")
        if (found := find(name))
    }
    assert users == {
        "a.example/x": "host",
        "a.example/team/x": "team",
        "a.example/team/app": "app",
        "a.example/teams": "host",
    }


def test_a_credential_is_for_its_host_only(tmp_path: Path, env: dict[str, str]) -> None:
    write(tmp_path / "me/.docker/config.json", {"auths": {"a.example": encoded("u", "p")}})
    for name in ("a.example.evil/x", "b.a.example/x", "a.example:5000/x", "example/x"):
        assert Credentials(env).find(name) is None


@pytest.mark.parametrize("key", ["https://index.docker.io/v1/", "docker.io", "https://registry-1.docker.io"])
def test_docker_hub_has_several_names(tmp_path: Path, env: dict[str, str], key: str) -> None:
    write(tmp_path / "me/.docker/config.json", {"auths": {key: encoded("u", "p")}})
    assert Credentials(env).find("docker.io/library/debian") == Credential("u", "p")


def test_a_password_may_have_colons_and_is_never_shown(tmp_path: Path, env: dict[str, str]) -> None:
    write(tmp_path / "me/.docker/config.json", {"auths": {"a.example": encoded("u", "p:q:r")}})
    found = Credentials(env).find("a.example/x")
    assert found is not None
    assert found.password == "p:q:r"
    assert "p:q" not in repr(found)


def test_an_identity_token(tmp_path: Path, env: dict[str, str]) -> None:
    row = {**encoded("u", ""), "identitytoken": "t"}
    write(tmp_path / "me/.docker/config.json", {"auths": {"a.example": row}})
    assert Credentials(env).find("a.example/x") == Credential("u", "", "t")


def test_helpers_are_asked_once(tmp_path: Path, env: dict[str, str], helper: Path) -> None:
    document = {"credHelpers": {"a.example": "vault", "token.example": "vault", "none.example": "vault"}}
    write(tmp_path / "me/.docker/config.json", document)
    credentials = Credentials(env)
    for _ in range(2):
        assert credentials.find("a.example/x") == Credential("u", "s")
    assert credentials.find("token.example/x") == Credential("", "", "t")
    assert credentials.find("none.example/x") is None
    assert credentials.find("b.example/x") is None
    asked = Path(f"{helper}.asked").read_text().splitlines()
    assert asked == ["get a.example", "get token.example", "get none.example"]


def test_a_store_is_asked_for_every_host(tmp_path: Path, env: dict[str, str], helper: Path) -> None:
    write(tmp_path / "me/.docker/config.json", {"credsStore": "vault", "auths": {"a.example": {}}})
    assert Credentials(env).find("a.example/x") == Credential("u", "s")
    assert Credentials(env).find("docker.io/library/x") == Credential("u", "s")
    assert "get https://index.docker.io/v1/" in Path(f"{helper}.asked").read_text()


def test_an_empty_helper_says_that_the_file_has_the_credential(
    tmp_path: Path, env: dict[str, str], helper: Path
) -> None:
    auths = {"a.example": encoded("a", "b"), "c.example": encoded("c", "d")}
    document = {"credsStore": "vault", "credHelpers": {"a.example": "", "b.example": ""}, "auths": auths}
    write(tmp_path / "me/.docker/config.json", document)
    assert Credentials(env).find("a.example/x") == Credential("a", "b")
    assert Credentials(env).find("b.example/x") is None
    assert not helper.with_name(f"{helper.name}.asked").exists()


def test_a_credential_may_be_in_several_lines(tmp_path: Path, env: dict[str, str]) -> None:
    """As base64(1) writes one that is long."""
    text = base64.encodebytes(b"user:" + b"p" * 100).decode()
    assert text.count("\n") > 1
    write(tmp_path / "me/.docker/config.json", {"auths": {"a.example": {"auth": text}}})
    assert Credentials(env).find("a.example/x") == Credential("user", "p" * 100)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("{", "is not JSON"),
        ("[]", "holds no credentials"),
        ({"auths": {"a.example": {"auth": "%%%"}}}, "a credential is damaged"),
        (
            {"auths": {"a.example": {"auth": base64.b64encode(b"nocolon").decode()}}},
            "a credential is damaged",
        ),
        ({"credHelpers": {"a.example": "../../evil"}}, "invalid name of a credential helper"),
        ({"credHelpers": {"a.example": "absent"}}, "docker-credential-absent, which is not installed"),
        ({"credHelpers": {"broken.example": "vault"}}, "the vault is locked"),
        ({"credHelpers": {"odd.example": "vault"}}, "something else than a credential"),
    ],
)
def test_what_cannot_be_used_is_an_error(
    tmp_path: Path, env: dict[str, str], helper: Path, document: object, says: str
) -> None:
    write(tmp_path / "me/.docker/config.json", document)
    name = (
        next(iter(document["credHelpers"]))
        if isinstance(document, dict) and "credHelpers" in document
        else "a.example"
    )
    with pytest.raises(RegistryError) as error:
        Credentials(env).find(f"{name}/x")
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("store", "host", "problem"),
    [
        ("absent", "a.example", "docker-credential-absent, which is not installed"),
        ("../../evil", "a.example", "invalid name of a credential helper"),
        ("vault", "broken.example", "the vault is locked"),
        ("vault", "odd.example", "something else than a credential"),
        ("vault", "none.example", ""),
    ],
)
def test_a_store_that_fails_has_no_credential(
    tmp_path: Path, env: dict[str, str], helper: Path, store: str, host: str, problem: str
) -> None:
    """It stands for all hosts, most of which need none; where one refuses, the problem is told."""
    write(tmp_path / "run/containers/auth.json", {"credsStore": store})
    credentials = Credentials(env)
    for _ in range(2):
        assert credentials.find(f"{host}/x") is None
        assert problem in credentials.problem(f"{host}/y")
    if not problem:
        assert credentials.problem(f"{host}/y") == ""
    if store == "vault":
        assert len(Path(f"{helper}.asked").read_text().splitlines()) == 1
    assert credentials.problem("other.example/x") == ""


def test_what_another_file_has_counts_where_a_store_fails(
    tmp_path: Path, env: dict[str, str], helper: Path
) -> None:
    write(tmp_path / "run/containers/auth.json", {"credsStore": "absent"})
    write(tmp_path / "me/.docker/config.json", {"auths": {"a.example": encoded("a", "b")}})
    assert Credentials(env).find("a.example/x") == Credential("a", "b")


def test_a_helper_of_one_host_that_fails_is_an_error_beside_a_store_that_fails(
    tmp_path: Path, env: dict[str, str], helper: Path
) -> None:
    write(
        tmp_path / "me/.docker/config.json", {"credsStore": "absent", "credHelpers": {"a.example": "absent"}}
    )
    credentials = Credentials(env)
    assert credentials.find("b.example/x") is None
    with pytest.raises(RegistryError, match="not installed"):
        credentials.find("a.example/x")
