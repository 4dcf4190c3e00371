"""``find_scripts`` and ``save_artifacts``: scripts of Source-to-Image."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from hermes.actions.specs.run import Run
from hermes.actions.specs.spec import I, Spec, roles


class Program(NamedTuple):
    """A script called ``name`` that must be at ``path`` and executable; ``looked`` says where it was looked for."""

    name: str
    path: str
    looked: str = ""


class FindScripts(Spec[I]):
    """Fails where one of ``programs`` is not in the stack ``roots``, or no folder is at one of ``folders``.

    A command that needs them runs after it. ``image`` is what errors call the stack.
    """

    kind: ClassVar[str] = "find_scripts"

    image: str
    programs: tuple[Program, ...] = ()
    folders: tuple[str, ...] = ()
    roots: tuple[I, ...] = roles("root", default=())

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("found",)


class SaveArtifacts(Run[I]):
    """The layer of the tar archive that a command prints, as its user unpacks it at ``dest``.

    It is empty where ``programs`` are not in its image, which errors call ``image``, or nothing is printed. What the
    command changes is forgotten.
    """

    kind: ClassVar[str] = "save_artifacts"

    dest: str
    image: str
    programs: tuple[Program, ...] = ()

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("layer",)
