"""Making a lock: npm resolves what package.json files ask for, in a folder of its own, and runs nothing of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from hermes.errors import LockError
from hermes.node.npmrc import NpmSources
from hermes.node.package_lock import read_lock

_MOST_SAID: Final = 30
_LOCK: Final = "package-lock.json"
_OPTIONS: Final = (
    "--package-lock-only",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--no-progress",
    "--loglevel=error",
)


class LockRequest(NamedTuple):
    """What to resolve, for the target ``label``: the package.json and archives in ``files``, into ``lock``.

    All are paths on this machine, in or below the folder of the lock. ``update``: versions that the lock has count for
    nothing.
    """

    label: str
    lock: Path
    files: tuple[Path, ...]
    workspace: Path
    legacy_peers: bool = False
    update: bool = False


def make_lock(request: LockRequest, sources: NpmSources) -> bytes:
    """Return the text of a package-lock.json.

    Versions stay as they are in the present lock where that is possible. A new lock names no registry, and neither does one
    that had no addresses before. Raises `LockError`.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise LockError(
            "npm, which resolves npm packages, is not installed",
            hint="install Node.js with npm, as apt install npm",
        )
    with tempfile.TemporaryDirectory(prefix="hermes-lock-") as folder:
        written = Path(folder, _LOCK)
        _copy(request, Path(folder))
        done = subprocess.run(
            [npm, "install", *_OPTIONS, f"--omit-lockfile-registry-resolved={_names_none(request)}"]
            + (["--legacy-peer-deps"] if request.legacy_peers else []),
            cwd=folder,
            env=_environment(sources),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if done.returncode or not written.exists():
            lines = done.stderr.decode("utf-8", "replace").strip().splitlines()[-_MOST_SAID:]
            said = "".join(f"\n  {line.replace(folder, '.')}" for line in lines)
            raise LockError(f"{request.label}: npm cannot resolve package.json{said}")
        return written.read_bytes()


def _copy(request: LockRequest, folder: Path) -> None:
    own = request.lock.parent
    for one in request.files:
        if not one.is_relative_to(own):
            raise LockError(f"{request.label}: {one.name} is not in the folder of the lock, {own}")
        target = folder / one.relative_to(own)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(one, target)
    if not (folder / "package.json").exists():
        raise LockError(
            f"{request.label}: there is no package.json beside the lock",
            hint='say package_json = ["package.json"], and those of workspaces',
        )
    if request.lock.exists() and not request.update:
        shutil.copyfile(request.lock, folder / _LOCK)
    for place in (own, request.workspace):
        if (place / ".npmrc").exists():
            shutil.copyfile(place / ".npmrc", folder / ".npmrc")
            break


def _names_none(request: LockRequest) -> str:
    """Return, as npm's options have it, whether packages of a registry are to have no address in the lock."""
    if not request.lock.exists():
        return "true"
    packages = read_lock(request.lock.name, request.lock.read_bytes()).packages.values()
    return str(not any(one.resolved.startswith(("http://", "https://")) for one in packages)).lower()


def _environment(sources: NpmSources) -> Mapping[str, str]:
    found = {**os.environ, "NO_COLOR": "1", "NO_UPDATE_NOTIFIER": "1"}
    if sources.registry:
        found["npm_config_registry"] = sources.registry
    for scope, registry in sources.scopes.items():
        found[f"npm_config_{scope}:registry"] = registry
    return found
