"""The files of packages: which there are, which of them is the BUILD file, and what is in them."""

from __future__ import annotations

import os

from hermes.dsl.dialect.spelling import suggest
from hermes.errors import LabelError, SourceError
from hermes.graph.label import Label
from hermes.workspace.listing import Folders
from hermes.workspace.sources import FileIndex


class PackageFiles:
    """The files of the packages of one workspace, listed once."""

    def __init__(self, folders: Folders, sources: FileIndex) -> None:
        self._folders = folders
        self._sources = sources
        self._files: dict[str, frozenset[str]] = {}

    def of(self, package: str) -> frozenset[str]:
        """Return the files of a package, relative to it."""
        found = self._files.get(package)
        if found is None:
            found = frozenset(self._folders.package_files(package))
            self._files[package] = found
        return found

    def owned_by(self, package: str) -> frozenset[str]:
        """Return the files of a package, relative to the workspace."""
        prefix = f"{package}/" if package else ""
        return frozenset(prefix + name for name in self.of(package))

    def link(self, path: str) -> str:
        """Return what a symbolic link of the workspace leads to."""
        self._sources.known(path)
        return os.readlink(self._sources.absolute(path))

    def build_file(self, package: str) -> str:
        """Return the path of the BUILD file of a package; raises `LabelError` if it does not exist."""
        if not self._folders.has_folder(package):
            raise LabelError(
                f"there is no package //{package}", hint=suggest(package, self._folders.packages(""))
            )
        found = self._folders.listing(package).build_file
        if not found:
            owner = self._folders.package_of(package)
            raise LabelError(
                f"//{package} is not a package: it has no BUILD.hermes or BUILD file",
                hint=f"it belongs to //{owner}" if owner is not None else "make one",
            )
        return f"{package}/{found}" if package else found

    def stray(self, label: Label) -> LabelError | None:
        """Return the error for a label that names a folder, or a file of another package; None if it names neither."""
        path = f"{label.package}/{label.name}" if label.package else label.name
        if self._folders.has_folder(path):
            if self._folders.listing(path).build_file:
                return LabelError(f"{label} is a package of its own", hint=f"did you mean //{path}?")
            return LabelError(
                f"{label} is a folder", hint=f'use glob(["{label.name}/**"]) for the files in it'
            )
        owner = self._folders.package_of(path.rpartition("/")[0])
        if owner is not None and owner != label.package and path in self.owned_by(owner):
            name = path[len(owner) + 1 :] if owner else path
            return LabelError(f"{label} is in another package", hint=f"did you mean //{owner}:{name}?")
        return None

    def read(self, file: str) -> tuple[bytes, tuple[str, ...]]:
        """Return the content of a file, and the paths that decide what it is."""
        files = self._sources.follow(file)
        try:
            with open(self._sources.absolute(file), "rb") as opened:
                return opened.read(), files
        except OSError as error:
            raise SourceError(f"{file}: {error.strerror}") from error
