"""What all stages of a Dockerfile share while it is translated."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from hermes.dockerfile.checks import Finding
from hermes.dockerfile.copies import Copies
from hermes.dockerfile.expansion import Lexer
from hermes.dockerfile.options import Options
from hermes.dockerfile.parse import Dockerfile
from hermes.dockerfile.recorder import Recorder
from hermes.dockerfile.source import Span
from hermes.errors import DockerfileError, UsageError

_UNDEFINED: Final = "UndefinedVar"


class TranslationContext:
    """The Dockerfile, how it is built, and the actions so far. ``used`` are the names of arguments that count.

    ``findings`` are variables that were used and not set, but for those in ``declared``, which an ARG names.
    ``warnings`` are in their order. ``span`` are the lines of the instruction at hand.
    """

    def __init__(self, dockerfile: Dockerfile, options: Options) -> None:
        self.dockerfile = dockerfile
        self.options = options
        self.recorder = Recorder(dockerfile.text, options.platform)
        self.copies = Copies(self.recorder, options.epoch, dockerfile.escape)
        self.used: set[str] = set()
        self.declared: set[str] = set()
        self.findings: list[Finding] = []
        self.warnings: dict[str, None] = {}
        self.span = Span(0, 0)

    def word(self, text: str, variables: Mapping[str, str], *, rule: str = _UNDEFINED) -> str:
        """Expand a word; raises `DockerfileError` without a place."""
        lexer = Lexer(self.dockerfile.escape)
        found = lexer.word(text, variables)
        self._note_unset(lexer, variables, rule)
        return found

    def words(self, text: str, variables: Mapping[str, str]) -> list[str]:
        """Expand a word that may come to several."""
        lexer = Lexer(self.dockerfile.escape)
        found = lexer.words(text, variables)
        self._note_unset(lexer, variables, _UNDEFINED)
        return found

    def _note_unset(self, lexer: Lexer, variables: Mapping[str, str], rule: str) -> None:
        for name in sorted(lexer.unset - self.declared):
            near = difflib.get_close_matches(name, variables, 1)
            hint = f" (did you mean ${near[0]}?)" if near else ""
            self.findings.append(Finding(rule, f"nothing sets the variable ${name}{hint}", self.span))

    def warn(self, message: str) -> None:
        """Record a warning about the current instruction."""
        self.warnings[f"{self.place(self.span)}: {message}"] = None

    def place(self, span: Span) -> str:
        return self.dockerfile.text.at(span)

    @contextmanager
    def at(self, span: Span) -> Iterator[None]:
        """Give errors and findings their place."""
        before, self.span = self.span, span
        try:
            yield
        except DockerfileError as error:
            if error.excerpt:
                raise
            raise self.dockerfile.text.error(error.message, span, error.hint) from None
        except UsageError as error:
            raise self.dockerfile.text.error(error.message, span, error.hint) from None
        except OSError as error:
            raise self.dockerfile.text.error(f"{error.filename}: {error.strerror}", span) from error
        finally:
            self.span = before
