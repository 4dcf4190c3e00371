"""Trees for property tests: what to make on disk, and what is found there."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

_TEXT = st.text(st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=12)
_BYTES = st.lists(st.sampled_from([b"\xff", b"\xc3", b"a", b"\xf0\x9f", b"-"]), min_size=1, max_size=4)
NAMES = st.one_of(
    st.sampled_from(
        ["a", "b", "c", "a.b", "a-b", "A", "x" * 120, "ü", "new\nline", "tab\t", " ", "~", "..x"]
    ),
    _TEXT.filter(lambda name: name not in (".", "..") and not name.startswith(".wh.")),
    _BYTES.map(lambda parts: os.fsdecode(b"".join(parts))),
)
MODES = st.sampled_from([0o644, 0o755, 0o600, 0o4755, 0o2711, 0o1777, 0o400, 0o000])
OWNERS = st.sampled_from([(0, 0), (33, 33), (1000, 0), (65532, 65532)])
XATTRS = st.dictionaries(
    st.sampled_from(["user.a", "user.b.c", "user.ü"]), st.binary(max_size=20), max_size=2
)


@dataclass(frozen=True)
class Node:
    """Something in a tree: ``kind`` is file, folder, link (symbolic), fifo or hard (another name of a file)."""

    kind: str
    mode: int = 0o644
    owner: tuple[int, int] = (0, 0)
    text: bytes = b""
    times: int = 1
    target: str = ""
    xattrs: tuple[tuple[str, bytes], ...] = ()

    @property
    def content(self) -> bytes:
        return self.text * self.times


def _xattrs(found: dict[str, bytes]) -> tuple[tuple[str, bytes], ...]:
    return tuple(sorted(found.items()))


FILES = st.builds(
    Node,
    st.just("file"),
    MODES,
    OWNERS,
    st.binary(max_size=20),
    st.sampled_from([1, 1, 30, 5000]),
    xattrs=XATTRS.map(_xattrs),
)
LINKS = st.builds(
    Node, st.just("link"), st.just(0o777), OWNERS, target=st.one_of(NAMES, st.just("/" + "t" * 150))
)
FIFOS = st.builds(Node, st.just("fifo"), MODES, OWNERS)
FOLDER_MODES = st.sampled_from([0o755, 0o700, 0o1777, 0o2775])


@st.composite
def trees(draw: st.DrawFn) -> dict[str, Node]:
    """Draw a tree: relative paths to nodes, every parent a folder that stands before what it holds."""
    found: dict[str, Node] = {}
    folders = [""]
    for _ in range(draw(st.integers(0, 14))):
        path = "/".join(part for part in (draw(st.sampled_from(folders)), draw(NAMES)) if part)
        if path in found or len(os.fsencode(path)) > 900:
            continue
        kind = draw(st.sampled_from(["file", "file", "folder", "folder", "link", "fifo", "hard"]))
        files = [name for name, node in found.items() if node.kind == "file"]
        if kind == "folder":
            found[path] = Node("folder", draw(FOLDER_MODES), draw(OWNERS), xattrs=_xattrs(draw(XATTRS)))
            folders.append(path)
        elif kind == "hard" and files:
            found[path] = Node("hard", target=draw(st.sampled_from(files)))
        elif kind != "hard":
            found[path] = draw({"file": FILES, "link": LINKS, "fifo": FIFOS}[kind])
    return found


def make(tree: dict[str, Node], root: Path, *, own: bool) -> None:
    """Make a tree on disk, with its owners if ``own``."""
    top = os.fsencode(root)
    for path, node in tree.items():
        place = top + b"/" + os.fsencode(path)
        if node.kind == "hard":
            os.link(top + b"/" + os.fsencode(node.target), place)
            continue
        if node.kind == "file":
            with open(place, "wb") as file:
                file.write(node.content)
        elif node.kind == "folder":
            os.mkdir(place)
        elif node.kind == "fifo":
            os.mkfifo(place)
        else:
            os.symlink(os.fsencode(node.target), place)
        if own:
            os.chown(place, *node.owner, follow_symlinks=False)
        for name, value in node.xattrs:
            os.setxattr(place, name, value)
    for path, node in tree.items():
        if node.kind in ("file", "folder", "fifo"):
            os.chmod(top + b"/" + os.fsencode(path), node.mode)


def seen(root: Path) -> dict[bytes, tuple[object, ...]]:
    """Return what is on disk: by path, everything that a layer keeps; hard links by their first name."""
    found: dict[bytes, tuple[object, ...]] = {}
    first: dict[int, bytes] = {}
    top = os.fsencode(root)
    for at, folders, files in os.walk(top):
        for name in sorted((*folders, *files)):
            place = at + b"/" + name
            status = os.lstat(place)
            kind = stat.S_IFMT(status.st_mode)
            link = os.readlink(place) if kind == stat.S_IFLNK else b""
            content = b""
            if kind == stat.S_IFREG:
                with open(place, "rb") as file:
                    content = file.read()
            xattrs = tuple(
                (one, os.getxattr(place, one, follow_symlinks=False))
                for one in sorted(os.listxattr(place, follow_symlinks=False))
            )
            mode = 0 if link else stat.S_IMODE(status.st_mode)
            path = place[len(top) + 1 :]
            found[path] = (kind, mode, status.st_uid, status.st_gid, link, content, xattrs, status.st_ino)
    for path in sorted(found):
        inode = found[path][-1]
        name = first.setdefault(inode, path) if found[path][0] == stat.S_IFREG else b""
        found[path] = (*found[path][:-1], name)
    return found
