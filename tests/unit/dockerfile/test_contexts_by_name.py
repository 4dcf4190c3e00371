"""Named contexts: which spellings name the same, as with BuildKit and buildx, and those that nothing names."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermes.dockerfile.context import Context
from hermes.dockerfile.files import FolderFiles
from hermes.dockerfile.options import Options
from hermes.dockerfile.origins import context_name
from hermes.dockerfile.parse import parse
from hermes.dockerfile.stages import split_stages
from hermes.dockerfile.translate import Translation, translate
from tests.unit.dockerfile.graphs import PLATFORM, KnownBases, translated

DIGEST = "sha256:" + "0" * 64
NORMAL = [
    (
        "nginx",
        ["nginx", "nginx:latest", "library/nginx", "docker.io/nginx", "docker.io/library/nginx:latest"],
    ),
    ("nginx", ["index.docker.io/library/nginx", "NGINX", "Docker.io/nginx"]),
    ("nginx:1.27", ["nginx:1.27", "docker.io/library/nginx:1.27", "library/nginx:1.27"]),
    (f"nginx@{DIGEST}", [f"nginx@{DIGEST}", f"docker.io/library/nginx@{DIGEST}"]),
    ("org/app", ["org/app", "docker.io/org/app:latest"]),
    ("library/a/b", ["docker.io/library/a/b"]),
    ("quay.io/library/app", ["quay.io/library/app", "quay.io/library/app:latest", "QUAY.io/library/app"]),
    ("localhost/app", ["localhost/app:latest"]),
    ("localhost:5000/app:v1", ["localhost:5000/app:v1"]),
    ("nginx:A", ["nginx:A"]),
    ("not a name", ["Not a Name"]),
]


@pytest.mark.parametrize(("normal", "spellings"), NORMAL)
def test_spellings_of_one_name_are_one(normal: str, spellings: list[str]) -> None:
    assert {context_name(one) for one in spellings} == {normal}


def with_contexts(text: str, *names: str, target: str = "") -> Translation:
    folder = Context(FolderFiles("/nonexistent", "x"))
    origins = KnownBases(dict.fromkeys(names, folder))
    main = Context(FolderFiles("/nonexistent", ""))
    return translate(parse("Dockerfile", text), main, origins, Options(target=target, platform=PLATFORM))


@pytest.mark.parametrize("name", ["files", "files:latest", "docker.io/library/files", "FILES"])
def test_a_context_is_found_by_any_spelling(name: str) -> None:
    """Also in the place of a stage of its name."""
    for text in (
        f"FROM a\nCOPY --from={name} *.none /\n",
        "FROM a AS Files\nFROM b\nCOPY --from=files *.none /\n",
    ):
        found = with_contexts(text, name)
        assert not any(one.kind == "list_files" for one in found.graph.actions.values())
        assert not any("names the context" in one for one in found.warnings)


def test_a_context_that_nothing_names_is_warned_of() -> None:
    text = (
        "FROM a\nCOPY --from=one *.n /\nFROM b\nRUN --mount=from=two,target=/m c\nFROM d AS three\n"
        "FROM e AS target\nARG name=four\nCOPY --from=$name *.n /\n"
    )
    found = with_contexts(text, "one", "docker.io/two", "three", "four", "other:latest", target="target")
    warned = [one for one in found.warnings if "context" in one]
    assert warned == ["Dockerfile: no FROM or --from names the context other"]


def test_a_stage_without_a_name_is_not_what_no_name_means() -> None:
    text = "FROM a\nRUN b\nFROM c\nCOPY *.none /\nRUN --mount=target=/m,source=/ d\n"
    found = translated(text, root=str(Path(__file__).parent))
    assert {one.owner for one in found.graph.actions.values()} & {"Dockerfile:1", "Dockerfile:2"} == set()
    assert split_stages(parse("Dockerfile", "FROM a\nFROM b\n")).find("", 1) is None
