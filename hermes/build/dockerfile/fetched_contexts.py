"""Contexts that are no folder of this machine: from standard input, a web address or a git repository.

For a build they become a folder of the store, which is removed after it. As with docker and buildah: an archive,
compressed or not, is unpacked, and any other text is a Dockerfile whose context is empty. What is copied is known by its
content, as from every folder, so a build of the same runs nothing again.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hermes.build.dockerfile.options import NAMES, DockerfileOptions
from hermes.errors import UsageError

if TYPE_CHECKING:
    from hermes.store import Store

STANDARD_INPUT: Final = "-"
_WEB: Final = ("http://", "https://")
_GIT: Final = ("git@", "git://", "ssh://")
_GITHUB: Final = "github.com/"
_KEEPS_GIT: Final = "BUILDKIT_CONTEXT_KEEP_GIT_DIR"
"""The build argument with which BuildKit leaves the repository in a context."""
_IGNORE_FILES: Final = (".containerignore", ".dockerignore")


@contextmanager
def fetched(
    options: DockerfileOptions, home: Path, say: Callable[[str], None]
) -> Iterator[DockerfileOptions]:
    """Give the options with folders of this machine in the place of what is elsewhere.

    ``say`` is told what an address gave. Raises `UsageError`, `FetchError` and `LayerError`.
    """
    named = {name: text for name, text in options.contexts.items() if _is_address(text)}
    if not named and options.context != STANDARD_INPUT and not _is_address(options.context):
        yield options
        return
    from hermes.store import Store

    store = Store.open(home)
    try:
        with store.in_use(), store.scratch.directory() as folder:
            keeps_git = options.arguments.get(_KEEPS_GIT, "").lower() in ("1", "true")
            fetching = _Fetching(store, folder, say, keeps_git=keeps_git)
            try:
                if options.context == STANDARD_INPUT or _is_address(options.context):
                    options = fetching.main(options)
                contexts = {name: str(fetching.named(name, text)) for name, text in named.items()}
                yield replace(options, contexts={**options.contexts, **contexts})
            finally:
                fetching.forget()
    finally:
        store.close()


def _is_address(text: str) -> bool:
    return text.startswith((*_WEB, *_GIT, _GITHUB))


class _Fetching:
    def __init__(self, store: Store, folder: Path, say: Callable[[str], None], *, keeps_git: bool) -> None:
        self._keeps_git = keeps_git
        self._store = store
        self._folder = folder
        self._say = say
        self._roots: list[Path] = []
        self._closed: list[str] = []

    def main(self, options: DockerfileOptions) -> DockerfileOptions:
        """Return the options with the build's own context, and with what in it is the Dockerfile."""
        what = options.context
        is_input = what == STANDARD_INPUT
        if is_input and options.text is not None:
            raise UsageError(
                "standard input cannot be both the Dockerfile and the context", hint="name one of them"
            )
        root, text = self._root(what)
        shown = "standard input" if is_input else _shown(what)
        if text is not None:
            if options.file:
                raise UsageError(
                    f"{shown} is a Dockerfile, and -f names another",
                    hint="leave out -f, or give an archive of the context",
                )
            return replace(options, context=str(root), text=text)
        _check_links(root, (*_IGNORE_FILES, *(NAMES if not options.file else ())))
        if options.text is not None:
            return replace(options, context=str(root))
        if not options.file:
            if not any((root / name).is_file() for name in NAMES):
                raise UsageError(
                    f"there is no Dockerfile in the context from {shown}", hint="name it with -f"
                )
            return replace(options, context=str(root))
        inside = posixpath.normpath(f"/{options.file}").lstrip("/")
        _check_links(root, (inside,))
        file = str(root / inside) if (root / inside).is_file() else options.file
        return replace(options, context=str(root), file=file)

    def named(self, name: str, text: str) -> Path:
        """Return the folder of a named context."""
        root, dockerfile = self._root(text)
        if dockerfile is not None:
            raise UsageError(
                f"--build-context {name}={_shown(text)}: there is no archive of a folder",
                hint="name an archive, a git repository or a folder",
            )
        _check_links(root, _IGNORE_FILES)
        return root

    def forget(self) -> None:
        """Remove what the build remembers of the folders, which will not be there again, and let them be emptied."""
        import shutil

        from hermes.build.memory.snapshot import Snapshots

        for folder in self._closed:
            os.chmod(folder, 0o700)
        for root in self._roots:
            shutil.rmtree(Snapshots(self._store.home, root).folder, ignore_errors=True)

    def _root(self, text: str) -> tuple[Path, str | None]:
        """Return a folder with what a context has, and the text of its Dockerfile if it is nothing else."""
        from hermes.dockerfile.repositories import is_repository

        number = len(self._roots)
        if is_repository(text) or text.startswith(_GITHUB):
            root, dockerfile = self._repository(text, self._folder / f"git{number}"), None
        else:
            root = self._folder / str(number) / "context"
            root.mkdir(parents=True)
            dockerfile = self._stream(text, self._folder / f"{number}.stream", root)
        root = Path(os.path.realpath(root))
        self._roots.append(root)
        return root, dockerfile

    def _stream(self, text: str, file: Path, root: Path) -> str | None:
        import shutil
        import sys

        from hermes.layer.archives import is_archive, is_compressed

        name = "standard input"
        if text == STANDARD_INPUT:
            if sys.stdin.isatty():
                raise UsageError(
                    "standard input is a terminal",
                    hint="hermes bud - < Dockerfile, or tar -c . | hermes bud -",
                )
            with file.open("wb") as copy:
                shutil.copyfileobj(sys.stdin.buffer, copy)
        else:
            from hermes.download import saved

            name = _shown(text)
            digest = saved(text, file)
            self._say(f"{name} has the digest {digest}")
        if not is_archive(str(file)) and not is_compressed(str(file)):
            return file.read_bytes().decode("utf-8", "surrogateescape")
        from hermes.build.dockerfile.unpacked import unpack

        self._closed += unpack(file, root, name)
        file.unlink()
        return None

    def _repository(self, text: str, folder: Path) -> Path:
        import threading

        from hermes.actions.git import Checkout
        from hermes.dockerfile.repositories import Repository

        found = Repository.parse(text)
        url = found.url
        if url.startswith(_GITHUB):
            url = f"https://{url}" + ("" if url.endswith(".git") else ".git")
        folder.mkdir()
        checkout = Checkout(folder, url, threading.Event())
        commit = found.commit or checkout.commit_of(found.ref or "HEAD")
        if not commit.startswith(found.checksum):
            raise UsageError(
                f"{_shown(url)} is at the commit {commit}, not {found.checksum}",
                hint="name the commit that is meant",
            )
        keeps = self._keeps_git if found.keep_git_dir is None else found.keep_git_dir
        root = checkout.files(
            commit,
            "" if found.ref == commit else found.ref,
            found.folder,
            submodules=found.submodules,
            origin=_shown(url) if keeps else "",
        )
        if not root.is_dir():
            raise UsageError(
                f"{found.folder} of {_shown(url)} is not a folder", hint="name a folder after the :"
            )
        self._say(f"{_shown(url)} is at the commit {commit}")
        return root


def _check_links(root: Path, names: tuple[str, ...]) -> None:
    """Raise `UsageError` where what Hermes itself reads is a link out of a context that somebody else has made."""
    for name in names:
        found = os.path.realpath(root / name)
        if os.path.lexists(root / name) and not Path(found).is_relative_to(root):
            raise UsageError(f"{name} is a link that leads out of the context", hint="put a file there")


def _shown(text: str) -> str:
    from hermes.download import shown

    return shown(text)
