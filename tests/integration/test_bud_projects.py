"""`hermes bud --compose` and `--bake`: images of a file built as one graph; and images for several platforms."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hermes.api.projects import ComposeProject
from hermes.build.dockerfile.built import BuiltDockerfile
from hermes.build.dockerfile.options import DockerfileOptions
from hermes.compose.project import Asked
from hermes.engine.events import BuildStarted
from hermes.errors import BuildFailed, ComposeError, UsageError
from tests.integration.yard import Yard

COMPOSE = """\
name: shop
services:
  web:
    image: shop/web:1
    build:
      context: web
      args: {WHO: web}
      additional_contexts: {common: "service:common"}
      secrets: [token]
  common:
    build: common
  job:
    build:
      context: common
      target: job
      no_cache: false
  db:
    image: postgres:16
secrets:
  token: {environment: TOKEN_OF_TEST}
"""
COMMON = """\
FROM base AS common
RUN echo common > /common
FROM common AS job
COPY job.txt /job
FROM common
"""
WEB = """\
FROM common
ARG WHO
RUN --mount=type=secret,id=token test "$(wc -c < /run/secrets/token)" = 13 && echo $WHO > /who
COPY index.html /srv/
"""


def test_what_is_given_to_all_need_not_be_used_by_each(yard: Yard) -> None:
    """The bases of a compose file are told to all of its services; what the file itself says has to have a use."""
    yard.write(
        "compose.yaml", "services: {one: {build: one}, two: {build: {context: two, args: {TYPO: x}}}}\n"
    )
    yard.write("one/Dockerfile", "FROM mine\nARG WHO\n")
    yard.write("two/Dockerfile", "FROM base\n")
    given = ["--build-context", "mine=docker-image://base", "--build-arg", "WHO=me"]
    done = yard.run("bud", "--pull=never", "--compose=compose.yaml", *given)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if "warning" in line] == [
        "warning: two Dockerfile: no ARG names the build argument TYPO"
    ]


@pytest.fixture
def shop(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> Yard:
    yard.write("compose.yaml", COMPOSE)
    yard.write("common/Dockerfile", COMMON)
    yard.write("common/job.txt", "job")
    yard.write("web/Dockerfile", WEB)
    yard.write("web/index.html", "hello")
    monkeypatch.setenv("TOKEN_OF_TEST", "s3cret-of-web")
    return yard


def build(yard: Yard, *services: str, **options: object) -> dict[str, BuiltDockerfile]:
    files = Asked([str(yard.root / "compose.yaml")])
    project = ComposeProject(
        files, home=yard.sandbox.home, subscribers=[yard.events.append], say=yard.said.append
    )
    return project.build(services, DockerfileOptions(pull="never", **options))


def test_services_are_built_on_each_other_and_named(shop: Yard) -> None:
    built = build(shop)
    assert list(built) == ["web", "common", "job"]
    assert shop.shown("cat /common /who /srv/index.html", "shop/web:1") == "common\nweb\nhello"
    assert shop.shown("cat /job", "shop-job") == "job"
    assert next(one.total for one in shop.events if isinstance(one, BuildStarted)) > 5
    assert sum(isinstance(one, BuildStarted) for one in shop.events) == 2


def test_a_service_gives_the_image_that_its_dockerfile_gives(shop: Yard) -> None:
    built = build(shop, "job")
    assert list(built) == ["job"]
    done = shop.run("bud", "-q", "--pull=never", "--target", "job", "common")
    assert done.stdout.strip() == built["job"].digest


def test_nothing_runs_again_where_nothing_changed_and_only_what_an_edit_touches(shop: Yard) -> None:
    before = build(shop)
    again = build(shop)
    assert {name: one.digest for name, one in again.items()} == {
        name: one.digest for name, one in before.items()
    }
    assert all(not one.executed for one in again.values())
    shop.write("web/index.html", "changed")
    after = build(shop)
    assert [kind for kind, _ in after["web"].executed if kind in ("copy", "run")] == ["copy"]
    assert not after["common"].executed
    assert after["common"].digest == before["common"].digest


def test_a_change_of_a_service_reaches_those_on_it(shop: Yard) -> None:
    before = build(shop)
    shop.write("common/Dockerfile", COMMON.replace("echo common", "echo other"))
    after = build(shop, "web")
    assert list(after) == ["web", "common"]
    assert after["web"].digest != before["web"].digest
    assert shop.shown("cat /common", "shop/web:1") == "other\n"


def test_a_failing_step_names_the_service_and_shows_its_lines(shop: Yard) -> None:
    shop.write("common/Dockerfile", "FROM base\nRUN exit 3\n")
    with pytest.raises(BuildFailed) as caught:
        build(shop, "common")
    assert "common Dockerfile:2" in caught.value.render()
    assert "RUN exit 3" in caught.value.render()


def test_errors_and_warnings_name_the_service_whose_dockerfile_they_are_of(shop: Yard) -> None:
    shop.write("common/Dockerfile", "FROM base as one\nRUN true\n")
    for _ in range(2):
        done = shop.run("bud", "--pull=never", "--compose", "compose.yaml", "common")
        assert "warning: common Dockerfile:1: " in done.stderr, done.stderr
    shop.write("common/Dockerfile", "FROM base\nCOPY nothing /\n")
    done = shop.run("bud", "--pull=never", "--compose", "compose.yaml", "common")
    assert done.stderr.startswith("error: common Dockerfile:2: "), done.stderr
    shop.write("common/Dockerfile", "FORM base\n")
    done = shop.run("bud", "--pull=never", "--compose", "compose.yaml", "common")
    assert done.stderr.startswith("error: common Dockerfile:1: "), done.stderr


def test_services_that_use_each_other_are_a_cycle(shop: Yard) -> None:
    text = "services:\n  a: {build: {context: web, additional_contexts: {common: 'service:b'}}}\n"
    text += "  b: {build: {context: web, additional_contexts: {common: 'service:a'}}}\n"
    shop.write("compose.yaml", text)
    with pytest.raises(UsageError, match=r"dependency cycle: (a -> b -> a|b -> a -> b)"):
        build(shop)


def test_the_command_line_builds_what_it_names_and_prints_what_it_would(shop: Yard) -> None:
    done = shop.run("bud", "--pull=never", "--compose", "compose.yaml", "job", "db")
    assert done.returncode == 0, done.stderr
    name, _, digest = done.stdout.strip().partition(" ")
    assert (name, digest[:7]) == ("job", "sha256:")
    assert "the service db has no build section; its image is postgres:16" in done.stderr
    printed = shop.run("bud", "--compose", "compose.yaml", "--print")
    plan = json.loads(printed.stdout)
    assert plan["group"]["default"]["targets"] == ["web", "common", "job"]
    assert plan["target"]["web"]["contexts"] == {"common": "target:common"}
    assert plan["target"]["web"]["secret"] == ["id=token,env=TOKEN_OF_TEST"]
    shop.write("plan.json", printed.stdout)
    again = shop.run("bud", "--pull=never", "--bake", "plan.json", "job")
    assert again.stdout == done.stdout, again.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--compose", "compose.yaml", "wbe"], "there is no service wbe\nhint: did you mean web?"),
        (["--compose", "nope.yaml"], "nope.yaml: No such file or directory"),
        (["--compose", "compose.yaml", "-t", "x"], "-t does not go with --compose"),
        (["--profile", "p", "."], "--profile is for --compose"),
        (["web", "common"], "one context is enough, not 2: web common"),
    ],
)
def test_mistakes_of_the_command_line(shop: Yard, arguments: list[str], message: str) -> None:
    done = shop.run("bud", *arguments)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_context_that_is_not_there_is_told_before_anything_is_built(shop: Yard) -> None:
    shop.write("compose.yaml", "services:\n  a: {build: common}\n  b: {build: nowhere}\n")
    with pytest.raises((ComposeError, UsageError), match="nowhere"):
        build(shop)
    assert not shop.events


PLATFORMS = """\
FROM scratch
ARG TARGETARCH
LABEL arch=$TARGETARCH
COPY a.txt /a
"""


def architectures(yard: Yard, digest: str) -> list[tuple[str, str]]:
    """Return platform and label of each image of an index."""
    blobs = Path(yard.sandbox.home) / "blobs/sha256"
    found = []
    for one in json.loads((blobs / digest[7:]).read_text())["manifests"]:
        manifest = json.loads((blobs / one["digest"][7:]).read_text())
        config = json.loads((blobs / manifest["config"]["digest"][7:]).read_text())
        platform = one["platform"]
        assert (config["os"], config["architecture"]) == (platform["os"], platform["architecture"])
        found.append((platform["architecture"], config["config"]["Labels"]["arch"]))
    return found


def test_several_platforms_give_an_index(yard: Yard) -> None:
    yard.write("a.txt", "a")
    built = yard.bud(PLATFORMS, platform="linux/amd64,linux/arm64", tags=["many"])
    assert architectures(yard, built.digest) == [("amd64", "amd64"), ("arm64", "arm64")]
    assert not yard.bud(PLATFORMS, platform="linux/amd64,linux/arm64", tags=["many"]).executed
    one = yard.bud(PLATFORMS, platform="linux/arm64")
    index = json.loads((Path(yard.sandbox.home) / "blobs/sha256" / built.digest[7:]).read_text())
    assert index["manifests"][1]["digest"] == one.digest
    done = yard.run("inspect", "many")
    assert "linux/amd64" in done.stdout
    assert "linux/arm64" in done.stdout


def test_an_index_is_written_where_an_image_would_be(yard: Yard, tmp_path: Path) -> None:
    yard.write("a.txt", "a")
    layout = tmp_path / "layout"
    platforms = "linux/amd64,linux/arm64/v8,linux/arm/v7"
    built = yard.bud(PLATFORMS, platform=platforms, destinations=[f"oci:{layout}"])
    (only,) = json.loads((layout / "index.json").read_text())["manifests"]
    assert only["digest"] == built.digest
    for one in json.loads((layout / "blobs/sha256" / built.digest[7:]).read_text())["manifests"]:
        assert (layout / "blobs/sha256" / one["digest"][7:]).is_file()


BAKE = """\
variable "WHO" { default = "bake" }
group "default" { targets = ["web", "jobs"] }
target "common" { context = "common" }
target "web" {
  context  = "web"
  contexts = { common = "target:common" }
  args     = { WHO = upper(WHO) }
  tags     = ["shop/web:bake"]
  secret   = ["id=token,env=TOKEN_OF_TEST"]
}
target "jobs" {
  name     = "job-${n}"
  matrix   = { n = ["1", "2"] }
  context  = "common"
  target   = "job"
  labels   = { number = n }
  tags     = ["shop/job:${n}"]
}
"""


def test_targets_of_a_bake_file_are_built_on_each_other(shop: Yard) -> None:
    shop.write("docker-bake.hcl", BAKE)
    done = shop.run("bud", "--pull=never", "--bake", "docker-bake.hcl", "--set", "web.args.WHO=set")
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["web", "job-1", "job-2", "common"]
    assert shop.shown("cat /common /who", "shop/web:bake") == "common\nset\n"
    assert shop.shown("cat /job", "shop/job:2") == "job"
    again = shop.run("bud", "--pull=never", "--bake", "docker-bake.hcl", "job-2")
    assert again.stdout.split() == ["job-2", done.stdout.splitlines()[2].split()[1]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--bake", "nope.hcl"], "nope.hcl: No such file or directory"),
        (["--bake", "docker-bake.hcl", "wbe"], "there is no target wbe\nhint: did you mean web?"),
        (["--bake", "docker-bake.hcl", "--set", "x"], "--set x: expected TARGET.KEY=VALUE"),
        (
            ["--bake", "docker-bake.hcl", "--compose", "compose.yaml"],
            "--compose and --bake do not go together",
        ),
        (["--set", "a.tags=b", "."], "--set is for --bake"),
        (["--bake", "docker-bake.hcl", "-o", "oci:x"], "-o does not go with --bake"),
    ],
)
def test_mistakes_with_bake_files(shop: Yard, arguments: list[str], message: str) -> None:
    shop.write("docker-bake.hcl", BAKE)
    done = shop.run("bud", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
