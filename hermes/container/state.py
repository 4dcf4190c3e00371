"""What is remembered of working containers between commands: ``containers/ID/`` in the store.

``container.json`` is the `State`, ``N`` a folder that becomes the tree of the next layer (its ``root`` is the
upper directory), ``N.work`` overlayfs' own, ``mount`` what `hermes ctr mount` needs while it is mounted. While
a layer is being taken over, ``next.json`` is the state that holds once folder N is gone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from hermes.container.stack import StackEntry, Upper
from hermes.digest import Digest, canonical_json, parse_json
from hermes.errors import StoreError, UsageError
from hermes.image.descriptor import Descriptor
from hermes.store import Store
from hermes.store.io_errors import storing
from hermes.store.regular import read_regular

CREATED_BY: Final = "created_by"
COMMENT: Final = "history_comment"
"""What the history says of the next commit, as `hermes ctr config` sets it: keys of a state's document."""

_VERSION: Final = 1
_STATE: Final = "container.json"
_NEXT: Final = "next.json"
_SUFFIX: Final = "-working-container"
_NOTHING: Final = "scratch"
_ID_DIGITS: Final = 16
_ODD: Final = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class State:
    """A working container.

    ``image`` is what it was made from, as it was named. ``stack`` are its layers, the lowest first, and
    ``document`` is the configuration of an image of them (image-spec, config.md) without its ``rootfs`` and with
    the manifest's ``annotations``. ``number`` is that of the folder that takes changes. ``steps`` say what was
    done since the last commit, ``committed`` is the digest of the configuration then. ``namespace`` is the inode
    of the mount namespace that it is mounted in, or 0. ``base`` are the blobs of the lowest layers, as the image
    that the container was made from has them.
    """

    id: str
    name: str
    image: str
    stack: tuple[StackEntry, ...]
    document: Mapping[str, Any]
    number: int = 1
    steps: tuple[str, ...] = ()
    committed: str = ""
    namespace: int = 0
    base: tuple[Descriptor, ...] = ()

    @property
    def settings(self) -> Digest:
        """The digest of the configuration."""
        return Digest.of(canonical_json(self.document))

    def dump(self) -> bytes:
        return canonical_json(
            {
                "version": _VERSION,
                "id": self.id,
                "name": self.name,
                "image": self.image,
                "stack": [[one.diff_id, one.name] for one in self.stack],
                "document": self.document,
                "number": self.number,
                "steps": self.steps,
                "committed": self.committed,
                "namespace": self.namespace,
                "base": [one.to_json() for one in self.base],
            }
        )

    @classmethod
    def load(cls, data: bytes) -> State:
        document = parse_json(data)
        if document.pop("version") != _VERSION:
            raise ValueError("of another version")
        document["stack"] = tuple(
            StackEntry(Digest.parse(diff_id), name) for diff_id, name in document["stack"]
        )
        document["steps"] = tuple(document["steps"])
        document["base"] = tuple(map(Descriptor.from_json, document.get("base") or ()))
        return cls(**document)


class States:
    """The working containers of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._root: Path = store.home / "containers"

    def folder(self, state: State) -> str:
        return f"{self._root}/{state.id}"

    def upper(self, state: State) -> Upper:
        """Where the changes since the last commit are."""
        folder = f"{self._root}/{state.id}/{state.number}"
        return Upper(f"{folder}/root", f"{folder}.work")

    def create(
        self,
        image: str,
        wish: str,
        stack: tuple[StackEntry, ...],
        document: Mapping[str, Any],
        base: tuple[Descriptor, ...] = (),
    ) -> State:
        """Make a container. ``wish`` is its name, or empty for one made from the image's.

        Raises `UsageError` when the name is taken.
        """
        with self._store.locks.held("containers"):
            taken = {one.name for one in self}
            if wish in taken:
                raise UsageError(
                    f"there is a container {wish} already", hint="take another name, or remove that one"
                )
            name = wish or _free_name(image, taken)
            made = State(os.urandom(_ID_DIGITS // 2).hex(), name, image, stack, document, base=base)
            made = replace(made, committed=made.settings)
            with storing(self._root), self._store.scratch.directory() as folder:
                (folder / _STATE).write_bytes(made.dump())
                folder.rename(self._root / made.id)
        return made

    def __iter__(self) -> Iterator[State]:
        """Yield all containers, in the order of their names, without those whose state is damaged."""
        found = []
        for identity in self._identities():
            with suppress(StoreError):
                if (state := self._read(identity)) is not None:
                    found.append(state)
        return iter(sorted(found, key=lambda one: one.name))

    def damaged(self) -> list[str]:
        """Return the ids of containers whose state cannot be read."""
        found = []
        for identity in self._identities():
            try:
                self._read(identity)
            except StoreError:
                found.append(identity)
        return found

    def _identities(self) -> list[str]:
        return sorted(os.listdir(self._root)) if self._root.is_dir() else []

    def get(self, name: str) -> State:
        """Return the container with a name or an id, or one that begins so; raises `UsageError`."""
        known = list(self)
        for one in known:
            if name in (one.name, one.id):
                return one
        if name in self._identities():
            self._read(name)  # raises, for it is damaged
        begin = [one for one in known if len(name) >= 3 and one.id.startswith(name)]
        if len(begin) == 1:
            return begin[0]
        import difflib

        near = difflib.get_close_matches(name, [one.name for one in known], 1)
        hint = f"did you mean {near[0]}?" if near else "`hermes ctr ps` lists them"
        raise UsageError(f"there is no container {name}", hint=hint)

    def update(self, state: State, change: Callable[[State], State]) -> State:
        """Change what is remembered of a container; returns what it is now."""
        with self._changing(state) as before:
            after = change(before)
            if after != before:
                self._store.write(f"{self.folder(state)}/{_STATE}", after.dump())
            return after

    def rename(self, state: State, name: str) -> State:
        with self._store.locks.held("containers"):
            if any(one.name == name and one.id != state.id for one in self):
                raise UsageError(f"there is a container {name} already", hint="take another name")
            return self.update(state, lambda one: replace(one, name=name))

    def take_over(
        self, state: State, publish: Callable[[str], None], change: Callable[[State], State]
    ) -> State:
        """Give the folder of the changes away by ``publish``, and go on after ``change``: both or neither.

        Returns what the container is then.
        """
        with self._changing(state) as before:
            folder, after = self.folder(state), change(before)
            self._store.write(f"{folder}/{_NEXT}", after.dump())
            publish(f"{folder}/{before.number}")
            self._settle(state.id)
            return after

    def remove(self, identity: str, remove: Callable[[str], None]) -> None:
        """Forget the container with an id, and have its folder removed."""
        doomed = self._store.scratch.path()
        os.rename(f"{self._root}/{identity}", doomed)
        remove(doomed)

    @contextmanager
    def root_of(self, state: State, *, waiting: Callable[[], None] | None = None) -> Iterator[State]:
        """Keep other commands away from a container's root; gives the container as it is by then."""
        with self._store.locks.held(f"root:{state.id}", waiting=waiting):
            now = self._read(state.id)
            if now is None:
                raise UsageError(f"the container {state.name} is gone")
            yield now

    @contextmanager
    def unused(self, state: State) -> Iterator[None]:
        """As `root_of`, but without waiting: raises `UsageError` when another command uses the root."""
        with self._store.locks.tried(f"root:{state.id}") as free:
            if not free:
                raise UsageError(
                    f"the container {state.name} is in use by another command", hint="wait for it to end"
                )
            yield

    @contextmanager
    def _changing(self, state: State) -> Iterator[State]:
        """Keep other commands from changing what is remembered of a container; gives it as it is by then."""
        with self._store.locks.held(f"container:{state.id}"):
            self._settle(state.id)
            before = self._read(state.id)
            if before is None:
                raise UsageError(f"the container {state.name} is gone")
            yield before

    def _read(self, identity: str) -> State | None:
        """Return what a container is, whatever other commands are doing to it, and change nothing."""
        folder = self._root / identity
        try:
            while True:
                state = State.load(read_regular(folder / _STATE))
                if not (folder / _NEXT).exists() or (folder / str(state.number)).exists():
                    return state
                with suppress(FileNotFoundError):
                    return State.load(read_regular(folder / _NEXT))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise StoreError(
                f"the state of the container {identity} is damaged: {error}",
                hint=f"remove the container: hermes ctr rm {identity}",
            ) from None

    def _settle(self, identity: str) -> None:
        """End what was begun: a layer that has been taken over is part of the container, another is not."""
        folder = self._root / identity
        if not (folder / _NEXT).exists():
            return
        before = State.load(read_regular(folder / _STATE))
        if (folder / str(before.number)).exists():
            (folder / _NEXT).unlink()
            return
        import shutil

        shutil.rmtree(f"{folder}/{before.number}.work", ignore_errors=True)
        os.replace(folder / _NEXT, folder / _STATE)


def _free_name(image: str, taken: set[str]) -> str:
    """Return a name after the image's own, or the target's, that no container has; of nothing, buildah names it so too."""
    last = image.rpartition("/")[2].partition("@")[0]
    base = last.rpartition(":")[2] if image.startswith(("/", ":", "@")) else last.partition(":")[0]
    name = f"{_ODD.sub('-', base).strip('-._') or 'image'}{_SUFFIX}"
    if image == _NOTHING:
        name = _SUFFIX.lstrip("-")
    number = 0
    while (found := f"{name}-{number}" if number else name) in taken:
        number += 1
    return found
