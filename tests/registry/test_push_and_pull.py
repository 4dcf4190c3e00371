"""Images to and from a real registry, with other tools on the other side."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from hermes.digest import Digest, canonical_json
from hermes.errors import RegistryError
from hermes.image.descriptor import IMAGE_INDEX, IMAGE_MANIFEST, Descriptor
from hermes.image.platform import Platform
from hermes.image.stored import descriptor_of, link_images
from hermes.registry.client import Client
from hermes.registry.push import Job, push
from hermes.registry.settings import Registries, RegistrySettings
from hermes.registry.upload import upload
from hermes.store import Store
from tests.conftest import Sandbox
from tests.integration.test_damaged_blobs import check_blobs, rot
from tests.interop.test_tools import output_of, short
from tests.registry.servers import (
    PASSWORD,
    USER,
    Registry,
    TokenServer,
    Wire,
    docker_registry,
    program,
    write_auth,
)
from tests.registry.taking import pull

__all__ = ["short"]


def skopeo(*arguments: str) -> str:
    return output_of(program("skopeo"), *arguments)


def digest_of(text: str, *options: str) -> str:
    """The digest that skopeo sees."""
    return str(json.loads(skopeo("inspect", "--tls-verify=false", "-n", *options, text))["Digest"])


def pulled_with(settings: Registries, name: str, store: Store) -> str:
    with Client(settings) as client:
        return pull(client, name, store, Platform.host()).descriptor.digest


def ok(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Store]:
    """The store of another machine."""
    store = Store.open(tmp_path / "elsewhere")
    yield store
    store.close()


def test_an_image_is_pushed_by_its_digest(images: Sandbox, registry: Registry) -> None:
    """Without a name, and as what it has no name of: so it is the latest of what it is called there."""
    digest = images.digest("//app:image")
    for text in (digest, digest[7:19]):
        name = f"{registry.host}/by-digest/{len(text)}"
        assert ok(images.run("push", "-q", text, f"docker://{name}")) == digest
        assert digest_of(f"docker://{name}:latest") == digest


def test_an_image_is_pushed_as_it_was_built(images: Sandbox, registry: Registry) -> None:
    target = f"docker://{registry.host}/team/app:v1"
    ok(images.run("build", "-q", "//app:image", "-o", target))
    assert digest_of(target) == images.digest("//app:image")


def test_what_skopeo_pushed_is_taken_in(images: Sandbox, registry: Registry, tmp_path: Path) -> None:
    images.build("//app:image")
    source = f"oci:{images.root}/hermes-out/app/image"
    name = f"docker://{registry.host}/team/app:v1"
    skopeo("copy", "--insecure-policy", "-q", "--dest-tls-verify=false", source, name)
    other = Sandbox(tmp_path / "other", tmp_path / "home2")
    ok(other.run("ctr", "from", "--name", "c", name))
    root = Path(ok(other.run("ctr", "mount", "c")))
    try:
        assert (root / "srv/f2").read_bytes() == (images.root / "app/f2").read_bytes()
    finally:
        other.run("ctr", "rm", "c")


def test_what_docker_pushed_is_taken_in_as_it_is(
    images: Sandbox, registry: Registry, elsewhere: Store, client: Client
) -> None:
    images.build("//app:image")
    name = f"{registry.host}/team/app:v2s2"
    skopeo("copy", "--insecure-policy", "-q", "--dest-tls-verify=false", "--format", "v2s2",
           f"oci:{images.root}/hermes-out/app/image", f"docker://{name}")  # fmt: skip
    pulled = pull(client, f"docker://{name}", elsewhere, Platform.host())
    assert pulled.descriptor.digest == digest_of(f"docker://{name}")
    assert "docker" in pulled.descriptor.media_type
    push(client, elsewhere, [Job(pulled.descriptor, f"{registry.host}/team/again", ("t",))])
    assert digest_of(f"docker://{registry.host}/team/again:t") == pulled.descriptor.digest


def test_push_says_the_digest_and_takes_several_places(images: Sandbox, registry: Registry) -> None:
    targets = [
        f"docker://{registry.host}/a:1",
        f"docker://{registry.host}/a:2",
        f"docker://{registry.host}/b/c",
    ]
    said = ok(images.run("push", "-q", "//app:image", *targets, "--digest-file", "digest"))
    assert said == images.digest("//app:image")
    assert (images.root / "digest").read_text() == said
    assert {digest_of(one) for one in targets} == {said}
    assert digest_of(f"docker://{registry.host}/b/c:latest") == said


def test_an_image_of_the_store_is_pushed_by_its_name(images: Sandbox, registry: Registry) -> None:
    ok(images.run("ctr", "from", "--name", "c", "//app:image"))
    digest = ok(images.run("ctr", "commit", "c", "shop/app:v7"))
    assert ok(images.run("push", "-q", "shop/app:v7", f"docker://{registry.host}/shop/app")) == digest
    # Without a tag on either side it is "latest", also where the name has a host with a port.
    for name in ("demo", f"{registry.host}/zz"):
        ok(images.run("tag", "shop/app:v7", name))
        ok(images.run("push", "-q", name, f"docker://{registry.host}/other/{len(name)}"))
        tags = f"http://{registry.host}/v2/other/{len(name)}/tags/list"
        assert requests.get(tags, timeout=10).json()["tags"] == ["latest"]
    assert digest_of(f"docker://{registry.host}/shop/app:v7") == digest
    again = ok(images.run("ctr", "commit", "c", f"docker://{registry.host}/direct:x"))
    assert digest_of(f"docker://{registry.host}/direct:x") == again == digest


def test_names_of_registries_need_no_transport(images: Sandbox, registry: Registry) -> None:
    """As docker's and podman's users write them: tag, push by that name, pull."""
    ok(images.run("ctr", "from", "--name", "c", "//app:image"))
    digest = ok(images.run("ctr", "commit", "c", "shop/app:v7"))
    name = f"{registry.host}/plain/app:v1"
    ok(images.run("tag", "shop/app:v7", name))
    assert ok(images.run("push", "-q", name)) == digest
    assert digest_of(f"docker://{name}") == digest
    assert ok(images.run("push", "-q", "shop/app:v7", f"{registry.host}/plain/other")) == digest
    assert digest_of(f"docker://{registry.host}/plain/other:v7") == digest
    ok(images.run("rmi", name))
    assert ok(images.run("pull", name)) == f"{name}  {digest}"


def test_image_push_targets_are_pushed_and_run(images: Sandbox, registry: Registry) -> None:
    for package in ("one", "two"):
        images.write(
            f"{package}/BUILD",
            f'files_layer(name = "l", files = {{"/x": "x"}})\nimage(name = "i", layers = [":l"])\n'
            f'image_push(name = "push", image = ":i", repository = "{registry.host}/{package}", tags = ["a", "b"])\n',
        )
        images.write(f"{package}/x", package)
    done = images.run("push", "-q", "//one/...", "//two:push", "--json")
    pushed = json.loads(ok(done))
    assert [one["tags"] for one in pushed] == [["a", "b"], ["a", "b"]]
    for one in pushed:
        for tag in one["tags"]:
            assert digest_of(f"docker://{one['repository']}:{tag}") == one["digest"]
    images.write("one/x", "changed")
    digest = ok(images.run("run", "-q", "//one:push"))
    assert digest != pushed[0]["digest"]
    assert digest_of(f"docker://{registry.host}/one:b") == digest


def test_a_second_push_sends_nothing(images: Sandbox, registry: Registry) -> None:
    target = f"docker://{registry.host}/team/app:v1"
    ok(images.run("push", "-q", "//app:image", target))
    before = [registry.requests(method, "/blobs/") for method in ("POST", "PUT", "PATCH", "HEAD")]
    asked = registry.requests("HEAD", "/manifests/v1")
    ok(images.run("push", "-q", "//app:image", target))
    assert [registry.requests(method, "/blobs/") for method in ("POST", "PUT", "PATCH", "HEAD")] == before
    assert registry.requests("PUT", "/manifests/") == 1
    assert registry.requests("HEAD", "/manifests/") == asked + 2  # the first push asked for the digest, too


def test_a_hundred_images_that_share_layers_send_each_blob_once(images: Sandbox, registry: Registry) -> None:
    layers = "".join(
        f'files_layer(name = "s{n}", files = {{"/s{n}": "f0"}}, mode = "06{n // 8}{n % 8}")\n'
        for n in range(20)
    )
    rules = "".join(
        f'image(name = "i{n}", layers = [":s%d" % one for one in range(20)], labels = {{"n": "{n}"}})\n'
        f'image_push(name = "p{n}", image = ":i{n}", repository = "{registry.host}/r{n % 4}", tags = ["t{n}"])\n'
        for n in range(100)
    )
    images.write("many/BUILD", layers + rules)
    images.write("many/f0", os.urandom(1000))
    ok(images.run("push", "-q", "//many/..."))
    assert len(registry.blobs) == 20 + 100 + 100
    assert registry.requests("PUT", "/blobs/uploads/", 201) == 20 + 100
    assert registry.requests("POST", "mount=", 201) == 20 * 3
    assert registry.requests("PUT", "/manifests/t", 201) == 100
    assert digest_of(f"docker://{registry.host}/r3:t99")


def test_a_blob_is_mounted_from_a_repository_that_has_it(images: Sandbox, registry: Registry) -> None:
    ok(images.run("push", "-q", "//app:image", f"docker://{registry.host}/first:v"))
    sent = registry.requests("PUT", "/blobs/uploads/")
    ok(images.run("push", "-q", "//app:image", f"docker://{registry.host}/second/of/it:v"))
    assert registry.requests("PUT", "/blobs/uploads/") == sent
    assert registry.requests("POST", "mount=", 201) == 4


def test_a_mount_that_is_not_possible_is_an_upload(
    images: Sandbox, registry: Registry, store: Store, client: Client
) -> None:
    digest = Digest(images.digest("//app:image"))
    manifest = Descriptor(IMAGE_MANIFEST, digest, (images.home / "blobs/sha256" / digest.hex).stat().st_size)
    for entry in (images.home / "blobs/sha256").iterdir():
        store.blob_sources.add(Digest.from_hex(entry.name), f"{registry.host}/not/there")
    traffic = push(client, store, [Job(manifest, f"{registry.host}/app", ("v",))])
    assert traffic.blobs["sent"] == 4
    assert digest_of(f"docker://{registry.host}/app:v") == digest


def test_tls_and_a_password(images: Sandbox, secure: Registry, elsewhere: Store, auth_file: Path) -> None:
    target = f"docker://{secure.host}/team/app:v1"
    refused = images.run("push", "-q", "//app:image", target)
    assert refused.returncode == 1
    assert "certificate is not trusted" in refused.stderr
    assert f"registries: {{{secure.host}: {{ca: FILE}}}}" in refused.stderr
    images.write("hermes.yaml", f"registries:\n  {secure.host}:\n    ca: {secure.ca}\n")
    digest = ok(images.run("push", "-q", "//app:image", target))
    assert digest_of(target, f"--creds={USER}:{PASSWORD}") == digest
    settings = Registries(((secure.host, RegistrySettings(ca=str(secure.ca))),))
    assert pulled_with(settings, target, elsewhere) == digest

    write_auth(auth_file, secure.host, password="wrong")
    wrong = images.run("push", "-q", "//app:image", target)
    assert wrong.returncode == 1
    assert "denies access" in wrong.stderr
    assert "log in again" in wrong.stderr
    assert "wrong" not in wrong.stderr
    auth_file.unlink()
    without = images.run("push", "-q", "//app:image", target)
    assert "log in first" in without.stderr
    assert "Traceback" not in without.stderr + wrong.stderr + refused.stderr


def has_failed(done: subprocess.CompletedProcess[str]) -> bool:
    assert "Traceback" not in done.stderr
    return done.returncode != 0


@pytest.mark.parametrize("field", ["credsStore", "credHelpers"])
@pytest.mark.parametrize("name", ["absent", "locked"])
def test_a_helper_that_fails_is_taken_as_by_skopeo(
    images: Sandbox, registry: Registry, auth_file: Path, tmp_path: Path, field: str, name: str
) -> None:
    """Where no credential is needed, one that stands for all hosts is no error, and one for this host is."""
    target = f"docker://{registry.host}/team/app:v1"
    ok(images.run("push", "-q", "//app:image", target))
    helper = tmp_path / "bin/docker-credential-locked"
    helper.parent.mkdir()
    helper.write_text("#!/bin/sh\necho the vault is locked; exit 1\n")
    helper.chmod(0o755)
    path = {"PATH": f"{helper.parent}:{os.environ['PATH']}"}
    auth_file.write_text(json.dumps({field: name if field == "credsStore" else {registry.host: name}}))
    theirs = subprocess.run(
        [program("skopeo"), "inspect", "--tls-verify=false", "--authfile", str(auth_file), target],
        env={**os.environ, **path},
        capture_output=True,
        text=True,
        check=False,
    )
    ours = images.run("inspect", target, env=path)
    assert has_failed(ours) == has_failed(theirs) == (field == "credHelpers")


def test_why_there_is_no_credential_is_told_where_one_is_needed(
    images: Sandbox, secure: Registry, auth_file: Path
) -> None:
    images.write("hermes.yaml", f"registries:\n  {secure.host}:\n    ca: {secure.ca}\n")
    auth_file.write_text('{"credsStore": "absent"}')
    done = images.run("inspect", f"docker://{secure.host}/team/app:v1")
    assert "denies access" in done.stderr
    assert "docker-credential-absent, which is not installed" in done.stderr


def test_insecure_only_when_configured(images: Sandbox, secure: Registry) -> None:
    images.write("hermes.yaml", f"registries:\n  {secure.host}:\n    insecure: true\n")
    ok(images.run("push", "-q", "//app:image", f"docker://{secure.host}/team/app:v1"))


def test_a_client_certificate(images: Sandbox, certificates: dict[str, Path], tmp_path: Path) -> None:
    tls = certificates["server.pem"], certificates["server.key"]
    with docker_registry(tmp_path / "mutual", tls=tls, clients=certificates["ca.pem"]) as found:
        target = f"docker://{found.host}/team/app:v1"
        only_ca = f"registries:\n  {found.host}:\n    ca: {certificates['ca.pem']}\n"
        images.write("hermes.yaml", only_ca)
        refused = images.run("push", "-q", "//app:image", target)
        assert refused.returncode == 1
        assert "Traceback" not in refused.stderr
        more = f"    cert: {certificates['client.pem']}\n    key: {certificates['client.key']}\n"
        images.write("hermes.yaml", only_ca + more)
        ok(images.run("push", "-q", "//app:image", target))


def test_tokens(
    images: Sandbox, guarded: Registry, tokens: TokenServer, auth_file: Path, elsewhere: Store, client: Client
) -> None:
    target = f"docker://{guarded.host}/team/app:v1"
    denied = images.run("push", "-q", "//app:image", target)
    assert denied.returncode == 1
    assert "wrong password" in denied.stderr
    assert "log in first" in denied.stderr
    write_auth(auth_file, guarded.host)
    digest = ok(images.run("push", "-q", "//app:image", target))
    assert len(tokens.given) == 1
    assert digest_of(target, f"--creds={USER}:{PASSWORD}") == digest
    assert pull(client, target, elsewhere, Platform.host()).descriptor.digest == digest
    assert tokens.given[-1] == ["repository:team/app:pull"]


def test_a_token_for_a_mount_may_read_where_it_comes_from(
    images: Sandbox, guarded: Registry, tokens: TokenServer, auth_file: Path
) -> None:
    write_auth(auth_file, guarded.host)
    ok(images.run("push", "-q", "//app:image", f"docker://{guarded.host}/one:v"))
    ok(images.run("push", "-q", "//app:image", f"docker://{guarded.host}/two:v"))
    assert ["repository:two:pull,push", "repository:one:pull"] in tokens.given
    assert guarded.requests("POST", "mount=", 201) == 4


def test_an_identity_token(images: Sandbox, guarded: Registry, tokens: TokenServer, auth_file: Path) -> None:
    write_auth(auth_file, guarded.host, "", "", identitytoken=tokens.refresh)
    ok(images.run("push", "-q", "//app:image", f"docker://{guarded.host}/one:v"))
    assert tokens.posts == 1


def test_a_push_that_was_cut_sends_that_blob_again(
    images: Sandbox, registry: Registry, wire: Wire, store: Store, one_at_a_time: Client
) -> None:
    digest = Digest(images.digest("//app:image"))
    data = (images.home / "blobs/sha256" / digest.hex).read_bytes()
    wire.cut_up += [1_500_000, 1_000_000, 700_000]
    manifest = Descriptor(IMAGE_MANIFEST, digest, len(data))
    push(one_at_a_time, store, [Job(manifest, f"{wire.host}/app", ("v",))])
    assert not wire.cut_up
    assert digest_of(f"docker://{registry.host}/app:v") == digest
    assert wire.up < 9_000_000 + 3_400_000


def test_a_pull_goes_on_where_it_was_cut(
    images: Sandbox, registry: Registry, wire: Wire, elsewhere: Store, one_at_a_time: Client
) -> None:
    digest = ok(images.run("push", "-q", "//app:image", f"docker://{registry.host}/app:v"))
    wire.cut_down += [2_000_000, 1_500_000, 900_000]
    pulled = pull(one_at_a_time, f"docker://{wire.host}/app:v", elsewhere, Platform.host())
    assert pulled.descriptor.digest == digest
    assert not wire.cut_down
    assert registry.requests("GET", "/blobs/", 206) == 3
    assert wire.down < 9_000_000 + 1_000_000
    assert elsewhere.blobs.verify(pulled.manifest.config.digest)


def test_an_interrupted_push_leaves_no_name(
    images: Sandbox, registry: Registry, wire: Wire, store: Store, client: Client
) -> None:
    digest = Digest(images.digest("//app:image"))
    wire.cut_up += [1_000_000 - 30_000 * n for n in range(5)]
    wire.cut_up += [200] * 100
    with pytest.raises(RegistryError):
        push(client, store, [Job(descriptor_of(store, digest), f"{wire.host}/app", ("v",))])
    assert wire.up > 1_000_000
    assert not list(registry.folder.glob("data/docker/registry/v2/repositories/app/_manifests/tags/*"))


@pytest.fixture
def client() -> Iterator[Client]:
    with Client() as found:
        yield found


@pytest.fixture
def one_at_a_time() -> Iterator[Client]:
    with Client(jobs=1) as found:
        yield found


def make_index(store: Store, folder: Sandbox) -> Descriptor:
    rows = []
    for platform in ("linux/amd64", "linux/arm64"):
        digest = Digest(folder.digest("//app:image", platform=platform))
        data = store.blobs.read(digest)
        os_name, _, architecture = platform.partition("/")
        rows.append(Descriptor(IMAGE_MANIFEST, digest, len(data), (), Platform(os_name, architecture)))
    document = {"manifests": [one.to_json() for one in rows], "mediaType": IMAGE_INDEX, "schemaVersion": 2}
    made = canonical_json(document)
    return Descriptor(IMAGE_INDEX, store.blobs.put(made), len(made))


def test_an_index_is_pushed_whole_and_the_right_image_pulled(
    images: Sandbox, registry: Registry, store: Store, elsewhere: Store, short: Path, client: Client
) -> None:
    index = make_index(store, images)
    push(client, store, [Job(index, f"{registry.host}/multi", ("v",))])
    name = f"docker://{registry.host}/multi:v"
    for platform in ("amd64", "arm64"):
        pulled = pull(client, name, elsewhere, Platform("linux", platform))
        assert pulled.descriptor.digest == images.digest("//app:image", platform=f"linux/{platform}")
    policy = short / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    base = [program("podman"), f"--root={short}/p", f"--runroot={short}/r", "--storage-driver=vfs"]
    more = [f"--signature-policy={policy}", "--tls-verify=false", "--platform=linux/arm64"]
    found = output_of(*base, "pull", "-q", *more, str(name)).strip()
    inspected = json.loads(output_of(*base, "inspect", found))
    assert inspected[0]["Architecture"] == "arm64"
    with pytest.raises(Exception, match=r"no image for linux/s390x") as error:
        pull(client, name, elsewhere, Platform("linux", "s390x"))
    assert "there are linux/amd64, linux/arm64" in str(error.value)


def test_an_index_of_a_rule_is_pushed(images: Sandbox, registry: Registry) -> None:
    images.write(
        "app/BUILD",
        (images.root / "app/BUILD").read_text()
        + 'image_index(name = "multi", image = ":image", platforms = ["linux/amd64", "linux/arm64"])\n'
        f'image_push(name = "push", image = ":multi", repository = "{registry.host}/all", tags = ["v"])\n',
    )
    digest = ok(images.run("push", "-q", "//app:push"))
    assert digest_of(f"docker://{registry.host}/all:v") != ""
    raw = skopeo("inspect", "--tls-verify=false", "--raw", f"docker://{registry.host}/all:v").encode()
    assert Digest.of(raw) == digest
    architectures = [one["platform"]["architecture"] for one in json.loads(raw)["manifests"]]
    assert architectures == ["amd64", "arm64"]
    again = ok(images.run("push", "-q", "//app:multi", f"docker://{registry.host}/again:v"))
    assert again == digest


def test_a_layer_that_lies_about_its_diff_id_is_refused(
    images: Sandbox, registry: Registry, store: Store, tmp_path: Path, client: Client
) -> None:
    digest = Digest(images.digest("//app:image"))
    manifest = json.loads(store.blobs.read(digest))
    config = json.loads(store.blobs.read(Digest(manifest["config"]["digest"])))
    config["rootfs"]["diff_ids"][1] = str(Digest.of(b"something else"))
    data = canonical_json(config)
    manifest["config"] |= {"digest": store.blobs.put(data), "size": len(data)}
    made = canonical_json(manifest)
    lying = Descriptor(IMAGE_MANIFEST, store.blobs.put(made), len(made))
    push(client, store, [Job(lying, f"{registry.host}/lying", ("v",))])
    other = Sandbox(tmp_path / "other", tmp_path / "home2")
    ok(other.run("ctr", "from", "--name", "c", f"docker://{registry.host}/lying:v"))
    done = other.run("ctr", "mount", "c")
    assert done.returncode == 1
    assert "the image's configuration says" in done.stderr
    assert not [
        one for one in (other.home / "trees").iterdir() if one.name == Digest.of(b"something else").hex
    ]


def test_lists_and_deletion(images: Sandbox, registry: Registry, client: Client) -> None:
    """What Debian's registry does not have itself, such as a list of referrers, is done without it."""
    for tag in ("a", "b", "c"):
        ok(images.run("push", "-q", "//app:image", f"docker://{registry.host}/app:{tag}"))
    repository = client.repository(f"{registry.host}/app", writing=True)
    assert sorted(repository.tags(page=2)) == ["a", "b", "c"]
    subject = repository.manifest("a").descriptor
    empty = Descriptor("application/vnd.oci.empty.v1+json", Digest.of(b"{}"), 2)
    store = Store.open(images.home)
    store.blobs.put(b"{}")
    upload(client, repository, empty, store, lambda: None)
    store.close()
    document = {"artifactType": "text/note", "config": empty.to_json(), "layers": [empty.to_json()],
                "mediaType": IMAGE_MANIFEST, "schemaVersion": 2, "subject": subject.to_json()}  # fmt: skip
    data = canonical_json(document)
    repository.put_manifest(Digest.of(data), data, IMAGE_MANIFEST)
    assert [one["digest"] for one in repository.referrers(subject.digest)] == [Digest.of(data)]
    repository.delete_manifest(subject.digest)
    assert repository.manifest_digest("a") is None
    assert repository.has_blob(empty.digest)
    repository.delete_blob(empty.digest)
    assert not repository.has_blob(empty.digest)


def test_an_index_with_attestations_is_taken_and_pushed_whole(
    images: Sandbox, registry: Registry, store: Store, tmp_path: Path
) -> None:
    index = json.loads(store.blobs.read(make_index(store, images).digest))
    statement = b'{"_type": "https://in-toto.io/Statement/v0.1"}'
    config = b'{"architecture": "unknown", "os": "unknown", "rootfs": {"type": "layers", "diff_ids": []}}'
    rows = [
        {"mediaType": kind, "digest": str(store.blobs.put(data)), "size": len(data)}
        for kind, data in (
            ("application/vnd.oci.image.config.v1+json", config),
            ("application/vnd.in-toto+json", statement),
        )
    ]
    manifest = canonical_json(
        {"schemaVersion": 2, "mediaType": IMAGE_MANIFEST, "config": rows[0], "layers": rows[1:]}
    )
    index["manifests"].append(
        {
            "mediaType": IMAGE_MANIFEST,
            "digest": str(store.blobs.put(manifest)),
            "size": len(manifest),
            "platform": {"architecture": "unknown", "os": "unknown"},
        }
    )
    data = canonical_json(index)
    digest = store.blobs.put(data)
    link_images(tmp_path / "layout", Descriptor(IMAGE_INDEX, digest, len(data)), store, "v")
    other = Sandbox(tmp_path / "other", tmp_path / "other-home")
    place = f"docker://{registry.host}/attested:v"
    assert ok(other.run("copy", "--all-platforms", f"oci:{tmp_path}/layout:v", place)).endswith(digest)
    last = Sandbox(tmp_path / "last", tmp_path / "last-home")
    assert ok(last.run("pull", "--all-platforms", place, "every")).endswith(digest)
    assert ok(last.run("copy", "--all-platforms", "every", "oci:out:v")).endswith(digest)
    blobs = last.root / "out/blobs/sha256"
    assert (blobs / rows[1]["digest"][7:]).read_bytes() == statement
    assert ok(last.run("pull", place, "one")) != ""


def test_damaged_blobs_are_built_or_fetched_again_before_they_leave(
    images: Sandbox, registry: Registry, tmp_path: Path
) -> None:
    name = f"docker://{registry.host}/{tmp_path.name.lower()}"
    first = ok(images.run("push", "//app:image", f"{name}/whole:v"))
    rot(images.home)
    assert ok(images.run("push", "//app:image", f"{name}/again:v")).split()[-1] == first.split()[-1]
    other = Sandbox(images.root, tmp_path / "other")
    ok(other.run("pull", f"{name}/again:v", "image"))
    ok(other.run("copy", "image", f"oci:{tmp_path}/before"))
    rot(other.home, documents=False)
    ok(other.run("copy", "image", f"oci:{tmp_path}/after"))
    assert check_blobs(tmp_path / "after") == check_blobs(tmp_path / "before")


@pytest.mark.parametrize("command", ["run", "pull"])
def test_damaged_documents_are_fetched_again(
    images: Sandbox, registry: Registry, tmp_path: Path, command: str
) -> None:
    """A manifest and a configuration that lost a bit come again from where they were pulled, also after `cache gc`."""
    place = f"docker://{registry.host}/{tmp_path.name.lower()}/documents:v"
    ok(images.run("push", "//app:image", place))
    other = Sandbox(images.root, tmp_path / "other")
    ok(other.run("pull", place, "image"))
    ok(other.run("cache", "gc", "--max-size", "0"))
    assert len(rot(other.home)) > 2
    ok(other.run("pull", place, "image") if command == "pull" else other.run("inspect", "image"))
    ok(other.run("copy", "image", f"oci:{tmp_path}/after"))
    assert check_blobs(tmp_path / "after") == len(list((other.home / "blobs/sha256").iterdir()))


def test_documents_that_cannot_be_fetched_again_are_one_error(
    images: Sandbox, registry: Registry, tmp_path: Path
) -> None:
    place = f"docker://{registry.host}/{tmp_path.name.lower()}/gone:v"
    ok(images.run("push", "//app:image", place))
    other = Sandbox(tmp_path, tmp_path / "other")
    ok(other.run("pull", place, "image"))
    rot(other.home)
    for note in (other.home / "places").iterdir():
        note.write_text(json.dumps([f"{registry.host}/other"]))
    for found in ("did not match its digest and was removed", "the store has no blob"):
        done = other.run("inspect", "image")
        assert done.returncode == 1
        assert found in done.stderr
        assert f"could not be fetched again: {registry.host}/other does not have it" in done.stderr
        assert "Traceback" not in done.stderr
