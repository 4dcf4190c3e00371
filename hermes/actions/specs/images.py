"""Actions that give the documents of images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, NamedTuple, Self

from hermes.actions.specs.spec import MIXED, UNKEYED, I, Spec, role, roles
from hermes.digest import Digest
from hermes.image.descriptor import Descriptor
from hermes.layer.compress import GZIP, ZSTD, Codec


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull(Spec[I]):
    """An image of a registry by the ``digest`` of its manifest, or of an index; ``ref`` says where it is."""

    kind: ClassVar[str] = "pull"
    for_platform: ClassVar[bool] = True

    digest: Digest
    ref: str = field(metadata=UNKEYED)

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("config", "environment", "layers", "manifest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Index(Spec[I]):
    """The document that names images of several platforms, whose paths are the platforms."""

    kind: ClassVar[str] = "index"

    annotations: Mapping[str, str]
    manifests: tuple[I, ...] = field(default=(), metadata=roles("manifest"))

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("index",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image(Spec[I]):
    """The configuration of an image: that of ``base`` with what ``config`` says.

    Its layers, the lowest first, are those ``below``, which are the base's, and ``layers``. ``built_on`` maps the
    number of one of all these inputs (as text) to the numbers of those that it stands on, ``made_on`` to those that
    were seen when it was made; others that write one path differently are a conflict, unless ``allow_conflicts``.
    ``config`` has the names of the rule ``image``. ``epoch`` is its time, in seconds.
    """

    kind: ClassVar[str] = "image"
    for_platform: ClassVar[bool] = True

    allow_conflicts: bool = False
    built_on: Mapping[str, tuple[int, ...]]
    config: Mapping[str, Any]
    epoch: int
    made_on: Mapping[str, tuple[int, ...]]
    base: I | None = field(default=None, metadata=role("base"))
    below: tuple[I, ...] = field(default=(), metadata=roles("below"))
    layers: tuple[I, ...] = field(default=(), metadata=roles("layer"))

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("config", "environment")


class Whole(NamedTuple, Generic[I]):
    """All layers of an image from elsewhere, as its ``manifest`` has them."""

    manifest: I


class Made(NamedTuple, Generic[I]):
    """A layer and its blob."""

    layer: I
    blob: I


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest(Spec[I]):
    """The manifest of an image: its configuration, and its layers, whose blobs are of ``media_type``, the lowest first."""

    kind: ClassVar[str] = "manifest"

    annotations: Mapping[str, str]
    media_type: str
    config: I = field(metadata=role("config"))
    layers: tuple[Whole[I] | Made[I], ...] = field(metadata=MIXED)

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("manifest",)

    def reads(self) -> Iterator[tuple[str, I]]:
        yield "config", self.config
        for one in self.layers:
            if isinstance(one, Whole):
                yield "base", one.manifest
            else:
                yield "layer", one.layer
                yield "blob", one.blob

    @classmethod
    def of(cls, params: Mapping[str, Any], rows: Sequence[tuple[str, I]]) -> Self:
        inputs = iter(rows)
        _, config = next(inputs)
        layers: list[Whole[I] | Made[I]] = [
            Whole(one) if called == "base" else Made(one, next(inputs)[1]) for called, one in inputs
        ]
        given = {"annotations": params["annotations"], "media_type": params["media_type"]}
        return cls(**given, config=config, layers=tuple(layers))


class Kept(NamedTuple):
    """A layer of a base, which an image on it refers to as the base does."""

    diff_id: Digest
    blob: Descriptor


class MediaTypes(NamedTuple):
    """What a manifest calls itself and its parts."""

    config: str
    layer: str
    manifest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Compose(Spec[I]):
    """The configuration and manifest of an image whose settings are known, of those layers that hold anything.

    ``document`` is its configuration without layers and ``history``, whose rows without ``empty_layer`` stand for the
    ``layers``, the lowest first. The first ``base_layers`` stay even where they hold nothing.
    """

    kind: ClassVar[str] = "compose"

    annotations: Mapping[str, str]
    base_layers: int
    document: Mapping[str, Any]
    history: tuple[Mapping[str, Any], ...]
    media_types: MediaTypes
    layers: tuple[Kept | Made[I], ...] = field(metadata=MIXED)

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("config", "environment", "layers", "manifest")

    def params(self) -> dict[str, Any]:
        found = super(Compose, self).params()
        kept = [one if isinstance(one, Kept) else None for one in self.layers]
        found["kept"] = [one and {**one.blob.to_json(), "diff_id": one.diff_id} for one in kept]
        return found

    def reads(self) -> Iterator[tuple[str, I]]:
        for one in self.layers:
            if isinstance(one, Made):
                yield "layer", one.layer
                yield "blob", one.blob

    @classmethod
    def of(cls, params: Mapping[str, Any], rows: Sequence[tuple[str, I]]) -> Self:
        inputs = (one for _, one in rows)
        layers: list[Kept | Made[I]] = [
            Made(next(inputs), next(inputs))
            if one is None
            else Kept(Digest(one["diff_id"]), Descriptor.from_json(one))
            for one in params["kept"]
        ]
        return cls(
            annotations=params["annotations"],
            base_layers=params["base_layers"],
            document=params["document"],
            history=tuple(params["history"]),
            media_types=MediaTypes(**params["media_types"]),
            layers=tuple(layers),
        )


class FilesContext(NamedTuple, Generic[I]):
    """The files of a context by their paths in it; the build's own context has no name."""

    name: str
    files: tuple[I, ...]


class ImageLayers(NamedTuple, Generic[I]):
    """A layer; or all layers of an image from elsewhere, with its ``manifest``."""

    layers: I
    manifest: I | None = None


class ImageContext(NamedTuple, Generic[I]):
    """What a name of FROM and ``--from`` means: the configuration, if it is an image, and layers, the lowest first."""

    name: str
    config: I | None
    layers: tuple[ImageLayers[I], ...]


Context = FilesContext[I] | ImageContext[I]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dockerfile(Spec[I]):
    """The image of a Dockerfile; it stands for the actions of its lines.

    ``arguments`` are those of ``--build-arg``, ``secrets`` the names that it may ask for, ``target`` a stage.
    ``docker`` writes Docker's media types. ``epoch`` is the time of everything, in seconds.
    """

    kind: ClassVar[str] = "dockerfile"
    for_platform: ClassVar[bool] = True

    annotations: Mapping[str, str]
    arguments: Mapping[str, str]
    docker: bool
    epoch: int
    labels: Mapping[str, str]
    network: bool
    secrets: tuple[str, ...]
    squash: bool
    target: str
    dockerfile: I = field(metadata=role("dockerfile"))
    contexts: tuple[Context[I], ...] = field(metadata=MIXED)

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("config", "environment", "layers", "manifest")

    @property
    def codec(self) -> Codec:
        """How the layers of the image are compressed."""
        return GZIP if self.docker else ZSTD

    @property
    def codec_identity(self) -> str:
        return self.codec.identity

    def reads(self) -> Iterator[tuple[str, I]]:
        yield "dockerfile", self.dockerfile
        for context in self.contexts:
            suffix = f" {context.name}" if context.name else ""
            if isinstance(context, FilesContext):
                for one in context.files:
                    yield f"src{suffix}", one
                continue
            if context.config is not None:
                yield f"config{suffix}", context.config
            for stack in context.layers:
                yield f"root{suffix}", stack.layers
                if stack.manifest is not None:
                    yield f"manifest{suffix}", stack.manifest

    @classmethod
    def of(cls, params: Mapping[str, Any], rows: Sequence[tuple[str, I]]) -> Self:
        (_, dockerfile), *more = rows
        found: dict[str, list[tuple[str, I]]] = {}
        for called, one in more:
            kind, _, name = called.partition(" ")
            found.setdefault(name, []).append((kind, one))
        given = {**params, "secrets": tuple(params["secrets"])}
        contexts = tuple(_context(name, listed) for name, listed in found.items())
        return cls(dockerfile=dockerfile, contexts=contexts, **given)


def _context(name: str, rows: Sequence[tuple[str, I]]) -> Context[I]:
    if rows[0][0] == "src":
        return FilesContext(name, tuple(one for _, one in rows))
    config: I | None = None
    layers: list[ImageLayers[I]] = []
    for kind, one in rows:
        if kind == "config":
            config = one
        elif kind == "root":
            layers.append(ImageLayers(one))
        else:
            layers[-1] = layers[-1]._replace(manifest=one)
    return ImageContext(name, config, tuple(layers))
