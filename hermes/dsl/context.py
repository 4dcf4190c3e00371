"""``ctx``: what the implementation of a rule sees of its target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from hermes.dsl.actions.actions import Actions
from hermes.dsl.configuration import Configuration
from hermes.dsl.dialect.values import Check, EvalError, Struct
from hermes.dsl.parameters import CONTEXT, checking
from hermes.dsl.providers import File, LabelValue
from hermes.dsl.remotes import (
    locked_digest,
    locked_folders,
)
from hermes.engine.action import Output
from hermes.errors import BuildFileError, SourceLocation
from hermes.graph.label import Label


class PlatformValue:
    """The platform that a target is built for."""

    __slots__ = ("_platform", "architecture", "debian", "os", "variant")
    dsl_type: ClassVar[str] = "Platform"
    dsl_attributes: ClassVar[frozenset[str]] = frozenset({"architecture", "debian", "os", "variant"})

    def __init__(self, configuration: Configuration) -> None:
        platform = configuration.platform
        self._platform = platform
        self.os = platform.os
        self.architecture = platform.architecture
        self.variant = platform.variant
        self.debian = platform.debian

    def __repr__(self) -> str:
        return str(self._platform)


class Context:
    """See the module. ``read`` returns the content of a file of the workspace."""

    __slots__ = ("_configuration", "_read", "actions", "attr", "file", "files", "label", "platform")
    dsl_type: ClassVar[str] = "ctx"
    dsl_check: ClassVar[Check] = staticmethod(checking(CONTEXT))
    dsl_attributes: ClassVar[frozenset[str]] = frozenset(
        {
            "actions",
            "attr",
            "file",
            "files",
            "label",
            "locked",
            "locked_folders",
            "platform",
            "read_npm_lock",
            "read_python_lock",
            "read_yaml",
        }
    )

    def __init__(
        self,
        label: Label,
        attr: Mapping[str, Any],
        files: Mapping[str, list[File]],
        actions: Actions,
        configuration: Configuration,
        read: Callable[[str], bytes],
    ) -> None:
        self.label = LabelValue(label)
        self.attr = Struct(attr)
        self.files = Struct(files)
        self.file = Struct({name: found[0] if len(found) == 1 else None for name, found in files.items()})
        self.platform = PlatformValue(configuration)
        self.actions = actions
        self._configuration = configuration
        self._read = read

    def read_yaml(self, file: Any) -> Any:
        """Return what a YAML file of the workspace holds; it becomes part of what the targets depend on."""
        return self._yaml(_source_path("read_yaml", file))

    def read_python_lock(
        self,
        file: Any,
        *,
        python: str,
        libc: str,
        project: str = "",
        extras: Any = (),
        groups: Any = (),
        sources: Any = (),
        requirements: Any = None,
    ) -> list[Struct]:
        """Return the packages that a lock has for the platform, by name, each as a struct.

        It has the fields of `hermes.python.pins.Pin`; a package in ``sources`` may be one to build. ``requirements`` is
        what the lock was made from: a lock that does not satisfy it is stale.
        """
        from hermes.dsl.python_locks import read_python_lock

        return read_python_lock(
            _source_path("read_python_lock", file),
            self._read,
            self._configuration.platform,
            python=python,
            libc=libc,
            project=project,
            extras=tuple(extras),
            groups=tuple(groups),
            sources=tuple(sources),
            requirements=None if requirements is None else _source_path("read_python_lock", requirements),
            label=str(self.label),
        )

    def read_npm_lock(
        self,
        file: Any,
        *,
        node: str,
        libc: str,
        omit: Any = (),
        exclude: Any = (),
        allow_sha1: bool = False,
        legacy_peer_deps: bool = False,
        manifests: Any = (),
    ) -> Struct:
        """Return what a package-lock.json has for the platform: a struct like `hermes.node.install.Install`.

        ``manifests`` are the package.json files that the lock was made of: a lock that does not satisfy them is stale.
        """
        from hermes.dsl.npm_locks import read_npm_lock

        return read_npm_lock(
            _source_path("read_npm_lock", file),
            self._read,
            self._configuration.platform,
            node=node,
            libc=libc,
            omit=tuple(omit),
            exclude=tuple(exclude),
            sha1=bool(allow_sha1),
            legacy_peers=bool(legacy_peer_deps),
            manifests=tuple(_source_path("read_npm_lock", one) for one in manifests),
            label=str(self.label),
        )

    def locked(self, ref: str) -> str:
        """Return the digest that ``hermes lock`` pinned an image of a registry to, for the platform."""
        return locked_digest(self._yaml, ref, str(self.platform), str(self.label))

    def locked_folders(self, digest: str) -> Mapping[str, str] | None:
        """Return what ``hermes lock`` noted of the tree of an image that it pinned; None if nothing."""
        return locked_folders(self._yaml, digest)

    def _yaml(self, path: str) -> Any:
        from hermes.yaml_text import YamlError, parse_yaml

        try:
            return parse_yaml(self._read(path), fractions=False)  # the language has none
        except YamlError as error:
            where = SourceLocation(path, error.line, error.column) if error.line else SourceLocation(path)
            raise BuildFileError(error.problem, location=where) from None


def _source_path(called: str, file: Any) -> str:
    if type(file) is not File or isinstance(file.artifact, Output):
        raise EvalError(f"{called}() reads a file of the workspace, not one that an action makes")
    return file.artifact.path
