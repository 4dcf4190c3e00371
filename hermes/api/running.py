"""``hermes run``: a built image in the sandbox, with no more rights than a program needs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from hermes.actions.environment import Environment
from hermes.api.run_options import RunOptions
from hermes.container.commands import Commands
from hermes.container.layer_forms import LayerForms
from hermes.container.stack import StackEntry
from hermes.container.task import Task
from hermes.digest import Digest
from hermes.errors import UsageError
from hermes.image.config import diff_ids_of
from hermes.image.stored import descriptor_of
from hermes.naming.registries import LazyBlobs
from hermes.sandbox.namespace import Namespace
from hermes.sandbox.process import HOSTNAME
from hermes.store import Store
from hermes.transports.examining import choose
from hermes.transports.stored import StoreOrigin

_TMPFS: Final = ("/run", "/tmp", "/var/tmp")  # noqa: S108 - paths of the sandbox


def run_image(
    home: Path,
    name: str,
    digest: Digest,
    arguments: Sequence[str],
    entrypoint: str | None,
    options: RunOptions,
    stdio: tuple[int, int, int],
) -> int:
    """Run an image of the store, which errors call ``name``; return the program's exit status."""
    store = Store.open(home)
    namespace = Namespace()
    fetching = LazyBlobs.here(store)
    try:
        with store.in_use():
            origin = StoreOrigin(store, descriptor_of(store, digest), name)
            document = choose(origin, None).config
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
                capabilities=options.capabilities,
                network=options.network,
                read_only=not options.writable,
                session=not os.isatty(stdio[0]),
                tmpfs=() if options.writable else _TMPFS,
                bound=options.volumes,
                runtime=options.runtime,
                hostname=options.hostname or HOSTNAME,
                seccomp="run",
            )
            layers = LayerForms(store, namespace, fetching.layer)
            return Commands(store, namespace, layers).run(task, stdio).status
    finally:
        fetching.close()
        namespace.close()
        store.close()


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
