"""Actions executed on layers that are known by their tables of contents, in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hermes.actions.kinds import LAYER
from hermes.actions.local import Local
from hermes.actions.specs.spec import Spec
from hermes.actions.tools import Tools
from hermes.container.commands import Commands
from hermes.container.layer_forms import LayerForms
from hermes.digest import Digest, canonical_json
from hermes.engine.action import EXECUTABLE, FILE, LINK, Action, Input, Outputs, Source, Value
from hermes.engine.executor import Request, Result
from hermes.engine.key import Resolved
from hermes.layer import encodings, toc
from hermes.layer.canonical import canonical
from hermes.layer.compress import ZSTD
from hermes.layer.content import FileContent
from hermes.layer.entry import DIRECTORY, SYMLINK, Entry
from hermes.layer.entry import FILE as FILE_ENTRY
from hermes.layer.write import write_layer
from hermes.sandbox.namespace import Namespace
from hermes.store import Store

OWNER = "//app:it"


class Bench:
    """A store, and what executes actions on it. The namespace is started only by what needs one."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.folder = folder
        self.namespace = Namespace()
        self.tools = Tools(
            store, Commands(store, self.namespace, LayerForms(store, self.namespace)), mirrors=tuple
        )
        self._files = 0

    def run(self, spec: Spec[Resolved], *hints: str, platform: str = "") -> Outputs:
        """Execute what ``spec`` says, as the engine would have it executed."""
        rows = [one._replace(role=role) for role, one in spec.reads()]
        action = Action(
            f"{OWNER}%{spec.kind}",
            OWNER,
            spec.kind,
            _text(spec.params()),
            tuple(Input(one.role, one.path, Source(one.path)) for one in rows),
            spec.outputs,
            unkeyed=_text(spec.unkeyed()),
            platform=platform,
            codec=spec.codec_identity,
        )
        result = Local(self.tools).execute(Request(action, rows, "", frozenset(hints)))
        assert isinstance(result, Result)
        return result.outputs

    def layer(self, *entries: Entry, name: str = "//app:below") -> Resolved:
        """A layer with these entries; a file holds as many letters as its size says."""
        items = []
        for entry in entries:
            content = None
            if entry.type == FILE_ENTRY and not entry.is_whiteout:
                place = self.place(b"x" * entry.size)
                content = FileContent(str(place), entry.size)
            items.append((entry, content))
        written = write_layer(canonical(items, name=name), blobs=self.store.blobs, codec=ZSTD)
        toc.save(self.store, written.toc)
        assert written.encoding is not None
        encodings.record(self.store, written.toc.diff_id, written.encoding)
        return Resolved("", name, Value(LAYER, written.toc.diff_id, written.toc.size))

    def file(self, path: str, content: bytes = b"", *, executable: bool = False) -> Resolved:
        """A source file."""
        kind = EXECUTABLE if executable else FILE
        place = self.place(content)
        return Resolved("", path, Value(kind, Digest.of(content), len(content)), str(place))

    def link(self, path: str, target: str) -> Resolved:
        """A source that is a symbolic link."""
        place = self._next()
        place.symlink_to(target)
        return Resolved("", path, Value(LINK, Digest.of(target.encode()), len(target)), str(place))

    def place(self, content: bytes) -> Path:
        place = self._next()
        place.write_bytes(content)
        return place

    def output(self, value: Value, path: str = "") -> Resolved:
        """An output, to be read by another action."""
        return Resolved("", path, value)

    def document(self, value: Value) -> Any:
        return json.loads(self.store.blobs.read(value.digest).decode("utf-8", "surrogateescape"))

    def entries(self, value: Value) -> dict[str, Entry]:
        """The entries of a layer by their paths."""
        return {one.path: one for one in toc.load(self.store, value.digest).entries}

    def _next(self) -> Path:
        self._files += 1
        return self.folder / f"file{self._files}"


@contextmanager
def opened(store: Store, folder: Path) -> Iterator[Bench]:
    made = Bench(store, folder)
    try:
        yield made
    finally:
        made.namespace.close()


def folder(path: str, mode: int = 0o755, uid: int = 0, gid: int = 0) -> Entry:
    return Entry(path, DIRECTORY, mode, uid, gid)


def file(path: str, size: int = 0, mode: int = 0o644, uid: int = 0, gid: int = 0) -> Entry:
    return Entry(path, FILE_ENTRY, mode, uid, gid, size)


def link(path: str, target: str) -> Entry:
    return Entry(path, SYMLINK, 0o777, link=target)


def _text(values: dict[str, Any]) -> str:
    return canonical_json(values).decode("utf-8", "surrogateescape")
