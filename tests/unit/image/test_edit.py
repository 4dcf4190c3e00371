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
    ("env", "A", "expected NAME=VALUE, got 'A'", "write NAME- to unset it"),
    ("env", "1A=x", "expected NAME=VALUE, got '1A=x'", "write NAME- to unset it"),
    ("label", "x", "label: expected NAME=VALUE, got 'x'", "write NAME- to unset it"),
    ("annotation", "=x", "annotation: expected NAME=VALUE, got '=x'", "write NAME- to unset it"),
    ("port", "0", "'0' is not a port", "write 8080 or 53/udp"),
    ("port", "80/icmp", "'80/icmp' is not a port", "write 8080 or 53/udp"),
    ("volume", "v", "'v' is not an absolute path", "write /v"),
    ("stop-signal", "term it", "unknown signal 'term it'", "write SIGTERM, or its number"),
    ("healthcheck-interval", "soon", "invalid duration 'soon'", "write it as 30s, 1m30s or 500ms"),
    ("healthcheck-timeout", "3000000h", "the duration '3000000h' is longer than 292 years", None),
    ("healthcheck-retries", "-1", "invalid number of retries '-1'", None),
    ("cmd", '["a", 1]', "expected a JSON list of strings, got '[\"a\", 1]'", 'write ["program", "argument"]'),
    ("cmd", "it's", '"it\'s" cannot be split into words: No closing quotation', None),
    ("variant", "V 8", "invalid variant 'V 8'", "such as v8"),
]


@pytest.mark.parametrize(("name", "text", "message", "hint"), WRONG)
def test_what_cannot_be_is_told_with_what_to_write(
    name: str, text: str, message: str, hint: str | None
) -> None:
    with pytest.raises(UsageError) as raised:
        edited(EMPTY, [(name, text)])
    assert (raised.value.message, raised.value.hint) == (message, hint)


@pytest.mark.parametrize(("name", "text"), [("os", "amiga"), ("arch", "amd46")])
def test_a_platform_must_be_one(name: str, text: str) -> None:
    with pytest.raises(UsageError):
        edited(EMPTY, [(name, text)])
