"""How commands build: options that come to one `BuildOptions`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from hermes.cli.options import cache_options, pairs, remote_options, runtime_option, secret_option
from hermes.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])

quiet_option = click.option("-q", "--quiet", is_flag=True, help="Show nothing but errors and warnings.")


def analysis_options(function: F) -> F:
    """Add what says of which configuration a graph is, as one argument ``options``."""
    made: Any = _collected(function)
    for option in reversed(_analysis()):
        made = option(made)
    found: F = made
    return found


def build_options(function: F) -> F:
    """Add all that says how to build, as one argument ``options``; see `BuildOptions`."""
    made: Any = _collected(function)
    for option in (remote_options, cache_options, runtime_option, secret_option, *reversed(_analysis())):
        made = option(made)
    found: F = made
    return found


def event_file_options(function: F) -> F:
    """Add which files get what happens, as ``profile`` and ``events``; see `hermes.cli.progress.event_files`."""
    for option in (
        click.option(
            "--events", type=click.Path(path_type=Path), help="Write every event as a line of JSON."
        ),
        click.option("--profile", type=click.Path(path_type=Path), help="Write a Chrome trace of the build."),
    ):
        function = option(function)
    return function


def _analysis() -> tuple[Callable[[Any], Any], ...]:
    from hermes.cli import completion

    return (
        click.option(
            "-j", "--jobs", type=click.IntRange(1, 1024), metavar="N", help="Run N actions at once."
        ),
        click.option(
            "-k", "--keep-going", is_flag=True, help="After a failure build what does not depend on it."
        ),
        click.option(
            "--platform",
            default="",
            metavar="OS/ARCH",
            shell_complete=completion.platforms,
            help="Build for another platform.",
        ),
        click.option(
            "--set", "values", multiple=True, metavar="NAME=VALUE", help="Set a value for select()."
        ),
    )


def _collected(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that is called with the options one by one and calls ``function`` with what they come to."""

    @wraps(function)
    def collected(
        *arguments: Any,
        platform: str,
        values: tuple[str, ...],
        secrets: tuple[str, ...] = (),
        cache_from: tuple[str, ...] = (),
        cache_to: tuple[str, ...] = (),
        jobs: int | None,
        keep_going: bool,
        runtime: str = "",
        remote: Any = None,
        **others: Any,
    ) -> Any:
        from hermes.build.options import BuildOptions
        from hermes.build.secrets import SecretSource

        options = BuildOptions(
            _platform(platform),
            _values(values),
            jobs,
            keep_going,
            secrets=tuple(map(SecretSource.parse, secrets)),
            runtime=runtime,
            cache_from=tuple(dict.fromkeys(cache_from)),
            cache_to=tuple(dict.fromkeys(cache_to)),
            remote=remote,
        )
        return function(*arguments, options=options, **others)

    return collected


def _platform(text: str) -> str:
    if not text:
        return ""
    from hermes.image.platform import Platform

    return str(Platform.parse(text))


def _values(texts: tuple[str, ...]) -> dict[str, str]:
    values = pairs("--set", texts)
    if len(values) < len(dict.fromkeys(texts)):
        names = [text.partition("=")[0] for text in dict.fromkeys(texts)]
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"--set {twice} is given twice")
    return values
