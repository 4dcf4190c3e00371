"""Who runs commands, and owns what is put in for them; and ``--allowed-uids``: the users that images may have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from hermes.errors import UsageError
from hermes.s2i.facts import ASSEMBLE_USER, Facts


class Range(NamedTuple):
    """From ``first`` to ``last``; None: without an end."""

    first: int = 0
    last: int | None = None

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and number >= self.first and (self.last is None or number <= self.last)


def ranges(text: str) -> list[Range]:
    """Return what ``1-``, ``-100``, ``1000`` and ``1-100,1000-`` mean; raises `UsageError`."""
    return [_range(one.strip(), text) for one in text.split(",")]


def _range(one: str, text: str) -> Range:
    first, dash, last = one.partition("-")
    numbers = [int(part) if part.isdecimal() else -1 for part in (first, last) if part]
    found = Range(int(first or 0), int(last) if last else None) if numbers and min(numbers) >= 0 else None
    if found is not None and not dash:
        found = Range(found.first, found.first)
    if found is None or (found.last is not None and found.last < found.first):
        raise UsageError(
            f"--allowed-uids: {one or text!r} is not a range of user ids",
            hint="write 1000, 1-, -1000 or 1-1000",
        )
    return found


def check_users(image: Facts, allowed: Sequence[Range], assemble_user: str = "") -> None:
    """Raise `UsageError` where a user of an image is not one of ``allowed``, or has a name instead of a number.

    That is the user of ``--assemble-user``, or of the image's label for that, or else of the image; and those of its
    ONBUILD instructions.
    """
    if not allowed:
        return
    for user, whose in _users(image, assemble_user):
        number = user.partition(":")[0].strip()
        if not number.isdecimal() or not any(int(number) in one for one in allowed):
            shown = ", ".join(map(_shown, allowed))
            raise UsageError(
                f"{image.name}: {whose} is {user or 'root'!r}, and --allowed-uids are {shown}",
                hint="the user must be given as a number in the range",
            )


def owner_of(user: str) -> str:
    """Return who owns what is put into an image for a user: its group is root's, as OpenShift expects, unless one is named."""
    if user in ("", "0", "root"):
        return ""
    return user if ":" in user else f"{user}:0"


def _users(image: Facts, assemble_user: str) -> Iterator[tuple[str, str]]:
    for trigger in image.triggers:
        keyword, _, user = trigger.strip().partition(" ")
        if keyword.upper() == "USER":
            yield user.strip(), "the user of an ONBUILD instruction"
    if assemble_user:
        yield assemble_user, "the user of --assemble-user"
    elif found := image.labels.get(ASSEMBLE_USER):
        yield found, f"the user of the label {ASSEMBLE_USER}"
    else:
        yield image.user, "its user"


def _shown(one: Range) -> str:
    return str(one.first) if one.first == one.last else f"{one.first}-{'' if one.last is None else one.last}"
