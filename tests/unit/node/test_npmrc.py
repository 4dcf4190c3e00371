"""What npm is configured with, and the addresses that this makes of a lock's."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermes.errors import FetchError, WorkspaceError
from hermes.node.npmrc import NpmSources, machine_sources
from hermes.node.registry import NpmRegistry

LOCKED = "https://public.example.org/@s/a/-/a-1.0.0.tgz"


def sources(tmp_path: Path, npmrc: str = "", workspace: str | None = None, **environment: str) -> NpmSources:
    (tmp_path / ".npmrc").write_text(npmrc)
    root = tmp_path / "workspace"
    root.mkdir()
    if workspace is not None:
        (root / ".npmrc").write_text(workspace)
    return machine_sources({"HOME": str(tmp_path), "PREFIX": str(tmp_path / "usr"), **environment}, root)


def test_the_files_and_variables_of_npm_count_in_its_order(tmp_path: Path) -> None:
    (tmp_path / "usr/etc").mkdir(parents=True)
    (tmp_path / "usr/etc/npmrc").write_text("registry=https://global.example.org\ncafile = /ca.pem\n")
    user = (
        "; a comment\nregistry = https://user.example.org/npm/ # another\n@s:registry=https://s.example.org\n"
    )
    found = sources(tmp_path, user)
    assert found.registry == "https://user.example.org/npm/"
    assert (found.ca, found.verified, found.replaced) == ("/ca.pem", True, "npmjs")
    assert (found.registry_of("@s/a"), found.registry_of("a")) == (
        "https://s.example.org",
        "https://user.example.org/npm",
    )


def test_the_workspace_comes_before_the_user_and_a_variable_before_both(tmp_path: Path) -> None:
    given = {"NPM_CONFIG_REPLACE_REGISTRY_HOST": "never", "npm_config_strict_ssl": "false"}
    found = sources(tmp_path, "registry=https://u.example.org", "registry=https://w.example.org", **given)
    assert (found.registry, found.replaced, found.verified) == ("https://w.example.org", "never", False)
    (tmp_path / "other").mkdir()
    found = sources(
        tmp_path / "other", "registry=https://u.example.org", NPM_CONFIG_REGISTRY="https://e.example.org"
    )
    assert found.registry == "https://e.example.org"


def test_credentials_are_those_of_the_longest_path_and_go_nowhere_else(tmp_path: Path) -> None:
    found = sources(
        tmp_path,
        "registry=https://npm.example.org/team/\n"
        "//npm.example.org/team/:_authToken=${TOKEN}\n"
        "//npm.example.org/:username=ada\n"
        "//npm.example.org/:_password=bG92ZWxhY2U=\n"
        "//other.example.org:8443/:_auth=YTpi\n"
        "//absent.example.org/:_authToken=${ABSENT?}\n",
        TOKEN="t0ken",
    )
    assert found.authorization("https://npm.example.org/team/a/-/a-1.0.0.tgz") == "Bearer t0ken"
    assert found.authorization("https://npm.example.org/a.tgz") == "Basic YWRhOmxvdmVsYWNl"
    assert found.authorization("https://other.example.org:8443/a.tgz") == "Basic YTpi"
    assert found.authorization("https://other.example.org/a.tgz") == ""
    assert found.authorization("https://absent.example.org/a.tgz") == ""
    assert "t0ken" not in repr(found)


@pytest.mark.parametrize(
    ("registry", "replaced", "what", "addresses"),
    [
        ("", "npmjs", LOCKED, [LOCKED]),
        ("", "npmjs", "file:///a.tgz", ["file:///a.tgz"]),
        ("http://m.example.org", "npmjs", LOCKED, ["http://m.example.org/@s/a/-/a-1.0.0.tgz", LOCKED]),
        ("http://m.example.org/r/", "always", LOCKED, ["http://m.example.org/r/@s/a/-/a-1.0.0.tgz"]),
        ("http://m.example.org/r", "never", LOCKED, [LOCKED]),
        ("http://m.example.org", "public.example.org", LOCKED, ["http://m.example.org/@s/a/-/a-1.0.0.tgz"]),
        ("http://m.example.org", "other.example.org", LOCKED, [LOCKED]),
        (
            "http://m.example.org/r",
            "https://public.example.org/@s",
            LOCKED,
            ["http://m.example.org/r/a/-/a-1.0.0.tgz"],
        ),
        ("http://m.example.org/@s", "always", LOCKED, ["http://m.example.org/@s/a/-/a-1.0.0.tgz"]),
        ("http://m.example.org/", "npmjs", "@s/a@1.0.0", ["http://m.example.org/@s/a/-/a-1.0.0.tgz"]),
        ("http://m.example.org/", "npmjs", "a@1.0.0-rc.1", ["http://m.example.org/a/-/a-1.0.0-rc.1.tgz"]),
    ],
)
def test_addresses_of_a_lock_lead_to_the_registry_as_npms_do(
    registry: str, replaced: str, what: str, addresses: list[str]
) -> None:
    assert NpmRegistry(NpmSources(registry, replaced=replaced)).addresses(what) == addresses


def test_without_a_registry_and_npm_a_name_has_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FetchError) as error:
        NpmRegistry(NpmSources()).addresses("a@1.0.0")
    assert error.value.message == "no npm registry is known"


def test_a_configuration_that_cannot_be_read_is_one_message(tmp_path: Path) -> None:
    (tmp_path / ".npmrc").mkdir()
    with pytest.raises(WorkspaceError, match=r"npmrc cannot be read: .*directory"):
        machine_sources({"HOME": str(tmp_path), "PREFIX": str(tmp_path)})
