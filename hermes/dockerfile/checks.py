"""What is allowed in a Dockerfile and better done otherwise, where its text alone shows it.

The names of the rules are those of BuildKit's checks. `hermes.dockerfile.from_checks` has those of FROM, and
`hermes.dockerfile.stage_checks` those for which variables and settings have to be known. See the Dockerfile reference,
"check", and the build checks that Docker documents.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from hermes.dockerfile.findings import Directive, Finding
from hermes.dockerfile.instructions import (
    Arg,
    Cmd,
    Entrypoint,
    Env,
    From,
    Healthcheck,
    Instruction,
    Label,
    Maintainer,
)
from hermes.dockerfile.lines import Line
from hermes.dockerfile.parse import Dockerfile
from hermes.dockerfile.source import Span
from hermes.dockerfile.stages import Stage, split_stages

_RESERVED: Final = ("scratch", "context")


def findings(dockerfile: Dockerfile) -> list[Finding]:
    """Return what a Dockerfile shows by itself, in the order of its lines; raises `DockerfileError`."""
    directive = Directive.of(dockerfile)
    stages = split_stages(dockerfile).stages
    found = [*_of_lines(dockerfile.lines), *_of_stages(stages)]
    for line, one in zip(dockerfile.lines, dockerfile.instructions, strict=True):
        found += _of_instruction(one)
        found += _of_description(line, one)
    return sorted(filter(directive.wants, found), key=lambda one: one.span)


def _of_lines(lines: Sequence[Line]) -> Iterator[Finding]:
    start = next((place for place, line in enumerate(lines) if line.keyword.lower() == "from"), 0)
    upper = sum(line.keyword.isupper() for line in lines[start:])
    lower = sum(line.keyword.islower() for line in lines[start:])
    for place, line in enumerate(lines):
        if line.empty:
            span = Span(line.empty[0], line.empty[0])
            yield Finding("NoEmptyContinuation", "an empty line continues an instruction", span)
        wanted = line.keyword.lower() if lower > upper else line.keyword.upper()
        if line.keyword != wanted and place >= start:
            yield Finding(
                "ConsistentInstructionCasing",
                f"{line.keyword} is not written as the other instructions are: {wanted}",
                line.span,
            )
        if line.keyword.lower() == "from":
            words = line.rest.split()
            cased = str.upper if line.keyword.isupper() else str.lower
            if len(words) == 3 and line.keyword == cased("from") and words[1] != cased("as"):
                message = f"{line.keyword} and {words[1]} are not written alike"
                yield Finding("FromAsCasing", message, line.span)


def _of_stages(stages: Sequence[Stage]) -> Iterator[Finding]:
    names: set[str] = set()
    for stage in stages:
        start = stage.start
        if start.alias != start.alias.lower():
            yield Finding("StageNameCasing", f"the stage {start.alias} is better {stage.name}", start.span)
        if stage.name in names:
            message = f"there are two stages {stage.name}, and the later one counts"
            yield Finding("DuplicateStageName", message, start.span)
        if stage.name in _RESERVED:
            yield Finding("ReservedStageName", f"{stage.name} has a meaning of its own", start.span)
        names.update([stage.name] if stage.name else ())
        yield from _in_stage(stage)


def _in_stage(stage: Stage) -> Iterator[Finding]:
    last: dict[str, Span] = {}
    for one in stage.instructions:
        if isinstance(one, Cmd | Entrypoint | Healthcheck):
            name = type(one).__name__.upper()
            if name in last:
                message = f"only the last {name} of a stage counts; there is another at line {one.span.first}"
                yield Finding("MultipleInstructionsDisallowed", message, last[name], one.span)
            last[name] = one.span


def _of_description(line: Line, one: Instruction) -> Iterator[Finding]:
    names: list[str] = []
    if isinstance(one, From) and one.alias:
        names = [one.alias.lower()]
    elif isinstance(one, Arg):
        names = [argument.name for argument in one.arguments]
    if names and line.comment and line.comment[-1].partition(" ")[0] not in names:
        message = f"the comment above is not written as a description: # {names[0]} DESCRIPTION"
        yield Finding("InvalidDefinitionDescription", message, one.span)


def _of_instruction(one: Instruction) -> Iterator[Finding]:
    if isinstance(one, Maintainer):
        message = "MAINTAINER is deprecated: write LABEL org.opencontainers.image.authors=..."
        yield Finding("MaintainerDeprecated", message, one.span)
    elif isinstance(one, Env | Label):
        for pair in one.pairs:
            if not pair.equals:
                keyword = type(one).__name__.upper()
                message = f"write {keyword} {pair.name}=..., as values with spaces have quotes"
                yield Finding("LegacyKeyValueFormat", message, one.span)
