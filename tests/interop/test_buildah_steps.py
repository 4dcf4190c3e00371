"""The same small steps by buildah and by ``hermes ctr``: the same files, and a configuration that says the same."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Sandbox
from tests.integration.conftest import OrdinaryUser, add_base
from tests.interop.test_tools import output_of, tool

pytestmark = pytest.mark.root

STEPS = [
    ["copy", "{c}", "ctx/a.txt", "/file"],
    ["copy", "{c}", "ctx/a.txt", "/into/"],
    ["copy", "{c}", "ctx", "/folder"],
    ["copy", "{c}", "ctx/sub", "/deep/er"],
    ["copy", "--chown", "5:6", "{c}", "ctx/b.txt", "/owned/b"],
    ["copy", "--chown", "5:6", "{c}", "ctx/sub", "/owned/sub"],
    ["copy", "--chmod", "600", "{c}", "ctx/b.txt", "/mode"],
    ["copy", "{c}", "ctx/b.txt", "/srv/link/b"],
    ["add", "{c}", "ctx/files.tar.gz", "/unpacked"],
    ["add", "{c}", "ctx/a.txt", "/added"],
    ["run", "{c}", "--", "sh", "-c", "echo made > /srv/made; ln /srv/made /srv/hard; ln -s made /srv/soft"],
    ["run", "{c}", "--", "sh", "-c", "mkdir -m 1777 /srv/sticky; chmod 4755 /srv/made; chown 7:8 /srv/hard"],
    ["run", "{c}", "--", "sh", "-c", "rm /bin/yes; rm -r /tmp; mkdir -m 700 /tmp; echo $FROM_CONFIG > /env"],
    [
        "config",
        "--env",
        "A=1",
        "--env",
        "B=2",
        "--label",
        "l=1",
        "--port",
        "8080/tcp",
        "--port",
        "53/udp",
        "{c}",
    ],
    ["config", "--entrypoint", '["/bin/sh", "-c"]', "--cmd", "'echo hi'", "--user", "7:8", "{c}"],
    ["config", "--workingdir", "/srv", "--stop-signal", "SIGQUIT", "--volume", "/data", "--env", "A-", "{c}"],
    ["config", "--author", "me", "--annotation", "n=1", "{c}"],
]
LEFT_BY_BUILDAH = {
    "dev",
    "proc",
    "sys",
    "etc/hostname",
    "etc/hosts",
    "etc/resolv.conf",
    "run",
    "run/.containerenv",
}
"""Mount points and what a runtime manages, which buildah leaves in the root, and Hermes takes away."""


@pytest.fixture
def started(workspace: Sandbox) -> Iterator[Sandbox]:
    """A workspace with a base image and a context."""
    if os.geteuid():
        pytest.skip("buildah is tried as root only")
    add_base(workspace)
    workspace.write(
        "base/link/BUILD", 'files_layer(\n    name = "link",\n    symlinks = {"/srv/link": "/etc"},\n)\n'
    )
    workspace.write(
        "app/BUILD",
        'files_layer(\n    name = "l",\n    symlinks = {"/srv/link": "/etc"},\n)\n\n'
        'image(\n    name = "image",\n    env = {"FROM_CONFIG": "yes"},\n    layers = ["//base:root", ":l"],\n)\n',
    )
    workspace.write("ctx/a.txt", "a")
    workspace.write("ctx/b.txt", "b", mode=0o750)
    workspace.write("ctx/sub/c.txt", "c")
    workspace.write("ctx/sub/d/e.txt", "e", mode=0o600)
    (workspace.root / "ctx/sub").chmod(0o750)
    (workspace.root / "ctx/sub/soft").symlink_to("c.txt")
    os.link(workspace.root / "ctx/sub/c.txt", workspace.root / "ctx/sub/hard")
    with tarfile.open(workspace.root / "ctx/files.tar.gz", "w:gz") as archive:
        archive.add(workspace.root / "ctx/sub", "sub")
    workspace.build("//app:image")
    yield workspace
    workspace.run("ctr", "rm", "--all")


class Buildah:
    def __init__(self, folder: Path, cwd: Path) -> None:
        policy = folder / "policy.json"
        folder.mkdir()
        policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        self._base = [
            tool("buildah"),
            f"--root={folder}/root",
            f"--runroot={folder}/run",
            "--storage-driver=vfs",
        ]
        self._policy = f"--signature-policy={policy}"
        self._cwd = cwd

    def __call__(self, command: str, *arguments: str) -> str:
        more = {"from": [self._policy], "run": ["--isolation=chroot"], "commit": [self._policy]}.get(
            command, []
        )
        return output_of(*self._base, command, *more, *arguments, cwd=self._cwd).strip()


def spelled(step: list[str], name: str) -> list[str]:
    """A step as ``hermes ctr`` has it, whose options are those of Dockerfiles and of ``docker``."""
    return [one.replace("{c}", name).replace("--workingdir", "--workdir") for one in step]


def files_of(root: Path) -> dict[str, tuple[object, ...]]:
    """Return what is at each path: type, mode, owner, content or target, and the path of the first hard link."""
    found: dict[str, tuple[object, ...]] = {}
    inodes: dict[int, str] = {}
    for at, folders, files in os.walk(root):
        for name in sorted((*folders, *files)):
            path = Path(at, name)
            status = path.lstat()
            content = ""
            if path.is_symlink():
                content = os.readlink(path)
            elif path.is_file():
                content = path.read_bytes().decode("latin-1")
            where = str(path.relative_to(root))
            links = inodes.setdefault(status.st_ino, where) if stat.S_ISREG(status.st_mode) else ""
            mode = 0 if path.is_symlink() else stat.S_IMODE(status.st_mode)
            found[where] = (stat.S_IFMT(status.st_mode), mode, status.st_uid, status.st_gid, content, links)
    return found


def test_the_same_steps_give_the_same_files_and_configuration(started: Sandbox, tmp_path: Path) -> None:
    buildah = Buildah(tmp_path / "buildah", started.root)
    theirs = buildah("from", "-q", f"oci:{started.root}/hermes-out/app/image")
    ours = started.run("ctr", "from", "//app:image").stdout.strip()
    for step in STEPS:
        buildah(*(one.replace("{c}", theirs) for one in step))
        done = started.run("ctr", *spelled(step, ours))
        assert done.returncode == 0, (step, done.stderr)
    left = files_of(Path(buildah("mount", theirs)))
    right = files_of(Path(started.run("ctr", "mount", ours).stdout.strip()))
    for path in (left.keys() | right.keys()) - LEFT_BY_BUILDAH:
        assert right.get(path) == left.get(path), path
    buildah("commit", "-q", "--format=oci", theirs, f"oci:{tmp_path}/theirs:x")
    started.run("ctr", "commit", ours, f"oci:{tmp_path}/ours:x")
    configs = [
        json.loads(output_of(tool("skopeo"), "inspect", "--config", f"oci:{tmp_path}/{one}:x"))
        for one in ("theirs", "ours")
    ]
    for document in configs:
        document["config"]["Labels"] = {
            k: v for k, v in document["config"]["Labels"].items() if "buildah" not in k
        }
    assert configs[1]["config"] == configs[0]["config"]
    assert [configs[1][name] for name in ("os", "architecture", "author")] == [
        configs[0][name] for name in ("os", "architecture", "author")
    ]


WALK = """
set -ex
ctr=$({hermes} ctr from scratch)
mnt=$({hermes} ctr mount $ctr)
{install}
echo 'echo Hello from $0' > hello.sh
cp hello.sh $mnt/hello.sh
{hermes} ctr run $ctr -- /bin/sh -c 'chmod 755 /hello.sh; echo made > /made'
{hermes} ctr config --entrypoint '["/bin/sh", "/hello.sh"]' --user 7:8 $ctr
{hermes} ctr commit --compression gzip $ctr oci-archive:{out}:walk >&2
{hermes} ctr commit --compression gzip $ctr walk
{hermes} ctr umount $ctr >&2
{hermes} ctr rm $ctr >&2
"""


@pytest.fixture
def package(workspace: Sandbox) -> Path:
    """A Debian package with a shell, for a host tool that installs into a root."""
    tool("dpkg")
    folder = workspace.root / "pkg"
    (folder / "DEBIAN").mkdir(parents=True)
    (folder / "DEBIAN/control").write_text(
        "Package: shell\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@example.org>\nDescription: a shell\n"
    )
    (folder / "bin").mkdir()
    shutil.copy("/bin/busybox", folder / "bin/busybox")
    (folder / "bin/sh").symlink_to("busybox")
    (folder / "bin/chmod").symlink_to("busybox")
    output_of("dpkg-deb", "--root-owner-group", "--build", str(folder), str(workspace.root / "shell.deb"))
    return workspace.root / "shell.deb"


def walk(run: Callable[[str], str], package: Path, out: Path) -> str:
    install = (
        "mkdir -p $mnt/var/lib/dpkg; touch $mnt/var/lib/dpkg/status\n"
        f"dpkg --root=$mnt --force-script-chrootless --log=/dev/null -i {package} >&2"
    )
    script = WALK.format(hermes=f"{sys.executable} -m hermes", install=install, out=out)
    return run(script).split()[-1]


@pytest.fixture
def outcome(tmp_path: Path) -> Iterator[Path]:
    return tmp_path / "walk.tar"


def test_the_walk_of_the_buildah_story(
    workspace: Sandbox, package: Path, ordinary_user: OrdinaryUser, outcome: Path
) -> None:
    def as_root(script: str) -> str:
        env = {**os.environ, "HERMES_HOME": str(workspace.home)}
        return output_of("sh", "-c", script, cwd=workspace.root, env=env)

    def as_user(script: str) -> str:
        return ordinary_user.run("unshare", "--", "sh", "-c", script).stdout

    digest = walk(as_root, package, outcome)
    shutil.copy(package, ordinary_user.folder / "shell.deb")
    theirs = ordinary_user.folder / "walk.tar"
    assert walk(as_user, ordinary_user.folder / "shell.deb", theirs) == digest
    assert outcome.read_bytes() == theirs.read_bytes()
    ran = workspace.run("run", "walk")
    assert ran.stdout == "Hello from /hello.sh\n", ran.stderr
    runs_in_podman(outcome, ordinary_user.folder / "podman")


def runs_in_podman(archive: Path, folder: Path) -> None:
    folder.mkdir()
    policy = folder / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    base = [tool("podman"), f"--root={folder}/root", f"--runroot={folder}/run", "--storage-driver=vfs"]
    base += ["--events-backend=file", f"--runtime={tool('runc')}", "--cgroup-manager=cgroupfs"]
    pulled = output_of(*base, "pull", "-q", f"--signature-policy={policy}", f"oci-archive:{archive}").strip()
    limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024", "--network=none"]
    assert output_of(*base, "run", "--rm", *limits, pulled) == "Hello from /hello.sh\n"
    subprocess.run([*base, "rmi", "-af"], check=False, capture_output=True)
