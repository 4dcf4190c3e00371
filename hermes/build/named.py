"""Builds the target that stands where a command takes the name of an image; see `hermes.naming.targets`."""

from __future__ import annotations

from pathlib import Path

from hermes.digest import Digest
from hermes.naming.targets import BuiltTarget


def build_target(label: str, home: Path, platform: str) -> BuiltTarget:
    """See `hermes.naming.targets.BuildTarget`."""
    # Most names are those of images, for which nothing of this is needed.
    from hermes.build.export import reference_of
    from hermes.build.incremental import build
    from hermes.build.options import BuildOptions
    from hermes.build.requested_outputs import IMAGE, INDEX, LAYER
    from hermes.graph.label import Label
    from hermes.workspace.location import Location

    result = build(Location.at(Path.cwd(), home), [label], BuildOptions(platform=platform))
    outputs = [(name, one) for name, listed in result.targets.items() for one in listed]
    name = next(iter(result.targets))
    return BuiltTarget(
        name,
        reference_of(Label.parse(name)),
        tuple(Digest(one.digest) for _, one in outputs if one.kind in (IMAGE, INDEX)),
        tuple(Digest(one.digest) for _, one in outputs if one.kind == LAYER),
    )
