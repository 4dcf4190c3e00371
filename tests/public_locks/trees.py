"""What is in a folder or in layers, as values that can be compared."""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import zstandard

_MOST_SHOWN = 20


class Node(NamedTuple):
    """One path: ``kind`` is ``d``, ``l`` or ``f``; ``what`` is a link's target or the SHA-256 of a file."""

    kind: str
    mode: int = 0
    what: str = ""


Rewrite = Callable[[str, bytes], bytes]
"""Returns the content that counts of a file, given its path and its content."""


def _as_it_is(_path: str, data: bytes) -> bytes:
    return data


def of_layers(layers: Iterable[Path], below: str, rewrite: Rewrite = _as_it_is) -> dict[str, Node]:
    """Return what zstd-compressed layers have below a folder, by paths relative to it."""
    found: dict[str, Node] = {}
    for layer in layers:
        with (
            open(layer, "rb") as file,
            tarfile.open(fileobj=zstandard.ZstdDecompressor().stream_reader(file), mode="r|") as archive,
        ):
            for member in archive:
                if not member.name.startswith(f"{below}/"):
                    continue
                path = member.name.removeprefix(f"{below}/")
                if member.issym():
                    found[path] = Node("l", what=member.linkname)
                elif member.isdir():
                    found[path] = Node("d", member.mode)
                else:
                    data = archive.extractfile(member)
                    assert data is not None
                    found[path] = _file(member.mode, path, data.read(), rewrite)
    return _with_folders(found)


def of_folder(root: Path, rewrite: Rewrite = _as_it_is) -> dict[str, Node]:
    """Return what is below a folder, as `of_layers` does."""
    found: dict[str, Node] = {}
    for base, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(base, name)
            key, status = str(path.relative_to(root)), path.lstat()
            mode = stat.S_IMODE(status.st_mode)
            if stat.S_ISLNK(status.st_mode):
                found[key] = Node("l", what=str(path.readlink()))
            elif stat.S_ISDIR(status.st_mode):
                found[key] = Node("d", mode)
            else:
                found[key] = _file(mode, key, path.read_bytes(), rewrite)
    return found


def _file(mode: int, path: str, data: bytes, rewrite: Rewrite) -> Node:
    return Node("f", mode, hashlib.sha256(rewrite(path, data)).hexdigest())


def _with_folders(found: dict[str, Node]) -> dict[str, Node]:
    """Add the folders that a layer need not name."""
    for path in list(found):
        for folder in Path(path).parents:
            found.setdefault(str(folder), Node("d", 0o755))
    found.pop(".", None)
    return found


def without_empty_folders(tree: Mapping[str, Node]) -> dict[str, Node]:
    """Return a tree without folders that have nothing in them."""
    used = {str(folder) for path, one in tree.items() if one.kind != "d" for folder in Path(path).parents}
    return {path: one for path, one in tree.items() if one.kind != "d" or path in used}


def differences(ours: Mapping[str, Node], theirs: Mapping[str, Node], peer: str) -> Iterator[str]:
    """Yield what differs between two trees, a line for each path."""
    for path in sorted({*ours, *theirs}):
        one, other = ours.get(path), theirs.get(path)
        if one is None or other is None:
            yield f"{path}: only {peer if one is None else 'Hermes'} has it"
        elif one != other:
            parts = [
                name for name, a, b in zip(("type", "mode", "content"), one, other, strict=True) if a != b
            ]
            said = f" ({one.mode:o} and {other.mode:o})" if "mode" in parts else ""
            yield f"{path}: {' and '.join(parts)} differ{said}"


def shown(lines: Iterable[str]) -> str:
    """Return some of the lines, and how many there are besides."""
    listed = list(lines)
    more = [f"... and {len(listed) - _MOST_SHOWN} more"] if len(listed) > _MOST_SHOWN else []
    return "\n".join(listed[:_MOST_SHOWN] + more)
