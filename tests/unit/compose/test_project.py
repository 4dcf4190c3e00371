"""Compose files -> projects: the values and refusals are those of docker compose 2.26.1 (``compose config``).

``golden_projects.json`` has files, what the command line and environment say, and what it answered.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from hermes.build.dockerfile.composed import wanted_of
from hermes.build.dockerfile.options import DockerfileOptions
from hermes.compose.project import Asked, Project, load
from hermes.compose.service import Build
from hermes.errors import ComposeError, HermesError, UsageError

CASES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("golden_projects.json").read_text())


def loaded(folder: Path, case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Project:
    root = folder / "proj"
    for path, text in case["files"].items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    monkeypatch.chdir(root)
    return load(Asked(case["f"], case["project"], case["profiles"]), case["env"], lambda _: None)


def plain(build: Build, variables: Any, parent: str) -> dict[str, Any]:
    """Return a build as ``compose config`` writes it."""

    def place(text: str) -> str:
        return text.replace(f"{parent}/proj", "ROOT").replace(parent, "PARENT")

    contexts = {**build.contexts, **{name: f"service:{one}" for name, one in build.services.items()}}
    arguments = {name: variables.get(name) if one is None else one for name, one in build.args.items()}
    found = {
        "context": place(build.context),
        "dockerfile": build.dockerfile or (None if build.inline is not None else "Dockerfile"),
        "dockerfile_inline": build.inline,
        "args": {name: one for name, one in arguments.items() if one is not None},
        "additional_contexts": {name: place(one) for name, one in contexts.items()},
        "labels": build.labels,
        "ssh": [f"{name}={one}" if one else name for name, one in build.ssh.items()],
        "tags": list(build.tags),
        "platforms": list(build.platforms),
        "target": build.target,
        "network": build.network,
        "pull": build.pull,
        "no_cache": build.no_cache,
        "extra_hosts": [f"{name}={one}" for name, one in build.hosts],
        "cache_from": list(build.cache_from),
        "cache_to": list(build.cache_to),
        "secrets": [(one.source, one.id) for one in build.secrets],
    }
    return {name: value for name, value in found.items() if value}


def theirs(build: dict[str, Any]) -> dict[str, Any]:
    """Return what the peer wrote, without what is not applied; it doubles each dollar."""
    ignored = ("entitlements", "isolation", "privileged", "shm_size", "ulimits")
    found = {name: value for name, value in build.items() if name not in ignored}
    if inline := found.get("dockerfile_inline"):
        found["dockerfile_inline"] = inline.replace("$$", "$")
    if secrets := found.get("secrets"):
        found["secrets"] = [(one["source"], one.get("target", one["source"])) for one in secrets]
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_project_is_what_docker_compose_reads(
    case: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = case["expected"]
    if "error" in expected:
        with pytest.raises((ComposeError, UsageError)) as caught:
            wanted_of(loaded(tmp_path, case, monkeypatch), (), DockerfileOptions(), lambda _: None)
        assert caught.value.location is not None or type(caught.value) is UsageError
    else:
        hold(loaded(tmp_path, case, monkeypatch), expected, tmp_path)


def hold(project: Project, expected: dict[str, Any], parent: Path) -> None:
    """Hold a project in the folder ``proj`` of another one to what the peer read."""
    assert project.name == expected["name"]
    chosen = {one.name: one for one in project.chosen(())}
    assert chosen.keys() == expected["services"].keys()
    for name, row in expected["services"].items():
        service = chosen[name]
        assert (service.image, service.platform) == (row["image"], row["platform"])
        ours = plain(service.build, project.variables, str(parent)) if service.build else None
        text = json.dumps(row.get("build"))
        assert ours == (theirs(json.loads(text)) if "build" in row else None)
    files = {
        name: (one.get("file", ""), one.get("environment", ""))
        for name, one in expected.get("secrets", {}).items()
    }
    root = os.fspath(parent / "proj")
    assert {
        name: (one.file.replace(root, "ROOT"), one.variable) for name, one in project.secrets.items()
    } == files


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("services:\n  a:\n    biuld: .\n", "compose.yaml:3:5: the service a has no key 'biuld'"),
        ("services:\n  a:\n    build: {contxt: .}\n", "compose.yaml:3:13: build has no key 'contxt'"),
        ("servces: {}\nservices: {}\n", "compose.yaml:1:1: a compose file has no key 'servces'"),
        (
            "version: '99'\nservices: {a: {build: .}}\n",
            "compose.yaml:1:1: unknown version '99' of compose files",
        ),
        ("services:\n  a: {build: .}\n  a: {build: b}\n", "compose.yaml:3:3: the key 'a' is there twice"),
        (
            "services:\n  a: {build: '${D:?say where}'}\n",
            "compose.yaml:2:14: the variable D is not set: say where",
        ),
        ("services:\n  a: {build: '${D'}\n", "compose.yaml:2:14: '${D': after ${D comes"),
        ("services:\n\ta: {}\n", "compose.yaml:2:1: this is not YAML"),
        ("web:\n  image: x\n", "compose.yaml:1: the file has no services"),
        (
            "services:\n  a: {extends: b}\n  b: {extends: a}\n",
            "cycle of services that extend each other: a -> b -> a",
        ),
        (
            "services:\n  a: {build: {context: ., network: mine}}\n",
            "compose.yaml:2:7: a: there is no network 'mine' for RUN",
        ),
        (
            "services:\n  a: {image: x, build: a}\n  b: {image: x, build: b}\n",
            "compose.yaml:3:3: the services a and b give the name x to different images",
        ),
        (
            "services:\n  a: {build: {context: ., secrets: [s]}}\n",
            "compose.yaml:2:27: there is no secret 's'",
        ),
        (
            "services:\n  a: {build: {context: ., additional_contexts: {x: 'service:b'}}}\n",
            "compose.yaml:2:7: a: the context x is of a service b, which is not there",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = {"files": {"compose.yaml": text}, "f": ["compose.yaml"], "project": "", "profiles": [], "env": {}}
    with pytest.raises(HermesError) as caught:
        wanted_of(loaded(tmp_path, case, monkeypatch), (), DockerfileOptions(), lambda _: None)
    assert message in caught.value.render()


def test_services_that_share_an_image_and_its_build_are_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "services:\n  a: &a {image: x, build: .}\n  b: *a\n"
    case = {"files": {"compose.yaml": text}, "f": ["compose.yaml"], "project": "", "profiles": [], "env": {}}
    wanted = wanted_of(loaded(tmp_path, case, monkeypatch), (), DockerfileOptions(), lambda _: None)
    assert list(wanted) == ["a", "b"]


def test_stages_are_named_that_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "services:\n  a:\n    build:\n      context: .\n      no_cache_filter: [one, two]\n"
    case = {"files": {"compose.yaml": text}, "f": ["compose.yaml"], "project": "", "profiles": [], "env": {}}
    wanted = wanted_of(loaded(tmp_path, case, monkeypatch), (), DockerfileOptions(), lambda _: None)
    assert wanted["a"].options.fresh_stages == ("one", "two")


def test_aliases_cannot_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["x-0: &x0 [1]", *(f"x-{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]" for n in range(1, 10))]
    text = "\n".join([*lines, "services: {a: {build: .}}", ""])
    case = {"files": {"compose.yaml": text}, "f": ["compose.yaml"], "project": "", "profiles": [], "env": {}}
    with pytest.raises(ComposeError, match="aliases make it too large"):
        loaded(tmp_path, case, monkeypatch)
