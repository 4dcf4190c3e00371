"""COPY and ADD: what there may be in a context and in an archive. What is right was asked of BuildKit and buildah."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from pathlib import Path

import pytest

from hermes.errors import DockerfileError
from hermes.layer.entry import BLOCK, CHARACTER, FIFO
from tests.integration.test_bud_flags import table
from tests.integration.yard import Yard


def write_archive(path: Path, *rows: tuple[str, str]) -> None:
    """Write an archive of user 3 and group 4: names and contents, or ``->TARGET``, ``=NAME`` for a hard link, ``/``."""
    with tarfile.open(path, "w") as made:
        for name, text in rows:
            member = tarfile.TarInfo(name)
            member.uid, member.gid = 3, 4
            if text.startswith("->"):
                member.type, member.linkname = tarfile.SYMTYPE, text[2:]
            elif text.startswith("="):
                member.type, member.linkname = tarfile.LNKTYPE, text[1:]
            elif text == "/":
                member.type, member.mode = tarfile.DIRTYPE, 0o755
            else:
                member.size = len(text)
            made.addfile(member, io.BytesIO(text.encode()))


ESCAPES = [
    ([("link", "->.."), ("link/etc/file", "x")], "etc/file"),
    ([("link", "->../../.."), ("link/file", "x")], "file"),
    ([("link", "->/etc"), ("etc", "/"), ("link/file", "x")], "etc/file"),
    ([("a", "/"), ("a/link", "->../../b"), ("b", "/"), ("a/link/file", "x")], "b/file"),
    ([("there/file", "x")], "etc/file"),
    ([("up/bin/file", "x")], "bin/file"),
]


@pytest.mark.parametrize(("members", "expected"), ESCAPES)
def test_an_archive_stays_in_its_destination(
    yard: Yard, members: list[tuple[str, str]], expected: str
) -> None:
    """Links of the archive and of the image lead where they would for a process whose root the destination is."""
    write_archive(yard.root / "x.tar", *members)
    yard.bud(
        "FROM base\nRUN mkdir /sub /sub/etc && ln -s /etc /sub/there && ln -s ../../.. /sub/up\nADD x.tar /sub\n",
        tags=["it"],
    )
    assert yard.shown("find / -xdev -name file") == f"/sub/{expected}\n"


def test_hard_links_of_an_archive_stay_in_its_destination(yard: Yard) -> None:
    write_archive(
        yard.root / "x.tar", ("up", "->.."), ("up/one", "x"), ("up/two", "=up/one"), ("three", "=one")
    )
    yard.bud("FROM base\nADD x.tar /sub/deep\n", tags=["it"])
    assert (
        yard.shown("cd /sub/deep; stat -c '%h %n' one two three; ls /sub") == "3 one\n3 two\n3 three\ndeep\n"
    )


def test_what_is_in_an_archive_belongs_to_those_of_chown(yard: Yard) -> None:
    write_archive(yard.root / "x.tar", ("d", "/"), ("d/f", "x"), ("d/l", "->f"), ("d/h", "=d/f"))
    yard.bud(
        "FROM base\nADD --chown=7:8 --chmod=700 x.tar /a\nADD x.tar /b\nADD --chown=root x.tar /c\n",
        tags=["it"],
    )
    for folder, owner in (("a", "7:8"), ("b", "3:4"), ("c", "0:0")):
        assert set(yard.shown(f"stat -c %u:%g /{folder}/d /{folder}/d/*").split()) == {owner}
    assert yard.shown("stat -c %a /a/d /a/d/f") == "755\n644\n"


def test_fifos_are_copied(yard: Yard) -> None:
    yard.write("sub/file", "x")
    os.mkfifo(yard.root / "sub/pipe")
    (yard.root / "sub/pipe").chmod(0o640)
    text = "FROM base\nCOPY sub /all/\nCOPY --chown=7:8 --chmod=600 sub/pipe /named\nADD sub/pipe* /in/\n"
    built = yard.bud(text, tags=["it"])
    assert yard.shown("stat -c '%F %a %u %n' /all/pipe /named /in/pipe") == (
        "fifo 640 0 /all/pipe\nfifo 600 7 /named\nfifo 640 0 /in/pipe\n"
    )
    assert yard.bud().executed == ()
    (yard.root / "sub/pipe").chmod(0o600)
    assert yard.bud().digest != built.digest


@pytest.mark.root
def test_device_nodes_are_copied(yard: Yard) -> None:
    yard.write("sub/file", "x")
    try:
        os.mknod(yard.root / "sub/null", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        os.mknod(yard.root / "sub/disk", stat.S_IFBLK | 0o640, os.makedev(7, 300))
        os.mknod(yard.root / "gone", stat.S_IFCHR, 0)
    except PermissionError:
        pytest.skip("device nodes cannot be made here")
    os.mkfifo(yard.root / "sub/pipe")
    built = yard.bud("FROM base\nCOPY --chown=7:8 sub /all/\n")
    found = {
        one.path: (one.type, one.mode, one.uid, one.device)
        for one in table(yard, built, -1)
        if one.path != "all"
    }
    assert found.pop("all/file")
    assert found == {
        "all/null": (CHARACTER, 0o600, 7, (1, 3)),
        "all/disk": (BLOCK, 0o640, 7, (7, 300)),
        "all/pipe": (FIFO, 0o644, 7, (0, 0)),
    }
    with pytest.raises(DockerfileError, match="the device 0,0"):
        yard.bud("FROM base\nCOPY gone /\n")


@pytest.mark.parametrize(
    ("mode", "shown"),
    [
        ("04755", "4755"),
        ("7777", "7777"),
        ("0", "0"),
        ("000000644", "644"),
        ("u=rw,go=", "600"),
        ("+x,u+s", "4755"),
    ],
)
def test_a_mode_may_have_all_twelve_bits(yard: Yard, mode: str, shown: str) -> None:
    yard.write("file", "x")
    yard.bud(f"FROM base\nARG mode={mode}\nCOPY --chmod=$mode file /file\n", tags=["it"])
    assert yard.shown("stat -c %a /file") == f"{shown}\n"


@pytest.mark.parametrize("mode", ["10000", "8", "64a", "-1", "0o755", "+755"])
def test_a_mode_has_no_other_bits(yard: Yard, mode: str) -> None:
    yard.write("file", "x")
    with pytest.raises(DockerfileError, match="--chmod cannot be"):
        yard.bud(f"FROM base\nCOPY --chmod={mode} file /file\n")
