"""What ``--add-host`` and ``--ssh`` mean, and what they cannot mean."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from hermes.api.run_options import host
from hermes.build.ssh_agents import AgentSource, read_agents
from hermes.errors import UsageError


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("db:10.0.0.7", ("db", "10.0.0.7")),
        ("db.example.org=10.0.0.7", ("db.example.org", "10.0.0.7")),
        ("db:::1", ("db", "::1")),
        ("db:[2001:DB8:0::1]", ("db", "2001:db8::1")),
        ("db=fe80::1%eth0", ("db", "fe80::1%eth0")),
    ],
)
def test_hosts(text: str, pair: tuple[str, str]) -> None:
    assert host(text) == pair


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("db", "expected NAME:IP"),
        (":10.0.0.7", "expected NAME:IP"),
        ("db:", "expected NAME:IP"),
        ("a b:10.0.0.7", "expected NAME:IP"),
        ("db:10.0.0", "invalid IP address '10.0.0'"),
        ("db:other", "invalid IP address 'other'"),
        ("db:::1%x\n10.0.0.8 other", "invalid IP address"),
        ("db:host-gateway", "--network host and --add-host db:127.0.0.1"),
    ],
)
def test_hosts_that_are_wrong(text: str, problem: str) -> None:
    with pytest.raises(UsageError) as raised:
        host(text)
    assert problem in str(raised.value)


def test_agents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    for name in ("one", "two"):
        Path(name).write_text("key")
    assert AgentSource.parse("default") == AgentSource("default")
    assert AgentSource.parse("a.b=x,y") == AgentSource("a.b", ("x", "y"))
    monkeypatch.setenv("SSH_AUTH_SOCK", "socket")
    assert read_agents([AgentSource(), AgentSource("keys", ("one", "two"))]) == {
        "default": (f"{tmp_path}/socket",),
        "keys": (f"{tmp_path}/one", f"{tmp_path}/two"),
    }


@pytest.mark.parametrize(
    ("texts", "problem"),
    [
        (["=x"], "cannot be the name"),
        (["a/b"], "cannot be the name"),
        (["a=x,"], "a path is empty"),
        (["a"], "SSH_AUTH_SOCK is not set"),
        (["a=gone"], "No such file"),
        (["a=."], "neither a socket nor the file of a key"),
        (["a=one", "a=one"], "given twice"),
        (["a=socket,one"], "a socket stands alone"),
    ],
)
def test_agents_that_are_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, texts: list[str], problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    Path("one").write_text("key")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    with pytest.raises(UsageError, match=re.escape(problem)):
        read_agents(list(map(AgentSource.parse, texts)))
