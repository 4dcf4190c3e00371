"""Source files that are symbolic links: what they lead to, where one file is asked for."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import zstandard

from tests.conftest import Sandbox
from tests.registry.test_push_and_pull import ok
from tests.unit.transports.images import Made, tar_of

FILES = """
filegroup(name = "group", srcs = ["link"])
files_layer(name = "one", files = {"/x": "link", "/y": "chain", "/z": "through", "/g": ":group", "/p": "tool"})
files_layer(name = "all", srcs = ["link", "real", "sub/up"])
tar_layer(name = "unpacked", src = "archive")
"""
COMMANDS = """
run_layer(name = "run", base = ["//base:root"], cmd = "cat /in > /out; test ! -L /in; /tool > /tool.out", srcs = {"/in": "chain", "/tool": "tool"})
run_layer(
    name = "bound",
    base = ["//base:root"],
    cmd = "cat /in > /out; cat /many/link > /many.out",
    mounts = [bind("link", "/in"), bind(":group", "/many")],
)
filegroup(name = "group", srcs = ["link"])
run_layer(
    name = "folder",
    base = ["//base:root"],
    cmd = "cd /in; readlink link > /out; readlink chain >> /out; cat sub/up >> /out; readlink dir >> /out; cat dir/s >> /out",
    srcs = {"/in": ":tree"},
)
filegroup(name = "tree", srcs = ["link", "real", "chain", "sub/up", "sub/s", "dir"])
genrule(name = "gen", root = ["//base:root"], srcs = ["link", "through"], outs = ["out.txt"], cmd = "cat $SRCS > out.txt; test ! -L link")
"""


@pytest.fixture
def app(based: Sandbox) -> Sandbox:
    based.write("app/real", "real\n")
    based.write("app/sub/s", "s\n")
    based.write("app/program", "#!/bin/sh\necho ran\n", mode=0o755)
    links = {"link": "real", "chain": "link", "dir": "sub", "through": "dir/s", "tool": "./sub/../program"}
    for name, target in {**links, "sub/up": "../real"}.items():
        (based.root / "app" / name).symlink_to(target)
    with tarfile.open(based.root / "app/some.tar", "w") as archive:
        archive.add(based.root / "app/real", "unpacked")
    (based.root / "app/archive").symlink_to("some.tar")
    return based


@contextmanager
def layer(app: Sandbox, target: str) -> Iterator[tarfile.TarFile]:
    done = app.run("build", target)
    assert done.returncode == 0, done.stderr
    path = app.root / f"hermes-out/{target[2:].replace(':', '/')}.tar.zst"
    with zstandard.open(path, "rb") as file, tarfile.open(fileobj=file, mode="r|") as archive:
        yield archive


def tree(app: Sandbox, target: str) -> dict[str, str]:
    """What is in a layer: contents, and where links lead."""
    found = {}
    with layer(app, target) as archive:
        for member in archive:
            if member.issym():
                found[member.name] = f"-> {member.linkname}"
            elif member.isreg():
                content = archive.extractfile(member)
                assert content is not None
                found[member.name] = content.read().decode()
    return found


def modes(app: Sandbox, target: str) -> dict[str, int]:
    with layer(app, target) as archive:
        return {member.name: member.mode for member in archive}


def test_a_file_of_a_layer_is_what_the_link_leads_to(app: Sandbox) -> None:
    app.write("app/BUILD", FILES)
    assert tree(app, "//app:one") == {
        "x": "real\n",
        "y": "real\n",
        "z": "s\n",
        "g": "real\n",
        "p": "#!/bin/sh\necho ran\n",
    }
    assert tree(app, "//app:unpacked") == {"unpacked": "real\n"}
    assert modes(app, "//app:one")["p"] == 0o755


def test_links_among_files_of_a_layer_stay_links(app: Sandbox) -> None:
    app.write("app/BUILD", FILES)
    assert tree(app, "//app:all") == {"link": "-> real", "real": "real\n", "sub/up": "-> ../real"}


def test_a_command_reads_what_a_link_leads_to(app: Sandbox) -> None:
    app.write("app/BUILD", COMMANDS)
    assert tree(app, "//app:run") == {"out": "real\n", "tool.out": "ran\n"}
    done = app.run("build", "//app:gen")
    assert done.returncode == 0, done.stderr
    assert (app.root / "hermes-out/app/out.txt").read_text() == "real\ns\n"


def test_a_mount_has_what_a_link_leads_to(app: Sandbox) -> None:
    app.write("app/BUILD", COMMANDS.replace("cat /many/link", "cat /many"))
    assert tree(app, "//app:bound") == {"out": "real\n", "many.out": "real\n"}


def test_links_stay_links_where_what_they_lead_to_is_beside_them(app: Sandbox) -> None:
    app.write("app/BUILD", COMMANDS)
    assert tree(app, "//app:folder")["out"] == "real\nlink\nreal\nsub\ns\n"


def test_a_link_that_leads_elsewhere_and_what_it_leads_to_count(app: Sandbox) -> None:
    """Through a target of another package, too, and with what the last build knew."""
    app.write(
        "app/BUILD",
        FILES + 'filegroup(name = "open", srcs = ["chain"], visibility = ["//visibility:public"])\n',
    )
    app.write("other/BUILD", 'files_layer(name = "one", files = {"/o": "//app:open"})\n')

    def built() -> str:
        return tree(app, "//other:one")["o"]

    assert built() == "real\n"
    assert built() == "real\n"
    app.write("app/real", "changed\n")
    assert built() == "changed\n"
    (app.root / "app/link").unlink()
    (app.root / "app/link").symlink_to("sub/s")
    assert built() == "s\n"
    app.write("app/sub/s", "other s\n")
    assert built() == "other s\n"
    (app.root / "app/chain").unlink()
    app.write("app/chain", "a file\n")
    assert built() == "a file\n"


WRONG = {
    "dir": "//app:dir is a symbolic link that leads to the folder sub",
    "gone": "//app:gone is a symbolic link that leads to nowhere, which is not a file of its package",
    "loop": "//app:loop is a symbolic link that leads in a circle",
    "out": "app/out is a symbolic link that leads out of its package, to ../base/busybox",
    "absolute": "app/absolute is a symbolic link that leads out of its package, to /etc/passwd",
    "later": "app/out is a symbolic link that leads out of its package",
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize(
    "text",
    [
        'files_layer(name = "x", files = {"/x": "NAME"})',
        'run_layer(name = "x", base = ["//base:root"], cmd = "true", srcs = {"/x": "NAME"})',
        'genrule(name = "x", root = ["//base:root"], cmd = "true", srcs = ["NAME"], outs = ["o"])',
    ],
)
def test_a_link_to_what_is_no_file_is_told(app: Sandbox, name: str, text: str) -> None:
    links = {
        "gone": "nowhere",
        "loop": "loop",
        "out": "../base/busybox",
        "absolute": "/etc/passwd",
        "later": "out",
    }
    for one, target in links.items():
        (app.root / "app" / one).symlink_to(target)
    app.write("app/BUILD", text.replace("NAME", name))
    done = app.run("build", "//app:x")
    assert done.returncode == 2
    assert re.search(rf"error: app/BUILD:1:\d+: .*{re.escape(WRONG[name])}", done.stderr), done.stderr
    assert "Traceback" not in done.stderr


def test_an_image_of_others_that_writes_below_a_link_works_everywhere(based: Sandbox) -> None:
    """A layer has lib/b and says nothing of lib, a link in a layer below it."""
    root = based.root
    lower = io.BytesIO()
    with tarfile.open(fileobj=lower, mode="w") as made:
        for path, target in (("lib", "usr/lib"), ("bin/sh", "busybox"), ("bin/ls", "busybox")):
            link = tarfile.TarInfo(path)
            link.type, link.linkname = tarfile.SYMTYPE, target
            made.addfile(link)
        made.add(root / "base/busybox", "bin/busybox")
        made.add(root / "base/BUILD", "usr/lib/a")
    Made([lower.getvalue(), tar_of({"lib/b": b"b"})]).layout(root / "others")
    origin = f"oci:{root}/others"
    ok(based.run("pull", origin, "others"))
    look = ["--", "/bin/sh", "-c", "cd /usr/lib; echo *"]
    assert ok(based.run("run", "-q", "others", *look)) == "a b"
    name = ok(based.run("ctr", "from", "others")).strip()
    assert ok(based.run("ctr", "run", name, *look)) == "a b"
    ok(based.run("ctr", "run", name, "--", "/bin/sh", "-c", "echo c > /lib/c"))
    ok(based.run("ctr", "commit", name, "more"))
    assert ok(based.run("run", "-q", "more", *look)) == "a b c"
    based.write("context/x", "x")
    based.write("context/Dockerfile", f"FROM {origin}\nRUN echo r > /lib/r\nCOPY x /lib/x\n")
    ok(based.run("bud", "-t", "built", "context"))
    assert ok(based.run("run", "-q", "built", *look)) == "a b r x"
    files = ok(based.run("inspect", "--files", "built")).splitlines()
    assert files[-1].endswith(" /usr/lib/x")
    assert any(line.endswith("  /lib/b") for line in files)
