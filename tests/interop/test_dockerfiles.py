"""Each Dockerfile of ``dockerfiles/``, built by Hermes and by buildah on one base: the same files, the same settings.

Comments at the top say what else there is to know: ``# build:`` has options for both, ``# format: docker`` asks for
Docker's format, ``# buildah:`` says why buildah is no yardstick here,
``# files: no`` that its files cannot be looked at. What differs on purpose is listed in
docs/dockerfiles.md.
"""

from __future__ import annotations

import json
import os
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Sandbox
from tests.integration.conftest import add_base
from tests.interop.test_buildah_steps import LEFT_BY_BUILDAH, files_of
from tests.interop.test_tools import output_of, tool

pytestmark = pytest.mark.root

FOLDER = Path(__file__).parent / "dockerfiles"
FILES = sorted(FOLDER.glob("*.Dockerfile"))
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


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    if os.geteuid():
        pytest.skip("buildah is tried as root only")
    tool("buildah")
    return Ground(tmp_path_factory.mktemp("dockerfiles"))


class Ground:
    """A base image that both know as ``base``, and a context."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sandbox = Sandbox(folder / "workspace", folder / "home")
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
        write, build = self.sandbox.write, self.sandbox.root / "base/BUILD"
        write("base/passwd", "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34:web:/srv:/bin/sh\n")
        write("base/group", "root:x:0:\nwebs:x:34:\nstaff:x:50:web\n")
        more = (
            'files_layer(\n    name = "etc",\n    files = {"/etc/passwd": "passwd", "/etc/group": "group"},\n'
            '    symlinks = {"/srv/link": "/etc"},\n)\n\nimage(\n    name = "image",\n    layers = [":root", ":etc"],\n'
            '    cmd = ["/bin/sh"],\n    env = {"FROM_BASE": "yes", "PATH": "/bin"},\n)\n'
        )
        write("base/BUILD", build.read_text() + more)
        done = self.sandbox.run("build", "-q", "//base:image", "-o", f"oci:{self.folder}/base")
        assert done.returncode == 0, done.stderr

    def _write(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text)
        return str(self.folder / name)

    def buildah(self, *arguments: str) -> str:
        return output_of(*self._buildah, *arguments, cwd=self.context)

    def hermes(self, *arguments: str) -> str:
        from tests.conftest import run_hermes

        done = run_hermes(*arguments, cwd=self.context, home=self.sandbox.home)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def theirs(self, file: Path, options: list[str], format_: str) -> dict[str, Any]:
        name = file.stem
        how = ["--isolation=chroot", "--layers=false", "--pull-never", f"--format={format_}"]
        self.buildah("bud", "-q", self._policy, *how, "-t", name, "-f", str(file), *options, ".")
        layout = f"dir:{self.folder}/theirs-{name}"
        self.buildah("push", "-q", self._policy, name, layout)
        return self._config(layout)

    def their_files(self, file: Path) -> Path:
        container = self.buildah("from", "-q", self._policy, "--pull-never", file.stem).strip()
        return Path(self.buildah("mount", container).strip())

    def ours(self, file: Path, options: list[str], format_: str) -> tuple[Path, dict[str, Any]]:
        name = file.stem
        layout = f"dir:{self.folder}/ours-{name}"
        self.hermes(
            *("bud", "-q", "-t", name, "-f", str(file), f"--format={format_}", "-o", layout, *options), "."
        )
        container = self.hermes("ctr", "from", name)
        return Path(self.hermes("ctr", "mount", container)), self._config(layout)

    def _config(self, image: str) -> dict[str, Any]:
        folder = Path(image.removeprefix("dir:"))
        manifest = json.loads((folder / "manifest.json").read_text())
        found: dict[str, Any] = json.loads((folder / manifest["config"]["digest"][7:]).read_text())
        return found

    def clean(self) -> None:
        self.buildah("rm", "-a")
        self.hermes("ctr", "rm", "--all")


def write_context(root: Path) -> None:
    def write(path: str, content: str, mode: int = 0o644) -> None:
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
        target.chmod(mode)

    write("a.txt", "a")
    write("b.txt", "b", 0o750)
    write("long.txt", "long")
    write("with space.txt", "space")
    write("sub/c.txt", "c")
    write("sub/d/e.txt", "e", 0o600)
    write("other/o.txt", "o")
    write("modes/sticky", "", 0o1755)
    write("setuid", "", 0o4755)
    write("modes/private/file", "", 0o400)
    write("links/file", "f")
    write("links/folder/x", "x")
    write("ignored", "*.txt\n!b.txt\nsub/d\nlinks\nsetuid\n")
    (root / "sub").chmod(0o750)
    (root / "modes/private").chmod(0o711)
    (root / "empty").mkdir(mode=0o755)
    (root / "sub/soft").symlink_to("c.txt")
    (root / "links/to-file").symlink_to("file")
    (root / "links/to-folder").symlink_to("folder")
    (root / "links/broken").symlink_to("/nowhere")
    os.link(root / "sub/c.txt", root / "sub/hard")
    for kind in ("gz", "xz"):
        with tarfile.open(root / f"files.tar.{kind}", f"w:{kind}") as archive:
            archive.add(root / "sub", "sub")
            owned = tarfile.TarInfo("owned")
            owned.uid, owned.gid, owned.mode = 3, 4, 0o640
            archive.addfile(owned)


def directives(text: str) -> dict[str, str]:
    """The comments at the top that are for this test."""
    return dict(re.findall(r"^# (build|buildah|files|format): (.*)$", text, re.MULTILINE))


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


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_buildah_makes_the_same_of_it(ground: Ground, file: Path) -> None:
    found = directives(file.read_text())
    options, format_ = found.get("build", "").split(), found.get("format", "oci")
    options = [one.replace("=other", f"={ground.context}/other") for one in options]
    try:
        right, ours = ground.ours(file, options, format_)
        if "buildah" in found:
            pytest.skip(f"buildah of Debian 12 is no yardstick: {found['buildah']}")
        theirs = ground.theirs(file, options, format_)
        assert settings_of(ours) == settings_of(theirs)
        if "files" in found:
            return
        left_files, right_files = files_of(ground.their_files(file)), files_of(right)
        paths = (left_files.keys() | right_files.keys()) - LEFT_BY_BUILDAH
        differing = {
            path: {"ours": right_files.get(path), "theirs": left_files.get(path)}
            for path in sorted(paths)
            if right_files.get(path) != left_files.get(path)
        }
        assert differing == {}
    finally:
        ground.clean()
