"""Where the store is, and whether this version of Hermes can use it. Cheap enough for every command."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from hermes.errors import StoreError
from hermes.store.regular import read_regular

VERSION: Final = 1
"""The format of the store; raised when an older Hermes could not use what a newer one wrote."""


def default_home() -> Path:
    """Return ``$HERMES_HOME``, else ``$XDG_CACHE_HOME/hermes``, else ``~/.cache/hermes``."""
    if named := os.environ.get("HERMES_HOME"):
        return Path(named).absolute()
    if cache := os.environ.get("XDG_CACHE_HOME"):
        return Path(cache) / "hermes"
    return Path("~/.cache/hermes").expanduser()


def is_made(home: Path) -> bool:
    """Tell whether there is a store at ``home``.

    Raises `StoreError` when it cannot be read, or was made by a newer version of Hermes.
    """
    version = _read_version(home)
    if version is None:
        return False
    if version > VERSION:
        raise StoreError(
            f"the store {home} was made by a newer version of Hermes "
            f"(its format is {version}, this one knows up to {VERSION})",
            hint="upgrade Hermes, or use another store with HERMES_HOME",
        )
    return True


def _read_version(home: Path) -> int | None:
    try:
        return int(read_regular(home / "version"))
    except FileNotFoundError:
        return None
    except ValueError:
        raise StoreError(
            f"{home}/version does not hold a version",
            hint="the folder is not a Hermes store, or is damaged: remove it or use another HERMES_HOME",
        ) from None
    except OSError as error:
        raise StoreError(f"cannot read the store {home}: {error.strerror}") from error
