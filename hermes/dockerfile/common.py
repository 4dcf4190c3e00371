"""What all stages of a Dockerfile share while it is translated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from hermes.dockerfile.copies import Copies
from hermes.dockerfile.expansion import Lexer
from hermes.dockerfile.options import Options
from hermes.dockerfile.parse import Dockerfile
from hermes.dockerfile.recorder import Recorder
from hermes.dockerfile.source import Span
from hermes.errors import DockerfileError, UsageError


class Common:
    """The Dockerfile, how it is built, and the actions so far. ``used`` are the names of arguments that count."""

    def __init__(self, dockerfile: Dockerfile, options: Options) -> None:
        self.dockerfile = dockerfile
        self.options = options
        self.recorder = Recorder(dockerfile.text, options.platform)
        self.copies = Copies(self.recorder, options.epoch, dockerfile.escape)
        self.used: set[str] = set()

    def word(self, text: str, variables: Mapping[str, str]) -> str:
        """Expand a word; raises `DockerfileError` without a place."""
        return Lexer(self.dockerfile.escape).word(text, variables)

    def words(self, text: str, variables: Mapping[str, str]) -> list[str]:
        """Expand a word that may come to several."""
        return Lexer(self.dockerfile.escape).words(text, variables)

    def place(self, span: Span) -> str:
        return self.dockerfile.text.at(span)

    @contextmanager
    def at(self, span: Span) -> Iterator[None]:
        """Give errors their place."""
        try:
            yield
        except DockerfileError as error:
            if error.excerpt:
                raise
            raise self.dockerfile.text.error(error.message, span, error.hint) from None
        except UsageError as error:
            raise self.dockerfile.text.error(error.message, span, error.hint) from None
