"""``list_folders``: what images on an image have to know of its tree."""

from __future__ import annotations

from typing import ClassVar

from hermes.actions.specs.spec import I, Spec, role


class ListFolders(Spec[I]):
    """What images on an image, whose list of ``layers`` this reads, have to know of its folders and links."""

    kind: ClassVar[str] = "list_folders"

    layers: I = role("layers")

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("folders",)
