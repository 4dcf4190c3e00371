"""What tests share: a fresh store, a workspace to write and build, and the command line as a process."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from hermes.api.workspace import Workspace
from hermes.build.result import BuildResult
from hermes.store import Store
from tests.processes import SESSION, processes_of
from tests.properties import examples

ROOT = Path(__file__).parent.parent
BUSYBOX = Path("/bin/busybox")

LASTING = f"sleep {1_000_000 + os.getpid()}"
"""A command that does not end by itself, and that no other tests on this machine have."""

# How long an example takes says more of the machine than of the code.
settings.register_profile(
    "hermes", examples(100), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("hermes")

for _number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if (
        signal.getsignal(_number) is signal.SIG_IGN
    ):  # as in the background of a shell: commands would inherit it
        signal.signal(_number, lambda *_: None)


@pytest.fixture(scope="session", autouse=True)
def _no_process_is_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No daemon or container that a test started outlives the tests."""
    os.environ[SESSION] = str(os.getpid())
    yield
    words = f"{SESSION}={os.getpid()}", f"{tmp_path_factory.getbasetemp()}/"
    end = time.monotonic() + 5
    while (left := list(processes_of(*words))) and time.monotonic() < end:
        time.sleep(0.1)
    assert left == [], "tests left processes"


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return itertools.count()


@pytest.fixture
def tmp_path(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, _numbers: Iterator[int]
) -> Path:
    """A folder of the test's own. For each one, pytest's fixture would list those of all tests before."""
    name = re.sub(r"\W", "_", request.node.name, flags=re.ASCII)[:30]
    path = tmp_path_factory.getbasetemp() / f"{name}_{next(_numbers)}"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SOURCE_DATE_EPOCH", "NO_COLOR", "GITHUB_ACTIONS", "GITLAB_CI"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of a store of this test's own."""
    path = tmp_path / "home"
    monkeypatch.setenv("HERMES_HOME", str(path))
    return path


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    opened = Store.open(home)
    yield opened
    opened.close()


class Sandbox:
    """A workspace in a temporary folder."""

    def __init__(self, root: Path, home: Path) -> None:
        self.root = root
        self.home = home
        self.said: list[str] = []
        root.mkdir(parents=True, exist_ok=True)
        self.write("hermes.yaml", "")

    def write(self, path: str, content: str | bytes, mode: int = 0o644) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
        target.chmod(mode)
        return target

    def build(self, *patterns: str, **options: object) -> BuildResult:
        return Workspace(self.root, home=self.home, say=self.said.append).build(patterns, **options)

    def digest(self, *patterns: str, **options: object) -> str:
        """The digest of the first output of a build."""
        return next(iter(self.build(*patterns, **options).targets.values()))[0].digest

    def run(self, *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
        return run_hermes(*arguments, cwd=self.root, home=self.home, **options)


def run_hermes(
    *arguments: str, cwd: Path, home: Path, env: Mapping[str, str] | None = None, **options: object
) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user would; its output is text."""
    environment = {**os.environ, "HERMES_HOME": str(home), "TERM": "dumb", **(env or {})}
    return subprocess.run(
        [sys.executable, "-m", "hermes", *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


@pytest.fixture
def workspace(tmp_path: Path, home: Path) -> Sandbox:
    return Sandbox(tmp_path / "workspace", home)


@pytest.fixture
def hermes(workspace: Sandbox) -> object:
    """The command line, run in the workspace."""
    return workspace.run
