"""The places of scripts that are outside of an image: a folder of this machine, or an address."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from hermes.build.dockerfile.remote_sources import RemoteSources
from hermes.build.memory.looked import Looked
from hermes.dockerfile.files import FolderFiles
from hermes.errors import UsageError
from hermes.s2i.facts import IN_IMAGE, SCRIPTS_URL, Facts
from hermes.s2i.scripts import NAMES, InFiles, InImage, Place
from hermes.store import Store

_FILE: Final = "file://"
_WEB: Final = ("http://", "https://")


class ScriptPlaces:
    """Makes them. ``folders`` maps the names that their files have as sources to folders, some of them in ``scratch``; ``looked`` notes what is looked at."""

    def __init__(
        self,
        store: Store,
        scratch: Path,
        remote: RemoteSources,
        say: Callable[[str], None],
        looked: Looked | None = None,
    ) -> None:
        self.folders: dict[str, str] = {}
        self._looked = looked or Looked.now()
        self._store = store
        self._scratch = scratch
        self._remote = remote
        self._say = say
        self._known: dict[str, Place] = {}

    def named(self, url: str) -> Place:
        """Return what ``--scripts-url`` names; raises `UsageError` where there is not one script."""
        place = self._place(url, f"--scripts-url {url}")
        if not any(place.find(name) for name in NAMES):
            raise UsageError(
                f"--scripts-url {url}: there are no scripts", hint=f"it must have {' and '.join(NAMES[:2])}"
            )
        return place

    def of_image(self, image: Facts) -> Iterator[Place]:
        """Yield what the label of an image names, if it has one."""
        if url := image.scripts_url:
            yield self._place(url, f"the label {SCRIPTS_URL} ({url})")

    def _place(self, url: str, shown: str) -> Place:
        if url not in self._known:
            self._known[url] = self._made(url, shown)
        return self._known[url]

    def _made(self, url: str, shown: str) -> Place:
        if url.startswith(IN_IMAGE):
            return InImage(url.removeprefix(IN_IMAGE), shown)
        name = f"scripts{len(self.folders)}"
        if url.startswith(_FILE):
            folder = os.path.abspath(os.path.expanduser(url.removeprefix(_FILE)))
        elif url.startswith(_WEB):
            self._looked.lasts = False
            folder = str(self._downloaded(url, name))
        else:
            raise UsageError(
                f"{shown} is not the address of a folder",
                hint="write image:///path/in/image, file://folder or https://...",
            )
        self.folders[name] = folder
        return InFiles(FolderFiles(folder, name, self._looked.paths), "", shown)

    def _downloaded(self, url: str, name: str) -> Path:
        folder = self._scratch / name
        folder.mkdir()
        for script in NAMES:
            try:
                digest = self._remote.file(f"{url.rstrip('/')}/{script}")
            except UsageError as error:
                self._say(f"no {script} script at {url}: {error.message}")
                continue
            os.link(self._store.blobs.path(digest), folder / script)
        return folder
