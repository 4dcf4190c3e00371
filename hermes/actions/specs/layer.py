"""``layer``: declared files, directories, links and archives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Generic, NamedTuple, Self

from hermes.actions.specs.spec import I, Spec


class Files(NamedTuple, Generic[I]):
    """Files at their paths in the layer, with ``mode``, or that of ``modes`` for their path, or that of the source.

    Paths have no slash at the front. ``owner`` is ``UID:GID``.
    """

    files: tuple[I, ...]
    modes: Mapping[str, int]
    mode: int | None = None
    owner: str = "0:0"

    def reads(self) -> Iterator[tuple[str, I]]:
        return (("file", one) for one in self.files)

    def to_json(self) -> dict[str, Any]:
        return {"files": len(self.files), "mode": self.mode, "modes": dict(self.modes), "owner": self.owner}


class Tar(NamedTuple, Generic[I]):
    """What an archive holds, below ``dest``."""

    archive: I
    dest: str

    def reads(self) -> Iterator[tuple[str, I]]:
        yield "tar", self.archive

    def to_json(self) -> dict[str, Any]:
        return {"tar": self.dest}


class Packages(NamedTuple, Generic[I]):
    """What Debian packages hold; the other fields are as in `hermes.debian.deb.unpacked`."""

    packages: tuple[I, ...]
    database: str
    merged_usr: bool
    certificates: tuple[I, ...] | None = None
    only: tuple[str, ...] = ()

    def reads(self) -> Iterator[tuple[str, I]]:
        yield from (("deb", one) for one in self.packages)
        yield from (("certificate", one) for one in self.certificates or ())

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "packages": len(self.packages),
            "database": self.database,
            "merged_usr": self.merged_usr,
        }
        if self.certificates is not None:
            found["certificates"] = len(self.certificates)
        if self.only:
            found["only"] = list(self.only)
        return found


class Wheels(NamedTuple, Generic[I]):
    """What Python wheels hold, installed into a virtual environment at ``prefix`` for Python ``python``, as 3.12.

    ``installer`` is the version of the library that says what is installed.
    """

    wheels: tuple[I, ...]
    prefix: str
    python: str
    installer: str

    def reads(self) -> Iterator[tuple[str, I]]:
        return (("wheel", one) for one in self.wheels)

    def to_json(self) -> dict[str, Any]:
        return {
            "wheels": len(self.wheels),
            "prefix": self.prefix,
            "python": self.python,
            "installer": self.installer,
        }


class NodePackage(NamedTuple):
    """Where an npm package is unpacked, and links to programs in it. Paths have no slash at the front."""

    location: str
    bins: Mapping[str, str]


class NodePackages(NamedTuple, Generic[I]):
    """What archives of npm packages hold; ``places`` says of each where it goes."""

    archives: tuple[I, ...]
    places: tuple[NodePackage, ...]

    def reads(self) -> Iterator[tuple[str, I]]:
        return (("npm", one) for one in self.archives)

    def to_json(self) -> dict[str, Any]:
        return {"node_packages": [[one.location, dict(one.bins)] for one in self.places]}


class Directory(NamedTuple):
    """A directory."""

    path: str
    mode: int
    owner: str = "0:0"

    def to_json(self) -> dict[str, Any]:
        return {"directory": self.path, "mode": self.mode, "owner": self.owner}


class Symlink(NamedTuple):
    """A symbolic link; ``target`` is kept as it is written."""

    path: str
    target: str
    owner: str = "0:0"

    def to_json(self) -> dict[str, Any]:
        return {"symlink": self.path, "target": self.target, "owner": self.owner}


Group = Files[I] | Tar[I] | Packages[I] | Wheels[I] | NodePackages[I] | Directory | Symlink


def _group(document: Mapping[str, Any], rows: Iterator[I]) -> Group[I]:
    """Return a group with what it reads of ``rows``, which are those of all groups."""
    more = dict(document)
    if "files" in more:
        return Files(files=tuple(next(rows) for _ in range(more.pop("files"))), **more)
    if "tar" in more:
        return Tar(archive=next(rows), dest=more["tar"])
    if "packages" in more:
        packages = tuple(next(rows) for _ in range(more.pop("packages")))
        count = more.pop("certificates", None)
        certificates = None if count is None else tuple(next(rows) for _ in range(count))
        return Packages(packages, only=tuple(more.pop("only", ())), certificates=certificates, **more)
    if "wheels" in more:
        return Wheels(wheels=tuple(next(rows) for _ in range(more.pop("wheels"))), **more)
    if "node_packages" in more:
        places = tuple(NodePackage(location, bins) for location, bins in more["node_packages"])
        return NodePackages(tuple(next(rows) for _ in places), places)
    if "directory" in more:
        return Directory(path=more.pop("directory"), **more)
    return Symlink(path=more.pop("symlink"), **more)


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
            if not isinstance(group, Directory | Symlink):
                yield from group.reads()

    @classmethod
    def of(cls, params: Mapping[str, Any], rows: Sequence[tuple[str, I]]) -> Self:
        inputs = (one for _, one in rows)
        return cls(entries=tuple(_group(one, inputs) for one in params["entries"]), mtime=params["mtime"])
