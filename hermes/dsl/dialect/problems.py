"""What is wrong with one file: errors with their places, collected so that a reader gets all of them at once."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from hermes.errors import BuildFileError, HermesError, SourceLocation, together


class Problems:
    """The errors that were found in a file so far."""

    def __init__(self, file: str, lines: Sequence[str]) -> None:
        self.file = file
        self.lines = lines
        self.errors: list[BuildFileError] = []

    def at(self, node: ast.AST, message: str, hint: str | None = None) -> BuildFileError:
        """Return an error at the place of a node."""
        return BuildFileError(message, location=self.location(node), hint=hint)

    def note(self, node: ast.AST, message: str, hint: str | None = None) -> None:
        """Note an error, and go on."""
        self.errors.append(self.at(node, message, hint))

    def raise_all(self) -> None:
        """Raise all errors as one, in the order of the file, if there are any."""
        if self.errors:
            raise together(sorted(self.errors, key=_place))

    def location(self, node: ast.AST) -> SourceLocation:
        line = getattr(node, "lineno", 0)
        text = self.lines[line - 1] if 0 < line <= len(self.lines) else ""
        offset = getattr(node, "col_offset", -1)
        column = len(text.encode()[:offset].decode(errors="ignore")) + 1 if offset >= 0 else 0
        return SourceLocation(self.file, line, column, text)


def _place(error: HermesError) -> tuple[int, int]:
    return (error.location.line, error.location.column) if error.location else (0, 0)
