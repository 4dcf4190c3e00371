"""Images by name, indexes of platforms, and the commands that show and compare them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from hermes.digest import Digest
from hermes.errors import BuildFailed
from hermes.image.manifest import Index
from hermes.store import Store
from tests.conftest import Sandbox
from tests.integration.yard import Yard
from tests.unit.transports.images import Made, small, tar_of

BUILD = """
config_setting(name = "arm", platform = "linux/arm64")
files_layer(
    name = "layer",
    files = select({":arm": {"/f": "arm.txt"}, "//conditions:default": {"/f": "other.txt"}}),
    symlinks = {"/link": "f"},
)
files_layer(name = "more", files = {"/more": "other.txt"}, mode = "0600", owner = "7:8")
image(name = "one", layers = [":layer"], env = {"A": "1", "B": "2"}, labels = {"l": "1"})
image(name = "two", layers = [":layer", ":more"], env = {"A": "1", "B": "3"}, user = "7")
image(name = "hard", layers = [":layer"], env = {"A": "1", "B": "2"}, labels = {"l": "1"}, compression_level = 19)
image(name = "v7", layers = [":layer"], platform = "linux/arm/v7", visibility = ["//visibility:public"])
image_index(name = "index", image = ":one", platforms = ["linux/amd64", "linux/arm64"])
image_index(name = "every", images = [":index", ":v7"], annotations = {"a": "b"})
"""


@pytest.fixture
def images(workspace: Sandbox) -> Sandbox:
    workspace.write("BUILD", BUILD)
    workspace.write("arm.txt", "arm\n")
    workspace.write("other.txt", "other\n")
    return workspace


def ok(sandbox: Sandbox, *arguments: str, status: int = 0) -> str:
    done = sandbox.run(*arguments)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout.strip()


def test_names_come_and_go(images: Sandbox) -> None:
    digest = images.digest(":one")
    ok(images, "copy", "-q", ":one", "oci:layout:v1")
    assert ok(images, "pull", "oci:layout:v1", "app:v1") == f"app:v1  {digest}"
    ok(images, "tag", "app:v1", "app", "example.org/shop/app:v1")
    (found, *_) = json.loads(ok(images, "images", "--json"))
    assert (found["name"], found["digest"], found["platforms"]) == ("app:latest", digest, ["linux/amd64"])
    assert found["size"] > 100
    assert ok(images, "images", "-q").split() == ["app:latest", "app:v1", "example.org/shop/app:v1"]
    assert ok(images, "rmi", "app") == "app:latest"
    assert "has 2 names" in images.run("rmi", digest[7:17]).stderr
    assert ok(images, "rmi", "--force", digest[7:17]).split() == ["app:v1", "example.org/shop/app:v1"]
    assert json.loads(ok(images, "images", "--json")) == []
    assert "did you mean" not in images.run("rmi", "app:v1").stderr


def test_a_named_image_survives_gc_and_what_lost_its_name_does_not(images: Sandbox, tmp_path: Path) -> None:
    kept, lost = small(), Made([tar_of({"z": b"lost"})])
    ok(images, "pull", kept.layout(tmp_path / "kept"), "kept")
    ok(images, "pull", lost.layout(tmp_path / "lost"), "lost")
    ok(images, "rmi", "lost")
    ok(images, "cache", "gc", "--max-size", "0")
    ok(images, "copy", "kept", "oci:out:v1")
    store = Store.open(images.home)
    assert all(store.blobs.has(Digest.from_hex(one)) for one in kept.blobs)
    assert not any(store.blobs.has(Digest.from_hex(one)) for one in lost.blobs)


def test_a_container_keeps_the_blobs_of_its_base(images: Sandbox, tmp_path: Path) -> None:
    base = small("+gzip")
    name = ok(images, "ctr", "from", base.layout(tmp_path / "base"))
    ok(images, "cache", "gc", "--max-size", "0")
    digest = ok(images, "ctr", "commit", name)
    store = Store.open(images.home)
    manifest = json.loads(store.blobs.read(Digest.parse(digest)))
    assert manifest["layers"] == base.manifest["layers"]


def test_an_index_has_an_image_for_each_platform(images: Sandbox) -> None:
    result = images.build(":every")
    (index,) = (one for one in result.targets["//:every"] if one.kind == "index")
    store = Store.open(images.home)
    parsed = Index.parse(store.blobs.read(Digest.parse(index.digest)))
    assert [str(one.platform) for one in parsed.manifests] == ["linux/amd64", "linux/arm64", "linux/arm/v7"]
    assert parsed.annotations == (("a", "b"),)
    blobs = os.listdir(f"{index.path}/blobs/sha256")
    assert len(blobs) == 1 + 3 + 3 + 2
    before = index.digest
    assert images.build(":every").executed == ()
    images.write("arm.txt", "changed\n")
    again = images.build(":every")
    assert again.targets["//:every"][0].digest != before
    assert "//:v7" not in again.executed


def test_one_image_for_a_platform_is_that_of_a_build_for_it(images: Sandbox) -> None:
    images.build(":index")
    store = Store.open(images.home)
    index = Index.parse(store.blobs.read(Digest.parse(images.digest(":index"))))
    digests = {str(one.platform): str(one.digest) for one in index.manifests}
    assert digests["linux/arm64"] == images.digest(":one", platform="linux/arm64")
    assert digests["linux/amd64"] == images.digest(":one", platform="linux/amd64")
    assert images.digest(":index", platform="linux/arm64") == images.digest(":index", platform="linux/amd64")


def test_a_base_for_another_platform_is_refused(images: Sandbox) -> None:
    images.write(
        "on/BUILD",
        'image(name = "on", base = "//:v7")\n'
        'image(name = "v7", base = "//:v7", platform = "linux/arm/v7")\n'
        'image(name = "v8", base = "//:v7", platform = "linux/arm/v8")\n'
        'dockerfile_image(name = "file", dockerfile = "Dockerfile", contexts = {"base": "//:v7"})\n',
    )
    images.write("on/Dockerfile", "FROM base\n")
    for target in ("//on:on", "//on:file"):
        with pytest.raises(BuildFailed) as caught:
            images.build(target)
        assert "base is for linux/arm/v7, and the image for linux/amd64" in caught.value.render()
    for target, platform in (("//on:v7", ""), ("//on:v8", ""), ("//on:file", "linux/arm/v8")):
        assert images.digest(target, platform=platform)


def test_an_image_of_the_store_is_taken_for_a_platform_only_if_it_is_for_it(images: Sandbox) -> None:
    ok(images, "copy", "//:v7", "oci:v7")
    ok(images, "pull", "--platform", "linux/arm/v7", "oci:v7", "app:v7")
    ok(images, "copy", "app:v7", "oci:again")
    ok(images, "copy", "--platform", "linux/arm/v8", "app:v7", "oci:again")
    for command in (
        ["copy", "--platform", "linux/amd64", "app:v7", "oci:x"],
        ["ctr", "from", "--platform", "linux/amd64", "app:v7"],
        ["inspect", "--platform", "linux/amd64", "app:v7"],
    ):
        said = images.run(*command)
        assert said.returncode == 2
        assert (
            "app:v7: there is no image for linux/amd64\nhint: there is linux/arm/v7; say --platform"
            in said.stderr
        )
    assert not (images.root / "x").exists()


def test_inspect_says_what_there_is(images: Sandbox) -> None:
    said = ok(images, "inspect", ":two")
    for part in ("linux/amd64", "env", "B=3", "user", "7", "LAYER", "zstd"):
        assert part in said
    document = json.loads(ok(images, "inspect", "--json", "--files", ":two"))
    assert document["digest"] == images.digest(":two")
    assert document["config"]["Env"] == ["A=1", "B=3"]
    assert [one["path"] for one in document["files"][1]] == ["/more"]
    raw = images.run("inspect", "--raw", ":two").stdout
    assert Digest.of(raw.encode()) == document["digest"]
    assert json.loads(ok(images, "inspect", "--config", ":two"))["os"] == "linux"
    assert re.search(r"-rw------- +7:8 +6 +/more", ok(images, "inspect", "--files", ":two"))
    assert "/link -> f" in ok(images, "inspect", "--files", ":layer")
    assert "linux/arm/v7" in ok(images, "inspect", ":every")


def test_inspect_of_an_image_elsewhere_takes_nothing_in(images: Sandbox, tmp_path: Path) -> None:
    made = small()
    assert made.digest in ok(images, "inspect", made.layout(tmp_path / "image"))
    assert os.listdir(images.home / "blobs/sha256") == []


def test_what_drives_a_terminal_is_not_printed(images: Sandbox, tmp_path: Path) -> None:
    made = small(config={"config": {"Env": ["A=\x1b[31mred"], "Labels": {"x": "a\nb"}}})
    said = ok(images, "inspect", made.layout(tmp_path / "image"))
    assert "\x1b" not in said
    assert "A=\\x1b[31mred" in said
    assert "x=a\\x0ab" in said


def test_diff_names_each_difference(images: Sandbox) -> None:
    images.build(":one", ":two")
    assert ok(images, "diff", ":one", ":one") == ""
    said = ok(images, "diff", ":one", ":two", status=1).splitlines()
    assert said == [
        "A /more",
        "C config Env B  value 2 -> 3",
        "D config Labels l",
        "A config User",
    ]
    found = json.loads(ok(images, "diff", "--json", ":two", ":one", status=1))
    assert found[0] == {"fields": {}, "kind": "D", "name": "/more", "where": "file"}
    said = ok(images, "diff", ":layer", ":more", status=1).splitlines()
    assert said == ["D /f", "D /link", "A /more"]
    assert ok(images, "diff", ":one", ":hard") == ""
    assert images.digest(":one") != images.digest(":hard")


@pytest.mark.parametrize("source", [":one", ":every"])
def test_a_copy_can_be_compressed_another_way(images: Sandbox, source: str) -> None:
    def layers(image: str) -> list[dict[str, str]]:
        return json.loads(ok(images, "inspect", "--json", "--platform", "amd64", image))["layers"]

    first = ok(images, "copy", "--compression", "gzip", source, "oci:gzip:v1")
    assert ok(images, "copy", "--compression", "gzip", "--all-platforms", "oci:gzip:v1", "dir:again") == first
    assert ok(images, "diff", source, "oci:gzip:v1") == ""
    assert [one["diff_id"] for one in layers("oci:gzip:v1")] == [one["diff_id"] for one in layers(source)]
    assert {one["media_type"].rpartition("+")[2] for one in layers("oci:gzip:v1")} == {"gzip"}


def test_a_copy_compressed_as_a_build_would_is_the_same(images: Sandbox) -> None:
    hard = ok(images, "copy", "--compression", "zstd", "--compression-level", "19", ":one", "oci:hard:v1")
    assert hard == images.digest(":hard")
    assert "is for a --compression" in images.run("copy", "--compression-level", "3", ":one", "oci:x").stderr


def test_diff_sees_through_whiteouts_and_links(images: Sandbox, tmp_path: Path) -> None:
    lower = tar_of({"gone": b"x", "kept": b"same", "changed": b"old"})
    one = Made([lower, tar_of({".wh.gone": b"", "changed": b"new"})])
    two = Made([tar_of({"kept": b"same", "changed": b"new"})], "+zstd")
    first, second = one.layout(tmp_path / "one"), two.layout(tmp_path / "two")
    assert ok(images, "diff", first, second) == ""
    assert ok(images, "diff", Made([lower]).layout(tmp_path / "three"), second, status=1).splitlines()[
        1:
    ] == ["D /gone"]


def test_diff_knows_what_folders_are_that_no_layer_describes(images: Sandbox, tmp_path: Path) -> None:
    implied = Made([tar_of({"a/b/x": b"x"})]).layout(tmp_path / "implied")
    images.write("x", "x")
    rule = 'files_layer(name = "l", files = {{"/a/b/x": "x"}}, dir_modes = {{"/a": "0755", "/a/b": "{}"}})\n'
    for mode, said in (("0755", []), ("0700", ["C /a/b"])):
        images.write("described/BUILD", rule.format(mode) + 'image(name = "i", layers = [":l"])\n')
        images.write("described/x", "x")
        found = images.run("diff", implied, "//described:i")
        files = [line for line in found.stdout.splitlines() if " config " not in line]
        assert [line[:6] for line in files if line[:1] != " "] == said


DIGESTS = {
    "whole": lambda digest: digest,
    "without the algorithm": lambda digest: digest[7:],
    "twelve digits": lambda digest: digest[7:19],
}


@pytest.mark.parametrize("written", DIGESTS)
def test_a_digest_that_was_printed_is_an_image_everywhere(yard: Yard, written: str) -> None:
    """Of an image without a name, as `hermes bud` and `hermes build` leave it, and where there is no workspace."""
    yard.write("Dockerfile", 'FROM base\nENV A=1\nENTRYPOINT ["/bin/echo"]\n')
    done = yard.run("bud", "-q", ".")
    printed = done.stdout.split()[-1]
    Digest.parse(printed)
    text = DIGESTS[written](printed)

    def run(*arguments: str) -> str:
        done = yard.run(*arguments)
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    assert run("run", text, "hello") == "hello\n"
    assert json.loads(run("inspect", "--json", text))["digest"] == printed
    run("copy", "-q", text, "oci:layout:v1")
    assert run("pull", "oci:layout:v1", "copied") == f"copied:latest  {printed}\n"
    run("rmi", "copied")
    container = run("ctr", "from", text).strip()
    run("ctr", "rm", container)
    assert "D config Env A" in yard.run("diff", text, "base").stdout
    yard.write("Dockerfile", f"FROM {text}\nENV B=2\n")
    run("bud", "-q", "-t", "above", ".")
    assert json.loads(run("inspect", "--json", "above"))["config"]["Env"][-2:] == ["A=1", "B=2"]
    assert "has no name" in yard.run("rmi", text).stderr
    run("tag", text, "named")
    assert run("rmi", text) == "named:latest\n"


def test_one_name_is_meant_by_every_form_of_it(yard: Yard) -> None:
    digest = yard.bud("FROM base\nENV A=1\n", tags=["docker.io/library/some"]).digest
    assert "some:latest" in yard.run("images", "-q").stdout.split()
    for text in ("some", "docker.io/some:latest", "library/some"):
        assert json.loads(yard.run("inspect", "--json", text).stdout)["digest"] == digest, text
        built = yard.bud(f"FROM {text}\nENV B=1\n")
        assert yard.config(built)["config"]["Env"][-2:] == ["A=1", "B=1"]
    other = yard.bud("FROM base\nENV A=2\n").digest
    for key in ("some", "docker.io/library/some:latest"):
        for text in ("some:latest", "library/some"):
            built = yard.bud(f"FROM {text}\n", contexts={key: f"docker-image://{other}"})
            assert yard.config(built)["config"]["Env"][-1] == "A=2", (key, text)
    assert yard.run("rmi", "index.docker.io/library/some").stdout == "some:latest\n"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["run", "bsae"], "there is no image bsae:latest in the store(.|\n)*did you mean base:latest"),
        (["run", "sha256:" + "0" * 64], "there is no image with the digest sha256:0000"),
        (["push", "bsae", "docker://localhost:1/x"], "there is no image bsae(.|\n)*did you mean base:latest"),
        (["inspect", "bsae"], "there is no image bsae(.|\n)*did you mean base:latest"),
        (["tag", "0123456789ab", "x"], "there is no image 0123456789ab"),
        (["ctr", "from", "bsae"], "there is no image bsae(.|\n)*did you mean base:latest"),
        (["rmi", "bsae"], "there is no image bsae(.|\n)*did you mean base:latest"),
        (
            ["bud", "--pull=never", "."],
            "Dockerfile:1: there is no image bsae(.|\n)*did you mean base:latest",
        ),
    ],
)
def test_a_name_that_is_near_is_told_where_there_is_no_workspace(
    yard: Yard, arguments: list[str], problem: str
) -> None:
    yard.write("Dockerfile", "FROM bsae\n")
    done = yard.run(*arguments)
    assert done.returncode == 2 or arguments[0] == "bud"
    assert re.search(problem, done.stderr), done.stderr
    assert "Traceback" not in done.stderr


WRONG = {
    "an unknown name": (["inspect", "nothing"], "there is no image nothing"),
    "no name of a registry": (["pull", "Deb ian"], "invalid image name"),
    "no name": (["pull", "oci:layout"], "the image has no name there"),
    "a wrong name": (["pull", "oci:layout", "App"], "names are lower case"),
    "a transport without a place": (["pull", "oci:"], "names no image"),
    "no layout": (["pull", "oci:nothing", "x"], "is not an OCI layout"),
    "no archive": (["pull", "oci-archive:nothing", "x"], "there is no file"),
    "a folder as an archive": (["pull", "docker-archive:layout", "x"], "cannot be read"),
    "no dir": (["pull", "dir:layout", "x"], "is not an image in the form dir:"),
    "no tag where there are several": (["pull", "oci:tagless", "x"], "none of them has a tag"),
    "an unknown tag": (["pull", "oci:layout:v9", "x"], "no image with the tag 'v9'"),
    "a wrong platform": (
        ["pull", "--platform", "linux/s390x", "oci:index", "x"],
        "there are linux/amd64, linux/arm64",
    ),
    "a copy to a name": (["copy", "oci:layout", "x"], "use `hermes pull oci:layout x`"),
    "a copy to an unknown transport": (["copy", "oci:layout", "ocy:x"], "did you mean oci:x"),
    "a copy to nowhere": (["copy", "oci:layout", "docker-daemon:"], "names no place"),
    "two platforms": (
        ["copy", "--platform", "arm64", "--all-platforms", "oci:index", "oci:x"],
        "say one of them",
    ),
    "an unknown digest": (["inspect", "sha256:0123456789"], "there is no image with the digest"),
    "no names": (["rmi"], "name images, or say --all"),
    "two outputs": (["inspect", "--raw", "--config", "oci:layout"], "say one of them"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_command(images: Sandbox, case: str) -> None:
    arguments, pattern = WRONG[case]
    small().layout(images.root / "layout")
    ok(images, "copy", "-q", ":index", "oci:index")
    small().layout(
        images.root / "tagless", [{**one, "annotations": {}} for one in (small().row, small("").row)]
    )
    done = images.run(*arguments)
    assert done.returncode in (1, 2)
    assert re.search(pattern, done.stderr), done.stderr
    assert done.stderr.count("error: ") == 1
    assert "Traceback" not in done.stderr
    assert ok(images, "images", "-q") == ""


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        (
            'image_index(name = "x", images = [":one", ":two"])',
            "two images are for linux/amd64: //:one and //:two",
        ),
        ('image_index(name = "x")', "an index needs an image"),
        ('image_index(name = "x", image = ":one")', "needs the platforms"),
        ('image_index(name = "x", platforms = ["linux/arm64"])', "an image, which is not given"),
        (
            'image_index(name = "x", image = ":one", platforms = ["arm64", "linux/arm64"])',
            "names linux/arm64 twice",
        ),
        ('image_index(name = "x", image = ":one", platforms = ["linux/amd46"])', "did you mean amd64"),
        ('image_index(name = "x", images = [":layer"])', "takes images or indexes"),
        (
            'image_index(name = "x", image = ":v7", platforms = ["arm64", "amd64"])',
            "two images are for linux/arm/v7",
        ),
        ('image(name = "x", compression_level = 23)', "there are 1 to 22"),
        ('image(name = "x", compression = "gzip", compression_level = 0)', "there are 1 to 12"),
        ('image(name = "x", base = ":index")', "takes layers or images"),
    ],
)
def test_a_wrong_target(images: Sandbox, text: str, pattern: str) -> None:
    images.write("BUILD", f"{BUILD}\n{text}\n")
    done = images.run("build", ":x")
    assert done.returncode == 2
    assert pattern in done.stderr
    assert "BUILD:" in done.stderr
    assert "Traceback" not in done.stderr


def test_names_and_transports_are_completed(images: Sandbox) -> None:
    ok(images, "copy", "-q", ":one", "oci:layout:v1")
    ok(images, "pull", "oci:layout:v1", "app:v1")

    def completed(words: str, number: int) -> list[str]:
        env = {"_HERMES_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(number)}
        lines = images.run(env=env).stdout.split()
        return [one.partition(",")[2] for one in lines]

    assert completed("hermes rmi a", 2) == ["app:v1"]
    assert completed("hermes copy docker", 2) == ["docker:", "docker-archive:", "docker-daemon:"]
    assert "app:v1" in completed("hermes inspect app", 2)


def test_a_killed_pull_leaves_no_image(images: Sandbox, tmp_path: Path) -> None:
    big = Made([tar_of({f"f{number}": os.urandom(1 << 20) for number in range(60)}), tar_of({"b": b"x"})])
    origin = big.layout(tmp_path / "big")
    env = {**os.environ, "HERMES_HOME": str(images.home)}
    command = [sys.executable, "-m", "hermes", "pull", origin, "big"]
    for attempt in range(5):
        with subprocess.Popen(command, cwd=images.root, env=env, stdout=subprocess.DEVNULL) as process:
            time.sleep(0.2 + attempt * 0.08)
            process.send_signal(signal.SIGKILL)
    if not ok(images, "images", "-q"):
        store = Store.open(images.home)
        assert not store.blobs.has(Digest.parse(big.digest)) or ok(images, "cache", "verify")
    assert "as it should be" in ok(images, "cache", "verify")
    assert big.digest in ok(images, "pull", origin, "big")


def test_a_layout_that_several_write_to_has_all_their_images(images: Sandbox) -> None:
    ok(images, "copy", "-q", ":one", "oci:layout:v1")
    ok(images, "pull", "oci:layout:v1", "app:v1")
    env = {**os.environ, "HERMES_HOME": str(images.home)}
    names = [f"v{number}" for number in range(6)]
    command = [sys.executable, "-m", "hermes", "copy", "-q", "app:v1"]
    for attempt in range(3):
        folder = f"shared{attempt}"
        running = [
            subprocess.Popen([*command, f"oci:{folder}:{name}"], cwd=images.root, env=env) for name in names
        ]
        assert [process.wait() for process in running] == [0] * len(names)
        index = json.loads((images.root / folder / "index.json").read_bytes())
        found = [one["annotations"]["org.opencontainers.image.ref.name"] for one in index["manifests"]]
        assert sorted(found) == names


def test_a_layout_whose_writing_was_killed_can_be_written_again(images: Sandbox, tmp_path: Path) -> None:
    big = Made([tar_of({"f": os.urandom(60 << 20)})])
    ok(images, "pull", big.layout(tmp_path / "big"), "big")
    env = {**os.environ, "HERMES_HOME": str(images.home)}
    command = [sys.executable, "-m", "hermes", "copy", "-q", "big", "oci:layout"]
    with subprocess.Popen(command, cwd=images.root, env=env) as process:
        while not (images.root / "layout/blobs/sha256").exists():
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
    assert not (images.root / "layout/index.json").exists()
    ok(images, "copy", "-q", "big", "oci:layout")
    assert big.digest in ok(images, "pull", "oci:layout", "again")


def test_a_layer_that_is_too_deep_does_not_spoil_the_store(images: Sandbox, tmp_path: Path) -> None:
    deep = Made([tar_of({"/".join(["a"] * 3000): b"x"})])
    done = images.run("ctr", "from", deep.layout(tmp_path / "deep"))
    assert done.returncode == 1
    assert "has 5999 bytes, more than 4095" in done.stderr
    assert os.listdir(images.home / "tmp") == []
    assert ok(images, "ctr", "ps", "-q") == ""


def test_a_name_that_is_too_long_is_refused(images: Sandbox, tmp_path: Path) -> None:
    ok(images, "pull", small().layout(tmp_path / "image"), "app")
    name = "/".join(["a"] * 110) + ":v1"
    assert "too long for a name in the store" in images.run("tag", "app", name).stderr
    for command in (
        ["inspect"],
        ["rmi"],
        ["ctr", "from", "--pull=never"],
        ["copy", "--platform", "linux/amd64"],
    ):
        more = ["oci:out"] if command[0] == "copy" else []
        assert f"there is no image {name} in the store" in images.run(*command, name, *more).stderr
    assert ok(images, "images", "-q") == "app:latest"


def test_what_is_no_name_among_names_is_no_matter(images: Sandbox, tmp_path: Path) -> None:
    ok(images, "pull", small().layout(tmp_path / "image"), "app")
    (images.home / "images/.nfs0000").write_text("")
    (images.home / "images/other%3Av1").mkdir()
    (images.home / "images/broken%3Alatest").write_text("{")
    done = images.run("images")
    assert done.returncode == 0
    assert "warning: the entry of the image name other:v1 is damaged" in done.stderr
    assert "app:latest" in done.stdout
    assert "of the image name broken:latest in the store is damaged" in images.run("inspect", "broken").stderr
    ok(images, "cache", "gc")
    assert ok(images, "rmi", "broken") == "broken:latest"
    assert ok(images, "rmi", "other:v1") == "other:v1"
    assert ok(images, "images", "-q") == "app:latest"
    ok(images, "cache", "gc")


def test_gc_keeps_what_output_folders_on_another_file_system_link(images: Sandbox) -> None:
    if not os.path.isdir("/dev/shm") or os.stat("/dev/shm").st_dev == os.stat(images.root).st_dev:
        pytest.skip("there is no other file system")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as home:
        apart = Sandbox(images.root, Path(home) / "home")
        digest = apart.digest(":one")
        blobs = images.root / "hermes-out/one/blobs/sha256"
        assert all(one.is_symlink() for one in blobs.iterdir())
        ok(apart, "cache", "gc", "--max-size", "0")
        assert all(one.exists() for one in blobs.iterdir())
        assert ok(apart, "pull", "oci:hermes-out/one", "app") == f"app:latest  {digest}"
        ok(apart, "rmi", "app")
        shutil.rmtree(images.root / "hermes-out")
        ok(apart, "cache", "gc", "--max-size", "0")
        assert os.listdir(apart.home / "blobs/sha256") == []
        assert os.listdir(apart.home / "outputs") == []


def test_more_layers_than_docker_takes_are_warned_of(workspace: Sandbox) -> None:
    workspace.write("x", "x")
    workspace.write(
        "BUILD",
        '[files_layer(name = "l%d" % n, files = {"/f%d" % n: "x"}) for n in range(126)]\n'
        '[image(name = "i%d" % count, layers = [":l%d" % n for n in range(count)]) for count in [125, 126]]\n',
    )
    assert workspace.run("build", "-q", "//:i125").stderr == ""
    warning = "the image has 126 layers, and docker takes 125 at most"
    assert f"warning: //:i126: {warning}" in workspace.run("build", "-q", "//:i126").stderr
    assert workspace.run("pull", "-q", "oci:hermes-out/i126", "deep").returncode == 0
    workspace.write("context/Dockerfile", "FROM deep\nLABEL a=b\n")
    built = workspace.run("bud", "--pull=never", "-t", "deeper", "context")
    assert warning in built.stderr
    name = workspace.run("ctr", "from", "deep").stdout.strip()
    committed = workspace.run("ctr", "commit", name, "deepest")
    assert warning in committed.stderr
    assert "--squash" in committed.stderr
    assert workspace.run("ctr", "commit", "--squash", name, "flat").stderr == ""
