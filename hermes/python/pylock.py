"""pylock.toml (PEP 751), read and decided by the library ``packaging``."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from hermes.errors import LockError
from hermes.python.pins import LockedFile, Pin, best_wheel, checked_sha256, no_wheel, of_folder, of_git
from hermes.python.target import PythonTarget

if TYPE_CHECKING:
    from packaging.pylock import Package


def pins_of(
    path: str,
    document: Mapping[str, Any],
    target: PythonTarget,
    extras: Collection[str],
    groups: Collection[str],
    sources: Collection[str],
) -> list[Pin]:
    """Return what a lock has for a target, with the given extras and dependency groups.

    Of the packages in ``sources`` a source distribution is taken where no wheel fits. Raises `LockError`.
    """
    from packaging.pylock import (
        PackageDirectory,
        PackageSdist,
        PackageVcs,
        PackageWheel,
        Pylock,
        PylockSelectError,
        PylockUnsupportedVersionError,
        PylockValidationError,
    )

    try:
        lock = Pylock.from_dict(document)
        chosen = list(
            lock.select(
                environment=target.environment(),
                tags=target.tags(),
                extras=extras,
                dependency_groups=groups,
            )
        )
    except PylockUnsupportedVersionError as error:
        raise LockError(f"{path}: {error}") from None
    except PylockValidationError as error:
        raise LockError(f"{path} is not a valid pylock.toml: {error}") from None
    except PylockSelectError as error:
        missing = _without_wheel(document, str(error), target)
        raise missing or LockError(f"{path}: {error}") from None
    found = []
    for package, one in chosen:
        version = str(package.version or "")
        if isinstance(one, PackageSdist) and package.name not in sources:
            raise no_wheel(package.name, version, _files(package), target)
        if not isinstance(one, PackageSdist | PackageWheel):
            if isinstance(one, PackageDirectory):  # first-party code
                if package.name in sources:
                    where = posixpath.normpath(posixpath.join(one.path, one.subdirectory or ""))
                    found.append(of_folder(path, package.name, version, where))
                continue
            if isinstance(one, PackageVcs) and one.type == "git" and one.url:
                folder = one.subdirectory or ""
                found.append(of_git(path, package.name, one.url, one.commit_id, folder, sources))
                continue
            raise LockError(
                f"{path}: {package.name} comes from a repository or an archive, which is not supported",
                hint="lock a version that an index has, or a commit of a git repository",
            )
        sha256 = checked_sha256(f"{path}: {one.filename}", one.hashes)
        url = one.url if one.url and one.url.startswith(("http://", "https://")) else ""
        found.append(Pin(package.name, version, one.filename, (sha256,), one.size, url))
    return found


def _files(package: Package) -> list[LockedFile]:
    files = [LockedFile(one.filename, "") for one in package.wheels or ()]
    return [*files, LockedFile(package.sdist.filename, "")] if package.sdist else files


def _without_wheel(document: Mapping[str, Any], reason: str, target: PythonTarget) -> LockError | None:
    """Return a better error where the reason is that a package has no wheel that fits."""
    from packaging.pylock import Pylock

    if "No wheel found" not in reason:
        return None
    for package in Pylock.from_dict(document).packages:
        files = _files(package)
        if repr(package.name) in reason and not best_wheel(files, target):
            return no_wheel(package.name, str(package.version or ""), files, target)
    return None
