"""Versions and ranges of npm packages.

See Semantic Versioning 2.0.0 and the documentation of npm's library ``semver``, "Ranges". It reads loosely what that reads
loosely: a leading ``v`` or ``=``, spaces after operators.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

_NUMBER: Final = r"(?:0|[1-9][0-9]{0,15}|0[0-9]+)"
_REST: Final = r"(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?"
_VERSION: Final = re.compile(rf"[v=\s]*({_NUMBER})\.({_NUMBER})\.({_NUMBER}){_REST}\s*\Z")
_PART: Final = rf"(?:{_NUMBER}|[xX*])"
_PARTIAL: Final = re.compile(rf"[v=\s]*({_PART})(?:\.({_PART})(?:\.({_PART}){_REST})?)?\Z")
_COMPARATOR: Final = re.compile(r"(\^|~>?|>=|<=|>|<|=|)(.*)\Z")
_SPACED: Final = re.compile(r"(\^|~>?|>=|<=|>|<|=)\s+")
_HYPHEN: Final = re.compile(r"\s*(\S+)\s+-\s+(\S+)\s*\Z")

Identifiers = tuple[int | str, ...]


class Version(NamedTuple):
    """``major.minor.patch-prerelease``; what is built is of no weight."""

    major: int
    minor: int
    patch: int
    prerelease: Identifiers = ()

    @classmethod
    def parse(cls, text: str) -> Version | None:
        """Return a version; None for anything else."""
        match = _VERSION.match(text.strip())
        if match is None:
            return None
        return cls(int(match[1]), int(match[2]), int(match[3]), _identifiers(match[4]))

    @property
    def key(self) -> tuple[object, ...]:
        """Orders versions: numbers before words, a release after its prereleases."""
        identifiers = tuple((0, one, "") if isinstance(one, int) else (1, 0, one) for one in self.prerelease)
        return (self.major, self.minor, self.patch, not identifiers, identifiers)


def _identifiers(text: str | None) -> Identifiers:
    return tuple(int(one) if one.isdigit() else one for one in text.split(".")) if text else ()


class _Bound(NamedTuple):
    """What one comparator asks for: ``operator`` is ``<``, ``<=``, ``>``, ``>=`` or ``=``."""

    operator: str
    version: Version

    def allows(self, version: Version) -> bool:
        return _COMPARED[self.operator](version.key, self.version.key)


_COMPARED: Final[dict[str, Callable[[tuple[object, ...], tuple[object, ...]], bool]]] = {
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
    "=": lambda one, other: one == other,
}
_LOWEST: Final[Identifiers] = (0,)
_NONE: Final = _Bound("<", Version(0, 0, 0, _LOWEST))


def satisfies(version: str, wanted: str, *, prereleases: bool = False) -> bool:
    """Tell whether a version is in a range, such as ``^1.2 || >=3``; False for what is malformed.

    A prerelease is in it where a comparator of its own release has a prerelease, or with ``prereleases`` wherever it lies
    in between (npm's ``includePrerelease``).
    """
    found = Version.parse(version)
    sets = _sets(wanted, prereleases)
    if found is None or sets is None:
        return False
    return any(_in_set(found, bounds, prereleases) for bounds in sets)


def is_range(wanted: str) -> bool:
    """Tell whether a text is a range."""
    return _sets(wanted, prereleases=False) is not None


def _in_set(version: Version, bounds: list[_Bound], prereleases: bool) -> bool:
    if not all(one.allows(version) for one in bounds):
        return False
    if not version.prerelease or prereleases:
        return True
    return any(one.version.prerelease and one.version[:3] == version[:3] for one in bounds)


def _sets(wanted: str, prereleases: bool) -> list[list[_Bound]] | None:
    """Return the alternatives of a range, without those that are malformed; None when all are."""
    found = [_bounds(one.strip(), prereleases) for one in wanted.strip().split("||")]
    right = [one for one in found if one is not None]
    return right or None


def _bounds(text: str, prereleases: bool) -> list[_Bound] | None:
    hyphen = _HYPHEN.match(text)
    if hyphen:
        low = _partial(hyphen[1])
        high = _partial(hyphen[2])
        if low is None or high is None:
            return None
        return [*_at_least(low, prereleases), *_at_most(high, prereleases)]
    found: list[_Bound] = []
    for word in _SPACED.sub(r"\1", text).split():
        match = _COMPARATOR.match(word)
        partial = _partial(match[2]) if match and match[2] else None
        if match is None or partial is None:
            return None
        found += _of_comparator(match[1].replace("~>", "~"), partial, prereleases)
    return found


class _Partial(NamedTuple):
    """A version that may lack its last numbers: None for ``x`` and what is missing."""

    major: int | None
    minor: int | None
    patch: int | None
    prerelease: Identifiers

    def lowest(self, prereleases: bool) -> Version:
        missing = self.patch is None
        rest = _LOWEST if missing and prereleases else self.prerelease
        return Version(self.major or 0, self.minor or 0, self.patch or 0, rest)


def _partial(text: str) -> _Partial | None:
    if not text or text in ("*", "x", "X"):
        return _Partial(None, None, None, ())
    match = _PARTIAL.match(text)
    if match is None:
        return None
    numbers: list[int | None] = []
    for one in match.group(1, 2, 3):
        known = one is not None and one.isdigit() and (not numbers or numbers[-1] is not None)
        numbers.append(int(one) if known else None)
    major, minor, patch = numbers
    return _Partial(major, minor, patch, _identifiers(match[4]) if patch is not None else ())


def _below(major: int, minor: int, patch: int) -> _Bound:
    """Return what excludes a release and its prereleases."""
    return _Bound("<", Version(major, minor, patch, _LOWEST))


def _at_least(one: _Partial, prereleases: bool) -> list[_Bound]:
    if one.major is None:
        return []
    low = one.lowest(prereleases)
    return [_Bound(">=", low._replace(prerelease=low.prerelease or (_LOWEST if prereleases else ())))]


def _at_most(one: _Partial, prereleases: bool) -> list[_Bound]:
    if one.major is None:
        return []
    if one.minor is None:
        return [_below(one.major + 1, 0, 0)]
    if one.patch is None:
        return [_below(one.major, one.minor + 1, 0)]
    version = Version(one.major, one.minor, one.patch, one.prerelease)
    if prereleases and not one.prerelease:
        return [_below(one.major, one.minor, one.patch + 1)]
    return [_Bound("<=", version)]


def _of_comparator(operator: str, one: _Partial, prereleases: bool) -> list[_Bound]:
    if one.major is None:
        return [_NONE] if operator in ("<", ">") else []
    low = one.lowest(prereleases)
    minor, patch = one.minor or 0, one.patch or 0
    if operator == "~":
        high = _below(one.major + 1, 0, 0) if one.minor is None else _below(one.major, minor + 1, 0)
        return [_Bound(">=", low), high]
    if operator == "^":
        return [_Bound(">=", low), _caret(one, one.major, minor, patch)]
    if one.patch is not None:
        return [_Bound(operator or "=", low._replace(prerelease=one.prerelease))]
    upper = (one.major + 1, 0, 0) if one.minor is None else (one.major, minor + 1, 0)
    if operator in ("", "="):
        return [_Bound(">=", low), _below(*upper)]
    if operator == ">":
        return [_Bound(">=", Version(*upper, _LOWEST if prereleases else ()))]
    if operator == "<=":
        return [_below(*upper)]
    if operator == "<":
        return [_below(one.major, minor, patch)]
    return [_Bound(">=", low)]


def _caret(one: _Partial, major: int, minor: int, patch: int) -> _Bound:
    if major or one.minor is None:
        return _below(major + 1, 0, 0)
    if minor or one.patch is None:
        return _below(major, minor + 1, 0)
    return _below(major, minor, patch + 1)
