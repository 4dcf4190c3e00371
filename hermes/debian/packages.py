"""The packages that an index (``Packages``) lists. See deb-control(5) and the wiki's DebianRepository/Format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from hermes.errors import LockError
from hermes.sizes import LARGEST_SIZE, whole_number

_FIELDS: Final = frozenset(
    {
        "Package",
        "Version",
        "Architecture",
        "Filename",
        "Size",
        "SHA256",
        "Depends",
        "Pre-Depends",
        "Recommends",
        "Provides",
        "Conflicts",
        "Breaks",
        "Essential",
        "Priority",
    }
)


@dataclass(frozen=True, slots=True)
class Package:
    """One version of a package for one architecture (or ``all``).

    Relations are as the index writes them: an index has 60,000 packages, of which few are looked at.
    ``path`` is relative to the archive's address, ``sha256`` hexadecimal. ``automatic`` is false when the
    suite is one whose packages are used only where nothing else will do, as in backports.
    """

    name: str
    version: str
    architecture: str
    path: str = ""
    size: int = 0
    sha256: str = ""
    depends: str = ""
    pre_depends: str = ""
    recommends: str = ""
    provides: str = ""
    conflicts: str = ""
    breaks: str = ""
    essential: bool = False
    priority: str = ""
    automatic: bool = True

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def parse_packages(data: bytes, where: str, *, automatic: bool = True) -> Iterator[Package]:
    """Yield the packages of an index; ``where`` is its address.

    Raises `LockError` when a stanza is not one of a package.
    """
    text = data.decode("utf-8", "replace").replace("\r\n", "\n").replace(",\n ", ", ")
    fields = _FIELDS
    for stanza in text.split("\n\n"):
        found = {}
        for line in stanza.split("\n"):
            name, _, value = line.partition(":")
            if name in fields:
                found[name] = value.strip()
        if found:
            yield _package(found, where, automatic=automatic)
        elif stanza.strip():
            raise _malformed(where, stanza.strip().split("\n", 1)[0])


def _package(found: dict[str, str], where: str, *, automatic: bool) -> Package:
    get = found.get
    size = whole_number(get("Size", "0"), LARGEST_SIZE)
    try:
        if size is None:
            raise ValueError
        return Package(
            found["Package"],
            found["Version"],
            found["Architecture"],
            get("Filename", ""),
            size,
            get("SHA256", ""),
            get("Depends", ""),
            get("Pre-Depends", ""),
            get("Recommends", ""),
            get("Provides", ""),
            get("Conflicts", ""),
            get("Breaks", ""),
            get("Essential") == "yes",
            get("Priority", ""),
            automatic,
        )
    except (KeyError, ValueError):
        shown = ", ".join(f"{name}: {value}" for name, value in found.items())
        raise _malformed(where, shown[:200]) from None


def _malformed(where: str, text: str) -> LockError:
    return LockError(
        f"{where}: {text!r} is not the entry of a package",
        hint="the archive's index is malformed; use another mirror or tell who runs this one",
    )
