"""What ``-o``, ``--load`` and ``--push`` ask of a build of a Dockerfile: of the image itself, and where it is written."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from hermes.build.dockerfile.options import DockerfileOptions
from hermes.errors import UsageError

if TYPE_CHECKING:
    from hermes.image.descriptor import Descriptor
    from hermes.naming.outputs import Asked
    from hermes.naming.registries import LazyBlobs
    from hermes.registry.client import Client
    from hermes.store import Store
    from hermes.transports.transport import Destination

LOAD: Final = "type=docker"
PUSH: Final = "type=registry"
_SOCKET: Final = "/var/run/docker.sock"


def applied(options: DockerfileOptions, say: Callable[[str], None]) -> DockerfileOptions:
    """Return options in which the image is as its outputs say, and whose destinations are those that are written.

    The names of outputs count where there are no tags. An image that would go to a Docker daemon where there is none is
    in the store, and ``say`` is told so. Raises `UsageError`.
    """
    if options.cache_from or options.cache_to:
        from hermes.naming.caches import check

        check(options.cache_from, options.cache_to)
    if not options.destinations:
        return options
    from hermes.naming.outputs import parse_output

    asked = [parse_output(one) for one in dict.fromkeys(options.destinations)]
    if sum(one.is_standard_output for one in asked) > 1:
        raise UsageError("two outputs are standard output", hint="name a file for one of them: dest=FILE")
    names = dict.fromkeys(name for one in asked for name in one.names)
    annotations = dict(pair for one in asked for pair in one.annotations)
    return replace(
        options,
        tags=options.tags or tuple(names),
        format=_format(options, asked),
        compression=_compression(options, asked),
        annotations={**annotations, **options.annotations},
        destinations=tuple(one.text for one in asked if _is_written(one, say)),
    )


class Opened(NamedTuple):
    """A destination, and what was asked for it."""

    asked: Asked
    destination: Destination

    def write(self, manifest: Descriptor, store: Store, fetching: LazyBlobs, name: str) -> None:
        """Write an image, in the form that was asked for."""
        if self.asked.all_layers and self.asked.compression is not None:
            from hermes.build.recompressing import recompressed

            manifest = recompressed(store, fetching, manifest, self.asked.compression)
        fetching.write(self.destination, manifest, name)


def opened(options: DockerfileOptions, client: Callable[[], Client]) -> Iterator[Opened]:
    """Yield where an image is to be written; raises `UsageError` for what cannot be written to."""
    from hermes.naming.outputs import parse_output

    for text in options.destinations:
        asked = parse_output(text)
        own = [name for name in options.tags if name in asked.names]
        for one in asked.destinations(own or options.tags, client):
            yield Opened(asked, one)


def _is_written(one: Asked, say: Callable[[str], None]) -> bool:
    if one.is_loaded:
        is_there = bool(os.environ.get("DOCKER_HOST")) or os.path.exists(_SOCKET)
        if not is_there:
            say("no Docker daemon is running here: the image is in Hermes' store alone")
        return is_there
    return not one.is_in_store


def _format(options: DockerfileOptions, asked: Sequence[Asked]) -> str:
    said = {one.is_docker for one in asked if one.is_docker is not None}
    if len(said) > 1:
        raise UsageError(
            "one output has the media types of OCI, and another those of Docker",
            hint="say oci-mediatypes alike for all, or copy the image with `hermes copy` afterwards",
        )
    return options.format if not said else "docker" if said.pop() else "oci"


def _compression(options: DockerfileOptions, asked: Sequence[Asked]) -> str:
    said = dict.fromkeys(
        one.compression.codec.spec for one in asked if one.compression and not one.all_layers
    )
    if len(said) > 1:
        raise UsageError(
            f"the outputs want their layers compressed in different ways: {', '.join(said)}",
            hint="say force-compression=true with those that differ",
        )
    return next(iter(said), options.compression)
