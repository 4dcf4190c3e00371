"""What `hermes doctor` tries in the user namespace: the steps of a real command, one at a time."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile

from hermes.container.calls.probes import TRY_EMULATORS, TRY_OVERLAY, TRY_SANDBOX, SandboxTrial
from hermes.container.inside.scratch import scratch_of, store_at
from hermes.container.lowers import Tree
from hermes.container.overlay import mount_stack
from hermes.container.stack import Upper
from hermes.errors import SandboxError
from hermes.sandbox import choice
from hermes.sandbox.process import Process
from hermes.sandbox.remote import Caller, Stdio, serves, serves_command
from hermes.sandbox.syscalls import CLONE_NEWNS, unshare


@serves(TRY_OVERLAY)
def overlay(home: str) -> str:
    """Mount an overlay in the store and change what is in it; return what was found out."""
    with store_at(home) as store, scratch_of(store) as scratch:
        lower = f"{scratch}/lower"
        os.mkdir(lower)
        for name in ("kept", "removed"):
            with open(f"{lower}/{name}", "w", encoding="utf-8"):
                pass
        upper = Upper(f"{scratch}/upper", f"{scratch}/work")
        merged = mount_stack([Tree("lower", lower)], scratch, target="merged", upper=upper)
        os.unlink(f"{merged}/removed")
        os.setxattr(f"{merged}/kept", "user.hermes", b"1")
        if os.listdir(merged) != ["kept"] or not os.path.lexists(f"{upper.upper}/removed"):
            raise SandboxError("an overlay does not show what was changed in it")
        return "whiteouts and extended attributes work"


@serves(TRY_EMULATORS)
def emulators(home: str) -> str:
    """Mount handlers of binfmt_misc for this namespace."""
    from hermes.sandbox.emulators import mount_handlers

    with store_at(home) as store, scratch_of(store) as scratch:
        mount_handlers(f"{scratch}/emulators")
        return "registered for one build"


@serves_command(TRY_SANDBOX)
def sandbox(trial: SandboxTrial, stdio: Stdio, caller: Caller) -> str:
    """Run a program of this machine in a sandbox, as it is run in a container; return the sandbox's version.

    ``stdio`` is not used: what the program says is in the error.
    """
    name, where, network = trial
    del stdio
    unshare(CLONE_NEWNS)
    found = subprocess.run([where[0], "--version"], capture_output=True, text=True, check=False)
    argv = next((one for one in (("true",), ("sh", "-c", ":")) if shutil.which(one[0])), ("",))
    program = shutil.which(argv[0])
    if found.returncode or program is None:
        raise SandboxError(
            f"{where[0]}: {found.stderr.strip() or 'there is no program true or sh to try it with'}"
        )
    process = Process(argv, program, network=network, read_only=True, seccomp="run")
    with tempfile.TemporaryFile() as said, open(os.devnull, "rb") as nothing:
        own = nothing.fileno(), said.fileno(), said.fileno()
        ended = choice.sandbox(name, where).run(process, "/", own, caller)
        said.seek(0)
        if ended.status:
            text = (
                said.read().decode(errors="replace").strip() or f"a program ended with status {ended.status}"
            )
            raise SandboxError(f"{where[0]}: {text}")
    return found.stdout.splitlines()[0]
