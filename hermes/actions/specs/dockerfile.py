"""``dockerfile``: the image of a Dockerfile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Generic, NamedTuple, Self

from hermes.actions.specs.spec import I, Spec, mixed, role
from hermes.layer.compress import GZIP, ZSTD, Codec


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
    dockerfile: I = role("dockerfile")
    contexts: tuple[Context[I], ...] = mixed()

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
        yield from reads_of(self.contexts)

    @classmethod
    def of(cls, params: Mapping[str, Any], rows: Sequence[tuple[str, I]]) -> Self:
        (_, dockerfile), *more = rows
        given = {**params, "secrets": tuple(params["secrets"])}
        return cls(dockerfile=dockerfile, contexts=contexts_of(more), **given)


def reads_of(contexts: Iterable[Context[I]]) -> Iterator[tuple[str, I]]:
    """Yield what contexts consist of, with roles that say which it is of."""
    for context in contexts:
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


def contexts_of(rows: Iterable[tuple[str, I]]) -> tuple[Context[I], ...]:
    """Return the contexts that `reads_of` gave the parts of."""
    found: dict[str, list[tuple[str, I]]] = {}
    for called, one in rows:
        kind, _, name = called.partition(" ")
        found.setdefault(name, []).append((kind, one))
    return tuple(_context(name, listed) for name, listed in found.items())


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
