"""``hermes push``: images of a build, or of the store, into registries, as one unit."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from hermes.api.export import only_image, reference_of
from hermes.api.result import BuildResult
from hermes.api.wanted import IMAGE, INDEX, PUSH
from hermes.digest import Digest
from hermes.errors import UsageError
from hermes.registry.client import Client
from hermes.registry.images import descriptor_of
from hermes.registry.prefixes import TRANSPORT
from hermes.registry.push import MOUNTED, PRESENT, SENT, Job, push
from hermes.registry.remote import destination
from hermes.registry.settings import Registries
from hermes.store import Store

Say = Callable[[str], None]


class Pushed(NamedTuple):
    """An image in a registry: the label or name it had here, ``HOST/PATH``, its tags there, and its digest."""

    label: str
    repository: str
    tags: tuple[str, ...]
    digest: str


def has_pushes(result: BuildResult) -> bool:
    """Tell whether a target of a build says where its image is pushed to."""
    return any(one.kind == PUSH for outputs in result.targets.values() for one in outputs)


def push_built(
    home: Path,
    result: BuildResult,
    destinations: Sequence[str],
    registries: Callable[[], Registries],
    say: Say,
) -> list[Pushed]:
    """Push the one image of a build to ``destinations``, or what its targets say; see `Workspace.push`."""
    store = Store.open(home)
    try:
        if destinations:
            label, digest = only_image(result)
            rows = [_to_destinations(store, str(label), digest, reference_of(label), destinations)]
        else:
            rows = [_as_said(store, result)]
            if not rows[0]:
                raise UsageError(
                    "no target says where it is pushed to",
                    hint=f"name a target of the rule image_push, or say where: hermes push LABEL {TRANSPORT}HOST/NAME:TAG",
                )
        return _pushed(store, [one for row in rows for one in row], registries, say)
    finally:
        store.close()


def push_stored(
    home: Path,
    name: str,
    digest: Digest,
    destinations: Sequence[str],
    registries: Callable[[], Registries],
    say: Say,
) -> list[Pushed]:
    """Push the image that has a name in the store; its own tag goes where a destination has none."""
    store = Store.open(home)
    try:
        return _pushed(store, _to_destinations(store, name, digest, name, destinations), registries, say)
    finally:
        store.close()


def _to_destinations(
    store: Store, label: str, digest: Digest, name: str, destinations: Sequence[str]
) -> list[tuple[str, Job]]:
    for text in destinations:
        if not text.startswith(TRANSPORT):
            raise UsageError(
                f"{text!r} is no registry", hint=f"write {TRANSPORT}HOST/NAME:TAG, or use `hermes build -o`"
            )
    manifest = descriptor_of(store, digest)
    return [(label, destination(text).job(manifest, name)) for text in destinations]


def _as_said(store: Store, result: BuildResult) -> list[tuple[str, Job]]:
    """Return what targets of the rule image_push say."""
    found = []
    for label, outputs in result.targets.items():
        images = [one for one in outputs if one.kind in (IMAGE, INDEX)]
        for one in outputs:
            if one.kind == PUSH:
                said = json.loads(store.blobs.read(Digest(one.digest)))
                manifest = descriptor_of(store, Digest(images[0].digest))
                found.append((label, Job(manifest, said["repository"], tuple(said["tags"]))))
    return found


def _pushed(
    store: Store, jobs: Sequence[tuple[str, Job]], registries: Callable[[], Registries], say: Say
) -> list[Pushed]:
    with Client(registries()) as client, store.in_use():
        traffic = push(client, store, [job for _, job in jobs], say)
    counts = ", ".join(
        f"{traffic.blobs[name]} {name}" for name in (SENT, MOUNTED, PRESENT) if traffic.blobs[name]
    )
    if counts:
        say(f"blobs: {counts}; {traffic.bytes} bytes sent")
    return [Pushed(label, job.repository, job.tags, job.manifest.digest) for label, job in jobs]
