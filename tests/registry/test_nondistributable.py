"""Layers that may not be distributed: refused, or kept where they are, as docker-registry and skopeo have it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hermes.digest import Digest, canonical_json
from hermes.image import docker
from hermes.image.descriptor import IMAGE_CONFIG, IMAGE_INDEX, IMAGE_MANIFEST
from tests.conftest import Sandbox
from tests.integration.conftest import BUSYBOX
from tests.interop.test_tools import output_of, tool
from tests.registry.faulty import FaultyRegistry, short
from tests.registry.servers import Registry, Web, reply
from tests.registry.test_push_and_pull import ok
from tests.unit.transports.images import tar_of

OCI_LAYER = "application/vnd.oci.image.layer"
DOCKER_LAYER = "application/vnd.docker.image.rootfs"
KEEP = "--keep-nondistributable"
ROOT = tar_of({"bin/busybox": BUSYBOX.read_bytes() if BUSYBOX.exists() else b""}, mode=0o755)
MORE = tar_of({"more": b"more\n"})


@dataclass
class Vendor:
    """A registry with an image whose lower layer is on the web server of who owns it."""

    registry: FaultyRegistry
    web: Web
    served: dict[str, bytes]
    blob: bytes
    digest: str = ""

    @property
    def place(self) -> str:
        return f"docker://{self.registry.host}/team/app:v"

    @property
    def hex(self) -> str:
        return Digest.of(self.blob).hex

    @property
    def fetched(self) -> list[str]:
        """The paths that the owner's server was asked for."""
        return [path for _, path, _ in self.web.seen]

    def publish(self, *, is_docker: bool) -> None:
        registry = self.registry
        more = gzip.compress(MORE, mtime=0)
        diff_ids = [Digest.of(ROOT), Digest.of(MORE)]
        config = canonical_json(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {},
                "rootfs": {"type": "layers", "diff_ids": diff_ids},
            }
        )
        registry.blobs |= {Digest.of(more): more, Digest.of(config): config}
        foreign = (
            f"{DOCKER_LAYER}.foreign.diff.tar.gzip"
            if is_docker
            else f"{OCI_LAYER}.nondistributable.v1.tar+gzip"
        )
        usual = f"{DOCKER_LAYER}.diff.tar.gzip" if is_docker else f"{OCI_LAYER}.v1.tar+gzip"
        kinds = (docker.MANIFEST, docker.CONFIG) if is_docker else (IMAGE_MANIFEST, IMAGE_CONFIG)
        urls = [f"http://{self.web.host}/gone", f"http://{self.web.host}/root"]
        document = {
            "config": {"digest": Digest.of(config), "mediaType": kinds[1], "size": len(config)},
            "layers": [
                {"digest": Digest.of(self.blob), "mediaType": foreign, "size": len(self.blob), "urls": urls},
                {"digest": Digest.of(more), "mediaType": usual, "size": len(more)},
            ],
            "mediaType": kinds[0],
            "schemaVersion": 2,
        }
        data = canonical_json(document)
        self.digest = Digest.of(data)
        registry.manifests["v"] = registry.manifests[self.digest] = data, kinds[0]


@pytest.fixture
def vendor(faulty: FaultyRegistry) -> Iterator[Vendor]:
    blob = gzip.compress(ROOT, mtime=0)
    served = {"/root": blob}

    def answer(handler: object) -> None:
        found = served.get(handler.path)
        reply(handler, 404 if found is None else 200, found or b"")

    with Web(answer) as web:
        made = Vendor(faulty, web, served, blob)
        made.publish(is_docker=False)
        yield made


def refused(sandbox: Sandbox, *arguments: str, status: int = 1) -> str:
    done = sandbox.run(*arguments)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("is_docker", [False, True])
def test_such_an_image_is_refused_unless_it_is_asked_for(
    workspace: Sandbox, vendor: Vendor, tmp_path: Path, is_docker: bool
) -> None:
    vendor.publish(is_docker=is_docker)
    layout = f"oci:{tmp_path}/layout:v"
    for arguments in (
        ("pull", vendor.place),
        ("pull", "--all-platforms", vendor.place),
        ("copy", vendor.place, layout),
        ("ctr", "from", vendor.place),
    ):
        message = refused(workspace, *arguments)
        assert "may not be distributed" in message
        assert "keep_nondistributable: true" in message
    assert ok(workspace.run("images", "-q")) == ""
    ok(workspace.run("copy", KEEP, vendor.place, layout))
    other = Sandbox(tmp_path / "other", tmp_path / "other-home")
    assert "may not be distributed" in refused(other, "pull", layout, "app:v")
    ok(other.run("pull", KEEP, layout, "app:v"))


@pytest.mark.parametrize("is_docker", [False, True])
def test_it_goes_from_registry_to_registry_without_the_layer(
    workspace: Sandbox, vendor: Vendor, registry: Registry, is_docker: bool
) -> None:
    vendor.publish(is_docker=is_docker)
    ok(workspace.run("pull", KEEP, vendor.place, "app:v"))
    ok(workspace.run("push", "-q", "app:v", f"docker://{registry.host}/app:v"))
    ok(workspace.run("copy", "-q", KEEP, vendor.place, f"docker://{registry.host}/copied:v"))
    for name in ("app", "copied"):
        raw = output_of(
            tool("skopeo"), "inspect", "--raw", "--tls-verify=false", f"docker://{registry.host}/{name}:v"
        )
        assert Digest.of(raw.encode()) == vendor.digest
    assert vendor.hex not in registry.blobs
    assert len(registry.blobs) == 3
    assert not vendor.registry.asked(f"/blobs/sha256:{vendor.hex}")
    assert vendor.fetched == []


def test_layouts_have_it_as_skopeo_writes_and_reads_it(
    workspace: Sandbox, vendor: Vendor, tmp_path: Path
) -> None:
    policy = ("copy", "-q", "--insecure-policy")
    assert ok(workspace.run("copy", KEEP, vendor.place, f"oci:{tmp_path}/ours:v")) == vendor.digest
    output_of(tool("skopeo"), *policy, "--src-tls-verify=false", vendor.place, f"oci:{tmp_path}/theirs:v")
    found = [
        {one.name for one in (tmp_path / name / "blobs/sha256").iterdir()} for name in ("ours", "theirs")
    ]
    assert found[0] == found[1]
    assert vendor.hex not in found[0]
    output_of(tool("skopeo"), *policy, f"oci:{tmp_path}/ours:v", f"oci:{tmp_path}/again:v")
    archive = f"oci-archive:{tmp_path}/image.tar:v"
    assert ok(workspace.run("copy", KEEP, f"oci:{tmp_path}/theirs:v", archive)) == vendor.digest
    assert ok(workspace.run("pull", KEEP, archive, "app:v")) == f"app:v  {vendor.digest}"
    assert vendor.fetched == []


def test_its_bytes_come_from_its_owner_when_something_has_to_see_them(
    workspace: Sandbox, vendor: Vendor, tmp_path: Path
) -> None:
    workspace.write(
        "hermes.yaml", f"registries: {{'{vendor.registry.host}': {{keep_nondistributable: true}}}}"
    )
    container = ok(workspace.run("ctr", "from", vendor.place))
    assert vendor.fetched == []
    assert ok(workspace.run("ctr", "run", container, "--", "/bin/busybox", "cat", "/more")) == "more"
    assert vendor.fetched == ["/gone", "/root"]
    assert all("Authorization" not in headers for _, _, headers in vendor.web.seen)
    for place in (f"docker-archive:{tmp_path}/saved.tar:app:v", f"dir:{tmp_path}/dir"):
        ok(workspace.run("copy", "-q", vendor.place, place))
    assert (tmp_path / "dir" / vendor.hex).read_bytes() == vendor.blob
    taken = output_of(
        tool("skopeo"), "inspect", "--config", f"docker-archive:{tmp_path}/saved.tar:docker.io/library/app:v"
    )
    assert json.loads(taken)["rootfs"]["diff_ids"] == [Digest.of(ROOT), Digest.of(MORE)]
    assert vendor.fetched == ["/gone", "/root"]


def test_what_its_owner_sends_is_not_believed(workspace: Sandbox, vendor: Vendor, tmp_path: Path) -> None:
    ok(workspace.run("pull", KEEP, vendor.place, "app:v"))
    vendor.served["/root"] = bytes(len(vendor.blob))
    message = refused(workspace, "copy", "app:v", f"dir:{tmp_path}/dir")
    assert f"{vendor.web.host}/gone does not have it" in message
    assert f"{vendor.web.host}/root: the blob sha256:{vendor.hex} has the digest" in message
    vendor.served["/root"] = vendor.blob + b"more"
    message = refused(workspace, "copy", "app:v", f"dir:{tmp_path}/dir")
    assert f"has {len(vendor.blob) + 4} bytes, and should have {len(vendor.blob)}" in message
    del vendor.served["/root"]
    assert "does not have it" in refused(workspace, "copy", "app:v", f"dir:{tmp_path}/dir")
    assert not (tmp_path / "dir").exists()
    vendor.served["/root"] = vendor.blob
    assert ok(workspace.run("copy", "app:v", f"dir:{tmp_path}/dir")) == vendor.digest


def test_a_download_from_its_owner_goes_on_where_it_was_cut(
    workspace: Sandbox, vendor: Vendor, tmp_path: Path
) -> None:
    ok(workspace.run("pull", KEEP, vendor.place, "app:v"))
    half = len(vendor.blob) // 2
    ranges = []

    def cut(handler: object) -> None:
        asked = handler.headers.get("Range", "")
        if handler.path != "/root":
            reply(handler, 404)
        elif not asked:
            short(vendor.blob, half)(handler)
        else:
            ranges.append(asked)
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            end = len(vendor.blob)
            reply(handler, 206, vendor.blob[start:], Content_Range=f"bytes {start}-{end - 1}/{end}")

    vendor.web.answer = cut
    assert ok(workspace.run("copy", "app:v", f"dir:{tmp_path}/dir")) == vendor.digest
    assert ranges == [f"bytes={half}-"]
    assert (tmp_path / "dir" / vendor.hex).read_bytes() == vendor.blob


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://user@127.0.0.1/x", "http://[x", "x"])
def test_a_url_that_is_no_address_is_an_error(
    workspace: Sandbox, vendor: Vendor, tmp_path: Path, url: str
) -> None:
    document = json.loads(vendor.registry.manifests["v"][0])
    document["layers"][0]["urls"] = [url]
    vendor.registry.manifests["v"] = canonical_json(document), IMAGE_MANIFEST
    ok(workspace.run("pull", KEEP, vendor.place, "app:v"))
    assert "URL" in refused(workspace, "copy", "app:v", f"dir:{tmp_path}/dir")
    document["layers"][0]["urls"] = [url, f"http://{vendor.web.host}/root"]
    vendor.registry.manifests["v"] = canonical_json(document), IMAGE_MANIFEST
    ok(workspace.run("pull", KEEP, vendor.place, "app:v"))
    ok(workspace.run("copy", "app:v", f"dir:{tmp_path}/dir"))


@pytest.mark.parametrize("is_docker", [False, True])
def test_an_image_that_is_built_on_it_keeps_it(
    workspace: Sandbox, vendor: Vendor, registry: Registry, is_docker: bool
) -> None:
    vendor.publish(is_docker=is_docker)
    workspace.write(
        "hermes.yaml", f"registries: {{'{vendor.registry.host}': {{keep_nondistributable: true}}}}"
    )
    workspace.write("own", "own")
    workspace.write(
        "BUILD",
        f"image_pull(name = 'base', ref = '{vendor.place.removeprefix('docker://')}', digest = '{vendor.digest}')\n"
        "files_layer(name = 'own_layer', files = {'/own': 'own'})\n"
        "image(name = 'image', base = ':base', layers = [':own_layer'])\n",
    )
    workspace.write("Dockerfile", f"FROM {vendor.place.removeprefix('docker://')}\nCOPY own /own\n")
    before = json.loads(vendor.registry.manifests["v"][0])["layers"][0]
    expected = {**before, "mediaType": f"{OCI_LAYER}.nondistributable.v1.tar+gzip"}
    digest = ok(workspace.run("push", "-q", "//:image", f"docker://{registry.host}/image:v"))
    assert _layers(workspace, digest)[0] == expected
    assert vendor.fetched == []
    digest = ok(workspace.run("bud", "-q", "-t", "app:v", "."))
    assert _layers(workspace, digest)[0] == expected
    container = ok(workspace.run("ctr", "from", vendor.place))
    committed = ok(
        workspace.run("ctr", "commit", "--format", "docker" if is_docker else "oci", container, "committed:v")
    )
    assert _layers(workspace, committed.split()[-1])[0] == before
    committed = ok(workspace.run("ctr", "commit", "--recompress", container, "committed:v"))
    layers = _layers(workspace, committed.split()[-1])
    assert layers[0] == expected
    assert layers[1]["mediaType"] == f"{OCI_LAYER}.v1.tar+zstd"
    for option in ("--compression=zstd", "--compression=gzip"):
        ok(workspace.run("push", "-q", option, "app:v", f"docker://{registry.host}/app:v"))
        raw = output_of(
            tool("skopeo"), "inspect", "--raw", "--tls-verify=false", f"docker://{registry.host}/app:v"
        )
        assert json.loads(raw)["layers"][0] == expected
    assert vendor.fetched == ["/gone", "/root"]  # COPY looks at the folder that it writes to
    assert vendor.hex not in registry.blobs


def test_an_index_with_such_images(workspace: Sandbox, vendor: Vendor, registry: Registry) -> None:
    data, kind = vendor.registry.manifests["v"]
    platform = {"os": "linux", "architecture": "amd64"}
    row = {"digest": vendor.digest, "mediaType": kind, "size": len(data), "platform": platform}
    index = canonical_json({"manifests": [row], "mediaType": IMAGE_INDEX, "schemaVersion": 2})
    vendor.registry.manifests["v"] = vendor.registry.manifests[Digest.of(index)] = index, IMAGE_INDEX
    place = f"docker://{registry.host}/index:v"
    assert "may not be distributed" in refused(workspace, "copy", "--all-platforms", vendor.place, place)
    assert ok(workspace.run("copy", KEEP, "--all-platforms", vendor.place, place)) == Digest.of(index)
    assert vendor.hex not in registry.blobs
    assert vendor.fetched == []


def test_without_urls_it_travels_as_others_do(workspace: Sandbox, vendor: Vendor, registry: Registry) -> None:
    document = json.loads(vendor.registry.manifests["v"][0])
    del document["layers"][0]["urls"]
    vendor.registry.manifests["v"] = canonical_json(document), IMAGE_MANIFEST
    vendor.registry.blobs[f"sha256:{vendor.hex}"] = vendor.blob
    ok(workspace.run("copy", KEEP, vendor.place, f"docker://{registry.host}/app:v"))
    assert vendor.hex in registry.blobs


def _layers(sandbox: Sandbox, digest: str) -> list[dict]:
    return json.loads((sandbox.home / "blobs/sha256" / Digest(digest).hex).read_bytes())["layers"]
