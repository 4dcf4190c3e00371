"""Dockerfiles on images of a registry: what is downloaded, and what goes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Sandbox
from tests.integration.conftest import BUSYBOX
from tests.registry.servers import Registry, Wire
from tests.registry.test_lazy_bases import BIG, base, manifest_of
from tests.registry.test_push_and_pull import digest_of, ok

__all__ = ["base"]


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


@pytest.fixture(autouse=True)
def _busybox() -> None:
    if not BUSYBOX.exists():
        pytest.skip("the Debian package busybox-static is not installed")
