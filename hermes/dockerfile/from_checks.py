"""Checks of what FROM names, in all stages. See `hermes.dockerfile.checks`."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from hermes.dockerfile.expansion import Lexer
from hermes.dockerfile.findings import Finding
from hermes.dockerfile.stages import Stage
from hermes.errors import DockerfileError, UsageError
from hermes.image.platform import Platform
from hermes.image.reference import Reference

_PLATFORM: Final = "TARGETPLATFORM"
_ELSEWHERE: Final = ("://", ":/", ":.")
"""What is in names of images by a transport, of which a registry's grammar says nothing."""


class Arguments(NamedTuple):
    """Those before the first FROM: as they are, as they are by default, and the names of all (None: they cannot be)."""

    given: Mapping[str, str]
    default: Mapping[str, str] | None
    names: Collection[str]


def from_findings(stages: Sequence[Stage], arguments: Arguments, escape: str) -> Iterator[Finding]:
    """Yield what the FROM of each stage shows. What cannot be expanded is an error where the stage is needed."""
    for number, stage in enumerate(stages):
        names = {one.name for one in stages[:number]}
        try:
            yield from _of_stage(stage, names, arguments, escape)
        except DockerfileError:
            continue


def _of_stage(stage: Stage, earlier: Collection[str], arguments: Arguments, escape: str) -> Iterator[Finding]:
    start = stage.start
    if arguments.default is not None:
        name = Lexer(escape).word(start.image, arguments.default)
        if name.lower() not in earlier and not _is_name(name):
            message = f"with the defaults of its arguments {start.image} names no image: {name!r}"
            yield Finding("InvalidDefaultArgInFrom", message, start.span)
    image = Lexer(escape)
    image.word(start.image, arguments.given)
    yield from _undefined(image, arguments, stage)
    if start.platform:
        lexer = Lexer(escape)
        text = lexer.word(start.platform, arguments.given)
        yield from _undefined(lexer, arguments, stage)
        yield from _of_platform(lexer, text, arguments, stage)


def _undefined(lexer: Lexer, arguments: Arguments, stage: Stage) -> Iterator[Finding]:
    known = {*arguments.given, *arguments.names}
    for name in sorted(lexer.unset - known):
        near = difflib.get_close_matches(name, known, 1)
        hint = f" (did you mean ${near[0]}?)" if near else ""
        yield Finding("UndefinedArgInFrom", f"nothing sets the variable ${name}{hint}", stage.start.span)


def _of_platform(lexer: Lexer, text: str, arguments: Arguments, stage: Stage) -> Iterator[Finding]:
    if lexer.found == {_PLATFORM} and not lexer.unset and text == arguments.given[_PLATFORM]:
        yield Finding(
            "RedundantTargetPlatform", "this is the platform without the flag, too", stage.start.span
        )
    if lexer.found or lexer.unset:
        return
    try:
        platform = Platform.parse(text)
    except UsageError:
        return  # an error where the stage is needed
    if platform.os not in stage.name and platform.architecture not in stage.name:
        message = "the platform is fixed, and cannot be chosen with --platform"
        yield Finding("FromPlatformFlagConstDisallowed", message, stage.start.span)


def _is_name(text: str) -> bool:
    if any(one in text for one in _ELSEWHERE):
        return True
    try:
        Reference.parse(text)
    except UsageError:
        return False
    return True
