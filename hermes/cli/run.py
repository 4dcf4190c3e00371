"""``hermes run``."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from hermes.cli.build_options import build_options, quiet_option
from hermes.cli.completion import bases, files
from hermes.cli.lines import write_line
from hermes.cli.options import (
    PROGRAM,
    arguments_of,
    process_options,
    progress_option,
)
from hermes.cli.progress import Display, display
from hermes.cli.signals import passed_on
from hermes.cli.terminal import standard
from hermes.container.profiles import PROFILES, RunProfile
from hermes.errors import CommandFailed, UsageError
from hermes.sandbox.network import NETWORKS, Network

if TYPE_CHECKING:
    from hermes.api.mount_options import Mounts
    from hermes.api.workspace import Workspace
    from hermes.build.options import BuildOptions
    from hermes.build.result import BuildResult

F = TypeVar("F", bound=Callable[..., Any])

_NOT_STARTED: Final = 126
_KEPT_PIECES: Final = 16
"""How much of what a program showed is looked at when it failed."""


def _accepted(function: F) -> F:
    """Add options of docker and podman that ask for what is so anyway: nothing is left, and a terminal is passed on."""
    for names, text in (
        (("--rm",), "Nothing: no container is left when the program ends."),
        (("-i", "--interactive"), "Nothing: standard input is the program's."),
        (("-t", "--tty"), "Nothing: on a terminal the program has one."),
        (("--init",), "Nothing: the first process passes signals on and waits for orphans."),
        (("--read-only",), "Nothing: the root is read-only without --rw."),
    ):
        function = click.option(*names, is_flag=True, expose_value=False, help=text)(function)
    return click.option(
        "--name", expose_value=False, metavar="NAME", help="Nothing: no container is kept that has a name."
    )(function)


@click.command("run", context_settings=PROGRAM)
@click.argument("image", metavar="LABEL|IMAGE", shell_complete=bases)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGS...]")
@click.option(
    "--entrypoint", metavar="PROGRAM", help="Start this program instead of the image's entry point."
)
@click.option("--rw", "writable", is_flag=True, help="Let it write to its root; all of it is thrown away.")
@click.option(
    "--profile",
    type=click.Choice(PROFILES),
    default="strict",
    show_default=True,
    help="What it may do: server is for programs that begin as root, write below /run and /var and bind a port.",
)
@click.option(
    "--cap-add",
    "capabilities",
    multiple=True,
    metavar="CAP",
    help="Give it a capability, as NET_RAW, or all.",
)
@click.option(
    "--cap-drop", "dropped", multiple=True, metavar="CAP", help="Take one of the profile's away, or all."
)
@click.option(
    "-v",
    "--volume",
    "volumes",
    multiple=True,
    metavar="HOST:CTR[:ro]",
    help="Mount a file or folder of this machine.",
)
@click.option(
    "--network",
    type=click.Choice(NETWORKS),
    help="Its network: one of its own with a way out (default), or this machine's (host); it has none, or default if "
    "a port is published.",
)
@click.option(
    "-p",
    "--publish",
    "--port",
    "ports",
    multiple=True,
    metavar="[[IP:][HOST]:]CTR[/udp]",
    help="Let a port of this machine lead to one of the program; without HOST, or of a range, any free one.",
)
@process_options
@click.option(
    "--env-file",
    "env_files",
    multiple=True,
    metavar="FILE",
    shell_complete=files,
    help="Set the variables of a file.",
)
@click.option(
    "--mount",
    "mounts",
    multiple=True,
    metavar="type=TYPE,dst=PATH,...",
    help="Mount something: bind (src, ro) or tmpfs (size, mode).",
)
@click.option("--tmpfs", multiple=True, metavar="PATH[:OPTIONS]", help="An empty folder in memory.")
@_accepted
@progress_option
@build_options
@quiet_option
def command(
    image: str,
    arguments: tuple[str, ...],
    entrypoint: str | None,
    writable: bool,
    profile: RunProfile,
    capabilities: tuple[str, ...],
    dropped: tuple[str, ...],
    volumes: tuple[str, ...],
    network: Network | None,
    ports: tuple[str, ...],
    variables: tuple[str, ...],
    user: str,
    workdir: str,
    hostname: str,
    env_files: tuple[str, ...],
    mounts: tuple[str, ...],
    tmpfs: tuple[str, ...],
    options: BuildOptions,
    quiet: bool,
    progress: str,
) -> None:
    """Build an image and run it in the sandbox, or run one of the store; push an image_push target.

    A name that is not a label's (//app:image, :image) is first looked for among the images of the store; a digest, or
    the first twelve digits of one, will do as well.

    It has a read-only root, no network, no capabilities, and sees nothing of this machine, unless options say
    otherwise. ARGS take the place of the image's command; the exit status is the program's, 127 when there
    is no such program and 126 when it cannot be executed. Signals are passed on to it; the third SIGINT or SIGTERM
    ends it. Options stand before the image, as with docker and podman: what follows it is for the program.

    \b
    hermes run //examples/hello:image --name Ada
    hermes run -p 8080:80 -v ./data:/data:ro //app:image
    hermes run --profile server -p 8080:80 nginx
    hermes run --entrypoint sh app:debug
    """
    from hermes.api.ports import published
    from hermes.api.run_options import RunOptions, variable, variables_of_file, volume
    from hermes.api.running import run_image
    from hermes.api.workspace import Workspace
    from hermes.images.pushing import has_pushes
    from hermes.naming.stored import named_image
    from hermes.store.location import default_home

    arguments = arguments_of(arguments)
    mounted = _mounted(mounts, tmpfs)
    of_files = (pair for path in env_files for pair in variables_of_file(path, os.environ))
    how = RunOptions(
        writable=writable,
        profile=profile,
        capabilities=capabilities,
        dropped=dropped,
        volumes=(*map(volume, volumes), *mounted.bound),
        tmpfs=mounted.tmpfs,
        network=network or ("default" if ports else "none"),
        ports=tuple(one for text in ports for one in published(text)),
        env=(*of_files, *(variable(one, os.environ) for one in variables)),
        user=user,
        workdir=workdir,
        hostname=hostname,
        runtime=options.runtime,
        platform=options.platform,
    )
    stored = named_image(image)
    with display(quiet=quiet, progress=progress) as screen:
        if stored is None:
            workspace = Workspace(subscribers=[screen.event], say=screen.say)
            options = replace(options, taken_from_store=True)
            result = workspace.build([image], options)
            if has_pushes(result):
                _push(workspace, result, screen, options)
                return
    shown: deque[bytes] = deque(maxlen=_KEPT_PIECES)
    with (
        passed_on(),
        standard(terminal=None if options.runtime in ("", "bwrap") else False, shown=shown) as (
            stdio,
            is_terminal,
        ),
    ):

        def say(text: str) -> None:
            write_line(f"{text}\r" if is_terminal else text)

        if stored is None:
            status = workspace.run_built(
                result, arguments, entrypoint=entrypoint, how=how, stdio=stdio, say=say, options=options
            )
        else:
            status = run_image(
                default_home(), image, stored.root().digest, arguments, entrypoint, how, stdio, say
            )
    if status:
        if is_terminal and status < _NOT_STARTED:
            from hermes.api.refusals import advice_on_output

            said = b"".join(shown).decode("utf-8", "replace")
            if advice := advice_on_output(said, how):
                write_line(f"hint: {advice}")
        raise CommandFailed(status)


def _mounted(mounts: tuple[str, ...], tmpfs: tuple[str, ...]) -> Mounts:
    """Return what ``--mount`` and ``--tmpfs`` mean; raises `UsageError`."""
    from hermes.api.mount_options import Mounts, parse_mount, parse_tmpfs, together

    if not mounts and not tmpfs:
        return Mounts()
    found = together([*map(parse_mount, mounts), *map(parse_tmpfs, tmpfs)])
    if found.caches or found.secrets:
        raise UsageError(
            "--mount: a program has no cache or secret of a build", hint="mount a folder or a file: type=bind"
        )
    return found


def _push(workspace: Workspace, result: BuildResult, screen: Display, options: BuildOptions) -> None:
    """Carry out a target of the rule image_push."""
    from hermes.cli.push import show
    from hermes.images.pushing import Pushing

    remote = partial(workspace.remote, options)
    pushing = Pushing(workspace.home, workspace.registries, screen.say, screen.event, remote=remote)
    show(pushing.built(result))
