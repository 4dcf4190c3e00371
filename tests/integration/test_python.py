"""Python packages of a lock become layers and images, from wheels that the tests make."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import json
import os
import shutil
import subprocess
import tarfile
import threading
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zstandard

from hermes.errors import BuildFileError
from tests.conftest import ROOT, Sandbox
from tests.unit.python.wheels import INFO, make, record_of, usual

if TYPE_CHECKING:
    from tests.integration.conftest import OrdinaryUser

BUILD = """\
load("@hermes//rules:python.bzl", "py_image", "py_layers")

files_layer(name = "root", files = {"/etc/os-release": "os-release"})

py_layers(name = "deps", lock = "requirements.txt", requirements = "requirements.in", python = "3.12")

py_image(name = "app", base = ":root", deps = [":deps"], srcs = ["app/main.py"], main = "app/main.py", args = ["-v"])
"""


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def prepare(workspace: Sandbox) -> Path:
    """Give a workspace a package with two wheels in a folder, and return that."""
    wheels = workspace.root / "wheels"
    wheels.mkdir()
    code = {
        "demo/__init__.py": "x = 1\n",
        f"{INFO}/entry_points.txt": "[console_scripts]\ndemo = demo:main\n",
    }
    first = make(wheels, code)
    second = make(wheels, {"demo/fast.so": b"\x7fELF"}, name="demo-1.0-cp312-cp312-manylinux_2_17_x86_64.whl")
    workspace.write("hermes.yaml", "python: {find_links: [wheels]}\n")
    workspace.write("p/os-release", "ID=none\n")
    workspace.write("p/app/main.py", "import demo\n")
    workspace.write("p/requirements.in", "demo\n")
    hashes = "".join(f" --hash=sha256:{digest_of(one)}" for one in (first, second))
    workspace.write("p/requirements.txt", f"demo==1.0{hashes}\n")
    workspace.write("p/BUILD", BUILD)
    return wheels


def names_in(layout: Path) -> list[list[str]]:
    """The files of each layer of an image in an OCI layout."""
    blobs = layout / "blobs/sha256"

    def document(digest: str) -> dict:
        return json.loads((blobs / digest.removeprefix("sha256:")).read_bytes())

    manifest = document(json.loads((layout / "index.json").read_text())["manifests"][0]["digest"])
    found = []
    for layer in manifest["layers"]:
        with (
            open(blobs / layer["digest"].removeprefix("sha256:"), "rb") as file,
            tarfile.open(fileobj=zstandard.ZstdDecompressor().stream_reader(file), mode="r|") as archive,
        ):
            found.append([member.name for member in archive if not member.isdir()])
    return found


def test_a_lock_becomes_an_image_for_each_platform(workspace: Sandbox, ordinary_user: OrdinaryUser) -> None:
    wheels = prepare(workspace)
    digests = {
        platform: workspace.digest("//p:app", platform=f"linux/{platform}") for platform in ("amd64", "arm64")
    }
    assert digests["amd64"] != digests["arm64"]
    packages = "opt/venv/lib/python3.12/site-packages"
    root, environment, deps, own, *_ = names_in(workspace.root / "hermes-out/p/app")
    assert root == ["etc/os-release"]
    assert environment == [*(f"opt/venv/bin/python{one}" for one in ("", "3", "3.12")), "opt/venv/pyvenv.cfg"]
    assert [one.removeprefix(f"{packages}/") for one in deps] == [
        "opt/venv/bin/demo",
        f"{INFO}/INSTALLER",
        f"{INFO}/METADATA",
        f"{INFO}/RECORD",
        f"{INFO}/WHEEL",
        f"{INFO}/entry_points.txt",
        "demo/__init__.py",
    ]
    assert own == ["app/app/main.py"]
    said = workspace.run("inspect", "//p:app", "--platform", "linux/arm64").stdout
    assert 'entrypoint  ["/opt/venv/bin/python", "/app/app/main.py"]' in said
    assert 'cmd         ["-v"]' in said
    workspace.build("//p:app", platform="linux/amd64")
    assert f"{packages}/demo/fast.so" in names_in(workspace.root / "hermes-out/p/app")[2]

    prepare(ordinary_user.workspace)
    done = ordinary_user.run("build", "--json", "//p:app", "--platform", "linux/amd64")
    assert digests["amd64"] in done.stdout
    for one in wheels.iterdir():
        one.unlink()
    assert workspace.build("//p:app", platform="linux/amd64").executed == ()


def fails(workspace: Sandbox, status: int = 1) -> str:
    done = workspace.run("build", "-q", "//p:deps", "--platform", "linux/amd64", env={"PIP_NO_INDEX": "1"})
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_what_is_wrong_with_a_lock_is_one_message(workspace: Sandbox) -> None:
    wheels = prepare(workspace)
    path = workspace.root / "p/requirements.txt"
    good = path.read_text()
    workspace.write("p/requirements.in", "demo>=2\n")
    said = fails(workspace, 2)
    assert "p/BUILD:5:26: //p:deps: p/requirements.txt is stale: p/requirements.in:1 requires demo>=2" in said
    assert "hint: run `hermes lock //p:deps`" in said
    workspace.write("p/requirements.in", "demo\nmore\n")
    assert "requires more, which is not in it" in fails(workspace, 2)
    workspace.write("p/requirements.in", "demo\n")

    path.write_text(f"demo==1.0 --hash=sha256:{'0' * 64}\n")
    said = fails(workspace)
    assert "no file of demo 1.0 on the package indexes has a sha256 of the lock" in said
    path.write_text(f"gone==1.0 --hash=sha256:{'0' * 64}\n{good}")
    assert "no package index has gone" in fails(workspace)
    path.write_text(good)
    for one in wheels.glob("*-any.whl"):
        one.rename(wheels / "demo-1.0-cp39-cp39-win_amd64.whl")
    workspace.write("p/BUILD", BUILD.replace("3.12", "3.11"))
    said = fails(workspace)
    assert "demo 1.0 has no wheel for Python 3.11 on linux/amd64 with glibc 2.28; there are\n" in said
    assert "demo-1.0-cp312-cp312-manylinux_2_17_x86_64.whl" in said


def test_a_hostile_wheel_is_one_message(workspace: Sandbox) -> None:
    wheels = prepare(workspace)
    evil = make(wheels, {"../../evil": "x"})
    workspace.write("p/requirements.txt", f"demo==1.0 --hash=sha256:{digest_of(evil)}\n")
    os.unlink(wheels / "demo-1.0-cp312-cp312-manylinux_2_17_x86_64.whl")
    assert "demo-1.0.whl: the path '../../evil' points outside the root" in fails(workspace)


REFUSED = {
    'module = "a", script = "b"': "expected one of main, module and script, got module and script",
    "": "expected one of main, module and script, got none",
    'main = "app/other.py"': "main: app/other.py is not among srcs",
    'module = "a", compile = True': "compile needs the version of Python, which deps say",
    'script = "a"': "script is the name of a script that a package of deps has",
}


def test_what_an_image_cannot_start_is_refused(workspace: Sandbox) -> None:
    prepare(workspace)
    for attributes, said in REFUSED.items():
        image = f'py_image(name = "bad", base = ":root", srcs = ["app/main.py"], {attributes})\n'
        workspace.write("p/BUILD", BUILD + image)
        with pytest.raises(BuildFileError) as error:
            workspace.build("//p:bad")
        assert error.value.message == f"//p:bad: {said}"


def test_a_lock_is_made_from_requirements_and_names_no_host(workspace: Sandbox) -> None:
    wheels = prepare(workspace)
    plain = {"PIP_NO_INDEX": "1", "UV_NO_CONFIG": "1"}
    lock = workspace.root / "p/requirements.txt"
    lock.unlink()
    done = workspace.run("lock", env=plain)
    assert (done.returncode, done.stdout) == (0, "p/requirements.txt\n"), done.stderr
    made = lock.read_text()
    assert made.startswith(
        "# Made by `hermes lock //p:deps`; run it again instead of editing this.\ndemo==1.0 \\\n"
    )
    assert made.count("--hash=sha256:") == 1  # uv takes one file of each version of a folder
    assert "://" not in made
    workspace.build("//p:app", platform="linux/amd64")
    newer = make(wheels, {}, name="demo-1.1-py3-none-any.whl", version="1.1")
    assert workspace.run("lock", "--check", env=plain).returncode == 0
    workspace.run("lock", "--update", env=plain)
    assert f"demo==1.1 \\\n    --hash=sha256:{digest_of(newer)}\n" in lock.read_text()

    workspace.write("p/BUILD", BUILD.replace("requirements.txt", "pylock.toml"))
    assert workspace.run("lock", "//p:deps", env=plain).stdout == "p/pylock.toml\n"
    document = tomllib.loads((workspace.root / "p/pylock.toml").read_text())
    assert document["packages"][0]["wheels"] == [
        {
            "name": newer.name,
            "path": newer.name,
            "hashes": {"sha256": digest_of(newer)},
        }
    ]
    workspace.build("//p:app", platform="linux/amd64")

    workspace.write("p/requirements.in", "demo>=7\n")
    done = workspace.run("lock", env=plain)
    assert done.returncode == 1
    assert "//p:deps: uv cannot resolve requirements.in\n" in done.stderr
    assert "demo>=7" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_uv_lock_is_refreshed_and_names_no_index_of_this_machine(workspace: Sandbox) -> None:
    wheels = prepare(workspace)
    project = '[project]\nname = "p"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["demo"]\n'
    links = '[tool.uv]\nno-index = true\nfind-links = ["../wheels"]\n'
    workspace.write("p/pyproject.toml", project + links)
    text = BUILD.replace("requirements.txt", "uv.lock").replace("requirements.in", "pyproject.toml")
    workspace.write("p/BUILD", text)
    lock = workspace.root / "p/uv.lock"

    def locked(*options: str, status: int = 0, env: dict[str, str] | None = None) -> str:
        done = workspace.run("lock", *options, env={"UV_CACHE_DIR": f"{workspace.root}/cache", **(env or {})})
        assert done.returncode == status, done.stderr
        return done.stderr

    assert "uv.lock is stale" in locked("--check", status=1)
    assert not lock.exists()
    locked()
    assert 'registry = "../wheels"' in lock.read_text()
    locked("--check")

    workspace.write("hermes.yaml", "")
    (workspace.root / "simple/demo").mkdir(parents=True)
    for wheel in wheels.iterdir():
        shutil.copy(wheel, workspace.root / "simple/demo")
    named = "".join(
        f'<a href="{one.name}#sha256={digest_of(one)}">{one.name}</a>\n' for one in wheels.iterdir()
    )
    workspace.write("simple/demo/index.html", f"<!DOCTYPE html><html><body>{named}</body></html>")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(workspace.root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        host = f"127.0.0.1:{server.server_port}"
        mirror = {"UV_DEFAULT_INDEX": f"http://{host}/simple"}
        workspace.write("p/pyproject.toml", project)
        lock.unlink()
        assert f"uv.lock would name {host}, an index of this machine" in locked(status=1, env=mirror)
        assert not lock.exists()
        index = f'[[tool.uv.index]]\nname = "own"\nurl = "http://{host}/simple"\n'
        workspace.write("p/pyproject.toml", project + index)
        locked(env=mirror)
        assert host in lock.read_text()
        # What everybody else's uv has written stays as it is, whatever index this machine or hermes.yaml names.
        theirs = lock.read_text().replace(f"http://{host}/simple/demo", "https://files.example/a")
        theirs = theirs.replace(f"http://{host}/simple", "https://usual.example/simple")
        workspace.write("p/uv.lock", theirs)
        workspace.write("p/pyproject.toml", project)
        locked("--check", env=mirror)
        workspace.write("hermes.yaml", f"python: {{indexes: [http://{host}/simple]}}\n")
        locked("--check")
        locked("--update")
        workspace.build("//p:app", platform="linux/amd64")
        server.shutdown()
    assert lock.read_text() == theirs


BACKEND = """\
import zipfile, os

def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "demo-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as archive:
        for member in sorted(os.listdir("wheel")):
            with open(os.path.join("wheel", member), "rb") as file:
                archive.writestr(zipfile.ZipInfo(member.replace("+", "/")), file.read())
    return name
"""
SOURCES = """\
py_layers(
    name = "built",
    allow_sdist = ["demo"],
    base = ":base",
    lock = "pylock.source.toml",
    python = "3.11",
)

[py_layers(
    name = name,
    allow_sdist = ["demo"],
    base = ":base",
    lock = "requirements." + name + ".txt",
    python = "3.11",
    sources = glob(["own/**"]),
) for name in ["folder", "git"]]
"""


LOCAL = '''\
run_layer(
    name = "moved",
    base = ":base",
    cmd = """
        exec python3.11 -B -c 'import os, shutil
for path in ("bin/python3.11", "lib/python3.11"):
    os.makedirs(os.path.dirname("/usr/local/" + path), exist_ok=True)
    shutil.move("/usr/" + path, "/usr/local/" + path)
os.remove("/usr/bin/python3")'
    """,
)

image(name = "python", layers = [":base", ":moved"], env = {"PATH": "/usr/local/bin:/usr/bin:/bin"})

py_layers(
    name = "local_deps",
    base = ":python",
    compile = True,
    interpreter = "/usr/local/bin/python3.11",
    libc = "glibc-2.36",
    lock = "requirements.txt",
    python = "3.11",
)

py_image(name = "local", srcs = glob(["app/*.py"]), base = ":python", module = "app", deps = [":local_deps"])
'''
"""An image that has Python where those called python have it, and nowhere else."""


def add_source(workspace: Sandbox, package: str, links: Path) -> None:
    """Give a package targets with a source distribution, which builds itself with nothing but Python.

    One has it as a file, one as a folder, one in a commit of a git repository.
    """
    members = usual({"demo.py": "x = 1\n"})
    members[f"{INFO}/RECORD"] = record_of(members).encode()
    files = {f"wheel/{path.replace('/', '+')}": data for path, data in members.items()}
    files["pyproject.toml"] = (
        b'[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    files["backend.py"] = BACKEND.encode()
    links.mkdir()
    source = links / "demo-1.0.tar.gz"
    with tarfile.open(source, "w:gz") as archive:
        for path, data in files.items():
            info = tarfile.TarInfo(f"demo-1.0/{path}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    workspace.write(
        f"{package}/pylock.source.toml",
        'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "demo"\nversion = "1.0"\n'
        f'sdist = {{ name = "{source.name}", path = "x", hashes = {{ sha256 = "{digest_of(source)}" }} }}\n',
    )
    for path, data in files.items():
        workspace.write(f"{package}/own/lib/{path}", data)
    repository = links.parent / "repository"
    shutil.copytree(workspace.root / package / "own", repository)
    git = ["git", "-C", str(repository), "-c", "user.name=x", "-c", "user.email=x@x.example"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *arguments], check=True)
    commit = subprocess.run(
        [*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    address = f"git+file://{repository}@{commit}#subdirectory=lib"
    workspace.write(f"{package}/requirements.git.txt", f"demo @ {address}\n")
    workspace.write(f"{package}/requirements.folder.txt", "demo @ ./own/lib\n")
    build = workspace.root / package / "BUILD"
    build.write_text(build.read_text() + SOURCES)


@pytest.mark.network
def test_the_example_is_one_image_for_root_and_an_ordinary_user(
    workspace: Sandbox, ordinary_user: OrdinaryUser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = "examples/python"
    for one in (workspace, ordinary_user.workspace):
        shutil.copytree(ROOT / package, one.root / package)
    digest = workspace.digest(f"//{package}:greet")
    assert workspace.run("run", f"//{package}:greet", "--", "Ada").stdout == '{"greeting":"Hello, Ada!"}\n'
    checked = workspace.run("run", f"//{package}:serve", "--", "--check-config", "app.service:app")
    assert checked.returncode == 0, checked.stderr
    greet, serve = (names_in(workspace.root / "hermes-out" / package / one) for one in ("greet", "serve"))
    assert greet == serve
    assert any(name.endswith("/flask/__pycache__/app.cpython-311.pyc") for layer in greet for name in layer)
    build = workspace.root / package / "BUILD"
    build.write_text(build.read_text() + LOCAL)
    done = workspace.run("run", "-q", f"//{package}:local", "--", "Ada")
    assert done.stdout == '{"greeting":"Hello, Ada!"}\n', done.stderr
    add_source(workspace, package, tmp_path / "links")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "links"))
    found = workspace.build(f"//{package}:built").targets[f"//{package}:built"]
    assert [one.kind for one in found] == ["layer", "layer"]
    for name in ("folder", "git"):
        made = workspace.build(f"//{package}:{name}").targets[f"//{package}:{name}"]
        assert [one.digest for one in made] == [one.digest for one in found]
    blob = workspace.home / "blobs/sha256" / found[1].digest.removeprefix("sha256:")
    with tarfile.open(blob) as archive:
        assert "opt/venv/lib/python3.11/site-packages/demo.py" in archive.getnames()
    theirs = {**os.environ, "HERMES_HOME": str(ordinary_user.home), "HOME": str(ordinary_user.folder)}
    ordinary_user.take_files(workspace)
    done = ordinary_user.run("build", "--json", f"//{package}:greet", env=theirs, check=False)
    assert digest in done.stdout, done.stderr
