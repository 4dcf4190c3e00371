"""RUN -> an action."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from hermes.actions.specs.run import Run as RunSpec
from hermes.actions.specs.spec import Ref
from hermes.container.mount_syntax import AgentUse, Bind, Dialect, Mount, SecretUse, SeededCache, parse
from hermes.container.mount_values import AgentMount, Cache, SecretMount, Tmpfs
from hermes.dockerfile.context import Collection, Context
from hermes.dockerfile.copies import Copies, Layers
from hermes.dockerfile.heredocs import parse_heredoc
from hermes.dockerfile.instructions import Run
from hermes.dockerfile.options import NETWORKS, Options
from hermes.dockerfile.recorder import Recorder
from hermes.dockerfile.state import State
from hermes.engine.action import Artifact
from hermes.errors import DockerfileError, UsageError
from hermes.wildcards import Ignored

_SCRIPTS: Final = "/run/heredocs"
_AGENT: Final = "SSH_AUTH_SOCK"


Source = Callable[[str], Layers | Context]
"""Finds what ``from`` names in a stage: layers, or the files of a context. An empty name is the build's own context."""


@dataclass(slots=True)
class _Parts:
    """What mounts come to, as `hermes.actions.specs.run.Run` has it.

    ``sockets`` counts those of agents, given or not.
    """

    mounts: dict[str, bool] = field(default_factory=dict)
    writable: list[str] = field(default_factory=list)
    caches: list[Cache] = field(default_factory=list)
    tmpfs: list[Tmpfs] = field(default_factory=list)
    secrets: list[SecretMount] = field(default_factory=list)
    agents: list[AgentMount] = field(default_factory=list)
    sockets: int = 0
    bound: list[Ref] = field(default_factory=list)
    seeds: list[Ref] = field(default_factory=list)
    sources: list[Ref] = field(default_factory=list)


class Runs:
    """Adds the actions of RUN."""

    def __init__(self, recorder: Recorder, copies: Copies, options: Options, source: Source) -> None:
        self._recorder = recorder
        self._copies = copies
        self._options = options
        self._source = source

    def run(self, run: Run, mount_texts: Sequence[str], state: State) -> tuple[Artifact, list[str]]:
        """Return the layer of what a command changed, and the command; raises `DockerfileError`."""
        parts = _Parts()
        for text in mount_texts:
            try:
                mount = parse(text, Dialect(workdir=state.workdir, seeds=True))
            except UsageError as error:
                raise DockerfileError(f"--mount={text}: {error.message}", hint=error.hint) from None
            self._mount(mount, parts, run)
        argv = self._argv(run, state, parts)
        env = {**state.scope.values, **state.env}
        if parts.agents:
            env.setdefault(_AGENT, parts.agents[0].target)
        command = RunSpec(
            argv=tuple(argv),
            cwd=state.workdir,
            env=env,
            literal_env=True,
            mounts=parts.mounts,
            mtime=self._options.epoch,
            network=(network := self._network(run)) != "none",
            host_network=network == "host",
            user=state.user,
            own_tmp=True,
            writable=tuple(parts.writable),
            caches=tuple(parts.caches),
            tmpfs=tuple(parts.tmpfs),
            secrets=tuple(parts.secrets),
            agents=tuple(parts.agents),
            volumes=self._options.volumes,
            hosts=self._options.hosts,
            capabilities=self._options.capabilities,
            proxies=state.scope.proxies(),
            roots=state.roots(),
            bound=tuple(parts.bound),
            seeds=tuple(parts.seeds),
            sources=tuple(parts.sources),
        )
        return self._recorder.layer(command, run.span), argv

    def _network(self, run: Run) -> str:
        chosen = run.network or self._options.network
        if chosen not in NETWORKS:
            raise DockerfileError(f"--network cannot be {chosen!r}", hint=f"it is {', '.join(NETWORKS)}")
        if run.security not in ("", "sandbox"):
            raise DockerfileError(
                f"--security={run.security} is not supported: commands run in a sandbox without privileges",
                hint="leave the flag out, and give the capability that the command needs with --cap-add",
            )
        if run.devices:
            raise DockerfileError(
                f"--device={run.devices[0]} is not supported: a sandbox has no devices of this machine",
                hint="leave the flag out; a command that needs a device runs with `hermes run`, outside of a build",
            )
        return chosen

    def _argv(self, run: Run, state: State, parts: _Parts) -> list[str]:
        words = run.command.words
        if run.heredocs:
            heredoc = run.heredocs[0]
            if parse_heredoc(words[0]) is None:
                text = words[0] + "".join(f"\n{one.content}{one.name}" for one in run.heredocs)
                return [*state.shell, text]
            if heredoc.text.startswith("#!"):
                path = f"{_SCRIPTS}/{heredoc.name}"
                parts.mounts[path] = True
                script = self._recorder.file(run.span, heredoc.text, executable=True)
                parts.sources.append(Ref(script, path))
                return [path]
            words = (heredoc.text,)
        return [*state.shell, *words] if run.command.for_shell else list(words)

    def _mount(self, mount: Mount, parts: _Parts, run: Run) -> None:
        match mount:
            case Bind():
                self._bind(mount, parts, run)
            case Cache():
                parts.caches.append(mount)
            case SeededCache():
                self._seeded(mount, parts, run)
            case Tmpfs():
                parts.tmpfs.append(mount)
            case SecretUse():
                self._secret(mount, parts)
            case AgentUse():
                self._agent(mount, parts)

    def _bind(self, mount: Bind, parts: _Parts, run: Run) -> None:
        if mount.origin == "":
            raise DockerfileError(
                "--mount: from= names nothing", hint="name a stage or an image, or leave it out"
            )
        layer = self._content(mount.origin or "", mount.source, run)
        parts.bound.append(Ref(layer, mount.target))
        if mount.writable:
            parts.writable.append(mount.target)

    def _seeded(self, mount: SeededCache, parts: _Parts, run: Run) -> None:
        parts.caches.append(mount.cache)
        parts.seeds.append(Ref(self._content(mount.origin, mount.source, run), mount.cache.target))

    def _content(self, origin: str, path: str, run: Run) -> Artifact:
        """Return a layer with one file or folder of a stage, an image or a context."""
        found = self._source(origin)
        path = path or "/"
        if isinstance(found, Layers):
            return self._copies.bound(run.span, path, found)
        matches = found.matching(path)
        if len(matches) != 1:
            count = f"{len(matches)} things" if matches else "nothing"
            raise DockerfileError(f"--mount: {path} matches {count}", hint="name one file or folder")
        collection = Collection(found, Ignored((), of=""), parents=False)
        collection.add(matches[0])
        return self._copies.bound_files(run.span, collection, found.mode(matches[0].path))

    def _secret(self, use: SecretUse, parts: _Parts) -> None:
        one = use.mount
        if one.id in self._options.secrets or use.required:
            parts.secrets.append(one._replace(uid=one.uid or 0, gid=one.gid or 0))

    def _agent(self, use: AgentUse, parts: _Parts) -> None:
        one = use.mount
        number, parts.sockets = parts.sockets, parts.sockets + 1
        if one.id in self._options.agents:
            target = one.target or f"/run/buildkit/ssh_agent.{number}"
            parts.agents.append(one._replace(target=target))
        elif use.required:
            raise DockerfileError(
                f"--mount=type=ssh: the agent {one.id!r} is required, and was not given",
                hint=f"give it: hermes bud --ssh {one.id}, or --ssh {one.id}=SOCKET or --ssh {one.id}=KEY",
            )
