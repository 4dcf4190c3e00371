"""What a text on the command line means: a label, a name or digest of the store, or a place that a transport reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hermes.digest import Digest
from hermes.errors import UsageError
from hermes.graph.label import is_label
from hermes.image.descriptor import Descriptor
from hermes.image.names import ImageNames
from hermes.image.platform import Platform
from hermes.image.reference import Reference
from hermes.naming.bases import base_of
from hermes.naming.image_names import in_store
from hermes.naming.registries import LazyBlobs
from hermes.naming.targets import BuiltTarget
from hermes.registry.settings import Registries
from hermes.store import Store
from tests.unit.transports.images import Made, small, take_in

AMD64 = Platform("linux", "amd64")


class Targets:
    """Builds targets: each gives what is listed for its label. ``asked`` are labels and platforms."""

    def __init__(self) -> None:
        self.images: dict[str, tuple[Digest, ...]] = {}
        self.layers: dict[str, tuple[Digest, ...]] = {}
        self.asked: list[tuple[str, str]] = []

    def __call__(self, label: str, home: Path, platform: str) -> BuiltTarget:
        self.asked.append((label, platform))
        return BuiltTarget(label, "app:latest", self.images.get(label, ()), self.layers.get(label, ()))


@pytest.fixture
def targets() -> Targets:
    return Targets()


@pytest.fixture
def fetching(store: Store) -> Iterator[LazyBlobs]:
    with closing(LazyBlobs(store, Registries)) as found:
        yield found


@pytest.fixture
def image(store: Store, tmp_path: Path) -> Descriptor:
    """An image of the store that is called ``app:1``."""
    found = take_in(small().layout(tmp_path / "small"), store, AMD64)
    ImageNames(store).set(Reference.parse("app:1"), found)
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [("//a:b", True), (":b", True), ("@r//a", True), ("a:b", False), ("oci:x", False), ("/a", False)],
)
def test_a_label_begins_as_no_name_of_an_image_does(text: str, expected: bool) -> None:
    assert is_label(text) is expected


def test_a_name_and_each_beginning_of_a_digest_mean_the_image_that_has_them(
    store: Store, fetching: LazyBlobs, targets: Targets, image: Descriptor
) -> None:
    for text in ("app:1", image.digest, image.digest.hex, image.digest.hex[:7], f"app:1@{image.digest}"):
        found = in_store(text, store, fetching, targets)
        assert found.root().digest == image.digest, text
    assert targets.asked == []


def test_a_name_with_the_digest_of_another_image_is_refused(
    store: Store, fetching: LazyBlobs, targets: Targets, image: Descriptor
) -> None:
    with pytest.raises(UsageError, match=f"the image with that name has the digest {image.digest}"):
        in_store(f"app:1@sha256:{'0' * 64}", store, fetching, targets)


@pytest.mark.usefixtures("image")
def test_a_name_that_is_not_there_is_answered_with_a_near_one(
    store: Store, fetching: LazyBlobs, targets: Targets
) -> None:
    with pytest.raises(UsageError) as caught:
        in_store("apq:1", store, fetching, targets)
    assert caught.value.hint == "did you mean app:1?"


def test_a_label_is_built_for_the_platform_that_was_asked_for(
    store: Store, fetching: LazyBlobs, targets: Targets, image: Descriptor
) -> None:
    targets.images["//app:image"] = (image.digest,)
    assert in_store("//app:image", store, fetching, targets, "linux/amd64").root().digest == image.digest
    assert targets.asked == [("//app:image", "linux/amd64")]


def test_a_target_must_give_one_image(
    store: Store, fetching: LazyBlobs, targets: Targets, image: Descriptor
) -> None:
    with pytest.raises(UsageError, match="//app:none gives no image"):
        in_store("//app:none", store, fetching, targets)
    targets.images["//app:two"] = (image.digest, image.digest)
    with pytest.raises(UsageError, match="//app:two gives 2 images"):
        in_store("//app:two", store, fetching, targets)


def test_an_image_elsewhere_is_put_into_the_store(
    store: Store, fetching: LazyBlobs, targets: Targets, tmp_path: Path
) -> None:
    made = small()
    found = in_store(made.layout(tmp_path / "there"), store, fetching, targets, "linux/amd64")
    assert found.root().digest == made.digest
    assert store.blobs.read(Digest(made.digest)) == made.blobs[Digest(made.digest).hex]


@pytest.mark.parametrize("whole", [True, False])
def test_an_image_for_another_platform_is_refused_unless_it_is_taken_as_it_is(
    store: Store, fetching: LazyBlobs, targets: Targets, tmp_path: Path, whole: bool
) -> None:
    text = Made([], platform=("linux", "s390x")).layout(tmp_path / "there")
    if whole:
        assert in_store(text, store, fetching, targets, "linux/amd64", whole=True)
    else:
        with pytest.raises(UsageError, match="linux/s390x"):
            in_store(text, store, fetching, targets, "linux/amd64")


# Bases.


def test_scratch_is_a_base_without_layers_for_the_platform(
    store: Store, fetching: LazyBlobs, targets: Targets
) -> None:
    base = base_of("scratch", store, fetching, targets, "linux/arm/v7")
    assert base.stack == ()
    assert (base.document["architecture"], base.document["variant"]) == ("arm", "v7")


def test_an_image_is_a_base_of_its_layers_and_configuration(
    store: Store, fetching: LazyBlobs, targets: Targets, image: Descriptor
) -> None:
    base = base_of("app:1", store, fetching, targets, "")
    assert [one.diff_id for one in base.stack] == small().config["rootfs"]["diff_ids"]
    assert base.document["config"] == {"Env": ["A=b"]}
    assert [one.digest for one in base.blobs] == [one["digest"] for one in small().manifest["layers"]]


def test_a_target_that_gives_layers_alone_is_a_base_with_a_row_of_history_for_each(
    store: Store, fetching: LazyBlobs, targets: Targets
) -> None:
    targets.layers["//app:layer"] = (Digest.of(b"one"), Digest.of(b"two"))
    base = base_of("//app:layer", store, fetching, targets, "linux/amd64")
    assert tuple(one.diff_id for one in base.stack) == targets.layers["//app:layer"]
    assert len(base.document["history"]) == 2


def test_an_image_without_a_name_has_its_digest(
    store: Store, fetching: LazyBlobs, targets: Targets, tmp_path: Path
) -> None:
    image = take_in(small().layout(tmp_path / "small"), store, AMD64)
    for text in (image.digest, image.digest.hex, image.digest.hex[:12], f"sha256:{image.digest.hex[:20]}"):
        assert in_store(text, store, fetching, targets).root() == image, text
    with pytest.raises(UsageError, match="there is no image"):
        in_store(image.digest.hex[:11], store, fetching, targets)


def test_a_digest_of_something_else_is_no_image(store: Store, fetching: LazyBlobs, targets: Targets) -> None:
    config = b'{"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}'
    for digest in (store.blobs.put(b"{}"), store.blobs.put(config), store.blobs.put(b"no JSON")):
        text = digest.hex[:12]
        with pytest.raises(UsageError, match="there is no image"):
            in_store(text, store, fetching, targets)


def test_a_name_counts_before_a_digest_that_begins_like_it(
    store: Store, fetching: LazyBlobs, targets: Targets, image: Descriptor, tmp_path: Path
) -> None:
    other = take_in(Made([]).layout(tmp_path / "other"), store, AMD64)
    ImageNames(store).set(Reference.parse(image.digest.hex[:12]), other)
    assert in_store(image.digest.hex[:12], store, fetching, targets).root() == other
    assert in_store(image.digest.hex[:13], store, fetching, targets).root() == image
