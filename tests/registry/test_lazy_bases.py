"""Bases that stay where they are until somebody needs their bytes, and what tags are pinned to."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml

from hermes.digest import Digest
from hermes.layer import toc
from hermes.registry.client import Client
from hermes.registry.push import Job, push
from hermes.store import Store
from tests.conftest import Sandbox
from tests.integration.conftest import BUSYBOX, OrdinaryUser, add_base, ordinary_user
from tests.interop.test_tools import output_of
from tests.registry.servers import Registry, Wire, program
from tests.registry.test_push_and_pull import digest_of, make_index, ok

__all__ = ["ordinary_user"]

DEPENDENT = """
image_pull(name = "base", ref = "{ref}", digest = "{digest}")

files_layer(name = "mine", files = {{"/own": "own"}})

image(name = "image", base = ":base", layers = [":mine"], compression = "{compression}")

run_layer(name = "ran", base = [":base", ":mine"], cmd = "cat /own /srv/big | sha256sum > /sum; rm /srv/big")

image(name = "changed", base = ":base", layers = [":mine", ":ran"])
"""
BIG = 4_000_000


@pytest.fixture
def base(registry: Registry, tmp_path: Path) -> str:
    """The digest of an image in the registry: busybox, and a layer that does not compress."""
    maker = Sandbox(tmp_path / "maker", tmp_path / "maker-home")
    add_base(maker)
    maker.write("base/big", os.urandom(BIG))
    maker.write(
        "base/BUILD",
        (maker.root / "base/BUILD").read_text() + 'files_layer(name = "large", files = {"/srv/big": "big"})\n'
        'image(name = "image", layers = [":root", ":large"], env = {"FROM": "base"}, compression = "gzip")\n',
    )
    return ok(maker.run("push", "-q", "//base:image", f"docker://{registry.host}/base:1"))


@pytest.fixture
def app(base: str, wire: Wire, tmp_path: Path) -> Sandbox:
    """A workspace that builds on the base, with a store that has never seen it."""
    found = Sandbox(tmp_path / "app", tmp_path / "app-home")
    found.write("app/own", "own\n")
    found.write("app/BUILD", DEPENDENT.format(ref=f"{wire.host}/base:1", digest=base, compression="zstd"))
    return found


def manifest_of(folder: Sandbox, digest: str) -> dict:
    return json.loads((folder.home / "blobs/sha256" / Digest(digest).hex).read_bytes())


def test_building_on_a_base_downloads_no_layer(app: Sandbox, wire: Wire, base: str) -> None:
    digest = app.digest("//app:image")
    assert wire.down < 10_000
    layers = manifest_of(app, digest)["layers"]
    assert [one["mediaType"].rpartition("+")[2] for one in layers] == ["gzip", "gzip", "zstd"]
    below = manifest_of(app, base)["layers"]
    assert layers[:2] == below
    config = manifest_of(app, manifest_of(app, digest)["config"]["digest"])
    assert config["config"]["Env"] == ["FROM=base"]
    assert len(config["rootfs"]["diff_ids"]) == 3
    before = wire.down
    assert app.build("//app:image").executed == ()
    app.write("app/own", "another\n")
    assert app.digest("//app:image") != digest
    assert wire.down == before


def test_a_push_to_the_registry_of_the_base_moves_the_new_layer_only(
    app: Sandbox, registry: Registry, wire: Wire
) -> None:
    digest = ok(app.run("push", "-q", "//app:image", f"docker://{wire.host}/app:v"))
    assert wire.down + wire.up < 30_000
    assert registry.requests("POST", "mount=", 201) == 2
    assert digest_of(f"docker://{registry.host}/app:v") == digest


def test_a_command_on_a_base_fetches_what_it_must_see(app: Sandbox, wire: Wire, base: str) -> None:
    import hashlib

    digest = app.digest("//app:changed")
    assert wire.down > BIG
    again = wire.down
    ran = app.run("run", "-q", "//app:changed", "--", "/bin/cat", "/sum")
    assert wire.down == again
    content = ok(ran).split()[0]
    big = next(one for one in app.home.glob("trees/*/root/srv/big") if one.is_file())
    assert content == hashlib.sha256(b"own\n" + big.read_bytes()).hexdigest()
    assert len(manifest_of(app, digest)["layers"]) == 4


def test_a_run_of_an_image_on_a_lazy_base_fetches_it(app: Sandbox, wire: Wire) -> None:
    app.digest("//app:image")
    assert wire.down < 10_000
    assert ok(app.run("run", "-q", "//app:image", "--", "/bin/cat", "/own")) == "own"
    assert wire.down > BIG


@pytest.mark.parametrize(
    "transport", ["oci:out:v1", "oci-archive:out.tar:v1", "docker-archive:out.tar", "dir:out"]
)
def test_an_export_fetches_what_is_missing(app: Sandbox, wire: Wire, transport: str) -> None:
    digest = app.digest("//app:image")
    assert wire.down < 10_000
    ok(app.run("build", "-q", "//app:image", "-o", transport))
    assert wire.down > BIG
    copied = json.loads(output_of(program("skopeo"), "inspect", "--config", transport, cwd=app.root))
    assert len(copied["rootfs"]["diff_ids"]) == 3
    before = wire.down
    ok(app.run("build", "-q", "//app:image", "-o", "oci:again:v1"))
    assert wire.down == before
    assert app.digest("//app:image") == digest


def test_another_registry_gets_the_bytes_through_here(app: Sandbox, wire: Wire, tmp_path: Path) -> None:
    from tests.registry.servers import docker_registry

    with docker_registry(tmp_path / "second") as second:
        digest = ok(app.run("push", "-q", "//app:image", f"docker://{second.host}/app:v"))
        assert wire.down > BIG
        assert digest_of(f"docker://{second.host}/app:v") == digest


def test_a_container_on_a_lazy_base(app: Sandbox, wire: Wire, registry: Registry) -> None:
    ok(app.run("ctr", "from", "--name", "c", f"docker://{wire.host}/base:1"))
    assert wire.down < 10_000
    ok(app.run("ctr", "run", "c", "--", "/bin/sh", "-c", "echo hi > /hi"))
    digest = ok(app.run("ctr", "commit", "c", f"docker://{wire.host}/committed:v"))
    assert digest_of(f"docker://{registry.host}/committed:v") == digest


@pytest.mark.root
def test_an_ordinary_user_builds_on_a_lazy_base(
    base: str, wire: Wire, registry: Registry, ordinary_user: OrdinaryUser, app: Sandbox
) -> None:
    theirs = ordinary_user.workspace
    theirs.write("app/own", "own\n")
    theirs.write("app/BUILD", DEPENDENT.format(ref=f"{wire.host}/base:1", digest=base, compression="zstd"))
    auth = {"REGISTRY_AUTH_FILE": str(ordinary_user.folder / "none.json")}
    target = f"docker://{wire.host}/theirs:v"
    digest = ordinary_user.run("push", "-q", "//app:changed", target, env=auth).stdout.strip()
    assert digest == app.digest("//app:changed")
    assert digest_of(f"docker://{registry.host}/theirs:v") == digest


def test_the_layer_of_a_base_that_is_gone_is_an_error_that_says_so(
    app: Sandbox, wire: Wire, registry: Registry
) -> None:
    app.digest("//app:image")
    shutil.rmtree(registry.folder / "data")
    done = app.run("build", "-q", "//app:image", "-o", "oci:out")
    assert done.returncode == 1
    assert "does not have it" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (app.root / "out/index.json").exists()


def test_a_tag_is_pinned_by_lock_and_by_nothing_else(
    app: Sandbox, wire: Wire, registry: Registry, base: str
) -> None:
    ref = f"{wire.host}/base:1"
    app.write("app/BUILD", f'image_pull(name = "base", ref = "{ref}")\nimage(name = "i", base = ":base")\n')
    done = app.run("build", "-q", "//app:i")
    assert done.returncode == 2
    assert "is not locked" in done.stderr
    assert "hermes lock //app:base" in done.stderr
    assert app.run("lock", "--check").returncode == 1
    assert ok(app.run("lock")) == "hermes.lock.yaml"
    document = yaml.safe_load((app.root / "hermes.lock.yaml").read_text())
    assert list(document["images"][ref].values()) == [base]
    ok(app.run("lock", "--check"))
    first = app.digest("//app:i")

    app.write(
        "two/BUILD", 'files_layer(name = "l", files = {"/x": "x"})\nimage(name = "i", layers = [":l"])\n'
    )
    app.write("two/x", "x")
    moved = ok(app.run("push", "-q", "//two:i", f"docker://{wire.host}/base:1"))
    assert app.digest("//app:i") == first
    ok(app.run("lock", "-q"))
    ok(app.run("lock", "--check"))
    assert base in (app.root / "hermes.lock.yaml").read_text()
    ok(app.run("lock", "--update"))
    assert moved in (app.root / "hermes.lock.yaml").read_text()
    assert app.digest("//app:i") != first


NOTED = """
image_pull(name = "base", ref = "{ref}"{digest})

[files_layer(name = name, files = {{"/%s/x" % name: "own"}}) for name in ["tmp", "lib", "usr"]]

image(name = "image", base = ":base", layers = [":tmp", ":usr"])

image(name = "hidden", base = ":base", layers = [":lib"])
"""


def test_a_lock_notes_the_folders_of_an_image_that_stays_where_it_is(
    registry: Registry, wire: Wire, tmp_path: Path
) -> None:
    maker = Sandbox(tmp_path / "maker", tmp_path / "maker-home")
    maker.write("big", os.urandom(BIG))
    maker.write(
        "BUILD",
        'files_layer(name = "l", files = {"/srv/big": "big"}, dirs = ["/usr/lib", "/srv"], '
        'dir_modes = {"/tmp": "1777"}, symlinks = {"/lib": "usr/lib"}, owner = "0:5")\n'
        'image(name = "image", layers = [":l"])\n',
    )
    digest = ok(maker.run("push", "-q", "//:image", f"docker://{registry.host}/noted:1"))
    app = Sandbox(tmp_path / "app", tmp_path / "app-home")
    app.write("app/own", "own")
    ref = f"{wire.host}/noted:1"
    app.write("app/BUILD", NOTED.format(ref=ref, digest=""))
    done = app.run("lock")
    assert (done.returncode, done.stderr) == (0, "")
    assert wire.down > BIG
    document = yaml.safe_load((app.root / "hermes.lock.yaml").read_text())
    noted = {"/tmp": "1777 0:5", "/lib": "-> usr/lib", "/usr/lib": "0755 0:5", "/srv": "0755 0:5"}
    assert document["folders"] == {digest: noted}
    before = wire.down
    ok(app.run("lock"))
    ok(app.run("lock", "--check"))
    assert wire.down < before + 10_000

    fresh = Sandbox(tmp_path / "app", tmp_path / "fresh-home")
    before = wire.down
    assert entries_on_top(fresh, fresh.digest("//app:image")) == [("tmp", 0o1777, 5), ("usr", 0o755, 0)]
    refused = fresh.run("build", "-q", "//app:hidden")
    assert refused.returncode == 1
    assert "/lib leads to usr/lib in //app:base, and //app:lib has something below it" in refused.stderr
    assert wire.down < before + 10_000

    app.write("app/BUILD", NOTED.format(ref=ref, digest=f', digest = "{digest}"'))
    assert entries_on_top(fresh, fresh.digest("//app:image")) == [("usr/x", 0o644, 0)]
    assert fresh.run("build", "-q", "//app:hidden").returncode == 0
    assert wire.down < before + 10_000


def entries_on_top(folder: Sandbox, digest: str) -> list[tuple[str, int, int]]:
    """The paths, modes and groups in the uppermost layer of an image."""
    config = manifest_of(folder, manifest_of(folder, digest)["config"]["digest"])
    store = Store.open(folder.home)
    try:
        table = toc.load(store, Digest(config["rootfs"]["diff_ids"][-1]))
    finally:
        store.close()
    return [(one.path, one.mode, one.gid) for one in table.entries]


def test_a_lock_that_notes_something_else(app: Sandbox, wire: Wire) -> None:
    app.write("app/BUILD", NOTED.format(ref=f"{wire.host}/base:1", digest=""))
    ok(app.run("lock"))
    path = app.root / "hermes.lock.yaml"
    path.write_text(path.read_text().partition("folders:")[0] + "folders: {sha256:1: {}}\n")
    assert app.run("build", "-q", "//app:image").returncode == 0
    digest = yaml.safe_load(path.read_text())["images"][f"{wire.host}/base:1"].popitem()[1]
    for note, problem in (
        ("{/tmp: '755'}", "'755' does not say what a folder is"),
        ("[]", "is not a mapping"),
    ):
        path.write_text(path.read_text().partition("folders:")[0] + f"folders: {{{digest}: {note}}}\n")
        done = app.run("build", "-q", "//app:image")
        assert (done.returncode, "Traceback" in done.stderr) == (2, False)
        assert problem in done.stderr
        assert "hermes lock" in done.stderr


def test_a_lock_holds_a_digest_for_each_platform(
    images: Sandbox, registry: Registry, store: Store, tmp_path: Path
) -> None:
    index = make_index(store, images)
    with Client() as client:
        push(client, store, [Job(index, f"{registry.host}/multi", ("v",))])
    ref = f"{registry.host}/multi:v"
    app = Sandbox(tmp_path / "app", tmp_path / "app-home")
    rule = f'image_pull(name = "b", ref = "{ref}", platforms = ["linux/amd64", "linux/arm64"])\n'
    app.write("BUILD", rule + 'image(name = "i", base = ":b")\n')
    ok(app.run("lock"))
    row = yaml.safe_load((app.root / "hermes.lock.yaml").read_text())["images"][ref]
    for platform in ("linux/amd64", "linux/arm64"):
        assert row[platform] == images.digest("//app:image", platform=platform)
        assert app.digest("//:b", platform=platform) == row[platform]
    refused = app.run("build", "-q", "--platform", "linux/s390x", "//:i")
    assert refused.returncode == 2
    assert "is locked for linux/amd64, linux/arm64, and not for linux/s390x" in refused.stderr
    app.write("BUILD", f'image_pull(name = "b", ref = "{ref}", platforms = ["linux/s390x"])\n')
    done = app.run("lock")
    assert "there are linux/amd64, linux/arm64" in done.stderr


@pytest.fixture(autouse=True)
def _busybox() -> None:
    if not BUSYBOX.exists():
        pytest.skip("the Debian package busybox-static is not installed")


def test_a_dockerfile_on_a_base_downloads_only_what_its_lines_look_at(
    app: Sandbox, wire: Wire, base: str
) -> None:
    app.write("app/Dockerfile", "FROM base\nLABEL a=b\n")
    pulled = f'image_pull(name = "base", ref = "{wire.host}/base:1", digest = "{base}")\n'
    app.write(
        "app/BUILD",
        pulled + 'dockerfile_image(name = "image", dockerfile = "Dockerfile", context = ["own"],\n'
        '    contexts = {"base": ":base"})\n'
        'copy_layer(name = "sh", root = [":base"], paths = ["/bin/busybox"], dest = "/bin/sh")\n',
    )
    digest = app.digest("//app:image")
    assert wire.down < 10_000
    layers = manifest_of(app, digest)["layers"]
    assert layers == manifest_of(app, base)["layers"]
    app.write("app/Dockerfile", "FROM base\nCOPY own /srv/\nRUN cat /srv/own > /seen\n")
    digest = app.digest("//app:image")
    assert manifest_of(app, digest)["layers"][:2] == layers
    assert app.build("//app:sh").executed == ("//app:sh",)
