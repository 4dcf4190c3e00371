"""``image_labels``: the labels of an image that a command has written into its root."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from hermes.actions.specs.spec import I, Spec, roles


class ImageLabels(Spec[I]):
    """The ``labels`` with those in the JSON document at ``path`` of the stack ``roots``, if it is there.

    It has the form ``{"labels": [{"NAME": "VALUE"}, ...]}``.
    """

    kind: ClassVar[str] = "image_labels"

    labels: Mapping[str, str]
    path: str
    roots: tuple[I, ...] = roles("root", default=())

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("labels",)
