"""Files that a build downloads, from servers that do not behave."""

from __future__ import annotations

import hashlib
import re
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from hermes.errors import BuildFailed, BuildFileError
from hermes.registry import pace
from tests.conftest import Sandbox
from tests.integration.yard import Yard, ran
from tests.registry.faulty import trickle
from tests.registry.servers import Web, reply


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


def test_addresses_without_a_host_are_those_of_the_machine(workspace: Sandbox, tmp_path: Path) -> None:
    """The same BUILD file fetches from wherever hermes.yaml, or the machine, says."""
    apt, links, npm = (tmp_path / one for one in ("apt", "links", "npm"))
    wheel = "odd_name-1.0-py3-none-any.whl"
    for path in (apt / "pool/main/h/hello_1_amd64.deb", links / wheel, npm / "@s/pad/-/pad-1.0.0.tgz"):
        path.parent.mkdir(parents=True)
        path.write_text(path.name)

    def digest(name: str) -> str:
        return hashlib.sha256(name.encode()).hexdigest()

    workspace.write(
        "BUILD",
        f"""
fetch_file(name = "deb", urls = ["apt:pool/main/h/hello_1_amd64.deb"], sha256 = "{digest("hello_1_amd64.deb")}")
fetch_file(name = "wheel", urls = ["pypi:Odd.Name/{wheel}"], sha256 = "{digest(wheel)}")
fetch_file(name = "package", urls = ["npm:@s/pad@1.0.0"], sha256 = "{digest("pad-1.0.0.tgz")}", filename = "pad.tgz")
""",
    )
    settings = (
        f"apt: {{sources: [{{uri: 'file:{apt}', suites: [stable]}}]}}\n"
        f"python: {{find_links: [{links}]}}\nnode: {{registry: 'file:{npm}'}}\n"
    )
    workspace.write("hermes.yaml", settings)
    built = workspace.build("//:all").targets
    found = {str(label): Path(one[0].path).read_text() for label, one in built.items()}
    assert found == {"//:deb": "hello_1_amd64.deb", "//:wheel": wheel, "//:package": "pad-1.0.0.tgz"}
    # What is gone there is one message, which asks for no lock where there is none.
    workspace.write("BUILD", f'fetch_file(name = "deb", urls = ["apt:pool/none.deb"], sha256 = "{"0" * 64}")')
    with pytest.raises(BuildFailed, match=r"pool/none\.deb is no longer on the mirror"):
        workspace.build("//:deb")
    for address, said in (
        ("apt:/pool/a.deb", "does not name a path below the Debian mirrors"),
        ("apt:../a.deb", "does not name a path below the Debian mirrors"),
        ("pypi:six", "does not name a file of a Python package index"),
        ("npm:left-pad", "does not name a package of an npm registry"),
        ("ftp://example.org/a", "is not an address that can be fetched"),
    ):
        workspace.write("BUILD", f'fetch_file(name = "a", urls = ["{address}"], sha256 = "{"0" * 64}")')
        with pytest.raises(BuildFileError, match=re.escape(said)):
            workspace.build("//:a")
