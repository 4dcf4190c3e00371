"""Caches that lie, refuse, lose and say nothing: the image is right, and one warning says what is wrong with the service.

A result whose parts cannot be had, or are not what they should be, is as none: that is no warning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hermes.engine.events import ActionCached, Warned
from hermes.remote.messages import messages
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


def short_write() -> Lie:
    """Say once that a byte of a stream was stored and no more."""
    told: list[str] = []

    def lie(proxy: Proxy, method: str, context: Any) -> Iterator[bytes] | None:
        if method != "Write" or told:
            return None
        told.append(method)
        return iter((messages().WriteResponse(committed_size=1).SerializeToString(),))

    return lie


@pytest.mark.parametrize(
    ("lie", "change", "is_cached", "warned"),
    [
        (None, flipped, False, ""),
        (None, longer, False, ""),
        (None, never, False, ""),
        (None, cut(), True, ""),
        (slow(0.02), None, True, ""),
        (refusing(CODE.UNAVAILABLE, times=2), None, True, ""),
        (refusing(CODE.NOT_FOUND, "Read", "BatchReadBlobs"), None, False, ""),
        (refusing(CODE.DATA_LOSS, "Read", "BatchReadBlobs"), None, False, ""),
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
    target = cluster.url.removeprefix("grpc://")
    with Proxy(target, lie or (lambda proxy, method, context: None), change, inline=False) as proxy:
        there = it.build("there", proxy.url, choice={"timeout": 2})
    assert digest_of(there) == here
    texts = [one.message for one in it.of(Warned)]
    assert [warned in one for one in texts] == [True] * bool(warned)
    found = {one.owner for one in it.of(ActionCached) if one.kind == "run" and one.where}
    assert ("//app:b" in found) is is_cached


@pytest.mark.parametrize(
    ("lie", "warned", "reads"),
    [
        (refusing(CODE.PERMISSION_DENIED, "UpdateActionResult"), "; results are not sent", True),
        (refusing(CODE.RESOURCE_EXHAUSTED, "BatchUpdateBlobs"), "; the build goes on without it", False),
        (refusing(CODE.RESOURCE_EXHAUSTED, "BatchUpdateBlobs", times=1), "", True),
        (short_write(), "", True),
    ],
    ids=["may-not-write", "quota", "quota-for-a-moment", "not-all-stored"],
)
def test_what_cannot_be_written_is_one_warning(
    cluster: Cluster, sharing: Made, lie: Lie, warned: str, reads: bool, request: pytest.FixtureRequest
) -> None:
    it = sharing(f"written-{request.node.callspec.id}")
    it.build("first", cluster.url, "//base:root")
    it.root.write("app/file", f"{it.word}\n" * 100_000)  # a layer that is sent as a stream
    with Proxy(cluster.url.removeprefix("grpc://"), lie) as proxy:
        there = it.build("there", proxy.url, choice={"timeout": 2})
        assert proxy.calls["Write"] >= 2 or warned
    texts = [one.message for one in it.of(Warned)]
    assert [one.endswith(warned) for one in texts] == [True] * bool(warned)
    assert ("//base:root" in {one.owner for one in it.of(ActionCached) if one.where}) or not reads
    assert digest_of(there) == digest_of(it.build("here"))
