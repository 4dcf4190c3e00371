"""``import_image``: an image, or the tree of one, from files."""

from __future__ import annotations

from typing import ClassVar

from hermes.actions.specs.spec import I, Spec, roles


class ImportImage(Spec[I]):
    """The image of an archive, one file, or of an OCI layout, whose ``files`` have their paths in it.

    An archive is one of an OCI layout, what ``docker save`` writes, or a root file system. ``image`` is the tag or name of one of
    several images.
    """

    kind: ClassVar[str] = "import_image"
    for_platform: ClassVar[bool] = True

    image: str = ""
    files: tuple[I, ...] = roles("file", default=())

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("config", "environment", "layers", "manifest")
