"""Tools of the machine fill layers: what they see, what they cannot do, and the real ones that people use."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hermes.debian.sources import machine_sources
from hermes.digest import Digest
from hermes.errors import ActionError, BuildFailed, BuildFileError
from hermes.layer import toc
from hermes.layer.entry import Entry
from hermes.store import Store
from tests.conftest import LASTING, Sandbox
from tests.processes import leftovers

if TYPE_CHECKING:
    from tests.integration.conftest import OrdinaryUser

SH = 'host_layer(name = "made", tools = {{"/bin/sh": "any"}}, cmd = """{}""", {})\n'
FILLED = "mkdir -p $HERMES_ROOT/srv/d; echo x > $HERMES_ROOT/srv/d/f; chown 33:44 $HERMES_ROOT/srv/d/f"
SPEC = """\
Name: tiny
Version: 1
Release: 1
Summary: A package
License: MIT
BuildArch: noarch
%description
A package
%install
mkdir -p %{buildroot}/srv
echo tiny > %{buildroot}/srv/tiny
%files
/srv/tiny
"""


def need(*programs: str) -> None:
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed (tests/packages.sh does)")


def entries_of(workspace: Sandbox, rules: str) -> dict[str, Entry]:
    """Build ``//host:made``; return the entries of its layer by path."""
    workspace.write("host/BUILD", rules)
    diff_id = workspace.digest("//host:made")
    store = Store.open(workspace.home)
    try:
        return {entry.path: entry for entry in toc.load(store, diff_id).entries}
    finally:
        store.close()


def failure(workspace: Sandbox, rules: str) -> ActionError:
    workspace.write("host/BUILD", rules)
    with pytest.raises(BuildFailed) as caught:
        workspace.build("//host:made")
    (error,) = caught.value.failures.values()
    assert isinstance(error, ActionError)
    return error


def output_of(workspace: Sandbox, command: str, more: str = "") -> str:
    """Return what a command of the machine printed."""
    rules = SH.format(f"({command}) > $HERMES_ROOT/o 2>&1 || true", f'outs = ["/o"], {more}')
    workspace.write("host/BUILD", rules)
    _, built = workspace.build("//host:made").targets["//host:made"]
    return Path(built.path).read_text(encoding="utf-8")


def mirror() -> tuple[str, str]:
    """Return this machine's own Debian mirror: address and suite."""
    for source in machine_sources():
        if "main" in source.components and not any("security" in suite for suite in source.suites):
            return source.uri, source.suites[0]
    pytest.skip("this machine has no source of Debian packages")


def test_what_a_tool_puts_into_the_root_is_the_layer(workspace: Sandbox) -> None:
    found = entries_of(workspace, SH.format(FILLED, ""))
    assert set(found) == {"srv", "srv/d", "srv/d/f"}
    assert (found["srv/d/f"].uid, found["srv/d/f"].gid, found["srv/d/f"].mtime) == (33, 44, 0)


def test_a_root_that_is_given_is_there_and_only_changes_count(based: Sandbox) -> None:
    command = "set -e; test -x $HERMES_ROOT/bin/busybox; rm $HERMES_ROOT/bin/yes; echo x > $HERMES_ROOT/etc/x"
    found = entries_of(based, SH.format(command, 'root = "//base:root"'))
    assert set(found) == {"bin", "bin/.wh.yes", "etc", "etc/x"}
    assert found["bin"].passed
    assert found["etc"].passed


def test_the_layer_is_one_of_an_image(based: Sandbox) -> None:
    image = 'image(name = "image", base = "//base:root", layers = [":made"], entrypoint = ["/bin/cat", "/srv/d/f"])'
    based.write("host/BUILD", SH.format(FILLED, 'root = "//base:root"') + image)
    assert based.run("run", "//host:image").stdout == "x\n"


def test_the_root_is_at_one_place_and_nothing_says_which_machine_this_is(workspace: Sandbox) -> None:
    seen = output_of(
        workspace, "env | sort; id -u; umask; hostname; cat /etc/hostname /etc/machine-id; pwd; date +%Z"
    )
    expected = [
        "HERMES_ROOT=/run/hermes/root",
        "HOME=/tmp",
        "LANG=C.UTF-8",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PWD=/tmp",
        "SOURCE_DATE_EPOCH=0",
        "TZ=UTC",
        *("0", "0022", "hermes", "hermes", "/tmp", "UTC"),
    ]
    assert seen.splitlines() == expected


def test_homes_the_store_and_the_machines_secrets_are_hidden(workspace: Sandbox) -> None:
    seen = output_of(
        workspace,
        f"ls -A /root /home /mnt /srv /run /tmp /var/tmp; ls {workspace.home} {workspace.root}; "
        "cat /etc/shadow; ls -A /etc/ssh /etc/ssl/private; cat /etc/resolv.conf",
    )
    assert seen.count("No such file") >= 2
    assert "nameserver" not in seen
    assert "root:*" not in seen
    assert "root:!" not in seen
    assert "ssh_host" not in seen


def test_a_home_among_the_system_folders_is_hidden(tmp_path: Path, workspace: Sandbox) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can write to /var/lib")
    home = Path("/var/lib/hermes-test-home")
    home.mkdir()
    try:
        (home / "secret").write_text("secret")
        workspace.write("host/BUILD", SH.format("ls -A /var/lib/hermes-test-home; exit 1", ""))
        done = workspace.run("build", "//host:made", env={"HOME": str(home)})
        assert done.returncode == 1
        assert "status 1" in done.stderr
        assert "secret" not in done.stderr
    finally:
        shutil.rmtree(home)


@pytest.mark.parametrize(
    "attempt",
    [
        "touch /usr/x",
        "touch /etc/x",
        "touch /x",
        "touch /var/lib/x",
        "mount -o remount,rw /usr && touch /usr/x",
        "mount -o remount,rw,bind /usr && touch /usr/x",
        "mount -o remount,rw / && touch /x",
        "mkdir /tmp/a && mount --rbind /etc /tmp/a && mount -o remount,rw,bind /tmp/a && touch /tmp/a/x",
        "unshare -U -r -m sh -c 'mount -o remount,rw,bind /usr && touch /usr/x'",
        "umount -l /etc/ssh",
        "umount -l /proc/sys",
        "umount -l /usr",
        "echo 1 > /proc/sys/kernel/panic",
        "echo x > /proc/sysrq-trigger",
        "mkdir /tmp/p && mount -t proc proc /tmp/p",
        "mkdir /tmp/p && mount -t sysfs sysfs /tmp/p",
        "mkdir /tmp/p && mount -t cgroup2 cgroup2 /tmp/p",
        "mkdir /tmp/p && unshare -C mount -t cgroup2 cgroup2 /tmp/p",
        "mkdir /tmp/p && unshare -U -r -m -C mount -t cgroup2 cgroup2 /tmp/p",
        "chmod 666 /dev/null",
        "chown 0 /dev/zero",
        "mknod $HERMES_ROOT/disk b 8 0",
        "cat /etc/shadow",
        "cat /proc/1/environ",
        "ls /proc/1/root/",
    ],
)
def test_the_machine_cannot_be_changed(workspace: Sandbox, attempt: str) -> None:
    assert "the command ended with status" in failure(workspace, SH.format(attempt, "")).message


def test_a_tool_may_mount_and_change_its_root(workspace: Sandbox) -> None:
    command = (
        "set -e; mkdir $HERMES_ROOT/d; mount -t tmpfs t $HERMES_ROOT/d; : > $HERMES_ROOT/d/f; mkdir /tmp/u; "
        "mount --bind /usr /tmp/u; mount --rbind /proc /mnt"
    )
    assert set(entries_of(workspace, SH.format(command, ""))) == {"d"}


def test_there_is_no_network_unless_it_is_asked_for(workspace: Sandbox) -> None:
    show = "cat /proc/net/dev; cat /etc/resolv.conf"
    alone = output_of(workspace, show)
    assert len(alone.splitlines()) == 3
    workspace.write("hermes.yaml", "network: host")
    shared = output_of(workspace, show, "network = True")
    machine = Path("/proc/net/dev").read_text().splitlines()
    assert [line.split(":")[0] for line in machine] == [
        line.split(":")[0] for line in shared.splitlines()[: len(machine)]
    ]
    if Path("/etc/resolv.conf").is_file():
        assert shared.endswith(Path("/etc/resolv.conf").read_text())


def test_inputs_are_read_only_and_leave_no_trace(workspace: Sandbox) -> None:
    workspace.write("host/in.txt", "input")
    command = "! (echo x > /run/inputs/in.txt) && mount -o remount,rw,bind /run/inputs/in.txt"
    more = 'srcs = {"/run/inputs/in.txt": "in.txt"}'
    failure(workspace, SH.format(command, more))
    copy = "cp /run/inputs/in.txt $HERMES_ROOT/; stat -c %a-%Y /run/inputs/in.txt > $HERMES_ROOT/stat"
    found = entries_of(workspace, SH.format(copy, more))
    assert set(found) == {"in.txt", "stat"}
    assert found["stat"].size == len("644-0\n")


def test_inputs_must_be_where_they_can_be_mounted(workspace: Sandbox) -> None:
    workspace.write("host/in.txt", "input")
    workspace.write("host/BUILD", SH.format("true", 'srcs = {"/usr/in.txt": "in.txt"}'))
    with pytest.raises(BuildFileError, match="put them below /run/inputs"):
        workspace.build("//host:made")


def test_files_are_kept_outside_of_the_layer(workspace: Sandbox) -> None:
    command = "echo log > $HERMES_ROOT/log; echo x > $HERMES_ROOT/x"
    workspace.write("host/BUILD", SH.format(command, 'outs = ["/log"]'))
    _, kept = workspace.build("//host:made").targets["//host:made"]
    assert Path(kept.path).read_text() == "log\n"
    assert set(entries_of(workspace, SH.format(command, 'outs = ["/log"]'))) == {"x"}


def test_a_command_is_given_no_descriptors_of_whoever_started_it(workspace: Sandbox) -> None:
    workspace.write("host/BUILD", SH.format("ls -l /proc/self/fd; exit 1", ""))
    fd = os.open(workspace.root / "hermes.yaml", os.O_RDONLY)
    done = workspace.run("build", "//host:made", pass_fds=[fd])
    os.close(fd)
    assert "hermes.yaml" not in done.stderr
    assert "socket:" not in done.stderr


def test_a_tool_that_is_missing_is_named(workspace: Sandbox) -> None:
    rules = 'host_layer(name = "made", tools = {"/usr/bin/none": "2.1"}, cmd = "none")'
    error = failure(workspace, rules)
    assert "there is no program /usr/bin/none on this machine" in error.message
    assert error.hint == "install it (none, 2.1), or correct its path in tools"


def test_a_program_that_is_missing_is_named(workspace: Sandbox) -> None:
    rules = 'host_layer(name = "made", tools = {"/bin/sh": "1"}, argv = ["none", "-v"])'
    assert "there is no program 'none' on this machine" in failure(workspace, rules).message


def test_a_digest_that_is_declared_is_verified(workspace: Sandbox) -> None:
    actual = Digest.of(Path("/bin/sh").read_bytes())
    other = Digest.of(b"")
    rules = 'host_layer(name = "made", tools = {{"/bin/sh": "{}"}}, cmd = ": > $HERMES_ROOT/x")'
    assert set(entries_of(workspace, rules.format(actual))) == {"x"}
    message = failure(workspace, rules.format(other)).message
    assert str(actual) in message
    assert str(other) in message


@pytest.mark.parametrize("tools", ["{}", '{"/bin/sh": ""}', '{"/bin/sh": "sha256:12"}', '{"sh": "1"}'])
def test_tools_must_be_declared_well(workspace: Sandbox, tools: str) -> None:
    workspace.write("host/BUILD", f'host_layer(name = "made", tools = {tools}, cmd = "true")')
    with pytest.raises(BuildFileError):
        workspace.build("//host:made")


def test_another_version_runs_the_tool_again_and_explain_names_it(workspace: Sandbox) -> None:
    rules = 'host_layer(name = "made", tools = {{"/bin/cp": "{}"}}, cmd = "cp /bin/cp $HERMES_ROOT/")'
    for version in ("9.1", "9.2"):
        workspace.write("host/BUILD", rules.format(version))
        assert workspace.build("//host:made").executed
        assert not workspace.build("//host:made").executed
    said = workspace.run("explain", "//host:made").stdout
    assert "tools./bin/cp" in said
    assert "9.2" in said


def test_a_tool_elsewhere_is_shown_alone(workspace: Sandbox, tmp_path: Path) -> None:
    tool = tmp_path / "elsewhere" / "tool"
    tool.parent.mkdir()
    tool.write_text('#!/bin/sh\nls "$(dirname "$0")" > $HERMES_ROOT/o\n')
    tool.chmod(0o755)
    (tool.parent / "other").touch()
    rules = f'host_layer(name = "made", tools = {{"{tool}": "1"}}, argv = ["{tool}"])'
    assert entries_of(workspace, rules)["o"].size == len("tool\n")


def test_a_tool_that_is_a_link_to_elsewhere_is_shown(workspace: Sandbox, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can write to /usr/local/bin")
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\n: > $HERMES_ROOT/o\n")
    tool.chmod(0o755)
    link = Path("/usr/local/bin/hermes-test-tool")
    link.symlink_to(tool)
    try:
        rules = f'host_layer(name = "made", tools = {{"{link}": "1"}}, argv = ["{link.name}"])'
        assert set(entries_of(workspace, rules)) == {"o"}
    finally:
        link.unlink()


def test_a_failure_shows_the_command_its_last_output_and_the_log_and_is_not_cached(
    workspace: Sandbox,
) -> None:
    for _ in range(2):
        error = failure(workspace, SH.format("echo said; exit 3", ""))
        assert "status 3" in error.message
        assert error.command == "echo said; exit 3"
        assert error.tail == ("said",)
        assert Path(error.log).read_text() == "said\n"


def test_a_tool_that_takes_too_long_is_ended_with_all_its_children(workspace: Sandbox) -> None:
    error = failure(workspace, SH.format(f"setsid {LASTING} & {LASTING}", "timeout = 1"))
    assert "timeout of 1 second" in error.message
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert LASTING not in listed


def test_what_a_tool_leaves_running_is_ended(workspace: Sandbox) -> None:
    began = time.monotonic()
    entries_of(workspace, SH.format(f"setsid {LASTING} > /dev/null 2>&1 & :", ""))
    assert time.monotonic() - began < 30
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert LASTING not in listed


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_build_that_ends_leaves_no_process_and_no_mount(workspace: Sandbox, how: signal.Signals) -> None:
    workspace.write("host/BUILD", SH.format(f"mount -t tmpfs t $HERMES_ROOT; {LASTING}", ""))
    process = subprocess.Popen(
        [sys.executable, "-m", "hermes", "build", "//host:made"],
        cwd=workspace.root,
        env={**os.environ, "HERMES_HOME": str(workspace.home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    command = ["pgrep", "-f", f"{LASTING}$"]
    for _ in range(100):
        if subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode == 0:
            break
        time.sleep(0.1)
    else:
        pytest.fail("the tool did not start")
    process.send_signal(how)
    process.wait()
    for _ in range(50):
        running = subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode == 0
        if not running and not leftovers(workspace.home):
            break
        time.sleep(0.1)
    else:
        pytest.fail(f"left: {leftovers(workspace.home)}")


def test_an_ordinary_user_gets_the_same_layer(workspace: Sandbox, ordinary_user: OrdinaryUser) -> None:
    rules = SH.format(FILLED, "")
    ordinary_user.workspace.write("host/BUILD", rules)
    workspace.write("host/BUILD", rules)
    assert workspace.digest("//host:made") in ordinary_user.run("build", "//host:made").stdout


def test_a_user_of_one_id_is_told_what_is_missing(ordinary_user: OrdinaryUser) -> None:
    ordinary_user.workspace.write("host/BUILD", SH.format(": > $HERMES_ROOT/x", ""))
    ordinary_user.run("build", "//host:made", env={"PATH": "/nowhere"})
    ordinary_user.workspace.write("host/BUILD", SH.format(FILLED, ""))
    done = ordinary_user.run("build", "//host:made", env={"PATH": "/nowhere"}, check=False)
    assert done.returncode == 1
    assert "subordinate range" in done.stderr


def make_deb(folder: Path) -> None:
    (folder / "root/DEBIAN").mkdir(parents=True)
    (folder / "root/srv").mkdir()
    (folder / "root/srv/f").write_text("x\n")
    control = "Package: tiny\nVersion: 1\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: a\n"
    (folder / "root/DEBIAN/control").write_text(control)
    (folder / "root/DEBIAN/postinst").write_text('#!/bin/sh\necho "$DPKG_ROOT" > $DPKG_ROOT/srv/script\n')
    (folder / "root/DEBIAN/postinst").chmod(0o755)
    command = ["dpkg-deb", "--root-owner-group", "-b", "root", "tiny.deb"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def test_dpkg_installs_into_the_root(workspace: Sandbox, tmp_path: Path) -> None:
    need("dpkg", "dpkg-deb")
    make_deb(tmp_path)
    workspace.write("host/tiny.deb", (tmp_path / "tiny.deb").read_bytes())
    command = (
        "set -e; mkdir -p $HERMES_ROOT/var/lib/dpkg/info $HERMES_ROOT/var/lib/dpkg/updates; "
        ": > $HERMES_ROOT/var/lib/dpkg/status; "
        "dpkg --root=$HERMES_ROOT --force-script-chrootless --log=/dev/null -i /run/inputs/tiny.deb"
    )
    rules = (
        'host_layer(name = "made", tools = {"/usr/bin/dpkg": "1"}, '
        f'srcs = {{"/run/inputs/tiny.deb": "tiny.deb"}}, cmd = """{command}""")'
    )
    found = entries_of(workspace, rules)
    assert found["srv/script"].size == len("/run/hermes/root\n")
    assert found["var/lib/dpkg/status"].size


def test_tar_and_cp_fill_the_root(workspace: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    subprocess.run(["tar", "-cf", workspace.root / "a.tar", "x"], cwd=tmp_path, check=True)
    workspace.write("host/a.tar", (workspace.root / "a.tar").read_bytes())
    rules = (
        'host_layer(name = "made", tools = {"/bin/tar": "1", "/bin/cp": "9"}, '
        'srcs = {"/run/inputs/a.tar": "a.tar"}, '
        'cmd = "tar -xf /run/inputs/a.tar -C $HERMES_ROOT && cp $HERMES_ROOT/x $HERMES_ROOT/y")'
    )
    assert set(entries_of(workspace, rules)) == {"x", "y"}


def test_pip_installs_into_the_root(workspace: Sandbox) -> None:
    if subprocess.run(
        ["/usr/bin/python3", "-m", "pip", "--version"], capture_output=True, check=False
    ).returncode:
        pytest.skip("the machine's python3 has no pip (tests/packages.sh installs it)")
    workspace.write(
        "host/src/pyproject.toml",
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
    )
    workspace.write(
        "host/src/backend.py",
        "import zipfile\n"
        "def build_wheel(folder, settings=None, metadata=None):\n"
        "    with zipfile.ZipFile(folder + '/tiny-1-py3-none-any.whl', 'w') as wheel:\n"
        "        wheel.writestr('tiny.py', 'x = 1\\n')\n"
        "        wheel.writestr('tiny-1.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: tiny\\nVersion: 1\\n')\n"
        "        wheel.writestr('tiny-1.dist-info/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\n"
        "Tag: py3-none-any\\n')\n"
        "        wheel.writestr('tiny-1.dist-info/RECORD', '')\n"
        "    return 'tiny-1-py3-none-any.whl'\n",
    )
    command = (
        "cp -r /run/inputs/src /tmp/ && python3 -m pip install -q --no-index --no-compile --no-build-isolation "
        "--target=$HERMES_ROOT/srv /tmp/src/src"
    )
    rules = (
        'filegroup(name = "src", srcs = glob(["src/*"]))\n'
        'host_layer(name = "made", tools = {"/usr/bin/python3": "3"}, srcs = {"/run/inputs/src": ":src"}, '
        f'cmd = "{command}")'
    )
    assert "srv/tiny.py" in entries_of(workspace, rules)


def test_dnf_installs_into_the_root(workspace: Sandbox, tmp_path: Path) -> None:
    need("dnf", "rpmbuild", "createrepo_c")
    (tmp_path / "tiny.spec").write_text(SPEC)
    repository = workspace.root / "host" / "repository"
    defines = ("--define", f"_topdir {tmp_path}/top", "--define", f"_rpmdir {repository}")
    subprocess.run(["rpmbuild", "-bb", *defines, tmp_path / "tiny.spec"], check=True, capture_output=True)
    subprocess.run(["createrepo_c", "-q", repository], check=True)
    command = (
        "dnf --installroot=$HERMES_ROOT --releasever=1 --repofrompath=tiny,/run/inputs/repository/repository "
        "--repo=tiny --nogpgcheck --setopt=reposdir=/tmp -y install tiny"
    )
    rules = (
        'filegroup(name = "repository", srcs = glob(["repository/**"]))\n'
        'host_layer(name = "made", tools = {"/usr/bin/dnf": "4"}, '
        f'srcs = {{"/run/inputs/repository": ":repository"}}, cmd = "{command}")'
    )
    assert entries_of(workspace, rules)["srv/tiny"].size == len("tiny\n")


MMDEBSTRAP = """\
host_layer(
    name = "made",
    cmd = "mmdebstrap --variant=essential --customize-hook='rm $1/etc/resolv.conf' {suite} $HERMES_ROOT {uri}",
    network = True,
    tools = {{"/usr/bin/mmdebstrap": "1"}},
)
image(name = "image", layers = [":made"], entrypoint = ["/usr/bin/dpkg", "--audit"])
"""


@pytest.mark.network
def test_mmdebstrap_fills_a_root_the_same_for_root_and_an_ordinary_user(
    workspace: Sandbox, ordinary_user: OrdinaryUser
) -> None:
    need("mmdebstrap")
    uri, suite = mirror()
    rules = MMDEBSTRAP.format(uri=uri, suite=suite)
    found = entries_of(workspace, rules)
    assert found["etc/hostname"].size == len("hermes\n")
    assert "etc/resolv.conf" not in found
    assert workspace.run("run", "//host:image").returncode == 0
    ordinary_user.workspace.write("host/BUILD", rules)
    assert workspace.digest("//host:made") in ordinary_user.run("build", "//host:made").stdout


@pytest.mark.network
@pytest.mark.skipif(
    os.environ.get("HERMES_TEST_PEERS") != "every",
    reason="HERMES_TEST_PEERS=every tries it, beside mmdebstrap",
)
def test_debootstrap_fills_a_root(workspace: Sandbox) -> None:
    need("debootstrap")
    uri, suite = mirror()
    rules = f"""\
host_layer(
    name = "made",
    cmd = "debootstrap --variant=minbase {suite} $HERMES_ROOT {uri}",
    env = {{"container": "lxc"}},
    network = True,
    tools = {{"/usr/sbin/debootstrap": "1"}},
)
"""
    found = entries_of(workspace, rules)
    assert found["usr/bin/dpkg"].size
    assert "debootstrap" not in found
