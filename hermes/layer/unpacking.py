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
        self._links = dict(links or {})
        self._folder = "", ""
        """The last folder that something is in, and where it really is."""

    def placed(self, entry: Entry) -> Entry:
        """Return the next member as an entry of a layer. Raises `BuildError` where links lead in a circle."""
        path = self._resolved(entry.path)
        if entry.type == SYMLINK:
            self._links[path] = entry.link
            self._folder = "", ""
        elif self._links.pop(path, None) is not None:
            self._folder = "", ""
        link = join(self._dest, self._resolved(entry.link)) if entry.type == HARDLINK else entry.link
        path = join(self._dest, path).rstrip("/")
        if path == entry.path and link == entry.link:
            return entry
        return entry._replace(path=path, link=link)

    def _resolved(self, path: str) -> str:
        folder, _, name = path.rpartition("/")
        if folder != self._folder[0]:
            found = resolved(path, self._links.get, follow_last=False)
            self._folder = folder, found.rpartition("/")[0]
        return join(self._folder[1], name)
