"""Fields that relate packages: ``Depends``, ``Provides``, ``Conflicts`` and the like.

See Debian Policy, chapter 7, and deb-control(5). It does not know which packages there are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias, cast

from hermes.debian.version import Operator, satisfies
from hermes.errors import LockError

_RELATION: Final = re.compile(
    r"""\s*(?P<name>[^\s:()\[\]<>|,=]+)
    (?::(?P<qualifier>[A-Za-z0-9-]+))?
    \s*(?:\(\s*(?P<operator><<|<=|>=|>>|=|<|>|)\s*(?P<version>[^\s()<>=]+)\s*\))?
    \s*(?:\[(?P<architectures>[^\]]*)\])?
    (?:\s*<[^>]*>)*\s*\Z""",
    re.VERBOSE,
)
_OBSOLETE: Final = {"": "=", "<": "<=", ">": ">="}
"""What dpkg and apt take other operators for; without one a version is meant exactly."""
_ANY_WORDS: Final = ("any", "linux-any")


@dataclass(frozen=True, slots=True)
class Relation:
    """One package that a field names: ``name:qualifier (operator version) [architectures]``.

    ``operator`` is None when any version will do. ``architectures`` are those the relation is restricted to
    (or, with a ``!``, is not for); a binary index has none.
    """

    name: str
    operator: Operator | None = None
    version: str = ""
    qualifier: str = ""
    architectures: tuple[str, ...] = ()

    def matches(self, version: str | None) -> bool:
        """Tell whether ``version`` will do; None is the version of a name provided without one."""
        if self.operator is None:
            return True
        return version is not None and satisfies(version, self.operator, self.version)

    def applies_to(self, architecture: str) -> bool:
        """Tell whether the relation holds on ``architecture``."""
        if not self.architectures:
            return True
        refused = [word[1:] for word in self.architectures if word.startswith("!")]
        if refused:
            return architecture not in refused and not any(word in refused for word in _ANY_WORDS)
        return architecture in self.architectures or any(word in self.architectures for word in _ANY_WORDS)

    def reaches(self, architecture: str) -> bool:
        """Tell whether a package of ``architecture`` can be the one that the qualifier asks for."""
        return self.qualifier in ("", "any", "native", "all", architecture)

    def __str__(self) -> str:
        text = f"{self.name}:{self.qualifier}" if self.qualifier else self.name
        if self.operator is not None:
            text += f" ({self.operator} {self.version})"
        return f"{text} [{' '.join(self.architectures)}]" if self.architectures else text


Clause: TypeAlias = tuple[Relation, ...]
"""Alternatives: one of them is enough."""


def show_clause(clause: Clause) -> str:
    """Return the alternatives as a field writes them."""
    return " | ".join(map(str, clause))


@lru_cache(maxsize=1 << 15)
def parse_clauses(text: str) -> tuple[Clause, ...]:
    """Parse a field of dependencies: clauses between commas, alternatives between bars.

    Raises `LockError` with the part that is malformed.
    """
    parts = (part for part in text.split(",") if part.strip())
    return tuple(tuple(map(_parse_one, part.split("|"))) for part in parts)


@lru_cache(maxsize=1 << 15)
def parse_relations(text: str) -> tuple[Relation, ...]:
    """Parse a field without alternatives, such as ``Provides``; raises `LockError`."""
    return tuple(_parse_one(part) for part in text.split(",") if part.strip())


def _parse_one(text: str) -> Relation:
    match = _RELATION.match(text)
    if match is None:
        raise LockError(
            f"{text.strip()!r} does not name a package",
            hint="as in `name`, `name (>= version)` or `name:any`",
        )
    name, qualifier, operator, version, architectures = match.groups()
    return Relation(
        name,
        cast("Operator | None", _OBSOLETE.get(operator, operator)),
        version or "",
        qualifier or "",
        tuple((architectures or "").split()),
    )
