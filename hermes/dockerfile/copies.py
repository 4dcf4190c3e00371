"""COPY, ADD and WORKDIR -> actions.

A copy is three: what is taken (known at once from a context, an action for a stage), where it belongs (an action that
looks at the layers below), and the layer, which depends on those two alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from hermes.actions.specs.copy import Copy, CopyEntry
from hermes.actions.specs.list_files import ListFiles
from hermes.actions.specs.resolve_destination import Named, ResolveDestination
from hermes.actions.specs.spec import Ref
from hermes.container.mount_values import CONTENT
from hermes.digest import Digest
from hermes.dockerfile import instructions as ins
from hermes.dockerfile.context import Collection, Context, Row
from hermes.dockerfile.heredocs import parse_heredoc
from hermes.dockerfile.recorder import Recorder
from hermes.dockerfile.repositories import Repository
from hermes.dockerfile.source import Span
from hermes.dockerfile.state import State
from hermes.download import name_of, shown
from hermes.engine.action import Artifact, Output
from hermes.errors import DockerfileError, UsageError
from hermes.layer import modes
from hermes.layer.entry import DIRECTORY, FILE
from hermes.wildcards import Ignored, is_pattern

_URL: Final = re.compile(r"https?://", re.IGNORECASE)
_DIGEST: Final = re.compile(r"sha256:([0-9a-f]{64})\Z")
_MODE: Final = re.compile(r"0*[0-7]{1,4}\Z")
_DOWNLOADED_MODE: Final = 0o600
_HEREDOC_MODE: Final = 0o644


@dataclass(slots=True)
class Taken:
    """What a COPY takes: rows with the artifact of each that has bytes, and archives to unpack.

    ``types`` are those of the things that its sources name, in their order: what goes to a folder is `DIRECTORY`.
    """

    rows: list[tuple[Row, Artifact | None]] = field(default_factory=list)
    archives: list[tuple[str, Artifact]] = field(default_factory=list)
    folders: int = 0
    types: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.rows or self.archives or self.folders)

    @property
    def single(self) -> bool:
        """Whether it is one file, which may be given another name, or nothing."""
        return len(self.rows) < 2 and not self.folders and not self.archives


@dataclass(frozen=True, slots=True)
class Layers:
    """The layers of a stage or image that is copied from. ``what`` is its name in errors."""

    rows: tuple[Ref, ...]
    what: str


class Unpinned(Protocol):
    """Looks up what may change; see `hermes.dockerfile.origins.Origins`."""

    def file(self, url: str) -> Digest: ...

    def commit(self, url: str, ref: str) -> str: ...


class Copies:
    """Adds the actions of copies."""

    def __init__(self, recorder: Recorder, epoch: int, unpinned: Unpinned) -> None:
        self._unpinned = unpinned
        self._recorder = recorder
        self._epoch = epoch

    def workdir(self, path: str, span: Span, state: State) -> Artifact:
        """Return a layer that creates a folder and its missing parents, owned by the current USER."""
        place = ResolveDestination(dest=path.lstrip("/"), folder=True, owner=state.user, roots=state.roots())
        return self._recorder.layer(Copy(mtime=self._epoch, destination=self._placed(place, span)), span)

    def from_layers(
        self, copy: ins.Copy, sources: Sequence[str], dest: str, origin: Layers, state: State
    ) -> Artifact:
        """Return the layer of a ``COPY --from``; what is copied keeps its owners unless ``--chown`` names others."""
        folder = copy.parents or _is_folder(dest)
        listing, content = self._selected(
            copy.span,
            sources,
            origin,
            copy.exclude,
            parents=copy.parents,
            keep_owners=not copy.owner,
            notes_several=not folder and (len(sources) > 1 or any(map(is_pattern, sources))),
        )
        place = ResolveDestination(
            dest=state.absolute(dest).lstrip("/"),
            folder=folder,
            owner=copy.owner,
            roots=state.roots(),
            listing=listing,
        )
        made = Copy(
            keep_owners=not copy.owner,
            mode=_mode(copy.mode),
            mtime=self._epoch,
            listing=listing,
            content=content,
            destination=self._placed(place, copy.span),
        )
        return self._recorder.layer(made, copy.span)

    def from_repository(self, copy: ins.Copy, sources: Sequence[str], dest: str, state: State) -> Artifact:
        """Return the layer of an ADD of the files of a git repository."""
        if len(sources) > 1:
            raise DockerfileError("a git repository is added alone", hint="write an ADD for each source")
        found = Repository.parse(sources[0], copy.checksum)
        if copy.keep_git_dir is not None:
            found = replace(found, keep_git_dir=copy.keep_git_dir)
        commit = found.commit or self._unpinned.commit(found.url, found.ref)
        if not commit.startswith(found.checksum):
            raise DockerfileError(
                f"{found.ref or 'the default branch'} of {shown(found.url)} is at the commit {commit}, and --checksum names {found.checksum}",
                hint="name the commit that is meant",
            )
        rows = (Ref(self._recorder.repository(copy.span, found, commit), found.url),)
        return self.from_layers(copy, ["/"], dest, Layers(rows, found.url), state)

    def bound(self, span: Span, source: str, origin: Layers) -> Artifact:
        """Return a layer that has at ``content`` what is at a path of a stage or image, with its owners."""
        listing, content = self._selected(
            span, [source], origin, (), parents=False, keep_owners=True, whole=True
        )
        place = ResolveDestination(dest=CONTENT, folder=False, listing=listing)
        made = Copy(
            keep_owners=True,
            mtime=self._epoch,
            listing=listing,
            content=content,
            destination=self._placed(place, span),
        )
        return self._recorder.layer(made, span)

    def bound_files(self, span: Span, collection: Collection, mode: int) -> Artifact:
        """Return a layer that has at ``content`` what was collected: a file, or a folder of that ``mode``."""
        rows = list(collection.rows.values())
        if collection.folders:
            rows.insert(0, Row("", DIRECTORY, mode))
        single = len(rows) == 1 and not collection.folders
        place: ResolveDestination[Ref] = ResolveDestination(
            dest=CONTENT, entries=_names(rows), folder=False, single=single
        )
        made = Copy(
            entries=_entries(rows),
            mtime=self._epoch,
            destination=self._placed(place, span),
            sources=tuple(Ref(row.source, row.name) for row in rows if row.source is not None),
        )
        return self._recorder.layer(made, span)

    def from_context(self, copy: ins.Copy, taken: Taken, dest: str, state: State) -> Artifact:
        """Return the layer of a COPY or ADD of files of a context, heredocs and downloads."""
        mode = _mode(copy.mode)
        folder = copy.parents or _is_folder(dest)
        several = not folder and len(taken.types) > 1 and taken.types[0] == FILE
        rows = [row for row, _ in taken.rows]
        if isinstance(mode, str):
            rows = [
                row._replace(mode=modes.changed(row.mode, mode, folder=row.type == DIRECTORY)) for row in rows
            ]
            mode = None
        place = ResolveDestination(
            dest=state.absolute(dest).lstrip("/"),
            entries=_names(rows),
            folder=folder or (bool(taken.archives) and not several),
            owner=copy.owner,
            several=several,
            single=taken.single,
            unpacks=bool(taken.archives),
            roots=state.roots(),
        )
        made = Copy(
            chowns_archives=bool(copy.owner and taken.archives),
            entries=_entries(rows),
            mode=mode,
            mtime=self._epoch,
            destination=self._placed(place, copy.span),
            sources=tuple(Ref(one, row.name) for row, one in taken.rows if one is not None),
            archives=tuple(Ref(artifact, name) for name, artifact in taken.archives),
        )
        return self._recorder.layer(made, copy.span)

    def taken(self, copy: ins.Copy, sources: Sequence[str], context: Context, texts: Sequence[str]) -> Taken:
        """Return what the sources mean, ``texts`` being those of heredocs; raises `DockerfileError`."""
        found = Taken()
        try:
            excluded = Ignored(copy.exclude, of="--exclude")
        except UsageError as error:
            raise DockerfileError(error.message) from None
        collection = Collection(context, excluded, parents=copy.parents)
        heredocs = zip(copy.heredocs, texts, strict=True)
        for source in sources:
            if copy.heredocs and parse_heredoc(source):
                heredoc, text = next(heredocs)
                row = Row(heredoc.name, FILE, _HEREDOC_MODE)
                found.rows.append((row, self._recorder.file(copy.span, text)))
                found.types.append(FILE)
            elif copy.adds and _URL.match(source):
                self._download(copy, source, found)
            else:
                self._files(copy, source, context, collection, found)
        found.rows += [(row, row.source) for row in collection.rows.values()]
        found.folders = collection.folders
        if copy.checksum and not any(_URL.match(source) for source in sources):
            raise DockerfileError("--checksum is for a source that is a URL")
        return found

    def _files(
        self, copy: ins.Copy, source: str, context: Context, collection: Collection, found: Taken
    ) -> None:
        for match in context.matching(source, parents=copy.parents):
            if copy.adds and copy.unpack is not False and context.files.is_archive(match.path):
                single = Collection(context, Ignored((), of=""), parents=False)
                single.add(match)
                found.archives += [
                    (row.name, row.source) for row in single.rows.values() if row.source is not None
                ]
                found.types.append(DIRECTORY)
            else:
                collection.add(match)
                found.types.append(DIRECTORY if context.is_folder(match.path) else FILE)

    def _download(self, copy: ins.Copy, url: str, found: Taken) -> None:
        checksum = _DIGEST.match(copy.checksum)
        if checksum is None and copy.checksum:
            raise DockerfileError(
                f"invalid checksum {copy.checksum!r}",
                hint="write ADD --checksum=sha256:..., with the digest of the file",
            )
        try:
            name = name_of(url)
        except UsageError as error:
            raise DockerfileError(error.message) from None
        digest = self._unpinned.file(url).hex if checksum is None else checksum[1]
        artifact = self._recorder.fetched(copy.span, url, digest)
        found.types.append(DIRECTORY if copy.unpack else FILE)
        if copy.unpack:
            found.archives.append((name, artifact))
            return
        if not name and _is_folder(copy.dest):
            raise DockerfileError(f"{url} names no file", hint="name it in the destination")
        found.rows.append((Row(name or "file", FILE, _DOWNLOADED_MODE), artifact))

    def _selected(
        self,
        span: Span,
        sources: Sequence[str],
        origin: Layers,
        exclude: Sequence[str],
        *,
        parents: bool,
        keep_owners: bool,
        notes_several: bool = False,
        whole: bool = False,
    ) -> tuple[Ref, Ref]:
        """Return what is taken of a stack of layers, and where its bytes are."""
        select = ListFiles(
            exclude=tuple(exclude),
            from_=origin.what,
            keep_owners=keep_owners,
            notes_several=notes_several,
            optional=not whole,
            parents=parents,
            sources=tuple(sources),
            whole=whole,
            roots=origin.rows,
        )
        action = self._recorder.add(select, span)
        return Ref(Output(action, "listing")), Ref(Output(action, "content"))

    def _placed(self, place: ResolveDestination[Ref], span: Span) -> Ref:
        return Ref(Output(self._recorder.add(place, span), "destination"))


def _names(rows: Iterable[Row]) -> tuple[Named, ...]:
    return tuple(Named(row.name, row.type) for row in rows)


def _entries(rows: Iterable[Row]) -> tuple[CopyEntry, ...]:
    return tuple(CopyEntry(row.name, row.type, row.mode, row.link, row.device) for row in rows)


def _is_folder(dest: str) -> bool:
    return dest.endswith(("/", "/.", "/..")) or dest in ("", ".", "..")


def _mode(text: str) -> int | str | None:
    """Return permissions, or a change of them in letters; raises `DockerfileError`."""
    if not text:
        return None
    if _MODE.match(text):
        return int(text, 8)
    if not modes.is_change(text):
        raise DockerfileError(f"--chmod cannot be {text!r}", hint="write it as 755, 0644 or u=rwX,go=rX")
    return text
