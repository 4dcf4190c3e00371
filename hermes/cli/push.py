"""``hermes push``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hermes.api.workspace import Workspace
from hermes.cli.completion import labels
from hermes.cli.lines import write_line
from hermes.cli.options import build_options, chosen, compression_options, runtime_option, secret_option
from hermes.cli.progress import Display, display
from hermes.errors import BuildError, UsageError
from hermes.store.location import default_home

if TYPE_CHECKING:
    from hermes.images.pushing import Pushed
    from hermes.layer.compress import Compression
    from hermes.transports.stored import StoreOrigin


@click.command("push")
@click.argument("names", nargs=-1, required=True, metavar="PATTERN...|IMAGE [DEST...]", shell_complete=labels)
@click.option("--digest-file", type=click.Path(path_type=Path), help="Write the image's digest to a file.")
@click.option("--json", "as_json", is_flag=True, help="Print what was pushed as JSON.")
@compression_options
@build_options
@secret_option
@runtime_option
def command(
    names: tuple[str, ...],
    digest_file: Path | None,
    as_json: bool,
    compression: str | None,
    level: int | None,
    jobs: int | None,
    keep_going: bool,
    platform: str,
    values: tuple[str, ...],
    runtime: str,
    quiet: bool,
    secrets: tuple[str, ...],
) -> None:
    """Build images and push them to registries, or push one of the store; print the digests.

    DEST is docker://HOST/NAME[:TAG]; with one or more of them there is one image to push. Without, targets of the
    rule image_push say where they go. Blobs are sent first, each once, then manifests, then tags.

    \b
    hermes push //app:image docker://registry.example.org/team/app:v1
    hermes push //...
    """
    from hermes.layer.compress import Compression
    from hermes.naming.stored import named_image
    from hermes.transports import REGISTRY

    asked = Compression.at(compression, level)
    destinations = [one for one in names if one.startswith(REGISTRY)]
    patterns = [one for one in names if not one.startswith(REGISTRY)]
    if not patterns:
        raise UsageError(
            "nothing is named that is to be pushed", hint="hermes push //app:image docker://HOST/NAME:TAG"
        )
    options = chosen(jobs, keep_going, platform, values, secrets=secrets, runtime=runtime)
    with display(quiet=quiet) as screen:
        stored = named_image(patterns[0]) if len(patterns) == 1 and destinations else None
        if stored is None:
            pushed = Workspace(subscribers=[screen.event], say=screen.say).push(
                patterns, destinations, options, compression=asked
            )
        else:
            pushed = _from_store(stored, destinations, screen, asked)
    show(pushed, as_json=as_json)
    if digest_file:
        _write_digest(digest_file, pushed)


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


def _from_store(
    stored: StoreOrigin, destinations: list[str], screen: Display, compression: Compression | None
) -> list[Pushed]:
    from hermes.images.pushing import Pushing
    from hermes.naming.registries import registries_of

    home = default_home()
    pushing = Pushing(home, lambda: registries_of(None, home), screen.say, screen.event, compression)
    return pushing.stored(stored, destinations)


def _write_digest(path: Path, pushed: list[Pushed]) -> None:
    digests = {one.digest for one in pushed}
    if len(digests) > 1:
        write_line(f"warning: {path} is not written: {len(digests)} images have been pushed")
        return
    try:
        path.write_text(digests.pop())
    except OSError as error:
        raise BuildError(f"{path} cannot be written: {error.strerror}") from None
