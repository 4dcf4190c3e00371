"""Images that have a name in the store."""

from __future__ import annotations

from hermes.digest import Digest
from hermes.errors import UsageError
from hermes.graph.label import is_label
from hermes.store import Store


def named_image(text: str) -> Digest | None:
    """Return the manifest of the image that has a name in the store, or None where ``text`` is not such a name."""
    from hermes.image.names import ImageNames
    from hermes.image.reference import Reference
    from hermes.store.location import default_home

    if is_label(text) or text.startswith("-") or not (default_home() / "images").is_dir():
        return None
    try:
        name = Reference.parse(text)
    except UsageError:
        return None
    found = ImageNames(Store(default_home())).find(name)
    return found.digest if found else None
