"""Images of a build, written elsewhere than ``hermes-out``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hermes.build.requested_outputs import IMAGE, INDEX
from hermes.build.result import BuildResult
from hermes.digest import Digest
from hermes.engine.events import Subscriber
from hermes.errors import UsageError
from hermes.graph.label import Label
from hermes.image.stored import descriptor_of
from hermes.naming.registries import LazyBlobs
from hermes.registry.settings import Registries
from hermes.store import Store

if TYPE_CHECKING:
    from hermes.registry.client import Client
    from hermes.remote.settings import RemoteSettings


def check(destinations: Iterable[str]) -> None:
    """Raise `UsageError` for a destination that no image can be written to, whatever it is."""
    from hermes.naming.outputs import TRANSPORT, parse_output
    from hermes.transports.table import parse_destination

    for text in destinations:
        asked = parse_output(text)
        if asked.kind == TRANSPORT:
            parse_destination(asked.where, _no_client)
        if asked.annotations or asked.is_docker is not None:
            raise UsageError(
                f"-o {text}: a target says the format and annotations of its image", hint="leave them out"
            )


def _no_client() -> Client:
    raise AssertionError("a registry is asked when something is written to it")


def export(
    home: Path,
    result: BuildResult,
    destinations: Sequence[str],
    registries: Callable[[], Registries],
    tell: Subscriber,
    remote: Callable[[], RemoteSettings | None] | None = None,
) -> None:
    """Write the one image of a build to each destination, which `check` has seen.

    Raises `UsageError` when there are more images, or none.

    ``tell`` is told of blobs on their way. ``remote`` returns who the remote services are that have blobs.
    """
    from hermes.naming.outputs import parse_output

    label, digest = only_image(result)
    parsed = []
    for text in destinations:
        asked = parse_output(text)
        names = asked.names if asked.push else asked.names or (reference_of(label),)
        parsed += [(one, asked.compression) for one in asked.destinations(names, lambda: fetching.client)]
    store = Store.open(home)
    fetching = LazyBlobs(store, registries, tell=tell, remote=remote)
    try:
        with store.in_use():
            manifest = descriptor_of(store, digest)
            for destination, compression in parsed:
                if compression is not None:
                    from hermes.build.recompressing import recompressed

                    fetching.write(
                        destination, recompressed(store, fetching, manifest, compression), reference_of(label)
                    )
                else:
                    fetching.write(destination, manifest, reference_of(label))
    finally:
        fetching.close()
        store.close()


def only_image(result: BuildResult) -> tuple[Label, Digest]:
    """Return the label of the one image or index that a build gave, and the digest of its document."""
    found = [
        (label, one.digest)
        for label, outputs in result.targets.items()
        for one in outputs
        if one.kind in (IMAGE, INDEX)
    ]
    if not found:
        raise UsageError(
            f"{', '.join(result.targets)} gives no image", hint="name a target of the rule image"
        )
    if len(found) > 1:
        shown = ", ".join(label for label, _ in found)
        raise UsageError(f"these are {len(found)} images: {shown}", hint="name one of them")
    label, digest = found[0]
    return Label.parse(label), Digest(digest)


def reference_of(label: Label) -> str:
    """Return a name for an image as registries write it: lower case, the path of the target, a tag."""
    path = "/".join(part for part in (label.package, label.name) if part).lower()
    name = "".join(char if char.isalnum() or char in "/._-" else "-" for char in path)
    parts = [part.strip("._-") or "image" for part in name.split("/")]
    return f"{'/'.join(parts)}:latest"
