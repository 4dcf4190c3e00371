"""The Python interface to working containers: what ``hermes ctr`` does.

::

    containers = hermes.Containers()
    name = containers.create("//app:image").name
    containers.run(name, ["touch", "/x"])
    containers.commit(name, "app:debug")
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hermes.container.calls.containers import Change
from hermes.container.commands import Commands
from hermes.container.commit_options import CommitOptions
from hermes.container.layer_forms import LayerForms
from hermes.container.state import COMMENT, CREATED_BY, State
from hermes.container.working import WorkingContainers
from hermes.digest import Digest
from hermes.errors import SecretLeaked, UsageError
from hermes.image.descriptor import Descriptor
from hermes.naming.registries import LazyBlobs, settings_of
from hermes.registry.settings import AS_CONFIGURED, Access
from hermes.sandbox.namespace import Namespace
from hermes.store import Store
from hermes.store.home import FOR_GC
from hermes.store.location import default_home
from hermes.transports.table import has_transport

if TYPE_CHECKING:
    from hermes.api.command_options import CommandOptions
    from hermes.api.mount_options import Mounts
    from hermes.container.copy import Copy
    from hermes.registry.client import Client
    from hermes.transports.transport import Destination


class Containers:
    """The working containers of the store at ``home``; ``say`` is told of warnings and of waiting.

    ``access`` says how registries are spoken to.
    """

    def __init__(
        self,
        *,
        home: Path | None = None,
        say: Callable[[str], None] = lambda _: None,
        access: Access = AS_CONFIGURED,
    ) -> None:
        self.home = home or default_home()
        self._access = access
        self._say = say
        self._checked: set[Digest] = set()
        self._kept: tuple[Store, LayerForms, WorkingContainers] | None = None

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Keep the store and the user namespace open, for many small commands; they may come from several threads."""
        with self._opened(start=True) as opened:
            self._kept = opened
            try:
                yield
            finally:
                self._kept = None

    def create(self, base: str, *, name: str = "", platform: str = "", pull: str = "missing") -> State:
        """Make a container of ``scratch``, an image, ``TRANSPORT:WHERE`` or a target's label.

        A name is that of an image of the store or of a registry, as in FROM; ``pull`` is one of
        `hermes.build.dockerfile.options.PULLS`.
        """
        from hermes.build.named import build_target
        from hermes.graph.label import is_label
        from hermes.image.names import ImageNames
        from hermes.image.reference import Reference
        from hermes.naming.bases import SCRATCH, base_of

        is_name = base != SCRATCH and not has_transport(base) and not is_label(base)
        with (
            self._opened() as (store, _, working),
            closing(LazyBlobs.here(store, access=self._access)) as fetching,
        ):
            if is_name and (pull == "always" or ImageNames(store).find(Reference.parse(base)) is None):
                from hermes.build.dockerfile.origins import NamedOrigins
                from hermes.naming.image_names import platform_of

                origins = NamedOrigins(store, fetching, build_target, {}, pull)
                found = origins.base(base, platform_of(platform))
            else:
                found = base_of(base, store, fetching, build_target, platform)
            return working.create(found.name, name, found.stack, found.document, found.blobs)

    def all(self) -> list[State]:
        """Return all containers, in the order of their names."""
        with self._opened() as (_, _, working):
            return list(working.all())

    def get(self, name: str) -> State:
        """Return a container by its name or id."""
        with self._opened() as (_, _, working):
            return working.get(name)

    def mounted_at(self, state: State) -> str:
        """Return where a container is mounted for this process, or an empty string."""
        with self._opened() as (_, _, working):
            try:
                return working.mounted_at(state)
            except UsageError:
                return ""

    def mount(self, name: str) -> str:
        """Mount a container's root where tools of the host see it, and return the path."""
        with self._opened() as (_, _, working):
            return working.mount(name)

    def umount(self, name: str) -> bool:
        """Undo `mount`; tell whether it was mounted."""
        with self._opened() as (_, _, working):
            return working.umount(name)

    def run(
        self,
        name: str,
        argv: Sequence[str],
        options: CommandOptions | None = None,
        stdio: tuple[int, int, int] = (0, 1, 2),
    ) -> int:
        """Run a command in a container; return its exit status (128 and more: ended by a signal)."""
        import shlex

        from hermes.actions.environment import Environment
        from hermes.api.command_options import CommandOptions
        from hermes.container.task import Task
        from hermes.sandbox.process import HOSTNAME

        chosen = options or CommandOptions()
        mounts = chosen.mounts
        if mounts.secrets:
            _check_command([*argv, *(one for pair in chosen.env for one in pair)], mounts)
        with self._opened(runs=True) as (_, _, working):
            state = working.get(name)
            config = Environment.from_json(state.document.get("config") or {})
            task = Task(
                stack=(),
                argv=tuple(argv),
                env=(*config.env, *chosen.env),
                cwd=chosen.workdir or config.workdir or "/",
                user=chosen.user or config.user,
                capabilities=chosen.capabilities,
                network=chosen.network,
                session=not chosen.terminal,
                tmpfs=mounts.tmpfs,
                bound=mounts.bound,
                caches=mounts.caches,
                secrets=mounts.secrets,
                runtime=chosen.runtime,
                hostname=chosen.hostname or HOSTNAME,
            )
            return working.run(name, task, stdio, f"run -- {shlex.join(argv)}").status

    def copy(self, name: str, copy: Copy, *, origin: str = "", step: str = "copy") -> None:
        """Copy files into a container, from this machine or the root of ``origin``: a container or a base."""
        from hermes.actions.environment import Environment
        from hermes.build.named import build_target
        from hermes.naming.bases import base_of

        with self._opened() as (store, _, working):
            state = working.get(name)
            workdir = Environment.from_json(state.document.get("config") or {}).workdir or "/"
            whole = replace(copy, workdir=workdir, base="/" if origin else copy.base)
            known = {one for state in working.all() for one in (state.name, state.id)}
            source = origin if origin in known else ""
            if origin and not source:
                with closing(LazyBlobs.here(store, access=self._access)) as fetching:
                    whole = replace(whole, stack=base_of(origin, store, fetching, build_target, "").stack)
            working.copy(name, whole, step, source)

    def take(self, name: str, paths: Sequence[str], dest: str) -> None:
        """Copy files and folders of a container to this machine: to ``dest``, or as an archive to standard output (``-``).

        It needs no program in the container. See `hermes.api.taking` for where things go.
        """
        import shutil
        import sys

        from hermes.api.taking import STANDARD_OUTPUT, check_place, placed

        place = Path(dest).expanduser().absolute()
        if dest != STANDARD_OUTPUT:
            check_place(paths, place, is_folder=dest.endswith("/"))
        with self._opened() as (store, _, working), store.scratch.directory() as folder:
            archive = folder / "taken"
            archive.touch()
            working.take(name, paths, str(archive))
            if dest != STANDARD_OUTPUT:
                placed(archive, paths, place)
                return
            with archive.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()

    def configure(
        self,
        name: str,
        changes: Sequence[tuple[str, str]],
        *,
        created_by: str = "",
        comment: str = "",
        add_history: bool = False,
    ) -> State:
        """Change the configuration of what is going to be committed; see `hermes.image.edit.SETTINGS`.

        ``created_by`` and ``comment`` are for the history's row of the next layer. With ``add_history`` each change is a
        row of its own.
        """
        from hermes.build.epoch import epoch
        from hermes.image.config import timestamp
        from hermes.image.edit import edited

        def change(document: Mapping[str, Any]) -> Mapping[str, Any]:
            made = dict(edited(document, changes))
            said = {CREATED_BY: created_by, COMMENT: comment}
            made.update({key: text for key, text in said.items() if text})
            if add_history:
                time = timestamp(epoch())
                rows = [
                    {"created": time, "created_by": f"config --{setting} {text}", "empty_layer": True}
                    for setting, text in changes
                ]
                made["history"] = [*(made.get("history") or ()), *rows]
            return made

        with self._opened() as (_, _, working):
            return working.configure(name, change)

    def diff(self, name: str) -> list[Change]:
        """Return what changed in a container since its last commit."""
        with self._opened() as (_, _, working):
            return working.diff(name)

    def commit(self, name: str, target: str = "", options: CommitOptions | None = None) -> Descriptor:
        """Make a layer of what changed, and an image of the container; return the image's manifest.

        ``target`` is a name for the image or a transport to write it to. Committing again without a change
        gives the same image.
        """
        from hermes.image.names import ImageNames
        from hermes.image.reference import Reference
        from hermes.images.committing import committed

        destination = _destination(target, lambda: fetching.client) if has_transport(target) else None
        reference = Reference.parse(target) if target and destination is None else None
        with self._opened() as (store, forms, working):
            state, manifest = committed(name, working, forms, store, options or CommitOptions(), self._say)
            if reference is not None:
                ImageNames(store).set(reference, manifest)
            if destination is not None:
                with closing(LazyBlobs.here(store, access=self._access)) as fetching:
                    fetching.write(destination, manifest, f"{state.name}:latest")
            return manifest

    def rename(self, name: str, new: str) -> State:
        """Give a container another name."""
        with self._opened() as (_, _, working):
            return working.rename(name, new)

    def damaged(self) -> list[str]:
        """Return the ids of containers whose state cannot be read; they can only be removed."""
        with self._opened() as (_, _, working):
            return working.damaged()

    def remove(self, name: str) -> str:
        """Remove a container with all that was not committed; return its name."""
        with self._opened() as (_, _, working):
            return working.remove(name)

    @contextmanager
    def _opened(
        self, *, start: bool = False, runs: bool = False
    ) -> Iterator[tuple[Store, LayerForms, WorkingContainers]]:
        if self._kept is not None:
            yield self._kept
            return
        store = Store.open(self.home)
        namespace = Namespace()
        if start:
            from hermes.container.calls.commands import RUN

            namespace.start(RUN)
        fetching = LazyBlobs.here(store, access=self._access)
        layers = LayerForms(store, namespace, fetching.layer, self._checked)
        settings = settings_of(None, self.home) if start or runs else None
        commands = Commands(
            store,
            namespace,
            layers,
            warn=lambda text: self._say(f"warning: {text}"),
            emulators=settings.emulators if settings else {},
            outbound=settings.outbound if settings else None,
        )
        try:
            with store.in_use(cache(lambda: self._say(FOR_GC))):
                layers.remover.sweep()
                yield store, layers, WorkingContainers(store, namespace, commands, self._say)
        finally:
            fetching.close()
            namespace.close()
            store.close()


def _destination(target: str, client: Callable[[], Client]) -> Destination:
    from hermes.transports.table import parse_destination

    return parse_destination(target, client)


def _check_command(texts: Sequence[str], mounts: Mounts) -> None:
    """Raise `SecretLeaked` when a command line, which history would tell, has the value of a secret."""
    from hermes.container.secrets.leaks import Search

    if form := Search({one.id: one.value for one in mounts.secrets}).in_document(list(texts)):
        raise SecretLeaked(
            f"the command or a variable has {form.part}the secret {form.id!r}, and the history would show it",
            hint=f"read it where it is mounted: /run/secrets/{form.id}",
        )
