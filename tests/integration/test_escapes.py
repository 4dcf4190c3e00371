"""Getting out of the sandbox: `escapes.c` tries, as root and as another user, by every runtime."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Sandbox
from tests.integration.conftest import OrdinaryUser
from tests.integration.test_runtimes import RUNTIMES

SOURCE = Path(__file__).with_name("escapes.c")
BUILD = """
files_layer(name = "tools", files = {{"/escapes": "escapes"}}, dirs = ["/mine"], symlinks = {{
    "/link": "{secret}", "/climb": "../../../../../../../..{secret}"}})
files_layer(name = "setuid", files = {{"/setuid": "escapes"}}, mode = "4755")
image(name = "root", layers = ["//base:root", ":tools", ":setuid"], entrypoint = ["/escapes", "{secret}"])
image(name = "user", layers = ["//base:root", ":tools", ":setuid"], entrypoint = ["/escapes", "{secret}"],
    user = "5:5")
run_layer(name = "built", base = ":root", argv = ["/bin/sh", "-c", "/escapes {secret} > /result"],
    outs = ["/result"])
run_layer(name = "built_user", base = ":root", user = "5:5", outs = ["/mine/result"], srcs = {{}},
    argv = ["/bin/sh", "-c", "/escapes {secret} > /mine/result"])
"""

ROOT_ALREADY = {"become_root", "setuid_program"}
"""What is no way out for somebody who is root in the sandbox."""

NO_WAY_OUT = {"memory_of_init"}
"""The first process has no more rights than the command; see `test_the_first_process_has_no_more_rights`."""

BUILDS_MAY = {
    "chroot",  # package managers do, and CAP_SYS_CHROOT is theirs
    "write_root",  # that is what a build is for
    "user_namespace",  # nested sandboxes and test suites; what they mount is in a namespace of their own
    "clone_user_namespace",
    "clone3",
    "ptrace_child",  # debuggers and test suites look at their own children
    "ptrace_init",  # see NO_WAY_OUT
    "process_memory",
    "personality",  # setarch, and compilers that switch address randomization off
    "open_tree",
    "i386_mount",  # let through by the filter, as mount is; the kernel refuses it for want of CAP_SYS_ADMIN
}


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler (Debian: gcc and libc6-dev)")
    path = tmp_path_factory.mktemp("escapes") / "escapes"
    done = subprocess.run(
        [compiler, "-static", "-O1", "-o", path, SOURCE], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"the C compiler cannot link statically here: {done.stderr[-200:]}")
    return path.read_bytes()


def add_escapes(workspace: Sandbox, program: bytes) -> None:
    secret = workspace.write("secret", "of this machine\n")
    workspace.write("x/escapes", program, mode=0o755)
    workspace.write("x/BUILD", BUILD.format(secret=secret))


@pytest.fixture
def escaping(based: Sandbox, program: bytes) -> Sandbox:
    add_escapes(based, program)
    return based


def possible(text: str) -> set[str]:
    """Return what was possible; at least so many things must have been tried."""
    results = dict(line.split() for line in text.splitlines())
    assert len(results) > 45
    return {name for name, result in results.items() if result == "ok"}


@RUNTIMES
def test_nothing_gets_out_of_a_running_image(escaping: Sandbox, runtime: str) -> None:
    done = escaping.run("run", "-q", "--runtime", runtime, "//x:root")
    assert done.returncode == 0, done.stderr
    assert possible(done.stdout) - ROOT_ALREADY - NO_WAY_OUT == set()
    assert "terminal EPERM" in done.stdout
    assert "mknod EROFS" in done.stdout
    done = escaping.run("run", "-q", "--runtime", runtime, "//x:user")
    assert possible(done.stdout) - NO_WAY_OUT == set()
    assert "setuid_program EPERM" in done.stdout


@RUNTIMES
def test_a_writable_root_opens_nothing_else(escaping: Sandbox, runtime: str) -> None:
    done = escaping.run("run", "-q", "--rw", "--network", "host", "--runtime", runtime, "//x:root")
    assert possible(done.stdout) - ROOT_ALREADY - NO_WAY_OUT == {"write_root"}
    assert "mknod EPERM" in done.stdout


@RUNTIMES
def test_a_build_may_do_what_is_documented_and_no_more(escaping: Sandbox, runtime: str) -> None:
    built = escaping.build("//x:built", runtime=runtime).targets["//x:built"]
    text = Path(next(one.path for one in built if one.kind == "file")).read_text(encoding="utf-8")
    found = possible(text) - ROOT_ALREADY - NO_WAY_OUT
    assert found <= BUILDS_MAY
    assert {"chroot", "write_root", "user_namespace", "ptrace_child"} <= found
    for name in ("terminal", "keyring", "vsock", "bpf", "file_handle", "raw_socket", "mount", "mknod"):
        assert f"\n{name} EPERM\n" in f"\n{text}", name


@RUNTIMES
def test_an_ordinary_user_is_held_as_well(ordinary_user: OrdinaryUser, program: bytes, runtime: str) -> None:
    from tests.integration.conftest import add_base

    add_base(ordinary_user.workspace)
    add_escapes(ordinary_user.workspace, program)
    done = ordinary_user.run("run", "-q", "--runtime", runtime, "//x:root")
    assert possible(done.stdout) - ROOT_ALREADY - NO_WAY_OUT == set()
    done = ordinary_user.run("run", "-q", "--runtime", runtime, "//x:user")
    assert possible(done.stdout) - NO_WAY_OUT == set()


@RUNTIMES
def test_the_first_process_has_no_more_rights(escaping: Sandbox, runtime: str) -> None:
    command = (
        "for p in 1 self; do grep -E '^(Cap|NoNewPrivs|Seccomp:|Uid|Gid|Groups)' /proc/$p/status; echo; done"
    )
    done = escaping.run(
        "run", "-q", "--entrypoint", "sh", "--runtime", runtime, "//x:user", "--", "-c", command
    )
    first, own, _ = done.stdout.split("\n\n")
    assert first == own
    assert "NoNewPrivs:\t1" in own
    assert "Seccomp:\t2" in own
    assert own.count("0000000000000000") == 5


@RUNTIMES
def test_a_capability_gives_what_goes_with_it(escaping: Sandbox, runtime: str) -> None:
    done = escaping.run("run", "-q", "--cap-add", "sys_ptrace", "--runtime", runtime, "//x:root")
    assert {"ptrace_child", "process_memory"} <= possible(done.stdout)
    done = escaping.run("run", "-q", "--cap-add", "CAP_NET_RAW", "--runtime", runtime, "//x:root")
    assert possible(done.stdout) - ROOT_ALREADY - NO_WAY_OUT == {"raw_socket", "packet_socket"}
