"""What actions say of tests, as `hermes.testing.suite` has it, and how programs run in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from hermes.container.mount_values import Tmpfs
from hermes.container.profiles import PROFILES, granted
from hermes.dsl.dialect.values import EvalError, show
from hermes.errors import UsageError
from hermes.testing.patterns import problem_of
from hermes.testing.suite import CommandTest, HttpRequest, HttpTest

_MOST_PORTS: Final = 65535


def suite_of(command: Mapping[str, Any] | None, http: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the fields ``command`` and ``http`` of `hermes.actions.specs.test.Test`; raises `EvalError`."""
    found: dict[str, Any] = {}
    if command is not None:
        argv = list(command["argv"])
        if not argv or not argv[0]:
            raise EvalError("there is no command", 'give it as argv = ["program", ...]', attribute="argv")
        found["command"] = CommandTest(
            command["name"],
            argv[0],
            tuple(argv[1:]),
            exit_code=command["exit_code"],
            expected_output=_patterns("expected_output", command["expected_output"]),
            excluded_output=_patterns("excluded_output", command["excluded_output"]),
            expected_error=_patterns("expected_error", command["expected_error"]),
            excluded_error=_patterns("excluded_error", command["excluded_error"]),
            is_literal=True,
        )
    if http is not None:
        if not 0 < http["port"] <= _MOST_PORTS:
            raise EvalError(f"{http['port']} is not a port", attribute="port")
        if http["ready"] and not http["ready"].startswith("/"):
            raise EvalError(
                f"{show(http['ready'])} is not a path of a server", 'write "/..."', attribute="ready"
            )
        found["http"] = HttpTest(
            http["port"],
            tuple(map(_request, http["requests"])),
            http["ready"],
            http["start_timeout"],
            http["stop_timeout"],
            http["loopback"],
            http["health_check"],
        )
    return found


def _request(given: Mapping[str, Any]) -> HttpRequest:
    path, method = given["path"], given.get("method", "GET")
    if not path.startswith("/") or any(one.isspace() for one in path):
        raise EvalError(f"{show(path)} is not a path of a server", 'write "/..."', attribute="path")
    if not method.isalpha() or not method.isupper():
        raise EvalError(f"{show(method)} is not a method of HTTP", attribute="method")
    headers = dict(given.get("expected_headers", {}))
    _patterns("expected_headers", headers.values())
    return HttpRequest(
        path,
        method,
        tuple(given.get("headers", {}).items()),
        given.get("body", ""),
        given.get("status", 200),
        _patterns("expected_output", given.get("expected_output", ())),
        _patterns("excluded_output", given.get("excluded_output", ())),
        tuple(headers.items()),
    )


def opened(
    profile: str, added: Iterable[str], dropped: Iterable[str], tmpfs: Iterable[str], env: Mapping[str, str]
) -> dict[str, Any]:
    """Return the fields of `hermes.actions.specs.test.Test` that open the sandbox; raises `EvalError`."""
    known = next((one for one in PROFILES if one == profile), None)
    if known is None:
        raise EvalError(
            f"unknown profile {show(profile)}", f"there are {', '.join(PROFILES)}", attribute="profile"
        )
    try:
        capabilities = granted(known, list(added), list(dropped))
    except UsageError as error:
        raise EvalError(error.message, error.hint, attribute="cap_add") from None
    return {
        "profile": known,
        "capabilities": capabilities,
        "tmpfs": tuple(map(Tmpfs, tmpfs)),
        "env": tuple(env.items()),
    }


def _patterns(attribute: str, given: Iterable[str]) -> tuple[str, ...]:
    patterns = tuple(given)
    for one in patterns:
        if problem := problem_of(one):
            raise EvalError(
                f"invalid pattern {show(one)}: {problem}",
                "patterns have the syntax of RE2",
                attribute=attribute,
            )
    return patterns
