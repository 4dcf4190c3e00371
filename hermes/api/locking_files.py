"""The lock of files at addresses: what each of them is, by its digest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from hermes.digest import Digest
from hermes.download import Absent, download, shown
from hermes.errors import FetchError, LockError
from hermes.store import Store
from hermes.store.io_errors import storing
from hermes.yaml_text import YamlError, parse_yaml

VERSION: Final = 1

_HEAD: Final = "# Written by `hermes lock`: what the files are that targets of this package fetch.\n"


def files_lock(
    path: Path, label: str, wanted: Mapping[str, Sequence[str]], store: Store, *, check: bool, update: bool
) -> bytes:
    """Return the lock of the files in ``wanted``, which maps the name of each to its addresses, tried in order.

    A file whose addresses are those in the lock at ``path`` stays what it is unless there is to be an ``update``; others are
    downloaded into the store. With ``check`` nothing is. Raises `LockError`, `FetchError`.
    """
    before = _read(path)
    rows = [f"{_HEAD}version: {VERSION}\nfiles:{'' if wanted else ' {}'}\n"]
    for name, urls in sorted(wanted.items()):
        row = before.get(name, {})
        if update or row.get("urls") != list(urls):
            if check:
                raise LockError(
                    f"{path}: {name} is not locked for its addresses",
                    hint=f"run `hermes lock {label}`, and commit what it writes",
                )
            row = dict(zip(("sha256", "size"), _downloaded(name, urls, store), strict=True))
        rows.append(f"  {json.dumps(name)}:\n    urls:\n")
        rows += [f"    - {json.dumps(one)}\n" for one in urls]
        rows.append(f"    sha256: {json.dumps(row['sha256'])}\n    size: {row['size']}\n")
    return "".join(rows).encode()


def _downloaded(name: str, urls: Sequence[str], store: Store) -> tuple[str, int]:
    from hermes.registry import pace

    size = 0

    def take(pieces: Iterator[bytes]) -> Digest:
        nonlocal size
        size = 0
        with store.blobs.writer() as blob, storing("the store"):
            for data in pieces:
                size += len(data)
                blob.write(data)
            return blob.commit()

    problems = []
    for url in urls:
        if not url.startswith(("http://", "https://", "file://")):
            raise LockError(
                f"{name}: {url} cannot be locked", hint="name http://, https:// or file:// addresses"
            )
        try:
            with pace.session() as session:
                return download(url, take, session).hex, size
        except Absent as error:
            problems.append(f"{shown(url)}: {error}")
        except FetchError as error:
            problems.append(error.message)
    said = "".join(f"\n  {one}" for one in problems)
    raise LockError(f"{name} could not be fetched{said}", hint="check its addresses and the network")


def _read(path: Path) -> Mapping[str, Mapping[str, Any]]:
    """Return what is locked, by name; raises `LockError` for a file that is not a lock of files."""
    try:
        document = parse_yaml(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, YamlError) as error:
        raise LockError(f"{path} cannot be read: {error}", hint="remove it and run `hermes lock`") from None
    files = (
        document.get("files") if isinstance(document, dict) and document.get("version") == VERSION else None
    )
    if not isinstance(files, dict) or not all(
        isinstance(one, dict) and {"urls", "sha256", "size"} <= one.keys() for one in files.values()
    ):
        raise LockError(f"{path} is not a lock of files", hint="remove it and run `hermes lock`")
    return files
