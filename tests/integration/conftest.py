"""A root file system that is there without a network, and somebody who is not root."""

from __future__ import annotations

import http.server
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

import pytest

from tests.conftest import BUSYBOX, Sandbox
from tests.integration.s2i_place import Place, made_in
from tests.integration.shell import Shell
from tests.integration.yard import Yard

APPLETS = [
    "cat",
    "chmod",
    "chown",
    "cp",
    "cut",
    "date",
    "echo",
    "env",
    "find",
    "grep",
    "head",
    "hostname",
    "id",
    "kill",
    "ln",
    "ls",
    "mkdir",
    "mknod",
    "mkfifo",
    "mount",
    "mv",
    "ping",
    "printf",
    "pwd",
    "readlink",
    "rm",
    "rmdir",
    "sed",
    "seq",
    "sh",
    "sleep",
    "sort",
    "stat",
    "su",
    "tail",
    "tar",
    "test",
    "touch",
    "tr",
    "true",
    "umask",
    "uname",
    "unshare",
    "wc",
    "yes",
]
USER = "hermes-test"
ONE_ID_USER = "hermes-one"


def add_base(workspace: Sandbox) -> None:
    """Give a workspace ``//base:root``: a static busybox and its commands."""
    if not BUSYBOX.exists():
        pytest.skip("the Debian package busybox-static is not installed")
    workspace.write("base/busybox", BUSYBOX.read_bytes(), mode=0o755)
    links = "".join(f'        "/bin/{name}": "busybox",\n' for name in APPLETS)
    workspace.write(
        "base/BUILD",
        'files_layer(\n    name = "root",\n    files = {"/bin/busybox": "busybox"},\n'
        f'    dirs = ["/bin", "/etc", "/root", "/tmp", "/srv"],\n    symlinks = {{\n{links}    }},\n'
        '    visibility = ["//visibility:public"],\n)\n',
    )


def make_deep(folder: Path) -> None:
    """Make a folder with a file below 1000 folders in it."""
    folder.mkdir(parents=True)
    fd = os.open(folder, os.O_RDONLY)
    for _ in range(1000):
        os.mkdir("d", dir_fd=fd)
        above, fd = fd, os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(above)
    os.close(os.open("f", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=fd))
    os.close(fd)


@pytest.fixture
def takes_deep_away(tmp_path: Path) -> Iterator[None]:
    """Remove what pytest, and whoever else uses Python's functions for it, cannot."""
    yield
    subprocess.run(["find", str(tmp_path), "-mindepth", "1", "-delete"], check=True)


@pytest.fixture
def based(workspace: Sandbox) -> Sandbox:
    """A workspace with ``//base:root``."""
    add_base(workspace)
    return workspace


class OrdinaryUser:
    """Runs Hermes as somebody who is not root, in a workspace and a store of their own."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self.home = folder / "home"
        self.workspace = Sandbox(folder / "workspace", self.home)

    def take_files(self, of: Sandbox) -> None:
        """Have all contents of another store, such as what it has downloaded, but no result of a build."""
        shutil.copytree(of.home / "blobs", self.home / "blobs")

    def run(
        self,
        *arguments: str,
        check: bool = True,
        env: dict[str, str] | None = None,
        own: bool = True,
        stdin: IO[bytes] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command; ``own``: with all in the folder, also the files of extracted layers, given to the user before."""
        if own:
            subprocess.run(["chown", "-R", self.name, str(self.folder)], check=True)
        return subprocess.run(
            [sys.executable, "-m", "hermes", *arguments],
            cwd=self.workspace.root,
            env={"PATH": os.environ["PATH"], "HERMES_HOME": str(self.home), **(env or {})},
            user=self.name,
            group=self.name,
            extra_groups=[],
            stdin=stdin,
            capture_output=True,
            text=True,
            check=check,
        )


def _can_run(user: str) -> bool:
    trial = [sys.executable, "-c", "import hermes.cli.main"]
    try:
        done = subprocess.run(
            trial, cwd="/", user=user, group=user, extra_groups=[], check=False, capture_output=True
        )
    except PermissionError:
        return False
    return done.returncode == 0


@contextmanager
def _somebody(user: str) -> Iterator[OrdinaryUser]:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else; as an ordinary user the other tests are rootless")
    try:
        pwd.getpwnam(user)
    except KeyError:
        pytest.skip(f"there is no user {user} (tests/packages.sh adds it)")
    if not _can_run(user):
        pytest.skip(f"{user} cannot read this installation of Hermes")
    folder = Path(tempfile.mkdtemp(prefix="hermes-user-"))
    folder.chmod(0o755)
    try:
        yield OrdinaryUser(folder, user)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def ordinary_user() -> Iterator[OrdinaryUser]:
    """Somebody with a subordinate range of ids."""
    with _somebody(USER) as user:
        yield user


@pytest.fixture
def one_id_user() -> Iterator[OrdinaryUser]:
    """Somebody who has been given no ids but their own."""
    with _somebody(ONE_ID_USER) as user:
        yield user


@pytest.fixture
def ctr(based: Sandbox) -> Iterator[Shell]:
    shell = Shell(based)
    yield shell
    shell("rm", "--all")
    assert str(based.home) not in Path("/proc/self/mountinfo").read_text()


@pytest.fixture
def yard(workspace: Sandbox) -> Yard:
    add_base(workspace)
    workspace.write(
        "base/files/BUILD",
        'files_layer(\n    name = "etc",\n    files = {"/etc/passwd": "passwd"},\n'
        '    symlinks = {"/srv/link": "/etc"},\n    visibility = ["//visibility:public"],\n)\n',
    )
    workspace.write("base/files/passwd", "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34:web:/srv:/bin/sh\n")
    workspace.write(
        "image/BUILD",
        'image(\n    name = "image",\n    env = {"PATH": "/bin"},\n'
        '    layers = ["//base:root", "//base/files:etc"],\n)\n',
    )
    made = workspace.run("build", "-q", "//image:image", "-o", f"oci:{workspace.root}/layout")
    assert made.returncode == 0, made.stderr
    yard = Yard(workspace)
    yard.bud(f"FROM oci:{workspace.root}/layout", tags=["base"])
    yard.events.clear()
    return yard


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address at which a server has it."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def s2i_builders(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return made_in(tmp_path_factory)


@pytest.fixture
def place(s2i_builders: Place, tmp_path: Path) -> Place:
    s2i_builders.source = tmp_path / "source"
    s2i_builders.source.mkdir()
    (s2i_builders.source / "Gemfile").write_text("gems\n")
    return s2i_builders
