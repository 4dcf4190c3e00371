"""Digests as Subresource Integrity writes them."""

from __future__ import annotations

import base64
import hashlib

import pytest

from hermes.errors import HermesError
from hermes.integrity import Integrity


def of(algorithm: str, data: bytes = b"x") -> str:
    digest = hashlib.new(algorithm, data, usedforsecurity=False).digest()
    return f"{algorithm}-{base64.b64encode(digest).decode()}"


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha384", "sha512"])
def test_each_algorithm_is_read_and_written_as_it_was(algorithm: str) -> None:
    found = Integrity.parse(of(algorithm))
    assert (found.algorithm, str(found)) == (algorithm, of(algorithm))
    hasher = found.hasher()
    hasher.update(b"x")
    assert found.digests == (hasher.hexdigest(),)


def test_the_strongest_of_several_counts_and_options_and_unknown_ones_do_not() -> None:
    text = f"  md5-AAAA {of('sha1')}\t{of('sha512', b'a')}?foo=1 {of('sha512', b'b')} {of('sha256')}"
    found = Integrity.parse(text)
    assert found.algorithm == "sha512"
    assert set(found.digests) == {hashlib.sha512(one).hexdigest() for one in (b"a", b"b")}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'' has no digest of a known algorithm"),
        ("md5-1B2M2Y8AsgTpgAmY7PhCfg==", "has no digest of a known algorithm"),
        ("sha512", "'sha512' is not a digest of sha512"),
        ("sha512-AAAA", "'sha512-AAAA' is not a digest of sha512"),
        ("sha512-!!!!", "is not a digest of sha512"),
        (of("sha256").replace("sha256", "sha512"), "is not a digest of sha512"),
    ],
)
def test_what_is_not_a_digest_is_refused(text: str, said: str) -> None:
    with pytest.raises(HermesError) as error:
        Integrity.parse(text)
    assert said in error.value.message
