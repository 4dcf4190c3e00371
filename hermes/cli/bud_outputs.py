"""``hermes bud``: where images go, and the files that say what was built."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hermes.cli.options import digest_file_option
from hermes.errors import UsageError

if TYPE_CHECKING:
    from hermes.build.dockerfile.built import BuiltDockerfile

F = TypeVar("F", bound=Callable[..., Any])


def output_options(function: F) -> F:
    """Add ``-o``, ``--load``, ``--push``, ``--iidfile`` and ``--metadata-file``."""
    from hermes.cli import completion

    for option in (
        click.option(
            "--metadata-file",
            default="",
            metavar="FILE",
            shell_complete=completion.files,
            help="Write names and digests to a JSON file.",
        ),
        digest_file_option,
        click.option("--push", is_flag=True, help="Push the image to the registries of its names."),
        click.option(
            "--load",
            is_flag=True,
            help="Load the image into the Docker daemon as well, if there is one; the store has it anyway.",
        ),
        click.option(
            "-o",
            "--output",
            "destinations",
            multiple=True,
            metavar="OUTPUT",
            shell_complete=completion.destinations,
            help="Write the files to a folder (DIR, type=local,dest=DIR), or the image (type=oci,dest=FILE, oci:DIR); "
            "see docs/dockerfiles.md.",
        ),
    ):
        function = option(function)
    return function


def all_outputs(destinations: tuple[str, ...], *, load: bool, push: bool) -> tuple[str, ...]:
    """Return all outputs; ``--push`` pushes images that another output names, as it does with buildx."""
    from hermes.build.dockerfile.outputs import LOAD, PUSH
    from hermes.naming.outputs import IMAGE, parse_output

    if push and (images := [one for one in destinations if parse_output(one).kind == IMAGE]):
        pushed = {one: f"{one},push=true" for one in images}
        return (*(pushed.get(one, one) for one in destinations), *((LOAD,) if load else ()))
    return (*destinations, *((LOAD,) if load else ()), *((PUSH,) if push else ()))


def check_file(option: str, path: str) -> None:
    """Raise `UsageError` for a file that cannot be written, before anything is built."""
    if path and (os.path.isdir(path) or not os.path.isdir(os.path.dirname(path) or ".")):
        raise UsageError(f"{option} {path} cannot be written", hint="name a file in a folder that is there")


def write_file(option: str, path: str, text: str) -> None:
    """Write a file that an option names, whole or not at all; a device or a pipe is written to."""
    from hermes.image.layout import write_whole

    try:
        if os.path.exists(path) and not os.path.isfile(path):
            Path(path).write_text(text, encoding="utf-8")
        else:
            write_whole(os.path.realpath(path), text.encode())
    except OSError as error:
        raise UsageError(f"{option} {path}: {error.strerror}") from None


def write_metadata(path: str, built: Mapping[str, BuiltDockerfile]) -> None:
    """Write what ``--metadata-file`` is to say: of one image without a name, or of each target or service by name."""
    from hermes.build.dockerfile.metadata import metadata_of
    from hermes.store.location import default_home

    home = default_home()
    found = {name: metadata_of(one, one.names, home) for name, one in built.items()}
    document = found[""] if list(found) == [""] else found
    write_file("--metadata-file", path, f"{json.dumps(document, indent=2)}\n")
