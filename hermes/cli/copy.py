"""``hermes copy``."""

from __future__ import annotations

import click

from hermes.api.images import Images
from hermes.cli import completion
from hermes.errors import UsageError
from hermes.layer.compress import CODECS, codec_at


@click.command("copy")
@click.argument("source", metavar="ORIGIN|IMAGE|LABEL", shell_complete=completion.bases)
@click.argument("destination", metavar="TRANSPORT")
@click.option("--platform", default="", metavar="OS/ARCH", help="Which image of an index.")
@click.option("--all-platforms", "whole", is_flag=True, help="An index with all its images.")
@click.option(
    "--compression",
    type=click.Choice(sorted(CODECS)),
    help="Compress the layers this way; they stay as they are otherwise.",
)
@click.option(
    "--compression-level",
    "level",
    type=int,
    metavar="N",
    help="How hard: 1 to 22 for zstd, 1 to 12 for gzip.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print nothing.")
def command(
    source: str,
    destination: str,
    platform: str,
    whole: bool,
    compression: str | None,
    level: int | None,
    quiet: bool,
) -> None:
    """Write an image from anywhere to anywhere, and print its digest.

    TRANSPORT is oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME], dir:DIR,
    containers-storage:NAME, docker-daemon:NAME or docker://NAME. The image keeps its digest, except that the
    docker-archive, docker-daemon and containers-storage forms do not hold compressed layers.

    \b
    hermes copy docker-archive:saved.tar oci:layout:v1
    hermes copy //app:image docker-daemon:app:v1
    """
    if platform and whole:
        raise UsageError(
            "--platform takes one image, and --all-platforms all of them", hint="say one of them"
        )
    if level is not None and not compression:
        raise UsageError("--compression-level is for a --compression", hint="say --compression zstd or gzip")
    codec = codec_at(compression, level) if compression else None
    manifest = Images().copy(
        source, destination, platform=platform, whole=True if whole else None, codec=codec
    )
    if not quiet:
        click.echo(manifest.digest)
