"""Each Dockerfile of ``dockerfiles/``, built by Hermes, buildah and BuildKit on one base: the same files and settings.

Comments at the top say what else there is to know: ``# build:`` has options for both, ``# format: docker`` asks for
Docker's format, ``# buildah:`` and ``# buildkit:`` say why those of Debian 12
are no yardstick here, ``# files:`` why buildah's files are none. What differs on purpose is listed in
docs/dockerfiles.md.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import stat
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from hermes import BuiltDockerfile, Containers, DockerfileOptions, Dockerfiles
from tests.conftest import Sandbox, run_hermes
from tests.corpus import FILES, directives, options_of, write_context
from tests.integration.conftest import add_base
from tests.interop.test_buildah_steps import LEFT_BY_BUILDAH, files_of
from tests.interop.test_tools import output_of, tool

pytestmark = pytest.mark.root

ALL = os.environ.get("HERMES_TEST_PEERS") in ("all", "every")
"""Whether each file is held to both peers, as CI does; otherwise a part of them to one, which is quicker."""

SETTINGS = (
    "Cmd",
    "Entrypoint",
    "Env",
    "ExposedPorts",
    "Healthcheck",
    "OnBuild",
    "Shell",
    "StopSignal",
    "User",
    "Volumes",
    "WorkingDir",
)


def chosen(every: int, unless: str = "") -> list[Path]:
    """Return each file, or one in so many and those that say why a peer is no yardstick."""
    return [
        file
        for number, file in enumerate(FILES)
        if ALL or number % every == 0 or (unless and f"# {unless}: " in file.read_text())
    ]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    if os.geteuid():
        pytest.skip("buildah is tried as root only")
    tool("buildah")
    made = Ground(tmp_path_factory.mktemp("dockerfiles"))
    yield made
    made.buildah("rm", "-a")


class Ground:
    """A base image that both know as ``base``, and a context."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sandbox = Sandbox(folder / "workspace", folder / "home")
        self._ours: dict[str, tuple[dict[str, tuple[object, ...]], dict[str, Any]]] = {}
        self.context = folder / "context"
        write_context(self.context)
        self._make_base()
        policy = folder / "policy.json"
        policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        self._policy = f"--signature-policy={policy}"
        self._buildah = [
            tool("buildah"),
            f"--root={folder}/buildah/root",
            f"--runroot={folder}/buildah/run",
            "--storage-driver=vfs",
        ]
        pulled = self.buildah("pull", "-q", self._policy, f"oci:{folder}/base").strip()
        self.buildah("tag", pulled, "localhost/base")
        self.hermes("bud", "-q", "-t", "base", "-f", self._write("from", f"FROM oci:{folder}/base\n"), ".")

    def _make_base(self) -> None:
        add_base(self.sandbox)
        write_etc(self.sandbox)
        done = self.sandbox.run("build", "-q", "//base:image", "-o", f"oci:{self.folder}/base")
        assert done.returncode == 0, done.stderr

    def _write(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text)
        return str(self.folder / name)

    def buildah(self, *arguments: str) -> str:
        return output_of(*self._buildah, *arguments, cwd=self.context)

    def hermes(self, *arguments: str) -> str:
        done = run_hermes(*arguments, cwd=self.context, home=self.sandbox.home)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def theirs(self, file: Path, options: list[str], format_: str) -> dict[str, Any]:
        name = file.stem
        how = ["--isolation=chroot", "--layers=false", "--pull-never", f"--format={format_}"]
        self.buildah("bud", "-q", self._policy, *how, "-t", name, "-f", str(file), *options, ".")
        described = json.loads(self.buildah("inspect", "--type=image", name))
        found: dict[str, Any] = described["OCIv1" if format_ == "oci" else "Docker"]
        return found

    def their_files(self, file: Path) -> dict[str, tuple[object, ...]]:
        container = self.buildah("from", "-q", self._policy, "--pull-never", file.stem).strip()
        return files_of(Path(self.buildah("mount", container).strip()))

    def ours(self, file: Path) -> tuple[dict[str, tuple[object, ...]], dict[str, Any]]:
        """The files and the configuration of what Hermes builds, which is done once."""
        if file.stem not in self._ours:
            found = directives(file.read_text())
            given = options_of(found.get("build", ""), self.context)
            options = DockerfileOptions(
                context=str(self.context),
                file=str(file),
                tags=[file.stem],
                format=found.get("format", "oci"),
                target=given.get("--target", ""),
                arguments=dict(one.split("=", 1) for one in given.get("--build-arg", "").split()),
                contexts=dict(one.split("=", 1) for one in given.get("--build-context", "").split()),
                ignore_file=given.get("--ignorefile", ""),
            )
            home = self.sandbox.home
            built = Dockerfiles(home=home).build(options)
            containers = Containers(home=home)
            container = containers.create(file.stem).name
            try:
                files = files_of(Path(containers.mount(container)))
            finally:
                containers.remove(container)
            self._ours[file.stem] = files, self.config(built)
        return self._ours[file.stem]

    def config(self, built: BuiltDockerfile) -> dict[str, Any]:
        blobs = self.sandbox.home / "blobs/sha256"
        manifest = json.loads((blobs / built.digest[7:]).read_text())
        found: dict[str, Any] = json.loads((blobs / manifest["config"]["digest"][7:]).read_text())
        return found


_EMPTY_ROOT: Final = b'exec: "/bin/sh": stat /bin/sh: no such file or directory'
"""What BuildKit of Debian 12 says about once in a thousand commands on a busy machine, of a root that has the file."""


class BuildKit:
    """A dockerd with its own BuildKit, and a client that speaks to it without a plugin."""

    def __init__(self, folder: Path, ground: Ground) -> None:
        self._folder = folder
        self._ground = ground
        self._log = (folder / "log").open("wb")
        self._env = {**os.environ, "DOCKER_BUILDKIT": "1", "DOCKER_CONFIG": str(folder)}
        self._socket = f"unix://{folder}/socket"
        places = [f"--data-root={folder}/data", f"--exec-root={folder}/exec", f"--pidfile={folder}/pid"]
        how = [f"--host={self._socket}", "--iptables=false", "--bridge=none", "--storage-driver=vfs"]
        self.process = subprocess.Popen(
            [tool("dockerd"), *places, *how], stdout=self._log, stderr=self._log, start_new_session=True
        )
        self._client = ""

    def start(self) -> None:
        clients = dict.fromkeys(
            f"{folder}/docker"
            for folder in os.environ["PATH"].split(":")
            if os.access(f"{folder}/docker", os.X_OK)
        )
        for _ in range(150):
            if self._done("version", client=next(iter(clients), "docker")).returncode == 0:
                break
            if self.process.poll() is not None:
                pytest.skip(f"dockerd cannot run here: {(self._folder / 'log').read_text()[-200:]}")
            time.sleep(0.1)
        trial = self._folder / "trial"
        trial.write_text("FROM scratch\nLABEL a=b\n")
        for client in clients:
            if (
                self._done(
                    "build", "-q", "-f", str(trial), str(self._ground.context), client=client
                ).returncode
                == 0
            ):
                self._client = client
                break
        else:
            pytest.skip("no docker client here can use BuildKit")
        archive = f"docker-archive:{self._folder}/base.tar:base:latest"
        self._ground.hermes(
            "bud", "-q", "--format=docker", "-o", archive, "-f", str(self._ground.folder / "from"), "."
        )
        self("load", "-q", "-i", f"{self._folder}/base.tar")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        self._log.close()

    def _done(self, *arguments: str, client: str = "") -> subprocess.CompletedProcess[bytes]:
        command = [client or self._client, f"--host={self._socket}", *arguments]
        return subprocess.run(
            command, env=self._env, cwd=self._ground.context, capture_output=True, check=False
        )

    def __call__(self, *arguments: str) -> bytes:
        done = self._done(*arguments)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def build(self, file: Path, options: list[str]) -> tuple[dict[str, tuple[object, ...]], dict[str, Any]]:
        command = ["build", "-q", "--network=none", "-f", str(file), *options, "."]
        for _ in range(5):
            built = self._done(*command)
            if _EMPTY_ROOT not in built.stderr:
                break
        assert built.returncode == 0, built.stderr.decode()
        identity = built.stdout.decode().strip()
        container = self("create", "--network=none", identity, "x").decode().strip()
        archive = self("export", container)
        self("rm", "-f", container)
        (found,) = json.loads(self("inspect", identity))
        return _files_of_archive(archive), {"config": found["Config"], "author": found["Author"]}

    def history(self, text: str) -> tuple[list[bool], int]:
        """Which rows of the history of a built image have no layer, and how many layers it has.

        Docker's own builder makes it, not BuildKit.
        """
        file = self._folder / "history"
        file.write_text(text)
        env = {**self._env, "DOCKER_BUILDKIT": "0"}
        command = [self._client, f"--host={self._socket}", "build", "-q", "--network=none", "-t", "history"]
        done = subprocess.run(
            [*command, "-f", str(file), "."],
            env=env,
            cwd=self._ground.context,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        with tarfile.open(fileobj=io.BytesIO(self("save", "history"))) as archive:
            (row,) = json.loads(archive.extractfile("manifest.json").read())
            config = json.loads(archive.extractfile(row["Config"]).read())
        return [bool(one.get("empty_layer")) for one in config["history"]], len(row["Layers"])


def _files_of_archive(data: bytes) -> dict[str, tuple[object, ...]]:
    """As `files_of`, of a tar archive."""
    found: dict[str, tuple[object, ...]] = {}
    kinds = {tarfile.DIRTYPE: stat.S_IFDIR, tarfile.SYMTYPE: stat.S_IFLNK, tarfile.FIFOTYPE: stat.S_IFIFO}
    groups: dict[str, list[str]] = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            path = member.name.rstrip("/")
            kind = kinds.get(member.type, stat.S_IFREG)
            content = member.linkname if member.issym() else ""
            if kind == stat.S_IFREG:
                groups.setdefault(member.linkname if member.islnk() else path, []).append(path)
                content = archive.extractfile(member).read().decode("latin-1")
            mode = 0 if member.issym() else stat.S_IMODE(member.mode)
            found[path] = (kind, mode, member.uid, member.gid, content, "")
    for names in groups.values():
        for path in names:
            found[path] = (*found[path][:5], tuple(sorted(names)) if len(names) > 1 else path)
    return found


def write_etc(sandbox: Sandbox) -> None:
    """Add ``//base:image`` to a workspace that has ``//base:root``: users, links and settings."""
    write, build = sandbox.write, sandbox.root / "base/BUILD"
    write("base/passwd", "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34:web:/srv:/bin/sh\n")
    write("base/group", "root:x:0:\nwebs:x:34:\nstaff:x:50:web\n")
    more = (
        'files_layer(\n    name = "etc",\n    files = {"/etc/passwd": "passwd", "/etc/group": "group"},\n'
        '    dirs = ["/bin"],\n    symlinks = {"/srv/link": "/etc"},\n)\n\nimage(\n    name = "image",\n    visibility = ["//visibility:public"],\n    layers = [":root", ":etc"],\n'
        '    cmd = ["/bin/sh"],\n    env = {"FROM_BASE": "yes", "PATH": "/bin"},\n)\n'
    )
    write("base/BUILD", build.read_text() + more)


def settings_of(document: dict[str, Any]) -> dict[str, Any]:
    config = document["config"]
    found = {name: config[name] for name in SETTINGS if config.get(name)}
    found["Env"] = sorted(found.get("Env", ()))  # buildah moves a variable that is set again to the end
    if found.get("WorkingDir") == "/":
        del found["WorkingDir"]  # what it is where nobody says, as BuildKit writes for FROM scratch
    labels = config.get("Labels") or {}
    found["Labels"] = {name: value for name, value in labels.items() if not name.startswith("io.buildah.")}
    found["Author"] = document.get("author", "")
    return {name: value for name, value in found.items() if value}


@pytest.fixture(scope="module")
def buildkit(ground: Ground) -> Iterator[BuildKit]:
    folder = Path(tempfile.mkdtemp(prefix="hermes-"))
    started = BuildKit(folder, ground)
    try:
        started.start()
        yield started
    finally:
        started.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("file", chosen(3), ids=lambda file: file.stem)
def test_buildkit_makes_the_same_of_it(ground: Ground, buildkit: BuildKit, file: Path) -> None:
    found = directives(file.read_text())
    if "buildkit" in found:
        pytest.skip(f"BuildKit of Debian 12 is no yardstick: {found['buildkit']}")
    options = found.get("build", "").split()
    theirs, their_config = buildkit.build(file, options)
    files, config = ground.ours(file)
    ours = grouped(files)
    left = LEFT_BY_BUILDAH | {".dockerenv", "etc/mtab", "dev/console", "dev/pts", "dev/shm"}
    differing = {
        path: {"ours": ours.get(path), "theirs": theirs.get(path)}
        for path in sorted((ours.keys() | theirs.keys()) - left)
        if ours.get(path) != theirs.get(path) and not (path == "etc" and path not in ours)
    }
    assert differing == {}
    assert settings_of(config) == settings_of(their_config)


def test_buildkit_exports_the_same_files(ground: Ground, buildkit: BuildKit, tmp_path: Path) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text(
        "FROM base\nRUN mkdir -p /srv/d && echo a > /srv/d/a && ln /srv/d/a /srv/d/b && ln -s /nowhere /srv/l"
        " && chown 33:34 /srv/d/a && chmod 4750 /srv/d/a && chmod 1777 /srv/d && mkfifo /srv/pipe\nRUN rm /srv/l\n"
    )
    options = ["--network=none", "-f", str(file)]
    trees = {}
    for whose in ("ours", "theirs"):
        archive, folder = tmp_path / f"{whose}.tar", tmp_path / whose
        for output in (f"type=tar,dest={archive}", f"type=local,dest={folder}"):
            if whose == "ours":
                ground.hermes("bud", "-q", *options, "-o", output, ".")
            else:
                buildkit("build", "-q", *options, "-o", output, ".")
        rows = {
            str(path.relative_to(folder)): (
                one.st_mode, one.st_uid, one.st_gid, one.st_nlink if stat.S_ISREG(one.st_mode) else 0,
                path.read_bytes() if stat.S_ISREG(one.st_mode) else b"",
            )
            for path in folder.rglob("*")
            if (one := path.lstat())
        }  # fmt: skip
        trees[whose] = _files_of_archive(archive.read_bytes()), rows
    left = LEFT_BY_BUILDAH | {"etc/mtab", "dev/console", "dev/pts", "dev/shm"}
    for ours, theirs in zip(trees["ours"], trees["theirs"], strict=True):
        differing = {
            path: (ours.get(path), theirs.get(path))
            for path in (ours.keys() | theirs.keys()) - left
            if ours.get(path) != theirs.get(path)
        }
        assert differing == {}


def test_docker_leaves_out_the_same_empty_layers(ground: Ground, buildkit: BuildKit, tmp_path: Path) -> None:
    text = "FROM base\nRUN true\nENV A=1\nRUN echo x > /x\n"
    file = tmp_path / "Dockerfile"
    file.write_text(text)
    options = DockerfileOptions(context=str(ground.context), file=str(file), format="docker")
    ours = ground.config(Dockerfiles(home=ground.sandbox.home).build(options))
    rows, layers = buildkit.history(text)
    assert rows[-3:] == [bool(one.get("empty_layer")) for one in ours["history"]][-3:] == [True, True, False]
    assert layers == len(ours["rootfs"]["diff_ids"])


def grouped(files: dict[str, tuple[object, ...]]) -> dict[str, tuple[object, ...]]:
    """Files with all names of a hard link in place of the first that was seen."""
    groups: dict[object, list[str]] = {}
    for path, row in files.items():
        if row[5]:
            groups.setdefault(row[5], []).append(path)
    return {
        path: (
            *row[:5],
            tuple(sorted(groups[row[5]])) if row[5] and len(groups[row[5]]) > 1 else row[5] and path,
        )
        for path, row in files.items()
    }


@pytest.mark.parametrize("file", chosen(9, unless="buildkit"), ids=lambda file: file.stem)
def test_buildah_makes_the_same_of_it(ground: Ground, file: Path) -> None:
    found = directives(file.read_text())
    options, format_ = found.get("build", "").split(), found.get("format", "oci")
    options = [one.replace("=other", f"={ground.context}/other") for one in options]
    ours, config = ground.ours(file)
    if "buildah" in found:
        pytest.skip(f"buildah of Debian 12 is no yardstick: {found['buildah']}")
    assert settings_of(config) == settings_of(ground.theirs(file, options, format_))
    if "files" in found:
        return
    theirs = ground.their_files(file)
    differing = {
        path: {"ours": ours.get(path), "theirs": theirs.get(path)}
        for path in sorted((theirs.keys() | ours.keys()) - LEFT_BY_BUILDAH)
        if ours.get(path) != theirs.get(path)
    }
    assert differing == {}
