"""Names of images: ``[HOST[:PORT]/]PATH[:TAG][@DIGEST]``.

The grammar is that of the distribution project's reference package, which registries and other tools follow.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from hermes.digest import Digest
from hermes.errors import HermesError, UsageError

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
        return cls(host, path, tag or ("" if digest else "latest"), digest)

    @property
    def name(self) -> str:
        """Host and path."""
        return f"{self.host}/{self.path}" if self.host else self.path

    @property
    def short(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.name}{tag}{f'@{self.digest}' if self.digest else ''}"


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
