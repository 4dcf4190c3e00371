"""Several Dockerfiles built as one graph, some of them on the images of others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from graphlib import CycleError as Cycle
from graphlib import TopologicalSorter
from pathlib import Path

from hermes.build.dockerfile.build import DockerfileBuild, runs_like
from hermes.build.dockerfile.built import BuiltDockerfile
from hermes.build.dockerfile.fetched_contexts import fetched
from hermes.build.dockerfile.options import DockerfileOptions
from hermes.build.dockerfile.outputs import applied
from hermes.build.dockerfile.snapshot import unchanged
from hermes.engine.events import Subscriber
from hermes.errors import UsageError
from hermes.image.reference import LOCALHOST
from hermes.naming.targets import BuildTarget


@dataclass(frozen=True, slots=True)
class Wanted:
    """A Dockerfile to build; ``uses`` maps names of its contexts to those of other Dockerfiles, whose images they are."""

    options: DockerfileOptions
    uses: Mapping[str, str] = field(default_factory=dict)


def build_together(
    wanted: Mapping[str, Wanted],
    home: Path,
    build_target: BuildTarget,
    subscribers: Sequence[Subscriber],
    say: Callable[[str], None],
) -> dict[str, BuiltDockerfile]:
    """Build all, each after those that it uses, and return what came of each by name.

    Those that do not need each other are one graph. One to which nothing changed is only named. Raises `UsageError`
    where they use each other, and as `DockerfileBuild.run` does.
    """
    with ExitStack() as fetching:
        here = {
            name: replace(one, options=fetching.enter_context(fetched(applied(one.options, say), home, say)))
            for name, one in wanted.items()
        }
        return _built(here, home, build_target, subscribers, say)


def _built(
    wanted: Mapping[str, Wanted],
    home: Path,
    build_target: BuildTarget,
    subscribers: Sequence[Subscriber],
    say: Callable[[str], None],
) -> dict[str, BuiltDockerfile]:
    found: dict[str, BuiltDockerfile] = {}
    for names in _in_turn(wanted):
        options = {name: on_others(wanted[name], found) for name in names}
        changed: dict[str, DockerfileOptions] = {}
        for name, one in options.items():
            if (known := unchanged(one, home, say, name)) is not None:
                found[name] = known
            else:
                changed[name] = one
        for group in _groups(changed):
            found.update(DockerfileBuild(group, home, build_target, subscribers, say).run())
    return {name: found[name] for name in wanted}


def _in_turn(wanted: Mapping[str, Wanted]) -> Iterator[tuple[str, ...]]:
    """Yield names that need only those before them."""
    sorter = TopologicalSorter({name: set(one.uses.values()) for name, one in wanted.items()})
    try:
        sorter.prepare()
    except Cycle as error:
        chain = " -> ".join(error.args[1])
        raise UsageError(
            f"dependency cycle: {chain}", hint="an image cannot be built on one that is built on it"
        ) from None
    while sorter.is_active():
        ready = sorter.get_ready()
        yield tuple(name for name in wanted if name in ready)
        sorter.done(*ready)


def on_others(one: Wanted, built: Mapping[str, BuiltDockerfile]) -> DockerfileOptions:
    """Return options in which the images of others are named by their digests."""
    if not one.uses:
        return one.options
    images = {
        name: f"docker-image://{LOCALHOST}/{other.lower()}@{built[other].digest}"
        for name, other in one.uses.items()
    }
    return replace(one.options, contexts={**one.options.contexts, **images})


def _groups(wanted: Mapping[str, DockerfileOptions]) -> Iterator[dict[str, DockerfileOptions]]:
    """Yield those that can be one graph: all options are alike that say how they are run."""
    left = dict(wanted)
    while left:
        how = runs_like(next(iter(left.values())))
        group = {name: one for name, one in left.items() if runs_like(one) == how}
        yield group
        for name in group:
            del left[name]
