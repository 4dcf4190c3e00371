"""What is asked of a build, and what follows of it before anything is done: scripts, user, files, variables."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from hermes.dockerfile.files import Files
from hermes.dockerfile.options import Options
from hermes.dockerfile.origins import BaseImage, Origins
from hermes.s2i.artifacts import Mapped
from hermes.s2i.facts import DESCRIPTION, DISPLAY_NAME, NAMESPACE, Facts
from hermes.s2i.scripts import ASSEMBLE, RUN, SAVE_ARTIFACTS, Place, Script, Scripts
from hermes.s2i.source import Read, SourceFiles, environment, ignored
from hermes.s2i.users import Range, owner_of


@dataclass(frozen=True, slots=True)
class Injection:
    """Files of this machine that ``assemble`` sees in the folder ``dest``, which may be relative to the working folder."""

    files: Files
    dest: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What is built of what.

    ``source`` are the files of the application and ``read`` reads one. ``given`` are the places of scripts that count
    before those that images name; ``of_image`` returns the latter. ``previous`` is the image whose artifacts are used
    again. ``name`` and ``description`` become labels, as do ``labels``. ``environment`` counts before that of the
    source. ``origins`` finds what ONBUILD instructions name. What is empty is as the images say.
    """

    builder: BaseImage
    source: Files
    read: Read
    given: Sequence[Place] = ()
    of_image: Callable[[Facts], Sequence[Place]] = lambda _: ()
    previous: BaseImage | None = None
    runtime: BaseImage | None = None
    runtime_artifacts: Sequence[Mapped] = ()
    name: str = ""
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    environment: Sequence[tuple[str, str]] = ()
    destination: str = ""
    assemble_user: str = ""
    assemble_runtime_user: str = ""
    allowed: Sequence[Range] = ()
    exclude: str = ""
    injections: Sequence[Injection] = ()
    origins: Origins | None = None
    options: Options = field(default_factory=Options)

    def scripts(self, *images: Facts) -> Scripts:
        """Return where the scripts for the first image are looked for; the others count after it."""
        of_images = [place for image in images for place in self.of_image(image)]
        return Scripts(images[0].name, [*self.given, *of_images])

    def files(self, used: Sequence[Script]) -> SourceFiles:
        """Return the files of the application: without what is ignored, and without the scripts that are put elsewhere."""
        without = ignored(self.source, self.read)
        without.update(one.source for one in used if one.source)
        return SourceFiles(self.source, exclude=self.exclude, without=without)

    def variables(self, source: SourceFiles, warn: Callable[[str], None]) -> list[tuple[str, str]]:
        """Return those of ``assemble`` and of the image, besides the builder's."""
        return [*environment(source, self.read, warn), *self.environment]

    def image_labels(self, builder: str) -> dict[str, str]:
        """Return the labels of the image besides those of what it is built on."""
        found = {f"{NAMESPACE}build.image": builder}
        if self.name:
            found[DISPLAY_NAME] = self.name
        if self.description:
            found[DESCRIPTION] = self.description
        return {**found, **self.labels}


@dataclass(frozen=True, slots=True)
class Chosen:
    """What ``assemble`` runs with: the ``scripts`` that are used, by their names, who runs it, who ``owns`` what is put in.

    ``source`` and ``environment`` are those of the application, ``destination`` is an absolute path in the builder.
    """

    scripts: Mapping[str, Script]
    user: str
    owner: str
    source: SourceFiles
    environment: Sequence[tuple[str, str]]
    destination: str

    def path(self, script: Script) -> str:
        """Return where a script is in the builder."""
        return script.path if script.artifact is None else f"{self.destination}/scripts/{script.name}"

    @property
    def put(self) -> list[Script]:
        """The scripts that are put into the builder."""
        return [one for one in self.scripts.values() if one.artifact is not None]


def chosen(asked: Asked, builder: Facts, warn: Callable[[str], None]) -> Chosen:
    """Raises `UsageError` where a script is missing."""
    scripts = asked.scripts(builder)
    used = {ASSEMBLE: scripts.required(ASSEMBLE)}
    if asked.runtime is None:
        used[RUN] = scripts.required(RUN)
        if (save := scripts.find(SAVE_ARTIFACTS)) is not None:
            used[SAVE_ARTIFACTS] = save
    user = asked.assemble_user or builder.assemble_user
    source = asked.files(list(used.values()))
    variables = asked.variables(source, warn)
    destination = posixpath.join("/", asked.destination or builder.destination)
    return Chosen(used, user, owner_of(user), source, variables, destination.rstrip("/"))


def files_in(files: Files) -> list[str]:
    """Return the paths of all files, which folders they are in."""
    found: list[str] = []
    pending = [""]
    while pending:
        folder = pending.pop()
        for name, is_folder in files.names(folder):
            path = f"{folder}/{name}" if folder else name
            if is_folder:
                pending.append(path)
            else:
                found.append(path)
    return sorted(found)


def injected(asked: Asked, builder: Facts) -> list[tuple[str, Files]]:
    """Return the folders of the builder that files are injected into, and those files."""
    return [
        (posixpath.normpath(posixpath.join(builder.workdir, one.dest)), one.files) for one in asked.injections
    ]
