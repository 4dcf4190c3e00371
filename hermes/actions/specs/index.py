"""``index``: images of several platforms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from hermes.actions.specs.spec import I, Spec, roles


class Index(Spec[I]):
    """The document that names images of several platforms, whose paths are the platforms."""

    kind: ClassVar[str] = "index"

    annotations: Mapping[str, str]
    manifests: tuple[I, ...] = roles("manifest", default=())

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("index",)
