"""Archives of packages become entries as npm unpacks them."""

from __future__ import annotations

import gzip
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from hermes.errors import LayerError
from hermes.layer.content import Spool
from hermes.layer.entry import DIRECTORY, SYMLINK
from hermes.node.tarball import PackageFile, unpacked
from tests.unit.node.packages import Files, archive


def entries(tmp_path: Path, data: bytes, bins: Mapping[str, str] | None = None) -> dict[str, tuple[str, str]]:
    """Return what an archive becomes at ``n/a``: paths in it, modes ("l" and "d" for links and folders), contents."""
    file = tmp_path / "a.tgz"
    file.write_bytes(data)
    spool = Spool(os.open(tmp_path, os.O_RDWR | os.O_TMPFILE))
    package = PackageFile("a.tgz", str(file), "n/a", tuple((bins or {}).items()))
    found = {}
    for entry, content in unpacked([package], mtime=7, spool=spool):
        assert (entry.uid, entry.gid, entry.mtime) == (0, 0, 7)
        text = b"".join(content.chunks()).decode() if content else ""
        if entry.type == SYMLINK:
            found[entry.path] = "l", entry.link
        elif entry.type == DIRECTORY:
            assert entry.mode == 0o755
            found[entry.path] = "d", ""
        else:
            assert entry.size == len(text)
            found[entry.path.removeprefix("n/a/")] = f"{entry.mode:o}", text
    spool.close()
    assert found.pop("n/a") == ("d", "")
    return found


def test_modes_are_widened_and_never_more_than_the_usual_mask_allows(tmp_path: Path) -> None:
    files: Files = {
        "a": ("1", 0o644),
        "b": ("2", 0o600),
        "c": ("3", 0o777),
        "d": ("4", 0o6711),
        "e": ("5", 0),
    }
    assert entries(tmp_path, archive(files)) == {
        "a": ("644", "1"),
        "b": ("644", "2"),
        "c": ("755", "3"),
        "d": ("755", "4"),
        "e": ("644", "5"),
    }


@pytest.mark.parametrize("folder", ["package", "whatever", "./package"])
def test_the_first_folder_does_not_count_whatever_it_is_called(tmp_path: Path, folder: str) -> None:
    assert entries(tmp_path, archive({"lib/x.js": "x"}, folder)) == {"lib/x.js": ("644", "x")}


def test_links_are_left_out(tmp_path: Path) -> None:
    assert entries(tmp_path, archive({"a": ""}, links={"b": "a", "c": "/etc/passwd"})) == {"a": ("644", "")}


@pytest.mark.parametrize(
    ("names", "left"),
    [
        ([".gitignore"], {".npmignore": ".gitignore"}),
        ([".npmignore", ".gitignore"], {".npmignore": ".npmignore"}),
        ([".npmignore", "sub/.gitignore"], {".npmignore": ".npmignore", "sub/.npmignore": "sub/.gitignore"}),
        (["x.gitignore"], {"x.gitignore": "x.gitignore"}),
    ],
)
def test_what_git_ignores_is_what_npm_ignores(tmp_path: Path, names: list[str], left: dict[str, str]) -> None:
    found = entries(tmp_path, archive({one: one for one in names}))
    assert {path: text for path, (_, text) in found.items()} == left


def test_programs_can_be_run_and_links_lead_to_those_that_there_are(tmp_path: Path) -> None:
    files = {"cli.js": "#!/usr/bin/env node\r\nlet x\r\n", "dir/x": "", "plain.js": "a\r\n"}
    bins = {
        "n/.bin/cli": "n/a/cli.js",
        "n/.bin/plain": "n/a/plain.js",
        "n/.bin/dir": "n/a/dir",
        "n/.bin/gone": "n/a/gone.js",
    }
    assert entries(tmp_path, archive(files), bins) == {
        "cli.js": ("755", "#!/usr/bin/env node\nlet x\r\n"),
        "dir/x": ("644", ""),
        "plain.js": ("755", "a\r\n"),
        "n/.bin/cli": ("l", "../a/cli.js"),
        "n/.bin/plain": ("l", "../a/plain.js"),
        "n/.bin/dir": ("l", "../a/dir"),
    }


_HEADER = tarfile.TarInfo("package/zero")
_HEADER.size = 300 << 20
BOMB = gzip.compress(_HEADER.tobuf())


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "a.tgz: the archive is empty"),
        (b"<html>", "a.tgz: "),
        (archive({"../../evil": "x"}), "a.tgz: the path 'package/../../evil' points outside the root"),
        (archive({"lib/.wh.x": "x"}), "a.tgz: lib/.wh.x: such a name marks removed files in layers"),
        (archive({"a": "x" * 5000})[:60], "a.tgz: "),
        (
            BOMB,
            "a.tgz: it unpacks to more than 268435456 bytes, as no package does",
        ),
    ],
    ids=[
        "empty",
        "text",
        "outside",
        "whiteout",
        "cut",
        "bomb",
    ],  # a time of compression would differ by worker
)
def test_a_hostile_archive_is_one_message(tmp_path: Path, data: bytes, said: str) -> None:
    with pytest.raises(LayerError) as error:
        entries(tmp_path, data)
    assert error.value.message.startswith(said)
