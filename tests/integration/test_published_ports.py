"""Ports of programs in a network of their own, at addresses of this machine."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hermes.sandbox import choice
from tests.conftest import Sandbox
from tests.integration.conftest import OrdinaryUser, add_base
from tests.integration.network_place import (
    CONNECTED,
    ECHO,
    IPV6,
    PROGRAMS,
    answer_of,
    compiled,
    only,
    own_address,
    running,
    unused,
)
from tests.integration.test_runtimes import RUNTIMES

STREAM = """
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>
int main(void) {
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(7)};
    char said[1 << 16];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)&own, sizeof own) || listen(fd, 99)) return 1;
    for (;;) {
        int peer = accept(fd, 0, 0);
        if (fork()) { close(peer); continue; }
        for (ssize_t count; (count = read(peer, said, sizeof said)) > 0;)
            for (ssize_t done = 0, now; done < count && (now = write(peer, said + done, count - done)) > 0;)
                done += now;
        return 0;
    }
}
"""


SERVES = """
image(name = "web", base = "//base:root", user = "33:44", ports = ["80/tcp"],
    cmd = ["busybox", "httpd", "-f", "-p", "80", "-h", "/etc"])
"""


def until_connected(port: int) -> None:
    """Wait until a program behind a port takes connections, as one that is closed at once does not show."""
    end = time.monotonic() + 10
    while True:
        with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", port), 3) as call:
            call.sendall(b"x")
            if call.recv(1):
                return
        assert time.monotonic() < end
        time.sleep(0.1)


@CONNECTED
@PROGRAMS
def test_a_low_port_of_a_user_without_capabilities_is_published(
    based: Sandbox, program: str, tmp_path: Path
) -> None:
    based.write("BUILD", SERVES)
    based.build("//:web")
    first, second = unused(), unused()
    options = ["-q", "-p", f"{first}:80", "-p", f"127.0.0.1:{second}:80"]
    with running(based, *options, "//:web", env=only(program, tmp_path / "bin")):
        assert "localhost hermes" in answer_of("127.0.0.1", first)
        assert "localhost hermes" in answer_of(own_address(), first)
        assert "localhost hermes" in answer_of("127.0.0.1", second)
        with (
            pytest.raises(OSError, match="refused"),
            socket.create_connection((own_address(), second), timeout=3),
        ):
            pass


@CONNECTED
@IPV6
def test_ports_are_published_at_ipv6_addresses(based: Sandbox) -> None:
    based.write("BUILD", SERVES)
    based.build("//:web")
    first, second = unused(), unused()
    with running(based, "-q", "-p", f"{first}:80", "-p", f"[::1]:{second}:80", "//:web"):
        assert "localhost hermes" in answer_of("::1", first)
        assert "localhost hermes" in answer_of("::1", second)
        with pytest.raises(OSError, match="refused"), socket.create_connection(("127.0.0.1", second)):
            pass


@CONNECTED
def test_connections_are_as_long_and_as_many_as_they_are(based: Sandbox) -> None:
    """Side by side, with more than a pipe holds in both directions, and half closed."""
    compiled("echo", STREAM, based.root)
    based.write(
        "BUILD",
        'files_layer(name = "program", files = {"/bin/echo": "echo"})\n'
        'image(name = "echoing", base = "//base:root", layers = [":program"], user = "33", cmd = ["/bin/echo"])\n',
    )
    based.build("//:echoing")
    port, sent = unused(), os.urandom(1 << 20)

    def echoed() -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as call:
            writer = threading.Thread(target=lambda: (call.sendall(sent), call.shutdown(socket.SHUT_WR)))
            writer.start()
            with call.makefile("rb") as answer:
                found = answer.read()
            writer.join()
        return found

    with running(based, "-q", "-p", f"{port}:7", "//:echoing"), ThreadPoolExecutor(8) as pool:
        until_connected(port)
        assert [one == sent for one in pool.map(lambda _: echoed(), range(8))] == [True] * 8


@CONNECTED
def test_a_port_that_nothing_listens_on_resets_connections(based: Sandbox) -> None:
    based.write("BUILD", SERVES)
    based.build("//:web")
    port = unused()
    with (
        running(based, "-q", "-p", f"127.0.0.1:{port}-{port + 9}:81", "//:web") as process,
        socket.socket() as call,
    ):
        assert process.stderr is not None
        assert process.stderr.readline() == f"published 127.0.0.1:{port} -> 81/tcp\n"
        call.connect(("127.0.0.1", port))
        with pytest.raises(ConnectionResetError):
            call.recv(1)


@CONNECTED
@RUNTIMES
def test_a_free_port_is_chosen_and_said(based: Sandbox, runtime: str) -> None:
    based.write("BUILD", SERVES)
    based.build("//:web")
    with running(based, "-q", "-p", "127.0.0.1::80", "--runtime", runtime, "//:web") as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        assert re.fullmatch(r"published 127\.0\.0\.1:[0-9]+ -> 80/tcp\n", said)
        assert "localhost hermes" in answer_of("127.0.0.1", int(said.split(":")[1].split()[0]))


@CONNECTED
@PROGRAMS
def test_a_udp_port_is_published(based: Sandbox, program: str, tmp_path: Path) -> None:
    compiled("echo", ECHO, based.root)
    based.write(
        "BUILD",
        'files_layer(name = "program", files = {"/bin/echo53": "echo"})\n'
        'image(name = "answering", base = "//base:root", layers = [":program"], user = "33", cmd = ["/bin/echo53"])\n',
    )
    based.build("//:answering")
    port = unused()
    with (
        running(based, "-q", "-p", f"{port}:53/udp", "//:answering", env=only(program, tmp_path / "bin")),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as call,
    ):
        call.settimeout(0.5)
        for address in own_address(), "127.0.0.1":
            for _ in range(30):
                call.sendto(b"hello", (address, port))
                with contextlib.suppress(OSError):
                    assert call.recvfrom(9) == (b"hello", (address, port))
                    break
            else:
                pytest.fail(f"nothing came back from {address}")


@CONNECTED
def test_a_port_that_is_taken_is_an_error_before_anything_runs(based: Sandbox) -> None:
    based.write("BUILD", SERVES)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = based.run("run", "-q", "-p", f"127.0.0.1:{port}:80", "//:web")
    assert (
        done.returncode,
        f"{port} of this machine cannot be used: Address already in use" in done.stderr,
    ) == (2, True)


def test_a_low_port_can_be_bound_without_any_network(based: Sandbox) -> None:
    based.write("BUILD", SERVES)
    script = "(busybox httpd -f -p 80 -h /etc &) && sleep 0.5 && busybox wget -q -O - http://127.0.0.1/hosts"
    for runtime in choice.NAMES:
        done = based.run(
            "run", "-q", "--runtime", runtime, "//:web", "busybox", "timeout", "5", "sh", "-c", script
        )
        assert "localhost hermes" in done.stdout, (runtime, done.stderr)


def test_every_user_in_a_network_of_its_own_may_ping(based: Sandbox, ordinary_user: OrdinaryUser) -> None:
    show = ["sh", "-c", "busybox awk '{print ($1 == 0 && $2 >= 65535)}' /proc/sys/net/ipv4/ping_group_range"]
    based.write("BUILD", SERVES)
    assert based.run("run", "-q", "//:web", *show).stdout == "1\n"
    add_base(ordinary_user.workspace)
    ordinary_user.workspace.write("BUILD", SERVES)
    assert ordinary_user.run("run", "-q", "//:web", *show).stdout == "1\n"


def test_without_a_way_out_a_published_program_has_the_network_of_this_machine(
    based: Sandbox, tmp_path: Path
) -> None:
    port = unused()
    based.write("BUILD", SERVES.replace('"80", "-h"', f'"{port}", "-h"'))
    based.build("//:web")
    env = only("nothing", tmp_path / "bin")
    with running(based, "-q", "-p", str(port), "//:web", env=env) as process:
        assert process.stderr is not None
        assert "where the program itself listens on its ports" in process.stderr.readline()
        assert "localhost" in answer_of("127.0.0.1", port)
    for other in f"{port}:80", f"127.0.0.1:{port}:{port}":
        done = based.run("run", "-q", "-p", other, "//:web", env=env)
        assert (done.returncode, "with this machine's network" in done.stderr) == (2, True), done.stderr
