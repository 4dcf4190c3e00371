"""Working containers, from outside the namespace: trees, commands, commits.

The run action, ``hermes run`` and whatever else fills or starts a root file system come through here.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from hermes.digest import Digest
from hermes.errors import MissingBlobError
from hermes.layer import encodings
from hermes.layer.compress import Codec
from hermes.layer.write import Encoding
from hermes.store import Store
from hermes.store.scratch import abandoned

if TYPE_CHECKING:
    from hermes.container.task import Outcome, Task
    from hermes.sandbox.namespace import Namespace

_INSIDE: Final = "hermes.container.inside:"
_PROBE: Final = "hermes.container.probe:"


class Containers:
    """Root file systems made of the layers of one store. Safe to use from several threads.

    ``runtime`` runs the commands of tasks that name none; see `hermes.sandbox.choice`.
    """

    def __init__(self, store: Store, namespace: Namespace, runtime: str = "") -> None:
        self._store = store
        self._namespace = namespace
        self._runtime = runtime

    def run(self, task: Task, stdio: tuple[int, int, int]) -> Outcome:
        """Run a command on a stack of layers and commit what it asks for.

        ``stdio`` are the descriptors of its standard input, output and error. Raises `MissingBlobError` when
        a layer of the stack is not in the store, `SandboxError` or `BuildError` when it cannot start.
        """
        from hermes.container.task import Outcome
        from hermes.sandbox import choice

        for below in task.stack:
            self.ensure_tree(below.diff_id)
        task = replace(task, runtime=task.runtime or self._runtime)
        arguments = {
            "home": str(self._store.home),
            "task": task.to_json(),
            "where": list(choice.located(task.runtime)),
        }
        return Outcome.from_json(self._namespace.call(f"{_INSIDE}run", arguments, stdio))

    def ensure_tree(self, diff_id: Digest) -> None:
        """Extract a layer unless that has been done, and note that it is used."""
        owned = self._namespace.map.whole
        if encodings.has_tree(self._store, diff_id, owned=owned):
            with contextlib.suppress(OSError):
                os.utime(f"{self._store.trees}/{diff_id.hex}")
            return
        with self._store.locks.held(f"tree:{diff_id}"):
            if not encodings.has_tree(self._store, diff_id, owned=owned):
                self.remove([f"{self._store.trees}/{diff_id.hex}"])
                arguments = {"home": str(self._store.home), "diff_id": diff_id}
                self._namespace.call(f"{_INSIDE}extract", arguments)

    def pack(self, diff_id: Digest, codec: Codec | None) -> Encoding:
        """Return a blob of a layer that has only a tree; raises `MissingBlobError` when it has none."""
        from hermes.container.task import encoding_from_json

        if not encodings.has_tree(self._store, diff_id):
            raise MissingBlobError(f"the store does not hold layer {diff_id}", digest=diff_id)
        arguments = {
            "home": str(self._store.home),
            "diff_id": diff_id,
            "codec": codec.name if codec else "",
        }
        found = encoding_from_json(self._namespace.call(f"{_INSIDE}pack", arguments))
        assert found is not None
        return found

    def remove(self, folders: Iterable[str]) -> None:
        """Remove folders that may hold files of any id of the namespace."""
        left = []
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
            if os.path.lexists(folder):
                left.append(folder)
        if left:
            self._namespace.call(f"{_INSIDE}remove", {"paths": left})

    def probe_overlay(self) -> str:
        """Try an overlay in the store; return what works, or raise `SandboxError`."""
        return str(self._namespace.call(f"{_PROBE}overlay", {"home": str(self._store.home)}))

    def probe_sandbox(self, name: str) -> str:
        """Run a program in a sandbox of `hermes.sandbox.choice`; return its version and where it is.

        Raises `SandboxError` when it is not installed or does not work here.
        """
        from hermes.sandbox import choice

        where = choice.located(name)
        version = self._namespace.call(f"{_PROBE}sandbox", {"name": name, "where": list(where)})
        return f"{version} at {where[0]}"

    def sweep(self) -> None:
        """Remove what processes that were killed have left in the store."""
        if found := abandoned(self._store.home / "tmp"):
            self.remove(str(folder) for folder in found)
