"""A machine whose way out is a proxy, to servers for which an authority of its own vouches."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from hermes.api.doctor import _outbound as way_out
from hermes.digest import Digest
from hermes.errors import WorkspaceError
from hermes.image.manifest import Manifest
from hermes.layer import toc
from hermes.outbound import AUTHORITIES, MOUNTED, Outbound, proxies_of
from hermes.store import Store
from tests.conftest import Sandbox
from tests.integration.conftest import add_base
from tests.integration.network_place import CONNECTED, own_address
from tests.registry.servers import FAR, Web, reply

ASKED = f"https://{FAR}/file"
SUBSCRIBED = 'subscriptions = ["machine"]'
MACHINE = "subscriptions: {machine: ['/usr:/usr', '/usr/lib:/lib', '/usr/lib64:/lib64']}\n"


def tunnel(handler: http.server.BaseHTTPRequestHandler, port: int) -> None:
    """Connect a client of a proxy to the one server that there is, by whatever name it asks for it."""

    def copied(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    with socket.create_connection(("127.0.0.1", port)) as far:
        handler.send_response(200)
        handler.end_headers()
        back = threading.Thread(target=copied, args=(far, handler.connection), daemon=True)
        back.start()
        copied(handler.connection, far)
        back.join(5)
    handler.close_connection = True


@contextmanager
def proxied(certificates: dict[str, Path]) -> Iterator[tuple[Web, dict[str, str]]]:
    """Give a proxy that alone leads to `FAR`, and the environment of a machine behind it."""
    tls = certificates["server.pem"], certificates["server.key"]
    with (
        Web(lambda handler: reply(handler, 200, handler.path.encode()), tls=tls) as far,
        Web(lambda handler: tunnel(handler, far.port), address="0.0.0.0") as proxy,
    ):
        yield proxy, {"https_proxy": f"http://user:word@{own_address()}:{proxy.port}"}


@pytest.fixture(autouse=True)
def _environment() -> Iterator[None]:
    """Undo what a setting means for the process that reads it."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def behind(workspace: Sandbox, certificates: dict[str, Path]) -> Sandbox:
    """A workspace with a busybox, the machine's programs, and a setting that names the authority."""
    add_base(workspace)
    workspace.write("ca.pem", certificates["ca.pem"].read_bytes())
    workspace.write("hermes.yaml", f"{MACHINE}outbound: {{ca: ca.pem}}\n")
    return workspace


@CONNECTED
def test_commands_of_a_build_and_its_fetches_get_out_and_no_trace_is_left(
    behind: Sandbox, certificates: dict[str, Path], store: Store
) -> None:
    digest = hashlib.sha256(b"/fetched").hexdigest()
    python = f"import urllib.request as r; print(r.urlopen('{ASKED}').read().decode())"
    behind.write(
        "BUILD",
        f'''
fetch_file(name = "fetched", urls = ["https://{FAR}/fetched"], sha256 = "{digest}")
run_layer(name = "got", base = "//base:root", network = True, {SUBSCRIBED},
          cmd = """
              curl -sS --fail {ASKED} > /srv/curl
              for one in "$PIP_CERT" "$GIT_SSL_CAINFO" "$npm_config_cafile" "$NODE_EXTRA_CA_CERTS"; do
                  test "$one" = {MOUNTED}
              done
              /usr/bin/python3 -c "{python}" > /srv/python
              ! echo > {MOUNTED}
          """)
run_layer(name = "alone", base = "//base:root",
          cmd = "test -z \\"$https_proxy$SSL_CERT_FILE\\" -a ! -e {MOUNTED} && echo > /srv/alone")
host_layer(name = "tool", tools = {{"/usr/bin/curl": "any", "/bin/sh": "any"}}, network = True,
           cmd = "curl -sS --fail {ASKED} > $HERMES_ROOT/tool", outs = ["/tool"])
image(name = "image", layers = ["//base:root", ":got", ":alone"])
''',
    )
    with proxied(certificates) as (proxy, env):
        done = behind.run("build", ":all", env=env)
        assert done.returncode == 0, done.stderr
        assert [(one[0], one[1]) for one in proxy.seen] == [("CONNECT", f"{FAR}:443")] * 4
    # In no layer, no document and no key: another machine, with neither, has all of it.
    behind.write("hermes.yaml", MACHINE)
    result = behind.build("//:image", "//:fetched")
    assert result.executed == ()
    manifest = result.targets["//:image"][0]
    document = store.blobs.read(Manifest.parse(store.blobs.read(Digest.parse(manifest.digest))).config.digest)
    layers = map(Digest.parse, json.loads(document)["rootfs"]["diff_ids"][1:])
    paths = sorted(entry.path for one in layers for entry in toc.load(store, one).entries if not entry.passed)
    assert paths == ["srv/alone", "srv/curl", "srv/python"]
    assert (b"word@" in document, b"ca.pem" in document) == (False, False)


@CONNECTED
def test_run_ctr_and_dockerfiles_get_out_as_well(
    behind: Sandbox, certificates: dict[str, Path], tmp_path: Path
) -> None:
    behind.write("BUILD", 'image(name = "image", base = "//base:root")\n')
    behind.write("Dockerfile", f"FROM image\nRUN curl -sS --fail {ASKED} && curl -sS --fail {ASKED} > /got\n")
    mounts = ["-v", "/usr:/usr", "-v", "/usr/lib:/lib", "-v", "/usr/lib64:/lib64"]
    curl = ["/usr/bin/curl", "-sS", "--fail", ASKED]
    with proxied(certificates) as (_, env):

        def said(*arguments: str) -> str:
            done = behind.run(*arguments, env=env)
            assert done.returncode == 0, done.stderr
            return done.stdout

        said("build", ":image", "-o", f"oci:{tmp_path}/image")
        said("ctr", "from", "--name", "it", f"oci:{tmp_path}/image")
        said("ctr", "commit", "it", "image")
        assert said("run", "-q", "--network", "default", *mounts, "image", *curl) == "/file"
        said("bud", *mounts, "-t", "it", ".")
        assert said("run", "-q", "it", "cat", "/got") == "/file"
        assert said("ctr", "run", "--network", "default", *mounts, "it", "--", *curl) == "/file"


def test_what_is_wrong_with_the_setting_is_said(workspace: Sandbox, certificates: dict[str, Path]) -> None:
    workspace.write("BUILD", 'write_file(name = "it", content = "x")\n')
    workspace.write("empty.pem", "no certificate")
    for text, problem in (
        ("{ca: none.pem}", "none.pem: No such file or directory"),
        ("{ca: empty.pem}", "empty.pem has no certificate"),
        ("{proxies: 3}", "outbound.proxies must be true or false, not 3"),
        ("{cas: x}", "outbound.cas is not a setting"),
        ("ca.pem", "outbound must be a mapping with ca and proxies"),
    ):
        workspace.write("hermes.yaml", f"outbound: {text}\n")
        with pytest.raises(WorkspaceError) as caught:
            workspace.build("//:it")
        assert problem in str(caught.value)


def test_the_doctor_says_what_there_is(
    workspace: Sandbox, certificates: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace.root)
    monkeypatch.setenv("https_proxy", "http://user:word@proxy.example:3128")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates["ca.pem"]))
    found = way_out(workspace.home)
    assert (found.state, "word" in found.detail) == ("ok", False)
    assert "https_proxy=http://proxy.example:3128" in found.detail
    assert f"1 authorities in {certificates['ca.pem']}, which commands do not get unless" in found.detail
    workspace.write("hermes.yaml", "outbound: {ca: system, proxies: false}\n")
    found = way_out(workspace.home)
    assert "(not for commands); 1 authorities" in found.detail
    assert "for Hermes and commands with a network" in found.detail


def test_proxies_come_in_both_cases_and_those_of_this_machine_stay_here() -> None:
    machine = {"HTTPS_PROXY": "http://a:1", "http_proxy": "127.0.0.1:2", "no_proxy": "localhost", "PATH": "/"}
    assert proxies_of(machine, loopback=False) == {
        "HTTPS_PROXY": "http://a:1",
        "https_proxy": "http://a:1",
        "no_proxy": "localhost",
        "NO_PROXY": "localhost",
    }
    assert proxies_of(machine, loopback=True)["HTTP_PROXY"] == "127.0.0.1:2"
    # What a command says itself counts, in whichever case it says it.
    given = Outbound("/ca.pem").variables(["HTTPS_PROXY", "PIP_CERT"], machine, shares_network=False)
    assert set(given) == {"no_proxy", "NO_PROXY", *AUTHORITIES} - {"PIP_CERT"}
    assert Outbound(proxies=False).variables([], machine, shares_network=True) == {}
