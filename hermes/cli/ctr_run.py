"""``hermes ctr run``."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Final

import click

from hermes.cli.completion import containers
from hermes.cli.containers import opened
from hermes.cli.lines import write_line
from hermes.cli.options import (
    PROGRAM,
    arguments_of,
    capability_options,
    process_options,
    runtime_option,
    secret_option,
    volume_option,
)
from hermes.cli.signals import passed_on
from hermes.cli.terminal import standard
from hermes.errors import CommandFailed, UsageError
from hermes.sandbox import capabilities
from hermes.sandbox.network import NETWORKS, Network

_SIGNALLED: Final = 128


@click.command("run", context_settings=PROGRAM)
@click.argument("name", metavar="CONTAINER", shell_complete=containers)
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND...")
@process_options
@click.option(
    "--network",
    type=click.Choice(NETWORKS),
    default="none",
    show_default=True,
    envvar="HERMES_CTR_NETWORK",
    help="Its network: one of its own with a way out (default), or this machine's (host). HERMES_CTR_NETWORK says it "
    "for all commands of a script.",
)
@click.option(
    "--mount",
    "mounts",
    multiple=True,
    metavar="type=TYPE,dst=PATH,...",
    help="Mount something while it runs: bind (src, ro), cache (id, sharing, mode, uid, gid), "
    "tmpfs (size, mode) or secret (id, mode, uid, gid).",
)
@volume_option
@click.option("--tmpfs", multiple=True, metavar="PATH[:OPTIONS]", help="An empty folder in memory.")
@capability_options
@click.option("-t/-T", "--terminal/--no-terminal", default=None, help="Give it a terminal of its own.")
@click.option("--isolation", type=click.Choice(["chroot", "oci", "rootless"]), help="As buildah has it.")
@runtime_option
@secret_option
def run(
    name: str,
    argv: tuple[str, ...],
    variables: tuple[str, ...],
    workdir: str,
    user: str,
    hostname: str,
    network: Network,
    mounts: tuple[str, ...],
    volumes: tuple[str, ...],
    tmpfs: tuple[str, ...],
    added: tuple[str, ...],
    dropped: tuple[str, ...],
    terminal: bool | None,
    isolation: str | None,
    runtime: str,
    secrets: tuple[str, ...],
) -> None:
    """Run a command in a container, as its configuration says; what it changes stays there.

    A secret is a file in memory, at /run/secrets/ID unless a --mount says otherwise. The exit status is the
    command's, 128 and the number of the signal that ended it, 127 when there is no such program or 126 when it
    cannot be executed. Signals are passed on to the command; the third SIGINT or SIGTERM ends it. Options stand
    before the container, as with buildah: what follows it is the command.

    \b
    hermes ctr run $ctr apt-get update
    hermes ctr run -t $ctr bash
    hermes ctr run --mount type=cache,dst=/root/.cache/pip --network host $ctr -- pip install flask
    hermes ctr run --secret id=npmrc,src=$HOME/.npmrc $ctr -- npm ci
    """
    from hermes.api.command_options import CommandOptions
    from hermes.api.mount_options import Mounts, parse_mount, parse_tmpfs, together
    from hermes.api.run_options import check_hostname, variable, volume
    from hermes.build.secrets import SecretSource, read_secrets
    from hermes.sandbox.choice import BWRAP, check_name, of_isolation

    check_name(runtime)
    chosen = runtime or of_isolation(isolation)
    found = together([*map(parse_mount, mounts), *map(parse_tmpfs, tmpfs)])
    found += Mounts(bound=tuple(map(volume, volumes)))
    is_bwrap = chosen in ("", BWRAP)
    if terminal and not is_bwrap:
        raise UsageError(
            f"{chosen} gives a command no terminal", hint="leave out --terminal, or use --runtime bwrap"
        )
    with passed_on(), standard(terminal=terminal if is_bwrap else False) as (stdio, has_terminal):
        options = CommandOptions(
            env=tuple(variable(one, os.environ) for one in variables),
            workdir=workdir,
            user=user,
            hostname=check_hostname(hostname),
            network=network,
            mounts=found.with_values(read_secrets([SecretSource.parse(one) for one in secrets])),
            capabilities=capabilities.chosen(added, dropped),
            terminal=has_terminal,
            runtime=chosen,
        )
        status = opened().run(name, arguments_of(argv), options, stdio)
    if status > _SIGNALLED:
        with contextlib.suppress(ValueError):
            write_line(f"the command was ended by {signal.Signals(status - _SIGNALLED).name}")
    if status:
        raise CommandFailed(status)
