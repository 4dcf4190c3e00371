"""Files that a build downloads, from servers that do not behave."""

from __future__ import annotations

import hashlib
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

from hermes.registry import pace
from tests.conftest import Sandbox
from tests.integration.yard import Yard, ran
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


def test_a_file_without_a_checksum_is_asked_for_again(yard: Yard) -> None:
    """As with BuildKit, by its ETag or the time that it was changed at; its digest is the input of the key."""
    content, sent = [b"one"], []

    def answer(it: BaseHTTPRequestHandler) -> None:
        tag = f'"{hashlib.sha256(content[0]).hexdigest()[:8]}"'
        sent.append((it.headers.get("If-None-Match"), it.headers.get("If-Modified-Since")))
        same = it.headers.get("If-None-Match") == tag
        time = "Mon, 01 Jan 2024 00:00:00 GMT"
        reply(it, 304 if same else 200, b"" if same else content[0], ETag=tag, Last_Modified=time)

    with Web(answer) as web:
        text = f"FROM base\nADD http://{web.host}/d/f.txt /srv/\nRUN cat /srv/f.txt > /seen\n"
        yard.bud(text, tags=["it"])
        assert ran(yard.bud(text)) == []
        assert sent == [(None, None), (sent[1][0], "Mon, 01 Jan 2024 00:00:00 GMT")]
        content[0] = b"two"
        yard.bud(text, tags=["it"])
        assert yard.shown("cat /seen; stat -c %a /srv/f.txt") == "two600\n"
        yard.write("Dockerfile", text)
        found = yard.run("bud", "--check", ".")
        assert (found.returncode, "UnpinnedSource" in found.stdout, len(sent)) == (1, True, 3)


def test_what_may_change_is_taken_by_a_target_that_is_not_hermetic(workspace: Sandbox) -> None:
    workspace.write("app/BUILD", 'dockerfile_image(name = "it", dockerfile = "Dockerfile"HERMETIC)\n')
    build = (workspace.root / "app/BUILD").read_text()
    with Web(lambda it: reply(it, 200, b"text")) as web:
        workspace.write("app/Dockerfile", f"FROM scratch\nADD http://{web.host}/f /f\nLABEL a=1\n")
        workspace.write("app/BUILD", build.replace("HERMETIC", ", hermetic = True"))
        done = workspace.run("build", "//app:it")
        assert done.returncode != 0
        assert "//app:it is hermetic, and what is at" in done.stderr
        assert len(web.seen) == 0
        workspace.write("app/BUILD", build.replace("HERMETIC", ""))
        assert workspace.run("build", "//app:it").returncode == 0
    workspace.write("app/Dockerfile", f"FROM scratch\nADD http://{web.host}/f /f\nLABEL a=2\n")
    done = workspace.run("build", "//app:it")
    assert (done.returncode, "is taken as it was: sha256:" in done.stderr) == (0, True), done.stderr
