"""Labels: the names of targets and of source files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from hermes.errors import LabelError

_REPO: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*\Z")
_PLAIN: Final = r"[^/:\\\x00-\x20\x7f-\xa0\ud800-\udfff]+"
_PART: Final = re.compile(rf"{_PLAIN}(?: +{_PLAIN})*\Z")
"""A component of a path: any characters but separators, control characters and bytes that are not UTF-8."""
_COMPONENT: Final = rf"(?!\.\.?(?:/|\Z)){_PLAIN}(?: +{_PLAIN})*"
_PATH: Final = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*\Z")
"""A whole path of such components, none of which is ``.`` or ``..``."""
RULES_REPO: Final = "hermes"


def is_label(text: str) -> bool:
    """Tell whether a text is a label written in full or of this package: no name of an image begins so."""
    return text.startswith(("//", ":", "@"))


@dataclass(frozen=True, slots=True, order=True)
class Label:
    """A target's name: ``@repo//package:name``.

    ``repo`` is empty for the workspace itself. Raises `LabelError` when a part contains a character that a
    label may not have.
    """

    repo: str
    package: str
    name: str

    def __post_init__(self) -> None:
        if self.repo and not _REPO.match(self.repo):
            raise LabelError(f"{self.repo!r} is not a repository name")
        _check_path("package", self.package, empty=True)
        _check_path("target name", self.name, empty=False)

    @classmethod
    def parse(cls, text: str, *, relative_to: str = "", repo: str = "") -> Label:
        """Parse ``//pkg:name``, ``//pkg``, ``:name``, ``name`` or ``@repo//...``.

        ``relative_to`` is the package, and ``repo`` the repository, that short forms belong to.
        """
        rest = text
        if rest.startswith("@"):
            repo, slashes, rest = rest[1:].partition("//")
            if not slashes:
                raise LabelError(f"{text!r} is not a label", hint="write @repo//package:name")
            rest = "//" + rest
        if rest.startswith("//"):
            package, colon, name = rest[2:].partition(":")
            if not colon:
                name = package.rpartition("/")[2]
                if not name:
                    raise LabelError(f"{text!r} names no target", hint=f"write //{package.rstrip('/')}:name")
        elif rest.startswith("/"):
            raise LabelError(f"{text!r} is not a label", hint="labels begin with // or :")
        else:
            package = relative_to
            before, colon, name = rest.partition(":")
            if not colon:
                name = before
            elif before:
                raise LabelError(f"{text!r} is not a label", hint=f"write //{before}:{name}")
        try:
            return cls(repo, package, name)
        except LabelError as error:
            raise LabelError(f"{text!r} is not a label: {error.message}", hint=error.hint) from None

    @property
    def package_label(self) -> str:
        """The package with its repository: ``//pkg``."""
        return f"@{self.repo}//{self.package}" if self.repo else f"//{self.package}"

    def __str__(self) -> str:
        return f"{self.package_label}:{self.name}"


def _check_path(what: str, text: str, *, empty: bool) -> None:
    if _PATH.match(text):
        return
    if not text:
        if empty:
            return
        raise LabelError(f"the {what} is empty")
    if text.startswith("/") or text.endswith("/") or "//" in text:
        raise LabelError(f"the {what} {text!r} has a slash too many")
    for part in text.split("/"):
        if part in (".", ".."):
            raise LabelError(
                f"the {what} {text!r} contains {part!r}",
                hint="a label stays inside its package: use the label of the package that has the file",
            )
        if not _PART.match(part):
            raise LabelError(f"the {what} {text!r} holds a character that labels cannot have")
