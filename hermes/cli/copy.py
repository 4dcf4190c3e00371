"""``hermes copy``."""

from __future__ import annotations

import click

from hermes.cli import completion
from hermes.cli.lines import print_beside
from hermes.cli.options import (
    all_platforms_option,
    compression_options,
    image_platform_option,
    nondistributable_option,
    transports_in_help,
)
from hermes.cli.progress import display
from hermes.cli.registry_access import two_sided_access_options
from hermes.errors import UsageError
from hermes.registry.settings import Access


@click.command("copy")
@click.argument("source", metavar="ORIGIN|IMAGE|LABEL", shell_complete=completion.bases)
@click.argument("destination", metavar="TRANSPORT", shell_complete=completion.destinations)
@image_platform_option
@all_platforms_option
@compression_options
@nondistributable_option
@two_sided_access_options
@click.option("-q", "--quiet", is_flag=True, help="Print nothing.")
@transports_in_help
def command(
    source: str,
    destination: str,
    platform: str,
    whole: bool,
    compression: str | None,
    level: int | None,
    keep_nondistributable: bool,
    quiet: bool,
    access: Access,
    writing: Access,
) -> None:
    """Write an image from anywhere to anywhere, and print its digest.

    The image keeps its digest, except that the docker-archive, docker-daemon and containers-storage forms do not hold
    compressed layers. An ORIGIN or TRANSPORT is

    {destinations}

    \b
    hermes copy docker-archive:saved.tar oci:layout:v1
    hermes copy //app:image docker-daemon:app:v1
    """
    from hermes.api.images import Images

    if platform and whole:
        raise UsageError(
            "--platform takes one image, and --all-platforms all of them", hint="say one of them"
        )
    from hermes.layer.compress import Compression

    with display(quiet=quiet) as screen:
        manifest = Images(subscribers=[screen.event], access=access, writing=writing).copy(
            source,
            destination,
            platform=platform,
            whole=True if whole else None,
            compression=Compression.at(compression, level),
            keep_nondistributable=keep_nondistributable,
        )
    if not quiet:
        print_beside(manifest.digest, [destination])
