"""``hermes diff``: in what two images differ, path by path and setting by setting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from hermes.images.inspecting import contents
from hermes.layer.entry import BLOCK, CHARACTER, DIRECTORY, FIFO, FILE, HARDLINK, SYMLINK, Entry, implied
from hermes.layer.flatten import flatten
from hermes.layer.toc import TableOfContents
from hermes.store import Store
from hermes.store.location import default_home

ADDED: Final = "A"
CHANGED: Final = "C"
DELETED: Final = "D"

_UNCOMPARED: Final = ("config", "history", "rootfs")
_TYPES: Final = {
    FILE: "file",
    HARDLINK: "hard link",
    SYMLINK: "link",
    CHARACTER: "character device",
    BLOCK: "block device",
    DIRECTORY: "directory",
    FIFO: "fifo",
}


class Difference(NamedTuple):
    """A path or setting in which two images differ.

    ``kind`` is ``A`` (only the second has it), ``D`` (only the first) or ``C``; ``fields`` are triples of what
    differs of a path, the first's and the second's; ``where`` is ``file`` or ``config``.
    """

    where: str
    kind: str
    name: str
    fields: tuple[tuple[str, str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        fields = {name: [one, two] for name, one, two in self.fields}
        return {"fields": fields, "kind": self.kind, "name": self.name, "where": self.where}


def compare(
    one: str, two: str, *, home: Path | None = None, platform: str = "", times: bool = False
) -> list[Difference]:
    """Return in what two images, or the layers that two targets give, differ: files first, both in order.

    Modification times count if ``times`` says so. Where both are images, their configurations are compared too,
    but for histories and layers, which say how an image was made and not what it is.
    """
    store = Store.open(home or default_home())
    try:
        with store.in_use():
            first, below = contents(one, store, platform)
            second, above = contents(two, store, platform)
            found = list(_of_files(_tree(below, times=times), _tree(above, times=times)))
            if first is not None and second is not None:
                found += _of_settings(_settings(first.config), _settings(second.config))
            return found
    finally:
        store.close()


def _tree(tables: Sequence[TableOfContents], *, times: bool) -> dict[str, dict[str, str]]:
    """Map each path to what is there, as texts by the names of fields; also folders that no layer describes."""
    entries = [one.entry for one in flatten(tables)]
    entries += [Entry(path, DIRECTORY, 0o755) for path in implied(entry.path for entry in entries)]
    return {entry.path: _fields(entry, times=times) for entry in entries}


def _fields(entry: Entry, *, times: bool) -> dict[str, str]:
    fields = {
        "type": _TYPES.get(entry.type, entry.type),
        "mode": f"{entry.mode:04o}",
        "owner": f"{entry.uid}:{entry.gid}",
    }
    if entry.type == FILE:
        fields |= {"size": str(entry.size), "digest": f"sha256:{entry.digest}"}
    if entry.link:
        fields["link"] = entry.link
    if entry.type == SYMLINK:
        del fields["mode"]
    if entry.type in (CHARACTER, BLOCK):
        fields["device"] = "{}:{}".format(*entry.device)
    if entry.type == HARDLINK:
        fields = {"type": fields["type"], "link": entry.link}
    fields |= {f"xattr {name}": value.hex() for name, value in entry.xattrs}
    if times and entry.type != HARDLINK:
        fields["time"] = str(entry.mtime)
    return fields


def _of_files(one: Mapping[str, dict[str, str]], two: Mapping[str, dict[str, str]]) -> Iterator[Difference]:
    for path in sorted({*one, *two}, key=lambda path: path.encode("utf-8", "surrogateescape")):
        before, after = one.get(path), two.get(path)
        if before == after:
            continue
        name = f"/{path}"
        if before is None or after is None:
            yield Difference("file", ADDED if before is None else DELETED, name)
        else:
            yield Difference("file", CHANGED, name, tuple(_changes(before, after)))


def _settings(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings of an image, each as one text; variables and labels have one each."""
    found = {name: _shown(value) for name, value in config.items() if name not in _UNCOMPARED and value}
    for name, value in (config.get("config") or {}).items():
        if name == "Env":
            found |= {f"Env {pair.partition('=')[0]}": pair.partition("=")[2] for pair in value or ()}
        elif isinstance(value, Mapping):
            found |= {f"{name} {key}": _shown(inner) for key, inner in value.items()}
        elif value:
            found[name] = _shown(value)
    return found


def _of_settings(one: Mapping[str, str], two: Mapping[str, str]) -> Iterator[Difference]:
    for name in sorted({*one, *two}):
        before, after = one.get(name), two.get(name)
        if before != after:
            kind = ADDED if before is None else DELETED if after is None else CHANGED
            yield Difference("config", kind, name, (("value", before or "", after or ""),))


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for name in dict.fromkeys((*before, *after)):
        if before.get(name) != after.get(name):
            yield name, before.get(name, ""), after.get(name, "")


def _shown(value: Any) -> str:
    import json

    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
