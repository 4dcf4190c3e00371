"""What all stages of a Dockerfile share while it is translated."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from hermes.digest import Digest
from hermes.dockerfile.copies import Copies
from hermes.dockerfile.expansion import Lexer
from hermes.dockerfile.findings import Finding
from hermes.dockerfile.options import Options
from hermes.dockerfile.origins import Origins
from hermes.dockerfile.parse import Dockerfile
from hermes.dockerfile.recorder import Recorder
from hermes.dockerfile.scope import Scope
from hermes.dockerfile.source import Span
from hermes.dockerfile.stage_checks import Hint
from hermes.download import shown
from hermes.errors import DockerfileError, UsageError

_UNDEFINED: Final = "UndefinedVar"
_OF_BASE: Final = (_UNDEFINED,)
"""The rules that only hold where it is known what the base sets."""
UNPINNED: Final = "UnpinnedSource"
"""The one rule that BuildKit has not: what is taken may be something else the next time. Only checks say it."""


class TranslationContext:
    """The Dockerfile, how it is built, and the actions so far. ``used`` are the names of arguments that count.

    ``unpinned`` are the sources that may change. ``findings`` are those of instructions whose variables are expanded. ``warnings`` are in their order. With ``only_checks`` nothing is looked up in the network; ``is_base_known`` says whether that of the stage at hand is. ``span`` are the lines of the instruction at hand.
    """

    def __init__(self, dockerfile: Dockerfile, options: Options, origins: Origins) -> None:
        self._origins = origins
        self.only_checks = False
        self.is_base_known = True
        self.unpinned: list[Finding] = []
        self.dockerfile = dockerfile
        self.options = options
        self.recorder = Recorder(dockerfile.text, options.platform)
        self.copies = Copies(self.recorder, options.epoch, self)
        self.used: set[str] = set()
        self.findings: list[Finding] = []
        self.warnings: dict[str, None] = {}
        self.span = Span(0, 0)

    def word(self, text: str, variables: Mapping[str, str]) -> str:
        """Expand a word; raises `DockerfileError` without a place."""
        return Lexer(self.dockerfile.escape).word(text, variables)

    def word_and_unset(self, text: str, variables: Mapping[str, str]) -> tuple[str, list[str]]:
        """Expand a word, and return the variables in it that have no value as well."""
        lexer = Lexer(self.dockerfile.escape)
        return lexer.word(text, variables), sorted(lexer.unset)

    def words(self, text: str, variables: Mapping[str, str]) -> list[str]:
        """Expand a word that may come to several."""
        return Lexer(self.dockerfile.escape).words(text, variables)

    def checked_word(
        self, text: str, scope: Scope, variables: Mapping[str, str], *, lexer: Lexer | None = None
    ) -> str:
        """Expand a word of a stage, and note the variables that nothing sets and that no ARG has named before."""
        lexer = lexer or Lexer(self.dockerfile.escape)
        found = lexer.word(text, variables)
        for name in sorted(lexer.unset - scope.declared):
            near = difflib.get_close_matches(name, variables, 1)
            hint = f" (did you mean ${near[0]}?)" if near else ""
            self.note([Hint(_UNDEFINED, f"nothing sets the variable ${name}{hint}")])
        return found

    def note(self, hints: Iterable[Hint]) -> None:
        """Record what checks say of the current instruction."""
        self.findings += [
            Finding(one.rule, one.message, self.span)
            for one in hints
            if self.is_base_known or one.rule not in _OF_BASE
        ]

    def file(self, url: str) -> Digest:
        """See `hermes.dockerfile.origins.Origins`; that it may change is recorded."""
        message = (
            f"what is at {shown(url)} may change; write --checksum=sha256:... with the digest of the file"
        )
        self.unpinned.append(Finding(UNPINNED, message, self.span))
        return Digest.of(b"") if self.only_checks else self._origins.file(url)

    def commit(self, url: str, ref: str) -> str:
        """See `hermes.dockerfile.origins.Origins`; that it may change is recorded."""
        what = ref or "the default branch"
        message = f"what {what} of {shown(url)} is may change; name the commit: #COMMIT, or --checksum=COMMIT"
        self.unpinned.append(Finding(UNPINNED, message, self.span))
        return "0" * 40 if self.only_checks else self._origins.commit(url, ref)

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
