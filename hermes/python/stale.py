"""Whether a lock still is one of what it was made from: requirements.in, or the dependencies of a pyproject.toml."""

from __future__ import annotations

import posixpath
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hermes.errors import LockError
from hermes.python.locks import Read, Wanted
from hermes.python.pins import Pin, holds
from hermes.python.requirements import Line, lines_of, parsed
from hermes.python.target import PythonTarget

if TYPE_CHECKING:
    from packaging.requirements import Requirement


def check_fresh(
    lock: str, source: str, read: Read, target: PythonTarget, wanted: Wanted, pins: Sequence[Pin]
) -> None:
    """Raise `LockError` where a requirement of ``source`` that holds for the target is not among ``pins``.

    What is in a lock and no longer required is not found this way: `hermes lock --check` does.
    """
    from packaging.utils import canonicalize_name
    from packaging.version import InvalidVersion, Version

    known = {one.name: one for one in pins}
    for line in requirements_of(source, read, wanted):
        requirement = parsed(line)
        if not _applies(requirement, line, target, wanted):
            continue
        name = canonicalize_name(requirement.name)
        pin = known.get(name)
        if pin is None:
            raise LockError(f"{lock} is stale: {line.where} requires {line.text}, which is not in it")
        try:
            fits = requirement.specifier.contains(Version(pin.version), prereleases=True)
        except InvalidVersion:
            continue
        if not fits:
            raise LockError(
                f"{lock} is stale: {line.where} requires {line.text}, and it has {name} {pin.version}"
            )


def _applies(requirement: Requirement, line: Line, target: PythonTarget, wanted: Wanted) -> bool:
    if requirement.url:
        return False
    marker = str(requirement.marker or "")
    return any(holds(marker, target, line.where, extra) for extra in ("", *wanted.extras))


def requirements_of(path: str, read: Read, wanted: Wanted) -> Iterator[Line]:
    """Yield what a requirements file or a pyproject.toml asks for, with the wanted extras and groups."""
    if posixpath.basename(path) != "pyproject.toml":
        yield from lines_of(path, read)
        return
    try:
        document = tomllib.loads(read(path).decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise LockError(f"{path} is not TOML: {error}") from None
    project = document.get("project")
    project = project if isinstance(project, dict) else {}
    own = tuple(document.get("tool", {}).get("uv", {}).get("sources", {}))
    yield from _lines(path, project.get("dependencies"), own)
    for extra in wanted.extras:
        yield from _lines(path, _table(project.get("optional-dependencies")).get(extra), own)
    for group in wanted.groups:
        yield from _lines(path, _table(document.get("dependency-groups")).get(group), own)


def _lines(path: str, listed: Any, own: Sequence[str]) -> Iterator[Line]:
    """Yield requirements, without those that uv takes from elsewhere than an index."""
    for text in listed if isinstance(listed, list) else ():
        if isinstance(text, str):
            line = Line(path, text, ())
            if parsed(line).name not in own:
                yield line


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
