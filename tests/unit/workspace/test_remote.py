"""What ``hermes.yaml`` may say of remote services, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hermes.errors import WorkspaceError
from hermes.remote.settings import JOBS, USUAL_PLATFORM
from hermes.workspace.remote import remote_of

FILE = Path("/w/hermes.yaml")


def test_settings_are_those_of_the_file_and_the_usual_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "of ada")
    monkeypatch.delenv("NOBODY", raising=False)
    found = remote_of(
        FILE,
        {
            "executor": "grpc://build.example.com",
            "header_env": {"Authorization": "TOKEN", "x-other": "NOBODY"},
            "tls": {"ca": "ca.pem"},
            "architectures": ["aarch64", "riscv64"],
        },
    )
    assert found.headers == (("authorization", "of ada"),)
    assert found.tls.ca == Path("/w/ca.pem")
    assert found.architectures == ("arm64", "riscv64")
    assert (found.jobs, found.local_fallback, found.upload) == (JOBS, True, True)
    assert found.platform is USUAL_PLATFORM
    assert "ada" not in repr(found)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"cash": "grpc://a"}, "remote.cash is not a setting"),
        ({"tls": {"pem": "a"}}, "remote.tls.pem is not a setting"),
        ({"tls": "ca.pem"}, "remote.tls must be a mapping"),
        ({"cache": 5}, "remote.cache must be"),
        ({"cache": "http://a"}, "remote.cache: 'http://a' is not the address of a remote service"),
        ({"executor": "grpc://a:b"}, "remote.executor: 'grpc://a:b' is not the address of a remote service"),
        ({"jobs": 0}, "remote.jobs must be"),
        ({"timeout": "long"}, "remote.timeout must be"),
        ({"upload": "yes"}, "remote.upload must be"),
        ({"download": "most"}, "remote.download must be"),
        ({"verify": 101}, "remote.verify must be"),
        ({"platform": {"hermes": 1}}, "remote.platform must map texts to texts"),
        ({"architectures": "arm64"}, "remote.architectures must be a list of texts"),
        ({"architectures": ["vax"]}, "remote.architectures: 'linux/vax' is not a platform"),
        ({"header_env": ["a"]}, "remote.header_env must map texts to texts"),
        ({"header_env": {"a b": "TOKEN"}}, "remote.header_env.a b: the value of TOKEN cannot be a header"),
        ({"credential_helper": 1}, "remote.credential_helper must be"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_cannot_be_is_one_message(document: Any, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "of ada")
    with pytest.raises(WorkspaceError) as raised:
        remote_of(FILE, document)
    assert raised.value.message.startswith(f"/w/hermes.yaml: {problem}")
    assert "ada" not in raised.value.render()
