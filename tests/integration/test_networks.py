"""The network of commands: one of their own, out of which nothing of this machine is reached but the way out."""

from __future__ import annotations

import contextlib
import json
import os
import re
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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hermes.api.command_options import CommandOptions
from hermes.digest import Digest
from hermes.errors import NetworkUnavailable, UsageError
from hermes.image.manifest import Manifest
from hermes.layer import toc
from hermes.sandbox import choice
from hermes.sandbox.usermode import installed
from hermes.store import Store
from tests.conftest import LASTING, Sandbox
from tests.integration.conftest import OrdinaryUser, add_base
from tests.integration.shell import Shell
from tests.integration.test_runtimes import RUNTIMES
from tests.integration.yard import Yard, ran


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
    ask = f"(timeout 3 busybox nc {{}} {server.getsockname()[1]} < /dev/null || true)"
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


# Ports of programs.

SERVES = """
image(name = "web", base = "//base:root", user = "33:44", ports = ["80/tcp"],
    cmd = ["busybox", "httpd", "-f", "-p", "80", "-h", "/etc"])
"""


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


def unused() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


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
