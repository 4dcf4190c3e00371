"""``docker-daemon:NAME``: the images of a Docker daemon, or podman's service.

See the Docker Engine API, "Export an image" and "Import images".
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import quote

from hermes.digest import read_json
from hermes.errors import BuildError, HermesError, UsageError
from hermes.image.descriptor import Descriptor
from hermes.image.reference import Reference
from hermes.store import Store
from hermes.transports.docker_archive import NEEDS, origin_of, write_docker_archive
from hermes.transports.docker_host import asked
from hermes.transports.files import Archive, spooled
from hermes.transports.transport import LARGEST_DOCUMENT, Needs, Origin, Place, refuse_index

if TYPE_CHECKING:
    from hermes.registry.client import Client

_SHOWN: Final = 500
_IDENTITY: Final = re.compile(r"(?:sha256:)?[0-9a-f]{12,64}\Z")


@contextmanager
def opened(place: Place, store: Store, _client: Callable[[], Client]) -> Iterator[Origin]:
    """Open an image by its name or id; raises `BuildError` when there is no daemon, `UsageError` for no such image."""
    text, where = place
    name = where if _IDENTITY.match(where) else str(_reference(text, where))
    with asked("GET", f"/images/{quote(name, safe='/:@')}/get", text) as answer:
        if answer.status == http.client.NOT_FOUND:
            raise UsageError(f"{text}: the daemon has no such image", hint="see `docker images`")
        _check(answer, text)
        with spooled(answer, text, store) as file:
            yield origin_of(Archive(file, text), text, "")


def destination(place: Place, _client: Callable[[], Client]) -> DaemonDestination:
    return DaemonDestination(*place)


@dataclass(frozen=True, slots=True)
class DaemonDestination:
    """An image of the daemon, to which the name points from then on."""

    needs: ClassVar[Needs] = NEEDS

    text: str
    name: str

    def write(self, manifest: Descriptor, store: Store, name: str) -> None:
        refuse_index(manifest, self.text)
        reference = _reference(self.text, self.name)
        with store.scratch.directory() as folder:
            path = folder / "image.tar"
            write_docker_archive(path, manifest, store, reference.name, reference.tag)
            self._load(path)

    def _load(self, path: Path) -> None:
        headers = {"Content-Type": "application/x-tar", "Content-Length": str(path.stat().st_size)}
        with (
            path.open("rb") as file,
            asked("POST", "/images/load?quiet=1", self.text, body=file, headers=headers) as answer,
        ):
            _check(answer, self.text)
            for line in answer.read(LARGEST_DOCUMENT).splitlines():
                if problem := _problem(line):
                    raise BuildError(f"{self.text}: the daemon did not take the image: {problem}")


def _check(answer: http.client.HTTPResponse, text: str) -> None:
    if answer.status != http.client.OK:
        data = answer.read(LARGEST_DOCUMENT)
        plain = (
            data.decode(errors="replace").strip() if answer.headers.get_content_type() == "text/plain" else ""
        )
        said = _problem(data) or plain[:_SHOWN] or answer.reason
        raise BuildError(f"{text}: the daemon answered {answer.status}: {said}")


def _problem(line: bytes) -> str:
    """Return what an answer says is wrong, or an empty string."""
    try:
        document = read_json(line)
    except ValueError:
        return ""
    if not isinstance(document, dict):
        return ""
    return str(document.get("message") or document.get("error") or "")


def _reference(text: str, name: str) -> Reference:
    try:
        return Reference.parse(name)
    except HermesError as error:
        raise UsageError(f"{text!r}: {error.message}", hint=error.hint) from None
