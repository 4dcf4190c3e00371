"""The scripts of a public builder, s2i-python-container of sclorg, on a base from Debian: what the s2i documents say, step by step.

The repository is fetched for the test; HERMES_TEST_SCLORG names another place of it.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conftest import Sandbox
from tests.integration.conftest import OrdinaryUser

REPOSITORY = os.environ.get("HERMES_TEST_SCLORG", "https://github.com/sclorg/s2i-python-container.git")
SCRIPTS = "3.12-minimal"
BUILD = """\
load("@hermes//rules:debian.bzl", "apt_layer")
apt_layer(name = "runtime-files", lock = "runtime.lock.yaml", packages = ["base-files", "bash", "coreutils", "dash", "findutils", "libc-bin", "python3"])
apt_layer(
    name = "files",
    lock = "lock.yaml",
    packages = ["base-files", "bash", "coreutils", "dash", "findutils", "libc-bin", "grep", "sed", "tar", "python3", "python3-distutils", "python3-venv"],
)
image(name = "base", layers = [":files"])
image(name = "runtime-base", layers = [":runtime-files"])
"""
# Its Dockerfile for CentOS, with Debian's names of packages and without what rpm checks.
BUILDER = f"""\
FROM oci:BASE
ENV PYTHON_VERSION=3.11 PYTHONUNBUFFERED=1 PYTHONIOENCODING=UTF-8 LC_ALL=C.UTF-8 LANG=C.UTF-8 PIP_NO_CACHE_DIR=off
ENV STI_SCRIPTS_PATH=/usr/libexec/s2i APP_ROOT=/opt/app-root HOME=/opt/app-root/src
ENV PATH=$APP_ROOT/bin:$HOME/bin:$HOME/.local/bin:/usr/local/bin:/usr/bin:/bin BASH_ENV=$APP_ROOT/bin/activate
LABEL io.openshift.s2i.scripts-url=image:///usr/libexec/s2i io.k8s.display-name="Python" io.openshift.expose-services="8080:http"
RUN printf 'root:x:0:0::/root:/bin/bash\\ndefault:x:1001:0::/opt/app-root/src:/bin/bash\\n' > /etc/passwd && printf 'root:x:0:\\n' > /etc/group && mkdir -p -m 1777 /tmp
COPY {SCRIPTS}/s2i/bin/ $STI_SCRIPTS_PATH
COPY {SCRIPTS}/root/opt/app-root /opt/app-root
COPY {SCRIPTS}/root/usr/bin /usr/bin
WORKDIR $HOME
RUN BASH_ENV= python3 -m venv $APP_ROOT && chown -R 1001:0 $APP_ROOT && fix-permissions $APP_ROOT -P
USER 1001
CMD $STI_SCRIPTS_PATH/usage
"""
RUNTIME = """\
FROM oci:RUNTIME
RUN printf 'root:x:0:0::/root:/bin/bash\\ndefault:x:1001:0::/opt:/bin/bash\\n' > /etc/passwd && mkdir -p -m 1777 /tmp && mkdir -p /opt && chown 1001:0 /opt
WORKDIR /opt
USER 1001
"""
# As user_guide.md has it: a script of the source does something and then what the builder's does.
RESTORE = """\
#!/bin/bash -e
if [ -d /tmp/artifacts/wheels ]; then echo "---> Restoring wheels"; mv /tmp/artifacts/wheels /tmp/src/; fi
exec /usr/libexec/s2i/assemble
"""
SAVE = "#!/bin/bash\ntar -C $HOME -cf - wheels\n"
EXTENDED = "#!/bin/bash -e\n/opt/app-root/bin/python -c 'import gunicorn, six'\n"
RUN = "#!/bin/bash -e\ncd /opt/app-root/src && exec /opt/app-root/bin/python app.py\n"

pytestmark = [
    pytest.mark.root,
    pytest.mark.network,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(
        os.environ.get("HERMES_TEST_PEERS") != "every",
        reason="HERMES_TEST_PEERS=every has a public builder image",
    ),
]


class Machine:
    """Commands of Hermes in one folder with one store, as root or as somebody else."""

    def __init__(self, folder: Path, user: OrdinaryUser | None = None) -> None:
        self.folder = folder
        self.user = user

    def __call__(self, *words: str, check: bool = True) -> str:
        done = self._run(words)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout if check else done.stderr

    def _run(self, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        if self.user is not None:
            return self.user.run(*words, check=False, env={"PWD": str(self.folder)})
        return subprocess.run(
            [sys.executable, "-m", "hermes", *words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def digests(self, place: Path) -> dict[str, str]:
        """Build all images; the digests by what was done."""
        made = {}
        source = place / "source"
        build = (
            "s2i",
            "build",
            "-q",
            "-p",
            "never",
            "--copy",
            "-e",
            "PIP_NO_INDEX=1",
            "-e",
            "PIP_FIND_LINKS=wheels",
        )
        made["builder"] = self(
            "bud", "-q", "-t", "sclorg-python", "-f", f"{place}/Builder", str(place / "sclorg")
        )
        made["runtime image"] = self(
            "bud", "-q", "-t", "runtime", "-f", f"{place}/Runtime", str(place / "empty")
        )
        made["first"] = self(*build, "--incremental", str(source), "sclorg-python", "app")
        made["incremental"] = self(*build, "--incremental", str(place / "changed"), "sclorg-python", "app")
        again = self(*build, "--incremental", str(place / "changed"), "sclorg-python", "app")
        assert again == made["incremental"]
        extend = ("--runtime-image", "runtime", "--runtime-artifact", "/opt/app-root", str(source))
        made["extended"] = self(*build, *extend, "sclorg-python", "small")
        return made


@pytest.fixture
def place(workspace: Sandbox, tmp_path: Path) -> Path:
    """A folder with the repository, the bases, an application of the repository and a change of it."""
    place = Path(tmp_path) / "place"
    place.mkdir(mode=0o755)
    clone = ["git", "clone", "-q", "--depth", "1", REPOSITORY, str(place / "sclorg")]
    if (done := subprocess.run(clone, capture_output=True, text=True, check=False)).returncode:
        pytest.skip(f"{REPOSITORY} cannot be fetched: {done.stderr.strip()[-200:]}")
    workspace.write("BUILD", BUILD)
    workspace.run("lock", "//...")
    for target, name in (("base", "BASE"), ("runtime-base", "RUNTIME")):
        workspace.run("build", "-q", f"//:{target}", "-o", f"oci:{place}/{name}")
    (place / "Builder").write_text(BUILDER.replace("BASE", f"{place}/BASE"))
    (place / "Runtime").write_text(RUNTIME.replace("RUNTIME", f"{place}/RUNTIME"))
    (place / "empty").mkdir()
    source = place / "source"
    shutil.copytree(place / "sclorg/examples/standalone-test-app", source)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "-d",
        str(source / "wheels"),
        "-r",
        str(source / "requirements.txt"),
    ]
    if (done := subprocess.run(pip, capture_output=True, text=True, check=False)).returncode:
        pytest.skip(f"the packages of the application cannot be had: {done.stderr.strip()[-200:]}")
    for name, text in (("assemble", RESTORE), ("save-artifacts", SAVE), ("assemble-runtime", EXTENDED)):
        script = source / ".s2i/bin" / name
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(text)
        script.chmod(0o755)
    shutil.copytree(source, place / "changed")
    shutil.rmtree(place / "changed/wheels")  # they come out of the last build
    with (place / "changed/app.py").open("a") as file:
        file.write("# changed\n")
    (source / ".s2i/bin/run").write_text(RUN)
    (source / ".s2i/bin/run").chmod(0o755)
    for one in (*tmp_path.parents, tmp_path):
        if Path("/tmp") in one.parents:  # where the folders of pytest are, which others are to read
            one.chmod(0o755)
    return place


def test_a_public_builder_builds_first_incrementally_and_into_a_runtime_image(
    workspace: Sandbox, place: Path, ordinary_user: OrdinaryUser
) -> None:
    ours = Machine(workspace.root)
    made = ours.digests(place)
    print(*(f"{name}: {digest.strip()}" for name, digest in made.items()), sep="\n")
    assert "S2I" in ours("s2i", "usage", "sclorg-python")
    assert _answer(workspace, "app") == _answer(workspace, "small")
    assert Machine(ordinary_user.workspace.root, ordinary_user).digests(place) == made
    (place / "changed/wheels").mkdir()
    (place / "changed/.s2i/bin/save-artifacts").write_text("#!/bin/sh\necho none\n")
    said = ours(
        "s2i",
        "build",
        "-p",
        "never",
        "--copy",
        "--incremental",
        str(place / "changed"),
        "sclorg-python",
        "app",
        check=False,
    )
    assert "what save-artifacts printed" in said


def _answer(workspace: Sandbox, image: str) -> bytes:
    """What the application answers over HTTP."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    argv = [sys.executable, "-m", "hermes", "run", "--rw", "-p", f"{port}:8080", image]
    with subprocess.Popen(argv, cwd=workspace.root) as process:
        try:
            for _ in range(300):
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
                        body: bytes = answer.read()
                        assert b"Hello World from standalone WSGI application!" in body
                        return body
                except OSError:
                    time.sleep(0.2)
        finally:
            process.send_signal(signal.SIGTERM)
    raise AssertionError(f"{image} does not answer")
