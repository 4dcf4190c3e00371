"""One image has one verdict, whatever the transport that it comes through: see `tests.registry.odd_images`."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
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
from tests.registry.faulty import FaultyRegistry
from tests.registry.odd_images import ODD, Odd, write_dir, write_repository, write_saved
from tests.registry.servers import Registry, docker_registry
from tests.unit.transports.images import Made

TRANSPORTS = ("oci", "oci-archive", "dir", "docker", "docker-archive")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with docker_registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


def written(
    odd: Odd, made: Made, transport: str, folder: Path, registry: Registry, lax: FaultyRegistry
) -> str:
    """Write an image where a transport finds it; return its name there."""
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
        lax.blobs |= {f"sha256:{name}": data for name, data in made.blobs.items()}
        lax.manifests["v"] = made.blobs[made.row["digest"].hex], made.row["mediaType"]
        return f"docker://{lax.host}/odd:v"
    if transport == "docker":
        path = f"odd/{folder.name.lower()}"
        write_repository(made, registry.folder / "data", path)
        return f"docker://{registry.host}/{path}:v"
    write_saved(made, folder / "saved.tar")
    return f"docker-archive:{folder}/saved.tar"


def layers_of(made: Made, transport: str) -> list[str]:
    """The digests of the layers' blobs, which are plain tars in an archive of ``docker save``."""
    if transport == "docker-archive":
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
        if (odd.archive or transport != "docker-archive") and bool(odd.used) == used
    ]


@pytest.mark.parametrize(("odd", "transport"), cases(used=False))
def test_the_verdict_is_the_same_through_every_transport(
    odd: Odd, transport: str, tmp_path: Path, store: Store, registry: Registry, faulty: FaultyRegistry
) -> None:
    made = odd.make()
    name = written(odd, made, transport, tmp_path, registry, faulty)
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
    odd: Odd, transport: str, tmp_path: Path, store: Store, registry: Registry, faulty: FaultyRegistry
) -> None:
    name = written(odd, odd.make(), transport, tmp_path, registry, faulty)
    with closing(fetching_of(store)) as fetching, refusal(odd.used, name):
        for below in base_of(name, store, fetching, build_target, "linux/amd64").stack:
            fetching.layer(below.diff_id)
