"""``hermes ctr copy`` and ``hermes ctr add``."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from hermes.api.downloads import downloaded, is_url
from hermes.cli.completion import containers
from hermes.cli.containers import opened
from hermes.cli.options import PROGRAM, arguments_of
from hermes.container.copy import Copy
from hermes.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])

_OCTAL: Final = re.compile(r"0?[0-7]{3,4}\Z")


def _options(function: F) -> F:
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


_OPTIONS: Final[tuple[Callable[[Any], Any], ...]] = (
    click.argument("name", metavar="CONTAINER", shell_complete=containers),
    click.argument("paths", nargs=-1, required=True, metavar="SOURCE... DEST"),
    click.option(
        "--chown", default="", metavar="USER[:GROUP]", help="Who owns what is copied; 0:0 if not said."
    ),
    click.option("--chmod", default="", metavar="MODE", help="The mode of what is copied, as 644."),
    click.option(
        "--contextdir",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Sources are in this folder, and no link leads out of it.",
    ),
    click.option(
        "--ignorefile",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Leave out what the patterns of this file (.dockerignore) match.",
    ),
)


@click.command("copy", context_settings=PROGRAM)
@_options
@click.option("--from", "origin", default="", metavar="CONTAINER|IMAGE|LABEL", help="Copy from its root.")
def copy(
    name: str,
    paths: tuple[str, ...],
    chown: str,
    chmod: str,
    contextdir: Path | None,
    ignorefile: Path | None,
    origin: str,
) -> None:
    """Copy files and folders into a container, as COPY of a Dockerfile does, or out of it with CONTAINER:/path.

    A folder's content goes to DEST; so do several sources, or one if DEST is a folder or ends with a slash.
    Sources may be patterns. No link leads out of the container's root. Options stand before the container.

    What is copied out goes where docker cp puts it, belongs to who runs this, and needs no program in the container; - is
    an archive on standard output.

    \b
    hermes ctr copy $ctr app /srv
    hermes ctr copy --from //lib:image --chown 1000 $ctr '/usr/lib/libx.so*' /usr/lib/
    hermes ctr copy $ctr:/srv/app/report.xml .
    """
    paths = arguments_of(paths)
    if ":" in name:
        if chown or chmod or contextdir or ignorefile or origin:
            raise UsageError("options of copy are for what goes into a container", hint="leave them out")
        _take(name, paths)
        return
    if origin and contextdir:
        raise UsageError("--contextdir is for files of this machine, --from for others", hint="keep one")
    _carry_out(name, paths, chown, chmod, contextdir, ignorefile, origin=origin, what="copy")


@click.command("add", context_settings=PROGRAM)
@_options
@click.option("--checksum", default="", metavar="sha256:DIGEST", help="What a download must be.")
def add(
    name: str,
    paths: tuple[str, ...],
    chown: str,
    chmod: str,
    contextdir: Path | None,
    ignorefile: Path | None,
    checksum: str,
) -> None:
    """Copy as `copy` does, unpack tar archives of this machine, and download what is at http(s) addresses.

    \b
    hermes ctr add $ctr rootfs.tar.xz /
    hermes ctr add --checksum sha256:... $ctr https://example.org/tool /usr/local/bin/
    """
    paths = arguments_of(paths)
    urls = [one for one in paths[:-1] if is_url(one)]
    if checksum and len(urls) != 1:
        raise UsageError("--checksum is for one download", hint="add other files by themselves")
    with downloaded(urls, checksum) as files:
        _carry_out(name, paths, chown, chmod, contextdir, ignorefile, files=files, what="add")


def _take(first: str, paths: tuple[str, ...]) -> None:
    """Copy what CONTAINER:/path names to this machine."""
    *more, dest = paths
    container = first.partition(":")[0]
    found = []
    for one in (first, *more):
        name, colon, path = one.partition(":")
        if not colon or name != container:
            raise UsageError(
                f"{one} is not a path of the container {container}",
                hint=f"write {container}:/path for each source",
            )
        found.append(path)
    opened().take(container, found, dest)


def _carry_out(
    name: str,
    paths: tuple[str, ...],
    chown: str,
    chmod: str,
    contextdir: Path | None,
    ignorefile: Path | None,
    *,
    what: str,
    origin: str = "",
    files: tuple[tuple[str, str], ...] = (),
) -> None:
    if len(paths) < 2:
        raise UsageError("missing sources or destination", hint=f"hermes ctr {what} CONTAINER SOURCE DEST")
    if chmod and not _OCTAL.match(chmod):
        raise UsageError(f"invalid mode {chmod!r}", hint="write it in octal, as 644")
    *given, dest = paths
    sources = [one for one in given if not is_url(one)] if what == "add" else given
    if not (origin or contextdir):
        sources = [os.path.join(os.getcwd(), one) for one in sources]
    done = Copy(
        dest=dest,
        sources=tuple(sources),
        base=str(contextdir.absolute()) if contextdir else "/",
        files=files,
        owner=chown,
        mode=int(chmod, 8) if chmod else None,
        ignore=tuple(ignorefile.read_text(encoding="utf-8").splitlines()) if ignorefile else (),
        extract=what == "add",
    )
    opened().copy(name, done, origin=origin, step=f"{what} {' '.join(paths)}")
