"""Names of images: what is one, and what its parts are."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.digest import Digest
from hermes.dockerfile.origins import context_name
from hermes.errors import UsageError
from hermes.image.descriptor import IMAGE_MANIFEST, Descriptor
from hermes.image.names import ImageNames
from hermes.image.platform import Platform
from hermes.image.reference import Reference, is_tag_or_name, normal_name
from hermes.store import Store

SHA = "sha256:" + "0" * 64
GOOD = {
    "app": ("", "app", "latest"),
    "app:1.0": ("", "app", "1.0"),
    "team/app": ("", "team/app", "latest"),
    "localhost/app:x": ("localhost", "app", "x"),
    "localhost:5000/a/b:V_1": ("localhost:5000", "a/b", "V_1"),
    "example.org/a__b/c-d.e": ("example.org", "a__b/c-d.e", "latest"),
    "host:80/app": ("host:80", "app", "latest"),
    f"app@{SHA}": ("", "app", ""),
    f"app:1@{SHA}": ("", "app", "1"),
    "[::1]:5000/app": ("[::1]:5000", "app", "latest"),
}
BAD = [
    "",
    ":",
    "App",
    "app:",
    "app:a b",
    "a//b",
    "/app",
    "app/",
    "a..b",
    "-a",
    "app@sha256:12",
    "app:" + "t" * 129,
    "localhost:65536/app",
    "[::1]:99999/app",
    "a" * 256,
]
PART = st.from_regex(r"\A[a-z0-9]{1,5}((\.|_|__|-{1,3})[a-z0-9]{1,3}){0,2}\Z")


@pytest.mark.parametrize("text", GOOD)
def test_parts(text: str) -> None:
    found = Reference.parse(text)
    assert (found.host, found.path, found.tag) == GOOD[text]
    assert Reference.parse(str(found)) == found


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(UsageError, match="invalid image name"):
        Reference.parse(text)


@given(st.lists(PART, min_size=1, max_size=4), st.from_regex(r"\A[A-Za-z0-9_][A-Za-z0-9_.-]{0,9}\Z"))
def test_any_name_comes_back(parts: list[str], tag: str) -> None:
    text = f"{'/'.join(parts)}:{tag}"
    assert str(Reference.parse(text)) == text


def test_the_store_knows_names(store: Store) -> None:
    names = ImageNames(store)
    one = Descriptor(IMAGE_MANIFEST, Digest.of(b"1"), 1)
    names.set(Reference.parse("localhost/team/app:1"), one)
    assert names.get(Reference.parse("team/app:1")) == one
    assert [str(name) for name, _ in names] == ["localhost/team/app:1"]
    with pytest.raises(UsageError, match="did you mean localhost/team/app:1"):
        names.get(Reference.parse("team/app:2"))
    assert names.remove(Reference.parse("localhost/team/app:1"))
    assert not names.remove(Reference.parse("localhost/team/app:1"))


IMAGE = Descriptor(IMAGE_MANIFEST, Digest.of(b"one"), 3)
OTHER = Descriptor(IMAGE_MANIFEST, Digest.of(b"another"), 7)
SAME = {
    "alpine:latest": [
        *("alpine", "docker.io/alpine", "library/alpine", "docker.io/library/alpine:latest"),
        *("index.docker.io/library/alpine", "index.docker.io/alpine:latest"),
    ],
    "team/app:1": ["team/app:1", "docker.io/team/app:1", "index.docker.io/team/app:1"],
    "example.org/library/alpine:latest": ["example.org/library/alpine"],
    "localhost/alpine:latest": ["localhost/alpine"],
    "localhost:5000/library/alpine:2": ["localhost:5000/library/alpine:2"],
    "library/a/b:latest": ["docker.io/library/a/b", "library/a/b"],
    f"alpine@{SHA}": [f"docker.io/library/alpine@{SHA}", f"alpine@{SHA}"],
    "docker.io/example.org/app:latest": ["docker.io/example.org/app"],
}
"""What `reference.FamiliarString` of the distribution project makes of names, which docker shows; but for the last one,
which it makes the name of another registry."""


@pytest.mark.parametrize("normal", SAME)
def test_a_name_has_one_normal_form(normal: str) -> None:
    for text in SAME[normal]:
        found = Reference.parse(text)
        assert str(found.normal) == normal
        assert found.normal.full == found.full
        assert context_name(text) == context_name(normal)
    assert Reference.parse(normal).normal == Reference.parse(normal)


def test_contexts_are_compared_without_the_tag_that_is_implied() -> None:
    assert context_name("docker.io/library/Alpine:latest") == context_name("alpine") == "alpine"
    assert context_name("alpine:3") != context_name("alpine")
    assert context_name("Some Name") == "some name"


@given(st.permutations(SAME["alpine:latest"]))
def test_an_image_is_found_by_every_form_of_its_name(texts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder, closing(Store.open(Path(folder))) as store:
        names = ImageNames(store)
        first, second, *others = (Reference.parse(text) for text in texts)
        names.set(first, IMAGE)
        names.set(second, OTHER)
        for one in others:
            assert names.find(one) == OTHER
            assert str(names.stored_name(one)) == "alpine:latest"
        assert [str(one) for one, _ in names] == ["alpine:latest"]


def test_names_of_this_machine_need_not_say_so(store: Store) -> None:
    names = ImageNames(store)
    names.set(Reference.parse("localhost/app"), IMAGE)
    names.set(Reference.parse("other:1"), OTHER)
    assert names.find(Reference.parse("app")) == IMAGE
    assert names.find(Reference.parse("localhost/other:1")) == OTHER
    for text in ("docker.io/app", "docker.io/library/app", "example.org/app", "localhost:5000/app", "app:1"):
        assert names.find(Reference.parse(text)) is None


def test_a_name_that_was_stored_with_its_registry_is_still_found(store: Store) -> None:
    names = ImageNames(store)
    names.set(Reference.parse("x"), IMAGE)
    folder = store.home / "images"
    (folder / "x%3Alatest").rename(folder / "docker.io%2Flibrary%2Fx%3Alatest")
    assert names.find(Reference.parse("x")) == IMAGE
    names.set(Reference.parse("x"), OTHER)
    assert [(str(name), one) for name, one in names] == [("x:latest", OTHER)]


def test_a_name_that_is_near_is_told(store: Store) -> None:
    names = ImageNames(store)
    names.set(Reference.parse("docker.io/library/busybox"), IMAGE)
    with pytest.raises(UsageError) as caught:
        names.get(Reference.parse("docker.io/library/busybxo"))
    assert caught.value.hint == "did you mean busybox:latest?"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v1", True),
        ("host:5000/name:tag", True),
        ("a/b", True),
        (f"name@{Digest.of(b'')}", False),
        ("UPPER/case", False),
        ("a b", False),
        ("", False),
    ],
)
def test_what_names_an_image_in_a_layout(text: str, expected: bool) -> None:
    assert is_tag_or_name(text) is expected


def test_what_is_not_a_name_has_no_other_form() -> None:
    assert normal_name("docker.io/library/a") == normal_name("a") == "a:latest"
    for text in ("a b", "UPPER", ""):
        assert normal_name(text) == text


@pytest.mark.parametrize(
    ("has", "wanted", "expected"),
    [
        ("linux/arm/v7", "linux/arm/v7", True),
        ("linux/amd64/v2", "linux/amd64", True),
        ("linux/amd64", "linux/amd64/v2", False),
        ("linux/arm/v6", "linux/arm/v7", False),
        ("linux/arm64", "linux/arm/v7", False),
        ("windows/amd64", "linux/amd64", False),
    ],
)
def test_a_platform_without_a_variant_is_met_by_all(has: str, wanted: str, expected: bool) -> None:
    assert Platform.parse(has).matches(Platform.parse(wanted)) is expected
