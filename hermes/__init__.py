"""Hermes builds OCI container images the way Bazel builds binaries.

See `hermes.Workspace`, `hermes.Containers` and `hermes.Images`.
"""

from typing import TYPE_CHECKING, Any

from hermes.version import __version__

if TYPE_CHECKING:
    from hermes.api.built_dockerfile import BuiltDockerfile
    from hermes.api.containers import Containers
    from hermes.api.dockerfile_options import DockerfileOptions
    from hermes.api.dockerfiles import Dockerfiles
    from hermes.api.images import Images
    from hermes.api.result import BuildResult, BuiltOutput
    from hermes.api.secrets import SecretSource
    from hermes.api.ssh_agents import AgentSource
    from hermes.api.workspace import Workspace
    from hermes.errors import HermesError

_MODULES = {
    "AgentSource": "hermes.api.ssh_agents",
    "BuildResult": "hermes.api.result",
    "BuiltOutput": "hermes.api.result",
    "BuiltDockerfile": "hermes.api.built_dockerfile",
    "Containers": "hermes.api.containers",
    "DockerfileOptions": "hermes.api.dockerfile_options",
    "Dockerfiles": "hermes.api.dockerfiles",
    "HermesError": "hermes.errors",
    "Images": "hermes.api.images",
    "SecretSource": "hermes.api.secrets",
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
