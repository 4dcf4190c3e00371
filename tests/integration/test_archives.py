"""Archives come into layers as GNU tar unpacks them, and those that are cut are refused, by whatever way they come."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import subprocess
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import zstandard

from hermes.digest import Digest
from hermes.errors import HermesError
from hermes.layer import toc
from hermes.layer.entry import Entry
from hermes.store import Store
from tests.conftest import Sandbox
from tests.integration.shell import Shell
from tests.integration.yard import Yard


def tar_of(*members: tuple[str, dict[str, object]], content: bytes = b"some content\n") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, fields in members:
            info = tarfile.TarInfo(name)
            for field, value in fields.items():
                setattr(info, field, value)
            info.size = len(content) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def folder(mode: int = 0o755, **fields: object) -> dict[str, object]:
    return {"type": tarfile.DIRTYPE, "mode": mode, **fields}


def link(target: str) -> dict[str, object]:
    return {"type": tarfile.SYMTYPE, "linkname": target}


WHOLE = tar_of(("first", {}), ("second", {}), content=random.Random(3).randbytes(200_013))
CUTS: dict[str, Callable[[], bytes]] = {
    "a tar in its padding": lambda: WHOLE[: 512 + 200_192 + 512 + 200_013 + 20],
    "a gzip without its size": lambda: gzip.compress(WHOLE)[:-4],
    "a gzip without its checksum": lambda: gzip.compress(WHOLE)[:-8],
    "a zstd in its checksum": lambda: zstandard.ZstdCompressor(write_checksum=True).compress(WHOLE)[:-2],
    "a zstd without its last block": lambda: zstandard.ZstdCompressor().compress(WHOLE)[:-3],
    "an xz without its index": lambda: lzma.compress(WHOLE)[:-12],
    "a bzip2 without its checksum": lambda: bz2.compress(WHOLE)[:-2],
}


@pytest.mark.parametrize("cut", CUTS)
def test_a_tar_layer_of_an_archive_that_is_cut_is_refused(workspace: Sandbox, cut: str) -> None:
    workspace.write("p/a.tar", CUTS[cut]())
    workspace.write("p/BUILD", 'tar_layer(name = "layer", src = "a.tar")\n')
    done = workspace.run("build", "//p:layer")
    assert done.returncode == 1
    assert "a.tar: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not (workspace.root / "hermes-out/p/layer.tar.zst").exists()


@pytest.mark.parametrize("cut", CUTS)
def test_add_and_ctr_add_of_an_archive_that_is_cut_are_refused(yard: Yard, cut: str) -> None:
    (yard.root / "a.tar").write_bytes(CUTS[cut]())
    with pytest.raises(HermesError, match=r"a\.tar: "):
        yard.bud("FROM scratch\nADD a.tar /x/\n")
    ctr = Shell(yard.sandbox)
    name = ctr("from", "scratch")
    assert "a.tar: " in ctr("add", name, str(yard.root / "a.tar"), "/x", status=1)
    ctr("rm", name)


@pytest.mark.parametrize("transport", ["docker-archive", "oci-archive"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress, zstandard.ZstdCompressor().compress])
def test_an_image_in_an_archive_that_is_cut_is_refused(
    yard: Yard, tmp_path: Path, transport: str, pack: Callable[[bytes], bytes]
) -> None:
    assert yard.run("copy", "base", f"{transport}:{tmp_path}/image.tar").returncode == 0
    whole = pack((tmp_path / "image.tar").read_bytes().rstrip(b"\0"))
    (tmp_path / "cut.tar").write_bytes(whole[:-1])
    done = yard.run("pull", f"{transport}:{tmp_path}/cut.tar", "cut")
    assert done.returncode
    assert "cut.tar" in done.stderr
    assert "Traceback" not in done.stderr


def layer_of(workspace: Sandbox, tar: bytes, attributes: str = "") -> dict[str, Entry]:
    workspace.write("p/a.tar", tar)
    workspace.write("p/BUILD", f'tar_layer(name = "layer", src = "a.tar", {attributes})\n')
    diff_id = Digest.parse(workspace.digest("//p:layer"))
    with closing(Store.open(workspace.home)) as store:
        return {entry.path: entry for entry in toc.load(store, diff_id).entries}


def shape(entries: dict[str, Entry]) -> dict[str, str]:
    return {path: entry.link or entry.type for path, entry in entries.items()}


def test_what_is_below_a_link_of_the_archive_goes_where_the_link_leads(workspace: Sandbox) -> None:
    tar = tar_of(
        ("usr", folder()), ("usr/lib", folder()), ("lib", link("usr/lib")), ("lib/b", {}), ("lib/c/d", {})
    )
    assert shape(layer_of(workspace, tar)) == {
        "usr": "5",
        "usr/lib": "5",
        "lib": "usr/lib",
        "usr/lib/b": "0",
        "usr/lib/c/d": "0",
    }


def test_a_link_leads_nowhere_out_of_the_folder_that_is_unpacked_into(workspace: Sandbox) -> None:
    """As in a chroot of it, where BuildKit and buildah unpack."""
    tar = tar_of(
        ("up", link("..")),
        ("up/etc/one", {}),
        ("far", link("/")),
        ("far/etc/two", {}),
        ("deep", link("../../x")),
        ("deep/four", {}),
    )
    assert set(layer_of(workspace, tar, 'dest = "/srv"')) == {
        *("srv/up", "srv/far", "srv/deep", "srv/etc/one", "srv/etc/two", "srv/x/four"),
    }


def test_hard_links_lead_through_links_too(workspace: Sandbox) -> None:
    tar = tar_of(
        *(("usr/lib", folder()), ("lib", link("usr/lib")), ("lib/b", {})),
        ("lib/c", {"type": tarfile.LNKTYPE, "linkname": "lib/b"}),
    )
    assert shape(layer_of(workspace, tar)) == {
        "usr/lib": "5",
        "lib": "usr/lib",
        "usr/lib/b": "0",
        "usr/lib/c": "usr/lib/b",
    }


def test_a_circle_of_links_is_an_error(workspace: Sandbox) -> None:
    tar = tar_of(("a", link("b")), ("b", link("a")), ("a/x", {}))
    with pytest.raises(HermesError, match="too many symbolic links"):
        layer_of(workspace, tar)


def test_the_folder_itself_has_the_mode_and_owner_that_the_archive_says(workspace: Sandbox) -> None:
    tar = tar_of(("./", folder(0o1770, uid=5, gid=6)), ("./f", {}))
    for attributes, path in (("", ""), ('dest = "/"', ""), ('dest = "/srv/x"', "srv/x")):
        entry = layer_of(workspace, tar, attributes)[path]
        assert (entry.type, entry.mode, entry.uid, entry.gid) == ("5", 0o1770, 5, 6)


def test_an_image_of_such_a_layer_shows_them(based: Sandbox) -> None:
    based.write("p/a.tar", tar_of(("./", folder(0o751, uid=5, gid=6)), ("./f", {})))
    based.write(
        "p/BUILD",
        'tar_layer(name = "layer", src = "a.tar")\nimage(name = "image", layers = ["//base:root", ":layer"])\n',
    )
    done = based.run("run", "--entrypoint", "/bin/stat", "//p:image", "--", "-c", "%a %u:%g", "/")
    assert done.stdout == "751 5:6\n", done.stderr


@pytest.mark.parametrize("form", ["gnu", "posix"])
def test_sparse_members_are_whole_files_in_a_layer(workspace: Sandbox, tmp_path: Path, form: str) -> None:
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(3 << 20)
        os.pwrite(file.fileno(), b"data", 1 << 20)
    command = ["tar", "-S", f"--format={form}", "-C", str(tmp_path), "-cf", "-", "sparse"]
    tar = subprocess.run(command, capture_output=True, check=True).stdout
    entry = layer_of(workspace, tar)["sparse"]
    assert (entry.size, entry.digest) == (
        3 << 20,
        Digest.of((tmp_path / "sparse").read_bytes()).hex,
    )
