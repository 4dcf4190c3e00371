"""``git``: files of a commit."""

from __future__ import annotations

from typing import ClassVar

from hermes.actions.specs.spec import I, Spec, unkeyed


class Git(Spec[I]):
    """The files below ``folder`` of a commit of a git repository, as a layer. ``ref`` is one that leads to it.

    ``submodules``: those are in it. With ``origin`` the repository is in it, too, as ``.git``, and says that it is from there.
    """

    kind: ClassVar[str] = "git"

    commit: str
    folder: str
    submodules: bool = True
    origin: str = ""
    ref: str = unkeyed()
    url: str = unkeyed()

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("layer",)
