"""Changes to a configuration: what each setting takes, and what becomes of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hermes.errors import UsageError
from hermes.image.edit import SETTINGS, command_line, edited, exposed_port, nanoseconds

EMPTY: dict[str, Any] = {"os": "linux", "architecture": "amd64", "config": {}}


def config(*changes: tuple[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = edited(EMPTY, changes)["config"]
    return found


def test_what_is_given_is_not_changed() -> None:
    before = {"os": "linux", "architecture": "amd64", "config": {"Env": ["A=1"]}}
    assert edited(before, [("env", "A=2")])["config"]["Env"] == ["A=2"]
    assert before["config"]["Env"] == ["A=1"]


@pytest.mark.parametrize("name", ["env", "label", "annotation", "port", "volume", "onbuild"])
def test_a_dash_takes_all_away(name: str) -> None:
    value = {"port": "80", "volume": "/v", "onbuild": "RUN x"}.get(name, "A=1")
    assert edited(EMPTY, [(name, value), (name, "-")]).get("annotations", {}) == {}
    assert config((name, value), (name, "-")) == {}


def test_commands() -> None:
    assert command_line('["a b", "c"]') == ["a b", "c"]
    assert command_line("a 'b c'") == ["a", "b c"]
    assert config(("cmd", "x"), ("entrypoint", "y z")) == {"Entrypoint": ["/bin/sh", "-c", "y z"]}
    assert config(("entrypoint", '["y"]'), ("cmd", "x")) == {"Entrypoint": ["y"], "Cmd": ["x"]}
    assert config(("entrypoint", '["y"]'), ("entrypoint", "")) == {}
    for wrong in ('["a"', "[1]", "'a"):
        with pytest.raises(UsageError):
            command_line(wrong)


def test_health() -> None:
    assert config(("healthcheck", "CMD a b"))["Healthcheck"] == {"Test": ["CMD", "a", "b"]}
    assert config(("healthcheck", "curl x"))["Healthcheck"] == {"Test": ["CMD-SHELL", "curl x"]}
    assert config(("healthcheck", "NONE"))["Healthcheck"] == {"Test": ["NONE"]}
    both = config(("healthcheck", "CMD a"), ("healthcheck-timeout", "500ms"))
    assert both["Healthcheck"] == {"Test": ["CMD", "a"], "Timeout": 500_000_000}


@pytest.mark.parametrize(
    ("text", "expected"), [("1s", 10**9), ("1m30s", 90 * 10**9), ("1.5h", 5400 * 10**9), ("3us", 3000)]
)
def test_durations(text: str, expected: int) -> None:
    assert nanoseconds(text) == expected


@given(st.integers(1, 65535), st.sampled_from(["", "/tcp", "/udp", "/sctp"]))
def test_ports(number: int, protocol: str) -> None:
    assert exposed_port(f"{number}{protocol}") == f"{number}{protocol or '/tcp'}"


@given(st.sampled_from(sorted(SETTINGS)), st.text(max_size=20))
@example("healthcheck-retries", "²")
@example("port", "²")
def test_any_text_is_taken_or_refused(name: str, text: str) -> None:
    try:
        made = edited(EMPTY, [(name, text)])
    except UsageError:
        return
    assert made["os"]


@pytest.mark.parametrize("signal", ["SIGTERM", "sigterm", "int", "SIGRTMIN+3", "9"])
def test_signals(signal: str) -> None:
    assert edited(EMPTY, [("stop-signal", signal)])["config"]["StopSignal"] == signal


WRONG = [
    ("env", "A"),
    ("env", "1A=x"),
    ("label", "x"),
    ("port", "0"),
    ("port", "80/icmp"),
    ("volume", "v"),
    ("stop-signal", "term it"),
    ("healthcheck-interval", "soon"),
    ("healthcheck-retries", "-1"),
    ("os", "amiga"),
    ("arch", "amd46"),
    ("variant", "V 8"),
]


@pytest.mark.parametrize("change", WRONG)
def test_what_cannot_be(change: tuple[str, str]) -> None:
    with pytest.raises(UsageError):
        edited(EMPTY, [change])
