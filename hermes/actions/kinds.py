"""The kinds of value that actions give besides files."""

from __future__ import annotations

from typing import Final

BLOB: Final = "blob"
"""A compressed layer, by the digest of its bytes."""
INDEX: Final = "index"
"""Images for several platforms, by their index."""
LAYER: Final = "layer"
"""A layer, by its diff_id."""
LAYERS: Final = "layers"
"""All layers of an image from elsewhere: a JSON list of diff_ids, the lowest first."""
MANIFEST: Final = "manifest"
"""An image, by its manifest."""
