"""One image, one file system: in docker, podman, buildah, containerd, umoci and Hermes.

The bases have folders that are not root's with mode 0755, and links to folders: a runtime that unpacks each layer by itself
gives a folder that the uppermost layer does not describe to root, with mode 0755.
"""

from __future__ import annotations

import io
import os
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hermes.layer.entry import parents
from tests.conftest import Sandbox
from tests.integration.conftest import add_base
from tests.integration.shell import Shell
from tests.integration.test_host_tools import mirror
from tests.interop.runtimes import NAME, Tree, difference, runtimes, tree_of
from tests.registry.test_push_and_pull import ok
from tests.unit.transports.images import Made, tar_of

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="docker and containerd need root"),
]

Runtimes = dict[str, Callable[[Path, Path], Tree]]

FOLDERS = {
    "tmp": (0o1777, 0, 0),
    "home": (0o755, 0, 0),
    "home/app": (0o700, 1000, 1000),
    "home/app/own": (0o750, 1000, 1000),
    "var": (0o755, 0, 0),
    "var/lib": (0o755, 0, 0),
    "var/tmp": (0o1777, 0, 0),
    "var/lib/app": (0o2775, 0, 50),
    "usr": (0o755, 0, 0),
    "usr/lib": (0o755, 0, 0),
    "opt": (0o711, 7, 8),
    "opt/shared": (0o755, 0, 0),
}
BUILD = """
load("@hermes//rules:debian.bzl", "apt_layer")

tar_layer(name = "folders", src = "folders.tar")

image(name = "base", layers = ["//base:root", ":folders"], env = {"PATH": "/bin"}, allow_conflicts = True)

run_layer(name = "hello", base = [":base"], cmd = "touch /var/tmp/hello /home/app/own/hello /usr/lib/hello /lib/too; ln /var/tmp/hello /var/tmp/again")

run_layer(name = "closed", base = [":base"], cmd = "chmod 0700 /var/lib/app; chown 3:4 /opt/shared")

run_layer(name = "through", base = [":base"], cmd = "touch /var/lib/app/through /opt/shared/through /home/app/through; rm /opt/shared/old")

image(name = "run", base = ":base", layers = [":hello", ":closed", ":through"])

run_layer(name = "top", base = [":base", ":closed", ":through"], cmd = "touch /opt/shared/top")

image(name = "run_on_siblings", base = ":base", layers = [":through", ":closed", ":top"])

[files_layer(name = "x" + str(number), files = {path: "x"}) for number, path in enumerate([
    "/tmp/x", "/home/app/own/x", "/var/lib/app/x", "/srv/app/deep/x", "/opt/shared/x",
])]

files_layer(name = "again", dir_modes = {"/srv/app": "0711"}, files = {"/srv/app/deep/y": "x"})

image(name = "files", base = ":base", layers = [":x0", ":x1", ":x2", ":x3", ":x4"])

image(name = "files_alone", layers = ["//base:root", ":x3"])

image(name = "files_mixed", base = ":base", layers = [":again", ":x3", ":hello", ":x0", ":closed", ":x2", ":x4"])

tar_layer(name = "packed", src = "packed.tar", dest = "/home/app")

image(name = "archive", base = ":base", layers = [":packed"])

copy_layer(name = "copied", base = [":base"], root = [":x3"], paths = ["/srv/app/deep/x"], dest = "/home/app/own/")

copy_layer(name = "copied_too", base = [":base"], root = [":x3"], paths = ["/srv"], dest = "/lib/new/", parents = True)

image(name = "copy", base = ":base", layers = [":copied", ":copied_too", ":closed"])

dockerfile_image(name = "docked", dockerfile = "closed.Dockerfile", contexts = {"base": ":base"})

image(name = "on_dockerfile", base = ":docked", layers = [":x0", ":x1", ":x2", ":x3"])
"""
DOCKERFILE = """
FROM base
COPY x /home/app/own/
COPY --chown=5:6 x /lib/below/x
ADD packed.tar /home/app
RUN touch /tmp/hello && chmod 0755 /opt
WORKDIR /var/lib/app/work
RUN touch /opt/shared/hello && rm /opt/shared/old
"""


def write_archives(folder: Path) -> None:
    with tarfile.open(folder / "folders.tar", "w", format=tarfile.PAX_FORMAT) as made:
        for path, (mode, uid, gid) in FOLDERS.items():
            member = tarfile.TarInfo(path)
            member.type, member.mode, member.uid, member.gid = tarfile.DIRTYPE, mode, uid, gid
            if path == "home/app":
                member.pax_headers["SCHILY.xattr.user.kept"] = "yes"
            made.addfile(member)
        link = tarfile.TarInfo("lib")
        link.type, link.linkname = tarfile.SYMTYPE, "usr/lib"
        made.addfile(link)
        old = tarfile.TarInfo("opt/shared/old")
        old.size = 3
        made.addfile(old, io.BytesIO(b"old"))
        same = tarfile.TarInfo("opt/shared/same")
        same.type, same.linkname = tarfile.LNKTYPE, "opt/shared/old"
        made.addfile(same)
    with tarfile.open(folder / "packed.tar", "w") as made:
        member = tarfile.TarInfo("own/a/b/packed")
        member.size = 1
        made.addfile(member, io.BytesIO(b"x"))


@pytest.fixture(scope="module")
def everything() -> Iterator[tuple[Runtimes, Path]]:
    folder = Path(tempfile.mkdtemp(prefix="hermes-"))
    with runtimes(folder) as found:
        yield found, folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def shop(workspace: Sandbox) -> Sandbox:
    add_base(workspace)
    workspace.write("app/BUILD", BUILD)
    workspace.write("app/x", "x")
    workspace.write(
        "app/closed.Dockerfile", "FROM base\nRUN chmod 0700 /var/lib/app && chown 3:4 /opt/shared\n"
    )
    write_archives(workspace.root / "app")
    return workspace


def shown(everything: tuple[Runtimes, Path], shop: Sandbox, image: str) -> Tree:
    """What every runtime shows of an image; fails where one shows something else than Hermes."""
    ours, wrong = compared(everything, shop, image)
    assert not wrong, f"(Hermes, other): {wrong}"
    if "bin/stat" in ours:
        check_running(shop, image, ours)
    return ours


def compared(
    everything: tuple[Runtimes, Path], shop: Sandbox, image: str
) -> tuple[Tree, dict[str, dict[str, object]]]:
    """What Hermes shows of an image, and where the runtimes that show something else differ."""
    found, folder = everything
    archives = shop.root / "archives"
    archives.mkdir()
    for kind in ("oci-archive:{}/oci.tar:v1", "docker-archive:{}/docker.tar:" + NAME):
        ok(shop.run("copy", image, kind.format(archives)))
    shell = Shell(shop)
    name = shell.made(image)
    ours = tree_of(Path(shell("mount", name)))
    shell("umount", name)
    wrong: dict[str, dict[str, object]] = {}
    for runtime, tree in found.items():
        scratch = Path(tempfile.mkdtemp(dir=folder))
        theirs = tree(archives, scratch)
        shutil.rmtree(scratch)
        if different := difference(ours, theirs):
            wrong[runtime] = dict(different)
    return ours, wrong


def check_running(shop: Sandbox, image: str, ours: Tree) -> None:
    """Fail unless a program in the image sees what there is, but for what the sandbox mounts and makes places for."""
    look = "find / -xdev -exec stat -c '%n|%f|%u:%g' {} +"
    seen: dict[str, str] = {}
    for line in ok(
        shop.run("run", "-q", "--cap-add=DAC_READ_SEARCH", "--entrypoint=/bin/sh", image, "--", "-c", look)
    ).splitlines():
        path, mode, owner = line.split("|")
        kind = int(mode, 16)
        shown = 0 if stat.S_ISLNK(kind) else stat.S_IMODE(kind)
        seen[path[1:]] = f"{stat.filemode(stat.S_IFMT(kind))} {shown:#o} {owner}"
    expected = {path: f"{row[0]} {row[1]} {row[2]}" for path, row in ours.items()}
    mounted = {
        "",
        "dev",
        "proc",
        "run",
        "sys",
        "tmp",
        "var/tmp",
        "etc/hosts",
        "etc/hostname",
        "etc/resolv.conf",
    }
    places = {above for path in mounted for above in parents(path)} - expected.keys()
    differing = {
        path: (seen.get(path), expected.get(path))
        for path in {*seen, *expected}
        if seen.get(path) != expected.get(path) and not {path, *parents(path)} & (mounted | places)
    }
    assert not differing, f"(hermes run, Hermes): {differing}"


def modes(tree: Tree, *paths: str) -> list[str]:
    return [f"{tree[path][1]} {tree[path][2]}" for path in paths]


def check_base(tree: Tree, **changed: str) -> None:
    """Fail unless the folders of the base are as they were, or as ``changed`` says."""
    for path, (mode, uid, gid) in FOLDERS.items():
        expected = changed.get(path.replace("/", "_"), f"{mode:#o} {uid}:{gid}")
        assert modes(tree, path) == [expected.replace("0o0", "0o")], path
    assert tree["home/app"][5] == [("user.kept", b"yes")]
    assert tree["lib"][3] == "usr/lib"


@pytest.mark.parametrize("image", ["run", "run_on_siblings"])
def test_run_layers(everything: tuple[Runtimes, Path], shop: Sandbox, image: str) -> None:
    tree = shown(everything, shop, f"//app:{image}")
    check_base(tree, var_lib_app="0o700 0:50", opt_shared="0o755 3:4")
    assert "opt/shared/old" not in tree
    if image == "run":
        assert tree["var/tmp/hello"][4] == tree["var/tmp/again"][4] == "var/tmp/again"
        assert "usr/lib/too" in tree


@pytest.mark.parametrize("image", ["files", "files_mixed", "archive", "copy", "files_alone", "on_dockerfile"])
def test_layers_of_files(everything: tuple[Runtimes, Path], shop: Sandbox, image: str) -> None:
    tree = shown(everything, shop, f"//app:{image}")
    closed = {"var_lib_app": "0o700 0:50", "opt_shared": "0o755 3:4"}
    if image != "files_alone":
        check_base(tree, **(closed if image in ("files_mixed", "copy", "on_dockerfile") else {}))
    if image.startswith("files"):
        between = "0o711 0:0" if image == "files_mixed" else "0o755 0:0"
        assert modes(tree, "srv", "srv/app", "srv/app/deep") == ["0o755 0:0", between, "0o755 0:0"]


def test_a_dockerfile(everything: tuple[Runtimes, Path], shop: Sandbox) -> None:
    ok(shop.run("build", "//app:base"))
    ok(shop.run("pull", "oci:hermes-out/app/base", "base"))
    context = shop.root / "context"
    shutil.copytree(shop.root / "app", context)
    shop.write("context/Dockerfile", DOCKERFILE)
    ok(shop.run("bud", "--pull=never", "--tag=made", str(context)))
    tree = shown(everything, shop, "made")
    check_base(tree, opt="0o755 7:8")
    assert modes(tree, "usr/lib/below/x", "home/app/own/a", "var/lib/app/work") == [
        "0o644 5:6",
        "0o755 0:0",
        "0o755 0:0",
    ]


def test_a_commit(everything: tuple[Runtimes, Path], shop: Sandbox) -> None:
    shell = Shell(shop)
    name = shell.made("//app:base")
    shell("run", name, "--", "sh", "-c", "touch /tmp/hello /home/app/own/hello; rm /opt/shared/old")
    shell("copy", name, str(shop.root / "app/x"), "/var/lib/app/")
    shell("commit", name, "made")
    check_base(shown(everything, shop, "made"))


def test_a_commit_on_layers(everything: tuple[Runtimes, Path], shop: Sandbox) -> None:
    shell = Shell(shop)
    name = shell.made("//app:x3")
    shell("copy", name, str(shop.root / "app/x"), "/var/lib/app/")
    digest = shell("commit", name, "made")
    tree = shown(everything, shop, "made")
    assert modes(tree, "srv/app", "var/lib/app") == ["0o755 0:0"] * 2
    assert shell("commit", name) == digest


@pytest.mark.network
def test_debian_packages(everything: tuple[Runtimes, Path], shop: Sandbox) -> None:
    uri, suite = mirror()
    shop.write(
        "deb/BUILD",
        'load("@hermes//rules:debian.bzl", "apt_layer")\n'
        'apt_layer(name = "debian", packages = ["base-files", "base-passwd", "netbase"], lock = "debian.lock.yaml", recommends = False)\n'
        'files_layer(name = "files", files = {"/tmp/x": "x", "/root/x": "x", "/var/mail/x": "x"})\n'
        'image(name = "image", layers = [":debian", ":files"])\n',
    )
    shop.write("deb/x", "x")
    shop.write(
        "hermes.yaml",
        f"apt:\n  sources:\n    - uri: {uri}\n      suites: [{suite}]\n      components: [main]\n",
    )
    ok(shop.run("lock", "//deb:debian"))
    tree = shown(everything, shop, "//deb:image")
    assert modes(tree, "tmp", "root") == ["0o1777 0:0", "0o700 0:0"]


def test_an_image_of_others_that_writes_below_a_link(
    everything: tuple[Runtimes, Path], workspace: Sandbox
) -> None:
    """Its layers say nothing of the paths where a layer below has links: tools that unpack into one folder follow them."""
    upper = {"lib/b": b"b", "run/app/pid": b"1", "usr/lib/more/c": b"c"}
    Made([links_and_folders(), tar_of(upper)]).layout(workspace.root / "others")
    ok(workspace.run("pull", f"oci:{workspace.root}/others", "others"))
    tree, wrong = compared(everything, workspace, "others")
    assert (tree["lib"][3], tree["run"][3]) == ("usr/lib", "/var/run")
    assert {path for path in tree if path.startswith(("usr/lib/", "var/run/"))} == {
        "usr/lib/a",
        "usr/lib/b",
        "usr/lib/more",
        "usr/lib/more/c",
        "var/run/app",
        "var/run/app/pid",
    }
    covering = {runtime for runtime, different in wrong.items() if {"lib", "run"} & different.keys()}
    assert covering == {"containerd", "docker, overlay2", "podman, overlay", "buildah, overlay"}


def links_and_folders() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        for path in ("usr", "usr/lib", "var", "var/run"):
            member = tarfile.TarInfo(path)
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            made.addfile(member)
        for path, target in (("lib", "usr/lib"), ("run", "/var/run")):
            member = tarfile.TarInfo(path)
            member.type, member.linkname = tarfile.SYMTYPE, target
            made.addfile(member)
        member = tarfile.TarInfo("usr/lib/a")
        member.size = 1
        made.addfile(member, io.BytesIO(b"x"))
    return out.getvalue()
