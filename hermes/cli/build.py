"""``hermes build``."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hermes.build.requested_outputs import TESTED
from hermes.cli.build_options import build_options, event_file_options, quiet_option
from hermes.cli.completion import labels
from hermes.cli.lines import print_beside, summary_line
from hermes.cli.options import (
    output_option,
    patterns_or_here,
    progress_option,
)
from hermes.cli.progress import display, event_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hermes.build.options import BuildOptions
    from hermes.build.result import BuildResult


@click.command("build")
@click.argument("patterns", nargs=-1, metavar="[PATTERN...]", shell_complete=labels)
@progress_option
@build_options
@quiet_option
@output_option
@click.option(
    "--verify",
    is_flag=True,
    help="Execute every action once more, and fail where one gives something else.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object that says what was built.")
@event_file_options
def command(
    patterns: tuple[str, ...],
    options: BuildOptions,
    quiet: bool,
    progress: str,
    destinations: tuple[str, ...],
    verify: bool,
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
    from hermes.api.workspace import Workspace

    started = time.monotonic()
    options = replace(options, destinations=destinations, verify=verify)
    with ExitStack() as closing:
        screen = closing.enter_context(display(quiet=quiet, progress=progress))
        written = closing.enter_context(event_files(profile, events))
        workspace = Workspace(subscribers=[screen.event, *written], say=screen.say)
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
