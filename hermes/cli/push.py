"""``hermes push``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hermes.cli.build_options import build_options, quiet_option
from hermes.cli.completion import labels
from hermes.cli.lines import write_line
from hermes.cli.options import (
    compression_options,
    progress_option,
)
from hermes.cli.progress import display
from hermes.cli.registry_access import access_options
from hermes.errors import BuildError, UsageError
from hermes.store.location import default_home

if TYPE_CHECKING:
    from hermes.build.options import BuildOptions
    from hermes.images.pushing import Pushed
    from hermes.registry.settings import Access
    from hermes.transports.stored import StoreOrigin


@click.command("push")
@click.argument("names", nargs=-1, required=True, metavar="PATTERN...|IMAGE [DEST...]", shell_complete=labels)
@click.option("--digest-file", type=click.Path(path_type=Path), help="Write the image's digest to a file.")
@click.option("--json", "as_json", is_flag=True, help="Print what was pushed as JSON.")
@compression_options
@progress_option
@build_options
@quiet_option
@access_options
def command(
    names: tuple[str, ...],
    digest_file: Path | None,
    as_json: bool,
    compression: str | None,
    level: int | None,
    options: BuildOptions,
    quiet: bool,
    progress: str,
    access: Access,
) -> None:
    """Build images and push them to registries, or push one of the store; print the digests.

    DEST is HOST/NAME[:TAG]; with one or more of them there is one image to push. Without, targets of the rule
    image_push say where they go, and an image of the store goes where its name says. Blobs are sent first, each once,
    then manifests, then tags.

    \b
    hermes push //app:image docker://registry.example.org/team/app:v1
    hermes push registry.example.org/team/app:v1
    hermes push //...
    """
    from hermes.api.workspace import Workspace
    from hermes.images.pushing import Pushing
    from hermes.layer.compress import Compression
    from hermes.naming.registries import registries_of
    from hermes.transports import REGISTRY

    asked = Compression.at(compression, level)
    is_destination = [one.startswith(REGISTRY) or (at > 0 and _has_host(one)) for at, one in enumerate(names)]
    destinations = [
        one if one.startswith(REGISTRY) else f"{REGISTRY}{one}"
        for one, is_one in zip(names, is_destination, strict=True)
        if is_one
    ]
    patterns = [one for one, is_one in zip(names, is_destination, strict=True) if not is_one]
    if not patterns:
        raise UsageError(
            "nothing is named that is to be pushed", hint="hermes push //app:image docker://HOST/NAME:TAG"
        )
    with display(quiet=quiet, progress=progress) as screen:
        stored = _stored(patterns[0], destinations) if len(patterns) == 1 else None
        if stored is None:
            pushed = Workspace(subscribers=[screen.event], say=screen.say, access=access).push(
                patterns, destinations, options, compression=asked
            )
        else:
            where = destinations or [f"{REGISTRY}{stored.title}"]
            home = default_home()
            registries = partial(registries_of, None, home, access)
            pushed = Pushing(home, registries, screen.say, screen.event, asked).stored(stored, where)
    show(pushed, as_json=as_json)
    if digest_file:
        _write_digest(digest_file, pushed)


def _has_host(text: str) -> bool:
    """Tell whether a text is a name with the host of a registry, and no label or pattern."""
    from hermes.graph.label import is_label
    from hermes.image.reference import Reference

    if is_label(text) or text.startswith("-"):
        return False
    try:
        return bool(Reference.parse(text).host)
    except UsageError:
        return False


def _stored(text: str, destinations: list[str]) -> StoreOrigin | None:
    """Return the image of the store that is to be pushed, or None where a target is.

    Without destinations a name without a host is a target where there is a workspace.
    """
    from hermes.naming.stored import in_a_workspace, named_image

    if not destinations and not _has_host(text) and in_a_workspace():
        return None
    return named_image(text)


def show(pushed: list[Pushed], *, as_json: bool = False) -> None:
    """Print where images are now, and their digests."""
    if as_json:
        import json

        click.echo(json.dumps([one._asdict() for one in pushed], indent=2))
    elif len({one.digest for one in pushed}) == 1:
        click.echo(pushed[0].digest)
    else:
        for one in pushed:
            for name in [f"{one.repository}:{tag}" for tag in one.tags] or [one.repository]:
                click.echo(f"{one.label}  {name}  {one.digest}")


def _write_digest(path: Path, pushed: list[Pushed]) -> None:
    digests = {one.digest for one in pushed}
    if len(digests) > 1:
        write_line(f"warning: {path} is not written: {len(digests)} images have been pushed")
        return
    try:
        path.write_text(digests.pop())
    except OSError as error:
        raise BuildError(f"{path} cannot be written: {error.strerror}") from None
