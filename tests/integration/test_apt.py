"""Debian packages from a mirror into a layer."""

from __future__ import annotations

import functools
import hashlib
import http.server
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Sandbox

NAMES = ["hello_1%3a2.0+b1~rc_all.deb", "a b.deb", "plain_1_all.deb", "o:d@d=x,y(z).deb"]
LOCK = """\
version: 1
architectures: [amd64]
asked: {{essential: false, exclude: [], packages: [hello], recommends: false}}
packages:
- name: hello
  version: "1:2.0"
  architecture: all
  path: "pool/{name}"
  size: {size}
  sha256: "{digest}"
"""


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[str]:
    """A web server of what is in a folder, as mirrors are."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Handler, directory=str(tmp_path / "mirror"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def make_package(folder: Path, path: Path) -> bytes:
    if not shutil.which("dpkg-deb"):
        pytest.skip("dpkg-deb is not installed")
    (folder / "DEBIAN").mkdir(parents=True)
    (folder / "usr").mkdir()
    (folder / "usr/hello").write_text("hello\n")
    (folder / "DEBIAN/control").write_text(
        "Package: hello\nVersion: 1:2.0\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-b", str(folder), str(path)], check=True, capture_output=True
    )
    return path.read_bytes()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scheme", ["file", "http"])
def test_a_package_is_fetched_whatever_its_file_is_called(
    workspace: Sandbox, tmp_path: Path, mirror: str, name: str, scheme: str
) -> None:
    """An index lists names of files: in `%3a` of one that apt has downloaded there is no colon."""
    data = make_package(tmp_path / "tree", tmp_path / "mirror/pool" / name)
    address = mirror if scheme == "http" else f"file://{tmp_path}/mirror"
    workspace.write("hermes.yaml", f"apt: {{sources: [{{uri: '{address}', suites: [stable]}}]}}\n")
    workspace.write(
        "p/l.lock.yaml", LOCK.format(name=name, size=len(data), digest=hashlib.sha256(data).hexdigest())
    )
    workspace.write(
        "p/BUILD",
        'load("@hermes//rules:debian.bzl", "apt_layer")\n'
        'apt_layer(name = "l", packages = ["hello"], lock = "l.lock.yaml")\n',
    )
    done = workspace.run("build", "//p:l", "--platform", "linux/amd64")
    assert done.returncode == 0, done.stderr


def test_a_target_may_say_where_its_packages_are(workspace: Sandbox, tmp_path: Path, mirror: str) -> None:
    data = make_package(tmp_path / "tree", tmp_path / "mirror/pool/hello.deb")
    lock = LOCK.format(name="hello.deb", size=len(data), digest=hashlib.sha256(data).hexdigest())
    workspace.write("hermes.yaml", "apt: {sources: [{uri: 'file:///nowhere', suites: [stable]}]}\n")
    workspace.write("p/l.lock.yaml", lock)
    build = (
        'load("@hermes//rules:debian.bzl", "apt_layer")\n'
        'apt_layer(name = "l", packages = ["hello"], lock = "l.lock.yaml",\n'
        f'    sources = ["deb [arch=amd64 signed-by=/k.gpg] {mirror}/ stable main"])\n'
    )
    workspace.write("p/BUILD", build)
    done = workspace.run("build", "//p:l", "--platform", "linux/amd64")
    assert done.returncode == 0, done.stderr
    workspace.write("p/BUILD", build.replace("packages =", 'suites = ["stable", "new"], packages ='))
    done = workspace.run("build", "//p:l", "--platform", "linux/amd64")
    assert "//p:l: l.lock.yaml is stale: stable, new is new in suites" in done.stderr
    done = workspace.run("lock", "//p:l")
    assert "//p:l: suites: no package source has the suite 'new'; there are stable" in done.stderr
    assert done.returncode == 2, done.stderr
