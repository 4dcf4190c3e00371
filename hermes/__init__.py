"""Hermes builds OCI container images the way Bazel builds binaries: see `hermes.Workspace`, `hermes.Containers`."""

from typing import TYPE_CHECKING, Any

from hermes.version import __version__

if TYPE_CHECKING:
    from hermes.api import BuildResult, BuiltOutput, SecretSource, Workspace
    from hermes.api.containers import Containers
    from hermes.errors import HermesError

__all__ = [
    "BuildResult",
    "BuiltOutput",
    "Containers",
    "HermesError",
    "SecretSource",
    "Workspace",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name == "Containers":
        from hermes.api.containers import Containers

        return Containers
    if name in ("BuildResult", "BuiltOutput", "SecretSource", "Workspace"):
        from hermes import api

        return getattr(api, name)
    if name == "HermesError":
        from hermes.errors import HermesError

        return HermesError
    raise AttributeError(f"module 'hermes' has no attribute {name!r}")
