"""The network of commands: one of their own, out of which nothing of this machine is reached but the way out."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermes.api.command_options import CommandOptions
from hermes.digest import Digest
from hermes.errors import UsageError
from hermes.image.manifest import Manifest
from hermes.layer import toc
from hermes.store import Store
from tests.conftest import LASTING, Sandbox
from tests.integration.conftest import OrdinaryUser, add_base
from tests.integration.network_place import (
    CONNECTED,
    PROGRAMS,
    compiled,
    only,
    own_address,
)
from tests.integration.shell import Shell
from tests.integration.test_runtimes import RUNTIMES
from tests.integration.yard import Yard, ran


@contextlib.contextmanager
def greeting(server: socket.socket) -> Iterator[None]:
    """Say hello to everybody who connects."""

    def greet() -> None:
        with contextlib.suppress(OSError):
            while True:
                found, _ = server.accept()
                with found, contextlib.suppress(OSError):
                    found.sendall(b"hello\n")

    with server:
        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        yield
        server.shutdown(socket.SHUT_RDWR)


def abstract() -> tuple[str, socket.socket]:
    name = f"hermes-test-{os.getpid()}-{time.monotonic_ns()}"
    server = socket.socket(socket.AF_UNIX)
    server.bind(f"\0{name}")
    server.listen()
    return name, server


CONNECT = """
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
int main(int count, char **words) {
    struct sockaddr_un there = {.sun_family = AF_UNIX};
    char said[9] = "";
    strcpy(there.sun_path + 1, words[1]);
    socklen_t size = offsetof(struct sockaddr_un, sun_path) + 1 + strlen(words[1]);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&there, size)) puts("refused");
    else if (read(fd, said, 8) > 0) printf("%s", said);
    return 0;
}
"""


# What is reached, and what is not.


@CONNECTED
@PROGRAMS
def test_a_run_reaches_this_machine_by_its_address_and_not_by_its_loopback(
    yard: Yard, program: str, tmp_path: Path
) -> None:
    server = socket.create_server(("0.0.0.0", 0))
    port = server.getsockname()[1]

    def asked(address: str) -> str:
        return f"(timeout 3 busybox nc {address} {port} < /dev/null || true)"

    yard.write(
        "Dockerfile",
        f"FROM base\nRUN {asked('127.0.0.1')} > /near\nRUN {asked('10.0.2.2')} > /gateway\n"
        f"RUN {asked(own_address())} > /far\n",
    )
    with greeting(server):
        done = yard.run("bud", "-t", "it", ".", env=only(program, tmp_path / "bin"))
        assert (done.returncode, "warning" in done.stderr) == (0, False), done.stderr
        assert yard.shown("cat /near /gateway; echo; cat /far") == "\nhello\n"
        done = yard.run("bud", "-t", "it", "--network", "host", ".")
        assert done.returncode == 0, done.stderr
        assert yard.shown("cat /near /far") == "hello\nhello\n"


@CONNECTED
@RUNTIMES
def test_a_command_reaches_no_abstract_socket_of_this_machine(yard: Yard, runtime: str) -> None:
    compiled("connect", CONNECT, yard.root)
    name, server = abstract()
    yard.write("Dockerfile", f"FROM base\nCOPY connect /\nRUN /connect {name} > /said\n")
    with greeting(server):
        for more, said in ([], "refused\n"), (["--network", "host"], "hello\n"):
            done = yard.run("bud", "--runtime", runtime, "-t", "it", *more, ".")
            assert done.returncode == 0, done.stderr
            assert yard.shown("cat /said") == said
        for network, said in ("none", "refused\n"), ("default", "refused\n"), ("host", "hello\n"):
            done = yard.run("run", "-q", "--network", network, "--runtime", runtime, "it", "/connect", name)
            assert (done.stdout, done.returncode) == (said, 0), done.stderr


@CONNECTED
def test_a_command_in_a_container_has_the_network_that_is_asked_for(ctr: Shell) -> None:
    name = ctr.made()
    show = ["--", "sh", "-c", "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '"]
    assert ctr("run", name, *show) == "lo"
    assert sorted(ctr("run", "--network", "default", name, *show).split()) == ["lo", "tap0"]
    assert sorted(ctr("run", "--network", "host", name, *show).split()) == sorted(
        os.listdir("/sys/class/net")
    )
    with pytest.raises(UsageError, match="unknown network True"):
        CommandOptions(network=True)  # type: ignore[arg-type]


@CONNECTED
def test_a_host_tool_has_a_network_of_its_own(workspace: Sandbox) -> None:
    server = socket.create_server(("0.0.0.0", 0))
    look = "import socket, sys\nfor one in sys.argv[2:]:\n    print(socket.socket().connect_ex((one, int(sys.argv[1]))) == 0)"
    workspace.write("look.py", look)
    command = f"/usr/bin/python3 /run/look.py {server.getsockname()[1]} 127.0.0.1 {own_address()} > $HERMES_ROOT/said"
    workspace.write(
        "BUILD",
        'host_layer(name = "it", tools = {"/bin/sh": "any", "/usr/bin/python3": "any"}, network = True, '
        f'srcs = {{"/run/look.py": "look.py"}}, cmd = "{command}", outs = ["/said"])\n',
    )
    with greeting(server):
        built = workspace.build("//:it").targets["//:it"]
    assert workspace.said == []
    said = [Path(one.path) for one in built if Path(one.path).name == "said"]
    assert [one.read_text() for one in said] == ["False\nTrue\n"]


@CONNECTED
@PROGRAMS
@pytest.mark.parametrize("place", ["loopback", "elsewhere"])
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a process another resolv.conf")
def test_names_are_found_wherever_the_resolver_of_this_machine_is(
    yard: Yard, program: str, place: str, tmp_path: Path
) -> None:
    other = tmp_path / "resolv.conf"
    address = {"slirp4netns": "127.0.0.53", "pasta": "127.0.0.54"}[program]
    if place == "elsewhere":
        address = own_address()
    other.write_text(f"search example.org\nnameserver {address}\n")
    yard.write(
        "Dockerfile", "FROM base\nRUN cat /etc/resolv.conf > /r; busybox nslookup db.example.org > /said\n"
    )
    hermes = f"{shlex.quote(sys.executable)} -m hermes bud -t it ."
    with naming(address):
        done = subprocess.run(
            [
                shutil.which("unshare") or "",
                "-m",
                "/bin/sh",
                "-c",
                f"mount --bind {other} /etc/resolv.conf && {hermes}",
            ],
            cwd=yard.root,
            env={
                **os.environ,
                "HERMES_HOME": str(yard.sandbox.home),
                **only(program, tmp_path / "bin", "mount", "sh"),
            },
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, "warning" in done.stderr) == (0, False), done.stderr
    shown = "10.0.2.3" if place == "loopback" else address
    assert yard.shown("cat /r") == f"search example.org\nnameserver {shown}\n"
    assert "10.9.8.7" in yard.shown("cat /said")


@contextlib.contextmanager
def naming(address: str) -> Iterator[None]:
    """Answer every question for an IPv4 address with 10.9.8.7; see RFC 1035, section 4."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        end = time.monotonic() + 60
        while True:  # another of these tests may use it
            try:
                server.bind((address, 53))
            except OSError:
                if time.monotonic() > end:
                    pytest.skip("this machine has a resolver of its own")
                time.sleep(0.5)
            else:
                break

        def answer() -> None:
            with contextlib.suppress(OSError):
                while (received := server.recvfrom(512))[0]:
                    asked, peer = received
                    name = asked[12 : asked.index(b"\0", 12) + 5]
                    is_ipv4 = name[-4:-2] == b"\0\x01"
                    found = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x0a\x09\x08\x07" if is_ipv4 else b""
                    head = asked[:2] + b"\x81\x80\0\x01" + bytes([0, is_ipv4]) + bytes(4)
                    server.sendto(head + name + found, peer)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)  # wakes the thread
        thread.join(5)


@CONNECTED
@PROGRAMS
def test_an_ordinary_user_has_it_where_tun_is_open(ordinary_user: OrdinaryUser, program: str) -> None:
    """``/dev/net/tun`` is root's on some machines, and everybody's on most."""
    node = ordinary_user.folder / "tun"
    os.mknod(node, stat.S_IFCHR, os.makedev(10, 200))
    node.chmod(0o666)
    server = socket.create_server(("0.0.0.0", 0))
    # pasta of Debian 12 sometimes gives data again when the peer closes at once; what is asked here is who is reached.
    ask = f"(timeout 3 busybox nc {{}} {server.getsockname()[1]} < /dev/null | busybox head -n 1)"
    add_base(ordinary_user.workspace)
    command = f"{ask.format('127.0.0.1')} > /near; {ask.format(own_address())} > /far"
    ordinary_user.workspace.write(
        "BUILD",
        f"""
run_layer(name = "run", base = "//base:root", cmd = "{command}", network = True)
image(name = "image", base = ":run", cmd = ["cat", "/near", "/far"])
""",
    )
    subprocess.run(["chown", "-R", ordinary_user.name, str(ordinary_user.folder)], check=True)
    become = f"setpriv --reuid {ordinary_user.name} --regid {ordinary_user.name} --clear-groups --"
    hermes = f"{shlex.quote(sys.executable)} -m hermes run //:image"
    environment = {
        "HERMES_HOME": str(ordinary_user.home),
        **only(program, ordinary_user.folder / "bin", "mount"),
    }
    with greeting(server):
        done = subprocess.run(
            [
                shutil.which("unshare") or "",
                "-m",
                "/bin/sh",
                "-c",
                f"mount --bind {node} /dev/net/tun && {become} {hermes}",
            ],
            cwd=ordinary_user.workspace.root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.stdout, "warning" in done.stderr) == ("hello\n", False), done.stderr


# How it ends, and where it cannot be.


def children_of(pid: int) -> dict[int, str]:
    found = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            if int((entry / "stat").read_text().rpartition(") ")[2].split()[1]) == pid:
                found[int(entry.name)] = (entry / "comm").read_text().strip()
    return found


def is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    return False


@CONNECTED
@PROGRAMS
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, None])
def test_the_program_that_connects_a_network_ends_with_the_command(
    yard: Yard, program: str, number: signal.Signals | None, tmp_path: Path
) -> None:
    env = {**os.environ, "HERMES_HOME": str(yard.sandbox.home), **only(program, tmp_path / "bin")}
    waiting = LASTING if number else "sh -c 'echo; sleep 1'"
    yard.write("Dockerfile", f"FROM base\nRUN {waiting}\n")
    command = [sys.executable, "-m", "hermes", "bud", "-q", "."]
    process = subprocess.Popen(
        command, cwd=yard.root, env=env, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    end = time.monotonic() + 20
    found: list[int] = []
    while not found and time.monotonic() < end:
        names = (
            ("slirp4netns",) if program == "slirp4netns" else ("pasta", "pasta.avx2", "passt.avx2", "passt")
        )
        found = [pid for pid, name in children_of(process.pid).items() if name in names]
        time.sleep(0.02)
    assert found, "no program that connects the network was started"
    time.sleep(0.3)
    if number:
        process.send_signal(number)
    process.wait(20)
    end = time.monotonic() + 5
    while any(map(is_alive, found)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(is_alive, found))


def test_where_there_is_no_way_out_commands_share_the_network_and_that_is_told_once(
    yard: Yard, tmp_path: Path
) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    asked = f"timeout 3 busybox nc 127.0.0.1 {server.getsockname()[1]} < /dev/null"
    yard.write("Dockerfile", f"FROM base\nRUN {asked} > /one\nRUN {asked} > /two\n")
    env = only("nothing", tmp_path / "bin")
    with greeting(server):
        done = yard.run("bud", "-q", "-t", "it", ".", env=env)
    assert done.returncode == 0, done.stderr
    assert yard.shown("cat /one /two") == "hello\nhello\n"
    assert done.stderr.count("share this machine's") == 1
    assert "neither slirp4netns nor pasta is installed" in done.stderr
    found = json.loads(yard.run("doctor", "--json", env=env).stdout)
    (network,) = [one for one in found if one["name"] == "network"]
    assert (network["state"], "slirp4netns" in network["hint"]) == ("limited", True)


@CONNECTED
def test_a_program_that_cannot_connect_is_passed_over(yard: Yard, tmp_path: Path) -> None:
    env = only("nothing", tmp_path / "bin", "sh")
    broken = tmp_path / "bin/slirp4netns"
    broken.write_text("#!/bin/sh\necho it is broken >&2\nexit 1\n")
    broken.chmod(0o755)
    yard.write("Dockerfile", "FROM base\nRUN echo ran >> /said; cat /proc/net/dev > /dev/null\n")
    done = yard.run("bud", "-q", "-t", "it", ".", env=env)
    assert done.returncode == 0, done.stderr
    assert "slirp4netns: it is broken" in done.stderr
    assert yard.shown("cat /said") == "ran\n"


@CONNECTED
def test_a_network_of_its_own_changes_no_key_and_no_digest(yard: Yard, tmp_path: Path) -> None:
    yard.write("Dockerfile", "FROM base\nRUN echo x > /etc/x\n")
    own = yard.bud()
    assert yard.bud(network="default").executed == ()
    env = only("nothing", tmp_path / "bin")
    assert own.digest in yard.run("bud", ".", env=env).stdout
    again = yard.run("bud", "--no-cache", ".", env=env)
    assert ("Dockerfile:2 RUN echo x" in again.stderr, own.digest in again.stdout) == (True, True), (
        again.stderr
    )
    # That of the machine may give something else.
    shared = yard.bud(network="host")
    assert (ran(shared), shared.digest) == (["run 2"], own.digest)


def test_names_of_machines_become_no_part_of_a_layer(yard: Yard) -> None:
    text = "FROM base\nRUN {}> /x; echo more >> /etc/hosts && cat /etc/hosts && cat /etc/resolv.conf\n"
    for network in ("--network=none ", "--network=host ", "--network=default ", ""):
        built = yard.bud(text.format(network), tags=["it"])
        store = Store.open(yard.sandbox.home)
        manifest = Manifest.parse(store.blobs.read(Digest.parse(built.digest)))
        document = json.loads(store.blobs.read(manifest.config.digest))
        entries = toc.load(store, Digest.parse(document["rootfs"]["diff_ids"][-1])).entries
        assert [one.path for one in entries if not one.passed] == ["x"], network
