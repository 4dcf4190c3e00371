"""Actions that give layers without running anything, and layers in another form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Self

from hermes.actions.specs.spec import LEFT_OUT, UNKEYED, I, Spec, role, roles
from hermes.digest import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Files(Generic[I]):
    """Files at their paths in the layer, with ``mode``, or that of ``modes`` for their path, or that of the source.

    Paths have no slash at the front. ``owner`` is ``UID:GID``.
    """

    role: ClassVar[str] = "file"

    files: tuple[I, ...]
    mode: int | None = None
    modes: Mapping[str, int]
    owner: str = "0:0"

    def reads(self) -> Sequence[I]:
        return self.files

    def to_json(self) -> dict[str, Any]:
        return {"files": len(self.files), "mode": self.mode, "modes": dict(self.modes), "owner": self.owner}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tar(Generic[I]):
    """What an archive holds, below ``dest``."""

    role: ClassVar[str] = "tar"

    archive: I
    dest: str

    def reads(self) -> Sequence[I]:
        return (self.archive,)

    def to_json(self) -> dict[str, Any]:
        return {"tar": self.dest}


@dataclass(frozen=True, slots=True, kw_only=True)
class Packages(Generic[I]):
    """What Debian packages hold; ``database`` and ``merged_usr`` are as in `hermes.layer.deb.unpacked`."""

    role: ClassVar[str] = "deb"

    packages: tuple[I, ...]
    database: str
    merged_usr: bool

    def reads(self) -> Sequence[I]:
        return self.packages

    def to_json(self) -> dict[str, Any]:
        return {"packages": len(self.packages), "database": self.database, "merged_usr": self.merged_usr}


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """A directory."""

    role: ClassVar[str] = ""

    path: str
    mode: int
    owner: str = "0:0"

    def reads(self) -> Sequence[Any]:
        return ()

    def to_json(self) -> dict[str, Any]:
        return {"directory": self.path, "mode": self.mode, "owner": self.owner}


@dataclass(frozen=True, slots=True, kw_only=True)
class Symlink:
    """A symbolic link; ``target`` is kept as it is written."""

    role: ClassVar[str] = ""

    path: str
    target: str
    owner: str = "0:0"

    def reads(self) -> Sequence[Any]:
        return ()

    def to_json(self) -> dict[str, Any]:
        return {"symlink": self.path, "target": self.target, "owner": self.owner}


Group = Files[I] | Tar[I] | Packages[I] | Directory | Symlink


def _group(document: Mapping[str, Any], rows: Iterator[I]) -> Group[I]:
    """Return a group with what it reads of ``rows``, which are those of all groups."""
    more = dict(document)
    if "files" in more:
        return Files(files=tuple(next(rows) for _ in range(more.pop("files"))), **more)
    if "tar" in more:
        return Tar(archive=next(rows), dest=more["tar"])
    if "packages" in more:
        return Packages(packages=tuple(next(rows) for _ in range(more.pop("packages"))), **more)
    if "directory" in more:
        return Directory(path=more.pop("directory"), **more)
    return Symlink(path=more.pop("symlink"), **more)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer(Spec[I]):
    """Declared files, directories, links and archives as a layer, with times of ``mtime`` seconds."""

    kind: ClassVar[str] = "layer"

    entries: tuple[Group[I], ...]
    mtime: int

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("layer",)

    def reads(self) -> Iterator[tuple[str, I]]:
        for group in self.entries:
            for one in group.reads():
                yield group.role, one

    @classmethod
    def of(cls, params: Mapping[str, Any], rows: Sequence[tuple[str, I]]) -> Self:
        inputs = (one for _, one in rows)
        return cls(entries=tuple(_group(one, inputs) for one in params["entries"]), mtime=params["mtime"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Given(Spec[I]):
    """A layer of a base image, which is in the store, or comes there."""

    kind: ClassVar[str] = "given"

    diff_id: Digest

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("layer",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Squash(Spec[I]):
    """The stack ``roots`` as one layer for the layers ``below`` it, with times of ``mtime`` seconds where it has none."""

    kind: ClassVar[str] = "squash"

    mtime: int = field(default=0, metadata=LEFT_OUT)
    below: tuple[I, ...] = field(default=(), metadata=roles("below"))
    roots: tuple[I, ...] = field(default=(), metadata=roles("root"))

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("layer",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compress(Spec[I]):
    """A layer as the blob that an image refers to. ``codec`` is what `hermes.layer.compress.codec_of` takes."""

    kind: ClassVar[str] = "compress"

    codec: str = field(metadata=UNKEYED)
    layer: I = field(metadata=role("layer"))

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("blob",)

    @property
    def codec_identity(self) -> str:
        from hermes.layer.compress import codec_of

        found = codec_of(self.codec)
        assert found is not None, self.codec
        return found.identity
