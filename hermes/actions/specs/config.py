"""``config``: the configuration of an image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from hermes.actions.specs.spec import I, Spec, role, roles


class Config(Spec[I]):
    """The configuration of an image: that of ``base`` with what ``config`` says.

    Its layers, the lowest first, are those ``below``, which are the base's, and ``layers``. ``built_on`` maps the
    number of one of all these inputs (as text) to the numbers of those that it stands on, ``made_on`` to those that
    were seen when it was made; others that write one path differently are a conflict, unless ``allow_conflicts``.
    ``config`` has the names of the rule ``image``. ``epoch`` is its time, in seconds. ``folders`` are files with what is
    known of the trees of images from elsewhere, each by the number of the input (its path) that it tells of. ``checks`` are
    what checks of the image give, which have to pass first. ``env_file`` and ``labels_file`` have lines NAME=VALUE, over
    which ``config`` counts.
    """

    kind: ClassVar[str] = "config"
    for_platform: ClassVar[bool] = True

    allow_conflicts: bool = False
    built_on: Mapping[str, tuple[int, ...]]
    config: Mapping[str, Any]
    epoch: int
    made_on: Mapping[str, tuple[int, ...]]
    base: I | None = role("base", default=None)
    below: tuple[I, ...] = roles("below", default=())
    layers: tuple[I, ...] = roles("layer", default=())
    folders: tuple[I, ...] = roles("folders", default=())
    checks: tuple[I, ...] = roles("checked", default=())
    env_file: I | None = role("env_file", default=None)
    labels_file: I | None = role("labels_file", default=None)

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("config", "environment", "folders")
