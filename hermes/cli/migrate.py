"""``hermes migrate``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from hermes.api.migrating import IMAGE, MigrateOptions, migrated
from hermes.build.dockerfile.options import PULL_MISSING, PULLS, DockerfileOptions
from hermes.cli.options import build_arguments, pairs
from hermes.errors import UsageError, WorkspaceError
from hermes.image.layout import write_whole
from hermes.store.io_errors import writing
from hermes.workspace.listing import BUILD_FILES
from hermes.workspace.root import MARKER, find_root

_STANDARD_OUTPUT = "-"


@click.command("migrate")
@click.argument("dockerfile", default="", metavar="[DOCKERFILE]")
@click.option(
    "--context", default="", metavar="DIR", help="The folder that COPY takes from; else the Dockerfile's."
)
@click.option("--target", default="", metavar="STAGE", help="Migrate this stage instead of the last.")
@click.option("--build-arg", "arguments", multiple=True, metavar="NAME[=VALUE]", help="Set an ARG.")
@click.option(
    "--build-context",
    "contexts",
    multiple=True,
    metavar="NAME=LABEL",
    help="The target that a name of FROM or --from stands for; otherwise it becomes an image_pull.",
)
@click.option(
    "--platform", default="", metavar="OS/ARCH", help="Take the values of arguments for another platform."
)
@click.option(
    "--pull", type=click.Choice(PULLS), default=PULL_MISSING, help="When to ask registries for the bases."
)
@click.option("--ignorefile", default="", metavar="FILE", help="Use this instead of .dockerignore.")
@click.option("--name", default=IMAGE, metavar="NAME", help="The name of the target that is the image.")
@click.option(
    "-o",
    "--output",
    default="",
    metavar="FILE",
    help="Where to write; - is standard output [BUILD.hermes in the context].",
)
@click.option("--force", is_flag=True, help="Overwrite a file that is there.")
def command(
    dockerfile: str,
    context: str,
    target: str,
    arguments: tuple[str, ...],
    contexts: tuple[str, ...],
    platform: str,
    pull: str,
    ignorefile: str,
    name: str,
    output: str,
    force: bool,
) -> None:
    """Write a BUILD file whose native rules give the files that a DOCKERFILE gives.

    What stands in the way of a hermetic build is said in comments. Nothing is built but what --build-context names.

    \b
    hermes migrate app/Dockerfile
    hermes migrate app/Dockerfile --build-context python:3.12=//base:python -o -
    """
    if dockerfile and not os.path.isfile(dockerfile):
        raise UsageError(f"{dockerfile} is not a Dockerfile", hint="name one, such as app/Dockerfile")
    folder = context or (os.path.dirname(dockerfile) if dockerfile else ".") or "."
    options = DockerfileOptions(
        context=folder,
        file=dockerfile,
        target=target,
        arguments=build_arguments(arguments),
        contexts=pairs("--build-context", contexts),
        platform=platform,
        pull=pull,
        ignore_file=ignorefile,
    )
    path = Path(output or f"{folder}/{BUILD_FILES[0]}")
    if output != _STANDARD_OUTPUT and not force:
        there = [path] if output else [Path(folder, one) for one in BUILD_FILES]
        if found := next(filter(Path.exists, there), None):
            raise UsageError(
                f"{found} is there already", hint="overwrite it with --force, or write elsewhere with -o"
            )
    text = migrated(MigrateOptions(options, name)).encode("utf-8", "surrogateescape")
    if output == _STANDARD_OUTPUT:
        sys.stdout.buffer.write(text)
        return
    _write(path, text)
    click.echo(str(path))
    try:
        find_root(Path(folder).absolute())
    except WorkspaceError:
        click.echo(f"note: no folder above has a {MARKER} yet, which makes it a workspace", err=True)


def _write(path: Path, text: bytes) -> None:
    """Write a file whole or not at all; a device or a pipe is written to."""
    target = os.path.realpath(path)
    with writing(path):
        if os.path.exists(target) and not os.path.isfile(target):
            Path(target).write_bytes(text)
        else:
            write_whole(target, text)
