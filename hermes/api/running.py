"""``hermes run``: a built image in the sandbox, with no more rights than a program needs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hermes.actions.environment import Environment
from hermes.api.run_options import RunOptions
from hermes.container.commands import Commands
from hermes.container.layer_forms import LayerForms
from hermes.container.profiles import tmpfs_of, writable_of
from hermes.container.stack import StackEntry
from hermes.container.task import Task
from hermes.digest import Digest
from hermes.errors import NetworkUnavailable, UsageError
from hermes.image.config import diff_ids_of
from hermes.image.platform import Platform
from hermes.image.stored import descriptor_of
from hermes.naming.registries import LazyBlobs, settings_of
from hermes.sandbox.namespace import Namespace
from hermes.sandbox.process import HOSTNAME
from hermes.store import Store
from hermes.transports.examining import choose
from hermes.transports.stored import StoreOrigin
from hermes.workspace.root import Settings

if TYPE_CHECKING:
    from hermes.remote.settings import RemoteSettings
    from hermes.sandbox.ports import Listening

_NOT_STARTED: Final = 126


def run_image(
    home: Path,
    name: str,
    digest: Digest,
    arguments: Sequence[str],
    entrypoint: str | None,
    options: RunOptions,
    stdio: tuple[int, int, int],
    say: Callable[[str], None] = lambda _: None,
    settings: Settings | None = None,
    remote: Callable[[], RemoteSettings | None] | None = None,
) -> int:
    """Run an image of the store, which errors call ``name``; return the program's exit status.

    ``say`` is told which ports were chosen, and warnings. ``settings`` are those of the workspace here, if they are not said.
    ``remote`` returns who the remote services are that have layers. Raises `MissingBlobError` where one can no longer be fetched.
    """
    settings = settings or settings_of(None, home)
    store = Store.open(home)
    namespace = Namespace()
    fetching = LazyBlobs.here(store, remote=remote)
    try:
        with store.in_use():
            origin = StoreOrigin(store, descriptor_of(store, digest), name)
            document = choose(origin, Platform.parse(options.platform) if options.platform else None).config
            config = document.get("config") or {}
            environment = Environment.from_json(config)
            user = options.user or environment.user
            options.check_user(user)
            task = Task(
                stack=tuple(StackEntry(one, name) for one in diff_ids_of(document)),
                argv=_argv(config, arguments, entrypoint, name),
                env=(*_terminal(stdio), *environment.env, *options.env),
                cwd=options.workdir or environment.workdir or "/",
                user=user,
                capabilities=options.granted,
                network=options.network,
                read_only=not options.writable,
                session=not os.isatty(stdio[0]),
                tmpfs=(
                    *tmpfs_of(options.profile, options.tmpfs, writable=options.writable),
                    *options.tmpfs,
                ),
                writable=writable_of(options.profile, config, writable=options.writable),
                bound=options.volumes,
                runtime=options.runtime or settings.runtime,
                hostname=options.hostname or HOSTNAME,
                seccomp="run",
            )
            layers = LayerForms(store, namespace, fetching.layer)
            commands = Commands(
                store,
                namespace,
                layers,
                warn=lambda text: say(f"warning: {text}"),
                emulators=settings.emulators,
                outbound=settings.outbound,
            )
            with contextlib.ExitStack() as held:
                listening = _listening(options, say)
                if listening:
                    held.enter_context(listening)
                status = commands.run(task, stdio, listening=listening).status
            # On a terminal the command line looks at what the program said.
            if 0 < status < _NOT_STARTED and not os.isatty(stdio[2]):
                from hermes.api.refusals import advice_on_image

                if advice := advice_on_image(config, options):
                    say(f"hint: {advice}")
            return status
    finally:
        fetching.close()
        namespace.close()
        store.close()


def _listening(options: RunOptions, say: Callable[[str], None]) -> Listening | None:
    """Take the ports to publish, and say which were chosen; raises `UsageError` where one cannot be had."""
    if not options.ports:
        return None
    from hermes.sandbox.ports import Listening, check_shared
    from hermes.sandbox.usermode import installed

    if options.network == "host":
        say("note: --publish changes nothing: with --network host all ports are this machine's")
        return None
    try:
        installed()
    except NetworkUnavailable:
        check_shared(options.ports)
        return Listening.left_to_programs(options.ports)
    listening = Listening(options.ports)
    for asked, one in zip(options.ports, listening.listeners, strict=True):
        if asked.outer != one.port.outer or asked.last:
            say(f"published {one.port}")
    return listening


def _argv(
    config: dict[str, Any], arguments: Sequence[str], entrypoint: str | None, label: str
) -> tuple[str, ...]:
    if entrypoint is not None:
        return (entrypoint, *arguments)
    argv = (*(config.get("Entrypoint") or ()), *(arguments or config.get("Cmd") or ()))
    if not argv:
        raise UsageError(
            f"{label} has no entry point and no command",
            hint="give it one: entrypoint = [...], or say what to run: hermes run LABEL -- PROGRAM",
        )
    return argv


def _terminal(stdio: tuple[int, int, int]) -> tuple[tuple[str, str], ...]:
    """Tell a program on a terminal what kind it is."""
    if os.isatty(stdio[1]) and (term := os.environ.get("TERM")):
        return (("TERM", term),)
    return ()
