"""What ``-o`` means: ``TRANSPORT:WHERE``, a folder, or ``type=KIND,NAME=VALUE,...`` as docker buildx has it.

See docker buildx, "build --output": the text is a line of CSV, so that a value with a comma is quoted as a whole.
"""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hermes.errors import UsageError
from hermes.transports import REGISTRY
from hermes.transports.table import has_transport, is_standard_output, parse_destination

if TYPE_CHECKING:
    from hermes.layer.compress import Compression
    from hermes.registry.client import Client
    from hermes.transports.transport import Destination

TRANSPORT: Final = "transport"
LOCAL: Final = "local"
TAR: Final = "tar"
OCI: Final = "oci"
DOCKER: Final = "docker"
IMAGE: Final = "image"
REGISTRY_KIND: Final = "registry"
NOTHING: Final = "cacheonly"
KINDS: Final = (LOCAL, TAR, OCI, DOCKER, IMAGE, REGISTRY_KIND, NOTHING)

_OF_IMAGES: Final = frozenset(
    ("name", "oci-mediatypes", "compression", "compression-level", "force-compression")
)
_ATTRIBUTES: Final = {
    LOCAL: frozenset(("dest", "platform-split")),
    TAR: frozenset(("dest", "platform-split")),
    OCI: _OF_IMAGES | {"dest", "tar"},
    DOCKER: _OF_IMAGES | {"dest", "tar"},
    IMAGE: _OF_IMAGES | {"push", "push-by-digest"},
    REGISTRY_KIND: _OF_IMAGES | {"push", "push-by-digest"},
    NOTHING: frozenset[str](),
}
_ALWAYS_SO: Final = frozenset(
    (
        *("attestation-prefix", "buildinfo", "buildinfo-attrs", "context", "dangling-name-prefix"),
        *("name-canonical", "prefer-nondist-layers", "rewrite-timestamp", "store", "unpack"),
    )
)
"""Attributes that change nothing here: everything has one time, no attestations are made, the store is always used."""
_FLAGS: Final = frozenset(
    ("force-compression", "oci-mediatypes", "platform-split", "push", "push-by-digest", "tar")
)
_ANNOTATION: Final = re.compile(r"annotation(?:-(?P<level>[a-z-]+))?(?:\[[^\]]*\])?\.(?P<name>.+)\Z")
_TRUE: Final = frozenset(("1", "t", "true"))
_FALSE: Final = frozenset(("0", "f", "false"))
_SCHEME: Final = re.compile(r"[a-z][a-z-]+:")


@dataclass(frozen=True, slots=True)
class Asked:
    """One ``-o``, checked. ``where`` is a path, ``-`` or empty; of a `TRANSPORT` it is all of the text.

    ``names`` are those that the image gets. ``is_docker`` says which format it has (None: not said), ``compression`` how
    layers are compressed that this build makes, and with ``all_layers`` those of the base too.
    """

    text: str
    kind: str
    where: str = ""
    names: tuple[str, ...] = ()
    push: bool = False
    by_digest: bool = False
    as_folder: bool = False
    split: bool | None = None
    is_docker: bool | None = None
    compression: Compression | None = None
    all_layers: bool = False
    annotations: tuple[tuple[str, str], ...] = ()

    @property
    def is_in_store(self) -> bool:
        """Whether nothing is to be written but the names that the image has in the store."""
        return self.kind == NOTHING or (self.kind == IMAGE and not self.push)

    @property
    def is_loaded(self) -> bool:
        """Whether it goes to a Docker daemon."""
        return self.kind == DOCKER and not self.where

    @property
    def is_standard_output(self) -> bool:
        """Whether it goes to standard output, where nothing else may be printed then."""
        return self.where == "-" or (self.kind == TRANSPORT and is_standard_output(self.where))

    def destinations(self, names: Sequence[str], client: Callable[[], Client]) -> list[Destination]:
        """Return where an image is to be written that is called ``names``; raises `UsageError`."""
        from hermes.transports.root_files import FilesArchiveDestination, FolderDestination

        called = list(names or self.names)
        if self.kind == LOCAL:
            folder = FolderDestination(Path(self.where).expanduser().absolute(), self.split)
            folder.check()
            return [folder]
        if self.kind == TAR:
            path = Path(self.where) if self.where == "-" else Path(self.where).expanduser().absolute()
            return [FilesArchiveDestination(path, self.split)]
        if self.kind in (OCI, DOCKER) and self.where:
            return [parse_destination(self._archive(called), client)]
        if self.is_loaded:
            return [parse_destination(f"docker-daemon:{one}", client) for one in _needed(called, self.text)]
        if self.push:
            return self._registries(called, client)
        return [parse_destination(self.where, client)] if self.kind == TRANSPORT else []

    def _archive(self, names: Sequence[str]) -> str:
        from hermes.image.reference import LATEST, Reference

        if ":" in self.where:
            raise UsageError(f"-o {self.text}: a path with a colon cannot be written", hint="name another")
        first = Reference.parse(names[0]) if names else None
        if self.kind == DOCKER and not self.as_folder:
            name = f":{first.full.name}:{first.tag or LATEST}" if first else ""
            return f"docker-archive:{self.where}{name}"
        tag = f":{first.tag or LATEST}" if first else ""
        return f"{'oci' if self.as_folder else 'oci-archive'}:{self.where}{tag}"

    def _registries(self, names: Sequence[str], client: Callable[[], Client]) -> list[Destination]:
        from dataclasses import replace

        from hermes.transports.docker import registry_destination

        found = [registry_destination(f"{REGISTRY}{one}", client) for one in _needed(names, self.text)]
        return [replace(one, by_digest=self.by_digest) for one in found]


def parse_output(text: str) -> Asked:
    """Return what ``-o`` says; raises `UsageError`."""
    if not text:
        raise UsageError("-o is empty", hint="name a folder, or say type=oci,dest=FILE")
    if has_transport(text):
        return Asked(text, TRANSPORT, text)
    if not text.startswith(("type=", '"')) and "," not in text:
        if _SCHEME.match(text) and "/" not in text.partition(":")[0]:
            return Asked(text, TRANSPORT, text)  # `parse_destination` says what is wrong with it
        return Asked(text, TAR, text) if text == "-" else Asked(text, LOCAL, text)
    return _Fields(text).asked()


def is_on_standard_output(text: str) -> bool:
    """Tell whether ``-o`` names standard output; False for what it cannot be."""
    if text.startswith("type=") or text == "-":
        try:
            return parse_output(text).is_standard_output
        except UsageError:
            return False
    return is_standard_output(text)


def _needed(names: Sequence[str], text: str) -> Sequence[str]:
    if not names:
        raise UsageError(f"{text}: the image has no name", hint="give it one: -t registry.example.org/app:v1")
    return names


class _Fields:
    def __init__(self, text: str) -> None:
        self._text = text
        self._fields: dict[str, str] = {}
        for part in _parts(text):
            name, equals, value = part.partition("=")
            if not equals:
                raise self._error(f"expected NAME=VALUE, got {part!r}")
            self._fields[name.strip().lower() if "." not in name else name.strip()] = value
        self._kind = self._fields.pop("type", "")

    def asked(self) -> Asked:
        kind = self._kind
        if kind not in KINDS:
            near = difflib.get_close_matches(kind, KINDS, 1)
            hint = f"did you mean {near[0]}?" if near else f"it is {', '.join(KINDS)}"
            raise self._error(f"unknown type {kind!r}" if kind else "type= is missing", hint)
        annotations = tuple(self._annotations())
        self._check()
        flags = {name: self._flag(name) for name in _FLAGS if name in self._fields}
        where = self._fields.get("dest", "")
        as_folder = flags.get("tar") is False
        if not where and (kind == LOCAL or as_folder):
            raise self._error("dest= is missing", "name a folder: dest=DIR")
        if as_folder and where == "-":
            raise self._error("a folder cannot be standard output", "name a folder: dest=DIR")
        oci = flags.get("oci-mediatypes")
        return Asked(
            self._text,
            kind,
            where or ("-" if kind in (TAR, OCI) else ""),
            tuple(one.strip() for one in self._fields.get("name", "").split(",") if one.strip()),
            push=flags.get("push", kind == REGISTRY_KIND) or kind == REGISTRY_KIND,
            by_digest=flags.get("push-by-digest", False),
            as_folder=as_folder,
            split=flags.get("platform-split"),
            is_docker=None if oci is None else not oci,
            compression=self._compression(),
            all_layers=flags.get("force-compression", False),
            annotations=annotations,
        )

    def _error(self, message: str, hint: str | None = None) -> UsageError:
        return UsageError(f"-o {self._text}: {message}", hint=hint)

    def _annotations(self) -> Iterable[tuple[str, str]]:
        for name, value in list(self._fields.items()):
            found = _ANNOTATION.match(name)
            if found is None:
                continue
            if self._kind in (LOCAL, TAR, NOTHING):
                raise self._error("only an image has annotations", "leave it out")
            if found["level"] not in (None, "manifest"):
                raise self._error(
                    f"annotations of the {found['level']} cannot be given", "write annotation.NAME=VALUE"
                )
            del self._fields[name]
            yield found["name"], value

    def _check(self) -> None:
        known = _ATTRIBUTES[self._kind]
        for name in self._fields:
            if name == "registry.insecure":
                raise self._error(
                    "which registries are insecure is said elsewhere", "see registries: in hermes.yaml"
                )
            if name not in known and name not in _ALWAYS_SO:
                near = difflib.get_close_matches(name, known, 1)
                listed = f"it has {', '.join(sorted(known))}" if known else "it has no attributes"
                raise self._error(
                    f"type={self._kind} has no attribute {name!r}",
                    f"did you mean {near[0]}?" if near else listed,
                )

    def _flag(self, name: str) -> bool:
        value = self._fields[name].lower()
        if value not in _TRUE | _FALSE:
            raise self._error(f"{name} is true or false, not {value!r}")
        return value in _TRUE

    def _compression(self) -> Compression | None:
        from hermes.layer.compress import CODECS, Compression

        name, level = self._fields.get("compression", ""), self._fields.get("compression-level", "")
        if name and name not in CODECS:
            raise self._error(f"layers cannot be compressed with {name!r}", f"it is {' or '.join(CODECS)}")
        if level and not level.isdecimal():
            raise self._error(f"compression-level is a number, not {level!r}")
        return Compression.at(name or None, int(level) if level else None)


def _parts(text: str) -> list[str]:
    try:
        return next(csv.reader([text], strict=True))
    except (csv.Error, StopIteration) as error:
        raise UsageError(
            f"-o {text}: it is not a line of CSV ({error})", hint='write type=image,"name=a,b"'
        ) from None
