"""Dockerfiles -> action graphs, in process.

The golden file holds the graph of each Dockerfile of the corpus and of the examples. That what comes of these graphs
is what buildah and BuildKit make is the claim of `tests.interop.test_dockerfiles`; here they stay what they are. Write
it again with ``python -m tests.unit.dockerfile.test_translate``.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

from hermes.actions.specs.run import Run
from hermes.actions.specs.spec import Ref, of_action
from hermes.dockerfile.context import Context
from hermes.dockerfile.files import FolderFiles
from hermes.dockerfile.options import Options
from hermes.dockerfile.parse import parse
from hermes.dockerfile.translate import Translation, translate
from hermes.errors import DockerfileError, UsageError
from hermes.image import docker
from tests.corpus import FILES
from tests.unit.dockerfile.graphs import (
    EXAMPLES,
    PLATFORM,
    KnownBases,
    actions_of,
    make_context,
    of_corpus,
    params_of,
    roles_of,
    shown,
    translated,
)

GOLDEN = Path(__file__).with_name("golden_graphs.json")
CASES = {file.stem: file for file in FILES} | {f"examples/{one.parent.name}": one for one in EXAMPLES}


def graph_of(name: str, context: Path) -> dict[str, Any]:
    file = CASES[name]
    return shown(of_corpus(file, file.parent if name.startswith("examples/") else context))


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_context(tmp_path_factory.mktemp("corpus") / "context")


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(GOLDEN.read_text())
    return found


def test_the_golden_file_has_each_dockerfile(golden: dict[str, Any]) -> None:
    assert golden.keys() == CASES.keys()


@pytest.mark.parametrize("name", CASES)
def test_a_dockerfile_comes_to_the_same_actions(name: str, context: Path, golden: dict[str, Any]) -> None:
    assert graph_of(name, context) == golden[name]


def test_every_action_stands_after_those_that_it_depends_on(context: Path) -> None:
    for file in FILES:
        seen: set[str] = set()
        for one in of_corpus(file, context).graph.actions.values():
            assert seen.issuperset(one.depends_on()), file
            seen.add(one.id)


def test_every_action_belongs_to_a_line_of_the_file(context: Path) -> None:
    for file in FILES:
        found = of_corpus(file, context)
        lines = file.read_text().count("\n") + 1
        for one in found.graph.actions.values():
            span = found.spans[one.owner]
            assert 1 <= span.first <= span.last <= lines, (file, one.owner)


# The instruction that progress lines and errors name.


def owners_of(found: Translation, kind: str) -> list[str]:
    return [one.owner for one in actions_of(found, kind)]


def test_compressing_a_layer_belongs_to_the_instruction_that_made_it() -> None:
    found = translated("FROM base AS a\nENV A=b\nRUN x\nFROM a\nWORKDIR /srv\nRUN y \\\n  z\n")
    assert owners_of(found, "compress") == ["Dockerfile:1", "Dockerfile:3", "Dockerfile:5", "Dockerfile:6"]


def test_a_stage_that_is_made_one_layer_belongs_to_its_last_instruction() -> None:
    found = translated("FROM base AS a\nRUN x\nRUN y\nFROM a\nRUN z\nWORKDIR /srv\n", layers=False)
    assert owners_of(found, "squash") == ["Dockerfile:3", "Dockerfile:6"]
    assert owners_of(found, "compress") == ["Dockerfile:1", "Dockerfile:3", "Dockerfile:6"]


def test_an_image_that_files_are_copied_from_belongs_to_the_instruction_that_names_it() -> None:
    found = translated("FROM base\nRUN x\nCOPY --from=other /f /f\nRUN --mount=from=third,target=/t y\n")
    assert owners_of(found, "base_layer") == ["Dockerfile:1", "Dockerfile:3", "Dockerfile:4"]


# What an instruction depends on: docs/dockerfiles.md, "What is built again".


def test_a_copy_does_not_depend_on_the_layers_below(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    found = translated("FROM base\nRUN one\nCOPY a /a\n", tmp_path)
    (copy,) = actions_of(found, "copy")
    assert [role for role, _ in roles_of(copy)] == ["destination", "src"]
    (place,) = actions_of(found, "resolve_destination")
    assert roles_of(place) == [("root", "base_layer.1"), ("root", "run.2")]


def test_of_a_stage_that_is_copied_from_only_the_list_of_files_is_in_the_key() -> None:
    found = translated("FROM a AS one\nRUN make\nFROM b\nCOPY --from=one /x /y\n")
    (copy,) = actions_of(found, "copy")
    keyed = [role for role, _ in roles_of(copy) if not role.startswith("unkeyed:")]
    assert keyed == ["listing", "destination"]
    (select,) = actions_of(found, "list_files")
    assert roles_of(select) == [("root", "base_layer.1"), ("root", "run.2")]


def test_a_run_depends_on_all_layers_below() -> None:
    found = translated("FROM base\nWORKDIR /w\nRUN one\nRUN two\n")
    *_, last = actions_of(found, "run")
    assert [made for role, made in roles_of(last) if role == "root"] == ["base_layer.1", "copy.2", "run.3"]


@pytest.mark.parametrize(
    "instruction",
    [
        "ENV A=1",
        "LABEL a=1",
        'CMD ["a"]',
        'ENTRYPOINT ["a"]',
        "EXPOSE 80",
        "USER 1",
        "VOLUME /v",
        "STOPSIGNAL 9",
        "HEALTHCHECK NONE",
        "ARG A=1",
        "MAINTAINER me",
        "ONBUILD RUN x",
        'SHELL ["/bin/bash"]',
    ],
)
def test_an_instruction_that_only_changes_the_configuration_runs_nothing(instruction: str) -> None:
    found = translated(f"FROM base\n{instruction}\n")
    assert {one.kind for one in found.graph.actions.values()} == {"base_layer", "compress", "assemble_image"}
    (compose,) = actions_of(found, "assemble_image")
    last = params_of(compose)["history"][-1]
    assert last["created_by"].startswith(instruction.split(maxsplit=1)[0])
    assert last["empty_layer"] is True


def test_an_environment_variable_is_in_the_key_of_later_commands_alone() -> None:
    found = translated("FROM base\nRUN one\nENV A=1\nRUN two\n")
    one, two = (params_of(action)["env"] for action in actions_of(found, "run"))
    assert "A" not in one
    assert two["A"] == "1"


def test_stages_that_the_target_does_not_need_are_not_looked_at() -> None:
    text = "FROM a AS one\nRUN one\nFROM missing AS two\nCOPY gone /\nFROM one\nRUN three\n"
    found = translated(text)
    assert [params_of(one)["argv"][-1] for one in actions_of(found, "run")] == ["one", "three"]
    with pytest.raises(DockerfileError, match="gone is not in the context"):
        translated(text, target="two")


def test_a_stage_is_built_on_the_image_of_the_platform_that_it_names() -> None:
    text = "ARG P=linux/arm64\nFROM --platform=$P a AS x\nFROM --platform=$NONE b\nCOPY --from=x /f /f\nCOPY --from=c /f /\n"
    bases = KnownBases()
    context = Context(FolderFiles("/nonexistent", ""))
    translate(parse("Dockerfile", text), context, bases, Options(platform=PLATFORM))
    assert sorted(bases.asked) == [("a", "linux/arm64"), ("b", "linux/amd64"), ("c", "linux/amd64")]


def test_a_chain_of_two_thousand_stages_is_not_nested() -> None:
    lines = ["FROM base AS s0"]
    lines += [f"FROM s{number} AS s{number + 1}" for number in range(2000)]
    found = translated("\n".join(lines) + "\n")
    assert len(actions_of(found, "base_layer")) == 1


# What an image is made of.


def test_one_layer_of_a_base_is_one_action_however_often_it_is_used() -> None:
    found = translated("FROM base AS one\nRUN x\nFROM base\nCOPY --from=one /x /\nCOPY --from=base /y /\n")
    assert len(actions_of(found, "base_layer")) == 1


def test_the_history_has_a_row_for_each_layer_and_each_instruction() -> None:
    found = translated("FROM base\nENV A=1\nRUN one\nCMD x\n", epoch=86400)
    (compose,) = actions_of(found, "assemble_image")
    rows = params_of(compose)["history"]
    assert [(row["created_by"].split()[0], bool(row.get("empty_layer"))) for row in rows] == [
        ("base", False),
        ("ENV", True),
        ("RUN", False),
        ("CMD", True),
    ]
    assert {row["created"] for row in rows[1:]} == {"1970-01-02T00:00:00Z"}


def test_squash_makes_one_layer_of_all() -> None:
    found = translated("FROM base\nRUN one\nRUN two\n", squash=True)
    (squash,) = actions_of(found, "squash")
    assert [made for _, made in roles_of(squash)] == ["base_layer.1", "run.2", "run.3"]
    (compose,) = actions_of(found, "assemble_image")
    assert [made for role, made in roles_of(compose) if role == "layer"] == [squash.id]
    assert len(params_of(compose)["history"]) == 1


def test_without_layers_each_stage_adds_one_to_its_base() -> None:
    found = translated("FROM base AS one\nRUN one\nRUN two\nFROM one\nRUN three\n", layers=False)
    (squash,) = actions_of(found, "squash")
    assert roles_of(squash) == [("below", "base_layer.1"), ("root", "run.2"), ("root", "run.3")]
    (compose,) = actions_of(found, "assemble_image")
    assert [made for role, made in roles_of(compose) if role == "layer"] == [
        "base_layer.1",
        squash.id,
        "run.5",
    ]


def test_the_history_of_joined_layers_has_one_row_with_files_for_each_that_is_left() -> None:
    """See image-spec, config.md, "history": rows without ``empty_layer`` stand for the layers, in their order."""
    text = "FROM base AS one\nRUN one\nENV A=1\nRUN two\nFROM one\nRUN three\nRUN four\nCMD x\n"
    found = translated(text, layers=False)
    (compose,) = actions_of(found, "assemble_image")
    rows = [(row["created_by"], not row.get("empty_layer")) for row in params_of(compose)["history"]]
    assert [(text.split()[0], has_files) for text, has_files in rows] == [
        *(("base", True), ("RUN", False), ("ENV", False), ("RUN", True)),
        *(("RUN", False), ("RUN", True), ("CMD", False)),
    ]
    assert sum(has_files for _, has_files in rows) == sum(role == "layer" for role, _ in roles_of(compose))


def test_dockers_format_has_dockers_media_types() -> None:
    found = translated("FROM base\n", docker=True)
    (compose,) = actions_of(found, "assemble_image")
    media = params_of(compose)["media_types"]
    assert media == {"config": docker.CONFIG, "layer": docker.LAYER, "manifest": docker.MANIFEST}


def test_labels_of_the_command_line_win_over_those_of_the_file() -> None:
    found = translated("FROM base\nLABEL a=file b=file\n", labels={"a": "line"})
    (compose,) = actions_of(found, "assemble_image")
    assert params_of(compose)["document"]["config"]["Labels"] == {"a": "line", "b": "file"}


# Mounts and options of RUN.


def run_of(text: str, **options: Any) -> dict[str, Any]:
    (run,) = actions_of(translated(f"FROM base\n{text}\n", **options), "run")
    return {**params_of(run), "roles": roles_of(run)}


def test_a_cache_that_is_mounted_read_only_stays_so() -> None:
    assert run_of("RUN --mount=type=cache,target=/c,ro x")["caches"][0]["readonly"] is True


def test_a_secret_is_in_the_action_by_its_name_alone() -> None:
    run = run_of("RUN --mount=type=secret,id=key,required x", secrets=frozenset({"key"}))
    assert [one["id"] for one in run["secrets"]] == ["key"]


def test_a_bind_mount_of_a_stage_depends_on_what_it_holds_not_on_the_stage() -> None:
    found = translated("FROM a AS one\nRUN make\nFROM b\nRUN --mount=from=one,source=/out,target=/in x\n")
    *_, run = actions_of(found, "run")
    bound = [made for role, made in roles_of(run) if role == "bound"]
    assert [found.graph.actions[one].kind for one in bound] == ["copy"]


@pytest.mark.parametrize(("network", "expected"), [("default", True), ("host", True), ("none", False)])
def test_the_network_of_a_run_is_that_of_the_build_unless_it_says(network: str, expected: bool) -> None:
    assert run_of("RUN x", network=network)["network"] is expected
    assert run_of("RUN --network=none x", network=network)["network"] is False
    assert run_of("RUN x", network=network).get("host_network", False) is (network == "host")
    assert run_of("RUN --network=host x", network=network).get("host_network", False) is True


# Errors, with their place.


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ("FROM base\nCOPY gone /\n", "Dockerfile:2", "gone is not in the context"),
        ("FROM base AS a\nCOPY --from=a /x /\n", "Dockerfile:2", "a stage cannot copy from itself"),
        ("FROM base\nCOPY --from=3 /x /\n", "Dockerfile:2", "there is no stage 3 before this one"),
        ("FROM $X\n", "Dockerfile:1", "is empty after expansion"),
        ("FROM base\nEXPOSE 0\n", "Dockerfile:2", "'0' is not a port"),
        ("FROM base\nEXPOSE 9-8x\n", "Dockerfile:2", "invalid port range '9-8x'"),
        ("FROM base\nRUN --mount=from=,target=/x y\n", "Dockerfile:2", "from= names nothing"),
    ],
)
def test_an_error_names_the_line_and_what_is_wrong(text: str, place: str, problem: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        translated(text)
    assert place in caught.value.render()
    assert problem in caught.value.message


def test_a_target_that_is_no_stage_is_answered_with_a_near_one() -> None:
    with pytest.raises(UsageError, match="no stage 'buidl'") as caught:
        translated("FROM base AS build\n", target="buidl")
    assert caught.value.hint == "did you mean build?"


def _write_golden() -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = make_context(Path(folder) / "context")
        cases = []
        for name in CASES:
            rows = [
                f"  {json.dumps(key)}: {json.dumps(row, ensure_ascii=False, sort_keys=True)}"
                for key, row in graph_of(name, made).items()
            ]
            cases.append(f"{json.dumps(name)}: {{\n" + ",\n".join(rows) + "\n}")
        GOLDEN.write_text("{\n" + ",\n".join(cases) + "\n}\n")


def test_variables_of_a_command_are_what_they_are() -> None:
    found = translated('FROM base\nENV A="x\\$y"\nRUN true\n')
    (run,) = actions_of(found, "run")
    spec = of_action(Run[Ref], run)
    assert spec.literal_env
    assert spec.env["A"] == "x$y"


if __name__ == "__main__":
    _write_golden()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("FROM a AS x\nCOPY --from=x /a /b\n", "a stage cannot copy from itself"),
        ("FROM a\nCOPY --from=0 /a /b\n", "a stage cannot copy from itself"),
        ("FROM a\nFROM b\nCOPY --from=2 /a /b\n", "there is no stage 2 before this one"),
        ("FROM a\nRUN --network=other x\n", "--network cannot be 'other'"),
        ("FROM a\nRUN --security=insecure x\n", "--security=insecure"),
        ("FROM $A\n", "is empty after expansion"),
    ],
)
def test_what_a_stage_cannot_say_is_refused_at_its_line(text: str, problem: str) -> None:
    with pytest.raises(DockerfileError, match=r"^Dockerfile:\d+: ") as caught:
        translated(text)
    assert problem in caught.value.message


DOUBLING = {
    "ENV": "FROM x\nENV a=xxxxxxxxxx\n" + "ENV a=$a$a\n" * 40,
    "ARG": "ARG a=xxxxxxxxxx\n" + "ARG a=$a$a\n" * 40 + "FROM x\n",
    "quoted": "FROM x\nENV a=xxxxxxxxxx\n" + 'ENV a="${a}${a:-b}"\n' * 40,
    "replaced": "FROM x\nENV a=xxxxxxxxxx\n" + "ENV a=${a//x/$a}\n" * 40,
}


@pytest.mark.parametrize("name", DOUBLING)
def test_variables_that_double_again_and_again_are_refused(name: str) -> None:
    with pytest.raises(DockerfileError, match="have more than 1 MiB together"):
        translated(DOUBLING[name])


@pytest.mark.parametrize(
    ("text", "argv"),
    [
        ("RUN a b", ["/bin/sh", "-c", "a b"]),
        ('RUN ["a", "b"]', ["a", "b"]),
        ("RUN <<E\na\nb\nE", ["/bin/sh", "-c", "a\nb\n"]),
        ("RUN <<-E\n\ta\n\tE", ["/bin/sh", "-c", "a\n"]),
        ("RUN cat <<E\na\nE", ["/bin/sh", "-c", "cat <<E\na\nE"]),
        ("RUN <<E\n#!/bin/x\na\nE", ["/run/heredocs/E"]),
        ('SHELL ["/bin/bash", "-e"]\nRUN a', ["/bin/bash", "-e", "a"]),
    ],
)
def test_a_command_is_for_the_shell_or_as_it_is(text: str, argv: list[str]) -> None:
    (run,) = actions_of(translated(f"FROM a\n{text}\n"), "run")
    assert params_of(run)["argv"] == argv


def test_variables_of_the_command_line_are_what_each_stage_ends_with() -> None:
    """buildah 1.28 without ``--layers``: RUN of the first stage sees what the file says."""
    text = "FROM scratch AS one\nENV A=file\nRUN echo $A $B\nFROM one\nRUN echo $A $B\n"
    found = translated(text, env={"A": "given", "B": "b"}, unset_env=("PATH",))
    first, second = (
        dict(json.loads(one.params)["env"]) for one in found.graph.actions.values() if one.kind == "run"
    )
    assert first["A"] == "file"
    assert "B" not in first
    assert (second["A"], second["B"]) == ("given", "b")
    assert "PATH" not in second


def test_a_range_of_ports_is_each_of_them() -> None:
    (image,) = actions_of(translated("FROM base\nEXPOSE 8000-8002/udp 80\n"), "assemble_image")
    assert list(params_of(image)["document"]["config"]["ExposedPorts"]) == [
        "80/tcp",
        "8000/udp",
        "8001/udp",
        "8002/udp",
    ]
