"""Working containers: the mount / run / commit core as a tool, one small operation at a time.

::

    c = working.create("debian", "", stack, document)
    working.mount(c)                     # any tool of the host may fill it now
    working.run(c, task, stdio)
    working.copy(c, Copy(...))
    layer = working.commit(c, ...)       # what changed since the last commit

Each operation takes the name of a container, and keeps others from using its root meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from hermes.container import mounts
from hermes.container.calls.containers import (
    COMMIT,
    COPY,
    DIFF,
    TAKE,
    TIDY,
    Change,
    Committing,
    Copying,
    Taking,
    WorkingRoot,
)
from hermes.container.commands import Commands
from hermes.container.stack import StackEntry
from hermes.container.state import State, States
from hermes.digest import Digest
from hermes.errors import BuildError, SandboxError, UsageError
from hermes.layer.trees import has_tree
from hermes.store import Store

if TYPE_CHECKING:
    from hermes.container.copy import Copy
    from hermes.container.task import Outcome, Task
    from hermes.image.descriptor import Descriptor
    from hermes.layer.compress import Codec
    from hermes.sandbox.namespace import Namespace


class WorkingContainers:
    """The working containers of one store. ``waiting`` is called once for each wait for another command."""

    def __init__(
        self,
        store: Store,
        namespace: Namespace,
        commands: Commands,
        waiting: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._namespace = namespace
        self._commands = commands
        self._layers = commands.layers
        self._states = States(store)
        self._waiting = waiting

    def create(
        self,
        image: str,
        name: str,
        stack: Sequence[StackEntry],
        document: Mapping[str, Any],
        base: Sequence[Descriptor] = (),
    ) -> State:
        """Make a container on layers of the store, whose blobs in an image are ``base``.

        Raises `UsageError` when its name is taken.
        """
        return self._states.create(image, name, tuple(stack), document, tuple(base))

    def all(self) -> Iterator[State]:
        """Yield all containers, in the order of their names."""
        return iter(self._states)

    def get(self, name: str) -> State:
        """Return a container by its name or id; raises `UsageError`."""
        return self._states.get(name)

    def mounted_at(self, state: State) -> str:
        """Return where a container is mounted, or an empty string; raises as `mount` does."""
        path = self._mount_point(state)
        if mounts.is_mounted(path):
            return path
        if state.namespace and state.namespace != mounts.own_namespace():
            pid = mounts.holder(state.namespace, path)
            if pid:
                raise UsageError(
                    f"the container {state.name} is mounted in another `hermes unshare` (process {pid})",
                    hint=f"run this command there, or `hermes ctr umount {state.name}`",
                )
        return ""

    def mount(self, name: str) -> str:
        """Mount a container where tools of the host see it, and return the path.

        Raises `SandboxError` where this user may not mount, `UsageError` when it is mounted in another
        namespace.
        """
        with self._root_of(name) as state:
            return self.mounted_at(state) or self._mount(state)

    def umount(self, name: str) -> bool:
        """Undo `mount`; tell whether there was something to undo. Raises `UsageError` when it is in use."""
        with self._root_of(name) as state:
            path = self.mounted_at(state)
            if path:
                self._umount(state, path)
            return bool(path)

    def run(self, name: str, task: Task, stdio: tuple[int, int, int], step: str) -> Outcome:
        """Run a command in a container. ``task`` says all but the layers and where changes go.

        ``step`` is what the history says of it.
        """
        with self._root_of(name) as state:
            whole = replace(
                task, stack=state.stack, upper=self._states.upper(state), root=self.mounted_at(state)
            )
            outcome = self._commands.run(whole, stdio)
            self._note(state, step)
        return outcome

    def copy(self, name: str, copy: Copy, step: str, source: str = "") -> None:
        """Copy files into a container, from another or from itself if ``source`` names one."""
        state = self.get(name)
        other = self.get(source) if source else state
        with ExitStack() as held:
            roots = {one: held.enter_context(self._root_of(one)) for one in sorted({state.id, other.id})}
            if source:
                copy = self._taken_from(roots[other.id], copy, within=other.id == state.id)
            state = roots[state.id]
            self._layers.ensure_trees((*state.stack, *copy.stack))
            root = self._working_root(state, self.mounted_at(state))
            self._namespace.call(COPY, Copying(root, copy))
            self._note(state, step)

    def take(self, name: str, paths: Sequence[str], archive: str) -> None:
        """Write what is at some paths into the file ``archive``; see `hermes.container.calls.containers.Taking`."""
        with self._root_of(name) as state:
            self._layers.ensure_trees(state.stack)
            root = self._working_root(state, self.mounted_at(state))
            self._namespace.call(TAKE, Taking(root, tuple(paths), archive))

    def configure(self, name: str, change: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> State:
        """Change the configuration of what is going to be committed."""
        state = self._states.get(name)
        return self._states.update(state, lambda one: replace(one, document=change(one.document)))

    def diff(self, name: str) -> list[Change]:
        """Return what changed since the last commit, in the order of paths."""
        with self._root_of(name) as state:
            self._layers.ensure_trees(state.stack)
            return list(self._namespace.call(DIFF, self._working_root(state)).found)

    def commit(
        self, name: str, *, mtime: int, codec: Codec, history: Callable[[State, bool], list[dict[str, Any]]]
    ) -> State:
        """Make a layer of what changed since the last commit, if anything did; return the container on top of it.

        ``mtime`` is the time of everything in the layer, in seconds. ``history`` returns the history's new
        entries, told whether there is a layer. Raises `BuildError` where the value of a secret may get out.
        """
        with self._root_of(name) as state:
            if os.path.exists(self._states.upper(state).unsearched):
                raise BuildError(
                    f"a command with secrets was killed in {state.name} before what it left was searched for them",
                    hint=f"make the container again: hermes ctr rm {state.name}",
                )
            path = self.mounted_at(state)
            if path:
                self._umount(state, path)
            try:
                made = None
                if os.path.isdir(self._states.upper(state).upper):
                    self._namespace.start(COMMIT)
                    self._layers.ensure_trees(state.stack)
                    root = self._working_root(state)
                    made = self._namespace.call(COMMIT, Committing(root, mtime, codec.spec)).diff_id
                return self._committed(state, made, history)
            finally:
                if path:
                    self._mount(self._states.get(state.id))

    def squash(self, state: State, codec: Codec) -> Digest:
        """Write all layers of a container as one, and return its diff_id."""
        return self._layers.squashed(state.stack, codec).diff_id

    def rename(self, name: str, new: str) -> State:
        return self._states.rename(self._states.get(name), new)

    def damaged(self) -> list[str]:
        """Return the ids of containers whose state cannot be read; nothing can be done with them but `remove`."""
        return self._states.damaged()

    def remove(self, name: str) -> str:
        """Remove a container and all its changes, and return its name; raises `UsageError` when it is in use."""
        if name in self._states.damaged():
            self._states.remove(name, lambda folder: self._layers.remover.remove([folder]))
            return name
        state = self._states.get(name)
        with self._states.unused(state):
            path = self.mounted_at(state)
            if path:
                self._umount(state, path)
            self._states.remove(state.id, lambda folder: self._layers.remover.remove([folder]))
        return state.name

    # How it is done.

    @contextmanager
    def _root_of(self, name: str) -> Iterator[State]:
        """Keep other commands away from a container's root, which is without mount points of one that was killed."""
        state = self._states.get(name)
        waiting = cache(lambda: self._waiting(f"waiting for another command on {state.name}"))
        with self._states.root_of(state, waiting=waiting) as now:
            if os.path.exists(self._states.upper(now).points):
                self._layers.ensure_trees(now.stack)
                self._namespace.call(TIDY, self._working_root(now, self.mounted_at(now)))
            yield now

    def _taken_from(self, source: State, copy: Copy, *, within: bool) -> Copy:
        """Return a copy whose sources are in a container, as that is now."""
        if within:
            return replace(copy, within=True)
        if path := self.mounted_at(source):
            return replace(copy, base=path)
        upper = self._states.upper(source).upper
        return replace(copy, stack=source.stack, changes=upper if os.path.isdir(upper) else "")

    def _working_root(self, state: State, mounted: str = "") -> WorkingRoot:
        return WorkingRoot(str(self._store.home), state.stack, self._states.upper(state), mounted)

    def _note(self, state: State, step: str) -> None:
        self._states.update(state, lambda one: replace(one, steps=(*one.steps, step)))

    def _mount_point(self, state: State) -> str:
        return f"{self._states.folder(state)}/mount/merged"

    def _mount(self, state: State) -> str:
        if os.geteuid() != 0:
            raise SandboxError(
                "an ordinary user cannot mount anything for other programs to see",
                hint="do it inside of `hermes unshare`, where they all are in one user namespace",
            )
        from hermes.container.lowers import Tree
        from hermes.container.overlay import mount_stack

        self._layers.ensure_trees(state.stack)
        folder = os.path.dirname(self._mount_point(state))
        self._layers.remover.remove([folder])
        os.mkdir(folder)
        trees = [Tree.open(f"{self._store.trees}/{one.diff_id.hex}", one.name) for one in state.stack]
        path = mount_stack(trees, folder, target="merged", upper=self._states.upper(state))
        self._states.update(state, lambda one: replace(one, namespace=mounts.own_namespace()))
        return path

    def _umount(self, state: State, path: str) -> None:
        import shutil

        mounts.take_away(path, name=state.name)
        shutil.rmtree(os.path.dirname(path), ignore_errors=True)
        self._states.update(state, lambda one: replace(one, namespace=0))

    def _committed(
        self,
        state: State,
        diff_id: Digest | None,
        history: Callable[[State, bool], list[dict[str, Any]]],
    ) -> State:
        """Go on from a commit: with the layer as the top of the stack, and an empty folder for changes."""

        def after(one: State) -> State:
            document = dict(one.document)
            document["history"] = [*(document.get("history") or ()), *history(one, diff_id is not None)]
            settled = replace(one, document=document, steps=())
            return replace(settled, committed=settled.settings)

        if diff_id is None:
            return self._states.update(state, after)

        def on_top(one: State) -> State:
            return replace(
                after(one), stack=(*one.stack, StackEntry(diff_id, state.name)), number=one.number + 1
            )

        work = self._states.upper(state).work
        now = self._states.take_over(state, lambda folder: self._publish(diff_id, folder), on_top)
        self._layers.remover.remove([work])
        return now

    def _publish(self, diff_id: Digest, folder: str) -> None:
        """Make the folder of the changes the layer's tree; where there is one already, it is not needed."""
        try:
            os.rename(folder, f"{self._store.trees}/{diff_id.hex}")
        except OSError:
            if not has_tree(self._store, diff_id):
                raise
            doomed = self._store.scratch.path()
            os.rename(folder, doomed)
            self._layers.remover.remove([doomed])
