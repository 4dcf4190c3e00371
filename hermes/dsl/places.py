"""Where in the files that are loaded something is: the place of a call, and of an argument of it."""

from __future__ import annotations

import ast
import sys

from hermes.dsl.dialect.locations import CallSite, Locator
from hermes.dsl.dialect.values import EvalError
from hermes.errors import BuildFileError, HermesError, SourceLocation
from hermes.graph.label import RULES_REPO


class Places:
    """The texts of the files that are loaded. ``locator`` finds places in them."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._lines: dict[str, list[str]] = {}
        self.locator = Locator(self._lines.get)

    def add(self, file: str, source: bytes) -> None:
        """Note the text of a file that is about to run."""
        text = source.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
        self._texts[file] = text
        self._lines[file] = text.split("\n")

    def is_rule_file(self, location: SourceLocation) -> bool:
        """Tell whether a place is in Hermes' own rules."""
        return location.file.startswith(f"@{RULES_REPO}//")

    def located(self, error: BaseException) -> HermesError:
        """Return ``error`` as one with its place, in the user's files where there is one."""
        return self.locator.located(error, self.is_rule_file)

    def argument_location(self, place: SourceLocation, name: str) -> SourceLocation:
        """Return where a call at ``place`` gives the argument ``name``, or ``place`` if it does not."""
        try:
            tree = ast.parse(self._texts.get(place.file, ""))
        except SyntaxError:
            return place
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and node.lineno == place.line
                and node.col_offset + 1 == place.column
            ):
                for keyword in node.keywords:
                    if keyword.arg == name:
                        text = self._lines[place.file][keyword.lineno - 1]
                        return SourceLocation(place.file, keyword.lineno, keyword.col_offset + 1, text)
        return place

    def at_argument(self, place: CallSite, name: str, error: EvalError | HermesError) -> BuildFileError:
        message = error.message if isinstance(error, HermesError) else str(error)
        kind = type(error) if isinstance(error, BuildFileError) else BuildFileError
        return kind(message, hint=error.hint, location=self.argument_location(place(), name))

    def call_site(self) -> CallSite:
        """Return the innermost place in the user's own files."""
        frame = sys._getframe(1)  # noqa: SLF001 - how inspect does it
        while frame is not None:
            code = frame.f_code
            if code.co_filename in self._lines and not code.co_filename.startswith("@"):
                return CallSite(self.locator, code, frame.f_lasti)
            if frame.f_back is None:
                break
            frame = frame.f_back
        raise EvalError("this can only be called while a BUILD file is being loaded")
