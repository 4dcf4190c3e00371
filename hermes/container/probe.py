"""What `hermes doctor` tries in the user namespace: the steps of a real command, one at a time."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from hermes.container.inside import scratch_of, store_at
from hermes.container.overlay import Tree, Upper, mount_stack
from hermes.errors import SandboxError


def overlay(home: str) -> str:
    """Mount an overlay in the store and change what is in it; return what was found out."""
    with store_at(home) as store, scratch_of(store) as scratch:
        lower = f"{scratch}/lower"
        os.mkdir(lower)
        for name in ("kept", "removed"):
            with open(f"{lower}/{name}", "w", encoding="utf-8"):
                pass
        upper = Upper(f"{scratch}/upper", f"{scratch}/work")
        merged = mount_stack([Tree("lower", lower, ())], scratch, target="merged", upper=upper)
        os.unlink(f"{merged}/removed")
        os.setxattr(f"{merged}/kept", "user.hermes", b"1")
        if os.listdir(merged) != ["kept"] or not os.path.lexists(f"{upper.upper}/removed"):
            raise SandboxError("an overlay does not show what was changed in it")
        return "whiteouts and extended attributes work"


def sandbox(bwrap: Sequence[str]) -> str:
    """Start bubblewrap; return its version."""
    found = subprocess.run(
        [bwrap[0], "--ro-bind", "/", "/", "--unshare-pid", "--proc", "/proc", bwrap[0], "--version"],
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode:
        raise SandboxError(f"{bwrap[0]}: {found.stderr.strip()}")
    return found.stdout.strip()
