"""Heredocs: which ones a line announces, and their text. See the Dockerfile reference, "Here-documents"."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from hermes.dockerfile.expansion import Lexer
from hermes.errors import DockerfileError

_HEREDOC: Final = re.compile(r"(\d*)<<(-?)([^<]*)\Z", re.ASCII | re.DOTALL)
_TABS: Final = re.compile(r"^\t+", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Heredoc:
    """A text within the Dockerfile that ends at a line ``name``.

    ``expands``: variables in it stand for their values. ``chomp``: tabs at the beginnings of lines do not count.
    """

    name: str
    content: str = ""
    expands: bool = True
    chomp: bool = False

    def filled(self, content: str) -> Heredoc:
        return replace(self, content=content)

    @property
    def text(self) -> str:
        """The content as it counts."""
        return _TABS.sub("", self.content) if self.chomp else self.content


def announced(line: str) -> list[Heredoc]:
    """Return the heredocs, still without content, that a line announces."""
    try:
        words = Lexer("\\", raw_quotes=True, raw_escapes=True, keep_unset=True).words(line, {})
    except DockerfileError:
        return []
    return [one for word in words if (one := parse_heredoc(word)) is not None]


def parse_heredoc(word: str) -> Heredoc | None:
    """Return what a word such as ``<<EOF`` or ``<<-"EOF"`` announces, or None."""
    found = _HEREDOC.match(word)
    if found is None or not found[3]:
        return None
    bare = Lexer("\\", keep_unset=True).words(found[3], {})
    raw = Lexer("\\", raw_quotes=True, raw_escapes=True, keep_unset=True).words(found[3], {})
    if len(bare) != 1:
        return None
    return Heredoc(bare[0], expands=bare == raw, chomp=found[2] == "-")
