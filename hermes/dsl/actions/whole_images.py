"""Actions that each give a whole image, with layers that are known only then."""

from __future__ import annotations

from typing import Any

from hermes.actions.specs.spec import Ref
from hermes.digest import Digest, canonical_json
from hermes.dsl.actions.declaring import files_of
from hermes.dsl.actions.file_actions import FileActions
from hermes.dsl.dialect.values import EvalError
from hermes.dsl.providers import IMAGE_INFO, File, Info, Layer
from hermes.dsl.remotes import checked_digest, checked_reference
from hermes.engine.action import Artifact, Output


class WholeImageActions(FileActions):
    __slots__ = ()

    def dockerfile(
        self,
        name: str,
        *,
        dockerfile: File,
        context: Any,
        contexts: Any = None,
        strip_prefix: str = "",
        build_args: Any = None,
        target: str = "",
        secrets: Any = (),
        network: bool = True,
        labels: Any = None,
        annotations: Any = None,
        squash: bool = False,
        format: str = "oci",  # noqa: A002 - the name that users know from elsewhere
    ) -> Info:
        """The image of a Dockerfile, whose actions are found when what it names is known.

        ``context`` are the files that COPY and ADD may take, by their paths in their packages without
        ``strip_prefix``; ``contexts`` maps names of FROM and ``--from`` to targets. ``secrets`` are names.
        """
        from hermes.actions.specs.dockerfile import Dockerfile
        from hermes.actions.specs.list_folders import ListFolders
        from hermes.dsl.dockerfiles import checked_texts, contexts_of, dockerfile_ref

        spec = Dockerfile(
            annotations=checked_texts("annotations", annotations or {}),
            arguments=checked_texts("build_args", build_args or {}),
            docker=format == "docker",
            epoch=self._configuration.epoch,
            labels=checked_texts("labels", labels or {}),
            network=bool(network),
            secrets=tuple(sorted(secrets)),
            squash=bool(squash),
            target=target,
            dockerfile=dockerfile_ref(dockerfile),
            contexts=tuple(contexts_of(context, contexts, strip_prefix)),
        )
        made = self._add(name, spec)
        look = ListFolders(layers=Ref(Output(made, "layers")))
        return self._whole_image(name, made, Output(self._add(f"{name}.folders", look), "folders"))

    def s2i(self, name: str, **arguments: Any) -> Info:
        """The image of an application and a builder, whose steps are found when the builder's settings are known.

        The arguments are the attributes of the rule ``s2i_image``, those that are images as ImageInfo or None, and
        ``layers`` as a list of layers.
        """
        from hermes.actions.specs.list_folders import ListFolders
        from hermes.dsl.s2i import s2i_spec

        made = self._add(name, s2i_spec(self._configuration.epoch, arguments))
        look = ListFolders(layers=Ref(Output(made, "layers")))
        return self._whole_image(name, made, Output(self._add(f"{name}.folders", look), "folders"))

    def import_image(self, name: str, files: Any, image: str = "") -> Info:
        """An image from an archive (an OCI layout, what docker save writes, or a root file system), or the files of an OCI layout.

        ``image`` is the tag or name of one of several images.
        """
        from hermes.actions.specs.import_image import ImportImage
        from hermes.actions.specs.list_folders import ListFolders

        given = files_of("files", files)
        prefix = ""
        if len(given) > 1:
            marker = next((one for one in given if one.basename == "oci-layout"), None)
            if marker is None:
                raise EvalError(
                    f"{len(given)} files are not an OCI layout: none of them is called oci-layout",
                    "name one archive, or all files of a layout",
                )
            prefix = marker.path.removesuffix("oci-layout")
        refs = tuple(
            Ref(one.content, one.path.removeprefix(prefix)) for one in given if one.path.startswith(prefix)
        )
        made = self._add(name, ImportImage(image=image, files=refs))
        look = ListFolders(layers=Ref(Output(made, "layers")))
        return self._whole_image(name, made, Output(self._add(f"{name}.folders", look), "folders"))

    def pull(self, name: str, ref: str, digest: str, folders: Any = None) -> Info:
        """An image of a registry, by the digest of its manifest, or of an index that has one for the platform.

        Its manifest and configuration are downloaded, and a layer when a command has to see it. ``folders`` is what
        images on it have to know of its tree, from ``ctx.locked_folders``; None: nobody knows.
        """
        from hermes.actions.specs.pull import Pull

        pull: Pull[Ref] = Pull(digest=Digest(checked_digest(digest)), ref=checked_reference(ref))
        note = None
        if folders is not None:
            note = self.write(f"{name}.folders.json", canonical_json(folders).decode()).artifact
        return self._whole_image(name, self._add(name, pull), note)

    def _whole_image(self, name: str, action: str, folders: Artifact | None = None) -> Info:
        """Return an image whose documents and layers one action gives; ``folders`` as of `Layer`."""
        manifest = File(Output(action, "manifest"), self._label, f"{name}.manifest.json")
        return IMAGE_INFO(
            config=File(Output(action, "config"), self._label, f"{name}.config.json"),
            environment=File(Output(action, "environment"), self._label, f"{name}.environment.json"),
            layers=[Layer(Output(action, "layers"), self._label, manifest.artifact, folders)],
            manifest=manifest,
            platform=str(self._configuration.platform),
        )
