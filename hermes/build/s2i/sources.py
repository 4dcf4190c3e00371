"""Where the source of an application is: a folder of this machine, or a commit of a git repository.

As with s2i, a folder that is a repository means its commit, unless it is to be copied as it is.
"""

from __future__ import annotations

import os
import posixpath
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hermes.build.s2i.options import S2IOptions
from hermes.errors import FetchError, UsageError
from hermes.s2i.facts import NAMESPACE

if TYPE_CHECKING:
    from hermes.build.memory.looked import Looked
    from hermes.store import Store

_FILE: Final = "file://"
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|[^/@]+@[^/:]+:")
"""A URL, or HOST:PATH as ssh has it; see git-clone(1), "Git URLs"."""
_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_BUILD: Final = f"{NAMESPACE}build."
_FORM: Final = "%an <%ae>%n%ad%n%<(80,trunc)%s"


@dataclass(frozen=True, slots=True)
class Source:
    """The ``folder`` of an application; ``labels`` say of the image where it comes from."""

    folder: Path
    labels: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def fetched(options: S2IOptions, store: Store, looked: Looked) -> Iterator[Source]:
    """Give the source, a repository's in a folder that is removed afterwards; raises `UsageError` and `FetchError`.

    ``looked`` notes what tells whether a folder is a repository, of which it does not last.
    """
    text, _, fragment = options.source.partition("#")
    ref = options.ref or fragment
    if not text:
        raise UsageError("the source has an empty name", hint="name a folder, such as ., or a git repository")
    is_local = text.startswith(_FILE) or not _ADDRESS.match(text)
    place = Path(text.removeprefix(_FILE)).expanduser().absolute() if is_local else None
    if place is not None and not place.is_dir():
        problem = "is not a folder" if place.exists() else "is not there"
        raise UsageError(
            f"the source {text} {problem}", hint="name a folder, or the address of a git repository"
        )
    if place is not None and not options.copy:
        looked.at([str(place / ".git"), str(place / "HEAD")])
    is_repository = place is None or (place / ".git").exists() or (place / "HEAD").is_file()
    if place is not None and (options.copy or not is_repository):
        if ref:
            raise UsageError(
                f"--ref {ref}: {text} is copied as it is",
                hint="leave out --copy" if options.copy else "it is not a git repository",
            )
        yield _in_context(place, options, {})
        return
    looked.lasts = False
    with store.scratch.directory() as folder:
        yield _checked_out(str(place) if place is not None else text, ref, options, folder, place)


def _in_context(folder: Path, options: S2IOptions, labels: Mapping[str, str]) -> Source:
    inside = posixpath.normpath(options.context_dir.lstrip("/") or ".")
    if inside == ".":
        return Source(Path(os.path.realpath(folder)), labels)
    root = os.path.realpath(folder)
    found = os.path.realpath(os.path.join(root, inside))
    if not os.path.isdir(found) or not Path(found).is_relative_to(root):
        raise UsageError(
            f"--context-dir {options.context_dir}: there is no such folder in the source",
            hint="name a folder of the source by its path there",
        )
    return Source(Path(found), {**labels, f"{_BUILD}source-context-dir": inside})


def _checked_out(url: str, ref: str, options: S2IOptions, folder: Path, place: Path | None) -> Source:
    from hermes.actions.git import Checkout
    from hermes.download import shown

    checkout = Checkout(folder, url, threading.Event())
    try:
        commit = ref if _COMMIT.match(ref) else checkout.commit_of(ref or "HEAD")
    except FetchError as error:
        if place is not None and not ref:
            error.hint = "commit what is to be built, or take the folder as it is: --copy"
        raise
    root = checkout.files(commit, "" if ref == commit else ref, "", submodules=options.submodules)
    author, date, message = checkout.said_of(commit, _FORM).split("\n", 2)
    location = shown(url) if place is None else _origin(place)
    said = {
        "commit.author": author,
        "commit.date": date,
        "commit.id": commit,
        "commit.message": message.strip(),
        "commit.ref": ref,
        "source-location": location,
    }
    return _in_context(root, options, {f"{_BUILD}{name}": value for name, value in said.items() if value})


def _origin(place: Path) -> str:
    """Return where a repository of this machine comes from; its own path would make an image differ from machine to machine."""
    import subprocess

    from hermes.download import shown

    argv = ["git", "-C", str(place), "config", "--get", "remote.origin.url"]
    found = subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()
    return shown(found) if _ADDRESS.match(found) and not found.startswith(_FILE) else ""
