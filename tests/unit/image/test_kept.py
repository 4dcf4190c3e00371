"""Which blobs of a base an image on it keeps, and under which media type.

See image-spec, layer.md, "Non-Distributable Layers", and media-types.md, "Compatibility Matrix".
"""

from __future__ import annotations

import pytest

from hermes.digest import Digest
from hermes.errors import ImageError
from hermes.image.descriptor import Descriptor
from hermes.image.kept import kept_blob
from hermes.layer import encodings
from hermes.store import Store

DIFF_ID = Digest.of(b"layer")
OCI = "application/vnd.oci.image.layer.v1.tar"
OCI_FOREIGN = "application/vnd.oci.image.layer.nondistributable.v1.tar"
DOCKER = "application/vnd.docker.image.rootfs.diff.tar"
DOCKER_FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar"


def here(store: Store, media_type: str, form: str) -> Descriptor:
    """A blob of the store that somebody else made."""
    data = form.encode()
    digest = store.blobs.put(data)
    encodings.record_blob(store, DIFF_ID, digest, len(data), form)
    return Descriptor(media_type, digest, len(data))


def promised(store: Store, media_type: str) -> Descriptor:
    """A blob that an image from elsewhere says holds the layer."""
    blob = Descriptor(media_type, Digest.of(b"elsewhere"), 9)
    encodings.record_foreign(store, DIFF_ID, encodings.Foreign(blob.digest, blob.size, media_type))
    return blob


@pytest.mark.parametrize(
    ("media_type", "form", "is_docker", "expected"),
    [
        (f"{OCI}+gzip", "gzip", False, f"{OCI}+gzip"),
        (f"{OCI}+zstd", "zstd", False, f"{OCI}+zstd"),
        (f"{DOCKER}.gzip", "gzip", False, f"{OCI}+gzip"),
        (f"{OCI}+gzip", "gzip", True, f"{DOCKER}.gzip"),
        (f"{DOCKER}.gzip", "zstd", False, f"{OCI}+zstd"),  # what it is counts, not what it is called
    ],
)
def test_a_blob_that_is_here_is_kept_by_the_name_that_its_form_has(
    store: Store, media_type: str, form: str, is_docker: bool, expected: str
) -> None:
    blob = here(store, media_type, form)
    kept = kept_blob(store, DIFF_ID, blob, is_docker=is_docker)
    assert kept == Descriptor(expected, blob.digest, blob.size)


@pytest.mark.parametrize(
    ("media_type", "is_docker", "expected"),
    [(f"{DOCKER}.gzip", False, f"{OCI}+gzip"), (OCI, True, DOCKER), (f"{OCI}+zstd", False, f"{OCI}+zstd")],
)
def test_a_blob_that_is_still_elsewhere_is_kept_too(
    store: Store, media_type: str, is_docker: bool, expected: str
) -> None:
    blob = promised(store, media_type)
    assert kept_blob(store, DIFF_ID, blob, is_docker=is_docker) == Descriptor(
        expected, blob.digest, blob.size
    )


def test_dockers_format_has_no_zstd_so_such_a_blob_is_compressed_again(store: Store) -> None:
    assert kept_blob(store, DIFF_ID, here(store, f"{OCI}+zstd", "zstd"), is_docker=True) is None
    assert kept_blob(store, DIFF_ID, promised(store, f"{OCI}+zstd"), is_docker=True) is None


def test_a_blob_that_nobody_has_or_promises_is_compressed_again(store: Store) -> None:
    promised(store, f"{OCI}+gzip")
    other = Descriptor(f"{OCI}+gzip", Digest.of(b"another"), 7)
    assert kept_blob(store, DIFF_ID, other, is_docker=False) is None


@pytest.mark.parametrize(
    ("media_type", "is_docker", "expected"),
    [
        (f"{DOCKER_FOREIGN}.gzip", False, f"{OCI_FOREIGN}+gzip"),
        (f"{OCI_FOREIGN}+gzip", True, f"{DOCKER_FOREIGN}.gzip"),
    ],
)
def test_a_layer_that_its_urls_have_stays_one(
    store: Store, media_type: str, is_docker: bool, expected: str
) -> None:
    urls = ("https://example.org/layer",)
    blob = Descriptor(media_type, Digest.of(b"foreign"), 7, urls=urls)
    kept = kept_blob(store, DIFF_ID, blob, is_docker=is_docker)
    assert kept == Descriptor(expected, blob.digest, 7, urls=urls)


def test_a_layer_that_may_not_be_distributed_is_never_compressed_again(store: Store) -> None:
    blob = Descriptor(f"{OCI_FOREIGN}+zstd", Digest.of(b"foreign"), 7, urls=("https://example.org/layer",))
    with pytest.raises(ImageError, match="may not be distributed, nor be compressed again"):
        kept_blob(store, DIFF_ID, blob, is_docker=True)
