"""What an upload says and understands, without a registry; see distribution-spec, "Pushing Blobs"."""

from __future__ import annotations

import io

import pytest

from hermes.digest import Digest
from hermes.registry.upload import Part, _arrived, _with_digest

DIGEST = Digest.of(b"blob")


@pytest.mark.parametrize(
    ("text", "bytes_there"),
    [
        ("0-99", 100),  # "Range: 0-<end-of-range>", the end is the last byte
        ("bytes=0-99", 100),
        ("0-0", 0),  # an upload without bytes: there is no range for it
        ("", 0),
        ("5-99", 0),
        ("0-x", 0),
        ("0-99, 200-300", 0),
        ("0--1", 0),
        ("0-" + "9" * 5000, 0),
    ],
)
def test_a_range_says_how_many_bytes_have_arrived(text: str, bytes_there: int) -> None:
    assert _arrived(text) == bytes_there


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("https://r/v2/a/blobs/uploads/1", f"https://r/v2/a/blobs/uploads/1?digest={DIGEST}"),
        # "the <location> MAY contain critical query parameters"
        ("https://r/upload?state=a%2Fb", f"https://r/upload?state=a%2Fb&digest={DIGEST}"),
    ],
)
def test_a_digest_is_added_to_where_an_upload_goes(location: str, expected: str) -> None:
    assert _with_digest(location, DIGEST) == expected


def test_a_part_of_a_file_is_read_to_its_end_and_no_further() -> None:
    told: list[int] = []
    file = io.BytesIO(b"0123456789")
    file.seek(2)
    part = Part(file, 5, told.append)
    assert len(part) == 5
    assert [part.read(3), part.read(3), part.read(3)] == [b"234", b"56", b""]
    assert told == [3, 5]


def test_a_part_is_sent_in_pieces_that_say_how_far_it_is() -> None:
    told: list[int] = []
    data = bytes(600_000)
    pieces = list(Part(io.BytesIO(data), len(data), told.append))
    assert b"".join(pieces) == data
    assert told == [1 << 18, 2 << 18, 600_000]
