"""What checks find, and which of it a Dockerfile wants to hear: ``# check=skip=RULE;error=true``.

See the Dockerfile reference, "check".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from hermes.dockerfile.lines import Line, directive_in
from hermes.dockerfile.parse import Dockerfile
from hermes.dockerfile.source import Span
from hermes.errors import DockerfileError, UsageError

EXPERIMENTAL: Final = ("InvalidDefinitionDescription",)
"""The rules that are only looked at where somebody asks for them: ``# check=experimental=RULE``."""
_CHECK: Final = "check"
_ALL: Final = "all"
_TRUTHS: Final = {"1": True, "t": True, "true": True, "0": False, "f": False, "false": False}


class Finding(NamedTuple):
    """``rule`` is the name of what was not kept to. ``cause`` are the lines of the instruction that shows it, if not ``span``."""

    rule: str
    message: str
    span: Span
    cause: Span | None = None


class Choice(NamedTuple):
    """Rules, or ``all``: those not to look at, and those ``experimental`` ones to look at."""

    skip: frozenset[str] = frozenset()
    experimental: frozenset[str] = frozenset()

    def wants(self, rule: str) -> bool:
        if rule in EXPERIMENTAL:
            return bool(self.experimental & {_ALL, rule})
        return not self.skip & {_ALL, rule}

    def with_more(self, other: Choice) -> Choice:
        return Choice(self.skip | other.skip, self.experimental | other.experimental)


class Directive(NamedTuple):
    """``# check=skip=RULE,...;error=true``: what is chosen, and whether a finding fails the build.

    ``below`` maps the lines of an instruction to what a comment above it chooses for it.
    """

    choice: Choice
    fails: bool
    below: Mapping[Span, Choice]

    @classmethod
    def of(cls, dockerfile: Dockerfile) -> Directive:
        """Raises `DockerfileError` for one that is malformed; above an instruction that is a comment like others."""
        choice, fails = Choice(), False
        for one in dockerfile.directives:
            if one.name == _CHECK:
                try:
                    choice, fails = _parsed(one.value)
                except DockerfileError as error:
                    raise dockerfile.text.error(error.message, one.span, error.hint) from None
        return cls(choice, fails, {line.span: _chosen_above(line) for line in dockerfile.lines})

    def wants(self, finding: Finding) -> bool:
        below = self.below.get(finding.cause or finding.span, Choice())
        return self.choice.with_more(below).wants(finding.rule)


def _chosen_above(line: Line) -> Choice:
    for comment in line.comment:
        found = directive_in(comment)
        if found is not None and found[0] == _CHECK:
            try:
                return _parsed(found[1])[0]
            except DockerfileError:
                break
    return Choice()


def _parsed(text: str) -> tuple[Choice, bool]:
    """Return what ``# check=`` chooses, and whether findings are errors; raises `DockerfileError`.

    As with BuildKit, what follows a space is a comment.
    """
    chosen: dict[str, frozenset[str]] = {}
    fails = False
    for part in text.partition(" ")[0].split(";"):
        name, equals, value = part.partition("=")
        if name == "error":
            if value.lower() not in _TRUTHS:
                raise DockerfileError(f"error cannot be {value!r}", hint="it is true or false")
            fails = _TRUTHS[value.lower()]
        elif equals and name in Choice._fields:
            chosen[name] = frozenset(filter(None, value.split(",")))
        else:
            raise DockerfileError(
                f"invalid check option {part!r}", hint="write # check=skip=RULE,RULE;error=true"
            )
    return Choice(**chosen), fails


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
