"""A stack of trees as one root file system, by overlayfs, in the mount namespace of the caller.

The trees are named by short links in a folder that is the working directory of the mount, because mount(2)
takes one page of options: so 500 of them (the kernel's limit) fit on every kernel that has ``userxattr``
(5.11), where the ``lowerdir+`` of fsconfig(2) would need 6.7.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from hermes.container.lowers import DIRECTORY, Look, Tree, at
from hermes.container.stack import Upper
from hermes.errors import ConflictError, SandboxError
from hermes.layer.apply import xattrs_of
from hermes.layer.entry import Xattrs, parents
from hermes.sandbox.syscalls import MS_NODEV, MS_RDONLY, mount

if TYPE_CHECKING:
    from hermes.layer.diff import OwnerOf

MOST_LOWERS: Final = 500
_OPTIONS: Final = "userxattr,redirect_dir=nofollow,metacopy=off,index=off,xino=off"


def owner_in(trees: Sequence[Tree]) -> OwnerOf | None:
    """Return what tells who is to own a path of a stack; None when that is as it is on disk."""
    if not any(tree.owners for tree in trees):
        return None

    passing = [frozenset((*tree.passing.implied, *tree.passing.passed)) for tree in trees]

    def owner(path: str) -> tuple[int, int] | None:
        before: Sequence[int] | None = None
        for tree, passed in zip(reversed(trees), reversed(passing), strict=True):
            ids = tree.owners.get(path)
            if path in passed:
                before = before or ids
            elif ids or os.path.lexists(at(tree.root, path)):
                before = ids
                break
        return (before[0], before[1]) if before else None

    return owner


class Metadata(NamedTuple):
    """What a directory says of itself."""

    mode: int
    uid: int
    gid: int
    xattrs: Xattrs = ()


_PLAIN: Final = Metadata(0o755, 0, 0)


def mount_stack(trees: Sequence[Tree], scratch: str, *, target: str, upper: Upper | None = None) -> str:
    """Mount ``trees``, the lowest first, at ``scratch/target`` and return that; read-only without ``upper``.

    ``scratch`` is a folder for this mount alone, that stays while it does. Raises `ConflictError` when a tree
    has a directory where one below it has a link or file that it never meant to replace, `SandboxError` when
    the kernel refuses.
    """
    trees, described = _settled(_distinct(trees), f"{scratch}/{target}.followed")
    links, merged = f"{scratch}/{target}.lowers", f"{scratch}/{target}"
    os.mkdir(links)
    os.mkdir(merged)
    lowers = [tree.root for tree in trees]
    if described:
        fixed = f"{merged}.parents"
        _make_directories(fixed, described)
        lowers.append(fixed)
    while len(lowers) < (1 if upper else 2):
        empty = f"{merged}.empty{len(lowers)}"
        os.mkdir(empty)
        lowers.insert(0, empty)
    if len(lowers) > MOST_LOWERS:
        raise SandboxError(f"{len(lowers)} layers are more than the {MOST_LOWERS} that overlayfs can stack")
    for number, lower in enumerate(lowers):
        os.symlink(lower, f"{links}/{number}")
    options = f"lowerdir={':'.join(map(str, reversed(range(len(lowers)))))},{_OPTIONS}"
    if upper:
        if not os.path.isdir(upper.upper):
            os.makedirs(upper.upper)
            _describe(upper.upper, described.get("") or _metadata(lowers[-1]))
        os.makedirs(upper.work, exist_ok=True)
        os.symlink(upper.upper, f"{links}/upper")
        os.symlink(upper.work, f"{links}/work")
        options += ",upperdir=upper,workdir=work"
    before = os.open(".", os.O_PATH | os.O_CLOEXEC)
    os.chdir(links)
    try:
        mount("overlay", merged, "overlay", MS_NODEV | (0 if upper else MS_RDONLY), options)
    except OSError as error:
        raise _refused(error, scratch) from error
    finally:
        os.fchdir(before)
        os.close(before)
    return merged


def _distinct(trees: Sequence[Tree]) -> list[Tree]:
    """Return the trees, of those that stand there twice the upper one alone.

    The kernel takes no directory twice, and what the lower one gives or hides the upper one gives or hides again.
    """
    return list({tree.root: tree for tree in reversed(trees)}.values())[::-1]


def _settled(trees: list[Tree], scratch: str) -> tuple[list[Tree], dict[str, Metadata]]:
    """Return the trees to mount, with those that follow links of an image, and what `_missing_metadata` gives for them."""
    try:
        return trees, _missing_metadata(trees)
    except ConflictError:
        from hermes.container.followed import followed

        found = followed(trees, scratch)
        if len(found) == len(trees):
            raise
        return found, _missing_metadata(found)


def _missing_metadata(trees: Sequence[Tree]) -> dict[str, Metadata]:
    """Return what a tree on top of all should say of directories, where the trees say it wrongly.

    A tree holds directories that its layer only passes through. In the merged root those of the topmost
    tree count, where the layer meant those of the nearest layer that changes them, or else of the nearest that says
    what they were.
    """
    looks = [Look(tree) for tree in trees]
    found: dict[str, Metadata] = {}
    for path in sorted(frozenset().union(*(one.passed for one in looks))):
        shown, meant = _directory(path, looks)
        if shown != meant:
            for one in (path, *parents(path), ""):
                if one not in found:
                    found[one] = _directory(one, looks)[1]
    return found


def settle_directories(tree: Tree, below: Sequence[Tree]) -> None:
    """Give directories that ``tree``, of which nothing is mounted, passes through what the layers below it say of them.

    Raises `ConflictError` as `mount_stack` does.
    """
    looks = [*map(Look, below), Look(tree)]
    for path in sorted(looks[-1].passed, reverse=True):
        shown, meant = _directory(path, looks)
        if shown != meant:
            _describe(at(tree.root, path), meant)


def _directory(path: str, looks: Sequence[Look]) -> tuple[Metadata, Metadata]:
    """Return what the merged root shows of a directory, and what the layers meant."""
    shown: Metadata | None = None
    before: Metadata | None = None
    for look in reversed(looks):
        kind, covers = look.at(path)
        if kind == DIRECTORY:
            here = _metadata(at(look.tree.root, path))
            shown = shown or here
            if path not in look.passed:
                return shown, here
            if look.passed[path]:
                before = before or here
        elif kind and shown:
            raise _in_the_way(path, kind, look.tree, looks)
        if covers:
            break
    return shown or _PLAIN, before or _PLAIN


def _in_the_way(path: str, kind: str, tree: Tree, looks: Sequence[Look]) -> ConflictError:
    writer = next(look.tree for look in reversed(looks) if path in look.passed)
    return ConflictError(
        f"{writer.name} writes below /{path}, which is {kind} in {tree.name}",
        hint="give the destination where the link leads",
    )


def _metadata(path: str) -> Metadata:
    status = os.lstat(path)
    return Metadata(stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, xattrs_of(path))


def _describe(path: str, metadata: Metadata) -> None:
    os.chown(path, metadata.uid, metadata.gid)
    os.chmod(path, metadata.mode)
    for name, value in metadata.xattrs:
        os.setxattr(path, name, value)
    os.utime(path, ns=(0, 0))


def _make_directories(root: str, described: dict[str, Metadata]) -> None:
    os.mkdir(root, 0o755)
    for path in described:
        os.makedirs(f"{root}/{path}", 0o755, exist_ok=True)
    for path in sorted(described, reverse=True):
        _describe(f"{root}/{path}", described[path])


def _refused(error: OSError, scratch: str) -> SandboxError:
    hint = "run `hermes doctor`"
    if error.errno == errno.EINVAL:
        hint = (
            "the store's file system must be able to hold an overlay's upper directory: "
            "ext4, xfs or btrfs, not another overlay; put it elsewhere with HERMES_HOME"
        )
    return SandboxError(f"the layers cannot be mounted for {scratch}: {error.strerror}", hint=hint)
