"""Actions that make images of layers, put them together to an index, and say where they go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hermes.actions.specs.spec import Ref
from hermes.dsl.actions.declaring import Declaring, files_of, layers_of, refs
from hermes.dsl.dialect.values import EvalError, show
from hermes.dsl.providers import IMAGE_INFO, INDEX_INFO, PUSH_INFO, File, Info, Layer
from hermes.dsl.remotes import checked_codec, checked_push
from hermes.engine.action import Artifact, Output
from hermes.image.config import is_timestamp
from hermes.layer.compress import Codec


class ImageActions(Declaring):
    __slots__ = ()

    def image(
        self,
        name: str,
        *,
        layers: Any,
        base: Any = None,
        built_on: Any = None,
        made_on: Any = None,
        config: Any = None,
        annotations: Any = None,
        compression: str = "zstd",
        compression_level: int | None = None,
        allow_conflicts: bool = False,
        checks: Any = (),
        env_file: File | None = None,
        labels_file: File | None = None,
        format: str = "oci",  # noqa: A002 - the name that users know from elsewhere
    ) -> Info:
        """An image: the layers of ``base`` (an ImageInfo) and ``layers`` on top, with a configuration.

        ``built_on`` maps each layer to those it stands on, whose files it may replace, and ``made_on`` to those that
        were seen when it was made, whose links it cannot hide (the same if left out). ``checks`` are files of
        check_programs(), or configurations of other images, which have to be made first. ``env_file`` and ``labels_file``
        have lines NAME=VALUE. ``format`` is oci or docker. Nothing is compressed until somebody needs the manifest.
        """
        from hermes.actions.specs.config import Config
        from hermes.dsl.health import with_health_check

        if format not in ("oci", "docker"):
            raise EvalError(f'must be "oci" or "docker", not {show(format)}', attribute="format")
        codec = checked_codec(compression, compression_level)
        created = (config or {}).get("created")
        if created and not (type(created) is str and is_timestamp(created)):
            raise EvalError(
                f"expected a time, got {show(created)}",
                'write it as "2024-01-31T00:00:00Z"',
                attribute="created",
            )
        below = list(base.fields["layers"]) if base else []
        stack = [*below, *layers_of(layers)]
        notes = {number: one.folders for number, one in enumerate(stack) if one.folders is not None}
        image = Config(
            allow_conflicts=bool(allow_conflicts),
            built_on=_numbered(stack, built_on),
            config=with_health_check(config or {}),
            epoch=self._configuration.epoch,
            made_on=_numbered(stack, built_on if made_on is None else made_on),
            base=Ref(base.fields["config"].artifact) if base else None,
            below=refs(below),
            layers=refs(stack[len(below) :]),
            folders=tuple(
                Ref(note, str(number)) for number, note in notes.items() if len(stack) > len(below)
            ),
            checks=tuple(Ref(one.artifact) for one in files_of("checks", checks)),
            env_file=None if env_file is None else Ref(env_file.content, env_file.path),
            labels_file=None if labels_file is None else Ref(labels_file.content, labels_file.path),
        )
        made = self._add(name, image)
        config_file = File(Output(made, "config"), self._label, f"{name}.config.json")
        folders = Output(made, "folders")
        manifest = self._manifest(
            name, config_file, stack, folders, dict(annotations or {}), codec, is_docker=format == "docker"
        )
        return IMAGE_INFO(
            config=config_file,
            environment=File(Output(made, "environment"), self._label, f"{name}.environment.json"),
            layers=[*stack, Layer(folders, self._label)],
            manifest=manifest,
            platform=str(self._configuration.platform),
        )

    def index(self, name: str, images: Any, annotations: Any = None) -> Info:
        """An index of images (a list of ImageInfo), each for another platform."""
        from hermes.actions.specs.index import Index

        if not images:
            raise EvalError("an index needs an image", attribute="images")
        found: dict[str, Info] = {}
        for one in images:
            platform = one.fields["platform"]
            if platform in found:
                both = f"{found[platform].fields['manifest'].owner} and {one.fields['manifest'].owner}"
                raise EvalError(
                    f"two images are for {platform}: {both}",
                    'give each its platform, as platform = "linux/arm64"',
                    attribute="images",
                )
            found[platform] = one
        manifests = tuple(Ref(one.fields["manifest"].artifact, platform) for platform, one in found.items())
        action = self._add(name, Index(annotations=dict(annotations or {}), manifests=manifests))
        return INDEX_INFO(
            images=list(images), index=File(Output(action, "index"), self._label, f"{name}.index.json")
        )

    def push(
        self,
        name: str,
        image: Any,
        repository: str,
        tags: Any,
        compression: str | None = None,
        compression_level: int | None = None,
    ) -> Info:
        """Where an image (an ImageInfo or IndexInfo) goes: the repository ``HOST/PATH``, its tags, how it is compressed for it."""
        from hermes.actions.specs.write import Write

        content = checked_push(repository, tags, compression, compression_level)
        made = self._add(name, Write(content=content))
        return PUSH_INFO(
            destination=File(Output(made, "file"), self._label, f"{name}.push.json"), image=image
        )

    def _manifest(
        self,
        name: str,
        config: File,
        stack: list[Layer],
        folders: Artifact,
        annotations: Mapping[str, str],
        codec: Codec,
        *,
        is_docker: bool,
    ) -> File:
        from hermes.actions.specs.compress import Compress
        from hermes.actions.specs.manifest import Manifest
        from hermes.actions.specs.stack import Made, Whole
        from hermes.image.media_types import layer_type

        layers: list[Whole[Ref] | Made[Ref]] = []
        for number, one in enumerate(stack):
            if one.manifest is not None:
                layers.append(Whole(Ref(one.manifest)))
                continue
            compress = Compress(codec=codec.spec, layer=Ref(one.artifact, hint=codec.spec))
            compressed = self._add(f"{name}.blob{number}", compress)
            layers.append(Made(Ref(one.artifact), Ref(Output(compressed, "blob"))))
        manifest = Manifest(
            annotations=annotations,
            codec=codec.spec,
            docker=is_docker,
            media_type=layer_type(codec.name, is_docker=is_docker),
            config=Ref(config.artifact),
            folders=Ref(folders, hint=codec.spec),
            layers=tuple(layers),
        )
        action = self._add(f"{name}.manifest", manifest)
        return File(Output(action, "manifest"), self._label, f"{name}.manifest.json")


def _numbered(
    stack: list[Layer], related: Mapping[Layer, Iterable[Layer]] | None
) -> dict[str, tuple[int, ...]]:
    """Return which layers of a stack are related to which, both by their places in it."""
    numbers = {one: number for number, one in enumerate(stack)}
    return {
        str(numbers[one]): tuple(sorted(numbers[other] for other in others if other in numbers))
        for one, others in (related or {}).items()
        if one in numbers
    }
