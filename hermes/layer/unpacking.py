"""Where the members of an archive belong when a process unpacks it, in a chroot of the folder that it unpacks into."""

from __future__ import annotations

from collections.abc import Mapping

from hermes.layer.entry import HARDLINK, SYMLINK, Entry, join
from hermes.layer.links import resolved


class Unpacking:
    """Unpacking one archive into ``dest``, a path like `Entry.path`.

    Links on the way to a member are followed, those of the archive and ``links`` (paths below ``dest`` -> targets),
    which are there before; nothing leads out of ``dest``, which is the root to what is unpacked.
    """

    def __init__(self, dest: str, links: Mapping[str, str] | None = None) -> None:
        self._dest = dest
        self._links: dict[str, str | None] = dict(links or {})

    def placed(self, entry: Entry) -> Entry:
        """Return the next member as an entry of a layer. Raises `BuildError` where links lead in a circle."""
        path = self._resolved(entry.path)
        self._links[path] = entry.link if entry.type == SYMLINK else None
        link = join(self._dest, self._resolved(entry.link)) if entry.type == HARDLINK else entry.link
        return entry._replace(path=join(self._dest, path).rstrip("/"), link=link)

    def _resolved(self, path: str) -> str:
        return resolved(path, self._links.get, follow_last=False)
