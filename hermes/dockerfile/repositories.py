"""Git repositories as sources of ADD and as contexts: ``URL[#REF][:FOLDER]``, ``URL?ref=REF&subdir=FOLDER``.

See the Dockerfile reference, "Adding files from a Git repository", and BuildKit's "Git URL query parameters".
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import Final

from hermes.errors import UsageError

_GIT: Final = re.compile(r"git@|git://|ssh://|https?://[^?#]*\.git(?:[?#]|\Z)", re.IGNORECASE)
_COMMIT: Final = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
_CHECKSUM: Final = re.compile(r"[0-9a-f]{7,64}\Z")
_FLAGS: Final = {"": True, "1": True, "true": True, "0": False, "false": False}
_QUERY: Final = ("ref", "tag", "branch", "commit", "subdir", "submodules", "keep-git-dir")


def is_repository(source: str) -> bool:
    """Tell whether a source of ADD is a repository, and no file."""
    return _GIT.match(source) is not None


@dataclass(frozen=True, slots=True)
class Repository:
    """A folder of a repository, at what ``ref`` leads to (empty: its default branch). ``folder`` has no leading slash.

    ``checksum`` is the commit that this must be, or how its name begins. ``keep_git_dir`` is None where nothing is said of it.
    """

    url: str
    ref: str = ""
    folder: str = ""
    checksum: str = ""
    submodules: bool = True
    keep_git_dir: bool | None = None

    @classmethod
    def parse(cls, source: str, checksum: str = "") -> Repository:
        """Return what a source means; raises `UsageError`."""
        address, _, fragment = source.partition("#")
        url, _, text = address.partition("?")
        query = _query(source, text)
        ref, _, folder = fragment.partition(":")
        for name, prefix in (("ref", ""), ("tag", "refs/tags/"), ("branch", "refs/heads/")):
            if name in query:
                ref = _same(source, "ref", ref, prefix + query[name].removeprefix(prefix))
        folder = _same(source, "folder", folder, query.get("subdir", ""))
        checksum = _same(source, "commit", checksum, query.get("commit", ""))
        if checksum and not _CHECKSUM.match(checksum):
            raise UsageError(
                f"--checksum={checksum} is not a commit of a repository", hint="write its 40 digits"
            )
        if checksum and _COMMIT.match(ref) and not ref.startswith(checksum):
            raise UsageError(f"{source} is not the commit that --checksum names, {checksum}")
        flags = {
            name: _flag(source, name, query[name]) for name in ("submodules", "keep-git-dir") if name in query
        }
        inside = posixpath.normpath(f"/{folder}").lstrip("/")
        return cls(url, ref, inside, checksum, flags.get("submodules", True), flags.get("keep-git-dir"))

    @property
    def commit(self) -> str:
        """The commit, if it is known without asking the repository."""
        return next((one for one in (self.ref, self.checksum) if _COMMIT.match(one)), "")


def _query(source: str, text: str) -> dict[str, str]:
    from urllib.parse import parse_qsl

    found: dict[str, str] = {}
    for given, value in parse_qsl(text, keep_blank_values=True):
        name = "commit" if given == "checksum" else given
        if name not in _QUERY:
            raise UsageError(
                f"{source}: unknown query parameter {name!r}", hint=f"there are {', '.join(_QUERY)}"
            )
        if name in found:
            raise UsageError(f"{source}: {name} is given twice", hint="give it once")
        found[name] = value
    return found


def _same(source: str, what: str, one: str, other: str) -> str:
    if one and other and one != other:
        raise UsageError(f"{source} names two values of its {what}: {one} and {other}", hint="name one")
    return one or other


def _flag(source: str, name: str, value: str) -> bool:
    if value.lower() not in _FLAGS:
        raise UsageError(f"{source}: {name} cannot be {value!r}", hint="it is true or false")
    return _FLAGS[value.lower()]
