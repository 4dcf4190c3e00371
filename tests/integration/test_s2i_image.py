"""``s2i_image``: an application and its builder as targets."""

from __future__ import annotations

import json
import shutil

import pytest

from hermes.build.result import BuildResult
from hermes.errors import BuildFailed
from tests.conftest import ROOT, Sandbox
from tests.integration.conftest import OrdinaryUser
from tests.integration.s2i_place import ASSEMBLE, RUN, RUNTIME, SAVE

BUILD = """\
load("@hermes//rules:s2i.bzl", "s2i_image")

files_layer(
    name = "scripts",
    dest = "/usr/libexec/s2i",
    srcs = glob(["s2i/*"]),
    strip_prefix = "s2i",
    mode = "0755",
    dir_modes = {"/app": "0777", "/app/in": "0777", "/opt/work": "0777"},
)

image(
    name = "builder",
    layers = ["//base:root", ":scripts"],
    env = {"PATH": "/bin", "GREETING": "hello"},
    labels = {"io.openshift.s2i.scripts-url": "image:///usr/libexec/s2i"},
    workdir = "/opt/work",
    entrypoint = ["/bin/false"],
)

image(
    name = "runtime",
    layers = ["//base:root"],
    env = {"PATH": "/bin"},
    workdir = "/srv",
)

files_layer(
    name = "locked",
    files = {"/app/locked": "locked.txt"},
)

s2i_image(
    name = "app",
    builder = ":builder",
    srcs = glob(["src/**"]),
    strip_prefix = "src",
    env = {"WHO": "a $b"},
    labels = {"team": "web"},
    layers = [":locked"],
    inject = {"/app/in": ":hidden"},
    display_name = "App",
)

filegroup(
    name = "hidden",
    srcs = ["secret"],
)

s2i_image(
    name = "next",
    builder = ":builder",
    srcs = glob(["src/**"]),
    strip_prefix = "src",
    incremental = ":app",
)

s2i_image(
    name = "small",
    builder = ":builder",
    srcs = glob(["src/**"]),
    strip_prefix = "src",
    runtime_image = ":runtime",
    runtime_artifacts = ["/app/greeting", "/app/deps:lib"],
    scripts = ["runtime/assemble-runtime", "runtime/run"],
    env = {"WHO": "small"},
)
"""


@pytest.fixture
def applied(based: Sandbox) -> Sandbox:
    based.write("BUILD", BUILD)
    for name, text in (("assemble", ASSEMBLE), ("save-artifacts", SAVE), ("run", RUN)):
        based.write(f"s2i/{name}", text)
    based.write("runtime/assemble-runtime", RUNTIME)
    based.write("runtime/run", "#!/bin/sh\ncat /srv/greeting\n")
    based.write("src/Gemfile", "gems\n")
    based.write("src/.s2i/environment", "GREETING=hi\n")
    based.write("secret", "secret\n")
    based.write("locked.txt", "locked\n")
    return based


def document(sandbox: Sandbox, result: BuildResult, target: str) -> dict[str, object]:
    blobs = sandbox.home / "blobs/sha256"
    manifest = json.loads((blobs / result.targets[target][0].digest[7:]).read_text())
    return json.loads((blobs / manifest["config"]["digest"][7:]).read_text())


def test_an_application_is_an_image_of_its_builder_and_each_step_is_cached(applied: Sandbox) -> None:
    result = applied.build("//:app", "//:next", "//:small")
    app = document(applied, result, "//:app")["config"]
    assert sorted(app["Env"]) == ["GREETING=hi", "PATH=/bin", "WHO=a $b"]
    assert app["Cmd"] == ["/usr/libexec/s2i/run"]
    assert app["Labels"] == {
        "io.k8s.display-name": "App",
        "io.openshift.s2i.build.image": "//:builder",
        "io.openshift.s2i.scripts-url": "image:///usr/libexec/s2i",
        "team": "web",
        "testLabel": "testLabel_value",
    }
    shown = applied.run(
        "run",
        "--entrypoint",
        "/bin/sh",
        "//:app",
        "--",
        "-c",
        "cat /app/greeting /app/locked; ls /app /app/in",
    )
    assert shown.stdout.splitlines()[:2] == ["hi a $b", "locked"]
    assert "secret-delivered" in shown.stdout
    assert "\nsecret\n" not in shown.stdout
    shown = applied.run("run", "--entrypoint", "/bin/ls", "//:next", "/app")
    assert "restored" in shown.stdout
    assert document(applied, result, "//:small")["config"]["Cmd"] == ["/srv/scripts/run"]
    assert applied.run("run", "//:small").stdout == "hi small\n"
    assert applied.build("//:app", "//:next", "//:small").executed == ()
    applied.write("src/Gemfile", "others\n")
    again = applied.build("//:app", "//:next", "//:small")
    assert set(again.executed) == {"//:app", "//:next", "//:small"}


def test_what_is_wrong_with_a_target_is_told(applied: Sandbox) -> None:
    text = BUILD.replace('["/app/greeting", "/app/deps:lib"]', '["/app/*.jar"]')
    applied.write("BUILD", text)
    with pytest.raises(BuildFailed, match=r"runtime_artifacts: '/app/\*\.jar' has a character"):
        applied.build("//:small")
    applied.write("BUILD", BUILD.replace("image:///usr/libexec/s2i", "https://example.org/scripts"))
    with pytest.raises(BuildFailed, match=r"its scripts are at https://example\.org/scripts"):
        applied.build("//:app")


@pytest.mark.network
def test_the_builder_of_the_example_gives_root_and_an_ordinary_user_one_image(
    workspace: Sandbox, ordinary_user: OrdinaryUser
) -> None:
    for package in ("examples/python", "examples/s2i"):
        for one in (workspace, ordinary_user.workspace):
            shutil.copytree(ROOT / package, one.root / package)
    builder = f"oci:{ordinary_user.folder}/builder"
    digest = workspace.digest("//examples/s2i:app")
    ordinary_user.take_files(workspace)
    assert digest in ordinary_user.run("build", "--json", "//examples/s2i:app").stdout
    assert workspace.run("run", "//examples/s2i:app").stdout == '{"greeting":"Hello, world!"}\n'
    assert workspace.run("build", "-q", "//examples/s2i:builder", "-o", builder).returncode == 0
    source = shutil.copytree(ROOT / "examples/s2i/src", ordinary_user.folder / "src")
    theirs = ordinary_user.run("s2i", "build", "-q", str(source), builder, "app")
    mine = workspace.run("s2i", "build", "-q", str(source), builder, "app")
    assert mine.stdout == theirs.stdout, mine.stderr
