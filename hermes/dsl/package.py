"""What files of a workspace come to once they are loaded: BUILD files to packages, ``.bzl`` files to modules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from hermes.dsl.rule import Target
from hermes.errors import HermesError
from hermes.graph.label import Label
from hermes.graph.targets import PackageGroup, Visibility

MANUAL: Final = "manual"
"""The tag of targets that are built only where they are named or needed."""


@dataclass(slots=True)
class Package:
    """What a BUILD file declares.

    ``files`` are the paths of the BUILD file (a link, and what it leads to), ``loaded`` those of the workspace's
    ``.bzl`` files that it loads, and these in turn. ``errors`` are of targets that could not be declared. ``exported`` are
    files that other packages may use, ``groups`` groups of packages, both by name.
    """

    name: str
    file: str
    targets: dict[str, Target] = field(default_factory=dict)
    default_visibility: Visibility = field(default_factory=Visibility)
    files: tuple[str, ...] = ()
    loaded: set[str] = field(default_factory=set)
    errors: list[HermesError] = field(default_factory=list)
    exported: dict[str, Visibility] = field(default_factory=dict)
    groups: dict[str, PackageGroup] = field(default_factory=dict)

    @property
    def read(self) -> Iterable[str]:
        """The paths of the files that decide what the package declares."""
        return (*self.files, *self.loaded)


@dataclass(frozen=True, slots=True)
class Module:
    """What a ``.bzl`` file defines; ``loaded`` are the paths of it and of those that it loads."""

    label: Label
    file: str
    names: Mapping[str, Any]
    loaded: frozenset[str] = frozenset()
