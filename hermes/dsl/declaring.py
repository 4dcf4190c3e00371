"""``ctx.actions``: how the implementation of a rule says what is to be done.

Specs of actions are loaded where a rule declares one, as most builds need few kinds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

from hermes.actions.specs.spec import Ref, Spec, declared
from hermes.digest import Digest, canonical_json
from hermes.dsl.commands import check_run, expect_text, identities, layers_at, staged, with_binds
from hermes.dsl.configuration import Configuration
from hermes.dsl.dialect.values import EvalError, Struct, show, type_name
from hermes.dsl.entries import Entries, check_paths
from hermes.dsl.file_digests import checked_file_digest
from hermes.dsl.mounts import as_mount, mounts_of
from hermes.dsl.providers import IMAGE_INFO, INDEX_INFO, PUSH_INFO, TEST_INFO, File, Info, Layer
from hermes.dsl.remotes import (
    checked_codec,
    checked_digest,
    checked_push,
    checked_reference,
)
from hermes.engine.action import ActionGraph, Artifact, Output, Source
from hermes.graph.label import Label
from hermes.image.config import is_timestamp
from hermes.layer.compress import Codec
from hermes.testing.sizes import SIZES

if TYPE_CHECKING:
    from hermes.actions.specs.command import Command

_URL_SCHEMES: Final = ("http://", "https://", "file://", "apt:", "npm:", "pypi:")
BUILD_FOLDER: Final = "/build"
"""Where commands that make files run."""


class Actions:
    """``ctx.actions``: each call declares an action and returns what it makes."""

    __slots__ = ("_configuration", "_graph", "_label", "_suffix")
    dsl_type: ClassVar[str] = "actions"
    dsl_attributes: ClassVar[frozenset[str]] = frozenset(
        {
            "accounts",
            "check_programs",
            "copy",
            "dockerfile",
            "fetch",
            "fetch_wheel",
            "host",
            "image",
            "import_image",
            "index",
            "layer",
            "pull",
            "push",
            "run",
            "s2i",
            "squash",
            "test",
            "write",
        }
    )

    def __init__(self, label: Label, graph: ActionGraph, configuration: Configuration, suffix: str) -> None:
        self._label = label
        self._graph = graph
        self._configuration = configuration
        self._suffix = suffix

    def write(self, name: str, content: str, executable: bool = False) -> File:
        """A file with the given text."""
        from hermes.actions.specs.write import Write

        expect_text("write", name, content)
        action = self._add(name, Write(content=content, executable=bool(executable)))
        return File(Output(action, "file"), self._label, name)

    def fetch(
        self,
        name: str,
        urls: Any,
        sha256: str = "",
        size: int | None = None,
        executable: bool = False,
        *,
        integrity: str = "",
    ) -> File:
        """A download, known by its ``sha256`` or by an ``integrity`` such as ``sha512-BASE64``; ``urls`` are tried in order."""
        from hermes.actions.specs.fetch import Fetch

        expect_text("fetch", name, sha256)
        expect_text("fetch", name, integrity)
        if type(urls) not in (list, tuple) or not urls or not all(type(one) is str for one in urls):
            raise EvalError("fetch() takes a list of addresses")
        for url in urls:
            if not url.startswith(_URL_SCHEMES):
                raise EvalError(f"{url!r} is not an address that can be fetched", "use http:// or https://")
        known = checked_file_digest(sha256, integrity)
        fetch: Fetch[Ref] = Fetch(
            sha256=known.sha256,
            executable=bool(executable),
            integrity=known.integrity,
            size=size,
            urls=tuple(urls),
        )
        action = self._add(name, fetch)
        return File(Output(action, "file"), self._label, name)

    def fetch_wheel(
        self, name: str, project: str, version: str, sha256: Any, *, python: str, libc: str
    ) -> File:
        """The wheel of a version that fits the platform, of those files of package indexes that have one of the digests.

        Where a lock names the file, use fetch() with an address ``pypi:PROJECT/FILENAME``.
        """
        from hermes.actions.specs.fetch_wheel import FetchWheel

        expect_text("fetch_wheel", name, version)
        wheel: FetchWheel[Ref] = FetchWheel(
            libc=libc,
            platform=str(self._configuration.platform),
            project=project,
            python=python,
            sha256=tuple(sha256),
            version=version,
        )
        return File(Output(self._add(name, wheel), "file"), self._label, name)

    def layer(self, name: str, entries: Any) -> Layer:
        """A layer of the given entries."""
        from hermes.actions.specs.layer import Layer as LayerSpec

        groups = [one for one in entries if type(one) is Entries]
        if len(groups) != len(entries):
            raise EvalError("layer() takes a list of entries", "make them with entry.files() and its like")
        check_paths(groups, self._label)
        entries = tuple(one.group for one in groups)
        action = self._add(name, LayerSpec(entries=entries, mtime=self._configuration.epoch))
        return Layer(Output(action, "layer"), self._label)

    def squash(self, name: str, layers: Any, below: Any = ()) -> Layer:
        """What a stack of layers comes to as one layer, for what is ``below`` it."""
        from hermes.actions.specs.squash import Squash

        squash = Squash(mtime=self._configuration.epoch, below=_refs(below), roots=_refs(layers))
        return Layer(Output(self._add(name, squash), "layer"), self._label)

    def accounts(self, name: str, *, root: Any, users: Any = (), groups: Any = ()) -> Layer:
        """A layer with the users and groups of the stack of layers ``root`` and more of them, and with home folders.

        ``users`` are lists of name, user id, group id, home folder and shell, ``groups`` lists of name, group id and a list of
        members. Without a root there are root and nobody besides.
        """
        from hermes.actions.specs.accounts import Accounts, GroupRow, UserRow

        spec = Accounts(
            users=tuple(UserRow(*one) for one in users),
            groups=tuple(GroupRow(called, gid, tuple(members)) for called, gid, members in groups),
            mtime=self._configuration.epoch,
            roots=_refs(root),
        )
        return Layer(Output(self._add(name, spec), "layer"), self._label)

    def check_programs(
        self,
        name: str,
        *,
        layers: Any,
        root: Any,
        start: str = "",
        missing: Any = (),
        env: Any = None,
        environment: Any = None,
    ) -> File:
        """Whether the stack of layers ``root`` has the libraries that the ELF files of ``layers``, some of it, need.

        With ``start``, the path of a program, only that and what it loads is looked at, and it must be for the platform. Layers of images
        from elsewhere are not read, only their lists of files. ``missing`` are names of libraries that need not be there;
        ``env`` and ``environment`` are as of run(), for LD_LIBRARY_PATH. Give the file that this returns to image() as one of its
        ``checks``.
        """
        from hermes.actions.specs.programs import CheckPrograms, ListPrograms

        expect_text("check_programs", name, start)
        listed = []
        for number, one in enumerate(_layers(layers)):
            if one.manifest is None:
                look = ListPrograms(layer=Ref(one.artifact))
                listed.append(Ref(Output(self._add(f"{name}.{number}", look), "programs")))
        check = CheckPrograms(
            start=start,
            missing=tuple(missing),
            library_path=(env or {}).get("LD_LIBRARY_PATH", ""),
            environment=None if environment is None else Ref(environment.artifact),
            roots=_refs(root),
            programs=tuple(listed),
        )
        return File(Output(self._add(name, check), "checked"), self._label, f"{name}.checked")

    def copy(
        self,
        name: str,
        *,
        root: Any,
        paths: Any,
        dest: str,
        base: Any = (),
        exclude: Any = (),
        parents: bool = False,
        owner: str = "",
        mode: int | None = None,
    ) -> Layer:
        """A layer of what is at ``paths`` (patterns) of the stack of layers ``root``, and of nothing else in it.

        It is put where ``dest`` is in the stack ``base``: into that folder if it ends with a slash, is a folder
        there, or more than one file is copied. Owners and modes stay unless others are given; ``owner`` may
        have names, which are looked up in ``base``.
        """
        from hermes.actions.specs.copy import Copy
        from hermes.actions.specs.list_files import ListFiles
        from hermes.actions.specs.resolve_destination import ResolveDestination

        select = ListFiles(
            exclude=tuple(exclude),
            from_=", ".join(dict.fromkeys(str(one.owner) for one in _layers(root))),
            keep_owners=not owner,
            optional=False,
            parents=bool(parents),
            sources=tuple(paths),
            roots=_refs(root),
        )
        selected = self._add(name, select)
        listing = Ref(Output(selected, "listing"))
        place = ResolveDestination(
            dest=dest.lstrip("/"),
            folder=bool(parents) or dest.endswith("/") or len(paths) > 1,
            owner=owner,
            roots=_refs(base),
            listing=listing,
        )
        copy = Copy(
            keep_owners=not owner,
            mode=mode,
            mtime=self._configuration.epoch,
            listing=listing,
            content=Ref(Output(selected, "content")),
            destination=Ref(Output(self._add(name, place), "destination")),
        )
        return Layer(Output(self._add(name, copy), "layer"), self._label)

    def run(
        self,
        name: str,
        *,
        root: Any,
        argv: Any,
        env: Any = None,
        environment: Any = None,
        inputs: Any = None,
        cwd: str = "",
        user: str = "",
        network: bool = False,
        timeout: int | None = None,
        outputs: Any = (),
        layer: bool = True,
        secrets: Any = (),
        secret_version: str = "",
        mounts: Any = (),
        subscriptions: Any = (),
        trees: Any = None,
    ) -> Struct:
        """A command in the stack of layers ``root``; gives its changes as ``layer``, and ``files``.

        ``inputs`` maps absolute paths to lists of files: a single file is mounted there itself, several are
        put below the path by their paths in their packages. ``outputs`` are absolute paths of files to keep.
        Without ``cwd`` the command runs in a folder of its own that is writable, has the ``inputs`` at "."
        in it, and is the place of ``outputs`` that are relative. ``environment`` is that of a base image.
        ``mounts`` and ``secrets`` are what `hermes.dsl.mounts` makes. ``trees`` maps absolute paths to layers: what
        such a layer has in ``/content`` is mounted there, read-only.
        """
        from hermes.actions.specs.run import Run

        check_run("run", name, argv, outputs)
        more = mounts_of(secrets, secret_version, [as_mount(one) for one in mounts])
        folders, files = staged(with_binds(inputs or {}, mounts))
        command = Run(
            argv=tuple(argv),
            cwd=BUILD_FOLDER if "." in folders else cwd,
            env=dict(env or {}),
            layer=bool(layer),
            mounts=folders,
            mtime=self._configuration.epoch,
            network=bool(network),
            outs=tuple(outputs),
            user=user,
            **more._asdict(),
            subscriptions=tuple(subscriptions),
            roots=_refs(root),
            environment=None if environment is None else Ref(environment.artifact),
            bound=layers_at(trees or {}),
            sources=files,
        )
        return self._command(name, command, timeout)

    def host(
        self,
        name: str,
        *,
        root: Any,
        argv: Any,
        tools: Any,
        env: Any = None,
        inputs: Any = None,
        network: bool = False,
        timeout: int | None = None,
        outputs: Any = (),
    ) -> Struct:
        """A command of the machine that fills ``$HERMES_ROOT``, where the stack of layers ``root`` is mounted.

        Gives the changes as ``layer``, and ``files``. ``tools`` maps the path of each tool to what it is: a
        version, which is only in the key, or "sha256:" and the digest of the file, which is verified.
        ``inputs`` and ``outputs`` are as those of run(); inputs are below /run.
        """
        from hermes.actions.specs.host import Host

        check_run("host", name, argv, outputs)
        mounts, files = staged(inputs or {})
        for path in mounts:
            if not path.startswith("/run/") or f"{path}/".startswith("/run/hermes/"):
                raise EvalError(f"{path} cannot hold inputs of a host tool", "put them below /run/inputs")
        command = Host(
            argv=tuple(argv),
            env=dict(env or {}),
            mounts=mounts,
            mtime=self._configuration.epoch,
            network=bool(network),
            outs=tuple(outputs),
            tools=identities(tools),
            roots=_refs(root),
            sources=files,
        )
        return self._command(name, command, timeout)

    def _command(self, name: str, command: Command[Ref], timeout: int | None) -> Struct:
        action = self._add(name, command, timeout=timeout)
        files = [
            File(Output(action, one), self._label, path.lstrip("/"))
            for one, path in zip(command.out_names, command.outs, strict=True)
        ]
        made = Layer(Output(action, "layer"), self._label) if command.layer else None
        return Struct({"layer": made, "files": files})

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
        if base is not None and not _is_image(base):
            raise EvalError(f"base is an ImageInfo, not {type_name(base)}")
        created = (config or {}).get("created")
        if created and not (type(created) is str and is_timestamp(created)):
            raise EvalError(
                f"{show(created)} is no time", 'write it as "2024-01-31T00:00:00Z"', attribute="created"
            )
        below = list(base.fields["layers"]) if base else []
        stack = [*below, *_layers(layers)]
        numbers = {one: number for number, one in enumerate(stack)}

        def relations(given: Any) -> dict[str, tuple[int, ...]]:
            return {
                str(numbers[one]): tuple(sorted(numbers[other] for other in others if other in numbers))
                for one, others in (given or {}).items()
                if one in numbers
            }

        notes = {number: one.folders for number, one in enumerate(stack) if one.folders is not None}
        image = Config(
            allow_conflicts=bool(allow_conflicts),
            built_on=relations(built_on),
            config=with_health_check(config or {}),
            epoch=self._configuration.epoch,
            made_on=relations(built_on if made_on is None else made_on),
            base=Ref(base.fields["config"].artifact) if base else None,
            below=_refs(below),
            layers=_refs(stack[len(below) :]),
            folders=tuple(
                Ref(note, str(number)) for number, note in notes.items() if len(stack) > len(below)
            ),
            checks=tuple(Ref(one.artifact) for one in _files("checks", checks)),
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

        given = _files("files", files)
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

    def index(self, name: str, images: Any, annotations: Any = None) -> Info:
        """An index of images (a list of ImageInfo), each for another platform."""
        from hermes.actions.specs.index import Index

        if type(images) not in (list, tuple) or not all(_is_image(one) for one in images):
            raise EvalError(f"images is a list of ImageInfo, not {type_name(images)}", attribute="images")
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

        if not (type(image) is Info and image.provider in (IMAGE_INFO, INDEX_INFO)):
            raise EvalError(f"image is an ImageInfo or IndexInfo, not {type_name(image)}")
        content = checked_push(repository, tags, compression, compression_level)
        made = self._add(name, Write(content=content))
        return PUSH_INFO(
            destination=File(Output(made, "file"), self._label, f"{name}.push.json"), image=image
        )

    def test(
        self,
        name: str,
        *,
        image: Any,
        files: Any = (),
        data: Any = (),
        command: Any = None,
        http: Any = None,
        args: Any = (),
        writable: bool = False,
        profile: str = "strict",
        capabilities: Any = (),
        dropped: Any = (),
        tmpfs: Any = (),
        network: bool = False,
        env: Any = None,
        user: str = "",
        workdir: str = "",
        hostname: str = "",
        size: str = "medium",
        timeout: int | None = None,
        exclusive: bool = False,
    ) -> Info:
        """The tests of an image (an ImageInfo): what ``files`` of container-structure-test ask for, a command, a server.

        ``data`` are files that those name. ``command`` is a dict of the fields of
        `hermes.testing.suite.CommandTest`, ``http`` one of `HttpTest`, whose server has the arguments ``args``. The rest
        opens the sandbox as the options of ``hermes run`` do.
        """
        from hermes.actions.specs.test import Test
        from hermes.dsl.tests import opened, suite_of

        if not _is_image(image):
            raise EvalError(f"image is an ImageInfo, not {type_name(image)}", attribute="image")
        runs = self._configuration.tests
        spec: Test[Ref] = Test(
            **suite_of(command, http),
            **opened(profile, capabilities, dropped, tmpfs, env or {}),
            argv=tuple(args),
            writable=bool(writable),
            network=bool(network),
            user=user,
            workdir=workdir,
            hostname=hostname,
            chosen=runs.chosen,
            config=Ref(image.fields["config"].artifact),
            roots=_refs(image.fields["layers"]),
            files=tuple(Ref(one.content, _place_of(one)) for one in files),
            data=tuple(Ref(one.content, one.path) for one in data),
        )
        seconds = runs.seconds or timeout or SIZES[size]
        reports = []
        for number in range(1, runs.runs + 1):
            called = name if runs.runs == 1 else f"{name}.{number}"
            one = spec.replaced(run=number) if runs.runs > 1 else spec
            action = self._add(called, one, timeout=seconds, exclusive=exclusive)
            reports.append(File(Output(action, "report"), self._label, f"{called}.test.json"))
        return TEST_INFO(image=image, reports=reports)

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

    def _add(self, name: str, spec: Spec[Ref], *, timeout: int | None = None, exclusive: bool = False) -> str:
        """Declare an action and return its id."""
        if type(name) is not str or not name:
            raise EvalError("an action needs a name")
        identity = f"{self._label}%{spec.kind}.{name}{self._suffix}"
        if identity in self._graph.actions:
            raise EvalError(f"{self._label} has two {spec.kind} actions named {name!r}")
        platform = str(self._configuration.platform)
        self._graph.add(
            declared(
                spec,
                name=identity,
                owner=str(self._label),
                platform=platform,
                timeout=timeout,
                exclusive=bool(exclusive),
            )
        )
        return identity


def _place_of(file: File) -> str:
    """Return what errors call a file: its path in the workspace, or in its package if an action makes it."""
    artifact = file.content
    return artifact.path if isinstance(artifact, Source) else file.path


def _is_image(value: Any) -> bool:
    return type(value) is Info and value.provider is IMAGE_INFO


def _files(called: str, value: Any) -> list[File]:
    if type(value) not in (list, tuple) or not all(type(one) is File for one in value):
        raise EvalError(f"{called} is a list of files, not {type_name(value)}")
    return list(value)


def _layers(value: Any) -> list[Layer]:
    if type(value) not in (list, tuple) or not all(type(one) is Layer for one in value):
        raise EvalError(f"a list of layers is needed, not {type_name(value)}")
    return list(value)


def _refs(value: Any) -> tuple[Ref, ...]:
    """Return a stack of layers as an action reads it."""
    return tuple(Ref(one.artifact, str(one.owner)) for one in _layers(value))
