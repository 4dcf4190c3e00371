"""Debian packages, made here member by member, become layers."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import zstandard

from hermes.debian.deb import DPKG, STATUS_D, DebFile, unpacked
from hermes.errors import LayerError
from hermes.layer.canonical import canonical
from hermes.layer.content import Spool
from hermes.layer.entry import Entry
from hermes.layer.write import Item
from tests.properties import some


def tar(files: dict[str, str | bytes | None], compression: str) -> bytes:
    """Return a tar: None makes a folder, a string a symbolic link, bytes a file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=f"w:{compression}") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"./{name}")
            info.mode = 0o755 if content is None or name.startswith("bin/") else 0o644
            if content is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
            else:
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content if isinstance(content, bytes) else b""))
    return out.getvalue()


def ar(members: dict[str, bytes]) -> bytes:
    parts = [b"!<arch>\n"]
    for name, data in members.items():
        parts.append(f"{name:<16}{'0':<12}{'0':<6}{'0':<6}{'100644':<8}{len(data):<10}`\n".encode())
        parts.append(data + b"\n" * (len(data) % 2))
    return b"".join(parts)


class Repository:
    """Makes packages in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def package(
        self,
        name: str,
        files: dict[str, str | bytes | None],
        *,
        fields: str = "",
        control: dict[str, bytes] | None = None,
        compression: str = "xz",
    ) -> DebFile:
        text = f"Package: {name}\nVersion: 1.0\nArchitecture: amd64\n{fields}Description: a package\n of two lines\n"
        data = {
            "debian-binary": b"2.0\n",
            f"control.tar.{compression}": tar({"control": text.encode(), **(control or {})}, compression),
            f"data.tar.{compression}": tar(files, compression),
        }
        return self.file(f"{name}.deb", ar(data))

    def file(self, name: str, data: bytes) -> DebFile:
        (self._folder / name).write_bytes(data)
        return DebFile(name, str(self._folder / name))


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def layer(
    *packages: DebFile,
    database: str = STATUS_D,
    merged_usr: bool = True,
    certificates: list[DebFile] | None = None,
    only: tuple[str, ...] = (),
) -> dict[str, tuple[Entry, bytes]]:
    """Return what packages become: entries and contents by path."""
    with ExitStack() as stack:

        def spool() -> Spool:
            return stack.enter_context(closing(Spool(os.memfd_create("spool"))))

        items: list[Item] = unpacked(
            packages,
            database=database,
            merged_usr=merged_usr,
            mtime=0,
            spool=spool,
            certificates=certificates,
            only=only,
        )
        return {
            entry.path: (entry, b"".join(content.chunks()) if content else b"")
            for entry, content in canonical(items, name="test")
        }


@pytest.mark.parametrize("compression", ["xz", "gz"])
def test_files_and_a_status_that_scanners_read(repository: Repository, compression: str) -> None:
    found = layer(
        repository.package(
            "hello",
            {"usr/": None, "usr/share/": None, "usr/share/hello": b"hi"},
            control={"md5sums": b"abc  usr/share/hello\n"},
            compression=compression,
        )
    )
    assert found["usr/share/hello"][1] == b"hi"
    status = found["var/lib/dpkg/status.d/hello"][1].decode()
    assert status.startswith("Package: hello\nVersion: 1.0\nArchitecture: amd64\n")
    assert status.endswith("Description: a package\n of two lines\n")
    assert found["var/lib/dpkg/status.d/hello.md5sums"][1] == b"abc  usr/share/hello\n"


def test_what_is_in_bin_and_lib_moves_below_usr(repository: Repository) -> None:
    found = layer(
        repository.package(
            "pa", {"bin/": None, "bin/tool": b"#!", "lib64/": None, "lib64/ld.so": "../lib/x.so"}
        ),
    )
    assert found["usr/bin/tool"][1] == b"#!"
    assert found["usr/lib64/ld.so"][0].link == "../lib/x.so"
    links = {path: entry.link for path, (entry, _) in found.items() if "/" not in path and entry.link}
    assert links == {"bin": "usr/bin", "lib": "usr/lib", "lib64": "usr/lib64", "sbin": "usr/sbin"}


def test_without_merged_usr_everything_stays_where_it_is(repository: Repository) -> None:
    found = layer(repository.package("pa", {"bin/": None, "bin/tool": b"#!"}), merged_usr=False)
    assert found["bin/tool"][1] == b"#!"
    assert "usr" not in found


def test_dpkg_sees_packages_that_are_unpacked(repository: Repository) -> None:
    found = layer(
        repository.package(
            "libx",
            {"etc/": None, "etc/x.conf": b"x"},
            fields="Multi-Arch: same\n",
            control={"conffiles": b"/etc/x.conf\n", "postinst": b"#!/bin/sh\n"},
        ),
        database=DPKG,
    )
    status = found["var/lib/dpkg/status"][1].decode()
    assert "Status: install ok unpacked\n" in status
    assert "Conffiles:\n /etc/x.conf 9dd4e461268c8034f5c8564e155c67a6\n" in status
    assert found["var/lib/dpkg/info/libx:amd64.list"][1] == b"/.\n/etc\n/etc/x.conf\n"
    assert found["var/lib/dpkg/info/libx:amd64.postinst"][1] == b"#!/bin/sh\n"
    assert found["var/lib/dpkg/info/format"][1] == b"1\n"


def test_two_packages_with_one_file_are_refused(repository: Repository) -> None:
    one, other = (repository.package(name, {"etc/": None, "etc/x": name.encode()}) for name in ("pa", "pb"))
    with pytest.raises(LayerError, match=r"/etc/x is in two packages, pa.deb and pb.deb"):
        layer(one, other)


@pytest.mark.parametrize("order", [1, -1])
def test_a_package_may_replace_files_of_another(repository: Repository, order: int) -> None:
    packages = [
        repository.package("pa", {"etc/": None, "etc/x": b"of a"}),
        repository.package("pb", {"etc/": None, "etc/x": b"of b"}, fields="Replaces: pa (<< 2.0), c\n"),
    ]
    assert layer(*packages[::order])["etc/x"][1] == b"of b"


# What `dpkg --unpack` (1.21.22) does with these.
@pytest.mark.parametrize(
    ("relation", "replaced"),
    [
        *(("", True), ("(= 1.0)", True), ("(1.0)", True), ("(= 1.1)", False)),
        *(("(>= 1.0)", True), ("(>> 1.0)", False), ("(>> 0.9)", True), ("(> 1.0)", True)),
        *(("(<= 1.0)", True), ("(<< 1.0)", False), ("(< 1.0)", True), ("(< 2.0)", True), ("(< 0.9)", False)),
    ],
)
def test_only_the_versions_that_a_package_names_are_replaced(
    repository: Repository, relation: str, replaced: bool
) -> None:
    packages = [
        repository.package("pa", {"etc/": None, "etc/x": b"of a"}),
        repository.package("pb", {"etc/": None, "etc/x": b"of b"}, fields=f"Replaces: pa {relation}\n"),
    ]
    if replaced:
        assert layer(*packages)["etc/x"][1] == b"of b"
    else:
        with pytest.raises(LayerError, match="neither says that it replaces the other"):
            layer(*packages)


@pytest.mark.parametrize("relation", ["pa | pc", "pa (>> 1 0)"])
def test_a_malformed_replaces_is_an_error(repository: Repository, relation: str) -> None:
    packages = [
        repository.package("pa", {"etc/": None, "etc/x": b"of a"}),
        repository.package("pb", {"etc/": None, "etc/x": b"of b"}, fields=f"Replaces: {relation}\n"),
    ]
    with pytest.raises(LayerError, match=r"pb\.deb: its control file has a malformed Replaces"):
        layer(*packages)


def test_equal_files_of_two_packages_are_no_conflict(repository: Repository) -> None:
    packages = [repository.package(name, {"doc/": None, "doc/x": b"same"}) for name in ("pa", "pb")]
    assert layer(*packages)["doc/x"][1] == b"same"


GOOD_CONTROL = tar({"control": b"Package: pa\nVersion: 1\nArchitecture: all\n"}, "gz")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a Debian package"),
        (b"PK\x03\x04", "not a Debian package"),
        (ar({"debian-binary": b"2.0\n"}), "it has no control.tar"),
        (ar({"control.tar.gz": GOOD_CONTROL}), "it has no data.tar"),
        (ar({"control.tar.gz": GOOD_CONTROL})[:-30], "is damaged"),
        (
            ar({"control.tar.gz": tar({"control": b"Package: pa\n"}, "gz"), "data.tar": tar({}, "")}),
            "has no Version",
        ),
        (ar({"control.tar.gz": b"\x1f\x8bnope", "data.tar": b""}), "damaged"),
        (
            ar({"control.tar.gz": GOOD_CONTROL.replace(b"", b""), "data.tar": tar({"../x": b"evil"}, "")}),
            "points outside the root",
        ),
        (
            ar(
                {
                    "control.tar": tar({"control": b"Package: ../a\nVersion: 1\nArchitecture: all\n"}, ""),
                    "data.tar": b"",
                }
            ),
            "names no package",
        ),
    ],
)
def test_a_malformed_package_is_refused(repository: Repository, data: bytes, message: str) -> None:
    with pytest.raises(LayerError, match=message):
        layer(repository.file("bad.deb", data))


@pytest.mark.parametrize("compression", ["gzip", "xz", "none"])
def test_a_package_is_cut_as_dpkg_cuts_it(tmp_path: Path, compression: str) -> None:
    """Not zstd: on such a package that is cut dpkg-deb 1.21 never ends."""
    if not shutil.which("dpkg-deb"):
        pytest.skip("dpkg-deb is not installed")
    (tmp_path / "tree/DEBIAN").mkdir(parents=True, mode=0o755)
    (tmp_path / "tree/DEBIAN/control").write_text(
        "Package: hello\nVersion: 1\nArchitecture: amd64\nMaintainer: x <x@x>\nDescription: x\n"
    )
    (tmp_path / "tree/usr").mkdir()
    (tmp_path / "tree/usr/file").write_bytes(b"hello world" * 3)
    command = ["dpkg-deb", "--root-owner-group", f"-Z{compression}", "-b", "tree", "whole.deb"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    whole = (tmp_path / "whole.deb").read_bytes()
    for length in some(sorted({*range(0, len(whole), 31), *range(len(whole) - 12, len(whole) + 1)}), 16):
        (tmp_path / "cut.deb").write_bytes(whole[:length])
        done = [
            subprocess.run(["dpkg-deb", option, "cut.deb"], cwd=tmp_path, capture_output=True, check=False)
            for option in ("--fsys-tarfile", "-I")
        ]
        try:
            layer(DebFile("cut.deb", str(tmp_path / "cut.deb")))
            found = True
        except LayerError:
            found = False
        assert found is not any(one.returncode for one in done), length


@pytest.mark.parametrize(
    ("ending", "pack"),
    [
        ("", bytes),
        (".gz", gzip.compress),
        (".bz2", bz2.compress),
        (".xz", lzma.compress),
        (".lzma", lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE)),
        (".zst", zstandard.ZstdCompressor().compress),
    ],
)
def test_every_form_that_dpkg_reads_is_read(
    repository: Repository, ending: str, pack: Callable[[bytes], bytes]
) -> None:
    """As `dpkg-deb`: the name tells the form, not the content."""
    control = tar({"control": b"Package: old\nVersion: 1\nArchitecture: all\n"}, "gz")
    files = tar({"usr/": None, "usr/file": b"content"}, "")
    data = {"debian-binary": b"2.0\n", "control.tar.gz": control, f"data.tar{ending}": pack(files)}
    assert layer(repository.file("old.deb", ar(data)))["usr/file"][1] == b"content"
    if ending:
        data[f"data.tar{ending}"] = files
        with pytest.raises(LayerError, match=r"^old\.deb: data\.tar"):
            layer(repository.file("old.deb", ar(data)))


def test_a_form_that_dpkg_does_not_know_is_refused(repository: Repository) -> None:
    control = tar({"control": b"Package: old\nVersion: 1\nArchitecture: all\n"}, "gz")
    data = {"debian-binary": b"2.0\n", "control.tar.gz": control, "data.tar.lz4": b"x"}
    with pytest.raises(LayerError, match=r"old\.deb: data\.tar\.lz4 .*dpkg"):
        layer(repository.file("old.deb", ar(data)))


def unpacked_by_dpkg(folder: Path, *packages: DebFile) -> dict[str, str]:
    """What dpkg has below /usr/share when it unpacks packages one after the other: modes, links and contents."""
    root = folder / "root"
    for name in ("info", "updates"):
        (root / "var/lib/dpkg" / name).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    for one in packages:
        command = ["dpkg", f"--root={root}", "--force-not-root", "--force-architecture", "--unpack", one.path]
        done = subprocess.run(command, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
    share = root / "usr/share"
    return {str(path.relative_to(root)): shown(path) for path in share.rglob("*")}


def shown(path: Path) -> str:
    if path.is_symlink():
        return f"-> {path.readlink()}"
    return f"{path.stat().st_mode & 0o7777:o}" if path.is_dir() else path.read_text()


def described(found: dict[str, tuple[Entry, bytes]]) -> dict[str, str]:
    return {
        path: f"-> {entry.link}" if entry.link else data.decode() if entry.type == "0" else f"{entry.mode:o}"
        for path, (entry, data) in found.items()
        if path.startswith("usr/share/")
    }


FIELDS = "Maintainer: x <x@x>\n"
LINKING: dict[str, str | bytes | None] = {
    "usr/": None,
    "usr/share/": None,
    "usr/share/real/": None,
    "usr/share/real/a": b"a",
    "usr/share/lnk": "real",
}
BELOW: dict[str, str | bytes | None] = {
    "usr/": None,
    "usr/share/": None,
    "usr/share/lnk/": None,
    "usr/share/lnk/b": b"b",
    "usr/share/lnk/deep/": None,
    "usr/share/lnk/deep/c": b"c",
    "usr/share/lnk/e": "../lnk/b",
}


@pytest.mark.parametrize("link_first", [True, False])
@pytest.mark.parametrize("merged_usr", [True, False])
def test_a_link_of_one_package_and_a_folder_of_another_are_as_dpkg_has_them(
    repository: Repository, tmp_path: Path, link_first: bool, merged_usr: bool
) -> None:
    """The first one stays, and what is below goes where it leads."""
    if not shutil.which("dpkg"):
        pytest.skip("dpkg is not installed")
    if os.geteuid():
        pytest.skip("only root unpacks with dpkg")
    packages = [
        repository.package("linking", LINKING, fields=FIELDS),
        repository.package("below", BELOW, fields=FIELDS),
    ]
    if not link_first:
        packages.reverse()
    found = described(layer(*packages, merged_usr=merged_usr))
    assert found == unpacked_by_dpkg(tmp_path, *packages)
    assert ("usr/share/real/deep/c" in found) is link_first


def test_a_link_from_the_root_on_leads_there(repository: Repository) -> None:
    linking = repository.package(
        "linking", {"opt/": None, "opt/x": "/usr/lib/x", "usr/": None, "usr/lib/": None, "usr/lib/x/": None}
    )
    below = repository.package("second", {"opt/": None, "opt/x/": None, "opt/x/f": b"f", "opt/x/sub/": None})
    found = layer(linking, below)
    assert found["usr/lib/x/f"][1] == b"f"
    assert "usr/lib/x/sub" in found
    assert found["opt/x"][0].link == "/usr/lib/x"
