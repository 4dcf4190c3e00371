"""Targets for one platform: what names them, what their attributes are decided to be, and what became of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hermes.dsl.attributes import labels_of
from hermes.dsl.providers import Link
from hermes.dsl.rule import Target
from hermes.graph.label import Label
from hermes.image.platform import Platform


class Configured(NamedTuple):
    """A target for one platform."""

    label: Label
    platform: Platform


@dataclass(slots=True)
class Decided:
    """A target whose selects are decided.

    ``files`` are those of its labels that name source files, and where those lead that are links.
    ``dependencies`` maps what it asks for to what it gets, which may say itself what platform it is for.
    """

    target: Target
    attributes: Mapping[str, Any]
    files: Mapping[Label, Link | None]
    dependencies: dict[Configured, Configured] = field(default_factory=dict)

    def platforms(self, name: str, own: Platform) -> list[Platform]:
        """Return the platforms that what an attribute names is wanted for: the target's own, or those it lists."""
        attribute = self.target.rule.attributes[name]
        if not attribute.each_platform:
            return [own]
        return [Platform.parse(one) for one in self.attributes[attribute.each_platform]] or [own]

    def asked(self, own: Platform) -> Iterator[tuple[str, Configured]]:
        """Yield what the attributes name, each with the platform that it is wanted for."""
        for name, attribute in self.target.rule.attributes.items():
            if attribute.has_labels:
                for label in labels_of(attribute, self.attributes[name]):
                    for platform in self.platforms(name, own):
                        yield name, Configured(label, platform)


@dataclass(slots=True)
class Trace:
    """What became of a target: the paths of files that were ``read`` for it, and the ids of its actions."""

    read: set[str] = field(default_factory=set)
    actions: list[str] = field(default_factory=list)


def path_of(label: Label) -> str:
    """Return the path in the workspace of the file that a label names."""
    return f"{label.package}/{label.name}" if label.package else label.name
