"""The stages of a Dockerfile: what stands before the first FROM, and what follows each."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from hermes.dockerfile.instructions import Arg, Copy, From, Instruction, Run
from hermes.dockerfile.origins import context_name
from hermes.dockerfile.parse import Dockerfile
from hermes.sizes import whole_number

_FROM: Final = re.compile(r"(?:\A|,)from=([^,]+)")


@dataclass(slots=True)
class Stage:
    """``name`` is lower case, as names are compared, or empty."""

    number: int
    name: str
    start: From
    instructions: list[Instruction] = field(default_factory=list)

    @property
    def shown(self) -> str:
        return self.name or str(self.number)


@dataclass(frozen=True, slots=True)
class Stages:
    """``arguments`` are those before the first FROM, ``given`` the names of contexts, which count before stages."""

    dockerfile: Dockerfile
    arguments: Sequence[Arg]
    stages: Sequence[Stage]
    given: Collection[str] = ()

    def find(self, name: str, before: int) -> Stage | None:
        """Return the last stage called ``name``, or of that number, of those before the one numbered ``before``."""
        for stage in reversed(self.stages[:before]):
            if name and stage.name == name.lower():
                return stage
        number = whole_number(name, before - 1)
        return None if number is None else self.stages[number]

    def earlier(self, name: str, stage: Stage) -> Stage | None:
        """Return the stage before ``stage`` that a name means there, unless it is that of a context."""
        return None if context_name(name) in self.given else self.find(name, stage.number)

    def near(self, name: str) -> str | None:
        """Return a hint with the name of a stage that is like ``name``."""
        near = difflib.get_close_matches(name.lower(), [one.name for one in self.stages if one.name], 1)
        return f"did you mean {near[0]}?" if near else None


def references(stages: Stages, stage: Stage) -> Iterator[Stage]:
    """Yield the earlier stages that a stage is built on or takes files from, except those that variables name."""
    image, *origins = names_in(stage)
    if not image.isdigit() and (found := stages.earlier(image, stage)):
        yield found
    for origin in origins:
        if found := stages.earlier(origin, stage):
            yield found


def names_in(stage: Stage) -> Iterator[str]:
    """Yield what a stage is built on, and what it takes files from, as it is written."""
    yield stage.start.image
    for one in stage.instructions:
        if isinstance(one, Copy) and one.origin:
            yield one.origin
        if isinstance(one, Run):
            yield from (match[1] for text in one.mounts for match in _FROM.finditer(text))


def split_stages(dockerfile: Dockerfile, given: Collection[str] = ()) -> Stages:
    """Return a Dockerfile's stages; raises `DockerfileError` where an instruction belongs to none."""
    arguments: list[Arg] = []
    stages: list[Stage] = []
    for one in dockerfile.instructions:
        if isinstance(one, From):
            if one.alias and not _is_name(one.alias):
                raise dockerfile.text.error(
                    f"{one.alias!r} cannot be the name of a stage",
                    one.span,
                    "a name begins with a letter, and has letters, digits and - _ .",
                )
            stages.append(Stage(len(stages), one.alias.lower(), one))
        elif stages:
            stages[-1].instructions.append(one)
        elif isinstance(one, Arg):
            arguments.append(one)
        else:
            raise dockerfile.text.error(
                "only ARG may stand before the first FROM", one.span, "begin with FROM IMAGE, or FROM scratch"
            )
    if not stages:
        last = dockerfile.instructions[-1]
        raise dockerfile.text.error("there is no FROM", last.span, "begin with FROM IMAGE, or FROM scratch")
    return Stages(dockerfile, tuple(arguments), tuple(stages), given)


def _is_name(text: str) -> bool:
    return text[0].isalpha() and text.isascii() and all(char.isalnum() or char in "-_." for char in text)
