"""How a Dockerfile is built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from hermes.image.platform import Platform
from hermes.layer.compress import ZSTD, Codec
from hermes.sandbox.process import BUILD_CAPABILITIES

if TYPE_CHECKING:
    from hermes.container.mount_values import Bound

NETWORKS = ("default", "host", "none")
EPOCH: Final = "SOURCE_DATE_EPOCH"
"""The argument that says the time of everything; no ARG needs to name it."""


@dataclass(frozen=True, slots=True)
class Options:
    """``target`` names a stage, by name or number (default: the last). ``arguments`` are those of ``--build-arg``.

    ``fresh_stages`` name those whose actions `hermes.dockerfile.translate.Translation.fresh` is to have. ``env`` are variables
    that each stage ends with, ``unset_env`` names of those that it ends without. Arguments and
    contexts in ``shared`` are for several Dockerfiles, of which one need not use all.

    ``network`` is that of RUN instructions that do not say; ``secrets`` and SSH ``agents`` are the ids of those that
    were given. ``volumes`` and ``hosts`` (pairs of name and address) are for every RUN, ``capabilities``, sorted, for
    root in it. Without ``layers`` those of a stage become one, with ``squash`` those of its base too. ``epoch`` is
    the time of everything, in seconds. ``docker`` writes Docker's media types.
    """

    target: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)
    platform: Platform = field(default_factory=Platform.host)
    network: str = "default"
    secrets: frozenset[str] = frozenset()
    agents: frozenset[str] = frozenset()
    volumes: tuple[Bound, ...] = ()
    hosts: tuple[tuple[str, str], ...] = ()
    capabilities: tuple[str, ...] = BUILD_CAPABILITIES
    epoch: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    fresh_stages: tuple[str, ...] = ()
    shared: frozenset[str] = frozenset()
    env: Mapping[str, str] = field(default_factory=dict)
    unset_env: tuple[str, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    layers: bool = True
    squash: bool = False
    docker: bool = False
    codec: Codec = ZSTD
