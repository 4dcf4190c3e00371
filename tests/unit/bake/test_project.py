"""Bake files -> targets: the values and refusals are those of docker buildx 0.13.1 (``bake --print``).

``golden_projects.json`` has files, what the command line and environment say, and what it answered.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.api.projects import BakeProject
from hermes.bake.hcl import parse
from hermes.bake.project import Asked, Project, Target
from hermes.build.dockerfile.baked import wanted_of
from hermes.build.dockerfile.options import DockerfileOptions
from hermes.errors import BakeError, HermesError, UsageError

CASES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("golden_projects.json").read_text())
DEFAULTS = {"context": ".", "dockerfile": "Dockerfile"}


def project(folder: Path, monkeypatch: pytest.MonkeyPatch, case: dict[str, Any], said: list[str]) -> Project:
    for name, text in case["files"].items():
        (folder / name).write_text(text)
    monkeypatch.chdir(folder)
    return Project(Asked(case["f"], case["sets"]), case["env"], said.append)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_project_is_what_buildx_reads(
    case: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = case["expected"]
    if "error" in expected:
        with pytest.raises((BakeError, UsageError)):
            project(tmp_path, monkeypatch, case, []).chosen(case["targets"])
        return
    hold(project(tmp_path, monkeypatch, case, []).chosen(case["targets"]), expected)


def hold(targets: Mapping[str, Target], expected: dict[str, Any]) -> None:
    """Hold targets to what the peer read."""
    assert targets.keys() == expected["target"].keys()
    for name, values in expected["target"].items():
        ours = {**DEFAULTS, **targets[name].values}
        assert {key: one for key, one in ours.items() if one not in ({}, [], "", False)} == values


def one_file(text: str, name: str = "docker-bake.hcl") -> dict[str, Any]:
    return {"files": {name: text}, "f": [name], "sets": [], "env": {}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('target "default" {\n  tags = [NOPE]\n}\n', "docker-bake.hcl:2:11: there is no variable 'NOPE'"),
        ('target "default" {\n  tags = [nop("")]\n}\n', "docker-bake.hcl:2:11: there is no function 'nop'"),
        ('target "default" {\n  tags = [1\n}\n', "docker-bake.hcl:3:1: invalid HCL: unexpected '}'"),
        ('target "default" {\n  tags = "x"\n}\n', "docker-bake.hcl:2:10: tags is a list, not string"),
        ('target "default" {\n  args = ["x"]\n}\n', "docker-bake.hcl:2:10: args is an object of texts"),
        ('target "default" {\n  pull = "x"\n}\n', "docker-bake.hcl:2:10: pull is true or false"),
        ('target "default" {\n  tags = [split(1)]\n}\n', "docker-bake.hcl:2:11: split() cannot be called"),
        ('target "default" {\n  tags = [1 / 0]\n}\n', "docker-bake.hcl:2:11: division by zero"),
        (
            f'target "default" {{\n  tags = [{"9" * 5000}]\n}}\n',
            "docker-bake.hcl:2:11: the number is too large",
        ),
        ('target "default" {\n  tags = ["a" + 1]\n}\n', "docker-bake.hcl:2:11: a number is needed here"),
        ('target "default" {\n  tags = [{a = 1}.b]\n}\n', "docker-bake.hcl:2:11: there is no 'b' here"),
        ('A = B\nB = A\ntarget "default" {\n  tags = [A]\n}\n', "variables refer to each other: A -> B -> A"),
        (
            'target "a" {\n  inherits = ["default"]\n}\ntarget "default" {\n  inherits = ["a"]\n}\n',
            "inheritance cycle of targets: default -> a -> default",
        ),
        (
            'group "default" {\n  targets = ["g"]\n}\ngroup "g" {\n  targets = ["default"]\n}\n',
            "default -> g -> default",
        ),
        ('group "default" {\n  targets = ["app"]\n}\ntarget "ap" {}\n', "there is no target app"),
        ('thing "x" {}\n', "docker-bake.hcl:1:1: unknown block 'thing'"),
        ('target "default" {\n  network = "mine"\n}\n', "default: there is no network 'mine' for RUN"),
        ('target "default" {\n  output = ["type=locl,dest=x"]\n}\n', "unknown type 'locl'"),
    ],
)
def test_a_mistake_is_told_with_its_place(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read() -> None:
        found = project(tmp_path, monkeypatch, one_file(text), []).chosen(())
        wanted_of(found, DockerfileOptions(), lambda _: None)

    with pytest.raises(HermesError) as caught:
        read()
    assert message in caught.value.render()


def test_a_plan_has_what_builds_do_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What buildx 0.13.1 prints of the same; of ``extra-hosts``, what its reference says since."""
    said = {
        "annotations": ["index:a=b"],
        "attest": ["type=provenance,mode=max", "type=sbom"],
        "cache-from": ["type=registry,ref=a/b"],
        "cache-to": ["type=local,dest=x"],
        "no-cache-filter": ["x"],
        "platforms": ["linux/arm64"],
        "pull": True,
        "shm-size": "1g",
        "ulimits": ["nofile=1"],
        "extra-hosts": {"db": "10.0.0.7"},
    }
    (tmp_path / "docker-bake.json").write_text(json.dumps({"target": {"default": said}}))
    monkeypatch.chdir(tmp_path)
    found = BakeProject(Asked(["docker-bake.json"]), say=lambda _: None)
    options = DockerfileOptions(fresh_stages=["y"], platform="linux/amd64")
    target = found.plan((), options)["target"]["default"]
    more = {"context": ".", "no-cache-filter": ["y", "x"], "platforms": ["linux/amd64"]}
    assert target == {**said, **more}
    wanted = found.wanted((), options)["default"].options
    assert (wanted.hosts, wanted.fresh_stages) == ((("db", "10.0.0.7"),), ("y", "x"))


def test_an_attribute_that_nothing_reads_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    case = one_file('target "default" {\n  contxt = "x"\n}\n')
    project(tmp_path, monkeypatch, case, said).chosen(())
    assert said == [
        "warning: docker-bake.hcl:2:12: nothing reads the attribute contxt; did you mean context?"
    ]


def test_a_target_becomes_the_options_of_a_dockerfile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """
target "base" { context = "b" }
target "default" {
  context = "app"
  dockerfile = "D"
  contexts = { base = "target:base", lib = "../lib" }
  args = { A = "1" }
  tags = ["r.example/app:1"]
  platforms = ["linux/amd64", "linux/arm64"]
  secret = ["id=tok,env=TOK", "type=file,id=f,src=f.txt", "id=plain", { id = "o", src = "o.txt" }]
  annotations = ["index:a=b"]
  output = ["type=registry", "type=oci,dest=app.tar", "type=docker"]
  no-cache = true
  pull = true
}
"""
    found = project(tmp_path, monkeypatch, one_file(text), []).chosen(())
    wanted = wanted_of(found, DockerfileOptions(arguments={"A": "2"}), lambda _: None)
    options = wanted["default"].options
    assert (options.context, options.file, options.platform) == ("app", "app/D", "linux/amd64,linux/arm64")
    assert (options.arguments, options.contexts) == ({"A": "2"}, {"lib": "../lib"})
    assert wanted["default"].uses == {"base": "base"}
    assert [(one.id, one.file, one.variable) for one in options.secrets] == [
        ("tok", "", "TOK"),
        ("f", "f.txt", ""),
        ("plain", "", "plain"),
        ("o", "o.txt", ""),
    ]
    assert options.destinations == ("type=registry", "type=oci,dest=app.tar", "type=docker")
    assert (options.annotations, options.use_cache, options.pull) == ({"a": "b"}, False, "always")


@given(st.text(alphabet='ab"{}[]()=$%?:.,<>!&|*#/\\ \n-1', max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text, "x.hcl")
    except BakeError as error:
        assert error.location is not None
