"""Debian packages as entries of a layer: their files, and the database that says they are there.

See deb(5), deb-control(5), and for the database dpkg's ``lib/dpkg/dump.c`` and Debian Policy, chapter 7. It
does not know where packages come from, nor in which order they would be installed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from hermes.debian.certificates import BUNDLE, LISTED, bundle
from hermes.debian.relation import parse_relations
from hermes.errors import LayerError, LockError
from hermes.layer.archives import archive_members
from hermes.layer.content import BytesContent, Content, Spool
from hermes.layer.entry import DIRECTORY, FILE, HARDLINK, SYMLINK, Entry, join, parents
from hermes.layer.links import resolved
from hermes.layer.tar_reader import Member
from hermes.layer.write import Item

STATUS_D: Final = "status.d"
"""One file per package, which image scanners read where there is no dpkg."""
DPKG: Final = "dpkg"
"""The database of dpkg, with all packages unpacked and none configured."""

_AR_MAGIC: Final = b"!<arch>\n"
_AR_HEADER: Final = re.compile(
    rb"([!-~]{1,16}) *[0-9]* *[0-9]* *[0-9]* *[0-7]* *([0-9]{1,10}) *`\n\Z", re.DOTALL
)
_FORMS: Final = {"": "", ".gz": "gzip", ".xz": "xz", ".zst": "zstd", ".bz2": "bzip2", ".lzma": "lzma"}
_MOST_CONTROL: Final = 16 << 20
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9+.-]+\Z")
_MERGED: Final = frozenset({"bin", "sbin", "lib", "lib32", "lib64", "libo32", "libx32"})
_ALWAYS_MERGED: Final = ("bin", "sbin", "lib")
_VAR: Final = "var/lib/dpkg"


@dataclass(frozen=True, slots=True)
class DebFile:
    """A package: what errors call it, and where the file is."""

    name: str
    path: str


@dataclass(slots=True)
class _Package:
    """``fields`` are those of its control file in their order, ``control`` the files beside that."""

    file: DebFile
    fields: dict[str, str] = field(default_factory=dict)
    control: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    items: list[Item] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.fields["Package"]

    @property
    def info_name(self) -> str:
        """What dpkg calls the package's files in ``info``."""
        if self.fields.get("Multi-Arch", "") == "same":
            return f"{self.name}:{self.fields['Architecture']}"
        return self.name


def unpacked(
    packages: Sequence[DebFile],
    *,
    database: str,
    merged_usr: bool,
    mtime: int,
    spool: Callable[[], Spool],
    certificates: Sequence[DebFile] | None = None,
    only: Sequence[str] = (),
) -> list[Item]:
    """Return what ``packages`` hold, and a database (`STATUS_D` or `DPKG`) that lists them.

    With ``certificates``, files in PEM, there is a bundle of these and of what the packages have below
    ``/usr/share/ca-certificates``. ``only`` are the folders that stay, without a leading slash; all do where there are none.

    ``spool`` gives a new spool. With ``merged_usr`` what is in ``/bin``, ``/lib`` and the like
    moves below ``/usr``, and links lead there. Of a directory that several packages hold the first one's
    modes count, and of a directory and a link at one path the first: what is below it goes where the link leads. Raises `LayerError` when a package is malformed, or when two hold one file and neither
    replaces the other.
    """
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        largest_first = sorted(packages, key=lambda one: os.path.getsize(one.path), reverse=True)
        reading = {one: pool.submit(lambda file: _read(file, spool()), one) for one in largest_first}
        read = [reading[one].result() for one in packages]
    merged: dict[str, tuple[Item, _Package]] = {}
    used: set[str] = set()
    placing = _Placing()
    for package in read:
        for entry, content in package.items:
            moved = placing.placed(_below_usr(entry, used) if merged_usr else entry)
            _merge(merged, (moved._replace(mtime=mtime), content), package)
            placing.note(merged[moved.path][0][0])
    items = [item for item, _ in merged.values()]
    if merged_usr:
        items += _usr_links(merged, used, mtime)
    written = list(_dpkg_database(read) if database == DPKG else _status_d(read))
    if certificates is not None:
        written.append((BUNDLE, _bundle(merged, certificates), 0o644))
    if only:
        kept = {path: one for path, one in merged.items() if _stays(path, only)}
        return [*(item for item, _ in kept.values()), *_database_items(kept, written, mtime)]
    return [*items, *_database_items(merged, written, mtime)]


def _stays(path: str, only: Sequence[str]) -> bool:
    """Tell whether a path is one of some folders, above or below it."""
    return any(f"{path}/".startswith(f"{one}/") or f"{one}/".startswith(f"{path}/") for one in only)


def _bundle(merged: dict[str, tuple[Item, _Package]], certificates: Sequence[DebFile]) -> bytes:
    """Return the certificates of packages, by their paths, and then more."""
    texts = []
    for path, ((entry, content), _) in sorted(merged.items()):
        if path.startswith(LISTED) and path.endswith(".crt") and entry.type == FILE and content is not None:
            texts.append((f"/{path}", b"".join(content.chunks())))
    for one in certificates:
        with open(one.path, "rb") as file:
            texts.append((one.name, file.read(_MOST_CONTROL)))
    return bundle(texts)


# Reading a package.


def _read(file: DebFile, spool: Spool) -> _Package:
    package = _Package(file)
    with open(file.path, "rb") as stream:
        found: dict[str, tuple[str, int, int]] = {}
        for name, offset, size in _ar_members(stream, file.name):
            kind = name.partition(".")[0]
            if kind in ("control", "data"):
                found.setdefault(kind, (name, offset, size))
        for kind in ("control", "data"):
            if kind not in found:
                raise LayerError(f"{file.name}: not a Debian package: it has no {kind}.tar")
            name, offset, size = found[kind]
            form = _FORMS.get(name.removeprefix(f"{kind}.tar"))
            if form is None:
                raise LayerError(f"{file.name}: {name} has a form that dpkg does not know")
            tar = archive_members(_Region(stream, offset, size), name=f"{file.name}: {name}", form=form)
            if kind == "control":
                _read_control(package, tar)
            else:
                _read_data(package, tar, spool)
    return package


def _ar_members(stream: BinaryIO, name: str) -> Iterator[tuple[str, int, int]]:
    """Yield name, offset and size of the members of an ar archive; see deb(5), "Format"."""
    if stream.read(len(_AR_MAGIC)) != _AR_MAGIC:
        raise LayerError(f"{name}: not a Debian package")
    end = os.fstat(stream.fileno()).st_size
    while header := stream.read(60):
        match = _AR_HEADER.match(header)
        size = int(match[2]) if match else 0
        offset = stream.tell()
        if not match or offset + size > end:
            raise LayerError(f"{name}: is damaged (at byte {offset - len(header)})")
        yield match[1].decode("ascii").rstrip("/"), offset, size
        stream.seek(offset + size + size % 2)


class _Region:
    """Part of a file, to be read from its start to its end."""

    def __init__(self, file: BinaryIO, offset: int, size: int) -> None:
        file.seek(offset)
        self._file = file
        self._left = size

    def read(self, count: int) -> bytes:
        data = self._file.read(min(count, self._left))
        self._left -= len(data)
        return data


def _read_control(package: _Package, tar: Iterator[Member]) -> None:
    name = package.file.name
    for member in tar:
        entry = member.entry
        if entry.type != FILE or "/" in entry.path:
            continue
        if entry.size > _MOST_CONTROL:
            raise LayerError(f"{name}: {entry.path} is larger than a control file can be")
        package.control[entry.path] = b"".join(member.content), entry.mode
    data, _ = package.control.pop("control", (b"", 0))
    package.fields = _fields(data, name)
    for wanted in ("Package", "Version", "Architecture"):
        if wanted not in package.fields:
            raise LayerError(f"{name}: its control file has no {wanted}")
    if not _NAME.match(package.name) or not package.fields["Architecture"].replace("-", "").isalnum():
        raise LayerError(f"{name}: its control file names no package")


def _fields(data: bytes, name: str) -> dict[str, str]:
    """Return the fields of a control file in their order, continuation lines as they are."""
    from debian.deb822 import Deb822

    try:
        return dict(Deb822(data, encoding="utf-8"))
    except (ValueError, TypeError) as error:
        raise LayerError(f"{name}: its control file is malformed: {error}") from None


def _read_data(package: _Package, tar: Iterator[Member], spool: Spool) -> None:
    for member in tar:
        entry = member.entry
        if entry.path:
            package.items.append((entry, spool.add(member.content, entry.size)))


# Putting packages together.


class _Placing:
    """Where paths of packages lead: through the links of packages before, as dpkg unpacks all into one root."""

    def __init__(self) -> None:
        self._links: dict[str, str] = {}
        self._folders: dict[str, str] = {}

    def placed(self, entry: Entry) -> Entry:
        path = self._placed(entry.path)
        return entry._replace(
            path=path, link=self._placed(entry.link) if entry.type == HARDLINK else entry.link
        )

    def note(self, entry: Entry) -> None:
        """Take note of what is at a path now."""
        link = entry.link if entry.type == SYMLINK else None
        if self._links.get(entry.path) == link:
            return
        if entry.path in self._folders:
            self._folders.clear()
        if link is None:
            del self._links[entry.path]
        else:
            self._links[entry.path] = link

    def _placed(self, path: str) -> str:
        folder, _, name = path.rpartition("/")
        return join(self._folder(folder), name)

    def _folder(self, folder: str) -> str:
        if not folder:
            return ""
        found = self._folders.get(folder)
        if found is None:
            self._folder(folder.rpartition("/")[0])
            found = self._folders[folder] = resolved(folder, self._links.get)
            self._folders.setdefault(found, found)
        return found


def _below_usr(entry: Entry, used: set[str]) -> Entry:
    """Return an entry with its paths below /usr, if they are in a folder that has moved there."""
    if entry.path in _MERGED and entry.type == SYMLINK:
        return entry
    moved = entry._replace(path=_moved(entry.path, used))
    return moved._replace(link=_moved(entry.link, used)) if entry.type == HARDLINK else moved


def _moved(path: str, used: set[str]) -> str:
    top = path.partition("/")[0]
    if top not in _MERGED:
        return path
    used.add(top)
    return f"usr/{path}"


def _usr_links(merged: dict[str, tuple[Item, _Package]], used: set[str], mtime: int) -> Iterator[Item]:
    for name in sorted(used.union(_ALWAYS_MERGED)):
        if name not in merged:
            yield Entry(name, SYMLINK, 0o777, link=f"usr/{name}", mtime=mtime), None
        if f"usr/{name}" not in merged:
            yield Entry(f"usr/{name}", DIRECTORY, 0o755, mtime=mtime), None


def _merge(merged: dict[str, tuple[Item, _Package]], item: Item, package: _Package) -> None:
    entry = item[0]
    if entry.path not in merged:
        merged[entry.path] = item, package
        return
    (before, before_content), other = merged[entry.path]
    if entry.type == before.type == DIRECTORY:
        return
    if {entry.type, before.type} == {DIRECTORY, SYMLINK}:
        return  # the first one stays, see dpkg's ``tarobject``
    if other is package or _replaces(package, other):
        merged[entry.path] = item, package
    elif not _replaces(other, package) and not _alike((before, before_content), item):
        raise LayerError(
            f"/{entry.path} is in two packages, {other.file.name} and {package.file.name}, "
            "and neither says that it replaces the other",
            hint="take one of them out of the lock",
        )


def _alike(one: Item, other: Item) -> bool:
    (before, before_content), (entry, content) = one, other
    if before._replace(mtime=0) != entry._replace(mtime=0):
        return False
    if before_content is None or content is None:
        return before_content is content
    return b"".join(before_content.chunks()) == b"".join(content.chunks())


def _replaces(package: _Package, other: _Package) -> bool:
    """Tell whether the files of ``package`` may take the place of those of ``other``; see Debian Policy, 7.6.1."""
    try:
        relations = parse_relations(package.fields.get("Replaces", ""))
    except LockError as error:
        raise LayerError(
            f"{package.file.name}: its control file has a malformed Replaces: {error.message}"
        ) from None
    return any(one.name == other.name and one.matches(other.fields["Version"]) for one in relations)


# The database.

Written = Iterable[tuple[str, bytes, int]]
"""Path below the root, content and mode."""


def _database_items(merged: dict[str, tuple[Item, _Package]], written: Written, mtime: int) -> Iterator[Item]:
    """Yield the files of a database and the folders that they need."""
    made: set[str] = set()
    for path, data, mode in written:
        for above in parents(path):
            if above in made or above in merged:
                continue
            made.add(above)
            yield Entry(above, DIRECTORY, 0o755, mtime=mtime), None
        yield Entry(path, FILE, mode, size=len(data), mtime=mtime), BytesContent(data) if data else None


def _status_d(packages: Sequence[_Package]) -> Iterator[tuple[str, bytes, int]]:
    for package in packages:
        path = f"{_VAR}/status.d/{package.name}"
        yield path, _stanza(package.fields), 0o644
        sums, _ = package.control.get("md5sums", (b"", 0))
        if sums:
            yield f"{path}.md5sums", sums, 0o644


def _dpkg_database(packages: Sequence[_Package]) -> Iterator[tuple[str, bytes, int]]:
    stanzas = []
    for package in packages:
        info = f"{_VAR}/info/{package.info_name}"
        yield f"{info}.list", _listing(package), 0o644
        for name, (data, mode) in sorted(package.control.items()):
            yield f"{info}.{name}", data, 0o755 if mode & 0o100 else 0o644
        stanzas.append(_stanza(_unpacked_status(package)))
    yield f"{_VAR}/info/format", b"1\n", 0o644
    yield f"{_VAR}/status", b"\n".join(stanzas), 0o644
    for name in ("available", "diversions", "statoverride"):
        yield f"{_VAR}/{name}", b"", 0o644
    yield f"{_VAR}/arch", f"{_architecture(packages)}\n".encode(), 0o644


def _architecture(packages: Sequence[_Package]) -> str:
    found = (package.fields["Architecture"] for package in packages)
    return next((one for one in found if one != "all"), "all")


def _listing(package: _Package) -> bytes:
    paths = ["/.", *(f"/{entry.path}" for entry, _ in package.items)]
    return "".join(f"{path}\n" for path in paths).encode("utf-8", "surrogateescape")


def _unpacked_status(package: _Package) -> dict[str, str]:
    fields = {"Package": package.name, "Status": "install ok unpacked", **package.fields}
    listed, _ = package.control.get("conffiles", (b"", 0))
    paths = [line for line in listed.decode("utf-8", "surrogateescape").split("\n") if line.startswith("/")]
    if paths:
        contents = {f"/{entry.path}": content for entry, content in package.items}
        rows = [f" {path} {_md5(contents.get(path))}" for path in paths]
        fields["Conffiles"] = "\n" + "\n".join(rows)
    return fields


def _md5(content: Content | None) -> str:
    import hashlib

    hasher = hashlib.md5(usedforsecurity=False)
    if content is not None:
        for data in content.chunks():
            hasher.update(data)
    return hasher.hexdigest()


def _stanza(fields: dict[str, str]) -> bytes:
    """Return fields as a control file writes them."""
    lines = (
        f"{name}:{value if value.startswith(chr(10)) else f' {value}'}\n" for name, value in fields.items()
    )
    return "".join(lines).encode("utf-8", "surrogateescape")
