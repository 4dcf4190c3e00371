"""Which image of an index is for a platform."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hermes.errors import NoSuchPlatform, UsageError
from hermes.image.platform import Platform
from hermes.registry.client import Client
from hermes.store import Store
from hermes.transports.examining import choose
from hermes.transports.table import opened
from tests.unit.transports.images import small


def row(text: str, *, said: bool = True) -> tuple[dict[str, Any], dict[str, bytes]]:
    """A row of an index that says its platform, or has it in its configuration alone; and its blobs."""
    system, architecture, *variant = text.split("/")
    config = {"architecture": architecture, "os": system, "author": text} | (
        {"variant": variant[0]} if variant else {}
    )
    made = small(config=config)
    return (made.row | {"platform": config} if said else made.row), made.blobs


def chosen(
    folder: Path, store: Store, rows: list[tuple[dict[str, Any], dict[str, bytes]]], wanted: str
) -> str:
    """The platform of the image that is chosen, by its configuration."""
    made = small()
    for _, blobs in rows:
        made.blobs |= blobs
    index = {"schemaVersion": 2, "manifests": [one for one, _ in rows]}
    top = made.add(text_of(index), "application/vnd.oci.image.index.v1+json")
    with opened(made.layout(folder, [top]), store, Client) as origin:
        return str(choose(origin, Platform.parse(wanted)).config["author"])


def text_of(document: Any) -> bytes:
    import json

    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("there", "wanted", "gets"),
    [
        (["linux/amd64", "linux/arm64/v8"], "linux/arm64", "linux/arm64/v8"),
        (["linux/arm/v5", "linux/arm/v6", "linux/arm/v7"], "linux/arm/v6", "linux/arm/v6"),
        (["linux/arm/v5", "linux/arm/v6", "linux/arm/v8"], "linux/arm/v7", "linux/arm/v6"),
        (["linux/arm/v5", "linux/arm"], "linux/arm/v7", "linux/arm"),
        (["linux/amd64/v3", "linux/amd64/v2", "linux/amd64"], "linux/amd64/v2", "linux/amd64/v2"),
        (["linux/amd64/v3", "linux/amd64"], "linux/amd64", "linux/amd64"),
        (["linux/amd64/v3", "linux/amd64"], "linux/amd64/v4", "linux/amd64/v3"),
        (["unknown/unknown", "linux/amd64", "linux/amd64"], "linux/amd64", "linux/amd64"),
    ],
)
@pytest.mark.parametrize("said", [True, False])
def test_the_best_variant_is_chosen(
    tmp_path: Path, store: Store, there: list[str], wanted: str, gets: str, said: bool
) -> None:
    found = [row(one, said=said or one.startswith("unknown")) for one in there]
    assert chosen(tmp_path, store, found, wanted) == gets


@pytest.mark.parametrize("wanted", ["linux/amd64", "linux/arm/v5", "linux/s390x"])
@pytest.mark.parametrize("said", [True, False])
def test_a_platform_that_is_not_there_lists_those_that_are(
    tmp_path: Path, store: Store, wanted: str, said: bool
) -> None:
    found = [row(one, said=said) for one in ("linux/arm/v6", "linux/amd64/v2")] + [row("unknown/unknown")]
    with pytest.raises(NoSuchPlatform, match=r"there are linux/amd64/v2, linux/arm/v6; say --platform"):
        chosen(tmp_path, store, found, wanted)


def test_an_image_alone_is_for_its_platform_and_what_that_runs(tmp_path: Path, store: Store) -> None:
    made = small(config={"architecture": "arm", "os": "linux", "variant": "v6", "author": "arm/v6"})
    with opened(made.layout(tmp_path, [made.row]), store, Client) as origin:
        for wanted in (None, Platform.parse("linux/arm/v6"), Platform.parse("linux/arm/v7")):
            assert choose(origin, wanted).config["author"] == "arm/v6"
        for other in ("linux/arm/v5", "linux/arm64", "windows/arm/v6"):
            with pytest.raises(NoSuchPlatform, match="linux/arm/v6"):
                choose(origin, Platform.parse(other))


def test_a_row_that_says_its_platform_comes_before_one_that_does_not(tmp_path: Path, store: Store) -> None:
    found = [row("linux/amd64", said=False), row("linux/amd64/v1")]
    assert chosen(tmp_path, store, found, "linux/amd64") == "linux/amd64/v1"


def test_an_index_of_attestations_alone_has_no_image(tmp_path: Path, store: Store) -> None:
    with pytest.raises(UsageError, match="the index lists no images"):
        chosen(tmp_path, store, [row("unknown/unknown")], "linux/amd64")
