"""Providers: what a target tells those that depend on it, and the artifacts that it speaks of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final, NamedTuple

from hermes.dsl.dialect.spelling import suggest
from hermes.dsl.dialect.values import EvalError, Struct, described
from hermes.engine.action import Artifact, Source
from hermes.graph.label import Label


class Provider:
    """A kind of information. Calling it makes a value of that kind."""

    __slots__ = ("fields", "name")
    dsl_type: ClassVar[str] = "provider"
    dsl_attributes: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, name: str, fields: Iterable[str] | None) -> None:
        self.name = name
        self.fields = None if fields is None else tuple(fields)

    def __call__(self, /, **values: Any) -> Info:
        if self.fields is not None:
            for name in values:
                if name not in self.fields:
                    raise EvalError(f"{self.name} has no field {name!r}", suggest(name, self.fields))
            values = {**dict.fromkeys(self.fields), **values}
        return Info(self, values)

    def __repr__(self) -> str:
        return f"<provider {self.name}>"


class Info(Struct):
    """A value of a provider."""

    __slots__ = ("provider",)
    dsl_type: ClassVar[str] = "struct"
    hashes_fields: ClassVar[bool] = False

    def __init__(self, provider: Provider, fields: Mapping[str, Any]) -> None:
        super().__init__(fields)
        self.provider = provider

    @property
    def dsl_called(self) -> str:
        """What messages call it."""
        return self.provider.name

    def like(self, other: Struct) -> bool:
        return isinstance(other, Info) and other.provider is self.provider

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Info) and self.like(other) and other.fields == self.fields

    def __hash__(self) -> int:
        return id(self.provider)


DEFAULT_INFO: Final = Provider("DefaultInfo", ("files",))
"""``files``: what the target is when it stands in ``srcs``."""

LAYER_INFO: Final = Provider("LayerInfo", ("layers", "base"))
"""``layers``: the target's own; ``base``: those it was built on; the lowest first in both."""

IMAGE_INFO: Final = Provider("ImageInfo", ("config", "environment", "layers", "manifest", "platform"))
"""``config``, ``environment`` (of it, what a command needs) and ``manifest``: files; ``layers``: the stack."""


INDEX_INFO: Final = Provider("IndexInfo", ("images", "index"))
"""``images``: the ImageInfo of each platform; ``index``: a file."""

PUSH_INFO: Final = Provider("PushInfo", ("destination", "image"))
"""``image``: the ImageInfo of what is pushed; ``destination``: a file that says where to; see `ctx.actions.push`."""


TEST_INFO: Final = Provider("TestInfo", ("image", "reports"))
"""``image``: the ImageInfo that is tested; ``reports``: a file for each run, which says what came of it."""


class Link(NamedTuple):
    """Where a source file that is a symbolic link leads, within its package.

    ``target`` is what it names (empty for a circle of links), ``end`` the file that it comes to through more links; where that is not a file, ``end``
    is empty and ``problem`` says what is wrong. Both are relative to the workspace.
    """

    target: str
    end: str = ""
    problem: str = ""


class File:
    """A file of the workspace, or one that an action makes. ``path`` is relative to its package.

    ``link`` is set for a file of the workspace that is a symbolic link: ``artifact`` is then the link itself.
    """

    __slots__ = ("artifact", "label", "link", "path")
    dsl_type: ClassVar[str] = "File"
    dsl_attributes: ClassVar[frozenset[str]] = frozenset({"basename", "extension", "owner", "path"})

    def __init__(self, artifact: Artifact, label: Label, path: str, link: Link | None = None) -> None:
        self.artifact = artifact
        self.label = label
        self.path = path
        self.link = link

    @property
    def owner(self) -> LabelValue:
        """The target that the file is of."""
        return LabelValue(self.label)

    @property
    def content(self) -> Artifact:
        """The file itself, or what it leads to if it is a link; raises `EvalError` where that is not a file."""
        if self.link is None:
            return self.artifact
        if self.link.problem:
            raise EvalError(f"{self.owner} {self.link.problem}", "name a file, or a link that leads to one")
        return Source(self.link.end)

    @property
    def basename(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def extension(self) -> str:
        return self.basename.rpartition(".")[2] if "." in self.basename else ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, File) and other.artifact == self.artifact

    def __hash__(self) -> int:
        return hash(self.artifact)

    def __repr__(self) -> str:
        return f"<file {self.path} of {self.owner}>"


class Layer:
    """A layer that an action makes, or all layers of an image from elsewhere.

    ``manifest`` is then the manifest of that image, whose blobs are kept, and ``folders`` a file with what is known of its
    tree, as `hermes.layer.folders.noted` has it, if that is known.
    """

    __slots__ = ("artifact", "folders", "label", "manifest")
    dsl_type: ClassVar[str] = "Layer"
    dsl_attributes: ClassVar[frozenset[str]] = frozenset({"owner"})

    def __init__(
        self,
        artifact: Artifact,
        label: Label,
        manifest: Artifact | None = None,
        folders: Artifact | None = None,
    ) -> None:
        self.artifact = artifact
        self.label = label
        self.manifest = manifest
        self.folders = folders

    @property
    def owner(self) -> LabelValue:
        """The target that the layer is of."""
        return LabelValue(self.label)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layer) and other.artifact == self.artifact

    def __hash__(self) -> int:
        return hash(self.artifact)

    def __repr__(self) -> str:
        return f"<layer of {self.owner}>"


class LabelValue:
    """A label in a file."""

    __slots__ = ("label",)
    dsl_type: ClassVar[str] = "Label"
    dsl_attributes: ClassVar[frozenset[str]] = frozenset({"name", "package", "repo"})

    def __init__(self, label: Label) -> None:
        self.label = label

    @property
    def name(self) -> str:
        return self.label.name

    @property
    def package(self) -> str:
        return self.label.package

    @property
    def repo(self) -> str:
        return self.label.repo

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LabelValue) and other.label == self.label

    def __hash__(self) -> int:
        return hash(self.label)

    def __str__(self) -> str:
        return str(self.label)

    __repr__ = __str__


class Dependency:
    """A target that another depends on: its label, its files, and ``target[Provider]``."""

    __slots__ = ("_infos", "files", "label")
    dsl_type: ClassVar[str] = "Target"
    dsl_attributes: ClassVar[frozenset[str]] = frozenset({"files", "infos", "label"})

    def __init__(self, label: LabelValue, infos: Mapping[int, Info], files: list[File]) -> None:
        self.label = label
        self.files = files
        self._infos = infos

    def dsl_item(self, provider: Any) -> Info:
        if type(provider) is not Provider:
            raise EvalError(f"a target is indexed by a provider, not by {described(provider)}")
        found = self._infos.get(id(provider))
        if found is None:
            raise EvalError(f"{self.label} does not provide {provider.name}")
        return found

    def dsl_contains(self, provider: Any) -> bool:
        return id(provider) in self._infos

    @property
    def infos(self) -> list[Info]:
        """All that the target provides."""
        return list(self._infos.values())

    def provides(self, provider: Provider) -> Info | None:
        return self._infos.get(id(provider))

    def __repr__(self) -> str:
        return f"<target {self.label}>"
