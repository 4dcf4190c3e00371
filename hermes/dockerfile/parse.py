"""Instructions as text -> instructions as values. See the Dockerfile reference."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from hermes.dockerfile import words
from hermes.dockerfile.flags import Flags, parse_flags
from hermes.dockerfile.heredocs import parse_heredoc
from hermes.dockerfile.instructions import (
    KEYWORDS,
    Arg,
    Argument,
    Cmd,
    Command,
    Copy,
    Entrypoint,
    Env,
    Expose,
    From,
    Healthcheck,
    Instruction,
    Label,
    Maintainer,
    Onbuild,
    Run,
    Shell,
    StopSignal,
    User,
    Volume,
    Workdir,
)
from hermes.dockerfile.lines import Line, Lines, ParserDirective, read, split
from hermes.dockerfile.source import Text
from hermes.errors import DockerfileError, UsageError
from hermes.image.edit import MOST_RETRIES, nanoseconds
from hermes.sizes import whole_number

_NOT_IN_ONBUILD: Final = ("FROM", "MAINTAINER", "ONBUILD")


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """``escape`` is the escape character, ``directives`` those at the top; ``lines`` are as written."""

    text: Text
    instructions: tuple[Instruction, ...]
    escape: str = "\\"
    directives: tuple[ParserDirective, ...] = ()
    lines: tuple[Line, ...] = ()


def parse(name: str, text: str) -> Dockerfile:
    """Parse a Dockerfile that errors call ``name``; raises `DockerfileError` with the place."""
    found = read(name, text)
    return Dockerfile(
        found.text,
        tuple(_located(one, found) for one in found.lines),
        found.escape,
        found.directives,
        found.lines,
    )


def parse_trigger(trigger: str, text: Text, line: Line) -> Instruction:
    """Parse an instruction that an image's ONBUILD left, as if it stood at ``line``."""
    found = read(text.name, trigger)
    if len(found.lines) != 1:
        raise text.error(f"the trigger {trigger!r} of the base image is not one instruction", line.span)
    one = found.lines[0]
    moved = Line(one.keyword, one.flags, one.rest, one.original, line.span, one.heredocs)
    return _located(moved, Lines(text, (moved,), "\\", ()))


def _located(line: Line, lines: Lines) -> Instruction:
    try:
        return _parsed(line, lines.escape)
    except DockerfileError as error:
        raise lines.text.error(error.message, line.span, error.hint) from None


def _parsed(line: Line, escape: str) -> Instruction:
    keyword = line.keyword.upper()
    parser = _PARSERS.get(keyword)
    if parser is None:
        near = difflib.get_close_matches(keyword, KEYWORDS, 1)
        raise DockerfileError(
            f"there is no instruction {line.keyword}",
            hint=f"did you mean {near[0]}?" if near else "an instruction is FROM, RUN, COPY and the like",
        )
    return parser(_Written(line, keyword, parse_flags(keyword, line.flags), escape))


@dataclass(frozen=True, slots=True)
class _Written:
    line: Line
    keyword: str
    flags: Flags
    escape: str

    @property
    def rest(self) -> str:
        return self.line.rest

    def some(self, what: str) -> str:
        """Return what follows the flags; raises `DockerfileError` when there is nothing."""
        if not self.rest:
            raise DockerfileError(f"{self.keyword} has no {what}")
        return self.rest

    def command(self, what: str = "command") -> Command:
        return _command(self.some(what))


def _command(text: str) -> Command:
    found = words.json_list(text)
    return Command((text,), for_shell=True) if found is None else Command(tuple(found), for_shell=False)


def _from(one: _Written) -> Instruction:
    found = words.delimited(one.some("image"))
    platform = one.flags.text("platform")
    if len(found) == 1:
        return From(one.line.span, one.line.original, found[0], platform=platform)
    if len(found) == 3 and found[1].lower() == "as":
        return From(one.line.span, one.line.original, found[0], found[2], platform)
    raise DockerfileError("FROM has an image, and may have a name", hint="write FROM IMAGE [AS NAME]")


def _arg(one: _Written) -> Instruction:
    found = []
    for word in words.quoted_words(one.some("name"), one.escape):
        name, equals, value = word.partition("=")
        if not name:
            raise DockerfileError(f"{word!r} names no variable", hint="write ARG NAME or ARG NAME=DEFAULT")
        found.append(Argument(name, value if equals else None))
    return Arg(one.line.span, one.line.original, tuple(found))


def _pairs(one: _Written) -> tuple[words.Pair, ...]:
    found = words.pairs(one.some("name"), one.escape, one.keyword)
    if not all(pair.name for pair in found):
        raise DockerfileError(f"{one.keyword} has a value without a name")
    return tuple(found)


def _env(one: _Written) -> Instruction:
    return Env(one.line.span, one.line.original, _pairs(one))


def _label(one: _Written) -> Instruction:
    return Label(one.line.span, one.line.original, _pairs(one))


def _run(one: _Written) -> Instruction:
    command = one.command()
    if not command.for_shell and not command.words:
        raise DockerfileError("RUN has an empty list")
    return Run(
        one.line.span,
        one.line.original,
        command,
        one.line.heredocs,
        one.flags.all("mount"),
        one.flags.text("network"),
        one.flags.text("security"),
        one.flags.all("device"),
    )


def _copy(one: _Written) -> Instruction:
    found = words.json_list(one.some("source"))
    listed = words.delimited(one.rest) if found is None else found
    if len(listed) < 2:
        raise DockerfileError(
            f"{one.keyword} has no destination", hint=f"write {one.keyword} SOURCE... DESTINATION"
        )
    *sources, dest = listed
    if one.line.heredocs and parse_heredoc(dest):
        raise DockerfileError(f"{one.keyword} cannot have a heredoc as its destination")
    flags = one.flags
    return Copy(
        one.line.span,
        one.line.original,
        tuple(sources),
        dest,
        adds=one.keyword == "ADD",
        heredocs=one.line.heredocs,
        origin=flags.text("from"),
        owner=flags.text("chown"),
        mode=flags.text("chmod"),
        link=bool(flags.flag("link")),
        parents=bool(flags.flag("parents")),
        exclude=flags.all("exclude"),
        checksum=flags.text("checksum"),
        unpack=flags.flag("unpack"),
        keep_git_dir=flags.flag("keep-git-dir"),
    )


def _cmd(one: _Written) -> Instruction:
    return Cmd(one.line.span, one.line.original, _command(one.rest))


def _entrypoint(one: _Written) -> Instruction:
    return Entrypoint(one.line.span, one.line.original, one.command())


def _shell(one: _Written) -> Instruction:
    found = words.json_list(one.some("list"))
    if not found:
        raise DockerfileError("SHELL takes a list in JSON", hint='write SHELL ["/bin/sh", "-c"]')
    return Shell(one.line.span, one.line.original, tuple(found))


def _expose(one: _Written) -> Instruction:
    return Expose(one.line.span, one.line.original, tuple(words.delimited(one.some("port"))))


def _volume(one: _Written) -> Instruction:
    found = words.json_list(one.some("path"))
    paths = words.delimited(one.rest) if found is None else found
    if not all(path.strip() for path in paths):
        raise DockerfileError("VOLUME has an empty path")
    return Volume(one.line.span, one.line.original, tuple(paths))


def _user(one: _Written) -> Instruction:
    return User(one.line.span, one.line.original, one.some("name"))


def _workdir(one: _Written) -> Instruction:
    return Workdir(one.line.span, one.line.original, one.some("path"))


def _stop_signal(one: _Written) -> Instruction:
    return StopSignal(one.line.span, one.line.original, one.some("signal"))


def _maintainer(one: _Written) -> Instruction:
    return Maintainer(one.line.span, one.line.original, one.some("name"))


def _healthcheck(one: _Written) -> Instruction:
    kind, rest = words.first(one.some("command"))
    if kind.upper() == "NONE":
        if rest or one.flags.pairs:
            raise DockerfileError("HEALTHCHECK NONE stands alone")
        return Healthcheck(one.line.span, one.line.original, None)
    if kind.upper() != "CMD":
        raise DockerfileError(f"HEALTHCHECK has no {kind!r}", hint="write HEALTHCHECK CMD COMMAND, or NONE")
    if not rest:
        raise DockerfileError("HEALTHCHECK CMD has no command")
    given = one.flags.text("retries")
    retries = whole_number(given or "0", MOST_RETRIES)
    if retries is None:
        raise DockerfileError(f"--retries cannot be {given!r}", hint="it is a number")
    return Healthcheck(
        one.line.span,
        one.line.original,
        _command(rest),
        _time(one.flags, "interval"),
        _time(one.flags, "timeout"),
        _time(one.flags, "start-period"),
        _time(one.flags, "start-interval"),
        retries,
    )


def _time(flags: Flags, name: str) -> int:
    text = flags.text(name)
    if not text:
        return 0
    try:
        found = nanoseconds(text)
    except UsageError as error:
        raise DockerfileError(f"--{name}: {error.message}", hint=error.hint) from None
    if 0 < found < 1_000_000:
        raise DockerfileError(f"--{name} cannot be shorter than a millisecond")
    return found


def _onbuild(one: _Written) -> Instruction:
    trigger = one.some("instruction")
    keyword, flags, rest = split(trigger)
    if keyword.upper() in _NOT_IN_ONBUILD:
        raise DockerfileError(f"{keyword.upper()} cannot be a trigger of ONBUILD")
    line = Line(keyword, flags, rest, trigger, one.line.span, one.line.heredocs)
    inner = _parsed(line, one.escape)
    texts = "".join(f"\n{heredoc.content}{heredoc.name}" for heredoc in one.line.heredocs)
    return Onbuild(one.line.span, one.line.original, trigger + texts, inner)


_PARSERS: Final[Mapping[str, Callable[[_Written], Instruction]]] = {
    "ADD": _copy,
    "ARG": _arg,
    "CMD": _cmd,
    "COPY": _copy,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "FROM": _from,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "MAINTAINER": _maintainer,
    "ONBUILD": _onbuild,
    "RUN": _run,
    "SHELL": _shell,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
