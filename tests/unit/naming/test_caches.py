"""What ``--cache-from`` and ``--cache-to`` mean; attributes are those of docker buildx 0.13."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermes.errors import HermesError
from hermes.naming.caches import cache_from, cache_to, usable


def test_places_are_what_buildx_takes_them_for() -> None:
    found = cache_to("type=registry,ref=app:cache,mode=max,ignore-error=true,image-manifest=true")
    assert (str(found.ref), found.all_layers, found.ignores_errors) == (
        "docker.io/library/app:cache",
        True,
        True,
    )
    assert str(cache_from("r.example/team/app:cache").ref) == "r.example/team/app:cache"
    assert cache_from("type=local,src=/c,tag=x").folder == Path("/c")
    assert not cache_to("type=local,dest=/c").all_layers
    assert cache_to("type=inline").kind == "inline"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "--cache-to is empty"),
        ("type=gha,mode=max", "type=gha is not supported\nhint: GitHub's cache"),
        ("type=s3,bucket=x", "type=s3 is not supported"),
        ("type=regstry,ref=x", "unknown type 'regstry'"),
        ("ref=x,mode=max", "type= is missing"),
        ("type=registry", "ref= is missing"),
        ("type=registry,ref=A B", "invalid image name"),
        ("type=local,src=x", "has no attribute 'src'"),
        ("type=registry,ref=x,mod=max", "did you mean mode?"),
        ("type=registry,ref=x,mode=all", "mode is min or max, not 'all'"),
        ("type=registry,x", "expected NAME=VALUE, got 'x'"),
    ],
)
def test_a_mistake_is_told(text: str, message: str) -> None:
    with pytest.raises(HermesError) as caught:
        cache_to(text)
    assert message in caught.value.render()


def test_what_a_file_says_and_hermes_cannot_use_is_warned_of() -> None:
    said: list[str] = []
    assert list(usable(["type=gha", "app:cache"], cache_from, said.append)) == ["app:cache"]
    assert said[0].startswith("warning: --cache-from type=gha: type=gha is not supported; GitHub's cache")
