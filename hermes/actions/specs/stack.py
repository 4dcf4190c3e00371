"""The layers of an image, in the forms in which actions know them."""

from __future__ import annotations

from typing import Generic, NamedTuple

from hermes.actions.specs.spec import I
from hermes.digest import Digest
from hermes.image.descriptor import Descriptor


class Made(NamedTuple, Generic[I]):
    """A layer and its blob."""

    layer: I
    blob: I


class Whole(NamedTuple, Generic[I]):
    """All layers of an image from elsewhere, as its ``manifest`` has them."""

    manifest: I


class Kept(NamedTuple):
    """A layer of a base, which an image on it refers to as the base does."""

    diff_id: Digest
    blob: Descriptor
