"""Every bad input gives one clear message and exit status 1 or 2; nothing is half-written, nothing cached."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from pathlib import Path

import pytest

from hermes.store import Store
from tests.conftest import Sandbox, run_hermes
from tests.integration.conftest import add_base

FILES = 'files_layer(name = "l", files = {"/f": "f.txt"})\n'

WRONG_BUILD_FILES = {
    "a syntax error": ("files_layer(\n", "app/BUILD:1:12: syntax error: '\\(' was never closed"),
    "a tab": ("if True:\n\tx = 1\n", "app/BUILD:2:1: a tab in the indentation"),
    "an import": ("import os\n", "app/BUILD:1:1: import"),
    "a loop in the open": ("for x in []:\n    pass\n", "app/BUILD:1:1: "),
    "an unknown rule": (
        'file_layer(name = "l")\n',
        "app/BUILD:1:1: the name 'file_layer' is not defined(.|\n)*did you mean 'files_layer'",
    ),
    "an unknown attribute": (
        'image(name = "l", entrypont = ["x"])\n',
        "app/BUILD:1:19: .*'entrypont'(.|\n)*did you mean 'entrypoint'",
    ),
    "an unknown label": (
        'image(name = "l", layers = [":lyer"])\nfiles_layer(name = "layer")\n',
        "app/BUILD:1:19: //app:l: //app has no target or file 'lyer'(.|\n)*did you mean 'layer'",
    ),
    "an unknown package": (
        'image(name = "l", layers = ["//nowhere:x"])\n',
        "app/BUILD:1:19: .*there is no package //nowhere",
    ),
    "an unknown symbol": (
        'load("@hermes//rules:debian.bzl", "apt_lyer")\n',
        "app/BUILD:1:.*apt_lyer(.|\n)*did you mean 'apt_layer'",
    ),
    "an unknown file": ('load("@hermes//rules:debain.bzl", "apt_layer")\n', "app/BUILD:1:.*debain.bzl"),
    "a wrong type": (
        'files_layer(name = "l", srcs = 3)\n',
        "app/BUILD:1:25: //app:l: files_layer: srcs must be a label or a list",
    ),
    "a wrong mode": (
        'files_layer(name = "l", srcs = ["f.txt"], mode = "rwx")\n',
        "app/BUILD:1:.*mode must be a file mode",
    ),
    "a wrong owner": (
        'files_layer(name = "l", srcs = ["f.txt"], owner = "root")\n',
        "app/BUILD:1:.*owner must be numeric",
    ),
    "a missing attribute": ('run_layer(name = "l", cmd = "true")\n', "app/BUILD:1:1: //app:l: .*base"),
    "no name": ("files_layer()\n", "app/BUILD:1:1: .*name"),
    "a cycle": (
        'image(name = "l", layers = [":a"])\nrun_layer(name = "a", base = ":b", cmd = "x")\n'
        'run_layer(name = "b", base = ":a", cmd = "x")\n',
        "dependency cycle: //app:a -> //app:b -> //app:a",
    ),
    "a target that depends on itself": (
        'filegroup(name = "l", srcs = [":l"])\n',
        "app/BUILD:1:1: dependency cycle: //app:l -> //app:l(.|\n)*hint: remove one of these dependencies",
    ),
    "a target with the name of its source": (
        'files_layer(name = "l", srcs = [":f.txt"])\nfiles_layer(name = "f.txt", srcs = ["f.txt"])\n',
        "app/BUILD:2:1: dependency cycle: //app:f.txt -> //app:f.txt(.|\n)*"
        "hint: //app:f.txt is the target, not the file app/f.txt: rename one of them",
    ),
    "a private target": (
        'image(name = "l", layers = ["//other:private"])\n',
        "app/BUILD:1:.*//app:l may not use //other:private",
    ),
    "a glob without a match": (
        'files_layer(name = "l", srcs = glob(["*.py"]))\n',
        r"app/BUILD:1:32: glob\(\[\"\*.py\"\]\) matches no file",
    ),
    "a source outside": ('files_layer(name = "l", srcs = ["../other/f.txt"])\n', "app/BUILD:1:.*'..'"),
    "an absolute source": (
        'files_layer(name = "l", srcs = ["/etc/passwd"])\n',
        "app/BUILD:1:.*'/etc/passwd' is not a label",
    ),
    "a source of another package": (
        'files_layer(name = "l", srcs = ["//other:f.txt"])\n',
        "app/BUILD:1:.*file of another package",
    ),
    "a link that leads out": (
        'files_layer(name = "l", srcs = ["out"])\n',
        "app/BUILD:1:.*leads out of its package, to ../other",
    ),
    "two targets of one name": (
        FILES + FILES,
        "app/BUILD:2:13: there are two targets //app:l(.|\n)*the first is at app/BUILD:1:1",
    ),
    "a relative destination": (
        'files_layer(name = "l", srcs = ["f.txt"], dest = "srv")\n',
        "app/BUILD:1:.*dest must be an absolute path",
    ),
    "a destination that leads out": (
        'files_layer(name = "l", files = {"/a/../../b": "f.txt"})\n',
        "app/BUILD:1:",
    ),
    "two files at one place": (
        'files_layer(name = "l", files = {"/f.txt": "f.txt"}, srcs = ["f.txt"])\n',
        "app/BUILD:1:.*//app:l.*/f.txt",
    ),
    "a file below a file": (
        'files_layer(name = "l", files = {"/f.txt/g": "f.txt"}, srcs = ["f.txt"])\n',
        "//app:l: /f.txt/g .* is below /f.txt",
    ),
    "a bad digest": (
        'fetch_file(name = "l", urls = ["file:///x"], sha256 = "12")\n',
        "app/BUILD:1:.*is not a sha256",
    ),
    "an integrity of an unknown kind": (
        'fetch_file(name = "l", urls = ["file:///x"], integrity = "md5-AAAA")\n',
        "app/BUILD:1:.*'md5-AAAA' has no digest of a known algorithm",
    ),
    "a download without a digest": (
        'fetch_file(name = "l", urls = ["file:///x"])\n',
        "app/BUILD:1:.*expected one of sha256 and integrity, got neither",
    ),
    "a bad time": (
        'image(name = "l", created = "yesterday")\n',
        'app/BUILD:1:19: .*expected a time, got "yesterday"',
    ),
    "a bad port": ('image(name = "l", ports = ["http"])\n', 'app/BUILD:1:19: .*"http" is not a port'),
    "a bad platform": ('image(name = "l", platform = "amiga")\n', "app/BUILD:1:.*platform"),
    "a variable that is not inherited": (
        'image(name = "l", env = {"A": "$NONE"})\n',
        r"//app:l: env refers to \$NONE",
    ),
    "a failing rule": (
        'load(":bad.bzl", "bad")\nbad(name = "l")\n',
        "app/bad.bzl:2:.*(.|\n)*for the target at app/BUILD:2:1",
    ),
    "a chain of loads": ('load(":loop.bzl", "x")\n', "loop.bzl"),
}


@pytest.fixture
def app(workspace: Sandbox) -> Sandbox:
    workspace.write("app/f.txt", "x")
    workspace.write(
        "app/bad.bzl",
        "def _impl(ctx):\n    return ctx.attr.none\n\nbad = rule(implementation = _impl, attrs = {})\n",
    )
    workspace.write("app/loop.bzl", 'load(":loop.bzl", "x")\n')
    workspace.write("other/BUILD", 'filegroup(name = "private", srcs = ["f.txt"])\n')
    workspace.write("other/f.txt", "x")
    (workspace.root / "app/out").symlink_to("../other/f.txt")
    return workspace


def check(done: subprocess.CompletedProcess[str], workspace: Sandbox, pattern: str, status: int) -> None:
    """Check a refusal: one message, the status, and that nothing came of it."""
    assert done.returncode == status, done.stderr
    assert re.search(pattern, done.stderr), done.stderr
    assert len(re.findall("^error: ", done.stderr, re.MULTILINE)) == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout
    assert not (workspace.root / "hermes-out/app").exists()


@pytest.mark.parametrize("name", WRONG_BUILD_FILES)
def test_a_wrong_build_file(app: Sandbox, name: str) -> None:
    text, pattern = WRONG_BUILD_FILES[name]
    app.write("app/BUILD", text)
    late = name == "a variable that is not inherited"
    check(app.run("build", "//app:l"), app, pattern, 1 if late else 2)


@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        (["bild", "//..."], "there is no command 'bild'; did you mean 'build'"),
        (["build"], "no PATTERN is given, and the current folder is not a package"),
        (["cache", "nope"], "hint: see `hermes cache --help`"),
        (["build", "//app:l", "--jbs", "3"], "No such option.*--jbs"),
        (["build", "//app:nothing"], "//app has no target or file 'nothing'"),
        (["build", "app"], "//app has no target or file 'app'\nhint: app/BUILD declares l"),
        (["build", "//app:f.txt"], "is a source file, not a target"),
        (["build", "//none/..."], "there is no package //none"),
        (["build", "app//x"], "app//x"),
        (["build", "//app:l", "-o", "tarball:x.tar"], "unknown transport in 'tarball:x.tar'"),
        (["build", "//app:l", "-o", "oci:"], "names no place"),
        (["build", "//app:l", "-o", "oci:out"], "gives no image"),
        (["build", "//app:l", "--platform", "a/b/c/d"], "is not a platform"),
        (["build", "//app:l", "--set", "x"], "expected NAME=VALUE, got 'x'"),
        (["build", "//app:l", "-j", "0"], "-j"),
        (["run", "//app:l"], "gives no image"),
        (["lock", "//app:l"], "has nothing to lock"),
        (["query", "deps(//app:l"], r"a '\)' is missing"),
    ],
)
def test_a_wrong_command_line(app: Sandbox, arguments: list[str], pattern: str) -> None:
    app.write("app/BUILD", FILES)
    done = app.run(*arguments)
    assert done.returncode == 2, done.stderr
    check(done, Sandbox(app.root / "none", app.home), pattern, 2)


@pytest.mark.parametrize("group", [[], ["ctr"], ["cache"]])
def test_a_group_without_a_command_shows_its_help(workspace: Sandbox, group: list[str]) -> None:
    done = workspace.run(*group)
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: hermes ")
    assert "Commands:" in done.stderr


def test_no_workspace(tmp_path: Path, home: Path) -> None:
    done = run_hermes("build", "//...", cwd=tmp_path, home=home)
    assert done.returncode == 2
    assert "there is no workspace" in done.stderr
    assert "hint: " in done.stderr


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("jobs: many\n", "jobs must be a number"),
        ("ignored: [x]\n", "did you mean 'ignore'"),
        ("a: [\n", "hermes.yaml:2:1"),
        ("a: !!int x\n", "hermes.yaml: it has a value that is not of its type: invalid literal"),
        ("- x\n", "must hold a mapping"),
        ("apt: {sources: [{uri: gopher://x}]}\n", "must be an http, https or file address"),
    ],
)
def test_a_wrong_hermes_yaml(app: Sandbox, text: str, pattern: str) -> None:
    app.write("hermes.yaml", text)
    app.write("app/BUILD", FILES)
    check(app.run("build", "//app:l"), app, pattern, 2)


def test_layers_that_conflict(app: Sandbox) -> None:
    app.write("app/g.txt", "other")
    app.write(
        "app/BUILD",
        FILES
        + 'files_layer(name = "m", files = {"/f": "g.txt"})\nimage(name = "i", layers = [":l", ":m"])\n',
    )
    check(app.run("build", "//app:i"), app, "/f: //app:l and //app:m", 1)
    app.write(
        "app/BUILD", (app.root / "app/BUILD").read_text().replace('":m"]', '":m"], allow_conflicts = True')
    )
    assert app.run("build", "//app:i").returncode == 0


@pytest.mark.parametrize("base", [":merged", ":usr"], ids=["an image", "a layer"])
@pytest.mark.parametrize(
    ("layer", "end"),
    [
        ('files = {"/lib/x": "f.txt"}', "has something below it"),
        ('files = {"/lib/x": "f.txt"}, dirs = ["/lib"]', "has a folder there"),
    ],
)
def test_a_layer_below_a_link_of_the_base(app: Sandbox, base: str, layer: str, end: str) -> None:
    image = f'image(name = "i", base = "{base}", layers = [":so"])\n'
    app.write(
        "app/BUILD",
        'files_layer(name = "usr", symlinks = {"/lib": "usr/lib"}, dirs = ["/usr/lib"])\n'
        'image(name = "merged", layers = [":usr"])\n'
        f'files_layer(name = "so", {layer})\n{image}',
    )
    check(app.run("build", "//app:i"), app, f"/lib leads to usr/lib in //app:usr, and //app:so {end}", 1)
    app.write(
        "app/BUILD",
        (app.root / "app/BUILD").read_text().replace('[":so"]', '[":so"], allow_conflicts = True'),
    )
    assert app.run("build", "//app:i").returncode == (1 if "below" in end else 0)


@pytest.mark.parametrize(
    ("attributes", "pattern"),
    [
        ('cmd = "exit 3"', "the command ended with status 3"),
        ('cmd = "sleep 60", timeout = 1', "took longer than its timeout of 1 second"),
        ('argv = ["/usr/bin/gcc"]', "there is no program '/usr/bin/gcc' in the root"),
        ('cmd = "true", outs = ["/none"]', "the command did not make /none"),
        ('cmd = "true", user = "nobody"', "there is no user 'nobody'"),
        ('cmd = ": > /srv/.wh.x"', "names that begin with .wh."),
    ],
)
def test_a_command_that_fails(app: Sandbox, attributes: str, pattern: str) -> None:
    add_base(app)
    app.write("app/BUILD", f'run_layer(name = "l", base = "//base:root", {attributes})')
    for _ in range(2):
        check(app.run("build", "//app:l"), app, pattern, 1)


@pytest.mark.parametrize(
    ("content", "size", "pattern"),
    [
        (b"other", "", "has the digest sha256:.*, and sha256:.* was declared"),
        (b"content", ", size = 8", "has 7 bytes, and 8 were declared"),
        (b"content", ", size = 3", "is larger than the 3 bytes"),
        (None, "", "no such file"),
    ],
)
def test_a_fetch_that_differs(app: Sandbox, content: bytes | None, size: str, pattern: str) -> None:
    remote = app.root / "remote"
    if content is not None:
        remote.write_bytes(content)
    digest = hashlib.sha256(b"content").hexdigest()
    app.write("app/BUILD", f'fetch_file(name = "l", urls = ["file://{remote}"], sha256 = "{digest}"{size})')
    check(app.run("build", "//app:l"), app, pattern, 1)
    assert not list((app.home / "blobs/sha256").iterdir())


LOCK = """\
version: 1
architectures: [amd64]
packages:
- name: gone
  version: "1"
  architecture: amd64
  path: pool/main/g/gone_1_amd64.deb
  size: 7
  sha256: "{}"
"""
ASKED = "asked: {essential: false, exclude: [x], packages: [gone], recommends: false}\npackages:\n"
APT = 'load("@hermes//rules:debian.bzl", "apt_layer")\napt_layer(name = "l", lock = "l.lock.yaml")\n'


def test_a_lock_entry_that_is_gone_from_the_mirror(app: Sandbox) -> None:
    app.write("hermes.yaml", f"apt: {{sources: [{{uri: 'file://{app.root}', suites: [stable]}}]}}\n")
    app.write("app/BUILD", APT.replace('yaml")', 'yaml", packages = ["gone"], exclude = ["x"])'))
    app.write("app/l.lock.yaml", LOCK.format("0" * 64).replace("packages:\n", ASKED))
    pattern = r"gone_1_amd64.deb is no longer on the mirror(.|\n)*run `hermes lock //app:l`"
    check(app.run("build", "//app:l", "--platform", "linux/amd64"), app, pattern, 1)


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("version: 2\n", "is not a lock file of Debian packages"),
        ("{", r"l.lock.yaml:\d+:\d+: this is not YAML"),
        ("version: !!bool x", r"l.lock.yaml: (.*: )?it has a value that is not of its type"),
        (LOCK.replace("amd64]", "armhf]"), "has no packages for amd64(.|\n)*run `hermes lock //app:l`"),
        (LOCK.format("zz"), "is not a sha256"),
        (LOCK.replace("  size: 7\n", ""), "a package has no size"),
    ],
)
def test_a_damaged_lock(app: Sandbox, text: str, pattern: str) -> None:
    app.write("app/BUILD", APT)
    app.write("app/l.lock.yaml", text)
    check(app.run("build", "//app:l", "--platform", "linux/amd64"), app, pattern, 2)


@pytest.mark.parametrize(
    ("attributes", "pattern"),
    [
        ('packages = ["gone", "curl"], exclude = ["x"]', "stale: curl is new in packages"),
        ('packages = ["curl"], exclude = ["x"]', "curl is new in packages and gone is no longer in packages"),
        ('packages = ["gone"]', "stale: x is no longer in exclude"),
        (
            'packages = ["gone"], exclude = ["x"], recommends = True',
            "stale: it was made with other values of",
        ),
    ],
)
def test_a_stale_lock(app: Sandbox, attributes: str, pattern: str) -> None:
    app.write("app/BUILD", APT.replace('yaml")', f'yaml", {attributes})'))
    app.write("app/l.lock.yaml", LOCK.format("0" * 64).replace("packages:\n", ASKED))
    pattern = f"{pattern}(.|\n)*run `hermes lock //app:l`"
    check(app.run("build", "//app:l", "--platform", "linux/amd64"), app, pattern, 2)


def test_a_lock_that_is_not_there_yet(app: Sandbox) -> None:
    app.write("app/BUILD", APT)
    check(app.run("build", "//app:l"), app, "l.lock.yaml(.|\n)*make it with `hermes lock //app:l`", 2)


@pytest.fixture
def built(app: Sandbox) -> Sandbox:
    app.write("app/BUILD", FILES + 'image(name = "i", layers = [":l"])\n')
    app.build("//app:i")
    return app


def test_no_permission(tmp_path: Path, built: Sandbox) -> None:
    locked = tmp_path / "locked"
    locked.write_text("a file, where the store should be")
    done = run_hermes("build", "//app:i", cwd=built.root, home=locked / "home")
    assert done.returncode == 1
    assert len(re.findall("^error: ", done.stderr, re.MULTILINE)) == 1
    assert "Traceback" not in done.stderr


@pytest.mark.root
def test_a_full_disk(app: Sandbox, tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can mount a small file system")
    app.write("app/big", os.urandom(8 << 20))
    app.write("app/BUILD", 'files_layer(name = "l", srcs = ["big"])\nimage(name = "i", layers = [":l"])\n')
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(small)], check=True)
    try:
        done = run_hermes("build", "//app:i", cwd=app.root, home=small / "home")
        check(done, app, "no space left", 1)
        assert not list((small / "home/tmp").iterdir())
    finally:
        subprocess.run(["umount", str(small)], check=True)
    assert app.run("build", "//app:i").returncode == 0


@pytest.mark.root
def test_a_full_output_folder_is_not_the_store(app: Sandbox) -> None:
    if os.geteuid():
        pytest.skip("only root can mount a small file system")
    app.write("app/f.txt", "x")
    app.write("app/BUILD", 'files_layer(name = "l", srcs = ["f.txt"])\nimage(name = "i", layers = [":l"])\n')
    out = app.root / "hermes-out"
    out.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=3", "none", str(out)], check=True)
    try:
        done = app.run("build", "//app:i")
    finally:
        subprocess.run(["umount", str(out)], check=True)
    assert done.returncode == 1
    assert re.search(
        r"hermes-out/\S* cannot be written: No space left on device\nhint: free some space there", done.stderr
    )
    assert app.run("build", "//app:i").returncode == 0


def test_a_destination_that_is_something_else(built: Sandbox) -> None:
    folder = built.root / "mine"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    for transport in ("oci", "dir"):
        done = built.run("build", "//app:i", "-o", f"{transport}:mine")
        assert done.returncode == 1
        assert "is there already and is not" in done.stderr
    assert [path.name for path in folder.iterdir()] == ["thesis.txt"]


def test_a_source_that_changes_while_it_is_read_is_never_cached_wrongly(built: Sandbox) -> None:
    results = set()
    for number in range(5):
        built.write("app/f.txt", f"{number}")
        results.add(built.digest("//app:i"))
    assert len(results) == 5


def test_a_store_has_no_temporary_files_after_failures(app: Sandbox) -> None:
    add_base(app)
    app.write("app/BUILD", 'run_layer(name = "l", base = "//base:root", cmd = "echo x > /srv/x; exit 1")')
    app.run("build", "//app:l")
    store = Store.open(app.home)
    assert not list((store.home / "tmp").iterdir())
    store.close()
