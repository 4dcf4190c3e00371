"""``containers-storage:NAME``: the images of podman, buildah and CRI-O, through an installed skopeo or podman.

The text behind the colon is theirs: ``[[DRIVER@ROOT+RUNROOT]]NAME``, see containers-transports(5). Their store keeps
layers uncompressed, so an image that comes out of it may have another manifest than the one that went in; its
configuration and layers (diff_ids) are the same.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from hermes import children
from hermes.errors import BuildError, UsageError
from hermes.image.descriptor import Descriptor
from hermes.image.stored import link_images
from hermes.store import Store
from hermes.store.io_errors import storing
from hermes.transports.dir import image_in
from hermes.transports.oci import layout_in
from hermes.transports.transport import Needs, Origin, Place, refuse_index

if TYPE_CHECKING:
    from hermes.registry.client import Client

_SHOWN: Final = 500
_PROGRAMS: Final = ("skopeo", "podman")
_WHERE: Final = re.compile(
    r"(?:\[(?:(?P<driver>[a-z0-9]+)@)?(?P<root>[^\]+]*)(?:\+(?P<run>[^\]:]*))?(?::[^\]]*)?\])?(?P<name>.+)\Z"
)
_TAG: Final = "image"


@contextmanager
def opened(place: Place, store: Store, _client: Callable[[], Client]) -> Iterator[Origin]:
    """Raises `BuildError` when no program that can read such a store is installed, or it has no such image."""
    text = place.text
    program = _program(text)
    with storing("the store"), store.scratch.directory() as folder:
        image = folder / "image"
        options, name = _podman(*place)
        if program == "skopeo":
            _run(["skopeo", "copy", "--insecure-policy", "-q", text, f"dir:{image}"], text)
            origin = image_in(image, text)
        else:
            _run(["podman", *options, "save", "-q", "--format=oci-dir", f"--output={image}", name], text)
            origin = layout_in(image, text, "")
        origin.title = name
        yield origin


def destination(place: Place, _client: Callable[[], Client]) -> StorageDestination:
    return StorageDestination(place.text)


@dataclass(frozen=True, slots=True)
class StorageDestination:
    """A store of podman's, which unpacks the layers."""

    needs: ClassVar[Needs] = Needs()

    text: str

    def write(self, manifest: Descriptor, store: Store, name: str) -> None:
        refuse_index(manifest, self.text)
        program = _program(self.text)
        with storing("the store"), store.scratch.directory() as folder:
            layout = folder / "layout"
            link_images(layout, manifest, store, _TAG)
            where = self.text.partition(":")[2]
            if program == "skopeo":
                _run(
                    ["skopeo", "copy", "--insecure-policy", "-q", f"oci:{layout}:{_TAG}", self.text],
                    self.text,
                )
                return
            options, called = _podman(self.text, where)
            policy = f"--signature-policy={_policy(folder)}"
            pulled = _run(
                ["podman", *options, "pull", "-q", policy, f"oci:{layout}:{_TAG}"], self.text
            ).split()
            if not pulled:
                raise BuildError(f"{self.text}: podman does not say what it took")
            _run(["podman", *options, "tag", pulled[-1], called], self.text)


def _program(text: str) -> str:
    program = next((name for name in _PROGRAMS if shutil.which(name)), None)
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


def _run(command: Sequence[str], what: str) -> str:
    """Run a program, and return its output; raises `BuildError` with what it says when it fails."""
    done = children.run(command, terminal=True)
    if done.returncode:
        said = [line for line in done.stderr.decode(errors="replace").splitlines() if line.strip()] or [
            "it does not say why"
        ]
        raise BuildError(f"{what}: {command[0]} failed: {said[-1][-_SHOWN:]}")
    return done.stdout.decode(errors="replace")
