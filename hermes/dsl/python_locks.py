"""What rules see of the locks of Python packages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hermes.dsl.dialect.values import EvalError, Struct
from hermes.errors import LockError
from hermes.python.locks import Wanted, pins_of
from hermes.python.stale import check_fresh
from hermes.python.target import PythonTarget

if TYPE_CHECKING:
    from hermes.image.platform import Platform


def read_python_lock(
    path: str,
    read: Callable[[str], bytes],
    platform: Platform,
    *,
    python: str,
    libc: str,
    project: str,
    extras: tuple[str, ...],
    groups: tuple[str, ...],
    sources: tuple[str, ...],
    requirements: str | None,
    label: str,
) -> list[Struct]:
    """See `hermes.dsl.context.Context.read_python_lock`; errors are of the attribute ``lock``."""
    try:
        target = PythonTarget.of(python, platform, libc)
        wanted = Wanted(project, extras, groups, sources)
        pins = pins_of(path, read, target, wanted)
        if requirements is not None:
            check_fresh(path, requirements, read, target, wanted, pins)
    except LockError as error:
        hint = error.hint
        if requirements is not None and hint is None:
            hint = f"run `hermes lock {label}`, and commit what it writes"
        raise EvalError(error.message, hint, attribute="lock") from None
    return [Struct({**one._asdict(), "sha256": list(one.sha256)}) for one in pins]
