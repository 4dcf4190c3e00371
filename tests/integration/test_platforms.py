"""Commands of other architectures, run by an emulator that is registered for one build alone."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from hermes.debian.sources import machine_sources
from hermes.sandbox.architectures import ARCHITECTURES
from hermes.sandbox.emulators import emulator_of
from tests.conftest import Sandbox
from tests.integration.conftest import OrdinaryUser
from tests.programs import FOREIGN, program_of

RUNTIMES = ("bwrap", "crun", "runc")
BUILD = """
load("@hermes//rules:test.bzl", "command_test")
files_layer(name = "files", files = select({{{files}}}))
run_layer(name = "ran", base = [":files"], argv = ["/it"])
image(name = "image", layers = [":files", ":ran"], cmd = ["/it"])
command_test(name = "test", image = ":image", argv = ["/it"], expected_output = ["arm64"])
image_index(name = "index", image = ":image", platforms = [{platforms}])
""".format(
    files=", ".join(f'":{name}": {{"/it": "{name}.bin"}}' for name in FOREIGN),
    platforms=", ".join(f'"linux/{name}"' for name in FOREIGN),
)
DEBIAN = """
load("@hermes//rules:debian.bzl", "apt_layer")
apt_layer(name = "files", architectures = {names}, lock = "lock.yaml", packages = ["base-files", "busybox-static"], sources = ["{source}"])
run_layer(name = "ran", base = [":files"], argv = ["/usr/bin/busybox", "sh", "-c", "/usr/bin/busybox uname -m > /etc/machine"])
image(name = "base", layers = [":files"])
image(name = "image", layers = [":files", ":ran"], cmd = ["/usr/bin/busybox", "cat", "/etc/machine"])
image_index(name = "index", image = ":image", platforms = {platforms})
image_index(name = "bases", image = ":base", platforms = {platforms})
"""
DOCKERFILE = """
FROM base
RUN ["/usr/bin/busybox", "sh", "-c", "/usr/bin/busybox uname -m > /etc/by-dockerfile"]
CMD ["/usr/bin/busybox", "cat", "/etc/by-dockerfile"]
"""
MACHINE_NAMES = {"arm64": "aarch64", "riscv64": "riscv64"}
MACHINES = Path("/proc/sys/fs/binfmt_misc")

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64", reason="the programs are not foreign here")


def fill(workspace: Sandbox) -> Sandbox:
    for name in FOREIGN:
        workspace.write(f"{name}.bin", program_of(name), mode=0o755)
    settings = (f'config_setting(name = "{name}", platform = "linux/{name}")\n' for name in FOREIGN)
    workspace.write("BUILD", BUILD + "".join(settings))
    return workspace


@pytest.fixture
def foreign(workspace: Sandbox) -> Sandbox:
    found = [emulator_of(one, {}) for one in ARCHITECTURES if one.name in FOREIGN]
    if None in found:
        pytest.skip("the Debian package qemu-user-static is not installed")
    if tuple(map(int, os.uname().release.split("-")[0].split(".")[:2])) < (6, 7):
        pytest.skip("Linux before 6.7 has no binfmt_misc for user namespaces")
    return fill(workspace)


def test_layers_of_commands_are_made_and_run_everywhere(
    foreign: Sandbox, ordinary_user: OrdinaryUser
) -> None:
    before = sorted(MACHINES.iterdir()) if MACHINES.is_dir() else []
    digest = foreign.digest("//:index")
    fill(ordinary_user.workspace)
    assert digest in ordinary_user.run("build", "//:index").stdout
    assert (sorted(MACHINES.iterdir()) if MACHINES.is_dir() else []) == before
    for name in FOREIGN:
        shown = ordinary_user.run("run", "-q", "--platform", f"linux/{name}", "//:image")
        assert shown.stdout == f"{name}\n"
    tested = foreign.run("test", "//:test", "--platform", "linux/arm64")
    assert tested.returncode == 0, tested.stderr
    for runtime in RUNTIMES:
        if runtime == "bwrap" or shutil.which(runtime):
            done = foreign.run("run", "-q", "--runtime", runtime, "--platform", "linux/arm64", "//:image")
            assert (done.returncode, done.stdout) == (0, "arm64\n"), done.stderr


def test_a_dockerfile_becomes_an_index(foreign: Sandbox) -> None:
    context = foreign.root.parent / "context"
    context.mkdir()
    for name in FOREIGN:
        (context / name).write_bytes(program_of(name))
        (context / name).chmod(0o755)
    (context / "Dockerfile").write_text(
        'FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /it\nRUN ["/it"]\nCMD ["/it"]\n'
    )
    platforms = ",".join(f"linux/{name}" for name in FOREIGN)
    done = foreign.run("bud", "-q", "--platform", platforms, "-t", "two", str(context))
    assert done.returncode == 0, done.stderr
    for name in FOREIGN:
        shown = foreign.run("run", "-q", "--platform", f"linux/{name}", "two")
        assert (shown.returncode, shown.stdout) == (0, f"{name}\n"), shown.stderr
        assert (
            foreign.run("ctr", "from", "--name", name, "--platform", f"linux/{name}", "two").returncode == 0
        )
        done = foreign.run("ctr", "run", name, "/it")
        assert (done.returncode, done.stdout) == (0, f"{name}\n"), done.stderr
        shown = foreign.run("ctr", "diff", name).stdout
        assert "/out" not in shown  # the layer below has the same file
    shown = foreign.run("run", "-q", "--platform", "linux/s390x", "two")
    assert "two: there is no image for linux/s390x" in shown.stderr
    listed = json.loads(foreign.run("inspect", "--json", "two").stdout)
    assert sorted(one["architecture"] for one in listed["images"]) == sorted(FOREIGN)


@pytest.mark.network
@pytest.mark.timeout(1200)
@pytest.mark.skipif(
    os.environ.get("HERMES_TEST_PEERS") != "every",
    reason="HERMES_TEST_PEERS=every has packages of Debian for arm64 and riscv64",
)
def test_packages_of_debian_for_other_architectures_run_in_layers_and_dockerfiles(
    foreign: Sandbox, ordinary_user: OrdinaryUser
) -> None:
    """Debian 13 is the first with riscv64."""
    (source,) = {one.uri for one in machine_sources() if "security" not in one.uri}
    platforms = [f"linux/{name}" for name in FOREIGN]
    before = sorted(MACHINES.iterdir()) if MACHINES.is_dir() else []
    foreign.write(
        "BUILD",
        DEBIAN.format(names=list(FOREIGN), platforms=platforms, source=f"deb {source} trixie main"),
    )
    foreign.write("context/Dockerfile", DOCKERFILE)
    assert foreign.run("lock", "//...").returncode == 0
    theirs = ordinary_user.workspace
    for name in ("BUILD", "lock.yaml"):
        theirs.write(name, (foreign.root / name).read_bytes())
    theirs.write("context/Dockerfile", DOCKERFILE)
    built = [foreign.digest("//:index"), foreign.digest("//:bases")]
    ordinary_user.take_files(foreign)
    for digest, label in zip(built, ("//:index", "//:bases"), strict=True):
        assert digest in ordinary_user.run("build", "--json", label).stdout
    bud = ("bud", "-q", "--platform", ",".join(platforms), "--build-context", "base=oci:hermes-out/bases")
    ours = foreign.run(*bud, "-t", "two", "context").stdout
    assert ours
    assert ordinary_user.run(*bud, "-t", "two", "context").stdout == ours
    for platform, machine in zip(platforms, map(MACHINE_NAMES.get, FOREIGN), strict=True):
        for image in ("//:image", "two"):
            assert foreign.run("run", "-q", "--platform", platform, image).stdout == f"{machine}\n"
    assert (sorted(MACHINES.iterdir()) if MACHINES.is_dir() else []) == before


def test_what_cannot_be_emulated_names_both_architectures(foreign: Sandbox, tmp_path: Path) -> None:
    foreign.write("hermes.yaml", "emulators: {arm64: qemu-of-ours}\n")
    done = foreign.run("build", "//:ran", "--platform", "linux/arm64")
    assert done.returncode == 1
    assert f"the emulator {foreign.root}/qemu-of-ours for arm64 is not there" in done.stderr
    foreign.write("hermes.yaml", "emulators: {vax: /x}\n")
    done = foreign.run("build", "//:ran", "--platform", "linux/arm64")
    assert "hermes.yaml: emulators: 'vax' is not an architecture" in done.stderr
    foreign.write("hermes.yaml", "")
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("newuidmap", "newgidmap"):
        if found := shutil.which(name):
            (tools / name).symlink_to(found)
    done = foreign.run("build", "//:ran", "--platform", "linux/arm64", env={"PATH": str(tools)})
    assert done.returncode == 1
    assert "//:ran: /it is for arm64, and this machine is amd64" in done.stderr
    assert "qemu-user-static" in done.stderr


def test_working_containers_take_the_emulators_of_the_workspace(foreign: Sandbox) -> None:
    assert foreign.run("build", "-q", "//:image", "--platform", "linux/arm64").returncode == 0
    assert (
        foreign.run(
            "ctr", "from", "--name", "c", "--platform", "linux/arm64", "oci:hermes-out/image"
        ).returncode
        == 0
    )
    foreign.write("hermes.yaml", "emulators: {arm64: qemu-of-ours}\n")
    done = foreign.run("ctr", "run", "c", "/it")
    assert done.returncode != 0
    assert f"the emulator {foreign.root}/qemu-of-ours for arm64 is not there" in done.stderr
