"""``hermes explain``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hermes.cli.build_options import analysis_options, quiet_option
from hermes.cli.completion import labels
from hermes.errors import UsageError

if TYPE_CHECKING:
    from hermes.build.options import BuildOptions


@click.command("explain")
@click.argument("patterns", nargs=-1, metavar="LABEL...", shell_complete=labels)
@click.option(
    "--dockerfile",
    "context",
    metavar="CONTEXT",
    help="Explain what `hermes bud CONTEXT` did, instead of targets.",
)
@click.option("-f", "--file", default="", metavar="FILE", help="The Dockerfile, if it is not the context's.")
@click.option("--all", "everything", is_flag=True, help="Show everything that each action depends on.")
@click.option("--json", "as_json", is_flag=True, help="Print the explanations as JSON.")
@analysis_options
@quiet_option
def command(
    patterns: tuple[str, ...],
    context: str | None,
    file: str,
    everything: bool,
    as_json: bool,
    options: BuildOptions,
    quiet: bool,
) -> None:
    """Say why the actions of a target, or the lines of a Dockerfile, were last executed.

    \b
    hermes explain //app:image
    hermes explain --dockerfile . --all
    """
    from hermes.api.dockerfiles import Dockerfiles
    from hermes.api.workspace import Workspace
    from hermes.build.dockerfile.options import DockerfileOptions

    if context is not None and patterns:
        raise UsageError("targets and --dockerfile are two things to explain", hint="name one of them")
    if context is None and (file or not patterns):
        raise UsageError("name the targets to explain, or the context of a Dockerfile with --dockerfile")
    if context is None:
        found = list(Workspace(say=lambda _: None).explain(patterns, options))
    else:
        found = list(Dockerfiles().explain(DockerfileOptions(context=context, file=file)))
    if as_json:
        import json

        rows = [one._asdict() | {"changes": [change._asdict() for change in one.changes]} for one in found]
        click.echo(json.dumps(rows, indent=2))
        return
    for one in found:
        click.echo(f"{one.action} ({one.kind})")
        for change in one.changes:
            click.echo(f"  {change.name}: {change.before or 'none'} -> {change.now or 'none'}")
        if not one.changes:
            click.echo("  ran again with the same inputs" if one.ran_before else "  ran for the first time")
        if everything:
            for name, value in one.facts:
                click.echo(f"    {name} = {value}")
    if not found and not quiet:
        click.echo("none of its actions was executed here yet", err=True)
