"""``hermes build``."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hermes.api.workspace import Workspace
from hermes.build.requested_outputs import TESTED
from hermes.build.result import BuildResult
from hermes.cli.completion import labels
from hermes.cli.lines import print_beside, summary_line
from hermes.cli.options import (
    build_options,
    cache_options,
    chosen,
    output_option,
    patterns_or_here,
    progress_option,
    remote_options,
    runtime_option,
    secret_option,
)
from hermes.cli.progress import display

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hermes.engine.events import Subscriber
    from hermes.remote.settings import RemoteChoice


@click.command("build")
@click.argument("patterns", nargs=-1, metavar="[PATTERN...]", shell_complete=labels)
@progress_option
@build_options
@secret_option
@runtime_option
@output_option
@cache_options
@remote_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object that says what was built.")
@click.option("--profile", type=click.Path(path_type=Path), help="Write a Chrome trace of the build.")
@click.option("--events", type=click.Path(path_type=Path), help="Write every event as a line of JSON.")
def command(
    patterns: tuple[str, ...],
    jobs: int | None,
    keep_going: bool,
    platform: str,
    values: tuple[str, ...],
    runtime: str,
    quiet: bool,
    progress: str,
    secrets: tuple[str, ...],
    destinations: tuple[str, ...],
    cache_from: tuple[str, ...],
    cache_to: tuple[str, ...],
    remote: RemoteChoice | None,
    as_json: bool,
    profile: Path | None,
    events: Path | None,
) -> None:
    """Build targets and link what they give into hermes-out.

    PATTERN is a label (//app:image), //app:all, //app/... or //...; one that begins with - is taken out
    (write -- before such patterns). Without, all targets of the package of the current folder are built.

    \b
    hermes build //app:image
    hermes build //... -o oci-archive:app.tar
    """
    started = time.monotonic()
    options = chosen(
        jobs, keep_going, platform, values, destinations, secrets, runtime, cache_from, cache_to, remote
    )
    with ExitStack() as closing:
        screen = closing.enter_context(display(quiet=quiet, progress=progress))
        subscribers: list[Subscriber] = [screen.event]
        if profile or events:
            from hermes.cli.traces import event_lines, trace

            if profile:
                subscribers.append(closing.enter_context(trace(profile)))
            if events:
                subscribers.append(closing.enter_context(event_lines(events)))
        workspace = Workspace(subscribers=subscribers, say=screen.say)
        result = workspace.build(patterns_or_here(patterns), options)
        screen.summary(summary_line(result, time.monotonic() - started))
    if as_json:
        import json

        print_beside(json.dumps(result.to_json(), indent=2, sort_keys=True), destinations)
    elif not quiet:
        _print(result, destinations)


def _print(result: BuildResult, destinations: Sequence[str]) -> None:
    here = os.getcwd()
    for label, outputs in result.targets.items():
        for one in outputs:
            if one.kind == TESTED:
                continue
            path = os.path.relpath(one.path, here)
            shown = path if len(path) < len(one.path) else one.path
            print_beside(f"{label}  {one.kind}  {one.digest}  {shown}", destinations)
