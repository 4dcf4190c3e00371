"""Where the images and contexts come from that a Dockerfile names."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Final

from hermes.build.dockerfile.options import PULL_ALWAYS, PULL_MISSING, PULL_NEVER
from hermes.build.dockerfile.remote_sources import RemoteSources
from hermes.build.memory.looked import Looked
from hermes.digest import Digest
from hermes.dockerfile.context import Context
from hermes.dockerfile.files import FolderFiles
from hermes.dockerfile.origins import BaseImage, BaseLayer, context_name
from hermes.errors import ImageError, MissingBlobError, NoSuchPlatform, RegistryError, UsageError
from hermes.graph.label import is_label
from hermes.image.kept import kept_blob
from hermes.image.names import ImageNames, digits
from hermes.image.platform import Platform
from hermes.image.reference import LOCALHOST, Reference
from hermes.image.stored import descriptor_of
from hermes.layer import encodings
from hermes.naming.bases import Base, base_of, base_of_image
from hermes.naming.image_names import find_by_digest, in_store, named
from hermes.naming.registries import LazyBlobs
from hermes.naming.targets import BuildTarget
from hermes.store import Store
from hermes.transports import REGISTRY
from hermes.transports.examining import choose
from hermes.transports.stored import StoreOrigin
from hermes.transports.table import has_transport
from hermes.wildcards import Ignored

_IGNORE_FILES: Final = (".containerignore", ".dockerignore")
_PREFIXES: Final = {"docker-image://": "", "container-image://": "", "oci-layout://": "oci:"}


class NamedOrigins:
    """See `hermes.dockerfile.origins.Origins`. ``build`` builds targets, ``named`` are the contexts that were given by name.

    ``pull`` is one of `hermes.build.dockerfile.options.PULLS`. ``looked`` notes what is looked at. The names that
    contexts have as sources begin with ``prefix``. ``is_docker``: what is built on them is to have Docker's format.
    """

    def __init__(
        self,
        store: Store,
        fetching: LazyBlobs,
        build: BuildTarget,
        named: Mapping[str, str],
        pull: str,
        looked: Looked | None = None,
        *,
        prefix: str = "",
        is_docker: bool = False,
    ) -> None:
        self._store = store
        self._looked = looked or Looked.now()
        self._fetching = fetching
        self._build = build
        self._pull = pull
        self._prefix = prefix
        self._is_docker = is_docker
        self._remote = RemoteSources(store, fetching.cancelled)
        self._images: dict[str, str] = {}
        self._folders: dict[str, Context] = {}
        self._paths: dict[str, str] = {}
        for name, text in named.items():
            self._take(name, text)

    @property
    def folders(self) -> Mapping[str, str]:
        """The names that contexts have as sources, and the folders that those are."""
        return self._paths

    @property
    def given(self) -> Collection[str]:
        return self._images.keys() | self._folders.keys()

    def context(self, name: str) -> Context | None:
        return self._folders.get(context_name(name))

    def image(self, name: str, platform: Platform) -> BaseImage:
        """Raises `UsageError` when there is none; see there for what else."""
        base = self.base(name, platform)
        layers = [
            BaseLayer(
                one.diff_id, blob and kept_blob(self._store, one.diff_id, blob, is_docker=self._is_docker)
            )
            for one, blob in zip_longest(base.stack, base.blobs)
        ]
        return BaseImage(name, base.document, tuple(layers))

    def base(self, name: str, platform: Platform) -> Base:
        """Return what FROM would begin with; raises as `image` does."""
        text = self._images.get(context_name(name), name)
        if text == name and name.startswith((":", "@")):  # what is left of $NAME:TAG where NAME is not set
            raise UsageError(f"invalid image name {name!r}", hint="give the ARG before the : a value")
        if has_transport(text) or is_label(text):
            self._looked.lasts = False
            base = base_of(text, self._store, self._fetching, self._build, str(platform))
        elif (stored := self._by_digest(text)) is not None:
            base = base_of_image(text, choose(stored, platform).descriptor.digest, self._store)
        else:
            reference = Reference.parse(text)
            before = ImageNames(self._store).find(reference)
            base = self._stored(reference, platform) or self._pulled(text, platform)
            if reference.digest is None and (known := before or ImageNames(self._store).find(reference)):
                self._looked.names[text] = str(known.digest)
        return base

    def file(self, url: str) -> Digest:
        self._looked.lasts = False
        return self._remote.file(url)

    def commit(self, url: str, ref: str) -> str:
        self._looked.lasts = False
        return self._remote.commit(url, ref)

    def _by_digest(self, text: str) -> StoreOrigin | None:
        """Return the image of the store that has a digest, if ``text`` is one or begins one, and is not a name."""
        if text.startswith("sha256:"):
            return named(text, self._store)
        if not digits(text) or ImageNames(self._store).find(Reference.parse(text)) is not None:
            return None
        return find_by_digest(text, self._store)

    def _stored(self, name: Reference, platform: Platform) -> Base | None:
        """Return an image that is in the store, unless one from a registry is to take its place."""
        if name.digest is not None:
            return self._exactly(name, name.digest, platform)
        if ImageNames(self._store).find(name) is None:
            return None
        if not self._is_here_only(name) and self._pull != PULL_MISSING:
            return None
        try:
            return base_of(str(name), self._store, self._fetching, self._build, str(platform))
        except NoSuchPlatform:
            if self._is_here_only(name):
                raise
            return None

    def _exactly(self, name: Reference, digest: Digest, platform: Platform) -> Base | None:
        """Return the image with a digest, if all of it is in the store or promised."""
        try:
            origin = StoreOrigin(self._store, descriptor_of(self._store, digest), str(name))
            base = base_of_image(str(name), choose(origin, platform).descriptor.digest, self._store)
        except MissingBlobError:
            return None
        return base if all(encodings.obtainable(self._store, one.diff_id) for one in base.stack) else None

    def _pulled(self, name: str, platform: Platform) -> Base:
        """Take an image from its registry: documents now, layers when something has to see them.

        It gets the name that it has there, unless it was named by its digest.
        """
        reference = Reference.parse(name)
        if self._is_here_only(reference):
            near = ImageNames(self._store).near(reference)
            raise UsageError(
                f"there is no image {name} in the store",
                hint=f"did you mean {near}?"
                if near
                else f"give one that is here with --build-context {name}=oci:DIR, or name one in the store: "
                "`hermes pull`, `hermes bud -t`, `hermes ctr commit`",
            )
        try:
            origin = in_store(
                f"{REGISTRY}{name}",
                self._store,
                self._fetching,
                self._build,
                str(platform),
                whole=False,
                lazy=True,
            )
        except (ImageError, RegistryError, UsageError) as error:
            problem = f"there is no image {name} for {platform} in the store, and {error.message}"
            hint = error.hint or "check the name, and the network"
            if not isinstance(error, NoSuchPlatform) and (near := ImageNames(self._store).near(reference)):
                hint = f"did you mean {near}?"
            if self._pull == PULL_ALWAYS:
                problem = f"{name} cannot be taken from its registry: {error.message}"
                hint = error.hint or hint
            raise UsageError(problem, hint=hint) from None
        if reference.digest is None:
            ImageNames(self._store).set(reference, origin.root())
        return base_of_image(name, origin.root().digest, self._store)

    def _is_here_only(self, name: Reference) -> bool:
        return self._pull == PULL_NEVER or name.host == LOCALHOST

    def _take(self, name: str, text: str) -> None:
        for prefix, instead in _PREFIXES.items():
            if text.startswith(prefix):
                self._images[context_name(name)] = instead + text.removeprefix(prefix)
                return
        if has_transport(text) or is_label(text):
            self._images[context_name(name)] = text
            return
        if "://" in text:
            raise UsageError(f"--build-context {name}={text} is not on this machine", hint="fetch it first")
        path = os.path.realpath(os.path.expanduser(text))
        if not os.path.isdir(path):
            raise UsageError(
                f"--build-context {name}={text}: there is no such folder",
                hint="name a folder, oci:DIR, docker-image://NAME or a label",
            )
        self._looked.at(ignore_files(Path(path), "", ""))
        ignored, found = ignored_in(Path(path), "", "")
        called = f"{self._prefix}/{name.lower()}" if self._prefix else name.lower()
        self._folders[context_name(name)] = context_at(path, called, ignored, found, self._looked)
        self._paths[called] = path


def context_at(root: str, name: str, ignored: Ignored, ignore_file: str, looked: Looked) -> Context:
    return Context(FolderFiles("" if root == "/" else root, name, looked.paths), ignored, ignore_file)


def ignore_files(root: Path, dockerfile: str, given: str) -> list[str]:
    """Return where an ignore file may be, the one that counts first."""
    if given:
        return [os.path.abspath(given)]
    beside = [f"{os.path.abspath(dockerfile)}{suffix}" for suffix in _IGNORE_FILES] if dockerfile else []
    return [*beside, *(str(root / name) for name in _IGNORE_FILES)]


def ignored_in(root: Path, dockerfile: str, given: str) -> tuple[Ignored, str]:
    """Return what is left out of a context, and the file that says so; raises `UsageError`.

    That is the ``given`` one, one that is named after the Dockerfile, or one of the context.
    """
    for path in ignore_files(root, dockerfile, given):
        if os.path.exists(path) and not os.path.isfile(path):
            raise UsageError(
                f"the ignore file {path} is not a regular file",
                hint="take it away, or name another with --ignorefile",
            )
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                return Ignored(file, of=os.path.basename(path)), os.path.basename(path)
        except FileNotFoundError:
            if given:
                raise UsageError(f"the ignore file {given} is not there") from None
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}") from None
    return Ignored((), of=""), ""
