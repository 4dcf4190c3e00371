"""npm packages of a lock become layers and images, from archives that the tests make and serve."""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import stat
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zstandard

from hermes.errors import BuildFileError
from tests.conftest import ROOT, Sandbox
from tests.registry.servers import program
from tests.unit.node.packages import Project, archive, everything, integrity

if TYPE_CHECKING:
    from tests.integration.conftest import OrdinaryUser

BUILD = """\
load("@hermes//rules:node.bzl", "node_image", "npm_layers")

files_layer(name = "root", files = {"/etc/os-release": "os-release"})

npm_layers(name = "deps", lock = "package-lock.json", node = "20", package_json = glob(["**/package.json"]))

node_image(name = "app", base = ":root", deps = [":deps"], srcs = ["main.js"], main = "main.js", args = ["-v"], check_libraries = False)
"""
OFFLINE = {"NPM_CONFIG_USERCONFIG": "/dev/null", "NPM_CONFIG_REGISTRY": ""}


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files to those that know the password."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path.startswith("/private/") and self.headers["Authorization"] != "Bearer t0ken":
            self.send_error(401)
        else:
            self.path += "" if self.path.endswith(".tgz") else ".json"  # what a registry has of a package
            super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


class Server:
    """A registry at ``address`` with the files of a folder; ``asked`` are the paths that it was asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        handler = type("Handler", (_Handler,), {"asked": self.asked})
        self.http = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(handler, directory=str(folder))
        )
        self.address = f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "served").mkdir()
    made = Server(tmp_path / "served")
    thread = threading.Thread(target=made.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.http.shutdown()
    thread.join()
    made.http.server_close()


def prepare(workspace: Sandbox, server: Server, project: Project | None = None) -> Project:
    """Give a workspace a package with a project that has each thing that a lock can say, and serve its archives."""
    made = project or everything(server.address)
    for name, data in made.archives.items():
        (server.folder / name).write_bytes(data)
    for path, text in made.sources.items():
        workspace.write(f"p/{path}", text)
    workspace.write("p/package-lock.json", made.lock())
    workspace.write("p/os-release", "ID=none\n")
    workspace.write("p/main.js", "require('a')\n")
    workspace.write("p/BUILD", BUILD)
    return made


def tree_of(layers: list[Path], below: str) -> dict[str, tuple[str, ...]]:
    """Return what layers have below a path: types, modes, contents or targets."""
    found: dict[str, tuple[str, ...]] = {}
    for layer in layers:
        with (
            open(layer, "rb") as file,
            tarfile.open(fileobj=zstandard.ZstdDecompressor().stream_reader(file), mode="r|") as archive,
        ):
            for member in archive:
                path = member.name.removeprefix(f"{below}/")
                if member.isdir():
                    found[path] = "d", f"{member.mode:o}"
                elif member.issym():
                    found[path] = "l", member.linkname
                else:
                    data = archive.extractfile(member)
                    assert data is not None
                    found[path] = "f", f"{member.mode:o}", data.read().decode()
    for path in list(found):
        for folder in Path(path).parents:
            found.setdefault(str(folder), ("d", "755"))
    return found


def tree_at(root: Path) -> dict[str, tuple[str, ...]]:
    """Return what is below a folder, as `tree_of` does."""
    found: dict[str, tuple[str, ...]] = {}
    for base, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(base, name)
            status = path.lstat()
            key = str(path.relative_to(root))
            mode = f"{stat.S_IMODE(status.st_mode):o}"
            if stat.S_ISLNK(status.st_mode):
                found[key] = "l", str(path.readlink())
            elif stat.S_ISDIR(status.st_mode):
                found[key] = "d", mode
            else:
                found[key] = "f", mode, path.read_bytes().decode()
    return found


def built(workspace: Sandbox) -> list[Path]:
    return sorted((workspace.root / "hermes-out/p").glob("deps.*.tar.zst"))


@pytest.mark.parametrize("omit", [(), ("dev",), ("optional", "peer")])
def test_a_lock_becomes_the_tree_that_npm_makes_of_it(
    workspace: Sandbox, server: Server, tmp_path: Path, omit: tuple[str, ...]
) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    version = subprocess.run(
        [shutil.which("node") or "node", "--version"], capture_output=True, text=True, check=True
    )
    project = prepare(workspace, server)
    workspace.write(
        "p/BUILD",
        BUILD.replace('node = "20"', f'node = "{version.stdout.strip()[1:]}", omit = {json.dumps(omit)}'),
    )
    workspace.build("//p:deps", platform="linux/amd64")
    theirs = tmp_path / "theirs"
    for path, text in project.sources.items():
        (theirs / path).parent.mkdir(parents=True, exist_ok=True)
        (theirs / path).write_text(text)
    (theirs / "package-lock.json").write_bytes(project.lock())
    asked = [
        npm,
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--cpu=x64",
        "--libc=glibc",
        "--os=linux",
    ]
    done = subprocess.run(
        [*asked, *(f"--omit={one}" for one in omit), f"--cache={tmp_path / 'cache'}"],
        cwd=theirs,
        env={**os.environ, "NPM_CONFIG_USERCONFIG": "/dev/null", "NO_UPDATE_NOTIFIER": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    left = {path: one for path, one in tree_at(theirs).items() if "node_modules" in path.split("/")}
    made = {
        path: one
        for path, one in tree_of(built(workspace), "app").items()
        if "node_modules" in path.split("/")
    }
    odd = made.pop("node_modules/a/odd")
    assert (odd, left.pop("node_modules/a/odd")[2]) == (("f", "755", "x"), "x")
    assert made == left


def test_a_lock_becomes_an_image_for_each_platform(
    workspace: Sandbox, server: Server, ordinary_user: OrdinaryUser
) -> None:
    prepare(workspace, server)
    digests = {one: workspace.digest("//p:app", platform=f"linux/{one}") for one in ("amd64", "arm64")}
    assert digests["amd64"] != digests["arm64"]
    said = workspace.run("inspect", "//p:app", "--platform", "linux/arm64").stdout
    assert 'entrypoint  ["/usr/bin/node", "/app/main.js"]' in said
    assert 'cmd         ["-v"]' in said
    assert "NODE_ENV=production" in said
    prepare(ordinary_user.workspace, server)
    done = ordinary_user.run("build", "--json", "//p:app", "--platform", "linux/amd64")
    assert digests["amd64"] in done.stdout
    server.http.shutdown()
    assert workspace.build("//p:app", platform="linux/amd64").executed == ()


NATIVE = """
files_layer(name = "libraries", files = {name: "os-release" for name in [
    "/lib/libc.so.6", "/usr/lib/libgcc_s.so.1", "/usr/lib/libstdc++.so.6",
]})

[node_image(name = name, base = base, deps = [":deps"], srcs = ["main.js"], main = "main.js", layers = layers) for name, base, layers in [
    ("without", [":root", ":libraries"], []),
    ("lacking", [":root", ":node"], []),
    ("whole", [":root"], [":libraries", ":node"]),
]]

files_layer(name = "node", files = {"/usr/bin/node": "program"}, mode = "0755")
"""


def test_a_native_module_whose_libraries_the_base_lacks_is_an_error(
    workspace: Sandbox, server: Server
) -> None:
    """As sqlite3 on a base without libstdc++; a build for another C library beside it does not count."""
    sources = {"fast": "#include <string>\nstd::string f() { return std::string(9, 'x'); }", "c": ""}
    for name, text in sources.items():
        workspace.write(f"{name}.cpp", text)
    for command in (
        "gcc -shared -fPIC -nostdlib -Wl,-soname,libc.musl-x86_64.so.1 -o musl c.cpp",
        "gcc -shared -fPIC -nostdlib -o musl.node -x c++ c.cpp -x none -Wl,--no-as-needed ./musl",
        "gcc -shared -fPIC -o glibc.node -x c++ fast.cpp -x none -l:libstdc++.so.6",
        "gcc -static -nostdlib -Wl,-e,0 -o p/program -x c++ c.cpp",
    ):
        (workspace.root / "p").mkdir(exist_ok=True)
        subprocess.run(command.split(), cwd=workspace.root, check=True)
    project = Project(server.address)
    project.root(dependencies={"a": "1.0.0"})
    builds = {f"prebuilds/{one}": (workspace.root / one).read_bytes() for one in ("musl.node", "glibc.node")}
    project.package("node_modules/a", files=builds)
    prepare(workspace, server, project)
    workspace.write("p/BUILD", BUILD + NATIVE)
    for name, said in {
        "without": "/usr/bin/node is not a program: no file of the image's own layers is there",
        "lacking": "/app/node_modules/a/prebuilds/glibc.node needs libstdc++.so.6",
    }.items():
        done = workspace.run("build", "-q", f"//p:{name}", "--platform", "linux/amd64")
        assert done.returncode == 1
        assert said in done.stderr
        assert "musl" not in done.stderr
    assert "add the Debian packages libgcc-s1, libstdc++6 to the base" in done.stderr
    workspace.build("//p:whole", platform="linux/amd64")


@pytest.mark.network
@pytest.mark.skipif(
    os.environ.get("HERMES_TEST_PEERS") != "every" or shutil.which("npm") is None,
    reason="HERMES_TEST_PEERS=every has a public package with builds for musl and Android, which npm locks",
)
def test_a_public_package_with_native_code_starts_on_debian_and_not_on_a_c_library_alone(
    workspace: Sandbox,
) -> None:
    package = "examples/node"
    shutil.copytree(ROOT / package, workspace.root / package)
    about = {"name": "level", "dependencies": {"classic-level": "1.4.1"}}
    workspace.write(f"{package}/package.json", json.dumps(about))
    (workspace.root / package / "package-lock.json").unlink()
    source = "console.log(typeof require('classic-level').ClassicLevel)\n"
    workspace.write(f"{package}/app/greet.js", source)
    text = (workspace.root / package / "BUILD").read_text()
    bare = 'node_image(name = "bare", base = ":node", deps = [":deps"], script = "x")\n'
    node = 'files_layer(name = "node", files = {"/usr/bin/node": "program", "/lib/libc.so.6": "BUILD"})\n'
    workspace.write(f"{package}/program", Path(program("busybox")).read_bytes(), 0o755)
    workspace.write(f"{package}/BUILD", f"{text}{node}{bare}")
    done = workspace.run("lock", f"//{package}:deps")
    assert done.returncode == 0, done.stderr
    done = workspace.run("run", "-q", f"//{package}:greet")
    assert done.stdout == "function\n", done.stderr
    done = workspace.run("build", "-q", f"//{package}:bare", "--platform", "linux/amd64")
    assert "prebuilds/linux-x64/node.napi.glibc.node needs libstdc++.so.6" in done.stderr
    assert "musl" not in done.stderr
    assert "android" not in done.stderr


def test_an_archive_of_the_workspace_is_a_package(workspace: Sandbox, server: Server) -> None:
    project = Project(server.address)
    project.root(dependencies={"a": "file:vendor/a-1.0.0.tgz"})
    project.package("node_modules/a", files={"x.js": "x\n"})
    project.entries["node_modules/a"]["resolved"] = "file:vendor/a-1.0.0.tgz"
    prepare(workspace, server, project)
    workspace.write("p/vendor/a-1.0.0.tgz", project.archives["a-1.0.0.tgz"])
    workspace.write("p/BUILD", BUILD.replace('node = "20"', 'node = "20", archives = glob(["vendor/*"])'))
    workspace.build("//p:deps")
    assert tree_of(built(workspace), "app")["node_modules/a/x.js"] == ("f", "644", "x\n")
    assert server.asked == []


def test_archives_come_from_the_registry_that_npm_is_told_and_with_its_credentials(
    workspace: Sandbox, server: Server
) -> None:
    project = Project(server.address)
    project.root(dependencies={"a": "1.0.0"})
    project.package("node_modules/a", files={"x.js": "x\n"})
    project.entries["node_modules/a"]["resolved"] = f"{server.address}/a/-/a-1.0.0.tgz"
    prepare(workspace, server, project)
    private = server.folder / "private/a/-"
    private.mkdir(parents=True)
    shutil.copy(server.folder / "a-1.0.0.tgz", private)
    where = server.address.removeprefix("http:")
    workspace.write(
        ".npmrc", f"registry={server.address}/private/\n{where}/private/:_authToken=${{NPM_TOKEN}}\n"
    )
    done = workspace.run("build", "-q", "//p:deps", env={**OFFLINE, "NPM_TOKEN": "wrong"})
    assert done.returncode == 1
    assert f"{server.address}/private/a/-/a-1.0.0.tgz: the server answered 401" in done.stderr
    assert "wrong" not in done.stderr
    done = workspace.run("build", "-q", "//p:deps", env={**OFFLINE, "NPM_TOKEN": "t0ken"})
    assert done.returncode == 0, done.stderr
    assert server.asked == ["/private/a/-/a-1.0.0.tgz", "/a/-/a-1.0.0.tgz", "/private/a/-/a-1.0.0.tgz"]

    (server.folder / "private/a/-/a-1.0.0.tgz").write_bytes(b"another")
    done = workspace.run(
        "build", "-q", "//p:deps", env={**OFFLINE, "NPM_TOKEN": "t0ken", "HERMES_HOME": f"{workspace.home}2"}
    )
    assert done.returncode == 1
    assert "a-1.0.0.tgz: has sha512-" in done.stderr
    assert "was declared" in done.stderr
    assert "Traceback" not in done.stderr


REFUSED = {
    'main = "a.js", script = "b"': "expected one of main and script, got main and script",
    "": "expected one of main and script, got none",
    'main = "other.js"': "main: other.js is not among srcs",
    'script = "a/b", deps = [":deps"]': "script is the name of a program that a package of deps has",
}


def test_what_an_image_cannot_start_and_a_stale_lock_are_one_message(
    workspace: Sandbox, server: Server
) -> None:
    prepare(workspace, server)
    for attributes, said in REFUSED.items():
        workspace.write(
            "p/BUILD", f'{BUILD}node_image(name = "bad", base = ":root", srcs = ["main.js"], {attributes})\n'
        )
        with pytest.raises(BuildFileError) as error:
            workspace.build("//p:bad")
        assert error.value.message == f"//p:bad: {said}"
    workspace.write("p/BUILD", BUILD)
    text = (workspace.root / "p/package.json").read_text()
    workspace.write("p/package.json", text.replace('"a": "^1.0.0"', '"a": "^7.0.0"'))
    done = workspace.run("build", "-q", "//p:deps")
    assert done.returncode == 2
    assert (
        "p/BUILD:5:27: //p:deps: p/package-lock.json is stale: package.json requires a@^7.0.0" in done.stderr
    )
    assert "hint: run `hermes lock //p:deps`, and commit what it writes" in done.stderr


def test_a_lock_is_made_by_npm_and_names_no_host(workspace: Sandbox, server: Server) -> None:
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    versions = {}
    for version in ("1.0.0", "1.1.0"):
        data = archive({"package.json": json.dumps({"name": "a", "version": version})})
        (server.folder / "a/-").mkdir(parents=True, exist_ok=True)
        (server.folder / f"a/-/a-{version}.tgz").write_bytes(data)
        dist = {"tarball": f"{server.address}/a/-/a-{version}.tgz", "integrity": integrity(data)}
        versions[version] = {"name": "a", "version": version, "dist": dist}

    def publish(*published: str) -> None:
        known = {one: versions[one] for one in published}
        document = {"name": "a", "dist-tags": {"latest": published[-1]}, "versions": known}
        (server.folder / "a.json").write_text(json.dumps(document))

    publish("1.0.0")
    workspace.write("hermes.yaml", f"node: {{registry: {server.address}}}\n")
    workspace.write("p/BUILD", BUILD.replace('glob(["**/package.json"])', '["package.json"]'))
    workspace.write("p/package.json", '{"name": "p", "dependencies": {"a": "^1.0.0"}}')
    workspace.write("p/os-release", "")
    workspace.write("p/main.js", "")
    env = {**OFFLINE, "NPM_CONFIG_CACHE": str(server.folder.parent / "cache")}
    lock = workspace.root / "p/package-lock.json"

    def locked(*options: str, status: int = 0) -> str:
        done = workspace.run("lock", *options, env=env)
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr

    locked()
    made = lock.read_text()
    assert "://" not in made
    assert json.loads(made)["packages"]["node_modules/a"]["version"] == "1.0.0"
    assert workspace.run("build", "-q", "//p:deps", env=env).returncode == 0
    publish("1.0.0", "1.1.0")
    locked("--check")
    locked("--update")
    assert json.loads(lock.read_text())["packages"]["node_modules/a"]["version"] == "1.1.0"
    workspace.write("p/package.json", '{"name": "p", "dependencies": {"a": "^2.0.0"}}')
    said = locked(status=1)
    assert "//p:deps: npm cannot resolve package.json\n" in said
    assert "No matching version found for a@^2.0.0" in said


SCRIPTS = """
files_layer(name = "sh", files = {"/usr/bin/sh": "busybox"}, mode = "0755")

npm_layers(
    name = "scripted",
    base = ":base",
    build_deps = [":sh"],
    dest = "/srv",
    lock = "scripted.json",
    node = "18.20.4",
    scripts = ["a"],
)

node_image(name = "has", base = ":base", deps = [":scripted"], dest = "/srv", srcs = ["has.js"], main = "has.js")
"""
POSTINSTALL = """\
const socket = require("net").connect({ host: "127.0.0.1", port: PORT });
socket.on("error", (error) => {
  require("fs").writeFileSync("made", [error.code, process.env.npm_lifecycle_event, process.env.npm_package_name].join(" "));
});
"""


def add_scripts(workspace: Sandbox, package: str, server: Server) -> None:
    """Give a package a target with a package whose install scripts look for a network."""
    project = Project(server.address)
    project.root(dependencies={"a": "1.0.0", "b": "1.0.0"})
    script = POSTINSTALL.replace("PORT", str(server.http.server_port))
    scripts = {"preinstall": "echo before > order", "postinstall": "tool >> order && node post.js"}
    files = {"post.js": script, "tool.js": "#!/usr/bin/sh\necho after\n"}
    project.package(
        "node_modules/a", files=files, scripts=scripts, bin={"tool": "tool.js"}, hasInstallScript=True
    )
    project.package("node_modules/b", scripts={"postinstall": "false"}, hasInstallScript=True)
    for name, data in project.archives.items():
        (server.folder / name).write_bytes(data)
    workspace.write(f"{package}/scripted.json", project.lock())
    workspace.write(f"{package}/has.js", 'const { readFileSync } = require("fs");\n')
    code = 'for (const name of ["order", "made"]) console.log(readFileSync(`/srv/node_modules/a/${name}`, "utf8").trim());\n'
    workspace.write(f"{package}/has.js", f'const {{ readFileSync }} = require("fs");\n{code}')
    workspace.write(f"{package}/busybox", Path(program("busybox")).read_bytes(), 0o755)
    build = workspace.root / package / "BUILD"
    build.write_text(build.read_text() + SCRIPTS)


@pytest.mark.network
def test_the_example_is_one_image_for_root_and_an_ordinary_user(
    workspace: Sandbox, ordinary_user: OrdinaryUser, server: Server
) -> None:
    package = "examples/node"
    for one in (workspace, ordinary_user.workspace):
        shutil.copytree(ROOT / package, one.root / package)
    digests = [workspace.digest(f"//{package}:{name}", platform="linux/amd64") for name in ("greet", "serve")]
    done = workspace.run("run", f"//{package}:greet", "--", "Ada")
    assert done.stdout == '{"greeting":"Hello, Ada!"}\n', done.stderr
    add_scripts(workspace, package, server)
    done = workspace.run("run", f"//{package}:has")
    assert done.stdout == "before\nafter\nECONNREFUSED postinstall a\n", done.stderr
    ordinary_user.take_files(workspace)
    done = ordinary_user.run("build", "--json", f"//{package}:all", "--platform", "linux/amd64")
    assert all(one in done.stdout for one in digests)
