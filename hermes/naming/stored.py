"""Images of the store, where the command line could also mean a target."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hermes.errors import UsageError, WorkspaceError
from hermes.graph.label import is_label

if TYPE_CHECKING:
    from hermes.transports.stored import StoreOrigin


def named_image(text: str) -> StoreOrigin | None:
    """Return the image of the store that ``text`` names, by a name or a digest.

    Returns None where it can only be a target, or could be one of the workspace here. Raises `UsageError`, with a name
    that is near, where there is no workspace either.
    """
    from hermes.naming.image_names import find_named, named
    from hermes.store import Store
    from hermes.store.location import default_home

    if is_label(text) or text.startswith("-"):
        return None
    store = Store(default_home())
    if text.startswith("sha256:") or not in_a_workspace():
        return named(text, store)
    try:
        return find_named(text, store)
    except UsageError:
        return None


def in_a_workspace() -> bool:
    """Tell whether this folder is in a workspace."""
    from hermes.workspace.location import find_root

    try:
        find_root(Path.cwd())
    except WorkspaceError:
        return False
    return True
