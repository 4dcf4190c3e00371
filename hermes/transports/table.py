"""The transports: one row for each, which reading, writing, help texts and completion go by.

To add one, write its module (see `hermes.transports.transport`) and a row here. Loading the table loads none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from hermes.errors import UsageError

if TYPE_CHECKING:
    from hermes.registry.client import Client
    from hermes.store import Store
    from hermes.transports.transport import Destination, Origin, Reader, Transport, Writer


class Row(NamedTuple):
    """A transport: its name, what follows the colon, what that is, and how to load what reads and writes it."""

    name: str
    where: str
    help: str
    reader: Callable[[], Reader] | None
    writer: Callable[[], Writer] | None

    @property
    def form(self) -> str:
        """How users write it."""
        return f"{self.name}:{self.where}"


def _containers_storage() -> Transport:
    from hermes.transports import containers_storage

    return containers_storage


def _dir() -> Transport:
    from hermes.transports import dir as directory

    return directory


def _docker() -> Transport:
    from hermes.transports import docker

    return docker


def _docker_archive() -> Transport:
    from hermes.transports import docker_archive

    return docker_archive


def _docker_daemon() -> Transport:
    from hermes.transports import docker_daemon

    return docker_daemon


def _oci() -> Transport:
    from hermes.transports import oci

    return oci


def _oci_archive() -> Transport:
    from hermes.transports import oci_archive

    return oci_archive


TABLE: Final = (
    Row("oci", "DIR[:TAG]", "an OCI layout", _oci, _oci),
    Row("oci-archive", "FILE[:TAG]", "an OCI layout as a tar archive", _oci_archive, _oci_archive),
    Row("docker", "//HOST/NAME[:TAG]", "a registry", _docker, _docker),
    Row("docker-archive", "FILE[:NAME]", "what `docker save` writes", _docker_archive, _docker_archive),
    Row("dir", "DIR", "manifest and blobs side by side, as skopeo writes them", _dir, _dir),
    Row("containers-storage", "NAME", "images of podman and buildah", _containers_storage, _containers_storage),
    Row("docker-daemon", "NAME", "images of a Docker daemon", _docker_daemon, _docker_daemon),
)  # fmt: skip
_ROWS: Final = {row.name: row for row in TABLE}


def has_transport(text: str) -> bool:
    """Tell whether ``text`` begins with a transport, which no name of an image does."""
    transport, colon, _ = text.partition(":")
    return bool(colon) and transport in _ROWS


def is_standard_output(text: str) -> bool:
    """Tell whether a destination is an archive on standard output, where nothing else may be printed then."""
    transport, _, where = text.partition(":")
    return transport.endswith("-archive") and where.partition(":")[0] == "-"


@contextmanager
def opened(text: str, store: Store, client: Callable[[], Client]) -> Iterator[Origin]:
    """Open ``TRANSPORT:WHERE``; raises as `Reader.opened` does."""
    from hermes.transports.transport import Place

    transport, _, where = text.partition(":")
    row = _ROWS.get(transport)
    if row is None or row.reader is None:
        raise _unknown(text, [one for one in TABLE if one.reader], "read from")
    if not where.strip("/"):
        raise UsageError(f"{text!r} names no image", hint=f"write {row.form}")
    with row.reader().opened(Place(text, where), store, client) as origin:
        yield origin


def parse_destination(text: str, client: Callable[[], Client]) -> Destination:
    """Return the destination that ``TRANSPORT:WHERE`` names; raises as `Writer.destination` does."""
    from hermes.transports.transport import Place

    transport, _, where = text.partition(":")
    row = _ROWS.get(transport)
    if row is None or row.writer is None:
        raise _unknown(text, [one for one in TABLE if one.writer], "written to")
    if not where.strip("/"):
        raise UsageError(f"{text!r} names no place to write to", hint=f"write {row.form}")
    return row.writer().destination(Place(text, where), client)


def _unknown(text: str, rows: list[Row], done: str) -> UsageError:
    import difflib

    transport, _, where = text.partition(":")
    known = [row.name for row in rows]
    near = difflib.get_close_matches(transport, known, 1)
    hint = f"did you mean {near[0]}:{where}?" if near else f"images are {done} {', '.join(known)}"
    return UsageError(f"unknown transport in {text!r}", hint=hint)
