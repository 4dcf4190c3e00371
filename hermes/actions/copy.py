"""``copy``: files, folders and archives at their place in a root, as a layer of their own.

It is what COPY and ADD of a Dockerfile are. Of the layers below it only knows what `hermes.actions.resolve_destination` says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing

from hermes.actions.kinds import LAYER
from hermes.actions.layer import link_of
from hermes.actions.listing import Listing, locations_of
from hermes.actions.resolve_destination import CopyDestination
from hermes.actions.specs.copy import Copy, CopyEntry
from hermes.actions.specs.spec import of_request
from hermes.actions.tools import Tools, hinted_codec
from hermes.container.calls.layers import InTree
from hermes.digest import Digest
from hermes.engine.action import LINK, Outputs, Value
from hermes.engine.executor import Request
from hermes.engine.key import Resolved
from hermes.errors import BuildError
from hermes.layer import encodings, modes, toc
from hermes.layer.archives import archive_members
from hermes.layer.canonical import canonical
from hermes.layer.content import FileContent, Spool
from hermes.layer.entry import (
    DIRECTORY,
    FILE,
    HARDLINK,
    SYMLINK,
    WHITEOUT_PREFIX,
    Entry,
    implied,
    is_copied,
    join,
)
from hermes.layer.links import resolved
from hermes.layer.write import Item, write_layer
from hermes.store.io_errors import storing


def execute(request: Request, tools: Tools) -> Outputs:
    """Raises `BuildError` for a name that a layer cannot hold, `SourceError` for a file that changed."""
    spec = of_request(Copy[Resolved], request)
    with ExitStack() as stack, storing("the store"):
        copying = _Copying(spec, tools, stack)
        if spec.listing is not None and spec.content is not None:
            return _from_layers(copying, spec.listing, spec.content, request, tools)
        ordered = canonical(copying.all(), name="the layer")
        written = write_layer(
            ordered, blobs=tools.store.blobs, codec=hinted_codec(request), scratch=tools.store.scratch
        )
    toc.save(tools.store, written.toc)
    if written.encoding is not None:
        encodings.record(tools.store, written.toc.diff_id, written.encoding)
    return {"layer": Value(LAYER, written.toc.diff_id, written.toc.size)}


class _Copying:
    def __init__(self, spec: Copy[Resolved], tools: Tools, stack: ExitStack) -> None:
        self._spec = spec
        self._tools = tools
        self._stack = stack
        self._inputs = iter(spec.sources)
        self._place = CopyDestination.of(tools.document(spec.destination.value))
        start = len(self._place.target) + 1 if self._place.target else 0
        self._links: dict[str, str | None] = {
            path[start:]: f"/{folder[start:]}" for path, folder in self._place.links
        }

    def all(self) -> Iterator[Item]:
        """Yield what is to be in the layer; nothing, not even folders on the way, where there is nothing to copy."""
        items = [*self._missing(), *self._copied()]
        if items:
            entries = [entry for entry, _ in items]
            yield from ((entry, None) for entry in self._above(entries))
        yield from items

    def _copied(self) -> Iterator[Item]:
        for row in self._spec.entries:
            yield self._source(row)
        for one in self._spec.archives:
            yield from self._archive(one)

    def _above(self, entries: Sequence[Entry]) -> Iterator[Entry]:
        """Yield the folders that are passed through: those on the way, and those that an archive does not describe."""
        known = {entry.path: entry for entry in self._place.folders()}
        paths = {*(row[0] for row in self._place.above), *implied(entry.path for entry in entries)}
        for path in sorted(paths):
            entry = known.get(path) or Entry(path, DIRECTORY, 0o755)
            yield entry._replace(mtime=self._spec.mtime, passed=True)

    def listed(self, listing: Listing) -> Iterator[Entry]:
        """Yield the entries of a list where they belong."""
        if not (listing.entries or self._place.missing):
            return
        entries = [entry for entry, _ in self._missing()]
        for entry in listing.entries:
            link = self._place.of_entry(entry.link) if entry.type == HARDLINK else entry.link
            entries.append(self._settled(entry._replace(path=self._at(entry.path), link=link)))
        yield from self._above(entries)
        yield from entries

    def _missing(self) -> Iterator[Item]:
        place = self._place
        for path in place.missing:
            yield Entry(path, DIRECTORY, 0o755, place.uid, place.gid, mtime=self._spec.mtime), None

    def _settled(self, entry: Entry) -> Entry:
        mode = self._spec.mode
        if mode is not None and entry.type not in (SYMLINK, HARDLINK):
            if isinstance(mode, str):
                mode = modes.changed(entry.mode, mode, folder=entry.type == DIRECTORY)
            entry = entry._replace(mode=mode)
        if not self._spec.keep_owners:
            entry = entry._replace(uid=self._place.uid, gid=self._place.gid)
        return entry._replace(mtime=self._spec.mtime)

    def _at(self, name: str) -> str:
        path = self._place.of_entry(name)
        self._check_name(path, name)
        return path

    def _check_name(self, path: str, name: str) -> None:
        if path.rpartition("/")[2].startswith(WHITEOUT_PREFIX):
            raise BuildError(f"{name}: in a layer a name cannot begin with {WHITEOUT_PREFIX}")

    def _source(self, row: CopyEntry) -> Item:
        entry = Entry(self._at(row.name), row.type, row.mode, device=row.device)
        if row.type == HARDLINK:
            return self._settled(entry._replace(link=self._place.of_entry(row.link))), None
        if row.type not in (FILE, SYMLINK):
            return self._settled(entry), None
        one = next(self._inputs)
        if one.value.kind == LINK:
            return self._settled(entry._replace(link=link_of(one, self._tools.store), mode=0o777)), None
        self._tools.check_file(one)
        entry = entry._replace(size=one.value.size, digest=one.value.digest.hex)
        return self._settled(entry), FileContent(self._tools.path_of(one), one.value.size, one.stamp)

    def _archive(self, one: Resolved) -> Iterator[Item]:
        """Yield what an archive holds, in the folder that is the destination; its modes stay, and owners unless others are named.

        Links on the way, of the stack and of what was unpacked before, are followed, as by a process that unpacks it and
        for which the destination is the root.
        """
        name = one.path
        spool = self._stack.enter_context(closing(Spool(self._tools.store.scratch.unnamed())))
        with open(self._tools.path_of(one), "rb") as file:
            for member in archive_members(file, name=name):
                entry = member.entry
                if not entry.path:
                    continue
                self._check_name(entry.path, f"{one.path}: {entry.path}")
                inside = self._unpacked(entry.path)
                link = self._unpacked(entry.link) if entry.type == HARDLINK else ""
                entry = entry._replace(
                    path=join(self._place.target, inside),
                    link=join(self._place.target, link) if link else entry.link,
                    xattrs=tuple(pair for pair in entry.xattrs if is_copied(pair[0])),
                    mtime=self._spec.mtime,
                    passed=False,
                )
                if self._spec.chowns_archives:
                    entry = entry._replace(uid=self._place.uid, gid=self._place.gid)
                self._links[inside] = entry.link if entry.type == SYMLINK else None
                yield entry, spool.add(member.content, entry.size)

    def _unpacked(self, path: str) -> str:
        """Return where something of an archive belongs, below the destination."""
        return resolved(path, self._links.get, follow_last=False)


def _from_layers(
    copying: _Copying, listed: Resolved, content: Resolved, request: Request, tools: Tools
) -> Outputs:
    """Copy what is in trees of the store, whose files may be of any id, so in the user namespace."""
    listing = Listing.of(tools.document(listed.value))
    places = locations_of(tools.document(content.value))
    entries = list(copying.listed(listing))
    made_here = len(entries) - len(places)
    sources = [InTree(Digest(""), "")] * made_here + [InTree(digest, path) for digest, path in places]
    rows = zip(entries, sources, strict=True)
    found = tools.layers.gathered(rows, "the layer", hinted_codec(request))
    return {"layer": Value(LAYER, found.diff_id, found.size)}
