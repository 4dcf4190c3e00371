"""Dockerfiles on images of a registry: what is downloaded, and what goes back."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from hermes.registry.client import Client
from hermes.registry.push import Job, push
from hermes.store import Store
from tests.conftest import Sandbox
from tests.integration.conftest import BUSYBOX, OrdinaryUser, ordinary_user
from tests.registry.servers import Registry, Wire
from tests.registry.test_lazy_bases import BIG, base, manifest_of
from tests.registry.test_push_and_pull import digest_of, make_index, ok

__all__ = ["base", "ordinary_user"]


@pytest.fixture
def yard(base: str, tmp_path: Path) -> Sandbox:
    """A context, with a store that has never seen the base."""
    found = Sandbox(tmp_path / "yard", tmp_path / "yard-home")
    found.write("own", "own\n")
    return found


def bud(yard: Sandbox, dockerfile: str, *options: str) -> str:
    yard.write("Dockerfile", dockerfile)
    return ok(yard.run("bud", "-q", *options, "."))


def test_files_on_a_base_of_a_registry_download_and_send_only_themselves(
    yard: Sandbox, wire: Wire, registry: Registry, base: str
) -> None:
    where = f"docker://{wire.host}/app:v"
    digest = bud(
        yard,
        "FROM base\nENV A=1\n",
        "--build-context",
        f"base=docker://{wire.host}/base:1",
        "-o",
        where,
    )
    assert wire.down + wire.up < 30_000
    assert digest_of(f"docker://{registry.host}/app:v") == digest
    assert manifest_of(yard, digest)["layers"][:2] == manifest_of(yard, base)["layers"]


def test_a_command_on_a_base_of_a_registry_sees_it(yard: Sandbox, wire: Wire) -> None:
    text = "FROM base\nRUN wc -c < /srv/big > /count\nCOPY --from=base /srv/big /copied\n"
    bud(yard, text, "--build-context", f"base=docker://{wire.host}/base:1", "-t", "it")
    assert BIG < wire.down < 2 * BIG
    assert ok(yard.run("run", "-q", "it", "--", "/bin/cat", "/count")) == str(BIG)


def test_from_takes_an_image_from_its_registry_once(yard: Sandbox, wire: Wire, registry: Registry) -> None:
    name = f"{wire.host}/base:1"
    text = f"FROM {name}\nCOPY own /own\nRUN wc -c < /srv/big > /count\n"
    digest = bud(yard, text, "-t", "it")
    assert BIG < wire.down < 2 * BIG
    assert name in ok(yard.run("images"))
    asked = registry.requests("", "/v2/")
    assert bud(yard, text) == digest
    assert registry.requests("", "/v2/") == asked
    assert ok(yard.run("run", "-q", "it", "--", "/bin/cat", "/count", "/own")).split() == [str(BIG), "own"]


def test_copy_from_takes_an_image_from_its_registry(yard: Sandbox, wire: Wire) -> None:
    bud(yard, f"FROM scratch\nCOPY own /\nCOPY --from={wire.host}/base:1 /bin/cat /\n", "-t", "it")
    assert ok(yard.run("run", "-q", "it", "--", "/cat", "/own")) == "own"


def test_an_image_with_a_digest_is_that_one(yard: Sandbox, wire: Wire, registry: Registry, base: str) -> None:
    text = f"FROM {wire.host}/base@{base}\nENV A=1\n"
    digest = bud(yard, text)
    asked = registry.requests("", "/v2/")
    assert bud(yard, text, "--pull") == digest
    assert registry.requests("", "/v2/") == asked
    assert wire.host not in ok(yard.run("images"))
    other = f"FROM {wire.host}/base:1@{base[:-1]}{'0' if base[-1] != '0' else '1'}\n"
    yard.write("Dockerfile", other)
    done = yard.run("bud", ".")
    assert done.returncode == 2
    assert "Dockerfile:1: there is no image" in done.stderr


@pytest.mark.parametrize(("policy", "moves"), [("always", True), ("missing", False), ("never", False)])
def test_pull_says_whether_a_tag_that_moved_is_followed(
    yard: Sandbox, wire: Wire, registry: Registry, base: str, tmp_path: Path, policy: str, moves: bool
) -> None:
    text = f"FROM {wire.host}/base:1\nENV A=1\n"
    first = bud(yard, text)
    other = Sandbox(tmp_path / "other", tmp_path / "other-home")
    other.write("f", "f")
    other.write("BUILD", 'files_layer(name = "l", files = {"/f": "f"})\nimage(name = "i", layers = [":l"])\n')
    ok(other.run("push", "-q", "//:i", f"docker://{registry.host}/base:1"))
    assert (bud(yard, text, f"--pull={policy}") != first) == moves


def test_a_base_is_pulled_for_the_platform_of_the_image(
    yard: Sandbox, images: Sandbox, store: Store, registry: Registry
) -> None:
    with Client() as client:
        push(client, store, [Job(make_index(store, images), f"{registry.host}/multi", ("v",))])
    text = f"FROM {registry.host}/multi:v\nENV A=1\n"
    for platform in ("linux/amd64", "linux/arm64", "linux/amd64"):
        digest = bud(yard, text, "--platform", platform)
        config = manifest_of(yard, manifest_of(yard, digest)["config"]["digest"])
        assert f"{config['os']}/{config['architecture']}" == platform
    done = yard.run("bud", "--platform", "linux/s390x", ".")
    assert done.returncode == 2
    assert "there are linux/amd64, linux/arm64" in done.stderr


def test_a_short_name_is_one_of_the_docker_hub(yard: Sandbox, wire: Wire, registry: Registry) -> None:
    """Its mirror stands for it here."""
    settings = {"docker.io/library": {"mirrors": [wire.host]}}
    yard.write("hermes.yaml", yaml.safe_dump({"registries": settings}))
    digest = bud(yard, "FROM base:1\nENV A=1\n", "-t", "it")
    assert wire.down < 10_000
    assert bud(yard, "FROM docker.io/library/base:1\nENV A=1\n") == digest
    yard.write("Dockerfile", "FROM bsae:1\n")
    done = yard.run("bud", "--pull=never", ".")
    assert done.returncode == 2
    assert "Dockerfile:1: there is no image bsae:1 in the store" in done.stderr


def test_a_registry_that_cannot_be_had_is_an_error_that_says_so(yard: Sandbox) -> None:
    yard.write("hermes.yaml", yaml.safe_dump({"registries": {"registry.invalid": {"blocked": True}}}))
    yard.write("Dockerfile", "FROM scratch\nCOPY own /\nFROM registry.invalid/a:1\n")
    done = yard.run("bud", "-t", "it", ".")
    assert done.returncode == 2
    assert "Dockerfile:3: there is no image registry.invalid/a:1" in done.stderr
    assert "is blocked" in done.stderr
    assert not list(yard.home.glob("images/*"))


@pytest.mark.root
def test_an_ordinary_user_builds_on_a_base_of_a_registry(
    yard: Sandbox, wire: Wire, ordinary_user: OrdinaryUser
) -> None:
    text = f"FROM {wire.host}/base:1\nRUN wc -c < /srv/big > /count\n"
    ordinary_user.workspace.write("Dockerfile", text)
    theirs = ordinary_user.run(
        "bud", "-q", ".", env={"REGISTRY_AUTH_FILE": str(ordinary_user.folder / "none")}
    )
    assert theirs.stdout.strip() == bud(yard, text)


@pytest.fixture(autouse=True)
def _busybox() -> None:
    if not BUSYBOX.exists():
        pytest.skip("the Debian package busybox-static is not installed")
