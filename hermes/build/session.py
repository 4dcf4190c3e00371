"""One look at a workspace: its files, packages and targets, analyzed for one configuration."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hermes.build.epoch import epoch
from hermes.build.memory.snapshot import Snapshots
from hermes.build.requested_outputs import FILE, IMAGE, INDEX, LAYER, PUSH, TEST, TESTED, Wanted
from hermes.dsl.analysis import Analysis, Kept
from hermes.dsl.configuration import Configuration, TestRuns
from hermes.dsl.declarations import CONFIG_SETTING
from hermes.dsl.package import MANUAL
from hermes.dsl.packages import Packages
from hermes.dsl.providers import IMAGE_INFO, INDEX_INFO, LAYER_INFO, PUSH_INFO, TEST_INFO, Dependency
from hermes.dsl.rule import Target
from hermes.engine.action import Source
from hermes.errors import BuildFileError, HermesError, LabelError, NoTests
from hermes.graph.label import Label
from hermes.graph.pattern import parse_all, select
from hermes.image.platform import Platform
from hermes.store import Store
from hermes.workspace.listing import Folders
from hermes.workspace.location import MARKER
from hermes.workspace.root import read_settings
from hermes.workspace.sources import FileIndex

if TYPE_CHECKING:
    from hermes.build.options import BuildOptions


@contextmanager
def without_collection() -> Iterator[None]:
    """Do not look for garbage meanwhile: what analysis makes stays, and to go through it again and again is a third of it."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class Session:
    """The files and targets of a workspace, each read once, unless ``kept`` or ``folders`` knows it."""

    def __init__(
        self,
        root: Path,
        store: Store,
        index: FileIndex,
        options: BuildOptions,
        epoch: int,
        say: Callable[[str], None],
        kept: Kept | None = None,
        folders: Folders | None = None,
    ) -> None:
        self.root = root
        self.settings = read_settings(root, store.home)
        self.configuration = Configuration(
            Platform.parse(options.platform) if options.platform else Platform.host(),
            tuple(sorted(options.values.items())),
            epoch,
            TestRuns(options.tests.chosen, options.tests.runs, options.tests.seconds)
            if options.tests
            else TestRuns(),
        )
        self._tests = options.tests
        self.index = index
        self.settings_files = self.index.follow(MARKER)
        self.folders = folders or Folders(root, self.settings.ignore)
        self.packages = Packages(self.folders, self.index, store, say)
        self.analysis = Analysis(self.packages, self.folders, self.configuration, self._read, kept)
        self._say = say

    @classmethod
    def open(cls, root: Path, store: Store, options: BuildOptions, say: Callable[[str], None]) -> Session:
        """Look at the workspace at ``root`` with the file index of its last build."""
        index = FileIndex.load(root, Snapshots(store.home, root).files)
        return cls(root, store, index, options, epoch(), say)

    def labels(
        self, patterns: Sequence[str], package: str, broken: dict[str, HermesError] | None = None
    ) -> list[Label]:
        """Return the targets that patterns of the command line mean; raises `LabelError` when there are none.

        Where ``broken`` is given, it gets the errors of packages and targets that cannot be loaded, and the others go on.
        """
        parsed = parse_all(patterns, relative_to=package)
        candidates: dict[Label, None] = {}
        for pattern in parsed:
            if pattern.negative or pattern.label is not None:
                continue
            if pattern.package and not self.folders.has_folder(pattern.package):
                self.packages.package(pattern.package)
            names = [*self.folders.packages(pattern.package)] if pattern.recursive else [pattern.package]
            with closing(self.packages.in_turn(names)) as loading:
                for name in loading:
                    try:
                        candidates.update((label, None) for label in self._targets_of(name))
                    except HermesError as error:
                        if broken is None:
                            raise
                        broken[f"//{name}"] = error
        chosen = select(parsed, candidates)
        for pattern in parsed:
            if pattern.label is not None and not pattern.negative:
                try:
                    self._check_target(pattern.label)
                except HermesError as error:
                    if broken is None:
                        raise
                    broken[str(pattern.label)] = error
                    chosen = [label for label in chosen if label != pattern.label]
        if self._tests is not None:
            return self._tests_among(chosen, patterns, broken)
        if not chosen and not broken:
            everything = any(one.recursive and not one.package and not one.negative for one in parsed)
            hint = "declare one in a BUILD file" if everything else "run with //... for all targets"
            raise LabelError(f"{' '.join(patterns)} matches no target", hint=hint)
        return chosen

    def _tests_among(
        self, chosen: Sequence[Label], patterns: Sequence[str], broken: Mapping[str, HermesError] | None
    ) -> list[Label]:
        """Return those of targets that are tests to run; raises `NoTests`."""
        assert self._tests is not None
        targets = [self.packages.target(label) for label in chosen]
        tests = [one for one in targets if one is not None and one.rule.is_test]
        meant = [
            one.label for one in tests if self._tests.means(one.tags, str(one.attributes.get("size", "")))
        ]
        if not meant and not broken:
            what = (
                "no test has these tags and sizes" if tests else "declare one with image_test or command_test"
            )
            raise NoTests(f"{' '.join(patterns)} matches no test", hint=what)
        return meant

    def _targets_of(self, package: str) -> list[Label]:
        targets = self.packages.package(package).targets.values()
        return [target.label for target in targets if self.is_listed(target)]

    @property
    def is_testing(self) -> bool:
        return self._tests is not None

    @staticmethod
    def is_listed(target: Target) -> bool:
        """Tell whether a pattern that does not name a target means it."""
        return target.rule.name != CONFIG_SETTING and MANUAL not in target.tags

    def _check_target(self, label: Label) -> None:
        if self.packages.target(label) is None:
            if label.name in self.packages.files.of(label.package):
                raise LabelError(
                    f"{label} is a source file, not a target", hint="name the target that uses it"
                )
            raise self.packages.unknown(label)

    def warn_unused(self, names: Iterable[str]) -> None:
        """Warn of names given with ``--set`` that no condition asks for."""
        for name in names:
            self._say(f"warning: nothing depends on --set {name}")

    def _read(self, path: str) -> tuple[bytes, tuple[str, ...]]:
        paths = self.index.follow(path)
        try:
            with open(self.index.absolute(path), "rb") as file:
                return file.read(), paths
        except OSError as error:
            raise BuildFileError(f"{path}: {error.strerror}") from error


def wanted_of(targets: Iterable[Dependency], *, tested: bool = False) -> list[Wanted]:
    """Return what targets give: their images, layers and files; with ``tested`` what came of their tests."""
    return [one for target in targets for one in (_reports(target) if tested else _outputs(target))]


def _reports(target: Dependency) -> Iterator[Wanted]:
    label = target.label.label
    folder = f"{label.package}/" if label.package else ""
    if test := target.provides(TEST_INFO):
        for file in test.fields["reports"]:
            yield Wanted(str(label), TEST, folder + file.path, file.artifact.action, file.artifact.name)


def _outputs(target: Dependency) -> Iterator[Wanted]:
    label = target.label.label
    text = str(label)
    folder = f"{label.package}/" if label.package else ""
    if image := target.provides(IMAGE_INFO):
        artifact = image.fields["manifest"].artifact
        yield Wanted(text, IMAGE, folder + label.name, artifact.action, artifact.name)
    if index := target.provides(INDEX_INFO):
        artifact = index.fields["index"].artifact
        yield Wanted(text, INDEX, folder + label.name, artifact.action, artifact.name)
    if push := target.provides(PUSH_INFO):
        pushed = push.fields["image"]
        is_index = pushed.provider is INDEX_INFO
        artifact = pushed.fields["index" if is_index else "manifest"].artifact
        kind = INDEX if is_index else IMAGE
        yield Wanted(text, kind, folder + label.name, artifact.action, artifact.name)
        file = push.fields["destination"]
        yield Wanted(text, PUSH, folder + file.path, file.artifact.action, file.artifact.name)
    if layers := target.provides(LAYER_INFO):
        listed = layers.fields["layers"]
        for number, layer in enumerate(listed):
            name = label.name if len(listed) == 1 else f"{label.name}.{number}"
            yield Wanted(text, LAYER, folder + name, layer.artifact.action, layer.artifact.name)
    if test := target.provides(TEST_INFO):
        artifact = test.fields["image"].fields["config"].artifact
        yield Wanted(text, TESTED, "", artifact.action, artifact.name)
    for file in target.files:
        if isinstance(file.artifact, Source):
            yield Wanted(text, FILE, file.artifact.path, file.artifact.path, "")
        else:
            yield Wanted(text, FILE, folder + file.path, file.artifact.action, file.artifact.name)
