"""Hermes builds OCI container images the way Bazel builds binaries.

See `hermes.Workspace`, `hermes.Containers` and `hermes.Images`.
"""

from typing import TYPE_CHECKING, Any

from hermes.version import __version__

if TYPE_CHECKING:
    from hermes.api.containers import Containers
    from hermes.api.dockerfiles import Dockerfiles
    from hermes.api.images import Images
    from hermes.api.workspace import Workspace
    from hermes.build.dockerfile.built import BuiltDockerfile
    from hermes.build.dockerfile.options import DockerfileOptions
    from hermes.build.result import BuildResult, BuiltOutput
    from hermes.build.secrets import SecretSource
    from hermes.build.ssh_agents import AgentSource
    from hermes.errors import HermesError

_MODULES = {
    "AgentSource": "hermes.build.ssh_agents",
    "BuildResult": "hermes.build.result",
    "BuiltOutput": "hermes.build.result",
    "BuiltDockerfile": "hermes.build.dockerfile.built",
    "Containers": "hermes.api.containers",
    "DockerfileOptions": "hermes.build.dockerfile.options",
    "Dockerfiles": "hermes.api.dockerfiles",
    "HermesError": "hermes.errors",
    "Images": "hermes.api.images",
    "SecretSource": "hermes.build.secrets",
    "Workspace": "hermes.api.workspace",
}

__all__ = [
    "AgentSource",
    "BuildResult",
    "BuiltDockerfile",
    "BuiltOutput",
    "Containers",
    "DockerfileOptions",
    "Dockerfiles",
    "HermesError",
    "Images",
    "SecretSource",
    "Workspace",
    "__version__",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for: the command line needs little of it at a time."""
    if name not in _MODULES:
        raise AttributeError(f"module 'hermes' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_MODULES[name]), name)
