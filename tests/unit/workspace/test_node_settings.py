"""What hermes.yaml says of npm's registries."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermes.build.package_index import npm_sources
from hermes.errors import WorkspaceError
from hermes.workspace.root import read_settings


def test_the_registries_of_the_workspace_come_before_those_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "https://machine.example.org")
    monkeypatch.setenv("NPM_CONFIG_USERCONFIG", str(tmp_path / "npmrc"))
    (tmp_path / "npmrc").write_text(
        "//own.example.org/:_authToken=t0ken\n@m:registry=https://m.example.org\n"
    )
    (tmp_path / "hermes.yaml").write_text(
        'node: {registry: "https://own.example.org/", scopes: {"@s": "https://s.example.org"}}\n'
    )
    found = npm_sources(read_settings(tmp_path, tmp_path / "home"), tmp_path)
    assert [found.registry_of(one) for one in ("a", "@s/a", "@m/a")] == [
        "https://own.example.org",
        "https://s.example.org",
        "https://m.example.org",
    ]
    assert found.authorization("https://own.example.org/a.tgz") == "Bearer t0ken"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("node: [x]", "node must be a mapping with registry and scopes"),
        ("node: {registry: 3}", "node.registry: expected an http, https or file address, got 3"),
        ("node: {registry: npm.example.org}", "node.registry: expected an http, https or file address"),
        ("node: {scopes: {team: 'https://x'}}", "node.scopes must map scopes to registries"),
        (
            "node: {scopes: {'@team': x}}",
            "node.scopes.@team: expected an http, https or file address, got 'x'",
        ),
        ("node: {registries: []}", "registries"),
    ],
)
def test_what_is_wrong_with_them_is_one_message(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "hermes.yaml").write_text(text)
    with pytest.raises(WorkspaceError) as error:
        read_settings(tmp_path, tmp_path / "home")
    assert said in error.value.message
