"""Lists of what is to be copied: entries by their paths below a destination, and where their bytes are.

The list is what an action that copies depends on; where the bytes are is not, as the digests in the list vouch for
them. Both are JSON: ``{"single", "entries"}``, and ``"several"`` where that is so, with entries as `hermes.layer.rows` has them, and rows of diff_id and
path, one for each entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hermes.digest import Digest, canonical_json
from hermes.layer.entry import Entry
from hermes.layer.rows import entry_of_row, row_of_entry


@dataclass(frozen=True, slots=True)
class Listing:
    """``single``: it is one file, which may be given another name, or nothing, where patterns match nothing.

    ``several``: it is several things of which the first is a file, if anyone asked.
    """

    single: bool
    entries: Sequence[Entry]
    several: bool = False

    def dump(self) -> bytes:
        rows = [row_of_entry(one) for one in self.entries]
        document = {"entries": rows, "single": self.single}
        return canonical_json({**document, "several": True} if self.several else document)

    @classmethod
    def of(cls, document: dict[str, Any]) -> Listing:
        entries = [entry_of_row(row) for row in document["entries"]]
        return cls(document["single"], entries, document.get("several", False))


Locations = Sequence[tuple[Digest, str]]
"""For each entry of a list, the layer in whose tree its bytes are, and the path there."""


def dump_locations(locations: Locations) -> bytes:
    return canonical_json([list(one) for one in locations])


def locations_of(document: list[list[str]]) -> Locations:
    return [(Digest(digest), path) for digest, path in document]
