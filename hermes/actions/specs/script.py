"""``script`` and ``save_artifacts``: commands that are scripts of Source-to-Image."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from hermes.actions.specs.run import Run
from hermes.actions.specs.spec import I


class Program(NamedTuple):
    """A script called ``name`` that must be at ``path`` and executable; ``looked`` says where it was looked for."""

    name: str
    path: str
    looked: str = ""


class Script(Run[I]):
    """A command of an image called ``image`` that runs where ``programs`` are there, and folders at ``folders``."""

    kind: ClassVar[str] = "script"

    image: str
    programs: tuple[Program, ...] = ()
    folders: tuple[str, ...] = ()


class SaveArtifacts(Script[I]):
    """The layer of the tar archive that a command prints, as its user unpacks it at ``dest``.

    It is empty where the script is not in the image, or prints nothing. What the command changes is forgotten.
    """

    kind: ClassVar[str] = "save_artifacts"

    dest: str

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("layer",)
