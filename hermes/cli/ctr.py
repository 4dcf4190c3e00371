"""``hermes ctr``: working containers, one small operation at a time."""

from __future__ import annotations

import json
import re
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import click

from hermes.cli import completion
from hermes.cli.bud_outputs import check_file, write_file
from hermes.cli.containers import opened
from hermes.cli.each import each
from hermes.cli.lines import print_beside, write_line
from hermes.cli.options import (
    digest_file_option,
    image_platform_option,
    timestamp_option,
    transports_in_help,
)
from hermes.cli.registry_access import access_options
from hermes.cli.tables import columns
from hermes.container.state import State
from hermes.errors import UsageError
from hermes.registry.settings import Access

if TYPE_CHECKING:
    from hermes.api.containers import Containers

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")
_OF_HERMES: Final = {
    "bud": ("bud", "command"),
    "build": ("bud", "command"),
    "build-using-dockerfile": ("bud", "command"),
    "images": ("images", "command"),
    "pull": ("images", "pull"),
    "push": ("push", "command"),
    "rmi": ("images", "rmi"),
    "tag": ("images", "tag"),
    "unshare": ("unshare", "command"),
}
"""What buildah has among its commands for containers and Hermes beside them; module and name."""
_ALIASES: Final = {"containers": "ps", "delete": "rm", "list": "ps", "ls": "ps", "unmount": "umount"}
_MORE: Final = {"add": "ctr_copy", "config": "ctr_config", "copy": "ctr_copy", "run": "ctr_run"}


class _Commands(click.Group):
    """Imports the modules of the commands with many options when those are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*self.commands, *_MORE})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _MORE:
            found: click.Command = getattr(import_module(f"hermes.cli.{_MORE[cmd_name]}"), cmd_name)
            return found
        if cmd_name in _OF_HERMES:
            module, name = _OF_HERMES[cmd_name]
            other: click.Command = getattr(import_module(f"hermes.cli.{module}"), name)
            return other
        return super().get_command(ctx, _ALIASES.get(cmd_name, cmd_name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from hermes.cli.other_tools import WAYS

        if args[0] == "push" and any(map(_is_elsewhere, args[1:])):
            from hermes.cli.copy import command as copy

            return "push", copy, args[1:]
        if args[0] in WAYS and self.get_command(ctx, args[0]) is None:
            raise UsageError(f"there is no command 'ctr {args[0]}'", hint=WAYS[args[0]])
        return super().resolve_command(ctx, args)


@click.group("ctr", cls=_Commands)
def command() -> None:
    """Build an image step by step: mount a container's root, fill it with any tool, run, configure, commit.

    \b
    ctr=$(hermes ctr from //app:base)
    hermes ctr run $ctr -- apt-get install -y curl
    hermes ctr copy $ctr app /srv
    hermes ctr config --entrypoint '["/srv/app"]' $ctr
    hermes ctr commit $ctr app:latest
    """


_PULLS: Final = {
    "always": "always",
    "false": "never",
    "ifmissing": "missing",
    "ifnewer": "always",
    "missing": "missing",
    "never": "never",
    "newer": "always",
    "true": "missing",
}
"""What buildah calls the policies of `hermes.build.dockerfile.options.PULLS`; ``newer`` asks the registry, as ``always`` does: blobs that are here are not sent."""


class _From(click.Command):
    """``--pull`` may stand alone, and means then what it means to buildah: if it is missing."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        alone = {"--pull": "--pull=true", "--pull-always": "--pull=always", "--pull-never": "--pull=never"}
        return super().parse_args(ctx, [alone.get(one, one) for one in args])


@command.command("from", cls=_From)
@click.argument("base", metavar="IMAGE|ORIGIN|LABEL|scratch", shell_complete=completion.bases)
@click.option("--name", default="", help="What to call the container.")
@click.option(
    "--pull",
    type=click.Choice(sorted(_PULLS)),
    default="missing",
    metavar="POLICY",
    help="When to ask registries: missing (also --pull alone), always (--pull-always) or never (--pull-never).",
)
@click.option("--cidfile", default="", metavar="FILE", help="Write the container's id to a file.")
@click.option("-q", "--quiet", is_flag=True, expose_value=False, help="Nothing: only the name is printed.")
@image_platform_option
@access_options
@transports_in_help
def from_(base: str, name: str, pull: str, cidfile: str, platform: str, access: Access) -> None:
    """Make a container of an image, of a target or of nothing, and print its name.

    IMAGE is a name of the store or of a registry, as in FROM of a Dockerfile. ORIGIN is an image elsewhere:

    {origins}

    \b
    hermes ctr from scratch
    hermes ctr from docker-archive:saved.tar
    hermes ctr from --name work //examples/hello:image
    """
    check_file("--cidfile", cidfile)
    made = opened(access).create(base, name=name and _checked(name), platform=platform, pull=_PULLS[pull])
    if cidfile:
        write_file("--cidfile", cidfile, made.id)
    click.echo(made.name)


@command.command()
@click.argument("names", nargs=-1, metavar="[CONTAINER...]", shell_complete=completion.containers)
@click.option("--json", "as_json", is_flag=True, help="Print names and paths as JSON.")
def mount(names: tuple[str, ...], as_json: bool) -> None:
    """Mount containers for any tool of this machine, and print where; without names say what is mounted.

    An ordinary user does this inside of `hermes unshare`.

    \b
    mnt=$(hermes ctr mount $ctr)
    cp -r public $mnt/srv
    """
    containers = opened()
    if names:
        found = [(name, containers.mount(name)) for name in names]
    else:
        rows = [(one.name, containers.mounted_at(one)) for one in containers.all()]
        found = [(name, path) for name, path in rows if path]
    if as_json:
        click.echo(json.dumps([{"container": name, "path": path} for name, path in found], indent=2))
        return
    for name, path in found:
        click.echo(path if len(names) == 1 else f"{name} {path}")


@command.command()
@click.argument("names", nargs=-1, metavar="CONTAINER...", shell_complete=completion.containers)
@click.option("-a", "--all", "all_", is_flag=True, help="All that are mounted.")
def umount(names: tuple[str, ...], all_: bool) -> None:
    """Unmount containers.

    \b
    hermes ctr umount $ctr
    """
    containers = opened()
    for name in _named(containers, names, all_=all_):
        if containers.umount(name):
            click.echo(name)
        elif not all_:
            raise UsageError(f"the container {name} is not mounted")


@command.command()
@click.argument("name", metavar="CONTAINER", shell_complete=completion.containers)
@click.argument("target", default="", metavar="[NAME|TRANSPORT]", shell_complete=completion.destinations)
@click.option("--squash", is_flag=True, help="Write all layers as one.")
@timestamp_option
@click.option(
    "-f",
    "--format",
    "format_",
    type=click.Choice(["oci", "docker"]),
    default="oci",
    show_default=True,
    help="The image's format.",
)
@click.option(
    "--compression",
    type=click.Choice(["gzip", "zstd"]),
    default="zstd",
    show_default=True,
    help="How layers are compressed; always gzip in Docker's format.",
)
@click.option(
    "--compression-level",
    "level",
    type=int,
    metavar="N",
    help="How hard: 1 to 22 for zstd, 1 to 12 for gzip.",
)
@click.option(
    "--recompress",
    is_flag=True,
    help="Compress the layers of the base too, which stay as they are otherwise.",
)
@click.option("--rm", "remove", is_flag=True, help="Remove the container afterwards.")
@digest_file_option
@access_options
@click.option("-q", "--quiet", is_flag=True, help="Print nothing.")
@transports_in_help
def commit(
    name: str,
    target: str,
    squash: bool,
    timestamp: int | None,
    format_: str,
    compression: str,
    level: int | None,
    recompress: bool,
    remove: bool,
    iidfile: str,
    quiet: bool,
    access: Access,
) -> None:
    """Make a layer of what changed since the last commit, and an image of the container; print its digest.

    Committing again without a change gives the same image. It gets a NAME in the store, or goes to a TRANSPORT:

    {destinations}

    \b
    hermes ctr commit $ctr app:latest
    hermes ctr commit --rm --squash $ctr oci-archive:app.tar
    """
    from hermes.container.commit_options import CommitOptions

    check_file("--iidfile", iidfile)
    containers = opened(access)
    options = CommitOptions(squash, timestamp, format_, compression, level, recompress)
    manifest = containers.commit(name, target, options)
    if remove:
        containers.remove(name)
    if iidfile:
        write_file("--iidfile", iidfile, manifest.digest)
    if not quiet:
        print_beside(manifest.digest, [target])


@command.command()
@click.argument("name", metavar="CONTAINER|IMAGE", shell_complete=completion.containers)
@click.option(
    "-f",
    "--format",
    "template",
    default="",
    metavar="TEMPLATE",
    help="Print what a template of Go makes of what buildah and docker know of it, as '{{.Config.Cmd}}'.",
)
@click.option(
    "-t",
    "--type",
    "kind",
    type=click.Choice(["container", "image"]),
    help="Look for this alone; otherwise for a container first.",
)
def inspect(name: str, template: str, kind: str | None) -> None:
    """Print what is known of a container, or of an image, as JSON.

    \b
    hermes ctr inspect $ctr
    hermes ctr inspect --format '{{.OCIv1.Config.Entrypoint}}' $ctr
    hermes ctr inspect --type image --format '{{index .Config.Labels "version"}}' app:latest
    """
    from hermes.cli.ctr_inspect import described_image, formatted

    containers = opened()
    state = None
    if kind != "image":
        try:
            state = containers.get(name)
        except UsageError:
            if kind == "container":
                raise
    if state is None:
        try:
            image = described_image(name)
        except UsageError as error:
            if kind is None:
                error.message = f"there is no container {name}, and {error.message}"
            raise
        click.echo(formatted(template, image) if template else json.dumps(image, indent=2, sort_keys=True))
        return
    if template:
        click.echo(formatted(template, state, containers.mounted_at(state)))
        return
    click.echo(json.dumps(_described(containers, state), indent=2, sort_keys=True))


@command.command()
@click.argument("name", metavar="CONTAINER", shell_complete=completion.containers)
@click.option("--json", "as_json", is_flag=True, help="Print kinds and paths as JSON.")
def diff(name: str, as_json: bool) -> None:
    """Say what changed since the last commit: A added, C changed, D deleted.

    \b
    hermes ctr diff $ctr
    """
    found = opened().diff(name)
    if as_json:
        click.echo(json.dumps([one._asdict() for one in found], indent=2))
        return
    for one in found:
        click.echo(f"{one.kind} {one.path}".encode("utf-8", "surrogateescape"))


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Print names only.")
@click.option("-n", "--noheading", is_flag=True, help="Leave out the heading.")
@click.option("-a", "--all", is_flag=True, expose_value=False, help="Nothing: all are listed.")
@click.option("--notruncate", is_flag=True, expose_value=False, help="Nothing: ids are listed whole.")
@click.option(
    "--format",
    "template",
    default="",
    metavar="TEMPLATE",
    help="Print a line for each, as '{{.ContainerName}}'.",
)
def ps(as_json: bool, quiet: bool, noheading: bool, template: str) -> None:
    """List the working containers.

    \b
    hermes ctr ps --json
    """
    containers = opened()
    found = containers.all()
    for identity in containers.damaged():
        write_line(f"warning: the container {identity} is damaged; remove it: hermes ctr rm {identity}")
    if as_json:
        click.echo(json.dumps([_described(containers, one) for one in found], indent=2, sort_keys=True))
        return
    if template:
        from hermes.cli.ctr_inspect import formatted

        lines = [formatted(template, one, containers.mounted_at(one)) for one in found]
    elif quiet:
        lines = [one.name for one in found]
    else:
        rows = [
            (one.id, one.name, one.image, str(len(one.stack)), containers.mounted_at(one)) for one in found
        ]
        heading = [] if noheading else [("ID", "NAME", "FROM", "LAYERS", "MOUNTED AT")]
        lines = columns([*heading, *rows])
    for line in lines:
        click.echo(line)


@command.command()
@click.argument("names", nargs=-1, metavar="CONTAINER...", shell_complete=completion.containers)
@click.option("-a", "--all", "all_", is_flag=True, help="Remove all.")
@click.option("-f", "--force", is_flag=True, help="Containers that are not there are no error.")
def rm(names: tuple[str, ...], all_: bool, force: bool) -> None:
    """Remove containers with all that was not committed.

    \b
    hermes ctr rm $ctr
    """
    containers = opened()
    wanted = _named(containers, names, all_=all_)
    if force:
        known = {one for state in containers.all() for one in (state.name, state.id)} | {
            *containers.damaged()
        }
        wanted = [name for name in dict.fromkeys(wanted) if name in known]
    each(wanted, lambda name: click.echo(containers.remove(name)))


@command.command()
@click.argument("name", metavar="CONTAINER", shell_complete=completion.containers)
@click.argument("new", metavar="NAME")
def rename(name: str, new: str) -> None:
    """Give a container another name.

    \b
    hermes ctr rename debian-working-container web
    """
    opened().rename(name, _checked(new))


def _is_elsewhere(word: str) -> bool:
    """Tell whether a word says that an image goes elsewhere than to a registry, as it can with buildah's push."""
    from hermes.transports import REGISTRY
    from hermes.transports.table import has_transport

    return has_transport(word) and not word.startswith(REGISTRY)


def _checked(name: str) -> str:
    if not _NAME.match(name):
        raise UsageError(f"invalid container name {name!r}", hint="letters, digits and _ . - can stand in it")
    return name


def _named(containers: Containers, names: tuple[str, ...], *, all_: bool) -> list[str]:
    if bool(names) == all_:
        raise UsageError("name containers, or say --all")
    return [one.name for one in containers.all()] if all_ else list(names)


def _described(containers: Containers, state: State) -> dict[str, Any]:
    return {
        "config": state.document,
        "from": state.image,
        "id": state.id,
        "layers": [one.diff_id for one in state.stack],
        "mounted_at": containers.mounted_at(state),
        "name": state.name,
        "steps": list(state.steps),
    }
