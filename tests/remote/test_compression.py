"""Content is compressed on the wire where the service offers it, and held to its digest and size all the same."""

from __future__ import annotations

import random
import resource
from collections.abc import Callable, Iterator

import pytest
import zstandard

from hermes.digest import Digest
from hermes.engine.events import ActionFinished
from hermes.remote.address import Address
from hermes.remote.cas import Blob, Cas, Lost
from hermes.remote.channel import Channel
from tests.remote.sharing import Made, digest_of
from tests.remote.storing import Cache

LARGE = b"".join(b"line %d of a text\n" % n for n in range(200_000))
NOISE = random.Random(3).randbytes(3 << 20)
SMALL = b"a small text " * 100


def blob(data: bytes) -> Blob:
    return Blob(Digest.of(data), len(data), lambda: (data,))


def cas(cache: Cache) -> Cas:
    return Cas(Channel(Address.parse(cache.url)))


@pytest.fixture
def cache() -> Iterator[Cache]:
    with Cache() as made:
        yield made


def test_blobs_cross_compressed_both_ways(cache: Cache) -> None:
    cas(cache).send(map(blob, (LARGE, NOISE, SMALL, b"tiny")))
    assert set(cache.arrived) == {"zstd", "plain"}
    assert cache.arrived["plain"] == len(b"tiny")
    assert len(NOISE) < cache.arrived["zstd"] < len(NOISE) + len(LARGE) / 5
    one = cas(cache)
    for data in (LARGE, NOISE, SMALL, b"tiny"):
        assert one.read(Digest.of(data), len(data)) == data
    assert cache.sent["stream"] < len(NOISE) + len(LARGE) / 5
    assert cache.sent["batch"] < len(SMALL) / 5
    assert one.traffic.down == len(LARGE) + len(NOISE) + len(SMALL) + len(b"tiny")


def test_a_read_that_was_cut_goes_on_at_the_offset_of_the_content() -> None:
    with Cache(cuts=2) as cache:
        cas(cache).send([blob(NOISE)])
        assert cas(cache).read(Digest.of(NOISE), len(NOISE)) == NOISE
        first, *others = cache.offsets
        assert first == 0
        assert len(others) == 2
        assert 0 < others[0] < others[1] < len(NOISE)


BOMB = zstandard.ZstdCompressor().compress(bytes(1 << 30))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda data: data[:-4], "shorter|other bytes"),
        (lambda data: b"no zstd" + data, "has other bytes"),
        (lambda data: BOMB, "longer"),
        (lambda data: zstandard.ZstdCompressor().compress(LARGE[:-1] + b"x"), "has other bytes"),
    ],
    ids=["cut", "garbage", "bomb", "other"],
)
@pytest.mark.parametrize("size", [len(LARGE), 1000], ids=["stream", "batch"])
def test_what_is_wrong_inside_counts_as_missing(
    change: Callable[[bytes], bytes], problem: str, size: int
) -> None:
    with Cache(change) as cache:
        data = LARGE[:size]
        cas(cache).send([blob(data)])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(Lost) as raised:
            cas(cache).read(Digest.of(data), len(data))
        assert raised.value.digest == Digest.of(data)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10


def test_a_build_finds_what_another_machine_has_sent_compressed(cache: Cache, sharing: Made) -> None:
    it = sharing("compressed")
    here = digest_of(it.build("here", cache.url))
    assert cache.arrived["zstd"] > cache.arrived["plain"]
    there = it.build("there", cache.url)
    assert digest_of(there) == here
    assert not [one for one in it.of(ActionFinished) if one.kind in ("run", "layer")]
