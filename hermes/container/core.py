"""Working containers, from outside the namespace: trees, commands, commits.

The run action, ``hermes run`` and whatever else fills or starts a root file system come through here.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from hermes.digest import Digest
from hermes.errors import HermesError, MissingBlobError, SandboxError
from hermes.layer.trees import has_tree
from hermes.store import Store
from hermes.store.removal import remove_tree
from hermes.store.scratch import abandoned

if TYPE_CHECKING:
    from hermes.container.task import Outcome, Task
    from hermes.layer.compress import Codec, Encoding
    from hermes.sandbox.namespace import Namespace

_RUN: Final = "hermes.container.inside.run_in_stack:run"
_HOSTED: Final = "hermes.container.inside.run_host_tool:run"
_EXTRACTING: Final = "hermes.container.inside.extracting:"
_REMOVE: Final = "hermes.container.inside.scratch:remove"
_PROBE: Final = "hermes.container.inside.probe:"

PRELOADED: Final = (
    "hermes.container.inside.run_in_stack",
    "hermes.container.inside.committing",
    "hermes.container.inside.extracting",
    "hermes.sandbox.bubblewrap",
)
"""What the namespace of a build, which makes many calls, has loaded before them."""


class Containers:
    """Root file systems made of the layers of one store. Safe to use from several threads.

    ``runtime`` runs the commands of tasks that name none; see `hermes.sandbox.choice`. ``fetch`` is called with
    a layer that the store has no bytes of, and brings them if anybody has them.
    """

    def __init__(
        self,
        store: Store,
        namespace: Namespace,
        runtime: str = "",
        fetch: Callable[[Digest], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._namespace = namespace
        self._runtime = runtime
        self._fetch = fetch

    @property
    def has_one_id(self) -> bool:
        """Tell whether commands can be nobody but root, and give files to nobody else."""
        return not self._namespace.map.whole

    def run(
        self, task: Task, stdio: tuple[int, int, int], waiting: Callable[[], None] | None = None
    ) -> Outcome:
        """Run a command on a stack of layers and commit what it asks for.

        ``stdio`` are the descriptors of its standard input, output and error. ``waiting`` is called on each
        turn of a wait for a cache, and may raise to give up. Raises `MissingBlobError` when a layer of the
        stack is not in the store, `SandboxError` or `BuildError` when it cannot start, `SecretLeaked` when a
        secret is in what it left.
        """
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
            return self._run(_RUN, task, stdio, where=where, caches=caches)

    def run_host(self, task: Task, stdio: tuple[int, int, int]) -> Outcome:
        """As `run`, but the command is one of this machine, which sees the stack at `hermes.sandbox.host.ROOT`."""
        hidden = [str(self._store.home), os.path.expanduser("~")]
        from hermes.sandbox import choice

        return self._run(_HOSTED, task, stdio, where=choice.located(choice.BWRAP), hidden=hidden)

    def _run(self, function: str, task: Task, stdio: tuple[int, int, int], **more: Any) -> Outcome:
        from hermes.container.task import Outcome

        for below in task.stack:
            self.ensure_tree(below.diff_id)
        arguments = {"home": str(self._store.home), "task": task.to_json(), **more}
        return Outcome.from_json(self._namespace.call(function, arguments, stdio))

    def _caches(
        self, task: Task, held: contextlib.ExitStack, waiting: Callable[[], None] | None
    ) -> dict[str, str]:
        """Take the caches of a task, in one order for all tasks, so that no two wait for each other."""
        found: dict[str, str] = {}
        for one in sorted(task.caches, key=lambda one: one.id):
            if one.id in found:
                raise SandboxError(
                    f"the cache {one.id!r} is mounted twice", hint="a command has it at one path"
                )
            using = self._store.caches.used(one.id, one.sharing, remove=self.remove, waiting=waiting)
            found[one.id] = held.enter_context(using)
        return found

    def bring(self, diff_id: Digest) -> None:
        """Have a layer brought into the store unless it is there, if anybody has it."""
        from hermes.layer import encodings

        if not encodings.available(self._store, diff_id):
            self._fetch(diff_id)

    def ensure_tree(self, diff_id: Digest) -> None:
        """Extract a layer unless that has been done, and note that it is used."""
        owned = self._namespace.map.whole
        if has_tree(self._store, diff_id, owned=owned):
            with contextlib.suppress(OSError):
                os.utime(f"{self._store.trees}/{diff_id.hex}")
            return
        with self._store.locks.held(f"tree:{diff_id}"):
            if not has_tree(self._store, diff_id, owned=owned):
                self.bring(diff_id)
                self.remove([f"{self._store.trees}/{diff_id.hex}"])
                arguments = {"home": str(self._store.home), "diff_id": diff_id}
                self._namespace.call(f"{_EXTRACTING}extract", arguments)

    def encoded(self, diff_id: Digest, codec: Codec) -> Encoding:
        """Return a layer's blob in the form that ``codec`` gives, making it unless it is there.

        Raises `MissingBlobError` when the store does not hold the layer.
        """
        from hermes.layer import encodings

        if found := encodings.find(self._store, diff_id, codec):
            return found
        self.bring(diff_id)
        if encodings.find_any(self._store, diff_id) is None:
            return self.pack(diff_id, codec)
        from hermes.layer.write import compress

        with encodings.open_tar(self._store, diff_id) as tar:
            encoding = compress(tar.chunks(), self._store.blobs, codec)
        encodings.record(self._store, diff_id, encoding)
        return encoding

    def pack(self, diff_id: Digest, codec: Codec | None) -> Encoding:
        """Return a blob of a layer that has only a tree; raises `MissingBlobError` when it has none."""
        from hermes.container.task import encoding_from_json

        if not has_tree(self._store, diff_id):
            raise MissingBlobError(f"the store does not hold layer {diff_id}", digest=diff_id)
        arguments = {
            "home": str(self._store.home),
            "diff_id": diff_id,
            "codec": codec.spec if codec else "",
        }
        found = encoding_from_json(self._namespace.call(f"{_EXTRACTING}pack", arguments))
        assert found is not None
        return found

    def remove(self, folders: Iterable[str]) -> None:
        """Remove folders that may hold files of any id of the namespace.

        Each is first moved away: a kill leaves no partial tree, which would pass for the whole.
        """
        left = []
        for folder in folders:
            doomed = folder
            with contextlib.suppress(OSError):
                away = self._store.scratch.path()
                os.rename(folder, away)
                doomed = away
            remove_tree(doomed)
            if os.path.lexists(doomed):
                left.append(doomed)
        if left:
            self._namespace.call(_REMOVE, {"paths": left})

    def call(self, function: str, arguments: dict[str, Any]) -> Any:
        """Call ``module:function`` in the namespace; see `hermes.sandbox.namespace.Namespace.call`."""
        return self._namespace.call(function, arguments)

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

    def clear_caches(self, names: Collection[str] = ()) -> list[str]:
        """Remove the caches of these names, or all; return the names of those that are in use and stay."""
        folders = [one for one in self._store.caches.folders() if not names or one.name in names]
        kept = [one.name for one in folders if not self._store.caches.clear(one, self.remove)]
        return list(dict.fromkeys(kept))

    def sweep(self) -> None:
        """Remove what processes that were killed have left in the store."""
        if found := abandoned(self._store.home / "tmp"):
            self.remove(str(folder) for folder in found)


def sweep_after(namespace: Namespace, store: Store) -> None:
    """End a namespace that was interrupted, and remove what its processes had no time to."""
    namespace.close()
    again = namespace.another()
    try:
        Containers(store, again).sweep()
    finally:
        again.close()


@contextlib.contextmanager
def _guarded(task: Task, stdio: tuple[int, int, int]) -> Iterator[tuple[int, int, int]]:
    """Keep a task's secrets out of what the command prints, and out of the errors that speak of its files."""
    from hermes.container.secrets.encodings import check_value
    from hermes.container.secrets.leaks import Search
    from hermes.container.secrets.output import masked

    for one in task.secrets:
        check_value(one.id, one.value)
    search = Search({one.id: one.value for one in task.secrets})
    try:
        with masked(stdio, lambda: search.masker) as guarded:
            yield guarded
    except HermesError as error:
        error.message = search.masker.text(error.message)
        error.args = (error.message,)
        raise
    except RuntimeError as error:
        raise RuntimeError(search.masker.text(str(error))) from None
