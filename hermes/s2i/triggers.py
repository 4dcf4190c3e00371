"""Builders with ONBUILD instructions: as with s2i, the image is that of a Dockerfile in the folder of the source."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from hermes.digest import Digest
from hermes.dockerfile.context import Context
from hermes.dockerfile.files import Files
from hermes.dockerfile.options import Options
from hermes.dockerfile.origins import BaseImage, Origins
from hermes.dockerfile.parse import parse
from hermes.dockerfile.translate import Translation, translate
from hermes.engine.action import Artifact
from hermes.errors import UsageError
from hermes.image.platform import Platform
from hermes.layer.entry import FILE
from hermes.s2i.scripts import ASSEMBLE
from hermes.s2i.source import SourceFiles
from hermes.s2i.written import environment_lines

_BUILDER: Final = "builder.invalid/builder"
"""What FROM calls the builder, whose own name may be none that a Dockerfile knows."""
_ENTRYPOINT: Final = re.compile(r"(?:run|start|exec|execute)(?:\.sh)?\Z")


def triggered(
    builder: BaseImage,
    source: SourceFiles,
    scripts: Mapping[str, Artifact],
    environment: Sequence[tuple[str, str]],
    labels: Mapping[str, str],
    options: Options,
    origins: Origins | None,
) -> Translation:
    """Return the actions of an image on ``builder``: its triggers, ``assemble`` if there is one, and what is started.

    ``scripts`` are put into the source. ``origins`` finds what the triggers name. Raises `UsageError` where nothing in the
    source could be started, and `DockerfileError`.
    """
    files = SourceFiles(source, added=scripts)
    lines = [f"FROM {_BUILDER}", *environment_lines(environment)]
    if _is_file(files, ASSEMBLE):
        lines.append(f"RUN sh {ASSEMBLE}")
    lines.append(f'ENTRYPOINT ["./{_entrypoint(files)}"]')
    dockerfile = parse("Dockerfile", "\n".join(lines) + "\n")
    chosen = replace(options, labels={**labels, **options.labels})
    return translate(dockerfile, Context(files), _Origins(builder, origins), chosen)


def _entrypoint(files: Files) -> str:
    for name, is_folder in files.names(""):
        status = files.status(name)
        if (
            not is_folder
            and _ENTRYPOINT.match(name)
            and status is not None
            and status.type == FILE
            and status.mode & 0o111
        ):
            return name
    raise UsageError(
        "the builder has ONBUILD instructions, and nothing in the source can be started",
        hint="add an executable file run, start, exec or execute, with or without .sh, or .s2i/bin/run",
    )


def _is_file(files: Files, path: str) -> bool:
    status = files.status(path)
    return status is not None and status.type == FILE


@dataclass(frozen=True, slots=True)
class _Origins:
    """See `hermes.dockerfile.origins.Origins`: the builder, and what ``more`` finds."""

    builder: BaseImage
    more: Origins | None

    @property
    def given(self) -> Collection[str]:
        return ()

    def image(self, name: str, platform: Platform) -> BaseImage:
        if name == _BUILDER:
            return self.builder
        return self._known(name).image(name, platform)

    def context(self, name: str) -> Context | None:
        return None

    def file(self, url: str) -> Digest:
        return self._known(url).file(url)

    def commit(self, url: str, ref: str) -> str:
        return self._known(url).commit(url, ref)

    def _known(self, name: str) -> Origins:
        if self.more is None:
            raise UsageError(
                f"{self.builder.name}: an ONBUILD instruction names {name}, which is not declared"
            )
        return self.more
