"""Applies the instructions of a stage, one by one, to its state."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from hermes.dockerfile import instructions as ins
from hermes.dockerfile.copies import Layers
from hermes.dockerfile.expansion import Lexer
from hermes.dockerfile.heredocs import Heredoc, parse_heredoc
from hermes.dockerfile.repositories import is_repository
from hermes.dockerfile.runs import Runs, Source
from hermes.dockerfile.stage_checks import of_command, of_port, of_variable, of_workdir
from hermes.dockerfile.state import State
from hermes.dockerfile.translation_context import TranslationContext
from hermes.errors import DockerfileError
from hermes.image.edit import LARGEST_PORT, exposed_port
from hermes.sizes import whole_number


class Builder:
    """Applies the instructions of one stage to its state."""

    def __init__(self, common: TranslationContext, state: State, source: Source) -> None:
        self._common = common
        self._state = state
        self._source = source
        self._runs = Runs(common.recorder, common.copies, common.options, source)

    def apply(self, instruction: ins.Instruction) -> None:
        """Apply one instruction; raises `DockerfileError` with its place."""
        with self._common.at(instruction.span):
            handler = _HANDLERS.get(type(instruction))
            assert handler is not None, instruction
            handler(self, instruction)

    def _expand(self, text: str) -> str:
        return self._common.checked_word(text, self._state.scope, self._state.variables)

    def arg(self, one: ins.Arg) -> None:
        shown = []
        for argument in one.arguments:
            name = self._common.word(argument.name, self._state.variables)
            default = argument.default
            if default is not None and name not in self._common.options.arguments:
                default = self._expand(default)
            elif default is not None:
                with suppress(DockerfileError):  # it does not count
                    default = self._common.word(default, self._state.variables)
            self._common.note(of_variable(name))
            self._common.used.add(name)
            self._state.scope.declare(name, default)
            shown.append(name if default is None else f"{name}={default}")
        self._state.note(f"ARG {' '.join(shown)}")

    def env(self, one: ins.Env) -> None:
        variables, scope = self._state.variables, self._state.scope
        shown = []
        for pair in one.pairs:
            name = self._common.checked_word(pair.name, scope, variables)
            value = self._common.checked_word(pair.value, scope, variables)
            self._common.note(of_variable(name))
            if not name:
                raise DockerfileError(f"{pair.name} expands to an empty variable name")
            self._state.set_env(name, value)
            shown.append(f"{name}={value}")
        self._state.note(f"ENV {' '.join(shown)}")

    def label(self, one: ins.Label) -> None:
        found = dict(self._state.config.get("Labels") or {})
        shown = []
        for pair in one.pairs:
            name, value = self._expand(pair.name), self._expand(pair.value)
            found[name] = value
            shown.append(f"{name}={value}")
        self._state.config["Labels"] = found
        self._state.note(f"LABEL {' '.join(shown)}")

    def run(self, one: ins.Run) -> None:
        mounts = [self._expand(text) for text in one.mounts]
        network = replace(one, network=self._expand(one.network))
        layer, argv = self._runs.run(network, mounts, self._state)
        self._push(layer, one, f"RUN {_shown(argv)}")

    def copy(self, one: ins.Copy) -> None:
        copies = self._common.copies
        sources = [text if self._is_heredoc(one, text) else self._expand(text) for text in one.sources]
        dest = self._expand(one.dest)
        if not all(sources):
            self._common.warn(
                f"a source of this {one.keyword} is empty after expansion, which names all that is there"
            )
            sources = [source or "/" for source in sources]
        whole = replace(
            one,
            owner=self._expand(one.owner),
            mode=self._expand(one.mode),
            checksum=self._expand(one.checksum),
            exclude=tuple(map(self._expand, one.exclude)),
        )
        origin = self._expand(one.origin)
        if one.origin and not origin:
            raise DockerfileError(
                f"--from={one.origin} is empty after expansion; expected a stage or an image"
            )
        found = self._source(origin)
        if one.adds and any(map(is_repository, sources)):
            layer = copies.from_repository(whole, sources, dest, self._state)
        elif isinstance(found, Layers):
            layer = copies.from_layers(whole, sources, dest, found, self._state)
        else:
            texts = [self._heredoc_text(heredoc) for heredoc in one.heredocs]
            taken = copies.taken(whole, sources, found, texts)
            if not taken:
                shown = " ".join(sources)
                self._common.warn(f"{shown} matches nothing, so that this {one.keyword} copies nothing")
            layer = copies.from_context(whole, taken, dest, self._state)
        shown = f" --from={one.origin}" if one.origin else ""
        self._push(layer, one, f"{one.keyword}{shown} {' '.join(sources)} {dest}")

    def _heredoc_text(self, heredoc: Heredoc) -> str:
        """Return the text of a heredoc with its variables; the escape character of the Dockerfile does not escape there."""
        if not heredoc.expands:
            return heredoc.text
        lexer = Lexer("\\", plain_quotes=True)
        return self._common.checked_word(heredoc.text, self._state.scope, self._state.variables, lexer=lexer)

    def _is_heredoc(self, one: ins.Copy, text: str) -> bool:
        return bool(one.heredocs) and parse_heredoc(text) is not None

    def _push(self, layer: Any, one: ins.Instruction, text: str) -> None:
        self._state.push(layer, self._common.place(one.span), one.span, text)

    def cmd(self, one: ins.Cmd) -> None:
        words = self._command(one.command)
        self._state.set_command(words)
        self._state.note(f"CMD {json.dumps(words)}")

    def entrypoint(self, one: ins.Entrypoint) -> None:
        words = self._command(one.command)
        self._state.set_entrypoint(words)
        self._state.note(f"ENTRYPOINT {json.dumps(words)}")

    def _command(self, command: ins.Command) -> list[str]:
        has_shell = bool(self._state.config.get("Shell"))
        self._common.note(of_command(for_shell=command.for_shell, has_shell=has_shell))
        if not command.for_shell:
            return list(command.words)
        return [*self._state.shell, *command.words] if command.words[0] else []

    def shell(self, one: ins.Shell) -> None:
        self._state.config["Shell"] = list(one.words)
        self._state.note(f"SHELL {json.dumps(list(one.words))}")

    def expose(self, one: ins.Expose) -> None:
        variables = self._state.variables
        texts = [word for port in one.ports for word in self._common.words(port, variables)]
        ports = dict(self._state.config.get("ExposedPorts") or {})
        for text in texts:
            self._common.note(of_port(text))
            ports.update({port: {} for port in _ports(text)})
        self._state.config["ExposedPorts"] = dict(sorted(ports.items()))
        self._state.note(f"EXPOSE {' '.join(texts)}")

    def volume(self, one: ins.Volume) -> None:
        paths = [self._expand(path) for path in one.paths]
        if not all(paths):
            raise DockerfileError("a path of this VOLUME is empty after expansion")
        volumes = {**(self._state.config.get("Volumes") or {}), **{path: {} for path in paths}}
        self._state.config["Volumes"] = dict(sorted(volumes.items()))
        self._state.note(f"VOLUME {json.dumps(paths)}")

    def user(self, one: ins.User) -> None:
        """Change the user; an empty one is root."""
        user = self._expand(one.user)
        self._state.edit("user", user)
        self._state.note(f"USER {user}")

    def workdir(self, one: ins.Workdir) -> None:
        """Change the folder; an empty path leaves it as it is."""
        path = self._expand(one.path)
        self._common.note(of_workdir(path, is_first=not self._state.has_workdir))
        self._state.has_workdir = True
        path = self._state.absolute(path)
        layer = self._common.copies.workdir(path, one.span, self._state)
        self._state.edit("workdir", path)
        self._push(layer, one, f"WORKDIR {path}")

    def stop_signal(self, one: ins.StopSignal) -> None:
        signal = self._expand(one.signal)
        self._state.edit("stop-signal", signal)
        self._state.note(f"STOPSIGNAL {signal}")

    def healthcheck(self, one: ins.Healthcheck) -> None:
        if one.command is None:
            check: dict[str, Any] = {"Test": ["NONE"]}
        else:
            words = list(one.command.words)
            check = {
                "Interval": one.interval,
                "Retries": one.retries,
                "StartInterval": one.start_interval,
                "StartPeriod": one.start_period,
                "Test": ["CMD-SHELL" if one.command.for_shell else "CMD", *words],
                "Timeout": one.timeout,
            }
        self._state.config["Healthcheck"] = {name: value for name, value in check.items() if value}
        self._state.note(one.original)

    def onbuild(self, one: ins.Onbuild) -> None:
        self._state.edit("onbuild", one.trigger)
        self._state.note(f"ONBUILD {one.trigger}")

    def maintainer(self, one: ins.Maintainer) -> None:
        self._state.edit("author", one.name)
        self._state.note(f"MAINTAINER {one.name}")


_HANDLERS: Final[Mapping[type[ins.Instruction], Callable[[Builder, Any], None]]] = {
    ins.Arg: Builder.arg,
    ins.Cmd: Builder.cmd,
    ins.Copy: Builder.copy,
    ins.Entrypoint: Builder.entrypoint,
    ins.Env: Builder.env,
    ins.Expose: Builder.expose,
    ins.Healthcheck: Builder.healthcheck,
    ins.Label: Builder.label,
    ins.Maintainer: Builder.maintainer,
    ins.Onbuild: Builder.onbuild,
    ins.Run: Builder.run,
    ins.Shell: Builder.shell,
    ins.StopSignal: Builder.stop_signal,
    ins.User: Builder.user,
    ins.Volume: Builder.volume,
    ins.Workdir: Builder.workdir,
}


def _shown(argv: list[str]) -> str:
    """Return a command as the history tells it."""
    return " ".join(argv) if len(argv) > 2 and argv[1] == "-c" else shlex.join(argv)


def _ports(text: str) -> list[str]:
    """Return the ports of an EXPOSE, one for each of a range; what is before a last colon does not count."""
    numbers, slash, protocol = text.rpartition(":")[2].partition("/")
    first, dash, last = numbers.partition("-")
    suffix = f"/{protocol.lower()}" if slash else ""
    if not dash:
        return [exposed_port(f"{first}{suffix}")]
    end = whole_number(last, LARGEST_PORT)
    start = None if end is None else whole_number(first, end)
    if start is None or end is None:
        raise DockerfileError(f"invalid port range {text!r}", hint="write 8000-8010")
    return [exposed_port(f"{number}{suffix}") for number in range(start, end + 1)]
