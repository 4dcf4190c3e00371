"""``containers-storage:``: the images of podman, buildah and CRI-O, through an installed skopeo or podman.

The text behind the colon is theirs: ``[[DRIVER@ROOT+RUNROOT]]NAME``, see containers-transports(5). Their store keeps
layers uncompressed, so an image that comes out of it may have another manifest than the one that went in; its
configuration and layers (diff_ids) are the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hermes.errors import BuildError, UsageError
from hermes.image.descriptor import Descriptor
from hermes.registry.images import link_images, refuse_index
from hermes.registry.layouts import opened_directory, opened_layout
from hermes.registry.origins import Origin
from hermes.registry.programs import found, run
from hermes.store import Store
from hermes.store.faults import storing

_PROGRAMS: Final = ("skopeo", "podman")
_WHERE: Final = re.compile(
    r"(?:\[(?:(?P<driver>[a-z0-9]+)@)?(?P<root>[^\]+]*)(?:\+(?P<run>[^\]:]*))?(?::[^\]]*)?\])?(?P<name>.+)\Z"
)
_TAG: Final = "image"


@contextmanager
def opened_storage(text: str, where: str, store: Store) -> Iterator[Origin]:
    """Open ``containers-storage:NAME``; raises `BuildError` when no program can, or it has no such image."""
    program = _program(text)
    with storing("the store"), store.scratch.directory() as folder:
        image = folder / "image"
        options, name = _podman(text, where)
        if program == "skopeo":
            run(["skopeo", "copy", "--insecure-policy", "-q", text, f"dir:{image}"], text)
            opening = opened_directory(text, image)
        else:
            run(["podman", *options, "save", "-q", "--format=oci-dir", f"--output={image}", name], text)
            opening = opened_layout(text, image, "")
        with opening as origin:
            origin.title = name
            yield origin


@dataclass(frozen=True, slots=True)
class StorageDestination:
    """``containers-storage:NAME``; see `hermes.registry.transports.Destination`."""

    text: str

    def write(self, manifest: Descriptor, store: Store, name: str) -> None:
        refuse_index(manifest, self.text)
        program = _program(self.text)
        with storing("the store"), store.scratch.directory() as folder:
            layout = folder / "layout"
            link_images(layout, manifest, store, _TAG)
            where = self.text.partition(":")[2]
            if program == "skopeo":
                run(
                    ["skopeo", "copy", "--insecure-policy", "-q", f"oci:{layout}:{_TAG}", self.text],
                    self.text,
                )
                return
            options, called = _podman(self.text, where)
            policy = f"--signature-policy={_policy(folder)}"
            pulled = run(
                ["podman", *options, "pull", "-q", policy, f"oci:{layout}:{_TAG}"], self.text
            ).split()
            if not pulled:
                raise BuildError(f"{self.text}: podman does not say what it took")
            run(["podman", *options, "tag", pulled[-1], called], self.text)


def _program(text: str) -> str:
    program = found(_PROGRAMS)
    if program is None:
        raise BuildError(
            f"{text}: no program that knows such a store is installed",
            hint=f"install {' or '.join(_PROGRAMS)}",
        )
    return program


def _podman(text: str, where: str) -> tuple[list[str], str]:
    """Return the options of podman for a store, and the name of an image in it."""
    match = _WHERE.match(where)
    if match is None:
        raise UsageError(f"{text!r} names no image", hint="write containers-storage:NAME")
    parts = (("--storage-driver", "driver"), ("--root", "root"), ("--runroot", "run"))
    return [f"{option}={match[part]}" for option, part in parts if match[part]], match["name"]


def _policy(folder: Path) -> str:
    """Return the path of a policy that takes what Hermes has verified."""
    path = folder / "policy.json"
    path.write_text('{"default":[{"type":"insecureAcceptAnything"}]}')
    return str(path)
