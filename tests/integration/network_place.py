"""What tests of networks share: what can be had here, and images that serve until they are ended."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermes.errors import NetworkUnavailable
from hermes.sandbox.usermode import installed
from tests.conftest import Sandbox


def _can_connect() -> bool:
    try:
        return bool(installed())
    except NetworkUnavailable:
        return False


CONNECTED = pytest.mark.skipif(not _can_connect(), reason="no slirp4netns or pasta can be used here")


IPV6 = pytest.mark.skipif(
    not os.path.exists("/proc/net/if_inet6") or " lo\n" not in Path("/proc/net/if_inet6").read_text(),
    reason="this machine has no IPv6 at its loopback interface",
)


PROGRAMS = pytest.mark.parametrize(
    "program",
    [
        pytest.param(
            name, marks=pytest.mark.skipif(not shutil.which(name), reason=f"{name} is not installed")
        )
        for name in ("slirp4netns", "pasta")
    ],
)


def own_address() -> str:
    """The address of this machine that others would reach it by."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.77", 9))
        except OSError:
            pytest.skip("this machine has no route")
        return str(probe.getsockname()[0])


ECHO = """
#include <arpa/inet.h>
#include <sys/socket.h>
int main(void) {
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(53)}, peer;
    char said[99];
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (bind(fd, (struct sockaddr *)&own, sizeof own)) return 1;
    for (;;) {
        socklen_t size = sizeof peer;
        ssize_t count = recvfrom(fd, said, sizeof said, 0, (struct sockaddr *)&peer, &size);
        if (count > 0) sendto(fd, said, count, 0, (struct sockaddr *)&peer, size);
    }
}
"""


def compiled(name: str, text: str, folder: Path) -> None:
    """Write a static program: ``connect`` prints what an abstract socket says, ``echo`` answers on a port."""
    if not shutil.which("gcc"):
        pytest.skip("gcc is not installed (tests/packages.sh does)")
    (folder / f"{name}.c").write_text(text)
    subprocess.run(["gcc", "-static", "-o", name, f"{name}.c"], cwd=folder, check=True)


def only(program: str, folder: Path, *more: str) -> dict[str, str]:
    """An environment in which one of the programs that connect networks is found, and the other is not."""
    folder.mkdir()
    for name in (program, *more, "setpriv", "newuidmap", "newgidmap", "crun", "runc"):
        if path := shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin"):
            (folder / name).symlink_to(path)
    return {"PATH": str(folder)}


@contextlib.contextmanager
def running(
    workspace: Sandbox, *arguments: str, env: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run an image until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "hermes", "run", *arguments],
        cwd=workspace.root,
        env={**os.environ, "HERMES_HOME": str(workspace.home), **(env or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def answer_of(address: str, port: int, path: str = "/hosts") -> str:
    """What a web server at an address says, within ten seconds."""
    end = time.monotonic() + 10
    while True:
        try:
            with socket.create_connection((address, port), timeout=3) as call:
                call.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
                if said := call.makefile("rb").read():
                    return said.decode()
        except OSError:
            if time.monotonic() > end:
                raise
        time.sleep(0.1)


def unused() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
