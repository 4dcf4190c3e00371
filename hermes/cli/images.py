"""``hermes images``, ``pull``, ``tag`` and ``rmi``: the images that have a name."""

from __future__ import annotations

import json

import click

from hermes.cli import completion
from hermes.cli.each import each
from hermes.cli.lines import write_line
from hermes.cli.options import (
    all_platforms_option,
    image_platform_option,
    nondistributable_option,
    transports_in_help,
)
from hermes.cli.progress import display
from hermes.cli.registry_access import access_options
from hermes.cli.tables import columns
from hermes.errors import UsageError
from hermes.registry.settings import Access
from hermes.sizes import size


@click.command("images")
@click.argument("name", default="", metavar="[NAME]", shell_complete=completion.images)
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON, sizes in bytes.")
@click.option("-q", "--quiet", is_flag=True, help="Print names only.")
def command(name: str, as_json: bool, quiet: bool) -> None:
    """List the images of the store that have a name, or those of one NAME: app, or app:v1.

    \b
    hermes images --json
    """
    from hermes.api.images import Images

    images = Images()
    found = [one for one in images.all() if not name or _is_called(one.name, name)]
    for damaged in images.damaged():
        write_line(
            f"warning: the entry of the image name {damaged} is damaged; remove it: hermes rmi {damaged}"
        )
    if as_json:
        click.echo(json.dumps([one.to_json() for one in found], indent=2, sort_keys=True))
        return
    if quiet:
        for one in found:
            click.echo(one.name)
        return
    rows = [("NAME", "DIGEST", "PLATFORM", "SIZE", "CREATED")]
    for one in found:
        platforms = ",".join(one.platforms) or "damaged"
        rows.append((one.name, one.digest.short, platforms, size(one.size), one.created[:19]))
    for line in columns(rows):
        click.echo(line)


def _is_called(title: str, name: str) -> bool:
    """Tell whether an image is called so; a name without a tag means all its tags."""
    from hermes.image.reference import Reference

    wanted, found = Reference.parse(name).normal, Reference.parse(title).normal
    has_tag = ":" in name.rpartition("/")[2]
    return (found.host, found.path) == (wanted.host, wanted.path) and (not has_tag or found.tag == wanted.tag)


@click.command("pull")
@click.argument("origin", metavar="ORIGIN", shell_complete=completion.bases)
@click.argument("name", default="", metavar="[NAME]")
@image_platform_option
@all_platforms_option
@nondistributable_option
@access_options
@click.option("-q", "--quiet", is_flag=True, help="Print nothing.")
@transports_in_help
def pull(
    origin: str,
    name: str,
    platform: str,
    whole: bool,
    keep_nondistributable: bool,
    quiet: bool,
    access: Access,
) -> None:
    """Take an image into the store, give it a name, and print that and its digest.

    Without NAME it keeps the name that it has there. ORIGIN is

    {origins}

    \b
    hermes pull docker-archive:saved.tar
    hermes pull oci:layout:v1 app:v1
    """
    from hermes.api.images import Images

    if platform and whole:
        raise UsageError(
            "--platform takes one image, and --all-platforms all of them", hint="say one of them"
        )
    with display(quiet=quiet) as screen:
        images = Images(subscribers=[screen.event], access=access)
        chosen, manifest = images.pull(
            origin, name, platform=platform, whole=whole, keep_nondistributable=keep_nondistributable
        )
    if not quiet:
        click.echo(f"{chosen}  {manifest.digest}")


@click.command("tag")
@click.argument("image", metavar="IMAGE", shell_complete=completion.images)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def tag(image: str, names: tuple[str, ...]) -> None:
    """Give an image, called by a name or digest, more names.

    \b
    hermes tag app:v1 app:latest registry.example/app:v1
    """
    from hermes.api.images import Images

    Images().tag(image, names)


@click.command("rmi")
@click.argument("images", nargs=-1, metavar="IMAGE...", shell_complete=completion.images)
@click.option("-a", "--all", "all_", is_flag=True, help="All that have a name.")
@click.option("-f", "--force", is_flag=True, help="Of an image called by its digest, take all names away.")
def rmi(images: tuple[str, ...], all_: bool, force: bool) -> None:
    """Take names of images away, and print them; `hermes cache gc` then removes what no name needs.

    \b
    hermes rmi app:v1
    """
    from hermes.api.images import Images

    if bool(images) == all_:
        raise UsageError("name images, or say --all")
    found = Images()

    def remove(image: str) -> None:
        for name in found.remove(image, force=force):
            click.echo(name)

    each([named.name for named in found.all()] if all_ else images, remove)
