"""``hermes ctr copy`` and ``add``: what goes where, and that nothing leads out."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from tests.integration.shell import NEEDS_ROOT, Shell


def test_a_copy_follows_the_rules_of_dockerfiles(ctr: Shell) -> None:
    sandbox = ctr.sandbox
    sandbox.write("ctx/a.txt", "a")
    sandbox.write("ctx/b.txt", "b", mode=0o755)
    sandbox.write("ctx/sub/c.txt", "c")
    (sandbox.root / "ctx/link").symlink_to("a.txt")
    name = ctr.made()
    ctr("config", "--workdir", "/work", name)
    ctr("copy", name, "ctx", "/folder")
    ctr("copy", name, "ctx/a.txt", "/file")
    ctr("copy", name, "ctx/a.txt", "/into/")
    ctr("copy", name, "ctx/*.txt", "/several/")
    ctr("copy", name, "ctx/a.txt", "relative")
    ctr("copy", "--chown", "5:6", "--chmod", "600", name, "ctx/a.txt", "ctx/b.txt", "/owned")
    show = (
        "cd /; for f in $(find folder file into several work owned | sort); do stat -c '%a %u:%g %n' $f; done"
    )
    found = ctr("run", name, "--", "sh", "-c", show)
    assert found.splitlines() == [
        "644 0:0 file",
        "755 0:0 folder",
        "644 0:0 folder/a.txt",
        "755 0:0 folder/b.txt",
        "777 0:0 folder/link",
        "755 0:0 folder/sub",
        "644 0:0 folder/sub/c.txt",
        "755 0:0 into",
        "644 0:0 into/a.txt",
        "755 5:6 owned",
        "600 5:6 owned/a.txt",
        "600 5:6 owned/b.txt",
        "755 0:0 several",
        "644 0:0 several/a.txt",
        "755 0:0 several/b.txt",
        "755 0:0 work",
        "644 0:0 work/relative",
    ]


def test_an_ignore_file_leaves_things_out(ctr: Shell) -> None:
    for path in ("keep/a", "drop/b", "drop/not/c", "x.log", "keep/y.log"):
        ctr.sandbox.write(f"ctx/{path}", path)
    ctr.sandbox.write("ignore", "# comment\ndrop\n!drop/not\n**/*.log\n")
    name = ctr.made()
    ctr("copy", "--contextdir", "ctx", "--ignorefile", "ignore", name, ".", "/ctx")
    assert ctr("run", name, "--", "sh", "-c", "cd /ctx; find . -type f | sort").split() == [
        "./drop/not/c",
        "./keep/a",
    ]


def test_the_store_is_not_copied_into_itself(ctr: Shell, tmp_path: Path) -> None:
    name = ctr.made()
    home = ctr.sandbox.home
    for source in (tmp_path, home, home / "containers"):
        assert "holds the container itself" in ctr("copy", name, str(source), "/x", status=1)
    (tmp_path / "ignore").write_text("home\n")
    ctr.sandbox.write("f", "f")
    ctr("copy", "--contextdir", str(tmp_path), "--ignorefile", str(tmp_path / "ignore"), name, ".", "/y")
    assert ctr.cat(name, "/y/workspace/f") == "f"


def test_no_link_leads_out_of_the_root_or_the_context(ctr: Shell, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    context = ctr.root / "ctx"
    context.mkdir()
    (context / "absolute").symlink_to(outside)
    (context / "up").symlink_to("../../outside")
    (context / "etc").mkdir()
    name = ctr.made()
    for source in ("absolute/secret", "up/secret", "../../outside/secret"):
        assert "there is no such file" in ctr("copy", "--contextdir", "ctx", name, source, "/x", status=2)
    ctr("run", name, "--", "sh", "-c", f"ln -s {outside} /srv/out; ln -s ../../../../../.. /srv/up")
    ctr.sandbox.write("f", "f")
    ctr("copy", name, "f", "/srv/out/new")
    ctr("copy", name, "f", "/srv/up/above")
    ctr("copy", name, "f", "../../../../../top")
    assert sorted(os.listdir(outside)) == ["secret"]
    assert ctr("run", name, "--", "sh", "-c", f"cat {outside}/new /above /top") == "fff"


def test_copy_from_another_image_or_container(ctr: Shell) -> None:
    other = ctr.made()
    ctr(
        "run", other, "--", "sh", "-c", "echo x > /srv/x; ln -s /srv/x /srv/y; rm /bin/yes; ln -s /etc /srv/z"
    )
    for step in ("uncommitted", "committed", "by its name"):
        name = ctr.made("scratch")
        origin = "other" if step == "by its name" else other
        ctr("copy", "--from", origin, name, "/srv/y", "/bin/busybox", "/got/")
        assert ctr("diff", name).splitlines() == ["A /got", "A /got/busybox", "A /got/y"]
        assert "no such file" in ctr("copy", "--from", origin, name, "/bin/yes", "/", status=2)
        ctr("commit", other, "other")
    name = ctr.made("scratch")
    ctr("copy", "--from", "//base:root", name, "/bin", "/bin")
    assert ctr("run", name, "--", "ls", "/").split() == ["bin", "dev", "etc", "proc"]


def test_copy_within_a_container(ctr: Shell) -> None:
    name = ctr.made()
    ctr("run", name, "--", "sh", "-c", "echo x > /srv/x")
    ctr("copy", "--from", name, name, "/srv", "/copy")
    assert ctr.cat(name, "/copy/x") == "x"


@NEEDS_ROOT
def test_copy_from_a_container_that_is_mounted(ctr: Shell) -> None:
    other, name = ctr.made(), ctr.made()
    root = Path(ctr("mount", other))
    (root / "srv/x").write_text("x")
    (root / "srv/out").symlink_to("/etc/passwd")
    ctr("copy", "--from", other, name, "/srv/x", "/x")
    assert ctr.cat(name, "/x") == "x"
    assert "which is not there" in ctr("copy", "--from", other, name, "/srv/out", "/y", status=2)


def test_add_unpacks_archives_and_leaves_others_alone(ctr: Shell) -> None:
    folder = ctr.root
    with tarfile.open(folder / "a.tar.gz", "w:gz") as archive:
        for path, data in (("d/x", b"x"), ("d/y", b"y")):
            info = tarfile.TarInfo(path)
            info.size, info.uid, info.mode = len(data), 7, 0o640
            archive.addfile(info, io.BytesIO(data))
    ctr.sandbox.write("no.tar", "this is no archive")
    name = ctr.made()
    ctr("add", name, "a.tar.gz", "/new")
    ctr("add", name, "no.tar", "/new/")
    ctr("copy", name, "a.tar.gz", "/kept/")
    assert ctr("run", name, "--", "stat", "-c", "%a %u %n", "/new/d/x") == "640 7 /new/d/x"
    assert ctr("run", name, "--", "ls", "/new", "/kept").split() == [
        "/kept:",
        "a.tar.gz",
        "/new:",
        "d",
        "no.tar",
    ]


@pytest.mark.parametrize("path", ["../../out", "/abs/../../out", "d/../../../out"])
def test_an_archive_that_leads_out_is_refused(ctr: Shell, path: str) -> None:
    with tarfile.open(ctr.root / "bad.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo(path))
    assert "points outside the root" in ctr("add", ctr.made(), "bad.tar", "/", status=1)


def test_an_archive_stays_in_its_destination(ctr: Shell) -> None:
    with tarfile.open(ctr.root / "up.tar", "w") as archive:
        for name, target in (("link", "../.."), ("to", "/bin")):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            archive.addfile(link)
        for name in ("link/one", "to/two"):
            archive.addfile(tarfile.TarInfo(name))
    name = ctr.made()
    ctr("add", name, "up.tar", "/srv/in")
    found = ctr("run", name, "--", "sh", "-c", "find / -xdev -name one -o -name two")
    assert sorted(found.split()) == ["/srv/in/bin/two", "/srv/in/one"]


def test_an_archive_with_a_device_is_refused(ctr: Shell) -> None:
    with tarfile.open(ctr.root / "bad.tar", "w") as archive:
        device = tarfile.TarInfo("dev/null")
        device.type = tarfile.CHRTYPE
        archive.addfile(device)
    assert "/dev/null is a device node" in ctr("add", ctr.made(), "bad.tar", "/", status=1)


def test_an_archive_with_links_out_stays_inside(ctr: Shell, tmp_path: Path) -> None:
    with tarfile.open(ctr.root / "bad.tar", "w") as archive:
        link = tarfile.TarInfo("out")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
        archive.addfile(link)
        archive.addfile(tarfile.TarInfo("out/file"))
    name = ctr.made()
    ctr("add", name, "bad.tar", "/")
    assert not (tmp_path / "file").exists()
    assert f"A {tmp_path}/file" in ctr("diff", name)
