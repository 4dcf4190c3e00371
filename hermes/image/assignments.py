"""Files of variables and labels, as ``docker run --env-file`` reads them."""

from __future__ import annotations

from collections.abc import Iterator

from hermes.errors import UsageError


def assignments(data: bytes, where: str) -> Iterator[tuple[int, str, str | None]]:
    """Yield the lines of a file: number, name, and value, None for a name alone. Raises `UsageError`, which calls the file ``where``.

    A line is ``NAME=VALUE``, taken as it is, or ``NAME``; one that begins with ``#`` is a comment.
    """
    try:
        lines = data.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise UsageError(f"{where}: the file is not UTF-8") from None
    for number, line in enumerate(lines, 1):
        text = line.removesuffix("\r").lstrip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not name or any(one.isspace() for one in name) or "\0" in text:
            raise UsageError(f"{where}: line {number}: expected NAME=VALUE or NAME, got {text!r}")
        yield number, name, value if equals else None


def values_of(data: bytes, where: str) -> dict[str, str]:
    """Return names and values of a file in which each line has both; raises `UsageError`."""
    found = {}
    for number, name, value in assignments(data, where):
        if value is None:
            raise UsageError(f"{where}: line {number}: expected NAME=VALUE, got {name!r}")
        found[name] = value
    return found
