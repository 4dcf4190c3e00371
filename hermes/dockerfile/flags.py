"""The flags of instructions: ``--name``, ``--name=value``."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hermes.errors import DockerfileError

TEXT: Final = "text"
LIST: Final = "list"
FLAG: Final = "flag"

_COPY: Final = {"chmod": TEXT, "chown": TEXT, "exclude": LIST, "link": FLAG}
_KNOWN: Final[Mapping[str, Mapping[str, str]]] = {
    "ADD": {**_COPY, "checksum": TEXT, "keep-git-dir": FLAG, "unpack": FLAG},
    "COPY": {**_COPY, "from": TEXT, "parents": FLAG},
    "FROM": {"platform": TEXT},
    "HEALTHCHECK": {
        "interval": TEXT,
        "retries": TEXT,
        "start-interval": TEXT,
        "start-period": TEXT,
        "timeout": TEXT,
    },
    "RUN": {"device": LIST, "mount": LIST, "network": TEXT, "security": TEXT},
}


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags of one instruction: pairs of name and value in their order."""

    pairs: tuple[tuple[str, str], ...]

    def text(self, name: str) -> str:
        return next((value for key, value in self.pairs if key == name), "")

    def all(self, name: str) -> tuple[str, ...]:
        return tuple(value for key, value in self.pairs if key == name)

    def flag(self, name: str) -> bool | None:
        """Return whether a flag is on, or None where it was not given."""
        value = self.text(name)
        return None if not value else value == "true"


def parse_flags(keyword: str, words: Sequence[str]) -> Flags:
    """Return an instruction's flags; raises `DockerfileError` with one that is near for an unknown one."""
    known = _KNOWN.get(keyword, {})
    found: list[tuple[str, str]] = []
    for word in words:
        name, equals, value = word[2:].partition("=")
        kind = known.get(name)
        if kind is None:
            raise DockerfileError(f"{keyword} has no flag --{name}", hint=_near(name, known))
        if kind == FLAG:
            value = _truth(name, value) if equals else "true"
        elif not equals:
            raise DockerfileError(f"--{name} has no value", hint=f"write --{name}=VALUE")
        if kind != LIST and any(name == key for key, _ in found):
            raise DockerfileError(f"--{name} is given twice", hint="give it once")
        found.append((name, value))
    return Flags(tuple(found))


def _near(name: str, known: Mapping[str, str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    if near:
        return f"did you mean --{near[0]}?"
    return f"it has {', '.join(f'--{one}' for one in known)}" if known else "it has none"


def _truth(name: str, value: str) -> str:
    lower = value.lower()
    if lower in ("true", "1", "t"):
        return "true"
    if lower in ("false", "0", "f"):
        return "false"
    raise DockerfileError(f"--{name} cannot be {value!r}", hint="it is true or false")
