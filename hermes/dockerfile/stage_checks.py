"""Checks of instructions whose variables are expanded, in a stage that is known. See `hermes.dockerfile.checks`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_SECRET: Final = re.compile(
    r"(?:\A|_)(?:apikey|auth|credentials?|key|passw(?:or)?d|pword|secret|token)(?:_|\Z)", re.IGNORECASE
)
_NO_SECRET: Final = re.compile(r"(?:\A|_)(?:public|file|version)(?:_|\Z)", re.IGNORECASE)


class Hint(NamedTuple):
    """A rule that the instruction at hand does not keep to, and what to say of it."""

    rule: str
    message: str


def of_variable(name: str) -> Iterator[Hint]:
    """Check the name of an ARG or ENV."""
    if _SECRET.search(name) and not _NO_SECRET.search(name):
        message = f"{name} looks like a secret, which the image would show; use RUN --mount=type=secret"
        yield Hint("SecretsUsedInArgOrEnv", message)


def of_port(text: str) -> Iterator[Hint]:
    """Check a port of EXPOSE."""
    number, _, protocol = text.partition("/")
    if protocol != protocol.lower():
        yield Hint("ExposeProtoCasing", f"{text} is better {number}/{protocol.lower()}")
    if ":" in text:
        yield Hint("ExposeInvalidFormat", f"{text}: an address or a port of the host has no effect")


def of_workdir(path: str, *, is_first: bool) -> Iterator[Hint]:
    """Check a WORKDIR; ``is_first``: there is no other before it in the Dockerfile."""
    if is_first and not path.startswith("/"):
        yield Hint("WorkdirRelativePath", f"where {path} is depends on the base image")


def of_command(*, for_shell: bool, has_shell: bool) -> Iterator[Hint]:
    """Check a CMD or ENTRYPOINT; ``has_shell``: the image says which shell it has."""
    if for_shell and not has_shell:
        message = "a shell stands between the command and the signals sent to it; write a list in JSON"
        yield Hint("JSONArgsRecommended", message)
