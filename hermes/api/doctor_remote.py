"""What remote services can do for builds: what they say, how quickly, and whether their workers execute a command."""

from __future__ import annotations

import json
import statistics
import struct
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hermes.api.findings import LIMITED, OK, Finding
from hermes.errors import HermesError, each
from hermes.image.platform import Platform
from hermes.sizes import size

if TYPE_CHECKING:
    from hermes.remote.address import Address
    from hermes.remote.capabilities import Capabilities
    from hermes.remote.settings import RemoteSettings

_CALLS: Final = 5
_SECONDS: Final = 30
_TRUE: Final = {
    "amd64": (62, bytes.fromhex("31ffb83c0000000f05")),  # xor edi,edi; mov eax,60; syscall
    "arm64": (183, bytes.fromhex("000080d2a80b80d2010000d4")),  # mov x0,#0; mov x8,#93; svc #0
}
"""The machine of ELF, and the code of a program that ends with status 0 whatever it is given: as /bin/sh it is `true`."""
_BUILD: Final = """\
files_layer(name = "root", files = {"/bin/sh": "true"})
run_layer(name = "run", base = [":root"], cmd = "true %s")
"""


def examine_remote(settings: RemoteSettings) -> Iterator[Finding]:
    """Connect to the services that settings name; the executor is given a command that does nothing."""
    if settings.cache:
        yield _tried("remote cache", settings.cache_address, settings, _about_cache)
    if settings.executor:
        found = _tried("remote executor", settings.address, settings, _about_executor)
        yield found
        if found.state == OK:
            yield _executed(settings)


def _tried(
    name: str,
    address: Callable[[], Address],
    settings: RemoteSettings,
    about: Callable[[Capabilities], str],
) -> Finding:
    from hermes.remote.capabilities import capabilities
    from hermes.remote.channel import Channel

    where = address()
    try:
        channel = Channel(where, deadline=min(settings.timeout, _SECONDS), patience=settings.timeout)
        try:
            found = capabilities(channel)
            seconds = [_timed(lambda: capabilities(channel)) for _ in range(_CALLS)]
        finally:
            channel.close()
    except HermesError as error:
        return Finding(name, LIMITED, error.message, error.hint or "builds go on without it")
    detail = f"{where.place}: {about(found)}, {statistics.median(seconds) * 1000:.1f} ms for a call"
    if not found.has_sha256:
        return Finding(name, LIMITED, detail, "it has no SHA-256 digests, without which it is of no use")
    if name == "remote executor" and not found.can_execute:
        return Finding(
            name, LIMITED, detail, "name it as --remote-cache, or another one as --remote-executor"
        )
    return Finding(name, OK, detail)


def _about_cache(found: Capabilities) -> str:
    zstd = "zstd on the way" if found.has_zstd else "no compression on the way"
    writes = "results may be written" if found.may_write else "results are only read"
    return f"{writes}, {zstd}, batches of {size(found.largest_batch) if found.largest_batch else 'any size'}"


def _about_executor(found: Capabilities) -> str:
    return "executes actions" if found.can_execute else "executes nothing"


def _timed(call: Callable[[], object]) -> float:
    started = time.monotonic()
    call()
    return time.monotonic() - started


def _executed(settings: RemoteSettings) -> Finding:
    """Have a worker execute a program that does nothing, which it has not executed before, in a layer made for it."""
    from hermes.api.workspace import Workspace
    from hermes.build.options import BuildOptions
    from hermes.engine.events import ActionFinished, Event

    name = "remote command"
    architecture = Platform.host().architecture
    if architecture not in _TRUE:
        return Finding(name, LIMITED, f"not tried: no program for {architecture}")
    events: list[Event] = []
    with tempfile.TemporaryDirectory(prefix="hermes-doctor-", ignore_cleanup_errors=True) as folder:
        root = Path(folder) / "workspace"
        root.mkdir()
        platform = {"remote": {"platform": dict(settings.platform)}}
        (root / "hermes.yaml").write_text(json.dumps(platform) if settings.has_platform else "")
        (root / "BUILD").write_text(_BUILD % uuid.uuid4())
        (root / "true").write_bytes(_program(architecture))
        (root / "true").chmod(0o755)
        choice = replace(settings.as_choice(), local_fallback=False, cache="", timeout=settings.timeout)
        try:
            Workspace(root, home=Path(folder) / "home", subscribers=[events.append]).build(
                ["//:run"], BuildOptions(remote=choice)
            )
        except HermesError as error:
            first = each(error)[0]
            return Finding(name, LIMITED, first.message, first.hint or "see the log of the service's workers")
    (done,) = (one for one in events if isinstance(one, ActionFinished) and one.kind == "run")
    return Finding(name, OK, f"`true` on {done.where} in {done.ended - done.started:.2f} s")


def _program(architecture: str) -> bytes:
    """Return a static program that does nothing: one loadable segment, which is the whole file."""
    machine, code = _TRUE[architecture]
    start, header, segment = 0x400000, 64, 56
    total = header + segment + len(code)
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    elf = struct.pack(
        "<16sHHIQQQIHHHHHH",
        *(ident, 2, machine, 1, start + header + segment, header, 0, 0, header, segment, 1, 0, 0, 0),
    )
    return elf + struct.pack("<IIQQQQQQ", 1, 5, 0, start, start, total, total, 0x1000) + code
