"""What a builder or runtime image says of itself, in labels of its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

NAMESPACE: Final = "io.openshift.s2i."
SCRIPTS_URL: Final = f"{NAMESPACE}scripts-url"
DESTINATION: Final = f"{NAMESPACE}destination"
ASSEMBLE_USER: Final = f"{NAMESPACE}assemble-user"
ASSEMBLE_RUNTIME_USER: Final = f"{NAMESPACE}assemble-runtime-user"
INPUT_FILES: Final = f"{NAMESPACE}assemble-input-files"
DISPLAY_NAME: Final = "io.k8s.display-name"
DESCRIPTION: Final = "io.k8s.description"
DEFAULT_DESTINATION: Final = "/tmp"  # noqa: S108 - a path of the image
IN_IMAGE: Final = "image://"

_OLD_SCRIPTS_URL: Final = ("io.s2i.scripts-url", "STI_SCRIPTS_URL")
_OLD_DESTINATION: Final = ("io.s2i.destination", "STI_LOCATION")
"""The deprecated label, and the variable before that."""


@dataclass(frozen=True, slots=True)
class Facts:
    """An image called ``name`` with the ``config`` of its configuration; see image-spec, config.md."""

    name: str
    config: Mapping[str, Any]

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.config.get("Labels") or {})

    @property
    def env(self) -> dict[str, str]:
        pairs = (one.partition("=") for one in self.config.get("Env") or ())
        return {name: value for name, _, value in pairs}

    @property
    def user(self) -> str:
        return str(self.config.get("User") or "")

    @property
    def workdir(self) -> str:
        return str(self.config.get("WorkingDir") or "/")

    @property
    def triggers(self) -> tuple[str, ...]:
        """The ONBUILD instructions."""
        return tuple(self.config.get("OnBuild") or ())

    @property
    def scripts_url(self) -> str:
        """Where its scripts are: ``image:///path``, or an address outside of it; empty if it does not say."""
        return self.labels.get(SCRIPTS_URL, "") or self._old(_OLD_SCRIPTS_URL)

    @property
    def destination(self) -> str:
        """The folder that source, scripts and artifacts are put into."""
        return self.labels.get(DESTINATION, "") or self._old(_OLD_DESTINATION) or DEFAULT_DESTINATION

    @property
    def assemble_user(self) -> str:
        return self.labels.get(ASSEMBLE_USER, "") or self.user

    @property
    def assemble_runtime_user(self) -> str:
        return self.labels.get(ASSEMBLE_RUNTIME_USER, "") or self.user

    def _old(self, names: tuple[str, str]) -> str:
        label, variable = names
        return self.labels.get(label, "") or self.env.get(variable, "")
