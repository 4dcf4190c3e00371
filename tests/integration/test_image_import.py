"""Images come from archives, layouts and trees of files that a workspace has."""

from __future__ import annotations

import io
import shutil
import tarfile

import pytest

from hermes.errors import BuildFailed, BuildFileError
from tests.conftest import Sandbox

BUILD = """\
files_layer(name = "layer", files = {"/etc/issue": "text"}, dirs = ["/opt"])
image(name = "original", layers = [":layer"], env = {"A": "1"}, entrypoint = ["/start"])

image_import(name = "layout", src = glob(["base/**"]))
image_import(name = "oci", src = "oci.tar", image = "1.0")
image_import(name = "docker", src = "docker.tar")
image_import(name = "root", src = "root.tar.gz")
image_import(name = "none", src = "oci.tar", image = "2.0")
image_import(name = "noimage", src = "text")
image_import(name = "two", src = ["text", "oci.tar"])

image(name = "on_layout", base = ":layout", layers = [":more"])
image(name = "on_root", base = ":root", layers = [":more"])
files_layer(name = "more", files = {"/opt/more": "text"})
"""


def test_an_image_of_files_is_a_base_as_any_other(workspace: Sandbox) -> None:
    workspace.write("p/text", "hello")
    workspace.write("p/BUILD", BUILD)
    workspace.write("p/oci.tar", "")
    workspace.write("p/base/x", "")
    digest = workspace.digest("//p:original")
    for where in ("oci-archive:p/oci.tar:1.0", "docker-archive:p/docker.tar:a/b:1"):
        (workspace.root / where.split(":")[1]).unlink(missing_ok=True)
        done = workspace.run("build", "-q", "//p:original", "-o", where)
        assert done.returncode == 0, done.stderr
    shutil.rmtree(workspace.root / "p/base")
    shutil.copytree(workspace.root / "hermes-out/p/original", workspace.root / "p/base")
    with tarfile.open(workspace.root / "p/root.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("./etc/issue")
        info.size, info.mtime = 5, 77
        archive.addfile(info, io.BytesIO(b"hello"))
    assert workspace.digest("//p:layout") == digest
    assert workspace.digest("//p:oci") == digest
    for name in ("on_layout", "docker", "on_root"):
        built = workspace.run("inspect", "--files", f"//p:{name}")
        assert "/etc/issue" in built.stdout, built.stderr
        settings = workspace.run("inspect", f"//p:{name}").stdout
        assert ('["/start"]' in settings) == (name != "on_root")
        assert ("/opt/more" in built.stdout) == name.startswith("on_")
    assert workspace.build("//p:on_layout").executed == ()

    for name, said in (("none", "there is no image with the tag '2.0'"), ("noimage", "text")):
        with pytest.raises(BuildFailed) as caught:
            workspace.build(f"//p:{name}")
        rendered = caught.value.render()
        assert said in rendered
        assert "//p:" in rendered
    with pytest.raises(BuildFileError, match="2 files are not an OCI layout"):
        workspace.build("//p:two")
