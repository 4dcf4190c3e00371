"""Changes of permissions in letters, as chmod takes them: ``+x``, ``u=rwX,go=rX``. No umask counts."""

from __future__ import annotations

import re
from typing import Final

_CLAUSE: Final = re.compile(r"([ugoa]*)((?:[-+=][ugorwxXst]*)+)\Z")
_STEP: Final = re.compile(r"([-+=])([ugorwxXst]*)")
_LETTERS: Final = re.compile(r"[ugo]|[rwxXst]+")
_SHIFTS: Final = {"u": 6, "g": 3, "o": 0}
_BITS: Final = {"r": 4, "w": 2, "x": 1}
_SPECIAL: Final = {"u": 0o4000, "g": 0o2000, "o": 0o1000}


def is_change(text: str) -> bool:
    """Tell whether ``text`` is a change that `changed` can make."""
    return all(map(_CLAUSE.match, text.split(",")))


def changed(mode: int, text: str, *, folder: bool) -> int:
    """Return the twelve permission bits of a file, or a ``folder``, after a change."""
    for clause in text.split(","):
        found = _CLAUSE.match(clause)
        assert found is not None, text
        classes = "ugo" if found[1] == "" or "a" in found[1] else found[1]
        steps = (
            (sign, letters)
            for sign, text in _STEP.findall(found[2])
            for letters in _LETTERS.findall(text) or [""]
        )
        for sign, letters in steps:
            bits = sum(_bits(mode, letters, one, folder=folder) for one in set(classes))
            if sign == "-":
                mode &= ~bits
            elif sign == "+":
                mode |= bits
            else:
                mode = mode & ~sum(7 << _SHIFTS[one] | _SPECIAL[one] for one in set(classes)) | bits
    return mode


def _bits(mode: int, letters: str, one: str, *, folder: bool) -> int:
    """Return what ``letters`` mean for one of the classes ``u``, ``g`` and ``o``."""
    if letters in _SHIFTS:
        return (mode >> _SHIFTS[letters] & 7) << _SHIFTS[one]
    value = 0
    for letter in letters:
        value |= _BITS.get(letter, 0)
    if "X" in letters and (folder or mode & 0o111):
        value |= 1
    special = ("s" in letters and one != "o") or ("t" in letters and one == "o")
    return value << _SHIFTS[one] | (_SPECIAL[one] if special else 0)
