"""``hermes migrate``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from hermes.api.migrating import IMAGE, MigrateOptions, migrated
from hermes.build.dockerfile.options import PULL_MISSING, PULLS, DockerfileOptions
from hermes.cli.bud_projects import ProjectOptions, project_file_options
from hermes.cli.options import build_arguments, pairs
from hermes.errors import UsageError, WorkspaceError
from hermes.image.layout import write_whole
from hermes.store.io_errors import writing
from hermes.workspace.listing import BUILD_FILES
from hermes.workspace.location import MARKER, find_root

_STANDARD_OUTPUT = "-"


@click.command("migrate")
@click.argument("words", nargs=-1, metavar="[DOCKERFILE | SERVICE... | TARGET...]")
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
@project_file_options
def command(
    words: tuple[str, ...],
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
    compose_files: tuple[str, ...],
    bake_files: tuple[str, ...],
    profiles: tuple[str, ...],
    project_name: str,
    env_files: tuple[str, ...],
    overrides: tuple[str, ...],
) -> None:
    """Write a BUILD file whose native rules give the files that a DOCKERFILE gives.

    Of a compose or bake file each image becomes a dockerfile_image, in a BUILD file in the folder of the first file.

    What stands in the way of a hermetic build is said in comments. Nothing is built but what --build-context names.

    \b
    hermes migrate app/Dockerfile
    hermes migrate app/Dockerfile --build-context python:3.12=//base:python -o -
    hermes migrate --compose compose.yaml
    """
    project = ProjectOptions(compose_files, bake_files, project_name, profiles, env_files, overrides)
    project.check()
    if project.is_asked:
        for option, value in (
            ("--context", context),
            ("--target", target),
            ("--build-arg", arguments),
            ("--build-context", contexts),
            ("--platform", platform),
            ("--ignorefile", ignorefile),
            ("--name", "" if name == IMAGE else name),
        ):
            if value:
                raise UsageError(f"{option} is for a Dockerfile", hint="the files say this for each image")
        _migrate_project(project, words, output, force=force, pull=pull)
        return
    if len(words) > 1:
        raise UsageError(
            f"one Dockerfile at a time, not {len(words)}: {' '.join(words)}",
            hint="services and targets go with --compose FILE and --bake FILE",
        )
    dockerfile = words[0] if words else ""
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
    path = _place(folder, output, force=force)
    text = migrated(MigrateOptions(options, name))
    _leave(text, path, folder)


def _migrate_project(
    asked: ProjectOptions, names: tuple[str, ...], output: str, *, force: bool, pull: str
) -> None:
    from hermes.api.migrating_projects import migrated_project

    first = (asked.compose or asked.bake)[0]
    own = os.path.dirname(output) if output not in ("", _STANDARD_OUTPUT) else os.path.dirname(first)
    folder = own or "."
    path = _place(folder, output, force=force)
    project = asked.project([], lambda text: click.echo(text, err=True))
    _leave(migrated_project(project, names, Path(folder), pull=pull), path, folder)


def _place(folder: str, output: str, *, force: bool) -> Path:
    """Return where the BUILD file is to be; raises `UsageError` where there is one."""
    path = Path(output or f"{folder}/{BUILD_FILES[0]}")
    if output != _STANDARD_OUTPUT and not force:
        there = [path] if output else [Path(folder, one) for one in BUILD_FILES]
        if found := next(filter(Path.exists, there), None):
            raise UsageError(
                f"{found} is there already", hint="overwrite it with --force, or write elsewhere with -o"
            )
    return path


def _leave(text: str, path: Path, folder: str) -> None:
    """Write a BUILD file where it is to be, and say so."""
    data = text.encode("utf-8", "surrogateescape")
    if str(path) == _STANDARD_OUTPUT:
        sys.stdout.buffer.write(data)
        return
    _write(path, data)
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
