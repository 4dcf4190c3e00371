"""One build of Dockerfiles: translate them, run what is missing, name the images and write them where they are to be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from hermes.build.dockerfile.built import BuiltDockerfile
from hermes.build.dockerfile.context_files import ContextFiles
from hermes.build.dockerfile.options import DockerfileOptions
from hermes.build.dockerfile.prepared import Prepared
from hermes.build.driver import Driver, How, Job
from hermes.build.memory.keys import part_of, remember_parts
from hermes.build.secrets import check_actions, read_secrets
from hermes.build.ssh_agents import read_agents, running
from hermes.engine.action import ActionGraph
from hermes.engine.events import Subscriber
from hermes.engine.scheduler import Report
from hermes.errors import BuildFailed
from hermes.naming.caches import cache_from, cache_to
from hermes.naming.registries import registries_of, settings_of
from hermes.naming.targets import BuildTarget


class DockerfileBuild:
    """Builds what ``wanted`` says by name with the store at ``home``; ``build_target`` builds targets that it names.

    All actions are one graph. A single Dockerfile has no name; of several all options are alike that say how they are
    run (`runs_like`). What they leave open, the ``hermes.yaml`` of the workspace says that this is started in, if
    there is one.
    """

    def __init__(
        self,
        wanted: Mapping[str, DockerfileOptions],
        home: Path,
        build_target: BuildTarget,
        subscribers: Sequence[Subscriber],
        say: Callable[[str], None],
    ) -> None:
        self._options = options = next(iter(wanted.values()))
        if options.runtime:
            from hermes.sandbox.choice import check_name

            check_name(options.runtime)
        self._build_target = build_target
        self._secrets = read_secrets(options.secrets) if options.secrets else {}
        self._agents = read_agents(options.agents)
        self._sockets: dict[str, str] = {}
        self._prepared = [
            Prepared(name, one, self._secrets, self._agents, say) for name, one in wanted.items()
        ]
        self._settings = settings_of(None, home)
        for one in self._prepared:
            one.open_destinations(lambda: self._driver.fetching.client)
        hidden = [one.variable for one in options.secrets]
        registries = partial(registries_of, None, home, options.access)
        self._driver = Driver(home, subscribers, registries, hidden)
        self._store = self._driver.store

    def run(self) -> dict[str, BuiltDockerfile]:
        """Build, name the images and write them; raises `DockerfileError`, `BuildFailed` and others."""

        def build(_: bool) -> dict[str, BuiltDockerfile]:
            with running(self._agents) as self._sockets:
                return self._build()

        return self._driver.run(build)

    def check(self, say: Callable[[str], None]) -> None:
        """Say what is better done otherwise, each with its place and lines; raises the `DockerfileError` of a build."""

        def checked(_: bool) -> None:
            for one in self._prepared:
                one.check(self._store, self._driver.fetching, self._build_target, say)

        self._driver.run(checked)

    def _translate(self) -> dict[str, str]:
        folders: dict[str, str] = {}
        for one in self._prepared:
            folders.update(one.translate(self._store, self._driver.fetching, self._build_target))
        return folders

    def _build(self) -> dict[str, BuiltDockerfile]:
        sources = ContextFiles(self._translate(), self._store)
        graph = ActionGraph()
        for one in self._prepared:
            one.tell()
            for action in one.actions():
                graph.add(action)
        if self._secrets:
            check_actions(graph, self._secrets)
        report = self._execute(graph, sources)
        sources.save(self._store)
        self._write_caches()
        return {one.name: one.finish(report, self._store, self._driver.fetching) for one in self._prepared}

    def _each(self, texts: Callable[[Prepared], Sequence[str]]) -> Iterator[str]:
        for one in self._prepared:
            yield from texts(one)

    def _write_caches(self) -> None:
        """Write each cache that is asked for, with what all Dockerfiles gave that ask for it."""
        for text in dict.fromkeys(self._each(lambda one: one.options.cache_to)):
            actions = [
                action for one in self._prepared if text in one.options.cache_to for action in one.actions()
            ]
            self._driver.write_caches(actions, [cache_to(text)])

    def _execute(self, graph: ActionGraph, sources: ContextFiles) -> Report:
        options, first = self._options, self._prepared[0]
        instructions: dict[str, str] = {}
        for one in self._prepared:
            instructions.update(one.instructions())
        root = first.folder if not first.name else Path.cwd()
        job = Job(
            graph,
            [one.wanted.action for one in self._prepared],
            sources,
            root,
            called=(lambda name: name) if first.name else lambda name: part_of(first.called, name),
            instruction=lambda owner: instructions.get(owner, ""),
        )
        fresh = frozenset(one for prepared in self._prepared for one in prepared.fresh())
        how = How(
            self._settings,
            options.runtime,
            options.jobs,
            use_cache=options.use_cache,
            secrets=self._secrets,
            agents=self._sockets,
            caches=[
                cache_from(text) for text in dict.fromkeys(self._each(lambda one: one.options.cache_from))
            ],
            remote=options.remote,
            again=lambda action: action.id in fresh,
        )
        try:
            return self._driver.execute(job, how)
        except BuildFailed as error:
            from hermes.build.dockerfile.targets import with_excerpts

            excerpts: dict[str, str] = {}
            for one in self._prepared:
                excerpts.update(one.excerpts())
            raise with_excerpts(error, excerpts) from None
        finally:
            known = self._driver.report.known
            parts = {
                one.called: [(job.called(made.id), made.kind) for made in one.actions() if made.id in known]
                for one in self._prepared
            }
            remember_parts(self._store, root, parts)


def runs_like(options: DockerfileOptions) -> tuple[object, ...]:
    """Return what Dockerfiles have in common that can be built as one graph."""
    return options.use_cache, options.secrets, options.agents, options.runtime, options.jobs
