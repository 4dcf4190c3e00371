"""Changes to the configuration of an image, one setting at a time.

Settings are those of image-spec, config.md, "config", and Docker's ``Healthcheck``, ``OnBuild`` and ``Shell``
(Docker image specification v1.2), which only images of that format keep.
"""

from __future__ import annotations

import json
import re
import shlex
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from hermes.digest import read_json
from hermes.errors import UsageError
from hermes.image.platform import Platform
from hermes.sizes import whole_number

Document = dict[str, Any]

_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ns|us|ms|s|m|h))+\Z")
_PIECE: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)")
_UNITS: Final = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_REAL_TIME: Final = re.compile(r"SIGRT(MIN(\+([1-9]|1[0-5]))?|MAX(-([1-9]|1[0-4]))?)\Z")
_MORE_SIGNALS: Final = frozenset({"SIGCLD", "SIGPOLL", "SIGSTKFLT", "SIGUNUSED"})
_PROTOCOLS: Final = ("tcp", "udp", "sctp")
_LAST_SIGNAL: Final = 64
_LONGEST: Final = (1 << 63) - 1
LARGEST_PORT: Final = 65535
MOST_RETRIES: Final = (1 << 31) - 1
"""What Docker reads the retries of a health check as: an int32."""


def edited(document: Mapping[str, Any], changes: Sequence[tuple[str, str]]) -> Document:
    """Return a configuration with ``changes``, pairs of a setting's name (see `SETTINGS`) and a text.

    Raises `UsageError` for a value that a setting cannot have.
    """
    made: Document = json.loads(json.dumps(document))
    made.setdefault("config", {})
    for name, text in changes:
        SETTINGS[name](made, text)
    made["config"] = {name: value for name, value in made["config"].items() if value}
    return made


def exposed_port(text: str) -> str:
    """Return a port as ``ExposedPorts`` has it; raises `UsageError`."""
    number, slash, protocol = text.partition("/")
    port = whole_number(number, LARGEST_PORT)
    if not port or (slash and protocol not in _PROTOCOLS):
        raise UsageError(f"{text!r} is not a port", hint="write 8080 or 53/udp")
    return f"{port}/{protocol or 'tcp'}"


def nanoseconds(text: str) -> int:
    """Return a time as Go writes it (``1m30s``); raises `UsageError`."""
    if not _DURATION.match(text):
        raise UsageError(f"invalid duration {text!r}", hint="write it as 30s, 1m30s or 500ms")
    found = sum(float(number) * _UNITS[unit] for number, unit in _PIECE.findall(text))
    if found > _LONGEST:
        raise UsageError(f"the duration {text!r} is longer than 292 years")
    return int(found)


def command_line(text: str) -> list[str]:
    """Return a command that was given as JSON (``["a", "b"]``) or as a line for a shell to split."""
    if text.lstrip().startswith("["):
        try:
            found = read_json(text)
        except ValueError:
            found = None
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise UsageError(
                f"expected a JSON list of strings, got {text!r}", hint='write ["program", "argument"]'
            )
        return found
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{text!r} cannot be split into words: {error}") from None


def _text(field: str) -> Callable[[Document, str], None]:
    def change(document: Document, text: str) -> None:
        document["config"][field] = text

    return change


def _command(field: str) -> Callable[[Document, str], None]:
    def change(document: Document, text: str) -> None:
        document["config"][field] = command_line(text) if text else None

    return change


def _entrypoint(document: Document, text: str) -> None:
    """Set the entry point; a plain text is for the shell, as in a Dockerfile, and an inherited command ends."""
    config = document["config"]
    config["Entrypoint"] = command_line(text) if text.lstrip().startswith("[") else ["/bin/sh", "-c", text]
    config.pop("Cmd", None)
    if not text:
        config.pop("Entrypoint")


def _env(document: Document, text: str) -> None:
    """``NAME=VALUE`` sets a variable, ``NAME-`` unsets it, ``-`` unsets all."""
    name, equals, _ = text.partition("=")
    unset = not equals and text.endswith("-")
    given = name[:-1] if unset else name
    if text == "-":
        document["config"].pop("Env", None)
        return
    if not (equals or unset) or not _NAME.match(given):
        raise UsageError(f"expected NAME=VALUE, got {text!r}", hint="write NAME- to unset it")
    env: list[str] = list(document["config"].get("Env") or ())
    place = next((place for place, one in enumerate(env) if one.partition("=")[0] == given), None)
    if unset:
        if place is not None:
            del env[place]
    elif place is None:
        env.append(text)
    else:
        env[place] = text
    document["config"]["Env"] = env


def _mapping(field: str, what: str) -> Callable[[Document, str], None]:
    """``NAME=VALUE`` sets, ``NAME-`` unsets, ``-`` unsets all."""

    def change(document: Document, text: str) -> None:
        holder = document["config"] if field == "Labels" else document
        found: dict[str, str] = dict(holder.get(field) or {})
        name, equals, value = text.partition("=")
        if text == "-":
            found.clear()
        elif equals and name:
            found[name] = value
        elif text.endswith("-"):
            found.pop(text[:-1], None)
        else:
            raise UsageError(f"{what}: expected NAME=VALUE, got {text!r}", hint="write NAME- to unset it")
        holder[field] = found

    return change


def _set_of(field: str, checked: Callable[[str], str]) -> Callable[[Document, str], None]:
    """``VALUE`` adds, ``VALUE-`` takes out, ``-`` takes all out."""

    def change(document: Document, text: str) -> None:
        found: dict[str, Any] = dict(document["config"].get(field) or {})
        if text == "-":
            found.clear()
        elif text.endswith("-"):
            found.pop(checked(text[:-1]), None)
        else:
            found[checked(text)] = {}
        document["config"][field] = dict(sorted(found.items()))

    return change


def _absolute(text: str) -> str:
    if not text.startswith("/"):
        raise UsageError(f"{text!r} is not an absolute path", hint=f"write /{text}")
    return text


def _workdir(document: Document, text: str) -> None:
    """A relative path goes on from the folder that is set."""
    import posixpath

    current = document["config"].get("WorkingDir") or "/"
    document["config"]["WorkingDir"] = posixpath.normpath(posixpath.join("/", current, text)) if text else ""


def is_signal(text: str) -> bool:
    """Tell whether ``text`` is a signal as runtimes take it: its number, or its name with or without SIG."""
    if text.isascii() and text.isdigit():
        return bool(whole_number(text, _LAST_SIGNAL))
    name = text.upper() if text.upper().startswith("SIG") else f"SIG{text.upper()}"
    known = {one.name for one in signal.Signals} | _MORE_SIGNALS
    return name in known or _REAL_TIME.match(name) is not None


def _signal(document: Document, text: str) -> None:
    if text and not is_signal(text):
        raise UsageError(f"unknown signal {text!r}", hint="write SIGTERM, or its number")
    document["config"]["StopSignal"] = text


def _onbuild(document: Document, text: str) -> None:
    found = list(document["config"].get("OnBuild") or ())
    document["config"]["OnBuild"] = [] if text == "-" else [*found, text]


def _health_command(document: Document, text: str) -> None:
    """``NONE`` switches an inherited check off, ``CMD ...`` and ``CMD-SHELL ...`` are as in a Dockerfile."""
    if text in ("", "-"):
        document["config"].pop("Healthcheck", None)
        return
    word, _, rest = text.partition(" ")
    if word == "NONE":
        test = ["NONE"]
    elif word == "CMD":
        test = ["CMD", *command_line(rest.strip())]
    else:
        test = ["CMD-SHELL", rest.strip() if word == "CMD-SHELL" else text]
    document["config"]["Healthcheck"] = {**(document["config"].get("Healthcheck") or {}), "Test": test}


def _health(field: str) -> Callable[[Document, str], None]:
    def change(document: Document, text: str) -> None:
        if field == "Retries":
            retries = whole_number(text, MOST_RETRIES)
            if retries is None:
                raise UsageError(f"invalid number of retries {text!r}")
            value = retries
        else:
            value = nanoseconds(text)
        check = dict(document["config"].get("Healthcheck") or {})
        document["config"]["Healthcheck"] = {**check, field: value}

    return change


def _platform_part(part: str) -> Callable[[Document, str], None]:
    """Change one part of the platform; what comes of it must be one."""

    def change(document: Document, text: str) -> None:
        document[part] = text
        if part == "variant":
            if not re.fullmatch(r"[a-z0-9.]*", text):
                raise UsageError(f"invalid variant {text!r}", hint="such as v8")
            if not text:
                document.pop("variant")
            return
        names = (document.get("os") or "linux", document.get("architecture") or "")
        parsed = Platform.parse("/".join(name for name in names if name))
        document[part] = parsed.os if part == "os" else parsed.architecture

    return change


def _plain(field: str) -> Callable[[Document, str], None]:
    """A text beside the settings of commands."""

    def change(document: Document, text: str) -> None:
        document[field] = text
        if not text:
            document.pop(field)

    return change


SETTINGS: Final[Mapping[str, Callable[[Document, str], None]]] = {
    "annotation": _mapping("annotations", "annotation"),
    "arch": _platform_part("architecture"),
    "author": _plain("author"),
    "comment": _plain("comment"),
    "cmd": _command("Cmd"),
    "entrypoint": _entrypoint,
    "env": _env,
    "healthcheck": _health_command,
    "healthcheck-interval": _health("Interval"),
    "healthcheck-retries": _health("Retries"),
    "healthcheck-start-period": _health("StartPeriod"),
    "healthcheck-timeout": _health("Timeout"),
    "label": _mapping("Labels", "label"),
    "onbuild": _onbuild,
    "os": _platform_part("os"),
    "port": _set_of("ExposedPorts", exposed_port),
    "shell": _command("Shell"),
    "stop-signal": _signal,
    "user": _text("User"),
    "variant": _platform_part("variant"),
    "volume": _set_of("Volumes", _absolute),
    "workdir": _workdir,
}
"""The settings by the names that the command line gives them. Annotations are the manifest's."""
