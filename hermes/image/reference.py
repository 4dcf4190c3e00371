"""Names of images: ``[HOST[:PORT]/]PATH[:TAG][@DIGEST]``.

The grammar is that of the distribution project's reference package, which registries and other tools follow.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from hermes.digest import Digest
from hermes.errors import HermesError, UsageError

DOCKER_HUB: Final = "docker.io"
"""The registry of names that say none."""
LATEST: Final = "latest"
LOCALHOST: Final = "localhost"
"""The host of names that are of this machine only."""

_HUB_HOSTS: Final = frozenset({DOCKER_HUB, "index.docker.io"})
_LIBRARY: Final = "library/"
_PART: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST: Final = re.compile(
    r"(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|[A-Za-z0-9.-]+(?=:)|\[[0-9a-fA-F:]+\])(?::[0-9]+)?\Z"
)
_PATH: Final = re.compile(rf"{_PART}(?:/{_PART})*\Z")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")
_LONGEST_NAME: Final = 255
_LARGEST_PORT: Final = 65535


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """A name, in parts. ``host`` is empty where none was given, ``tag`` is ``latest`` where neither was."""

    host: str
    path: str
    tag: str = ""
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Parse a name; raises `UsageError` saying what is wrong with it."""
        rest, at, digest_text = text.partition("@")
        digest = None
        if at:
            try:
                digest = Digest.parse(digest_text)
            except HermesError as error:
                raise UsageError(f"invalid image name {text!r}: {error.message}", hint=error.hint) from None
        name, colon, tag = rest.rpartition(":")
        if not colon or "/" in tag:
            name, tag = rest, ""
        elif not _TAG.match(tag):
            raise _malformed(text, f"invalid tag {tag!r}", "a tag has letters, digits and _ . -, 128 at most")
        host, slash, path = name.partition("/")
        if not slash or not _HOST.match(host):
            host, path = "", name
        if not _PATH.match(path) or len(name) > _LONGEST_NAME:
            hint = "a name has lower-case letters and digits, with . _ - or / between them"
            if path.lower() != path and _PATH.match(path.lower()):
                hint = f"names are lower case: {path.lower()}"
            raise _malformed(text, f"{path!r} cannot be a name", hint)
        port = host.rpartition("]")[2].partition(":")[2]
        if port and int(port) > _LARGEST_PORT:
            raise _malformed(text, f"invalid port {port}", f"a port is {_LARGEST_PORT} at most")
        return cls(host, path, tag or ("" if digest else LATEST), digest)

    @property
    def name(self) -> str:
        """Host and path."""
        return f"{self.host}/{self.path}" if self.host else self.path

    @property
    def short(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def full(self) -> Reference:
        """The name with the registry that it means: `DOCKER_HUB` where it says none, official images in ``library/``."""
        if self.host and self.host not in _HUB_HOSTS:
            return self
        path = self.path if "/" in self.path else _LIBRARY + self.path
        return Reference(DOCKER_HUB, path, self.tag, self.digest)

    @property
    def normal(self) -> Reference:
        """The one form that the store has a name in, and that names are compared in: without what is implied.

        ``docker.io/library/alpine``, ``library/alpine`` and ``alpine`` are all ``alpine``.
        """
        full = self.full
        if full.host != DOCKER_HUB:
            return full
        path = full.path.removeprefix(_LIBRARY) if full.path.count("/") == 1 else full.path
        if _HOST.match(path.partition("/")[0]) and "/" in path:
            return full
        return Reference("", path, self.tag, self.digest)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.name}{tag}{f'@{self.digest}' if self.digest else ''}"


def normal_name(text: str) -> str:
    """Return a name in its normal form; what is not a name stays as it is."""
    try:
        return str(Reference.parse(text).normal)
    except UsageError:
        return text


def is_tag_or_name(text: str) -> bool:
    """Tell whether ``text`` is a tag, or a name without a digest, which layouts and archives have for tags."""
    if _TAG.match(text):
        return True
    try:
        return Reference.parse(text).digest is None
    except UsageError:
        return False


def _malformed(text: str, problem: str, hint: str) -> UsageError:
    return UsageError(f"invalid image name {text!r}: {problem}", hint=hint)
