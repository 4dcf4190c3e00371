"""What rules see of the locks of npm packages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hermes.dsl.dialect.values import EvalError, Struct
from hermes.errors import LockError
from hermes.node.install import Wanted, install_of
from hermes.node.target import NodeTarget

if TYPE_CHECKING:
    from hermes.image.platform import Platform


def read_npm_lock(
    path: str,
    read: Callable[[str], bytes],
    platform: Platform,
    *,
    node: str,
    libc: str,
    omit: tuple[str, ...],
    exclude: tuple[str, ...],
    sha1: bool,
    legacy_peers: bool,
    manifests: tuple[str, ...],
    label: str,
) -> Struct:
    """See `hermes.dsl.context.Context.read_npm_lock`; errors are of the attribute ``lock``."""
    try:
        target = NodeTarget.of(node, platform, libc)
        found = install_of(path, read, target, Wanted(omit, exclude, sha1, legacy_peers), manifests)
    except LockError as error:
        hint = error.hint
        if manifests and "is stale" in error.message:
            hint = f"run `hermes lock {label}`, and commit what it writes"
        raise EvalError(error.message, hint, attribute="lock") from None
    archives = [
        Struct({**one._asdict(), "bins": {bin_.path: bin_.file for bin_ in one.bins}})
        for one in found.archives
    ]
    links = [Struct(one._asdict()) for one in found.links]
    return Struct({"archives": archives, "links": links, "note": found.note})
