"""The actions of a Dockerfile -> targets of native rules that give the same files.

It begins where `hermes.dockerfile.translate` ends: variables are expanded, stages and triggers resolved. What a base
has at a path is asked where that decides where a copy goes; what a command leaves there is not known before it runs.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hermes.actions.specs.assemble_image import AssembleImage
from hermes.actions.specs.base_layer import BaseLayer
from hermes.actions.specs.copy import Copy as CopySpec
from hermes.actions.specs.fetch import Fetch
from hermes.actions.specs.git import Git
from hermes.actions.specs.list_files import ListFiles
from hermes.actions.specs.resolve_destination import ResolveDestination
from hermes.actions.specs.run import Run as RunSpec
from hermes.actions.specs.spec import Ref, of_action
from hermes.actions.specs.stack import Made
from hermes.actions.specs.write import Write
from hermes.container.mount_values import Cache, SecretMount, Tmpfs
from hermes.dockerfile.instructions import Copy, Run
from hermes.dockerfile.migration.buildfile import Call, Target
from hermes.dockerfile.migration.copies import Copied, Copying, Stack
from hermes.dockerfile.migration.image import image_attributes
from hermes.dockerfile.parse import Dockerfile
from hermes.dockerfile.stages import Stage, split_stages
from hermes.dockerfile.state import DEFAULT_SHELL
from hermes.dockerfile.translate import Translation
from hermes.engine.action import Action, Output
from hermes.errors import DockerfileError
from hermes.layer.view import View
from hermes.sandbox.process import DEFAULT_PATH
from hermes.store.caches import Sharing

_NETWORK: Final = (
    (
        re.compile(r"\bapt(?:-get)?\s[^;&|]*\b(?:update|install|(?:dist-)?upgrade)\b"),
        "take packages from an apt_layer with a lock",
    ),
    (re.compile(r"\b(?:curl|wget)\s"), "take files with fetch_file, which knows their digests"),
    (
        re.compile(r"\bgit\s[^;&|]*\b(?:clone|fetch|pull|submodule)\b"),
        "take an archive of a commit with fetch_file",
    ),
    (
        re.compile(
            r"\bapk\s[^;&|]*\b(?:add|update|upgrade)\b|\b(?:dnf|microdnf|yum|zypper|pacman|conda|poetry|pipx|rustup)\s"
            r"|\b(?:pip3?|uv|gem|bundle|composer|cargo|go|dotnet)\s[^;&|]*\b(?:add|build|download|fetch|generate|get"
            r"|install|mod|publish|restore|run|sync|test|update|vendor|wheel)\b|\b(?:npm|npx|yarn|pnpm|corepack|mvn|mvnw"
            r"|gradle|gradlew)\b"
        ),
        "pin what it takes with a lock of its own, or put that into the workspace",
    ),
)
_OFFLINE: Final = re.compile(r"\s--(?:no-index|offline)\b")
_MOST_SHOWN: Final = 100
_ROOT: Final = frozenset({"", "0", "0:0", "root", "root:root"})


@dataclass(frozen=True, slots=True)
class KnownBase:
    """An image that the Dockerfile names: the target that it is, its configuration, and its files if they are here."""

    label: str
    document: Mapping[str, Any]
    view: View | None


def migrate(
    translation: Translation,
    dockerfile: Dockerfile,
    bases: Mapping[str, KnownBase],
    copying: Copying,
    name: str,
) -> list[Target]:
    """Return targets, of which the last is an image called ``name``; raises `DockerfileError` for what has no rule."""
    return _Migration(translation, dockerfile, bases, copying, name).targets()


class _Migration:
    def __init__(
        self,
        translation: Translation,
        dockerfile: Dockerfile,
        bases: Mapping[str, KnownBase],
        copying: Copying,
        name: str,
    ) -> None:
        self._actions = translation.graph.actions
        self._composed = translation.manifest.action
        self._spans = translation.spans
        self._file = dockerfile
        self._stages = split_stages(dockerfile).stages
        self._bases = bases
        self._copying = copying
        self._name = name
        self._names: set[str] = {name, *(one.label.lstrip(":") for one in bases.values())}
        self._found: list[Target] = []
        self._files: dict[str, str] = {}
        self._layers: dict[str, Copied] = {}

    def targets(self) -> list[Target]:
        bound = {
            self._action_of(one).id
            for action in self._actions.values()
            if action.kind == RunSpec.kind
            for one in of_action(RunSpec[Ref], action).bound
        }
        handlers: Mapping[str, Callable[[Action], None]] = {
            CopySpec.kind: self._copy,
            Fetch.kind: self._fetch,
            RunSpec.kind: self._run,
            Write.kind: self._write,
        }
        for action in sorted(self._actions.values(), key=lambda one: self._spans[one.owner].first):
            if action.kind == Git.kind:
                problem = "no rule fetches git repositories"
                raise self._file.text.error(problem, self._spans[action.owner], "add an archive by its URL")
            handler = handlers.get(action.kind)
            if handler is None or action.id in bound:
                continue
            try:
                handler(action)
            except DockerfileError as error:
                if error.excerpt:
                    raise
                raise self._file.text.error(error.message, self._spans[action.owner], error.hint) from None
        self._found.append(self._image())
        return self._found

    # Files.

    def _write(self, action: Action) -> None:
        spec = of_action(Write[Ref], action)
        attributes = {"content": spec.content, "executable": spec.executable}
        self._file_target("write_file", action, "text", attributes)

    def _fetch(self, action: Action) -> None:
        spec = of_action(Fetch[Ref], action)
        attributes = {"sha256": spec.sha256, "urls": list(spec.urls)}
        self._file_target("fetch_file", action, "download", attributes)

    def _file_target(self, rule: str, action: Action, what: str, attributes: dict[str, Any]) -> None:
        target = Target(rule, self._named(action, what), attributes)
        self._files[action.id] = target.label
        self._found.append(target)

    # Layers.

    def _copy(self, action: Action) -> None:
        copy = of_action(CopySpec[Ref], action)
        stack = self._stack(self._place(copy).roots)
        what = "copy" if copy.entries or copy.archives or copy.listing else "workdir"
        self._layers[action.id] = self._copied(action, stack, self._named(action, what))

    def _copied(self, action: Action, stack: Stack, name: str, dest: str | None = None) -> Copied:
        """Add the targets of a copy. ``dest`` is where what a command sees mounted is to be."""
        copy = of_action(CopySpec[Ref], action)
        place = self._place(copy)
        if dest is not None:
            place = place.replaced(dest=dest.lstrip("/"), folder=not place.single)
        if copy.listing is not None:
            selected = of_action(ListFiles[Ref], self._action_of(copy.listing))
            root = self._stack(selected.roots).labels
            found = self._copying.from_layers(name, selected, root, copy, place, stack)
            if dest is not None and not place.single:
                found.targets[0].attributes["dest"] = f"/{place.dest}/"
        else:
            found = self._copying.of_files(name, copy, place, stack, self._files, self._folders(action))
        if found.targets:
            found.targets[0].comments[:0] = self._origin(action)
        for target in found.targets:
            self._names.add(target.name)
        self._found += found.targets
        return found

    def _place(self, copy: CopySpec[Ref]) -> ResolveDestination[Ref]:
        return of_action(ResolveDestination[Ref], self._action_of(copy.destination))

    def _folders(self, action: Action) -> list[str]:
        """Return the folders of the context that an instruction copies whole, where its words show that."""
        span = self._spans[action.owner]
        one = next((one for one in self._file.instructions if one.span == span), None)
        sources = one.sources if isinstance(one, Copy) else ("/",) if isinstance(one, Run) else ()
        return [posixpath.normpath(f"/{source}").strip("/") for source in sources]

    def _run(self, action: Action) -> None:
        command = of_action(RunSpec[Ref], action)
        if command.writable:
            raise DockerfileError(
                "a mount that the command may write has no rule", hint="copy the files, or leave rw out"
            )
        if command.seeds:
            raise DockerfileError(
                "no rule gives a cache that begins with files",
                hint="dockerfile_image and hermes bud build it as it is",
            )
        if command.agents:
            raise DockerfileError(
                "no rule gives a command an SSH agent",
                hint="dockerfile_image and hermes bud build it as it is",
            )
        stack = self._stack(command.roots)
        if not stack.labels:
            raise DockerfileError("there is nothing that the command could run in")
        target = Target("run_layer", self._named(action, "run"), comments=self._origin(action))
        base = list(stack.labels)
        for number, one in enumerate(command.bound):
            copied = self._copied(self._action_of(one), stack, f"{target.name}_mount{number + 1}", one.path)
            base += copied.labels
            target.comments.append(
                f"{one.path} is a layer below, not a mount: what the command writes there stays."
            )
        document = self._base_of(command.roots)
        config = document.get("config") or {}
        target.attributes = {
            "base": base,
            **_command(command.argv),
            "env": _env(command.env, config),
            "mounts": [*map(_cache, command.caches), *map(_tmpfs, command.tmpfs)],
            "secrets": [_secret(one, command.user) for one in command.secrets],
            "srcs": {
                one.path: self._files[one.artifact.action]
                for one in command.sources
                if isinstance(one.artifact, Output)
            },
            "user": _unless(command.user, config.get("User") or ""),
            "workdir": _unless(command.cwd, config.get("WorkingDir") or "/"),
        }
        text = " ".join(command.argv)
        if command.network and (advice := _needs_network(text)):
            target.attributes["network"] = True
            target.comments.append(f"Not reproducible: it needs the network; {advice}.")
        if re.search(r"(?<![\w.])/tmp\b", text):
            target.comments.append("What is in /tmp at the end is forgotten; in a Dockerfile it stays.")
        self._layers[action.id] = Copied([target], {}, own=True)
        self._found.append(target)

    def _image(self) -> Target:
        composed = of_action(AssembleImage[Ref], self._actions[self._composed])
        rows = [one.layer for one in composed.layers if isinstance(one, Made)]
        stack = self._stack(rows)
        attributes, comments = image_attributes(composed.document, self._base_of(rows))
        known = {one.label for one in self._bases.values()}
        base = [one for one in stack.labels[:1] if one in known]
        attributes["base"] = base
        attributes["layers"] = stack.labels[len(base) :]
        written = [path for one in rows for path in self._written(one)]
        if len(set(written)) < len(written):
            comments.append(
                "Layers write one path differently, and the later one counts, as in a Dockerfile."
            )
            attributes["allow_conflicts"] = True
        return Target("image", self._name, attributes, comments)

    def _written(self, one: Ref) -> Iterator[str]:
        assert isinstance(one.artifact, Output)
        copied = self._layers.get(one.artifact.action)
        if copied is not None and not copied.own:
            yield from (path for path, is_folder in copied.made.items() if not is_folder)

    # What is below, and what is called what.

    def _stack(self, layers: Iterable[Ref]) -> Stack:
        labels: list[str] = []
        view = None
        made: dict[str, bool] = {}
        certain = True
        for one in layers:
            action = self._action_of(one)
            if action.kind == BaseLayer.kind:
                base = self._bases[one.path]
                view = base.view
                certain = certain and view is not None
                if base.label not in labels:
                    labels.append(base.label)
            else:
                copied = self._layers[action.id]
                labels += copied.labels
                made.update(copied.made)
                certain = certain and not copied.own
        return Stack(labels, view, made, certain)

    def _base_of(self, layers: Sequence[Ref]) -> Mapping[str, Any]:
        """Return the configuration of the image that a stack begins with."""
        if layers and self._action_of(layers[0]).kind == BaseLayer.kind:
            return self._bases[layers[0].path].document
        return {}

    def _action_of(self, one: Ref) -> Action:
        assert isinstance(one.artifact, Output)
        return self._actions[one.artifact.action]

    def _stage(self, action: Action) -> Stage:
        line = self._spans[action.owner].first
        return [one for one in self._stages if one.start.span.first <= line][-1]

    def _named(self, action: Action, what: str) -> str:
        stage = self._stage(action)
        prefix = (
            f"{re.sub(r'[^a-z0-9_]', '_', stage.name)}_"
            if stage.name and stage is not self._stages[-1]
            else ""
        )
        base = f"{prefix}{what}_{self._spans[action.owner].first}"
        name, number = base, 1
        while name in self._names:
            number += 1
            name = f"{base}_{number}"
        self._names.add(name)
        return name

    def _origin(self, action: Action) -> list[str]:
        span = self._spans[action.owner]
        line = self._file.text.lines[span.first - 1].strip()
        more = " ..." if span.last > span.first and not line.endswith("...") else ""
        shown = line.rstrip(self._file.escape).rstrip()
        shown = shown if len(shown) <= _MOST_SHOWN else f"{shown[:_MOST_SHOWN].rstrip()} ..."
        return [f"{self._file.text.at(span)}: {shown}{more}"]


def _command(argv: Sequence[str]) -> dict[str, Any]:
    return {"cmd": argv[2]} if argv[:2] == DEFAULT_SHELL and len(argv) == 3 else {"argv": list(argv)}


def _env(env: Mapping[str, str], config: Mapping[str, Any]) -> dict[str, str]:
    """Return those variables that a command does not have anyway; a target doubles dollar signs."""
    pairs = (one.partition("=") for one in config.get("Env") or ())
    inherited = {"PATH": DEFAULT_PATH, **{name: value for name, _, value in pairs}}
    own = {name: value for name, value in env.items() if inherited.get(name) != value}
    return {name: value.replace("$", "$$") for name, value in own.items()}


def _unless(value: str, inherited: str) -> str | None:
    return None if value == inherited else value


def _cache(one: Cache) -> Call:
    shared = one.sharing is Sharing.SHARED
    sharing = [] if shared else [("sharing", str(one.sharing))]
    read_only = [("read_only", True)] if one.readonly else []
    owner = _owner(one) if one.uid or one.gid else []
    return Call("cache", (one.id, one.target), (*sharing, *_mode(one, 0o755), *owner, *read_only))


def _tmpfs(one: Tmpfs) -> Call:
    size = [("size", one.size)] if one.size else []
    return Call("tmpfs", (one.target,), (*size, *_mode(one, 0o1777)))


def _secret(one: SecretMount, user: str) -> str | Call:
    """Return a secret of a command of ``user``, to whom those belong for which nothing else is said."""
    is_usual = not one.target or (not one.env and one.target == f"/run/secrets/{one.id}")
    is_users = not (one.uid or one.gid) and user in _ROOT
    owner = [] if is_users else _owner(one)
    env = [("env", one.env)] if one.env else []
    named = (*([] if is_usual else [("path", one.target)]), *_mode(one, 0o400), *owner, *env)
    return Call("secret", (one.id,), named) if named else one.id


def _mode(one: Cache | Tmpfs | SecretMount, usual: int) -> list[tuple[str, str]]:
    return [] if one.mode == usual else [("mode", f"{one.mode:04o}")]


def _owner(one: Cache | SecretMount) -> list[tuple[str, str]]:
    return [("owner", f"{one.uid or 0}:{one.gid or 0}")]


def _needs_network(text: str) -> str:
    """Return what would make a command hermetic that seems to need the network, else nothing."""
    if _OFFLINE.search(text):
        return ""
    return next((advice for pattern, advice in _NETWORK if pattern.search(text)), "")
