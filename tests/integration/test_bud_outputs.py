"""`hermes bud -o`: the files of an image, images in archives, and what is said of them."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from hermes.api.dockerfiles import Dockerfiles
from hermes.build.dockerfile.built import BuiltDockerfile
from hermes.build.dockerfile.options import DockerfileOptions
from hermes.errors import BuildError, HermesError, UsageError
from tests.conftest import run_hermes

FILE = """\
FROM scratch AS below
COPY f /srv/f
COPY d /srv/d
COPY f /srv/gone
FROM below
COPY --chown=33:34 --chmod=4750 f /srv/program
COPY other /srv/f
COPY many /srv/gone
"""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    (folder / "d/e").mkdir(parents=True)
    (folder / "Dockerfile").write_text(FILE)
    (folder / "f").write_text("old")
    (folder / "other").write_text("new")
    (folder / "many").write_bytes(b"x" * 300_000)
    (folder / "d/e/empty").write_bytes(b"")
    (folder / "d/e/link").symlink_to("/srv/f")
    os.link(folder / "many", folder / "d/e/many")
    return folder


def build(home: Path, context: Path, *outputs: str, **options: object) -> BuiltDockerfile:
    chosen = DockerfileOptions(context=str(context), destinations=outputs, **options)
    return Dockerfiles(home=home).build(chosen)


def listing(root: Path) -> dict[str, tuple[int, str]]:
    found = {}
    for at, folders, names in os.walk(root):
        for name in (*folders, *names):
            path = Path(at, name)
            status = path.lstat()
            content = os.readlink(path) if path.is_symlink() else path.read_text() if path.is_file() else ""
            found[str(path.relative_to(root))] = status.st_mode, content
    return found


def test_a_folder_gets_the_files_and_an_archive_the_same(context: Path, home: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(home, context, str(out), f"type=tar,dest={tmp_path}/out.tar")
    found = listing(out)
    assert set(found) == {
        *("srv", "srv/f", "srv/d", "srv/d/e", "srv/d/e/empty", "srv/d/e/link", "srv/d/e/many"),
        *("srv/program", "srv/gone"),
    }
    assert found["srv/f"][1] == "new"
    assert found["srv/d/e/link"][1] == "/srv/f"
    assert stat.S_IMODE(found["srv/program"][0]) == 0o4750
    assert {(one.lstat().st_uid, one.lstat().st_mtime) for one in out.rglob("*")} == {(os.geteuid(), 0)}
    with tarfile.open(tmp_path / "out.tar") as archive:
        members = {one.name: one for one in archive}
        assert (members["srv/program"].uid, members["srv/program"].gid) == (33, 34)
    (tmp_path / "unpacked").mkdir()
    subprocess.run(["tar", "xpf", "out.tar", "-C", "unpacked"], cwd=tmp_path, check=True)
    assert listing(tmp_path / "unpacked") == found


def test_a_folder_that_is_there_keeps_what_the_image_does_not_have(
    context: Path, home: Path, tmp_path: Path
) -> None:
    out, outside = tmp_path / "out", tmp_path / "outside"
    (out / "srv").mkdir(parents=True)
    (out / "srv/own").write_text("own")
    (out / "srv/f").write_text("mine")
    outside.mkdir()
    (out / "srv/d").symlink_to(outside)
    build(home, context, f"type=local,dest={out}")
    assert (out / "srv/own").read_text() == "own"
    assert (out / "srv/f").read_text() == "new"
    assert not list(outside.iterdir())
    assert not [one for one in os.listdir(out) if one != "srv"]
    shutil.rmtree(out)
    (out / "srv/f/x").mkdir(parents=True)
    with pytest.raises(BuildError, match="srv/f is a folder, and the image has a file there"):
        build(home, context, f"type=local,dest={out}")
    assert listing(out).keys() == {"srv", "srv/f", "srv/f/x"}


def test_each_platform_has_a_folder(context: Path, home: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(home, context, str(out), f"type=tar,dest={tmp_path}/x.tar", platform="linux/amd64,linux/arm/v7")
    assert sorted(os.listdir(out)) == ["linux_amd64", "linux_arm_v7"]
    assert (out / "linux_arm_v7/srv/f").read_text() == "new"
    with tarfile.open(tmp_path / "x.tar") as archive:
        assert "linux_arm_v7/srv/f" in archive.getnames()
    build(home, context, f"type=local,dest={tmp_path}/one,platform-split=true")
    assert len(os.listdir(tmp_path / "one")) == 1


def test_an_archive_is_in_the_form_that_is_asked_for(context: Path, home: Path, tmp_path: Path) -> None:
    output = f"type=oci,dest={tmp_path}/a.tar,name=r.example/app:3,compression=gzip,annotation.a=b"
    built = build(home, context, output)
    with tarfile.open(tmp_path / "a.tar") as archive:
        (row,) = json.loads(archive.extractfile("index.json").read())["manifests"]
        manifest = json.loads(archive.extractfile(f"blobs/sha256/{row['digest'][7:]}").read())
    assert row["digest"] == built.digest
    assert row["annotations"]["org.opencontainers.image.ref.name"] == "3"
    assert {one["mediaType"] for one in manifest["layers"]} == {"application/vnd.oci.image.layer.v1.tar+gzip"}
    assert manifest["annotations"] == {"a": "b"}
    if skopeo := shutil.which("skopeo"):
        copied = f"dir:{tmp_path}/copied"
        subprocess.run([skopeo, "copy", "-q", f"oci-archive:{tmp_path}/a.tar:3", copied], check=True)
    docker = build(home, context, "type=image,name=x,oci-mediatypes=false")
    assert docker.manifest.media_type == "application/vnd.docker.distribution.manifest.v2+json"


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (("type=tar", "type=oci"), "two outputs are standard output"),
        (("type=oci,dest=a,compression=gzip", "type=oci,dest=b,compression=zstd"), "different ways"),
        (("type=registry",), "the image has no name"),
        (("type=image,oci-mediatypes=false,compression=zstd",), "no layers compressed with zstd"),
        (("Dockerfile",), "is not a folder"),
    ],
)
def test_what_cannot_be_written_is_told_before_anything_is_built(
    outputs: tuple[str, ...], message: str, context: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(context)
    before = sorted(os.listdir(context))
    with pytest.raises(HermesError, match=message):
        build(home, context, *outputs)
    assert sorted(os.listdir(context)) == before
    assert not list((home / "results").glob("*.db")) or not os.listdir(home / "toc")


def test_metadata_is_what_buildx_says(context: Path, home: Path, tmp_path: Path) -> None:
    done = run_hermes(
        *(
            "bud",
            "-q",
            "--load",
            "-t",
            "app:1",
            "--metadata-file",
            "m.json",
            "--iidfile",
            "iid",
            str(context),
        ),
        cwd=tmp_path,
        home=home,
        env={"DOCKER_HOST": ""},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "m.json").read_text())
    assert found["containerimage.digest"] == done.stdout.strip() == (tmp_path / "iid").read_text()
    manifest = json.loads((home / "blobs/sha256" / found["containerimage.digest"][7:]).read_text())
    assert found["containerimage.config.digest"] == manifest["config"]["digest"]
    assert found["image.name"] == "docker.io/library/app:1"
    (tmp_path / "docker-bake.json").write_text(
        json.dumps({"target": {"default": {"context": str(context), "tags": ["app:2"], "output": ["out"]}}})
    )
    done = run_hermes(
        *("bud", "-q", "--bake", "docker-bake.json", "--metadata-file", "m.json"),
        cwd=tmp_path,
        home=home,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "m.json").read_text())["default"]["image.name"] == "docker.io/library/app:2"
    assert (tmp_path / "out/srv/f").read_text() == "new"


def test_options_that_do_not_go_together_are_told(context: Path, home: Path) -> None:
    with pytest.raises(UsageError, match="Dockerfile is not a folder"):
        build(home, context, str(context / "Dockerfile"))
