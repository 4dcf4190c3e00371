"""A store that has files and nothing else: what a machine has that fetched them for something else."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.bench.timing import HERMES


class Fetched(NamedTuple):
    """A file by its name and digest."""

    name: str
    sha256: str
    size: int | None


class WarmStore:
    """The store at ``home``; ``forget`` makes it as it was, and removes what a build wrote."""

    def __init__(self, home: Path, workspace: Path) -> None:
        self.home = home
        self._workspace = workspace
        self._kept = home.with_name(f"{home.name}.kept")

    @property
    def env(self) -> Mapping[str, str]:
        return {"HERMES_HOME": str(self.home)}

    def keep(self, files: Iterable[Fetched]) -> None:
        """Leave those of the files in the store that it has."""
        blobs, own = self.home / "blobs/sha256", self.home.with_name(f"{self.home.name}.own")
        own.mkdir()
        (own / "hermes.yaml").touch()
        targets = []
        for number, one in enumerate(files):
            size = "" if one.size is None else f", size={one.size}"
            place = f"urls=['file://{blobs}/{one.sha256}'], filename={one.name!r}, sha256='{one.sha256}'"
            targets.append(f"fetch_file(name='f{number}', {place}{size})\n")
        (own / "BUILD").write_text("".join(targets))
        env = {**os.environ, "HERMES_HOME": str(self._kept)}
        subprocess.run([*HERMES, "build", "-q", "//..."], cwd=own, env=env, check=True)
        shutil.rmtree(own)
        shutil.rmtree(self.home)

    def forget(self) -> None:
        for folder in (self.home, self._workspace / "hermes-out"):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self._kept, self.home, symlinks=True)
