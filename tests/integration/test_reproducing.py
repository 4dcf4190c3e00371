"""One image, one digest: whoever builds it, wherever and however."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT, Sandbox, run_hermes
from tests.integration.conftest import add_base
from tests.properties import ALL

if TYPE_CHECKING:
    from tests.integration.conftest import OrdinaryUser

BUILD = """
files_layer(
    name = "files",
    srcs = glob(["**/*.txt", "bin/*"]),
    dest = "/srv/files",
)
run_layer(
    name = "made",
    base = ["//base:root", ":files"],
    cmd = '''
        mkdir -p /srv/made/x
        cp -r /srv/files /srv/made/y
        stat -c '%a %u %Y %n' / /etc > /srv/made/stat
        env | sort > /srv/made/env
        hostname > /srv/made/hostname
        chown -R 5:6 /srv/made
    ''',
)
image(
    name = "image",
    base = "//base:root",
    layers = [":files", ":made"],
)
"""


def write_app(workspace: Sandbox) -> None:
    add_base(workspace)
    workspace.write("app/BUILD", BUILD)
    for number in range(20):
        workspace.write(f"app/d{number % 3}/f{number}.txt", f"{number}\n" * number)
    workspace.write("app/bin/tool", "#!/bin/sh\n", mode=0o755)
    workspace.write("app/d0/große Datei.txt", "ü")


@pytest.fixture
def app(workspace: Sandbox) -> Sandbox:
    write_app(workspace)
    return workspace


@pytest.fixture
def digest(app: Sandbox) -> str:
    return app.digest("//app:image")


def built_elsewhere(folder: Path, *arguments: str, **options: object) -> str:
    """Build in another folder with a store of its own; return what was printed."""
    other = Sandbox(folder / "elsewhere" / "deeper", folder / "other-home")
    write_app(other)
    done = run_hermes("build", *arguments, "//app:image", cwd=other.root, home=other.home, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("jobs", ["1", "8"])
def test_another_folder_and_number_of_jobs(digest: str, tmp_path: Path, jobs: str) -> None:
    assert digest in built_elsewhere(tmp_path, "-j", jobs)


def test_another_environment(digest: str, tmp_path: Path) -> None:
    env = {
        "TZ": "Pacific/Auckland",
        "LANG": "tr_TR.UTF-8",
        "LC_ALL": "C",
        "USER": "somebody",
        "PYTHONHASHSEED": "7",
    }
    before = os.umask(0o077)
    try:
        assert digest in built_elsewhere(tmp_path, env=env)
    finally:
        os.umask(before)


def test_another_host_name(digest: str, tmp_path: Path) -> None:
    other = Sandbox(tmp_path / "elsewhere", tmp_path / "other-home")
    write_app(other)
    command = f"hostname elsewhere && {sys.executable} -m hermes build //app:image"
    env = {**os.environ, "HERMES_HOME": str(other.home)}
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--uts", "sh", "-c", command]
        if os.geteuid()
        else ["unshare", "--uts", "sh", "-c", command],
        cwd=other.root,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert digest in done.stdout, done.stderr


def test_an_ordinary_user(digest: str, ordinary_user: OrdinaryUser) -> None:
    write_app(ordinary_user.workspace)
    assert digest in ordinary_user.run("build", "//app:image").stdout


def test_other_times_and_modes_of_the_sources(app: Sandbox, digest: str, tmp_path: Path) -> None:
    for path in app.root.rglob("*.txt"):
        os.utime(path, (10, 10))
        path.chmod(0o600)
    other = Sandbox(app.root, tmp_path / "other-home")
    assert other.digest("//app:image") == digest


@pytest.mark.network
@pytest.mark.skipif(not ALL, reason="make test-all tries it: it installs Hermes for another Python")
def test_another_python_and_an_installed_wheel(digest: str, tmp_path: Path) -> None:
    python = next((one for one in _pythons() if _version(one) not in ("", _version(sys.executable))), None)
    if python is None:
        pytest.skip("there is no second Python of 3.11 or later that can make a virtual environment")
    venv = tmp_path / "venv"
    subprocess.run([python, "-m", "venv", str(venv)], check=True)
    pip = [str(venv / "bin/pip"), "install", "-q", "--disable-pip-version-check", str(ROOT)]
    subprocess.run(pip, check=True, capture_output=True)
    other = Sandbox(tmp_path / "elsewhere", tmp_path / "other-home")
    write_app(other)
    done = subprocess.run(
        [str(venv / "bin/hermes"), "build", "//app:image"],
        cwd=other.root,
        env={**os.environ, "HERMES_HOME": str(other.home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert digest in done.stdout, done.stderr


def test_the_source_date_is_the_time_of_everything(
    app: Sandbox, digest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    assert app.digest("//app:image") != digest
    assert app.build("//app:image").executed == ()
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    assert app.digest("//app:image") == digest


def _pythons() -> Iterator[str]:
    """Yield what may be other Pythons, the newest first."""
    for minor in (14, 13, 12, 11):
        yield from sorted(map(str, Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python3")))
        yield f"python3.{minor}"
    yield "/usr/bin/python3"


def _version(python: str) -> str:
    """Return the version of a Python that can make a virtual environment and run Hermes, or nothing."""
    code = "import ensurepip, sys, venv; print(sys.version_info[:3] if sys.version_info > (3, 11) else '')"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip()
