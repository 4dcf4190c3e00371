"""Wheels as entries of a layer, put where the PyPA's ``installer`` puts them; nothing is run and no pip is needed.

What is in which scheme, what scripts hold and what RECORD says is decided by that library. The folders are those of a
virtual environment: packages in ``lib/python3.N/site-packages``, scripts in ``bin``, data in the environment itself.
"""

from __future__ import annotations

import io
import posixpath
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple, cast

from hermes.errors import LayerError
from hermes.layer.content import BytesContent
from hermes.layer.entry import FILE, Entry, normal_path
from hermes.layer.write import Item
from hermes.python.archive import Member, Wheel

if TYPE_CHECKING:
    from installer.records import RecordEntry

_INSTALLER: Final = b"hermes\n"


class WheelPath(NamedTuple):
    """A wheel: what errors call it, and where the file is."""

    name: str
    path: str


class Environment(NamedTuple):
    """A virtual environment at ``prefix`` (without leading slash) for Python ``version``, as 3.12."""

    prefix: str
    version: str

    @property
    def interpreter(self) -> str:
        return f"/{self.prefix}/bin/python"

    def folders(self, distribution: str) -> dict[str, str]:
        """Return the folder of each scheme, without leading slash."""
        packages = f"{self.prefix}/lib/python{self.version}/site-packages"
        return {
            "purelib": packages,
            "platlib": packages,
            "scripts": f"{self.prefix}/bin",
            "headers": f"{self.prefix}/include/site/python{self.version}/{distribution}",
            "data": self.prefix,
        }


def installed(
    wheels: Sequence[WheelPath],
    environment: Environment,
    *,
    mtime: int,
    opened: Callable[[str], BinaryIO],
) -> list[Item]:
    """Return what ``wheels`` hold, as it is installed into ``environment``.

    ``opened`` opens a file that stays open until the items have been written. Raises `LayerError` when a wheel is
    malformed or hostile, and when two of them write one path differently.
    """
    found: dict[str, tuple[Item, str]] = {}
    for one in wheels:
        wheel = Wheel(one.name, opened(one.path))
        for item in _items(wheel, environment, mtime):
            path = item[0].path
            before = found.setdefault(path, (item, one.name))
            if before[0] is not item and not _alike(before[0], item):
                raise LayerError(
                    f"/{path} is in two wheels, {before[1]} and {one.name}, and differs",
                    hint="take one of the two packages out of the lock",
                )
    return [item for item, _ in found.values()]


def _alike(one: Item, other: Item) -> bool:
    (before, before_content), (entry, content) = one, other
    if before.digest and entry.digest:
        return before == entry
    if before_content is None or content is None:
        return before == entry and before_content is content
    return before == entry and b"".join(before_content.chunks()) == b"".join(content.chunks())


def _items(wheel: Wheel, environment: Environment, mtime: int) -> list[Item]:
    import configparser

    from installer import install
    from installer.exceptions import InstallerError

    destination = _Destination(wheel, environment, mtime)
    try:
        install(cast("Any", _Source(wheel)), cast("Any", destination), {"INSTALLER": _INSTALLER})
    except (InstallerError, configparser.Error, ValueError, KeyError, AssertionError) as error:
        reason = str(error.args[-1] if error.args else "its entry_points.txt is malformed").split("\n", 1)[0]
        raise LayerError(f"{wheel.name}: it cannot be installed: {reason}") from None
    return destination.items


class _Source:
    """`installer.sources.WheelSource`: a wheel as the library reads it."""

    def __init__(self, wheel: Wheel) -> None:
        self._wheel = wheel
        self.distribution = wheel.distribution
        self.version = wheel.version
        self.dist_info_dir = wheel.dist_info
        self.data_dir = f"{wheel.dist_info.removesuffix('.dist-info')}.data"
        self.dist_info_filenames = wheel.metadata_names()

    def read_dist_info(self, filename: str) -> str:
        return self._wheel.metadata(filename)

    def get_contents(self) -> Iterator[tuple[tuple[str, str, str], Member, bool]]:
        """Yield the files with what stands for their bytes, which nothing reads before they are written.

        Compiled files are left out, as the library would with a warning: they could be of other code.
        """
        for one in self._wheel.members:
            if "/__pycache__/" not in f"/{one.path}":
                yield (one.path, "", ""), one, one.is_executable


class _Destination:
    """`installer.destinations.WheelDestination`: the files of one wheel as items of a layer."""

    def __init__(self, wheel: Wheel, environment: Environment, mtime: int) -> None:
        self.items: list[Item] = []
        self._wheel = wheel
        self._folders = environment.folders(wheel.distribution)
        self._interpreter = environment.interpreter
        self._mtime = mtime
        self._paths: set[str] = set()

    def write_script(self, name: str, module: str, attr: str, section: str) -> RecordEntry:
        from installer.scripts import Script

        if "/" in name or name in ("", ".", ".."):
            raise LayerError(f"{self._wheel.name}: it has a script called {name!r}")
        _, data = Script(name, module, attr, cast("Any", section)).generate(self._interpreter, "posix")
        return self._add_data("scripts", name, data, executable=True)

    def write_file(
        self, scheme: str, path: str, stream: Member | BinaryIO, is_executable: bool
    ) -> RecordEntry:
        if not isinstance(stream, Member):
            return self._add_data(scheme, path, stream.read(), executable=is_executable)
        if scheme != "scripts":
            from installer.records import RecordEntry

            size = stream.size
            entry = self._entry(scheme, path, size, executable=is_executable)
            if size:
                self.items.append((entry._replace(digest=stream.sha256), stream))
            else:
                stream.read()
                self.items.append((entry, None))
            return RecordEntry(
                path, _record_hash(stream.hash.algorithm, bytes.fromhex(stream.hash.hex)), size
            )
        from installer.utils import fix_shebang

        with fix_shebang(io.BytesIO(stream.read()), self._interpreter) as fixed:
            return self._add_data(scheme, path, fixed.read(), executable=is_executable)

    def finalize_installation(
        self, scheme: str, record_file_path: str, records: Iterable[tuple[str, RecordEntry]]
    ) -> None:
        from installer.utils import construct_record_file

        own = self._folders[scheme]

        def prefix(other: str) -> str | None:
            folder = self._folders[other]
            return None if folder == own else f"{posixpath.relpath(folder, own)}/"

        with construct_record_file(cast("Any", records), cast("Any", prefix)) as stream:
            self._add_data(scheme, record_file_path, stream.read(), executable=False)

    def _add_data(self, scheme: str, path: str, data: bytes, *, executable: bool) -> RecordEntry:
        import hashlib

        from installer.records import RecordEntry

        digest = hashlib.sha256(data)
        entry = self._entry(scheme, path, len(data), executable=executable)
        self.items.append((entry._replace(digest=digest.hexdigest()), BytesContent(data) if data else None))
        return RecordEntry(path, _record_hash("sha256", digest.digest()), len(data))

    def _entry(self, scheme: str, path: str, size: int, *, executable: bool) -> Entry:
        where = normal_path(f"{self._folders[scheme]}/{path}", of=self._wheel.name)
        if where in self._paths:
            raise LayerError(f"{self._wheel.name}: it writes /{where} twice")
        self._paths.add(where)
        return Entry(where, FILE, 0o755 if executable else 0o644, size=size, mtime=self._mtime)


def _record_hash(algorithm: str, digest: bytes) -> Any:
    import base64

    from installer.records import Hash

    return Hash(algorithm, base64.urlsafe_b64encode(digest).decode("ascii").rstrip("="))
