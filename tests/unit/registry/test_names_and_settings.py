"""What names and settings mean, without a registry."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.digest import Digest
from hermes.errors import UsageError, WorkspaceError
from hermes.outbound import is_loopback
from hermes.registry.auth import Challenge, parse_challenges
from hermes.registry.settings import Registries, RegistrySettings
from hermes.transports.docker import parse_name
from hermes.workspace.root import read_settings

DIGEST = Digest.of(b"")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("docker://debian", "docker.io/library/debian:latest"),
        ("docker://team/app:v1", "docker.io/team/app:v1"),
        ("docker://index.docker.io/library/x", "docker.io/library/x:latest"),
        ("docker://localhost/x", "localhost/x:latest"),
        ("docker://r.example:5000/a/b", "r.example:5000/a/b:latest"),
        (f"docker://r.example/a@{DIGEST}", f"r.example/a@{DIGEST}"),
        (f"docker://r.example/a:t@{DIGEST}", f"r.example/a:t@{DIGEST}"),
        ("docker://[::1]:5000/a", "[::1]:5000/a:latest"),
    ],
)
def test_names(text: str, name: str) -> None:
    assert str(parse_name(text)) == name


@pytest.mark.parametrize(
    "text", ["docker://", "docker://UPPER/x", "docker://a/b:", "docker://a.b/c@sha256:1", "docker:x"]
)
def test_wrong_names(text: str) -> None:
    with pytest.raises(UsageError):
        parse_name(text)


def test_the_longest_prefix_counts() -> None:
    team = RegistrySettings(mirrors=("m.example/x", "n.example"))
    registries = Registries((("a.example", RegistrySettings(insecure=True)), ("a.example/team", team)))
    assert registries.of("a.example/other")[1].insecure
    assert registries.of("a.example/teams")[1].insecure
    assert registries.of("a.example/team/app") == ("a.example/team", team)
    assert registries.mirrors_of("a.example/team/app") == ("m.example/x/app", "n.example/app")
    assert registries.of("b.example/x") == ("", RegistrySettings())


def test_this_machine() -> None:
    yes = ["127.0.0.1", "127.1.2.3:5000", "localhost", "localhost:5000", "[::1]", "[::1]:5000"]
    no = ["127.example.org.evil", "localhost.evil", "10.0.0.1", "[::2]:5000"]
    assert [one for one in yes if not is_loopback(one)] == []
    assert [one for one in no if is_loopback(one)] == []


def test_settings_are_read(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    (tmp_path / "hermes.yaml").write_text(
        "registries:\n  r.example:5000/team:\n    ca: ca.pem\n    mirrors: [m.example/x]\n  b.example: {blocked: true}\n"
    )
    found = read_settings(tmp_path, tmp_path / "home").registries
    assert found.of("r.example:5000/team/x")[1] == RegistrySettings(
        ("m.example/x",), ca=str(tmp_path / "ca.pem")
    )
    assert found.of("b.example/x")[1].blocked


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("registries: [a]", "must map HOST"),
        ("registries: {a.example: 1}", "must be a mapping"),
        ("registries: {a.example: {insecur: true}}", "did you mean 'insecure'?"),
        ("registries: {a.example: {insecure: 'yes'}}", "must be true or false"),
        ("registries: {a.example: {ca: none.pem}}", "there is no file"),
        ("registries: {a.example: {mirrors: m.example}}", "must be a list of HOST"),
        ("registries: {a.example: {mirrors: ['https://m.example']}}", "expected HOST[/PREFIX]"),
        ("registries: {'a.example/x:tag': {}}", "expected HOST[/PREFIX]"),
        ("registries: {a.example: {key: hermes.yaml}}", "has a key without a cert"),
    ],
)
def test_wrong_settings(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "hermes.yaml").write_text(text)
    with pytest.raises(WorkspaceError) as error:
        read_settings(tmp_path, tmp_path / "home")
    assert says in str(error.value)


def test_challenges() -> None:
    header = 'Bearer realm="https://t.example/x?a=1,2", service="s", scope="repository:a:pull,push", Basic realm="q\\"r"'
    assert parse_challenges(header) == [
        Challenge(
            "bearer",
            (("realm", "https://t.example/x?a=1,2"), ("service", "s"), ("scope", "repository:a:pull,push")),
        ),
        Challenge("basic", (("realm", 'q"r'),)),
    ]


@given(st.text(max_size=200))
def test_any_challenge_ends(text: str) -> None:
    assert len(parse_challenges(text)) <= len(text)
