"""Commands in stacks of layers.

The run action, ``hermes run`` and whatever else fills or starts a root file system come through here.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from hermes.container.layer_forms import LayerForms
from hermes.errors import HermesError, NetworkUnavailable, SandboxError
from hermes.outbound import MOUNTED, Outbound
from hermes.store import Store

if TYPE_CHECKING:
    from hermes.container.calls.testing import ImageTests
    from hermes.container.task import Outcome, Task
    from hermes.sandbox.namespace import Namespace
    from hermes.sandbox.network import Network
    from hermes.sandbox.ports import Listening
    from hermes.sandbox.remote import P, R, RemoteCommand
    from hermes.testing.report import Report


class Commands:
    """Runs commands on layers of one store. Safe to use from several threads.

    ``runtime`` runs the commands of tasks that name none; see `hermes.sandbox.choice`. ``network`` is what the
    ``default`` of tasks means. ``warn`` is told when commands cannot have a network of their own, and so have the
    machine's. ``emulators`` maps architectures to emulators that are to be taken instead of those that are installed.
    Commands with a network get what ``outbound`` says.
    """

    def __init__(
        self,
        store: Store,
        namespace: Namespace,
        layers: LayerForms,
        runtime: str = "",
        *,
        network: Network = "default",
        warn: Callable[[str], None] = lambda _: None,
        emulators: Mapping[str, str] = MappingProxyType({}),
        outbound: Outbound | None = None,
    ) -> None:
        self.layers = layers
        self._store = store
        self._namespace = namespace
        self._runtime = runtime
        self._network = network
        self._warn = warn
        self._emulators = tuple(emulators.items())
        self._outbound = outbound or Outbound()
        self._guard = threading.Lock()

    @property
    def has_one_id(self) -> bool:
        """Tell whether commands can be nobody but root, and give files to nobody else."""
        return not self._namespace.map.whole

    def run(
        self,
        task: Task,
        stdio: tuple[int, int, int],
        waiting: Callable[[], None] | None = None,
        listening: Listening | None = None,
    ) -> Outcome:
        """Run a command on a stack of layers and commit what it asks for.

        ``stdio`` are the descriptors of its standard input, output and error. ``waiting`` is called on each
        turn of a wait for a cache, and may raise to give up. What is ``listening`` leads to
        the command if that has a network of its own. Raises `MissingBlobError` when a layer of the stack is not in the store, `SandboxError` or `BuildError` when it cannot start, `SecretLeaked` when a
        secret is in what it left.
        """
        from hermes.container.calls.commands import RUN, Running
        from hermes.sandbox import choice

        with contextlib.ExitStack() as held:
            caches = self._caches(task, held, waiting)
            if task.secrets:
                stdio = held.enter_context(_guarded(task, stdio))
            if task.agents:
                from hermes.container.secrets.agents import forwarded

                folder = held.enter_context(self._store.scratch.directory())
                task = replace(task, agents=held.enter_context(forwarded(task.agents, str(folder))))
            task = replace(task, runtime=task.runtime or self._runtime)
            where = choice.located(task.runtime)
            self._namespace.start(RUN)
            self.layers.ensure_trees(task.stack)
            if task.begun:
                self.layers.ensure_tars(task.begun)
            home = str(self._store.home)

            def call(task: Task) -> Running:
                return Running(home, task, where, caches, self._emulators)

            return self._noted(self._connected(task, RUN, call, stdio, listening))

    def test(self, testing: ImageTests, stdio: tuple[int, int, int]) -> Report:
        """Test an image; ``where`` of ``testing`` is found here, and so is what its network means. Raises as `run`."""
        from hermes.container.calls.testing import TEST
        from hermes.sandbox import choice

        self._namespace.start(TEST)
        tasks = [*(one.task for one in testing.planned), *([testing.server] if testing.server else [])]
        for task in tasks:
            self.layers.ensure_trees(task.stack)
        runtime = choice.BWRAP if testing.server else self._runtime
        where = choice.located(runtime)

        def call(task: Task) -> ImageTests:
            server = testing.server and self._led_out(testing.server, task.network)
            planned = tuple(
                one._replace(task=self._led_out(replace(one.task, runtime=runtime), task.network))
                for one in testing.planned
            )
            return testing._replace(where=where, server=server, planned=planned, emulators=self._emulators)

        return self._connected(tasks[0], TEST, call, stdio)

    def run_host(self, task: Task, stdio: tuple[int, int, int]) -> Outcome:
        """As `run`, but the command is one of this machine, which sees the stack at `hermes.sandbox.host.ROOT`."""
        from hermes.container.calls.commands import RUN_TOOL, RunningTool
        from hermes.sandbox import choice

        home = str(self._store.home)
        hidden = (home, os.path.expanduser("~"))
        where = choice.located(choice.BWRAP)
        self.layers.ensure_trees(task.stack)
        return self._noted(
            self._connected(task, RUN_TOOL, lambda task: RunningTool(home, task, where, hidden), stdio)
        )

    def _connected(
        self,
        task: Task,
        remote: RemoteCommand[P, R],
        call: Callable[[Task], P],
        stdio: tuple[int, int, int],
        listening: Listening | None = None,
    ) -> R:
        """Make a call with the network that the task asks for.

        Where that cannot be, which shows before the command begins, it has the machine's: raises `UsageError` if not all
        of the ports can be had there.
        """
        network = self._network if task.network == "default" else task.network
        if network == "default":
            from hermes.sandbox.usermode import Connection, installed

            try:
                programs = installed()
                with (
                    self._store.scratch.directory() as folder,
                    Connection(programs, str(folder), listening) as connect,
                ):
                    own = call(self._led_out(task, "default"))
                    return self._namespace.run(remote, own, stdio, connect)
            except NetworkUnavailable as error:
                self._share(error, listening)
                network = "host"
        return self._namespace.run(remote, call(self._led_out(task, network)), stdio)

    def _led_out(self, task: Task, network: Network) -> Task:
        """Return a task that has a network, with the proxies and authorities that it needs there."""
        if network == "none":
            return replace(task, network=network)
        from hermes.container.task import Staged, StagedFile

        given = self._outbound.variables((name for name, _ in task.env), shares_network=network == "host")
        staged = task.staged
        if self._outbound.ca:
            staged = (
                *staged,
                Staged(MOUNTED, (StagedFile("", self._outbound.ca, _size(self._outbound.ca)),)),
            )
        return replace(task, network=network, env=(*given.items(), *task.env), staged=staged)

    def _noted(self, outcome: Outcome) -> Outcome:
        """Note that the tree of the layer that a command made needs no check."""
        if outcome.diff_id is not None:
            self.layers.note_tree(outcome.diff_id)
        return outcome

    def _share(self, error: NetworkUnavailable, listening: Listening | None) -> None:
        """Say, once, why commands have the machine's network."""
        if listening:
            from hermes.sandbox.ports import check_shared

            listening.close()
            check_shared(listening.asked)
        with self._guard:
            if self._network == "host":
                return
            self._network = "host"
        listens = ", where the program itself listens on its ports" if listening else ""
        self._warn(
            f"commands with a network share this machine's{listens}, for they cannot have one of their own: "
            f"{error.message} (see `hermes doctor`)"
        )

    def _caches(
        self, task: Task, held: contextlib.ExitStack, waiting: Callable[[], None] | None
    ) -> tuple[tuple[str, str], ...]:
        """Take the caches of a task, in one order for all tasks, so that no two wait for each other."""
        found: dict[str, str] = {}
        for one in sorted(task.caches, key=lambda one: one.name):
            if one.name in found:
                raise SandboxError(
                    f"the cache {one.id!r} is mounted twice", hint="a command has it at one path"
                )
            remove = self.layers.remover.remove
            using = self._store.caches.used(
                one.id, one.sharing, form=one.form, remove=remove, waiting=waiting
            )
            found[one.name] = held.enter_context(using)
        return tuple(found.items())


def _size(authorities: str) -> int:
    try:
        return os.stat(authorities).st_size
    except OSError as error:
        raise SandboxError(
            f"{authorities}: {error.strerror}",
            hint="name a file with certificates as outbound.ca in hermes.yaml",
        ) from error


@contextlib.contextmanager
def _guarded(task: Task, stdio: tuple[int, int, int]) -> Iterator[tuple[int, int, int]]:
    """Keep a task's secrets out of what the command prints, and out of the errors that speak of its files."""
    from hermes.container.output import piped
    from hermes.container.secrets.encodings import check_value
    from hermes.container.secrets.leaks import Search

    for one in task.secrets:
        check_value(one.id, one.value)
    search = Search({one.id: one.value for one in task.secrets})
    try:
        with piped(stdio, lambda: search.masker) as guarded:
            yield guarded
    except HermesError as error:
        error.message = search.masker.text(error.message)
        error.args = (error.message,)
        raise
    except RuntimeError as error:
        raise RuntimeError(search.masker.text(str(error))) from None
