"""The action that makes an image of layers and settings that are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hermes.actions.specs.assemble_image import AssembleImage, MediaTypes
from hermes.actions.specs.compress import Compress
from hermes.actions.specs.spec import Ref, Spec
from hermes.actions.specs.stack import Kept, Made
from hermes.dockerfile.options import Options
from hermes.dockerfile.source import Span
from hermes.dockerfile.state import StackLayer
from hermes.engine.action import Output
from hermes.image import docker
from hermes.image.assemble import DOCKER, OCI
from hermes.image.config import timestamp

Add = Callable[[Spec[Ref], Span], str]
"""Adds an action that belongs to some lines, and returns its id."""


def composed(
    add: Add,
    layers: Sequence[StackLayer],
    document: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
    options: Options,
    *,
    base_layers: int,
    span: Span,
    labels: Ref | None = None,
) -> Output:
    """Return the manifest of an image; the rest is as in `hermes.actions.specs.assemble_image`."""
    found: list[Kept | Made[Ref]] = []
    for one in layers:
        if one.base is not None and one.base.blob is not None:
            found.append(Kept(one.base.diff_id, one.base.blob))
            continue
        codec = options.codec.spec
        compress = Compress(codec=codec, layer=Ref(one.artifact, hint=codec))
        blob = Output(add(compress, one.span), "blob")
        found.append(Made(Ref(one.artifact, one.name), Ref(blob)))
    config = document.get("config") or {}
    form = DOCKER if options.docker else OCI
    compose = AssembleImage(
        annotations=dict(options.annotations),
        base_layers=base_layers,
        document={
            **document,
            "config": {name: value for name, value in config.items() if value},
            "created": timestamp(options.epoch),
        },
        history=tuple(history),
        media_types=MediaTypes(
            config=form.config,
            layer=docker.LAYER if options.docker else options.codec.media_type,
            manifest=form.manifest,
        ),
        labels=labels,
        layers=tuple(found),
    )
    return Output(add(compose, span), "manifest")
