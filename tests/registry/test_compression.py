"""Images that are compressed another way for a registry: which blobs change, and what others read there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Sandbox
from tests.registry.servers import Registry, Wire
from tests.registry.test_lazy_bases import BIG, DEPENDENT, base
from tests.registry.test_push_and_pull import digest_of, ok, skopeo

__all__ = ["base"]

MIXED = """
image(name = "more", base = ":image", layers = [":top"])

files_layer(name = "top", files = {"/top": "f0"})

image_index(name = "index", image = ":more", platforms = ["linux/amd64", "linux/arm64"])
"""


def raw(text: str, *options: str) -> dict[str, Any]:
    """A manifest, or with ``--config`` a configuration, as skopeo reads it."""
    found: dict[str, Any] = json.loads(skopeo("inspect", "--tls-verify=false", "--raw", *options, text))
    return found


def forms(text: str) -> list[str]:
    """How the layers of an image in a registry are compressed, the lowest first."""
    return [one["mediaType"].rpartition("+")[2] for one in raw(text)["layers"]]


@pytest.fixture
def more(images: Sandbox) -> Sandbox:
    """A workspace with ``//app:more``, all of it zstd, and an index of it."""
    images.write("app/BUILD", (images.root / "app/BUILD").read_text() + MIXED)
    return images


def test_the_layers_change_and_nothing_else(more: Sandbox, registry: Registry) -> None:
    before, after = (f"docker://{registry.host}/app:{tag}" for tag in ("before", "after"))
    built = ok(more.run("push", "-q", "//app:more", before))
    said = ok(more.run("push", "-q", "--compression", "gzip", "//app:more", after))
    assert said == digest_of(after) != built
    assert (forms(before), forms(after)) == (["zstd"] * 4, ["gzip"] * 4)
    assert raw(before)["config"] == raw(after)["config"]
    assert ok(more.run("push", "-q", "--compression", "gzip", "//app:more", after)) == said
    assert registry.requests("PUT", "/manifests/after") == 1
    assert ok(more.run("push", "-q", "--compression", "zstd", "//app:more", after)) == built


def test_a_level_is_for_all_layers(more: Sandbox, registry: Registry) -> None:
    target = f"docker://{registry.host}/app:hard"
    ok(more.run("push", "-q", "//app:more", f"docker://{registry.host}/app:usual"))
    ok(more.run("push", "-q", "--compression=zstd", "--compression-level=19", "//app:more", target))
    usual, hard = raw(f"docker://{registry.host}/app:usual"), raw(target)
    assert forms(target) == ["zstd"] * 4
    assert not {one["digest"] for one in usual["layers"]} & {one["digest"] for one in hard["layers"]}


def test_what_skopeo_pulls_is_what_was_built(more: Sandbox, registry: Registry) -> None:
    target = f"docker://{registry.host}/app:v1"
    ok(more.run("push", "-q", "--compression", "gzip", "//app:more", target))
    skopeo("copy", "--insecure-policy", "-q", "--src-tls-verify=false", target, f"oci:{more.root}/back:v1")
    assert ok(more.run("diff", "//app:more", "oci:back:v1")) == ""


def test_only_layers_of_another_form_are_fetched_and_compressed_again(
    base: str, registry: Registry, wire: Wire, tmp_path: Path
) -> None:
    app = Sandbox(tmp_path / "app", tmp_path / "app-home")
    app.write("app/own", "own\n")
    app.write("app/BUILD", DEPENDENT.format(ref=f"{wire.host}/base:1", digest=base, compression="zstd"))
    layers = {}
    for tag, options in {"usual": [], "gzip": ["--compression=gzip"], "zstd": ["--compression=zstd"]}.items():
        assert wire.down < 100_000
        ok(app.run("push", "-q", "//app:image", f"docker://{wire.host}/app:{tag}", *options))
        layers[tag] = raw(f"docker://{registry.host}/app:{tag}")["layers"]
    assert forms(f"docker://{registry.host}/app:usual") == ["gzip", "gzip", "zstd"]
    assert forms(f"docker://{registry.host}/app:gzip") == ["gzip"] * 3
    assert forms(f"docker://{registry.host}/app:zstd") == ["zstd"] * 3
    assert layers["gzip"][:2] == layers["usual"][:2]
    assert layers["zstd"][2] == layers["usual"][2]
    assert wire.down > BIG


def test_an_index_and_an_image_of_the_store(more: Sandbox, registry: Registry) -> None:
    place = f"docker://{registry.host}/app"
    said = ok(more.run("push", "-q", "--compression", "gzip", "//app:index", f"{place}:index"))
    assert said == digest_of(f"{place}:index") != more.digest("//app:index")
    for one in raw(f"{place}:index")["manifests"]:
        assert forms(f"{place}@{one['digest']}") == ["gzip"] * 4
    ok(more.run("pull", f"{place}:index", "named"))
    said = ok(more.run("push", "-q", "--compression", "zstd", "named", f"{place}:named"))
    assert said == digest_of(f"{place}:named")
    assert forms(f"{place}:named") == ["zstd"] * 4


def test_a_target_says_how_it_is_compressed(more: Sandbox, registry: Registry) -> None:
    more.write(
        "app/BUILD",
        (more.root / "app/BUILD").read_text() + f'image_push(name = "push", image = ":more",'
        f' repository = "{registry.host}/said", tags = ["v"], compression = "gzip", compression_level = 9)\n',
    )
    target = f"docker://{registry.host}/said:v"
    first = ok(more.run("run", "-q", "//app:push"))
    assert forms(target) == ["gzip"] * 4
    assert ok(more.run("push", "-q", "//app:push")) == first
    assert ok(more.run("push", "-q", "//app:push", "--compression", "zstd")) == digest_of(target) != first
    assert forms(target) == ["zstd"] * 4


WRONG = {
    "a level alone": (["--compression-level", "3"], "is for a --compression"),
    "no such level": (["--compression", "gzip", "--compression-level", "13"], "there are 1 to 12"),
    "no such form": (["--compression", "lz4"], "not one of"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_asked(images: Sandbox, case: str) -> None:
    options, said = WRONG[case]
    done = images.run("push", "//app:image", "docker://127.0.0.1:1/x", *options)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_digest_that_it_cannot_have_is_refused_before_anything_is_sent(
    more: Sandbox, registry: Registry
) -> None:
    digest = more.digest("//app:more")
    target = f"docker://{registry.host}/app@{digest}"
    done = more.run("push", "-q", "--compression", "gzip", "//app:more", target)
    assert done.returncode == 2
    assert "name a tag instead of a digest" in done.stderr
    assert registry.blobs == set()


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ('compression = "xz"', "must be one of"),
        ('compression = "gzip", compression_level = 13', "there are 1 to 12"),
        ("compression_level = 3", "is for a compression"),
    ],
)
def test_what_a_target_cannot_say(images: Sandbox, attributes: str, said: str) -> None:
    images.write(
        "app/BUILD",
        (images.root / "app/BUILD").read_text()
        + f'image_push(name = "push", image = ":image", repository = "localhost:1/x", {attributes})\n',
    )
    done = images.run("push", "//app:push")
    assert done.returncode == 2
    assert said in done.stderr
    assert "app/BUILD:" in done.stderr
