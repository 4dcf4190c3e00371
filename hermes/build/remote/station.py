"""Executes actions of builds on other machines, each from its folder: what a worker does, independent of how the folders get there.

It does not know where folders come from and go to: ``hermes execute-action`` has them on disk, ``hermes worker`` in a
content-addressable storage.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from hermes.actions.local import Local
from hermes.actions.packed import Folder, Part, admit_action, pack_result
from hermes.actions.tools import Tools
from hermes.container.calls import PRELOADED
from hermes.container.commands import Commands
from hermes.container.layer_forms import LayerForms
from hermes.container.removal import Remover, sweep_after
from hermes.engine.executor import Result
from hermes.errors import ActionError, BuildError, BuildInterrupted, HermesError, SandboxError, StoreError
from hermes.sandbox.namespace import Namespace
from hermes.store import Store
from hermes.store.removal import remove_tree

FAILED: Final = 1
"""The exit status of an action that failed, as it would on any machine."""
UNABLE: Final = 76
"""The exit status where this machine cannot execute an action that another may; EX_PROTOCOL of sysexits.h."""


class Answer(NamedTuple):
    """What came of an action: an exit status, the files of its result's folder, and the error if there was one."""

    status: int
    parts: tuple[Part, ...]
    error: HermesError | None = None


class Station:
    """A store, a namespace, and what executes actions with them. Safe to use from several threads.

    ``runtime`` runs the commands; see `hermes.sandbox.choice`.
    """

    def __init__(self, home: Path, runtime: str = "") -> None:
        self.store = Store.open(home)
        self.namespace = Namespace((), PRELOADED)
        self.layers = LayerForms(self.store, self.namespace)
        commands = Commands(self.store, self.namespace, self.layers, runtime, network="none")
        self.cancelled = threading.Event()
        self.tools = Tools(self.store, commands, _no_mirrors, self.cancelled)

    def __enter__(self) -> Self:
        self.namespace.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def execute(self, folder: Folder, printed: Callable[[str], None] = lambda _: None) -> Answer:
        """Execute the action in a folder, whose command prints to ``printed`` as well; raises `BuildInterrupted`."""
        key = ""
        try:
            request = admit_action(folder, self.store)
            key = request.key
            tools = replace(self.tools, printed=lambda _action, text: printed(text))
            with self.store.locks.held(f"action:{key}", waiting=tools.check_cancelled):
                result = Local(tools).execute(request)
            assert isinstance(result, Result)
            return Answer(0, pack_result(result, key, self.store))
        except BuildInterrupted:
            raise
        except HermesError as error:
            is_able = not isinstance(error, SandboxError | StoreError) and bool(key)
            if isinstance(error, ActionError) and self.tools.commands.has_one_id:
                is_able = False
            return Answer(FAILED if is_able else UNABLE, pack_result(error, key, self.store), error)
        except Exception as bug:  # noqa: BLE001 - of an action that nobody here has made; the next one is another
            wrong = BuildError(f"the action cannot be executed: {bug!r}")
            return Answer(UNABLE, pack_result(wrong, key, self.store), wrong)

    def close(self) -> None:
        """End what runs, and the namespace."""
        self.cancelled.set()
        self.namespace.close()
        self.store.close()

    def remove(self) -> None:
        """Remove the store, which is open no longer: that of one action alone."""
        sweep_after(self.namespace, self.store)
        again = self.namespace.another()
        try:
            trees = [entry.path for entry in os.scandir(self.store.trees)]
            Remover(self.store, again).remove(trees)
        finally:
            again.close()
        remove_tree(self.store.home)


def _no_mirrors() -> Sequence[str]:
    return ()
