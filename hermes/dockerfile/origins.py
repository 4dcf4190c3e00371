"""What a Dockerfile refers to by a name other than a stage's: images and named contexts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from hermes.digest import Digest
from hermes.dockerfile.context import Context
from hermes.errors import UsageError
from hermes.image.descriptor import Descriptor
from hermes.image.platform import Platform
from hermes.image.reference import LATEST, Reference


def context_name(text: str) -> str:
    """Return the form in which the names of contexts, and what FROM and ``--from`` name, are compared.

    It is that of BuildKit and buildx: ``docker.io/library/nginx:latest`` is ``nginx``. Names of stages are in small letters.
    """
    try:
        found = Reference.parse(text)
    except UsageError:
        try:
            found = Reference.parse(text.lower())
        except UsageError:
            return text.lower()
    known = replace(found, host=found.host.lower()).normal
    return str(known).removesuffix(f":{LATEST}")


class BaseLayer(NamedTuple):
    """A layer of a base. ``blob`` is how an image on it refers to it, unless it needs a form of its own."""

    diff_id: Digest
    blob: Descriptor | None = None


@dataclass(frozen=True, slots=True)
class BaseImage:
    """An image and its layers, the lowest first; they come into the store when a command or a copy has to see them.

    ``document`` is its configuration, without them.
    """

    name: str
    document: Mapping[str, Any]
    layers: tuple[BaseLayer, ...]


class Origins(Protocol):
    """Finds them. ``given`` are the names, as `context_name` has them, for which somebody said what they mean."""

    @property
    def given(self) -> Collection[str]: ...

    def image(self, name: str, platform: Platform) -> BaseImage:
        """Return an image; raises `HermesError` that says what can be done when there is none."""
        ...

    def context(self, name: str) -> Context | None:
        """Return the folder that was given this name, if one was."""
        ...

    def file(self, url: str) -> Digest:
        """Return the digest of what is at an address now, which can be fetched by it then; raises `UsageError`."""
        ...

    def commit(self, url: str, ref: str) -> str:
        """Return the commit that a ref of a repository leads to now (empty: its default branch); raises `UsageError`."""
        ...
