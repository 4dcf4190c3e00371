"""Names of images: what is one, and what its parts are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.digest import Digest
from hermes.errors import UsageError
from hermes.image.descriptor import IMAGE_MANIFEST, Descriptor
from hermes.image.names import ImageNames
from hermes.image.reference import Reference
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
