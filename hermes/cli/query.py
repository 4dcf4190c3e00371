"""``hermes query``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hermes.cli.build_options import analysis_options, quiet_option
from hermes.cli.completion import labels

if TYPE_CHECKING:
    from hermes.build.options import BuildOptions


@click.command("query")
@click.argument("expression", metavar="EXPRESSION", shell_complete=labels)
@click.option(
    "--output",
    "form",
    type=click.Choice(["label", "kind", "json", "dot"]),
    default="label",
    help="Labels, labels with their rules, or the graph as JSON or for Graphviz.",
)
@analysis_options
@quiet_option
def command(
    expression: str,
    form: str,
    options: BuildOptions,
    quiet: bool,  # noqa: ARG001 - nothing is shown but the result
) -> None:
    """List targets, and what they depend on, without building.

    EXPRESSION is a target pattern, deps(E), rdeps(UNIVERSE, E), somepath(E, E), kind("REGEX", E), or two
    of them with +, - or & between.

    \b
    hermes query 'deps(//app:image)'
    hermes query 'rdeps(//..., //base:python)' --output kind
    """
    from hermes.api.workspace import Workspace

    graph = Workspace(say=lambda _: None).query(expression, options)
    rules = {str(label): str(rule) for label, rule in graph.nodes(data="rule")}
    if form == "json":
        import json

        document = {one: {"deps": sorted(graph.successors(one)), "rule": rules[one]} for one in sorted(rules)}
        click.echo(json.dumps(document, indent=2))
    elif form == "dot":
        click.echo("digraph targets {")
        for one in sorted(rules):
            click.echo(f'  "{one}";')
        for one, other in sorted(graph.edges):
            click.echo(f'  "{one}" -> "{other}";')
        click.echo("}")
    else:
        for one in sorted(rules):
            click.echo(f"{rules[one]} {one}" if form == "kind" else one)
