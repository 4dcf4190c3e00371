"""The text of a Dockerfile, and errors that show the place in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from hermes.errors import DockerfileError, clipped

SPACES: Final = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
"""What Go's ``unicode.IsSpace`` calls white space; Python's ``isspace`` has four control characters more."""
_AROUND: Final = 2


class Span(NamedTuple):
    """The first and the last line of something, counted from 1."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Text:
    """A Dockerfile called ``name``, as its ``lines`` without their ends."""

    name: str
    lines: tuple[str, ...]

    @classmethod
    def of(cls, name: str, text: str) -> Text:
        return cls(name, tuple(line.rstrip("\r") for line in text.split("\n")))

    def at(self, span: Span) -> str:
        """Return the place as errors name it."""
        return f"{self.name}:{span.first}" if span.first else self.name

    def excerpt(self, span: Span) -> str:
        """Return the lines of a place and those around them, numbered, with marks at its own."""
        first, last = max(1, span.first - _AROUND), min(len(self.lines), span.last + _AROUND)
        width = len(str(last))
        rows = []
        for number in range(first, last + 1):
            mark = ">" if span.first <= number <= span.last else " "
            rows.append(f"{mark} {number:{width}} | {clipped(self.lines[number - 1])}".rstrip())
        while rows and rows[-1].endswith("|") and not rows[-1].startswith(">"):
            rows.pop()
        return "\n".join(rows)

    def instruction(self, span: Span) -> str:
        """Return the instruction of a place in one line: without comments, continuations and what a heredoc holds."""
        words: list[str] = []
        for line in self.lines[max(0, span.first - 1) : span.last]:
            if not line.lstrip().startswith("#"):
                words += line.rstrip().removesuffix("\\").split()
            if "<<" in line:
                break
        return " ".join(words)

    def error(self, message: str, span: Span, hint: str | None = None) -> DockerfileError:
        """Return an error at a place."""
        excerpt = self.excerpt(span) if span.first else ""
        return DockerfileError(f"{self.at(span)}: {message}", excerpt=excerpt, hint=hint)
