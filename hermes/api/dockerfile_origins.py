"""Where the images and contexts come from that a Dockerfile names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Final

from hermes.api.bases import base_of, kept_blob
from hermes.container.ignore import Ignored
from hermes.dockerfile.context import Context
from hermes.dockerfile.origins import BaseImage, BaseLayer
from hermes.errors import UsageError
from hermes.image.config import platform_of
from hermes.image.names import ImageNames
from hermes.image.platform import Platform
from hermes.image.reference import Reference
from hermes.registry.origins import is_origin
from hermes.store import Store

_IGNORE_FILES: Final = (".containerignore", ".dockerignore")
_PREFIXES: Final = {"docker-image://": "", "container-image://": "", "oci-layout://": "oci:"}


class LocalOrigins:
    """See `hermes.dockerfile.origins.Origins`. ``named`` are the contexts that were given by name.

    ``is_docker``: what is built on them is to have Docker's format.
    """

    def __init__(self, store: Store, named: Mapping[str, str], *, is_docker: bool = False) -> None:
        self._store = store
        self._is_docker = is_docker
        self._images: dict[str, str] = {}
        self._folders: dict[str, Context] = {}
        for name, text in named.items():
            self._take(name, text)

    def contexts(self) -> Iterator[Context]:
        yield from self._folders.values()

    def context(self, name: str) -> Context | None:
        return self._folders.get(name.lower())

    def image(self, name: str, platform: Platform) -> BaseImage:
        """Raises `UsageError` when there is none."""
        text = self._images.get(name.lower(), name)
        if (
            text == name
            and not is_origin(text)
            and ImageNames(self._store).find(Reference.parse(text)) is None
        ):
            raise UsageError(
                f"there is no image {name} in the store",
                hint=f"give one that is here with --build-context {name}=oci:DIR, or name one in the store: "
                "`hermes bud -t`, `hermes ctr commit`",
            )
        base = base_of(text, self._store, str(platform))
        if not platform_of(base.document).matches(platform):
            raise UsageError(
                f"{name} is for {platform_of(base.document)}, and the image for {platform}",
                hint="name a base for that platform, or choose the platform with --platform",
            )
        layers = [
            BaseLayer(
                one.diff_id, blob and kept_blob(self._store, one.diff_id, blob, is_docker=self._is_docker)
            )
            for one, blob in zip_longest(base.stack, base.blobs)
        ]
        return BaseImage(name, base.document, tuple(layers))

    def _take(self, name: str, text: str) -> None:
        for prefix, instead in _PREFIXES.items():
            if text.startswith(prefix):
                self._images[name.lower()] = instead + text.removeprefix(prefix)
                return
        if is_origin(text) or text.startswith(("//", ":", "@")):
            self._images[name.lower()] = text
            return
        if "://" in text:
            raise UsageError(f"--build-context {name}={text} is not on this machine", hint="fetch it first")
        path = os.path.realpath(os.path.expanduser(text))
        if not os.path.isdir(path):
            raise UsageError(
                f"--build-context {name}={text}: there is no such folder",
                hint="name a folder, oci:DIR, docker-image://NAME or a label",
            )
        ignored, found = ignored_in(Path(path), "", "")
        self._folders[name.lower()] = context_at(path, name.lower(), ignored, found)


def context_at(root: str, name: str, ignored: Ignored, ignore_file: str) -> Context:
    return Context("" if root == "/" else root, name, ignored, ignore_file)


def ignored_in(root: Path, dockerfile: str, given: str) -> tuple[Ignored, str]:
    """Return what is left out of a context, and the file that says so; raises `UsageError`.

    That is the ``given`` one, one that is named after the Dockerfile, or one of the context.
    """
    beside = [f"{dockerfile}{suffix}" for suffix in _IGNORE_FILES] if dockerfile else []
    candidates = [given] if given else [*beside, *(str(root / name) for name in _IGNORE_FILES)]
    for path in candidates:
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                return Ignored(file, of=os.path.basename(path)), os.path.basename(path)
        except FileNotFoundError:
            if given:
                raise UsageError(f"the ignore file {given} is not there") from None
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}") from None
    return Ignored((), of=""), ""
