"""Git repositories as sources of ADD: ``URL[#REF][:FOLDER]``. See the Dockerfile reference, "Adding files from a Git repository"."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import Final

from hermes.errors import DockerfileError

_GIT: Final = re.compile(r"git@|git://|ssh://|https?://[^?#]*\.git(?:[?#]|\Z)", re.IGNORECASE)
_COMMIT: Final = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")


def is_repository(source: str) -> bool:
    """Tell whether a source of ADD is a repository, and no file."""
    return _GIT.match(source) is not None


@dataclass(frozen=True, slots=True)
class Repository:
    """A folder of a commit. ``ref`` is a name that leads to the commit, or empty; ``folder`` has no leading slash."""

    url: str
    ref: str
    commit: str
    folder: str

    @classmethod
    def parse(cls, source: str, checksum: str) -> Repository:
        """Return what a source means; raises `DockerfileError` when it does not say which commit."""
        url, _, fragment = source.partition("#")
        if "?" in url:
            raise DockerfileError(
                f"{source}: what follows the ? is not understood",
                hint=f"write {url.partition('?')[0]}#COMMIT:FOLDER",
            )
        ref, _, folder = fragment.partition(":")
        inside = posixpath.normpath(f"/{folder}").lstrip("/")
        if checksum and not _COMMIT.match(checksum):
            raise DockerfileError(
                f"--checksum={checksum} is not a commit of a repository", hint="write its 40 digits"
            )
        commit = checksum or (ref if _COMMIT.match(ref) else "")
        if not commit:
            what = ref or "its default branch"
            raise DockerfileError(
                f"{url}: what {what} is may change, so that the build could not be repeated",
                hint=f"name the commit: {url}#COMMIT, or --checksum=COMMIT",
            )
        if _COMMIT.match(ref) and ref != commit:
            raise DockerfileError(f"{source} is not the commit that --checksum names, {commit}")
        return cls(url, "" if ref == commit else ref, commit, inside)
