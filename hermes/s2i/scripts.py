"""Which script does a step: looked for in several places, of which the first that has it counts.

These are the folder or address that the user names, ``.s2i/bin`` of the source, and what the image says in its label.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from hermes.dockerfile.files import Files
from hermes.engine.action import Artifact
from hermes.errors import UsageError
from hermes.s2i.source import file_at

ASSEMBLE: Final = "assemble"
RUN: Final = "run"
SAVE_ARTIFACTS: Final = "save-artifacts"
ASSEMBLE_RUNTIME: Final = "assemble-runtime"
USAGE: Final = "usage"
NAMES: Final = (ASSEMBLE, RUN, SAVE_ARTIFACTS, ASSEMBLE_RUNTIME, USAGE)
SOURCE_FOLDERS: Final = (".s2i/bin", ".sti/bin")
"""Where a source has scripts; the second is the old name."""


@dataclass(frozen=True, slots=True)
class Script:
    """A script called ``name``: at ``path`` in the image, or, with ``artifact``, a file that is put there.

    ``place`` says where it was found, and ``looked`` where else before.
    """

    name: str
    place: str
    path: str = ""
    artifact: Artifact | None = None
    looked: tuple[str, ...] = ()
    source: str = ""
    """Its path in the source, if it comes from there: it is not a file of the application then."""


class Place(Protocol):
    """Somewhere that may have scripts; ``shown`` is what errors call it."""

    @property
    def shown(self) -> str: ...

    def find(self, name: str) -> Script | None:
        """Return the script of this name, if the place has it."""
        ...


@dataclass(frozen=True, slots=True)
class InImage:
    """A folder of the image. What is in it is known when a command runs there: see `hermes.actions.find_scripts`."""

    folder: str
    shown: str

    def find(self, name: str) -> Script | None:
        return Script(name, self.shown, path=posixpath.join("/", self.folder, name))


@dataclass(frozen=True, slots=True)
class InFiles:
    """A folder of this machine, or of the source."""

    files: Files
    folder: str
    shown: str
    of_source: bool = False

    def find(self, name: str) -> Script | None:
        path = file_at(self.files, posixpath.join(self.folder, name))
        if path is None:
            return None
        artifact = self.files.artifact(path)
        return Script(name, self.shown, artifact=artifact, source=path if self.of_source else "")


@dataclass(frozen=True, slots=True)
class Scripts:
    """The places of the scripts for one image, which errors call ``image``, in the order in which they are looked at."""

    image: str
    places: Sequence[Place]

    def find(self, name: str) -> Script | None:
        looked: list[str] = []
        for place in self.places:
            if (found := place.find(name)) is not None:
                return Script(
                    name, found.place, found.path, found.artifact, tuple(looked), source=found.source
                )
            looked.append(place.shown)
        return None

    def required(self, name: str) -> Script:
        """Raises `UsageError` where no place has it."""
        found = self.find(name)
        if found is None:
            looked = ", ".join(place.shown for place in self.places) or "nothing says where it could be"
            raise UsageError(
                f"{self.image}: there is no {name} script; looked in: {looked}",
                hint=f"put it into .s2i/bin/{name} of the source, name a folder with --scripts-url, or use a builder "
                "with the label io.openshift.s2i.scripts-url",
            )
        return found
