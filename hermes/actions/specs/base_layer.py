"""``base_layer``: a layer of a base image."""

from __future__ import annotations

from typing import ClassVar

from hermes.actions.specs.spec import I, Spec
from hermes.digest import Digest


class BaseLayer(Spec[I]):
    """A layer of a base image, which is in the store, or comes there."""

    kind: ClassVar[str] = "base_layer"

    diff_id: Digest

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("layer",)
