"""Options of docker, podman and buildah that ``hermes bud`` takes so that scripts with them work as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

_NOT_APPLIED: Final = ("--shm-size", "--ulimit", "--memory", "--memory-swap", "--cpu-shares", "--cpuset-cpus")
"""What RUN is bounded by elsewhere. The image is the same without."""
ALONE: Final = {"--rm": "--rm=true", "--force-rm": "--force-rm=true"}
"""What options mean that have no value. Nothing is left of commands here, so they change nothing."""


def accepted_options(function: F) -> F:
    """Add the options; none of them is given to the command."""
    for name in ALONE:
        function = click.option(name, type=bool, hidden=True, expose_value=False)(function)
    for name in _NOT_APPLIED:
        function = click.option(
            name, multiple=True, metavar="LIMIT", hidden=True, expose_value=False, callback=_warn
        )(function)
    return function


def _warn(_: click.Context, option: click.Parameter, values: tuple[str, ...]) -> None:
    if values:
        click.echo(f"warning: {option.opts[0]} is not applied: RUN has the limits of this command", err=True)
