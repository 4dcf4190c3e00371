"""``layer``: declared files, directories, links and archives as a canonical layer."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from itertools import chain
from typing import BinaryIO

from hermes.actions.kinds import LAYER
from hermes.actions.specs.layer import Directory, Files, Group, Layer, NodePackages, Packages, Tar, Wheels
from hermes.actions.specs.spec import of_request
from hermes.actions.tools import Tools, hinted_codec
from hermes.digest import Digest
from hermes.engine.action import EXECUTABLE, LINK, Outputs, Value
from hermes.engine.executor import Request
from hermes.engine.key import Resolved
from hermes.errors import HermesError, SourceError
from hermes.layer import encodings, toc
from hermes.layer.archives import archive_members
from hermes.layer.canonical import canonical
from hermes.layer.compress import Codec
from hermes.layer.content import FileContent, Spool, changed
from hermes.layer.entry import DIRECTORY, FILE, SYMLINK, Entry
from hermes.layer.unpacking import Unpacking
from hermes.layer.write import Item, write_layer
from hermes.store import Store
from hermes.store.io_errors import storing


def execute(request: Request, tools: Tools) -> Outputs:
    """Raises `LayerError` for an archive that cannot be a layer, `SourceError` for a file that changed."""
    spec = of_request(Layer[Resolved], request)
    with ExitStack() as stack, storing("the store"):
        assembly = _Assembly(tools, stack, spec.mtime)
        items = chain.from_iterable(map(assembly.group, spec.entries))
        return {"layer": stored_layer(items, tools, hinted_codec(request))}


def stored_layer(items: Iterable[Item], tools: Tools, codec: Codec | None) -> Value:
    """Put a layer of items, in any order, into the store; ``codec`` is the form in which it is asked for."""
    ordered = canonical(items, name="the layer")
    written = write_layer(ordered, blobs=tools.store.blobs, codec=codec, scratch=tools.store.scratch)
    diff_id = written.toc.diff_id
    toc.save(tools.store, written.toc)
    if written.encoding is not None:
        encodings.record(tools.store, diff_id, written.encoding)
    return Value(LAYER, diff_id, written.toc.size)


class _Assembly:
    """The entries of one layer."""

    def __init__(self, tools: Tools, stack: ExitStack, mtime: int) -> None:
        self._tools = tools
        self._stack = stack
        self._mtime = mtime

    def group(self, group: Group[Resolved]) -> Iterable[Item]:
        if isinstance(group, Files):
            return self._files(group)
        if isinstance(group, Tar):
            return self._tar(group.archive, group.dest.removeprefix("/"))
        if isinstance(group, Packages):
            return self._packages(group)
        if isinstance(group, Wheels):
            return self._wheels(group)
        if isinstance(group, NodePackages):
            return self._node_packages(group)
        uid, gid = _ids(group.owner)
        if isinstance(group, Directory):
            entry = Entry(group.path, DIRECTORY, group.mode, uid, gid, mtime=self._mtime)
        else:
            entry = Entry(group.path, SYMLINK, 0o777, uid, gid, link=group.target, mtime=self._mtime)
        return [(entry, None)]

    def _files(self, group: Files[Resolved]) -> Iterator[Item]:
        uid, gid = _ids(group.owner)
        mtime = self._mtime
        for one in group.files:
            value, path = one.value, one.path
            if value.kind == LINK:
                yield (
                    Entry(path, SYMLINK, 0o777, uid, gid, link=link_of(one, self._tools.store), mtime=mtime),
                    None,
                )
                continue
            chosen = group.modes.get(path, group.mode)
            if chosen is None:
                chosen = 0o755 if value.kind == EXECUTABLE else 0o644
            self._tools.check_file(one)
            entry = Entry(path, FILE, chosen, uid, gid, value.size, value.digest.hex, mtime=mtime)
            yield entry, FileContent(self._tools.path_of(one), value.size, one.stamp)

    def _tar(self, one: Resolved, dest: str) -> Iterator[Item]:
        """Yield what an archive holds, as GNU tar unpacks it: ``./`` is the folder that it is unpacked into."""
        name = os.path.basename(one.origin) or "its archive"
        spool = self._spool()
        unpacking = Unpacking(dest)
        with open(self._tools.path_of(one), "rb") as file:
            for member in archive_members(file, name=name):
                entry = unpacking.placed(member.entry)._replace(mtime=self._mtime, passed=False)
                yield entry, spool.add(member.content, entry.size)

    def _packages(self, group: Packages[Resolved]) -> list[Item]:
        from hermes.debian.deb import DebFile, unpacked

        def files_of(rows: Iterable[Resolved]) -> list[DebFile]:
            return [DebFile(one.path, self._tools.path_of(one)) for one in rows]

        return unpacked(
            files_of(group.packages),
            database=group.database,
            merged_usr=group.merged_usr,
            mtime=self._mtime,
            spool=self._spool,
            certificates=None if group.certificates is None else files_of(group.certificates),
            only=group.only,
        )

    def _wheels(self, group: Wheels[Resolved]) -> list[Item]:
        from hermes.python.wheel import Environment, WheelPath, installed

        def opened(path: str) -> BinaryIO:
            return self._stack.enter_context(open(path, "rb"))

        wheels = [WheelPath(one.path, self._tools.path_of(one)) for one in group.wheels]
        environment = Environment(group.prefix, group.python)
        return installed(wheels, environment, mtime=self._mtime, opened=opened)

    def _node_packages(self, group: NodePackages[Resolved]) -> Iterator[Item]:
        from hermes.node.tarball import PackageFile, unpacked

        files = (
            PackageFile(one.path, self._tools.path_of(one), place.location, tuple(place.bins.items()))
            for one, place in zip(group.archives, group.places, strict=True)
        )
        return unpacked(files, mtime=self._mtime, spool=self._spool())

    def _spool(self) -> Spool:
        return self._stack.enter_context(closing(Spool(self._tools.store.scratch.unnamed())))


def link_of(one: Resolved, store: Store) -> str:
    """Return the target of a source that is a symbolic link; raises `SourceError` if it changed.

    Where another machine has the source, its target is a blob.
    """
    if not one.origin:
        return os.fsdecode(store.blobs.read(one.value.digest))
    try:
        link = os.fsencode(os.readlink(one.origin))
    except OSError as error:
        raise SourceError(f"{one.origin}: {error.strerror}") from error
    if Digest.of(link) != one.value.digest:
        raise changed(one.origin)
    return os.fsdecode(link)


def _ids(owner: str) -> tuple[int, int]:
    uid, _, gid = owner.partition(":")
    if max(int(uid), int(gid)) > 2**32 - 2:
        raise HermesError(f"{owner} is not an owner: ids end at {2**32 - 2}")
    return int(uid), int(gid)
