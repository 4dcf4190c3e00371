"""Target patterns of the command line: ``//...``, ``//pkg/...``, ``//pkg:all``, labels, folders, and ``-`` before any.

A folder (``.``, ``./pkg``, ``../pkg``, ``pkg/``) means all targets of the package in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hermes.errors import LabelError
from hermes.graph.label import Label, is_label


@dataclass(frozen=True, slots=True)
class Pattern:
    """Which targets are meant.

    ``label`` is set for one target. Otherwise all targets of ``package`` are meant, and with ``recursive``
    those of all packages below it too. ``negative``: they are taken out of what came before.
    """

    text: str
    package: str
    recursive: bool = False
    label: Label | None = None
    negative: bool = False

    @classmethod
    def parse(cls, text: str, *, relative_to: str = "") -> Pattern:
        """Parse a pattern; ``relative_to`` is the package of the current folder. Raises `LabelError`."""
        negative = text.startswith("-")
        body = text[1:] if negative else text
        if not is_label(body):
            body = _absolute(body, relative_to)
        if body == "//..." or body.endswith("/..."):
            package = body[2:].removesuffix("...").rstrip("/")
            Label("", package, "x")
            return cls(text, package, recursive=True, negative=negative)
        for suffix in (":all", ":*"):
            if body.endswith(suffix):
                package = relative_to if body.startswith(":") else body[2:].removesuffix(suffix)
                Label("", package, "x")
                return cls(text, package, negative=negative)
        label = Label.parse(body, relative_to=relative_to)
        if label.repo:
            raise LabelError(f"{text!r}: only targets of the workspace can be built")
        return cls(text, label.package, label=label, negative=negative)

    def includes_package(self, package: str) -> bool:
        """Tell whether the pattern means targets of a package by wildcard."""
        if self.label is not None:
            return False
        if not self.recursive:
            return package == self.package
        return not self.package or package == self.package or package.startswith(f"{self.package}/")

    def matches(self, label: Label) -> bool:
        return label == self.label if self.label else self.includes_package(label.package)


def parse_all(texts: Sequence[str], *, relative_to: str = "") -> list[Pattern]:
    """Parse the patterns of one command; raises `LabelError` when they can mean nothing."""
    patterns = [Pattern.parse(text, relative_to=relative_to) for text in texts]
    if not any(not pattern.negative for pattern in patterns):
        raise LabelError("no target pattern says what to build", hint="try //...")
    return patterns


def select(patterns: Iterable[Pattern], candidates: Iterable[Label]) -> list[Label]:
    """Return the labels that the patterns, taken in order, leave."""
    known = list(candidates)
    chosen: dict[Label, None] = {}
    for pattern in patterns:
        if pattern.negative:
            chosen = {label: None for label in chosen if not pattern.matches(label)}
        elif pattern.label is not None:
            chosen[pattern.label] = None
        else:
            chosen.update((label, None) for label in known if pattern.includes_package(label.package))
    return list(chosen)


def _absolute(body: str, relative_to: str) -> str:
    """Turn a pattern that is relative to the current folder into one from the root."""
    path, colon, name = body.partition(":")
    if path in (".", "..") or path.startswith(("./", "../")) or path.endswith("/"):
        package = _folder(path.removesuffix("..."), relative_to, body)
        if path.endswith("/..."):
            return f"//{package}/..." if package else "//..."
        return f"//{package}:{name if colon else 'all'}"
    joined = "/".join(part for part in (relative_to, path) if part)
    if not colon and path != "..." and not path.endswith("/..."):
        return f"//{joined}"
    return f"//{joined}{colon}{name}"


def _folder(path: str, relative_to: str, text: str) -> str:
    """Return the package in the folder at ``path``; raises `LabelError` for one outside of the workspace."""
    parts = relative_to.split("/") if relative_to else []
    for part in path.split("/"):
        if part == "..":
            if not parts:
                raise LabelError(f"{text!r} is outside of the workspace")
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
