"""A workspace as a Python object: `Workspace.build` and its like."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from hermes.build.incremental import build
from hermes.build.options import BuildOptions
from hermes.build.result import BuildResult
from hermes.registry.settings import AS_CONFIGURED, Access
from hermes.store.location import default_home
from hermes.workspace.location import Location

if TYPE_CHECKING:
    import networkx as nx

    from hermes.api.explaining import Explanation
    from hermes.api.run_options import RunOptions
    from hermes.api.testing import TestResult
    from hermes.engine.events import Subscriber
    from hermes.images.pushing import Pushed
    from hermes.layer.compress import Compression
    from hermes.registry.settings import Registries
    from hermes.remote.settings import RemoteSettings

T = TypeVar("T")


class Workspace:
    """The workspace that ``path`` is in. ``home`` is the store to use (default: see `hermes.store.home`).

    ``subscribers`` are called with every event of a build (`hermes.engine.events`), ``say`` with what
    ``print()`` in a BUILD file says and with warnings. ``access`` says how registries are written to. Raises `WorkspaceError` when there is no workspace.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] = ".",
        *,
        home: Path | None = None,
        subscribers: Sequence[Subscriber] = (),
        say: Callable[[str], None] | None = None,
        access: Access = AS_CONFIGURED,
    ) -> None:
        self._here = Location.at(Path(path).expanduser(), home or default_home())
        self.root, self.home, self.package = self._here.root, self._here.home, self._here.package
        self._subscribers = tuple(subscribers)
        self._say = say or (lambda _: None)
        self._access = access

    def build(
        self, patterns: Sequence[str] | str, options: BuildOptions | None = None, **named: object
    ) -> BuildResult:
        """Build what the target patterns name and link it into ``hermes-out``.

        The fields of `BuildOptions` may be given by name. Raises `HermesError`: `BuildFailed` when actions
        failed, `BuildFileError` when a BUILD file is wrong, `StoreError` when the store cannot be used.
        """
        if isinstance(patterns, str):
            patterns = [patterns]
        chosen = options or BuildOptions(**named)  # type: ignore[arg-type]
        if chosen.destinations:
            from hermes.build.export import check

            check(chosen.destinations)
        result = build(self._here, patterns, chosen, self._subscribers, self._say)
        if chosen.destinations:
            from hermes.build.export import export

            def leave(built: BuildResult) -> None:
                remote = partial(self.remote, chosen)
                export(self.home, built, chosen.destinations, self.registries, self._tell(), remote)

            self._leaving(
                result, leave, lambda: build(self._here, patterns, chosen, self._subscribers, self._say)
            )
        return result

    def _leaving(
        self, result: BuildResult, leave: Callable[[BuildResult], T], again: Callable[[], BuildResult]
    ) -> T:
        """Take what was built out of the store; where a blob turns out to be damaged, build it ``again`` once."""
        from hermes.errors import MissingBlobError

        try:
            return leave(result)
        except MissingBlobError as error:
            from hermes.engine.events import Warned

            self._tell()(Warned(f"{error.message}; building what gives it again"))
        return leave(again())

    def _tell(self) -> Subscriber:
        from hermes.engine.events import Events

        return Events(*self._subscribers).emit

    def registries(self) -> Registries:
        """Return what ``hermes.yaml`` says of registries, and what this was made with."""
        from hermes.naming.registries import registries_of

        return registries_of(self.root, self.home, self._access)

    def remote(self, options: BuildOptions) -> RemoteSettings | None:
        """Return which remote services options or ``hermes.yaml`` name; None for none."""
        from hermes.naming.registries import remote_of

        return remote_of(self.root, self.home, options.remote)

    def run(
        self,
        target: str,
        arguments: Sequence[str] = (),
        *,
        entrypoint: str | None = None,
        how: RunOptions | None = None,
        options: BuildOptions | None = None,
        stdio: tuple[int, int, int] = (0, 1, 2),
    ) -> int:
        """Build an image and run it in the sandbox; return the program's exit status.

        ``arguments`` take the place of the image's ``cmd``, ``entrypoint`` that of its entry point; ``how``
        says what of the sandbox is opened. ``stdio`` are the descriptors of the program's standard input,
        output and error.
        """
        chosen = replace(options or BuildOptions(), taken_from_store=True)
        result = self.build([target], chosen)
        return self.run_built(result, arguments, entrypoint=entrypoint, how=how, stdio=stdio, options=chosen)

    def run_built(
        self,
        result: BuildResult,
        arguments: Sequence[str] = (),
        *,
        entrypoint: str | None = None,
        how: RunOptions | None = None,
        stdio: tuple[int, int, int] = (0, 1, 2),
        say: Callable[[str], None] | None = None,
        options: BuildOptions | None = None,
    ) -> int:
        """Run the one image of a build with ``options``; see `run`. ``say`` is told what the user should know meanwhile."""
        from hermes.api.run_options import RunOptions
        from hermes.api.running import run_image
        from hermes.build.export import only_image
        from hermes.workspace.root import read_settings

        settings = read_settings(self.root, self.home)
        how = how or RunOptions()
        label, _ = only_image(result)
        built_with = options or BuildOptions(taken_from_store=True)
        remote = partial(self.remote, built_with)
        tell = say or self._say

        def run(built: BuildResult) -> int:
            digest = only_image(built)[1]
            return run_image(
                self.home, str(label), digest, arguments, entrypoint, how, stdio, tell, settings, remote
            )

        return self._leaving(result, run, lambda: self.build([str(label)], built_with))

    def test(self, patterns: Sequence[str] | str, options: BuildOptions | None = None) -> TestResult:
        """Run the tests that target patterns name; ``tests`` of the options says how.

        Raises as `build`, but for tests that fail, and `NoTests` where there is none.
        """
        from hermes.api.testing import run_tests

        named = [patterns] if isinstance(patterns, str) else patterns
        return run_tests(self._here, named, options or BuildOptions(), self._subscribers, self._say)

    def lock(
        self,
        patterns: Sequence[str] = (),
        options: BuildOptions | None = None,
        *,
        check: bool = False,
        update: bool = False,
    ) -> list[Path]:
        """Resolve what targets (default: all) lock, packages and images of registries, and write the lock files.

        Images that are pinned stay so unless ``update`` is set. With ``check`` nothing is written. Returns the
        files that are up to date now. Raises `LockError`, also when ``check`` finds a file that is not.
        """
        from hermes.api.locking import LockOptions, lock_targets

        how = LockOptions(check, update)
        return lock_targets(self._here, patterns, options or BuildOptions(), self._say, how)

    def push(
        self,
        patterns: Sequence[str],
        destinations: Sequence[str] = (),
        options: BuildOptions | None = None,
        *,
        compression: Compression | None = None,
    ) -> list[Pushed]:
        """Build, and push what ``image_push`` targets say, or the one image of the patterns to ``destinations``.

        ``compression`` is what is asked of layers, whatever targets say; blobs stay as they are without. Raises
        `RegistryError`; then nothing that is not whole has got a name.
        """
        from hermes.images.pushing import Pushing

        options = replace(options or BuildOptions(), taken_from_store=True)
        result = self.build(patterns, options)
        remote = partial(self.remote, options)
        pushing = Pushing(self.home, self.registries, self._say, self._tell(), compression, remote)
        return self._leaving(
            result,
            lambda built: pushing.built(built, destinations),
            lambda: self.build(patterns, options),
        )

    def explain(self, patterns: Sequence[str], options: BuildOptions | None = None) -> Iterator[Explanation]:
        """Yield why each action of the targets was last executed."""
        from hermes.api.explaining import explain

        return explain(self._here, patterns, options or BuildOptions())

    def query(self, expression: str, options: BuildOptions | None = None) -> nx.DiGraph[str]:
        """Return the targets that an expression means, and the edges between them; see `hermes.api.querying`."""
        from hermes.api.querying import query

        return query(self._here, expression, options or BuildOptions())
