"""Labels that name source files: of the target's own package, or exported by another, and links among them."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from typing import Any

from hermes.dsl.attributes import labels_of
from hermes.dsl.blame import Blame
from hermes.dsl.configured import Trace, path_of
from hermes.dsl.packages import Packages
from hermes.dsl.providers import Link
from hermes.dsl.rule import Target
from hermes.errors import BuildError, HermesError, LabelError, VisibilityError, together
from hermes.graph.label import Label
from hermes.layer.links import resolved
from hermes.workspace.listing import Folders


class SourceLabels:
    """Finds the source files among the labels of targets.

    ``declares`` tells whether a label is known to name a target, whose package need not be loaded to see that.
    """

    def __init__(
        self, packages: Packages, folders: Folders, blame: Blame, declares: Callable[[Label], bool]
    ) -> None:
        self._packages = packages
        self._folders = folders
        self._blame = blame
        self._declares = declares

    def of(self, target: Target, attributes: Mapping[str, Any], trace: Trace) -> Mapping[Label, Link | None]:
        """Return those labels of a target that name files of its package, and where they lead that are links."""
        found: dict[Label, Link | None] = {}
        problems: list[HermesError] = []
        for name, attribute in target.rule.attributes.items():
            if not attribute.has_labels:
                continue
            for label in labels_of(attribute, attributes[name]):
                try:
                    if label.package != target.label.package or label.repo:
                        if self._is_exported(label, target, trace):
                            found[label] = self._link(label, trace)
                    elif self._packages.target(label) is None and label.name in self._packages.files.of(
                        label.package
                    ):
                        found[label] = self._link(label, trace)
                except HermesError as error:
                    problems.append(self._blame.at(target, name, error))
        if problems:
            raise together(problems)
        return found

    def _is_exported(self, label: Label, target: Target, trace: Trace) -> bool:
        """Tell whether a label of another package is that of a file; raises `LabelError` for one that is not exported."""
        if label.repo:
            raise LabelError(f"{label} is not a target", hint="only targets of the workspace can be used")
        if self._declares(label):
            return False
        try:
            known = self._packages.target(label) is not None
            is_file = not known and label.name in self._packages.files.of(label.package)
        except HermesError:
            return False  # met again with all other dependencies
        if not is_file:
            return False
        package = self._packages.package(label.package)
        exported = package.exported.get(label.name)
        if exported is None:
            raise LabelError(
                f"{label} is a file of another package",
                hint=f'write exports_files(["{label.name}"]) in {package.file}, or make a filegroup() there with a visibility',
            )
        trace.read.update(package.read)
        if not self._packages.visibility(exported, trace.read).allows(target.label.package):
            raise VisibilityError(
                f"{target.label} may not use {label}, which {package.file} exports to others",
                hint=f'add "{target.label.package_label}:__pkg__" to visibility of its exports_files()',
            )
        return True

    def _link(self, label: Label, trace: Trace) -> Link | None:
        """Return where a source file leads that is a link; raises `LabelError` when that is out of its package."""
        path = path_of(label)
        if not self._folders.is_link(path):
            return None

        def link_at(inside: str) -> str | None:
            folder, _, name = inside.rpartition("/")
            if not self._folders.has_folder(folder) or name not in self._folders.listing(folder).links:
                return None
            trace.read.add(inside)
            return self._within(inside, label.package)

        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), link_at(path) or ""))
        try:
            end = resolved(path, link_at)
        except BuildError:
            return Link("", problem="is a symbolic link that leads in a circle")
        if end in self._packages.files.owned_by(label.package):
            return Link(target, end)
        shown = f"/{end}".removeprefix(f"/{label.package}/" if label.package else "/")
        if self._folders.has_folder(end):
            return Link(target, problem=f"is a symbolic link that leads to the folder {shown or '.'}")
        return Link(
            target, problem=f"is a symbolic link that leads to {shown}, which is not a file of its package"
        )

    def _within(self, path: str, package: str) -> str:
        """Return the target of a link that must stay in a package; raises `LabelError`."""
        link = self._packages.files.link(path)
        below = path.removeprefix(f"{package}/") if package else path
        inside = posixpath.normpath(posixpath.join(posixpath.dirname(below), link))
        if link.startswith("/") or inside == ".." or inside.startswith("../"):
            raise LabelError(
                f"{path} is a symbolic link that leads out of its package, to {link}",
                hint='use a file of the package, or make the link in the image: symlinks = {"/path": "target"}',
            )
        return link
