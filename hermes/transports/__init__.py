"""Where images come from and go to besides the store: one module for each transport, and one intake for all of them."""

from typing import Final

REGISTRY: Final = "docker://"
"""What the name of an image in a registry begins with."""
