"""RUN -> an action."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hermes.container.ignore import Ignored
from hermes.dockerfile import mounts
from hermes.dockerfile.context import Collection, Context
from hermes.dockerfile.copies import Copies, Layers
from hermes.dockerfile.heredocs import parse_heredoc
from hermes.dockerfile.instructions import Run
from hermes.dockerfile.mounts import Mount, parse_mount
from hermes.dockerfile.options import NETWORKS, Options
from hermes.dockerfile.recorder import Recorder
from hermes.dockerfile.state import State
from hermes.engine.action import Artifact, Input, Output
from hermes.errors import DockerfileError
from hermes.sandbox.process import BUILD_CAPABILITIES

_SCRIPTS: Final = "/run/heredocs"
_AGENT: Final = "SSH_AUTH_SOCK"


Source = Callable[[str], Layers | Context]
"""Finds what ``from`` names in a stage: layers, or the files of a context. An empty name is the build's own context."""


@dataclass(slots=True)
class _Parts:
    """Parameters and inputs that mounts come to; ``sockets`` counts those of agents, given or not."""

    folders: dict[str, bool] = field(default_factory=dict)
    writable: list[str] = field(default_factory=list)
    caches: list[dict[str, Any]] = field(default_factory=list)
    tmpfs: list[dict[str, Any]] = field(default_factory=list)
    secrets: list[dict[str, Any]] = field(default_factory=list)
    agents: list[dict[str, Any]] = field(default_factory=list)
    sockets: int = 0
    inputs: list[Input] = field(default_factory=list)


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
            self._mount(parse_mount(text, state.workdir), parts, run)
        argv = self._argv(run, state, parts)
        env = {**state.scope.values, **state.env}
        if parts.agents:
            env.setdefault(_AGENT, parts.agents[0]["target"])
        params = {
            "argv": argv,
            "caches": parts.caches,
            "cwd": state.workdir,
            "env": {name: value.replace("$", "$$") for name, value in env.items()},
            "layer": True,
            "mounts": parts.folders,
            "mtime": self._options.epoch,
            "network": self._network(run),
            "outs": [],
            "own_tmp": True,
            "secrets": parts.secrets,
            "tmpfs": parts.tmpfs,
            "user": state.user,
            "writable": parts.writable,
            **self._opened(),
        }
        if parts.agents:
            params["agents"] = parts.agents
        action = self._recorder.add(
            "run",
            run.span,
            params,
            [*state.roots(), *parts.inputs],
            ("layer",),
            unkeyed={"env": state.scope.proxies(), "timeout": None},
            platform=True,
        )
        return Output(action, "layer"), argv

    def _opened(self) -> dict[str, Any]:
        """Return what the command line gives every RUN; a key says only what is not so by default."""
        found: dict[str, Any] = {}
        if self._options.capabilities != BUILD_CAPABILITIES:
            found["capabilities"] = self._options.capabilities
        if self._options.hosts:
            found["hosts"] = self._options.hosts
        if self._options.volumes:
            found["volumes"] = [one._asdict() for one in self._options.volumes]
        return found

    def _network(self, run: Run) -> bool:
        chosen = run.network or self._options.network
        if chosen not in NETWORKS:
            raise DockerfileError(f"--network cannot be {chosen!r}", hint=f"it is {', '.join(NETWORKS)}")
        if run.security not in ("", "sandbox"):
            raise DockerfileError(
                f"--security={run.security} is not to be had: commands run in a sandbox",
                hint="leave the flag out, and give the capability that the command needs with --cap-add",
            )
        return chosen != "none"

    def _argv(self, run: Run, state: State, parts: _Parts) -> list[str]:
        words = run.command.words
        if run.heredocs:
            heredoc = run.heredocs[0]
            if parse_heredoc(words[0]) is None:
                text = words[0] + "".join(f"\n{one.content}{one.name}" for one in run.heredocs)
                return [*state.shell, text]
            if heredoc.text.startswith("#!"):
                path = f"{_SCRIPTS}/{heredoc.name}"
                parts.folders[path] = True
                script = self._recorder.file(run.span, heredoc.text, executable=True)
                parts.inputs.append(Input("src", path, script))
                return [path]
            words = (heredoc.text,)
        return [*state.shell, *words] if run.command.for_shell else list(words)

    def _mount(self, mount: Mount, parts: _Parts, run: Run) -> None:
        if mount.kind == mounts.BIND:
            self._bind(mount, parts, run)
        elif mount.kind == mounts.CACHE:
            if mount.text("from") or mount.text("source"):
                raise DockerfileError(
                    "--mount: a cache here begins empty", hint="leave out from= and source="
                )
            parts.caches.append(
                {
                    "gid": mount.number("gid", 0),
                    "id": mount.cache_id,
                    "mode": mount.number("mode", 0o755, 8),
                    **({"readonly": True} if mount.flag("ro") else {}),
                    "sharing": str(mount.sharing),
                    "target": mount.target,
                    "uid": mount.number("uid", 0),
                }
            )
        elif mount.kind == mounts.TMPFS:
            parts.tmpfs.append({"mode": 0o1777, "size": mount.size, "target": mount.target})
        elif mount.kind == mounts.SECRET:
            self._secret(mount, parts)
        else:
            self._agent(mount, parts)

    def _bind(self, mount: Mount, parts: _Parts, run: Run) -> None:
        if mount.has("from") and not mount.text("from"):
            raise DockerfileError(
                "--mount: from= names nothing", hint="name a stage or an image, or leave it out"
            )
        found = self._source(mount.text("from"))
        source = mount.text("source") or "/"
        if isinstance(found, Layers):
            if mount.flag("rw"):
                raise DockerfileError(
                    "--mount: what is mounted from a stage or an image cannot be written", hint="leave out rw"
                )
            parts.inputs.append(Input("bound", mount.target, self._copies.bound(run.span, source, found)))
            return
        matches = found.matching(source)
        if len(matches) != 1:
            count = f"{len(matches)} things" if matches else "nothing"
            raise DockerfileError(f"--mount: {source} matches {count}", hint="name one file or folder")
        collection = Collection(found, Ignored((), of=""), parents=False)
        collection.add(matches[0])
        if not mount.flag("rw"):
            layer = self._copies.bound_files(run.span, collection, found.mode(matches[0].path))
            parts.inputs.append(Input("bound", mount.target, layer))
            return
        single = not collection.folders
        parts.folders[mount.target] = single
        parts.writable.append(mount.target)
        for row in collection.rows.values():
            if row.source is not None:
                path = mount.target if single else f"{mount.target}/{row.name}"
                parts.inputs.append(Input("src", path, row.source))

    def _secret(self, mount: Mount, parts: _Parts) -> None:
        name = mount.text("id") or mount.target.rpartition("/")[2]
        if not name:
            raise DockerfileError("--mount=type=secret: it does not say which", hint="add id=NAME")
        if mount.text("env"):
            raise DockerfileError(
                f"--mount: the secret {name} cannot be given as a variable",
                hint="read it from its file, and leave out env=",
            )
        if name not in self._options.secrets and not mount.flag("required"):
            return
        parts.secrets.append(
            {
                "gid": mount.number("gid", 0),
                "id": name,
                "mode": mount.number("mode", 0o400, 8),
                "target": mount.target,
                "uid": mount.number("uid", 0),
            }
        )

    def _agent(self, mount: Mount, parts: _Parts) -> None:
        name = mount.text("id") or "default"
        number, parts.sockets = parts.sockets, parts.sockets + 1
        if name not in self._options.agents:
            if mount.flag("required"):
                raise DockerfileError(
                    f"--mount=type=ssh: the agent {name!r} is required, and was not given",
                    hint=f"give it: hermes bud --ssh {name}, or --ssh {name}=SOCKET or --ssh {name}=KEY",
                )
            return
        parts.agents.append(
            {
                "gid": mount.number("gid", 0),
                "id": name,
                "mode": mount.number("mode", 0o600, 8),
                "target": mount.target or f"/run/buildkit/ssh_agent.{number}",
                "uid": mount.number("uid", 0),
            }
        )
