"""Files that a build downloads, from servers that do not behave."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from hermes.registry import pace
from tests.conftest import Sandbox
from tests.registry.faulty import trickle
from tests.registry.servers import Web, reply

if TYPE_CHECKING:
    import pytest


def test_a_server_that_stalls_holds_up_one_file_and_no_other(
    workspace: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "SECONDS", 0.5)
    digest = hashlib.sha256(b"content").hexdigest()
    other = hashlib.sha256(b"other").hexdigest()
    with Web(trickle(bytes(100))) as slow, Web(lambda it: reply(it, 200, it.path[1:].encode())) as good:
        workspace.write(
            "app/BUILD",
            "".join(
                f'fetch_file(name = "{name}", sha256 = "{wanted}", urls = ["http://{slow.host}/{name}", "http://{good.host}/{name}"])\n'
                for name, wanted in (("content", digest), ("other", other))
            ),
        )
        workspace.build("//app:all", jobs=1)
        assert len(slow.seen) == 2
        assert len(good.seen) == 2
