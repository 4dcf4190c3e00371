"""What is allowed in a Dockerfile and better done otherwise. The names of the rules are those of BuildKit's checks.

See the Dockerfile reference, "check", and the build checks that Docker documents.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from hermes.dockerfile.instructions import (
    Arg,
    Cmd,
    Entrypoint,
    Env,
    Expose,
    Healthcheck,
    Instruction,
    Label,
    Maintainer,
    Shell,
    Workdir,
)
from hermes.dockerfile.lines import Line, directive_in
from hermes.dockerfile.parse import Dockerfile
from hermes.dockerfile.source import Span
from hermes.dockerfile.stages import Stage, split_stages
from hermes.errors import DockerfileError, UsageError

_RESERVED: Final = ("scratch", "context")
_SECRET: Final = re.compile(
    r"(?:\A|_)(?:apikey|auth|credentials?|key|passw(?:or)?d|pword|secret|token)(?:_|\Z)", re.IGNORECASE
)
_PUBLIC: Final = re.compile(r"(?:\A|_)public(?:_|\Z)", re.IGNORECASE)
_CHECK: Final = "check"
_ALL: Final = "all"
_TRUTHS: Final = {"1": True, "t": True, "true": True, "0": False, "f": False, "false": False}


class Finding(NamedTuple):
    """``rule`` is the name of what was not kept to."""

    rule: str
    message: str
    span: Span


class Directive(NamedTuple):
    """``# check=skip=RULE,...;error=true``: rules not to look at, and whether a finding fails the build.

    ``below`` maps the lines of an instruction to the rules that a comment above it says are not for it.
    """

    skip: frozenset[str]
    fails: bool
    below: Mapping[Span, frozenset[str]]

    @classmethod
    def of(cls, dockerfile: Dockerfile) -> Directive:
        """Raises `DockerfileError` for one that is malformed; above an instruction that is a comment like others."""
        skip, fails = frozenset[str](), False
        for one in dockerfile.directives:
            if one.name == _CHECK:
                try:
                    skip, fails = _options(one.value)
                except DockerfileError as error:
                    raise dockerfile.text.error(error.message, one.span, error.hint) from None
        return cls(skip, fails, {line.span: _skipped_below(line) for line in dockerfile.lines})

    def wants(self, finding: Finding) -> bool:
        skip = self.skip | self.below.get(finding.span, frozenset())
        return _ALL not in skip and finding.rule.lower() not in skip


def _skipped_below(line: Line) -> frozenset[str]:
    for comment in line.comment:
        found = directive_in(comment)
        if found is not None and found[0] == _CHECK:
            try:
                return _options(found[1].partition(" ")[0])[0]
            except DockerfileError:
                break
    return frozenset()


def _options(text: str) -> tuple[frozenset[str], bool]:
    """Return the rules that ``# check=`` skips, and whether others are errors; raises `DockerfileError`."""
    skip, fails = frozenset[str](), False
    for part in filter(None, map(str.strip, text.split(";"))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if name == "error":
            if value.lower() not in _TRUTHS:
                raise DockerfileError(f"error cannot be {value!r}", hint="it is true or false")
            fails = _TRUTHS[value.lower()]
        elif equals and name == "skip":
            skip = frozenset(filter(None, (rule.strip().lower() for rule in value.split(","))))
        elif not (equals and name == "experimental"):
            raise DockerfileError(
                f"invalid check option {part!r}", hint="write # check=skip=RULE,RULE;error=true"
            )
    return skip, fails


def findings(dockerfile: Dockerfile) -> list[Finding]:
    """Return what a Dockerfile shows by itself, in the order of its lines; raises `DockerfileError`."""
    directive = Directive.of(dockerfile)
    stages = split_stages(dockerfile).stages
    found = [*_of_lines(dockerfile.lines), *_of_stages(stages)]
    for one in dockerfile.instructions:
        found += _of_instruction(one)
    return sorted(filter(directive.wants, found), key=lambda one: one.span)


def tell(dockerfile: Dockerfile, found: Sequence[Finding], say: Callable[[str], None]) -> None:
    """Say what was found; raises `UsageError` when a directive makes that an error."""
    for one in found:
        say(shown(dockerfile, one))
    if found and Directive.of(dockerfile).fails:
        raise UsageError(
            f"{dockerfile.text.name}: {len(found)} checks failed, and its directive says that this is an error",
            hint="correct what the warnings say, or take error=true out of # check=",
        )


def shown(dockerfile: Dockerfile, finding: Finding) -> str:
    """Return a finding with its place and rule."""
    return f"{dockerfile.text.at(finding.span)}: {finding.message} [{finding.rule}]"


def _of_lines(lines: Sequence[Line]) -> Iterator[Finding]:
    upper = sum(line.keyword.isupper() for line in lines)
    lower = sum(line.keyword.islower() for line in lines)
    for line in lines:
        for number in line.empty:
            yield Finding(
                "NoEmptyContinuation", "an empty line continues an instruction", Span(number, number)
            )
        wanted = line.keyword.lower() if lower > upper else line.keyword.upper()
        if line.keyword != wanted:
            yield Finding(
                "ConsistentInstructionCasing",
                f"{line.keyword} is not written as the other instructions are: {wanted}",
                line.span,
            )
        if line.keyword.lower() == "from":
            words = line.rest.split()
            if len(words) == 3 and words[1].isupper() != line.keyword.isupper():
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
        if start.platform and "$" not in start.platform:
            message = "the platform is fixed, and cannot be chosen with --platform"
            yield Finding("FromPlatformFlagConstDisallowed", message, start.span)
        if start.platform in ("$TARGETPLATFORM", "${TARGETPLATFORM}"):
            yield Finding("RedundantTargetPlatform", "this is the platform without the flag, too", start.span)
        yield from _in_stage(stage)


def _in_stage(stage: Stage) -> Iterator[Finding]:
    has_shell = any(isinstance(one, Shell) for one in stage.instructions)
    absolute = False
    last: dict[str, Span] = {}
    for one in stage.instructions:
        if isinstance(one, Workdir):
            is_absolute = one.path.startswith(("/", "$", '"/', "'/"))
            if not is_absolute and not absolute:
                message = f"where {one.path} is depends on the base image"
                yield Finding("WorkdirRelativePath", message, one.span)
            absolute = absolute or is_absolute
        if isinstance(one, Cmd | Entrypoint | Healthcheck):
            name = type(one).__name__.upper()
            if name in last:
                message = f"only the last {name} of a stage counts; there is another at line {one.span.first}"
                yield Finding("MultipleInstructionsDisallowed", message, last[name])
            last[name] = one.span
        if (
            isinstance(one, Cmd | Entrypoint)
            and one.command.for_shell
            and one.command.words[0]
            and not has_shell
        ):
            message = "a shell stands between the command and the signals sent to it; write a list in JSON"
            yield Finding("JSONArgsRecommended", message, one.span)


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
    elif isinstance(one, Expose):
        for port in one.ports:
            number, _, protocol = port.partition("/")
            if protocol != protocol.lower() and "$" not in protocol:
                better = f"{number}/{protocol.lower()}"
                yield Finding("ExposeProtoCasing", f"{port} is better {better}", one.span)
            if ":" in port and "$" not in port:
                yield Finding(
                    "ExposeInvalidFormat", f"{port}: an address or a port of the host has no effect", one.span
                )
    if isinstance(one, Env | Arg):
        names = (
            [pair.name for pair in one.pairs] if isinstance(one, Env) else [two.name for two in one.arguments]
        )
        for name in names:
            if _SECRET.search(name) and not _PUBLIC.search(name):
                message = (
                    f"{name} looks like a secret, which the image would show; use RUN --mount=type=secret"
                )
                yield Finding("SecretsUsedInArgOrEnv", message, one.span)
