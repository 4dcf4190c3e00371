"""``hermes s2i usage``, ``generate`` and ``create``: what concerns builders."""

from __future__ import annotations

from pathlib import Path

import click

from hermes.build.dockerfile.options import PULL_MISSING
from hermes.cli import completion
from hermes.cli.lines import write_line
from hermes.cli.s2i_build import absolute, environment_of, pull_option, pull_policy
from hermes.errors import CommandFailed


@click.command("usage")
@click.argument("builder", metavar="BUILDER", shell_complete=completion.bases)
@click.option("-e", "--env", "variables", multiple=True, metavar="NAME=VALUE", help="Set a variable.")
@pull_option("-p", "--pull-policy", what="BUILDER")
@click.option(
    "-s",
    "--scripts-url",
    default="",
    metavar="URL",
    help="Where scripts are: image:///path, file://folder, https://...",
)
@click.option(
    "-d",
    "--destination",
    default="",
    metavar="PATH",
    help="Where a script is put that is not in the builder.",
)
@click.option("--save-temp-dir", is_flag=True, expose_value=False, help="Nothing: there is no such folder.")
def usage(
    builder: str, variables: tuple[str, ...], pull_policy_: str, scripts_url: str, destination: str
) -> None:
    """Run the usage script of a builder, which says how it is used.

    \b
    hermes s2i usage python-builder
    """
    from hermes.api.s2i import SourceToImage
    from hermes.build.s2i.options import S2IOptions

    options = S2IOptions(
        "",
        builder,
        environment=environment_of((), variables),
        scripts_url=scripts_url,
        destination=absolute(destination),
        pull=pull_policy(pull_policy_),
    )
    if status := SourceToImage(say=write_line).usage(options):
        raise CommandFailed(status)


@click.command("generate")
@click.argument("builder", metavar="BUILDER", shell_complete=completion.bases)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
@click.option("-e", "--env", "variables", multiple=True, metavar="NAME=VALUE", help="Set a variable.")
@click.option("--assemble-user", default="", metavar="USER", help="Who runs assemble.")
@click.option("-q", "--quiet", is_flag=True, help="Show nothing but errors.")
def generate(builder: str, file: Path, variables: tuple[str, ...], assemble_user: str, quiet: bool) -> None:
    """Write a Dockerfile that builds any source with a builder: what is in the folder upload/src of its context.

    \b
    hermes s2i generate python-builder Dockerfile.gen
    """
    from hermes.api.s2i import SourceToImage
    from hermes.build.s2i.options import S2IOptions

    options = S2IOptions(
        "", builder, environment=environment_of((), variables), assemble_user=assemble_user, pull=PULL_MISSING
    )
    SourceToImage(say=write_line).generate(options, file)
    if not quiet:
        write_line(f"wrote {file}")


@click.command("create")
@click.argument("name", metavar="NAME")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER")
def create(name: str, folder: Path) -> None:
    """Write a skeleton of a builder called NAME into a FOLDER: a Dockerfile, scripts, an application to try it with.

    Files that are there stay as they are.

    \b
    hermes s2i create python-builder ./python-builder
    """
    from hermes.s2i.skeleton import skeleton

    for path in skeleton(name, folder):
        click.echo(path)
