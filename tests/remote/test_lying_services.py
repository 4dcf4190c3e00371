"""Services that lie, refuse, lose and say nothing: the image is right, or there is one clear message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hermes.engine.events import Warned
from hermes.errors import BuildFailed
from tests.remote.cluster import Cluster
from tests.remote.lying import Lie, Proxy, refusing, silent, slow
from tests.remote.place import Made, Place, digest_of

grpc: Any = pytest.importorskip("grpc")
CODE = grpc.StatusCode


def flipped(number: int, data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:] if data else data


def longer(number: int, data: bytes) -> bytes:
    return data + b"x"


def first_cut(number: int, data: bytes) -> bytes:
    """Half of an answer, then its other half, for which the client has to ask."""
    return data[: max(1, len(data) // 2)] if number % 2 else data


def never(number: int, data: bytes) -> None:
    return None


Right = Callable[[Place], str]


@pytest.fixture(scope="module")
def right() -> Right:
    """The digest of //app:a, which is the same whatever it prints."""
    found: list[str] = []

    def of(place: Place) -> str:
        if not found:
            found.append(digest_of(place.build("here", "", "//app:a")))
        return found[0]

    return of


@pytest.mark.parametrize(
    ("lie", "change", "elsewhere", "warned"),
    [
        (None, flipped, False, "has other bytes"),
        (None, longer, False, "is longer than it should be"),
        (None, never, False, "is shorter than it should be"),
        (None, first_cut, True, ""),
        (slow(0.05), None, True, ""),
        (refusing(CODE.UNAVAILABLE, times=2), None, True, ""),
        (refusing(CODE.RESOURCE_EXHAUSTED, "Write", "BatchUpdateBlobs", times=2), None, True, ""),
        (refusing(CODE.UNAUTHENTICATED), None, False, "refused the call"),
        (refusing(CODE.PERMISSION_DENIED, "BatchUpdateBlobs"), None, False, "refused the call"),
        (refusing(CODE.INTERNAL, "Execute"), None, False, "said by the test"),
        (refusing(CODE.RESOURCE_EXHAUSTED, "Execute"), None, False, "said by the test"),
        (silent("FindMissingBlobs"), None, False, "eadline"),
    ],
    ids=[
        *("wrong-bytes", "too-long", "nothing", "cut", "slow", "away-for-a-moment", "quota-for-a-moment"),
        *("no-credentials", "may-not-write", "broken", "quota", "silent"),
    ],
)
def test_a_lie_changes_no_digest(
    cluster: Cluster,
    right: Right,
    place: Made,
    lie: Lie | None,
    change: Callable[[int, bytes], bytes | None] | None,
    elsewhere: bool,
    warned: str,
    request: pytest.FixtureRequest,
) -> None:
    it = place(f"lie-{request.node.callspec.id}")
    target = cluster.url.removeprefix("grpc://")
    with Proxy(target, lie or (lambda proxy, method, context: None), change) as proxy:
        there = it.build("there", proxy.url, "//app:a", choice={"timeout": 2})
    assert (it.elsewhere() == {"//app:a"}) is elsewhere
    texts = [one.message for one in it.of(Warned)]
    assert len(texts) == (not elsewhere)
    assert all(warned in one for one in texts)
    assert digest_of(there) == right(it)


def test_without_the_fallback_a_refusal_is_one_error(cluster: Cluster, place: Made) -> None:
    it = place("refused")
    with (
        Proxy(cluster.url.removeprefix("grpc://"), refusing(CODE.UNAUTHENTICATED)) as proxy,
        pytest.raises(BuildFailed) as raised,
    ):
        it.build("there", proxy.url, "//app:a", choice={"local_fallback": False})
    text = raised.value.render()
    assert f"{proxy.url} refused the call: said by the test" in text
    assert "hint: check the credentials" in text
    assert proxy.calls.total() == 1
