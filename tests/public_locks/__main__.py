"""``python -m tests.public_locks``: ten requirement sets and ten package-locks beside uv and npm.

Each is fetched, built again without a network, held path by path to what the peer installs, and what it installs is imported
in the image. Exit status 1 says that something differs. With ``--from FOLDER`` the locks are those in folders below it, such
as checkouts of projects; a file ``set.json`` there may have arguments of ``Wanted``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.public_locks import node_locks, python_sets
from tests.public_locks.place import Place
from tests.public_locks.python_sets import Told

_PYTHON_LOCKS = ("uv.lock", "pylock.toml", "requirements.txt")
_NPM_LOCK = "package-lock.json"

Case = tuple[str, str, Callable[[Place], Told]]
"""A name, ``python`` or ``node``, and what builds and compares."""


def main() -> int:
    """Compare what is asked for; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.public_locks", description=__doc__)
    parser.add_argument("names", nargs="*", help="only these")
    parser.add_argument("--from", dest="source", type=Path, help="folders with locks")
    parser.add_argument("--keep", type=Path, help="where to build, and leave everything")
    given = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory(prefix="public-locks-") as temporary:
        place = Place(given.keep or Path(temporary))
        cases = [*(_given(given.source) if given.source else _by_name())]
        chosen = [one for one in cases if one[0] in given.names or not given.names]
        for base in sorted({kind for _, kind, _ in chosen}):
            place.prepare(base)
        print(f"{'set':<32} {'packages':>8} {'paths':>8} {'imported':>8} {'seconds':>8}", flush=True)
        for name, kind, case in chosen:
            began = time.monotonic()
            try:
                told = case(place)
            except RuntimeError as error:
                told = Told(0, 0, 0, str(error))
            took = time.monotonic() - began
            row = (
                f"{kind + ' ' + name:<32} {told.packages:>8} {told.paths:>8} {told.imported:>8} {took:>8.1f}"
            )
            print(row, *told.problems.splitlines(), sep="\n    ", flush=True)
            failed += bool(told.problems)
    print(f"{len(chosen) - failed} of {len(chosen)} are equal")
    return bool(failed)


def _by_name() -> Iterator[Case]:
    for name, wanted in python_sets.SETS.items():
        yield (
            name,
            "python",
            lambda place, name=name, wanted=wanted: python_sets.compared(
                place, f"python/{name}", python_sets.lock_of(place, f"python/{name}", wanted)
            ),
        )
    for name, packages in node_locks.SETS.items():
        yield (
            name,
            "node",
            lambda place, name=name, packages=packages: node_locks.compared(
                place, f"node/{name}", node_locks.lock_of(place, f"node/{name}", packages)
            ),
        )


def _given(source: Path) -> Iterator[Case]:
    for folder in sorted(source.iterdir()):
        about = folder / "set.json"
        said = json.loads(about.read_text()) if about.exists() else {}
        for lock in (*_PYTHON_LOCKS, _NPM_LOCK):
            if not (folder / lock).exists():
                continue
            if lock == _NPM_LOCK:
                yield (
                    folder.name,
                    "node",
                    lambda place, folder=folder, said=said: node_locks.compared(
                        _copied(place, folder), folder.name, node_locks.Wanted(**said)
                    ),
                )
            else:
                yield (
                    folder.name,
                    "python",
                    lambda place, folder=folder, said=said, lock=lock: python_sets.compared(
                        _copied(place, folder), folder.name, python_sets.Wanted(**{"lock": lock, **said})
                    ),
                )
            break


def _copied(place: Place, folder: Path) -> Place:
    shutil.copytree(folder, place.workspace / folder.name, dirs_exist_ok=True)
    return place


if __name__ == "__main__":
    sys.exit(main())
