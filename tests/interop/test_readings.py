"""Compose and bake files -> what docker compose and buildx of Debian 13 read of them, and Hermes.

``HERMES_TEST_PROJECTS`` names a folder with more files, such as clones of public repositories.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from hermes.bake.project import Asked as BakeAsked
from hermes.bake.project import Project as BakeProject
from hermes.build.dockerfile.composed import wanted_of
from hermes.build.dockerfile.options import DockerfileOptions
from hermes.compose.project import Asked, load
from hermes.errors import HermesError
from tests import newer
from tests.unit.bake import test_project as bake
from tests.unit.compose import test_project as compose

ROOT = Path(__file__).parents[2]
FOLDERS = [
    ROOT / "examples",
    *(Path(one) for one in [os.environ.get("HERMES_TEST_PROJECTS", "")] if one),
]

pytestmark = pytest.mark.skipif(not newer.available(), reason=newer.WHY)


def found(*patterns: str) -> list[Path]:
    return sorted({path for folder in FOLDERS for pattern in patterns for path in folder.rglob(pattern)})


def answers(folder: Path, asked: Sequence[tuple[Path, Mapping[str, str], Sequence[str]]]) -> list[Any]:
    """Return what commands, each in a folder and with variables, print as JSON; of one that fails its last line."""
    script = []
    for number, (cwd, env, argv) in enumerate(asked):
        variables = [f"{name}={value}" for name, value in env.items()]
        words = shlex.join(["env", "-i", "HOME=/root", "PATH=/usr/bin:/bin", *variables, *argv])
        script.append(
            f"(cd {shlex.quote(str(cwd))} && {words}) > {folder}/{number}.out 2> {folder}/{number}.err"
            f" || echo > {folder}/{number}.failed"
        )
    command = newer.command(["sh", "-c", "\n".join(script)], folder, folder)
    subprocess.run(command, check=True, timeout=600)
    return [
        {"error": (folder / f"{number}.err").read_text().strip().splitlines()[-1]}
        if (folder / f"{number}.failed").exists()
        else json.loads((folder / f"{number}.out").read_text())
        for number in range(len(asked))
    ]


def composed(document: dict[str, Any], root: Path) -> dict[str, Any]:
    """Return of ``compose config`` what tests hold a reading to."""
    if "error" in document:
        return document
    text = json.dumps(document).replace(str(root), "ROOT").replace(str(root.parent), "PARENT")
    read = json.loads(text)
    services = {}
    for name, one in read.get("services", {}).items():
        row = {"image": one.get("image", ""), "platform": one.get("platform", "")}
        services[name] = {**row, "build": one["build"]} if one.get("build") else row
    secrets = {
        name: {key: one[key] for key in ("file", "environment") if key in one}
        for name, one in read.get("secrets", {}).items()
    }
    return {"name": read["name"], "services": services, "secrets": secrets}


def test_the_golden_compose_files_are_read_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    for number, case in enumerate(compose.CASES):
        root = tmp_path / str(number) / "proj"
        for path, text in case["files"].items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        root.mkdir(parents=True, exist_ok=True)
        named = ["-p", case["project"]] if case["project"] else []
        files = [word for one in case["f"] for word in ("-f", one)]
        profiles = [word for one in case["profiles"] for word in ("--profile", one)]
        argv = ["docker", "compose", *named, *files, *profiles, "config", "--format", "json"]
        asked.append((root, case["env"], argv))
    for number, (case, said) in enumerate(zip(compose.CASES, answers(tmp_path, asked), strict=True)):
        root = tmp_path / str(number) / "proj"
        theirs, golden = composed(said, root), case["expected"]
        assert ("error" in theirs) == ("error" in golden), (case["name"], theirs)
        if "error" not in theirs:
            wanted = {"secrets": {}, **golden}
            if not wanted["secrets"]:
                theirs["secrets"] = {}
            assert theirs == wanted, case["name"]


def test_the_golden_bake_files_are_read_so(tmp_path: Path) -> None:
    asked = []
    for number, case in enumerate(bake.CASES):
        root = tmp_path / str(number)
        root.mkdir()
        for path, text in case["files"].items():
            (root / path).write_text(text)
        files = [word for one in case["f"] for word in ("-f", one)]
        sets = [word for one in case["sets"] for word in ("--set", one)]
        argv = ["docker", "buildx", "bake", *files, *sets, "--print", *case["targets"]]
        asked.append((root, case["env"], argv))
    for case, said in zip(bake.CASES, answers(tmp_path, asked), strict=True):
        golden = case["expected"]
        assert ("error" in said) == ("error" in golden), (case["name"], said)
        if "error" not in said:
            assert said["target"] == golden["target"], case["name"]


def test_compose_files_of_projects_are_read_as_docker_compose_reads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [one for one in found("*compose*.y*ml") if ".github" not in one.parts]
    places = [tmp_path / "copies" / str(number) / "proj" for number in range(len(paths))]
    _copied(paths, places)
    argv = ["docker", "compose", "-f"]
    asked = [
        (place, {}, [*argv, path.name, "config", "--format", "json"])
        for path, place in zip(paths, places, strict=True)
    ]
    wrong = []
    for path, place, said in zip(paths, places, answers(tmp_path, asked), strict=True):
        theirs = composed(said, place)
        if "error" in theirs:  # what only concerns running is not looked at here, such as env_file
            continue
        monkeypatch.chdir(place)
        try:
            project = load(Asked([path.name]), {}, lambda _: None)
            compose.hold(project, theirs, place.parent)
            wanted_of(project, (), DockerfileOptions(), lambda _: None)
        except HermesError as error:
            wrong.append(f"{path}: {error.render()}")
        except AssertionError as error:
            wrong.append(f"{path}: {error}")
    assert not wrong, "\n".join(wrong)


def test_bake_files_of_projects_are_read_as_buildx_reads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = found("*bake*.hcl", "*bake*.json")
    places = [tmp_path / "copies" / str(number) / "proj" for number in range(len(paths))]
    _copied(paths, places)
    asked = [
        (place, {}, ["docker", "buildx", "bake", "-f", path.name, "--print", *_groups(path)])
        for path, place in zip(paths, places, strict=True)
    ]
    wrong = []
    for path, place, said in zip(paths, places, answers(tmp_path, asked), strict=True):
        if "error" in said:  # by this version; later ones read more
            continue
        monkeypatch.chdir(place)
        try:
            targets = BakeProject(BakeAsked([path.name]), {}, lambda _: None).chosen(_groups(path))
            bake.hold(targets, said)
        except HermesError as error:
            wrong.append(f"{path}: {error.render()}")
        except AssertionError as error:
            wrong.append(f"{path}: {error}")
    assert not wrong, "\n".join(wrong)


def _groups(path: Path) -> list[str]:
    """Return what to ask for: the first target of a file that has no default."""
    text = path.read_text()
    if '"default"' in text:
        return []
    return [text.partition('target "')[2].partition('"')[0]]


def _copied(paths: Sequence[Path], places: Sequence[Path]) -> None:
    """Copy files to folders of their own, with what is beside them that they may read."""
    for path, place in zip(paths, places, strict=True):
        place.mkdir(parents=True)
        for one in path.parent.iterdir():
            if one.is_file() and one.stat().st_size < 1 << 20:
                (place / one.name).write_bytes(one.read_bytes())
