"""The outputs of the targets that a build names."""

from __future__ import annotations

from typing import Final, NamedTuple

IMAGE: Final = "image"
INDEX: Final = "index"
LAYER: Final = "layer"
FILE: Final = "file"
PUSH: Final = "push"
TEST: Final = "test"
TESTED: Final = "tested"
"""The configuration of an image that a test is of: with it everything is there that the test needs. It is not linked."""


class Wanted(NamedTuple):
    """An output of a target: ``kind``, where it goes below ``hermes-out``, and what action gives it.

    ``output`` is empty for a file of the workspace; ``action`` is then its path.
    """

    label: str
    kind: str
    path: str
    action: str
    output: str
