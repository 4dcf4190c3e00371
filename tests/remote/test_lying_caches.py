"""Caches that lie, refuse, lose and say nothing: the image is right, and one warning says what is wrong with the service.

A result whose parts cannot be had, or are not what they should be, is as none: that is no warning.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hermes.engine.events import ActionCached, Warned
from tests.remote.cluster import Cluster
from tests.remote.lying import Lie, Proxy, refusing, silent, slow
from tests.remote.sharing import Made, digest_of
from tests.remote.test_lying_services import flipped, longer, never

grpc: Any = pytest.importorskip("grpc")
CODE = grpc.StatusCode


def cut() -> Callable[[int, bytes], bytes | None]:
    """Of every other answer give half a piece and no more: the client has to ask for the rest."""
    seen: set[int] = set()

    def change(number: int, data: bytes) -> bytes | None:
        if number % 2 == 0:
            return data
        if number in seen:
            return None
        seen.add(number)
        return data[: max(1, len(data) // 2)]

    return change


@pytest.mark.parametrize(
    ("lie", "change", "is_cached", "warned"),
    [
        (None, flipped, False, ""),
        (None, longer, False, ""),
        (None, never, False, ""),
        (None, cut(), True, ""),
        (slow(0.02), None, True, ""),
        (refusing(CODE.UNAVAILABLE, times=2), None, True, ""),
        (refusing(CODE.NOT_FOUND, "Read"), None, False, ""),
        (refusing(CODE.DATA_LOSS, "Read"), None, False, ""),
        (refusing(CODE.UNIMPLEMENTED, "BatchReadBlobs"), None, True, ""),
        (refusing(CODE.UNAUTHENTICATED), None, False, "refused the call"),
        (refusing(CODE.INTERNAL, "GetActionResult"), None, False, "said by the test"),
        (silent("GetActionResult"), None, False, "eadline"),
    ],
    ids=[
        *("wrong-bytes", "too-long", "nothing", "cut", "slow", "away-for-a-moment", "evicted", "damaged"),
        *("no-batches", "no-credentials", "broken", "silent"),
    ],
)
def test_a_lie_changes_no_digest(
    cluster: Cluster,
    sharing: Made,
    lie: Lie | None,
    change: Callable[[int, bytes], bytes | None] | None,
    is_cached: bool,
    warned: str,
) -> None:
    it = sharing("lies")
    here = digest_of(it.build("here", cluster.url))
    with Proxy(
        cluster.url.removeprefix("grpc://"), lie or (lambda proxy, method, context: None), change
    ) as proxy:
        there = it.build("there", proxy.url, choice={"timeout": 2})
    assert digest_of(there) == here
    texts = [one.message for one in it.of(Warned)]
    assert [warned in one for one in texts] == [True] * bool(warned)
    found = {one.owner for one in it.of(ActionCached) if one.kind == "run" and one.where}
    assert ("//app:b" in found) is is_cached
