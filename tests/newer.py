"""Programs of Debian 13, run in the root that ``tests/debian13.sh`` makes: yardsticks that Debian 12 does not have."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(os.environ.get("HERMES_TEST_DEBIAN13") or Path.home() / ".cache/hermes-test/debian-13")

WHY: Final = "there is no root of Debian 13 (as root: tests/debian13.sh)"


def available() -> bool:
    return os.geteuid() == 0 and (ROOT / "usr/bin/docker").exists()


def command(argv: Sequence[str], folder: Path, cwd: Path) -> list[str]:
    """Return the command line that runs a program of the root, which sees ``folder`` where it is, in ``cwd``.

    Its mounts are in a namespace of its own, and end with it.
    """
    inside = shlex.quote(f"{ROOT}{folder}")
    steps = [
        "set -e",
        f"mount --bind {shlex.quote(str(ROOT))} {shlex.quote(str(ROOT))}",  # runc wants / to be a mount
        *(f"mount --rbind /{name} {shlex.quote(str(ROOT))}/{name}" for name in ("proc", "sys", "dev")),
        f"mount -t tmpfs tmpfs {shlex.quote(str(ROOT))}/tmp",
        f"mkdir -p {inside}",
        f"mount --rbind {shlex.quote(str(folder))} {inside}",
        f'exec chroot {shlex.quote(str(ROOT))} sh -c \'cd "$1" && shift && exec "$@"\' sh {shlex.quote(str(cwd))} '
        + shlex.join(argv),
    ]
    return ["unshare", "--mount", "sh", "-c", "\n".join(steps)]
