"""One image has one verdict, whatever the transport that it comes through: see `tests.registry.odd_images`."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from hermes.build.named import build_target
from hermes.digest import Digest
from hermes.errors import ImageError, LayerError, RegistryError, UsageError
from hermes.image.manifest import Manifest
from hermes.naming.bases import base_of
from hermes.naming.image_names import in_store
from hermes.naming.registries import LazyBlobs
from hermes.registry.settings import Registries
from hermes.store import Store
from hermes.transports.table import TABLE
from tests.registry.faulty import FaultyRegistry
from tests.registry.odd_images import ODD, Odd, write_dir, write_repository, write_saved
from tests.registry.servers import Registry, Web, docker_registry
from tests.registry.test_daemons import Daemon
from tests.unit.transports.images import Made

TRANSPORTS = tuple(row.name for row in TABLE)
SAVED = ("docker-archive", "docker-daemon")
"""Those that have an image as ``docker save`` writes it, with plain layers."""


@dataclass
class Servers:
    """A docker-registry, one that gives out whatever it is told to, and a daemon that has the image it is told."""

    registry: Registry
    lax: FaultyRegistry
    daemon: Daemon


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with docker_registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.fixture
def servers(registry: Registry, faulty: FaultyRegistry, monkeypatch: pytest.MonkeyPatch) -> Iterator[Servers]:
    daemon = Daemon()
    with Web(daemon) as web:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://{web.host}")
        yield Servers(registry, faulty, daemon)


def stored(made: Made, folder: Path) -> str:
    """Have skopeo put an image into a store of podman's; return its name there."""
    if shutil.which("skopeo") is None:
        pytest.skip("skopeo is not installed")
    source = made.layout(folder / "layout")
    name = f"containers-storage:[vfs@{folder}/root+{folder}/run]localhost/odd:v"
    platform = f"--override-arch={made.config.get('architecture')}"
    subprocess.run(["skopeo", "copy", "-q", "--insecure-policy", platform, source, name], check=True)
    return name


def written(odd: Odd, made: Made, transport: str, folder: Path, servers: Servers) -> str:
    """Write an image where a transport finds it; return its name there."""
    if transport == "containers-storage":
        return stored(made, folder)
    if transport == "oci":
        return made.layout(folder / "layout")
    if transport == "oci-archive":
        made.layout(folder / "layout")
        with tarfile.open(folder / "layout.tar", "w") as archive:
            archive.add(folder / "layout", ".")
        return f"oci-archive:{folder}/layout.tar"
    if transport == "dir":
        write_dir(made, folder / "dir")
        return f"dir:{folder}/dir"
    if transport == "docker" and odd.unserved:
        servers.lax.blobs |= {f"sha256:{name}": data for name, data in made.blobs.items()}
        servers.lax.manifests["v"] = made.blobs[made.row["digest"].hex], made.row["mediaType"]
        return f"docker://{servers.lax.host}/odd:v"
    if transport == "docker":
        path = f"odd/{folder.name.lower()}"
        write_repository(made, servers.registry.folder / "data", path)
        return f"docker://{servers.registry.host}/{path}:v"
    write_saved(made, folder / "saved.tar")
    if transport == "docker-daemon":
        servers.daemon.image = (folder / "saved.tar").read_bytes()
        return "docker-daemon:shop/odd:v"
    return f"docker-archive:{folder}/saved.tar"


def layers_of(made: Made, transport: str) -> list[str]:
    """The digests of the layers' blobs, which are plain tars where an image was saved or unpacked."""
    if transport in (*SAVED, "containers-storage"):
        return [Digest.of(one) for one in made.tars]
    return [one["digest"] for one in made.manifest["layers"]]


def fetching_of(store: Store) -> LazyBlobs:
    return LazyBlobs(store, Registries)


@contextmanager
def refusal(pattern: str, name: str) -> Iterator[None]:
    """What is in the block is refused by one error that ``pattern`` matches, and that says of which image it is."""
    if not pattern:
        yield
        return
    with pytest.raises((ImageError, LayerError, RegistryError, UsageError)) as caught:
        yield
    message = caught.value.render()
    assert re.search(pattern, message), message
    if not isinstance(caught.value, LayerError):
        assert name.removeprefix("docker://").removesuffix(":v") in message


def cases(*, used: bool) -> list[object]:
    return [
        pytest.param(odd, transport, id=f"{transport}-{name.replace(' ', '_')}")
        for name, odd in ODD.items()
        for transport in TRANSPORTS
        if bool(odd.used) == used
        and (odd.archive or transport not in SAVED)
        and (odd.storage or transport != "containers-storage")
    ]


@pytest.mark.parametrize(("odd", "transport"), cases(used=False))
def test_the_verdict_is_the_same_through_every_transport(
    odd: Odd, transport: str, tmp_path: Path, store: Store, servers: Servers
) -> None:
    made = odd.make()
    name = written(odd, made, transport, tmp_path, servers)
    whole = odd.error if odd.whole is None else odd.whole
    with closing(fetching_of(store)) as fetching:
        with refusal(odd.error, name):
            found = in_store(name, store, fetching, build_target, "linux/amd64")
            document = Manifest.parse(store.blobs.read(found.root().digest))
            assert [one.digest for one in document.layers] == layers_of(made, transport)
        with refusal(odd.error, name):
            base_of(name, store, fetching, build_target, "linux/amd64")
        with refusal(whole, name):
            in_store(name, store, fetching, build_target, whole=True)


@pytest.mark.parametrize(("odd", "transport"), cases(used=True))
def test_what_is_wrong_in_a_layer_is_told_before_anything_uses_it(
    odd: Odd, transport: str, tmp_path: Path, store: Store, servers: Servers
) -> None:
    name = written(odd, odd.make(), transport, tmp_path, servers)
    with closing(fetching_of(store)) as fetching, refusal(odd.used, name):
        for below in base_of(name, store, fetching, build_target, "linux/amd64").stack:
            fetching.layer(below.diff_id)
