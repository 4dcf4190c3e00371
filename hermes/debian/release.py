"""A suite's ``Release`` document: the root of trust, which lists the indexes with size and digest.

See the Debian wiki, DebianRepository/Format. This module does not fetch.
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from hermes.errors import LockError
from hermes.sizes import LARGEST_SIZE, whole_number

_SHA256: Final = re.compile(r"[0-9a-f]{64}\Z")
INDEX_FORMS: Final = {".zst": "zstd", ".xz": "xz", ".bz2": "bzip2", ".lzma": "lzma", ".gz": "gzip", "": ""}
"""The compression of an index by the end of its name, in apt's order of preference."""
_INDEX: Final = re.compile(rf"(?:.*/)?Packages(?:{'|'.join(map(re.escape, INDEX_FORMS))})\Z")


@dataclass(frozen=True, slots=True)
class IndexFile:
    """A file that a Release lists: ``path`` relative to it, ``size`` in bytes, ``sha256`` hexadecimal."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Release:
    """What a suite says of itself.

    ``names`` are its suite and its code name, ``files`` maps the paths of package indexes. ``by_hash`` says
    that they can be fetched by digest, ``automatic`` is false for a suite such as backports.
    """

    where: str
    names: tuple[str, ...]
    architectures: tuple[str, ...]
    components: tuple[str, ...]
    by_hash: bool
    automatic: bool
    valid_until: datetime | None
    files: Mapping[str, IndexFile]

    def packages_index(self, folder: str) -> IndexFile | None:
        """Return the index in ``folder`` (empty: beside the Release), in the form that apt takes, or None."""
        prefix = f"{folder}/" if folder else ""
        for ending in INDEX_FORMS:
            if (found := self.files.get(f"{prefix}Packages{ending}")) is not None:
                return found
        return None

    def plain_size(self, folder: str) -> int | None:
        """Return the size of the index in ``folder`` once decompressed, where the Release says so."""
        plain = self.files.get(f"{folder}/Packages" if folder else "Packages")
        return plain.size if plain else None

    def doubts(self, suite: str, now: datetime) -> Iterator[str]:
        """Yield what is odd about this Release, seen as ``suite`` at ``now``."""
        if self.valid_until is not None and self.valid_until < now:
            yield (
                f"{self.where}: was valid until {self.valid_until:%Y-%m-%d}; "
                "the mirror may be out of date, or a snapshot"
            )
        wanted = suite.strip("/")
        if self.names and wanted and wanted not in self.names and wanted.split("/")[0] not in self.names:
            yield f"{self.where}: calls itself {' or '.join(self.names)}, not {wanted}"


def parse_release(text: str, where: str) -> Release:
    """Parse the (verified) text of a Release; raises `LockError`."""
    fields, files = _fields(text, where)
    if not files:
        raise LockError(
            f"{where}: lists no package index with a SHA256",
            hint="check the address and the suite; an archive without SHA256 cannot be locked",
        )
    names = dict.fromkeys(fields[name] for name in ("Suite", "Codename") if fields.get(name))
    return Release(
        where,
        tuple(names),
        tuple(fields.get("Architectures", "").split()),
        tuple(fields.get("Components", "").split()),
        fields.get("Acquire-By-Hash", "").lower() == "yes",
        fields.get("NotAutomatic", "").lower() != "yes",
        _time(fields.get("Valid-Until", ""), where),
        MappingProxyType(files),
    )


def _fields(text: str, where: str) -> tuple[dict[str, str], dict[str, IndexFile]]:
    fields: dict[str, str] = {}
    files: dict[str, IndexFile] = {}
    name = ""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        if line[0] in " \t":
            if name == "SHA256":
                _add_file(files, line, f"{where}:{number}")
            continue
        name, colon, value = line.partition(":")
        if not colon:
            raise LockError(
                f"{where}:{number}: {line[:80]!r} is not a field", hint="check the address and the suite"
            )
        fields[name] = value.strip()
    return fields, files


def _add_file(files: dict[str, IndexFile], line: str, where: str) -> None:
    words = line.split()
    if len(words) == 3 and not _INDEX.match(words[2]):
        return
    size = whole_number(words[1], LARGEST_SIZE) if len(words) == 3 else None
    if size is None or not _SHA256.match(words[0]):
        raise LockError(f"{where}: {line.strip()[:120]!r} is not a digest, a size and a path")
    path = words[2].removeprefix("./")
    files[path] = IndexFile(path, size, words[0])


def _time(text: str, where: str) -> datetime | None:
    if not text:
        return None
    try:
        time = email.utils.parsedate_to_datetime(text)
    except ValueError:
        raise LockError(f"{where}: Valid-Until is not a time: {text!r}") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
