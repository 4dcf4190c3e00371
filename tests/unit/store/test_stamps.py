"""The times of blobs: whether anything was done to one since it was known to be whole."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hermes.store.stamps import STAMP_NS, is_fresh, is_stamped, stamp

MS = 1_000_000
times = st.integers(1_500_000_000 * STAMP_NS, 1_900_000_000 * STAMP_NS)


def stamped_at(now: int) -> int:
    """The modification time of a blob that was found to be whole then (nanoseconds since 1970)."""
    return STAMP_NS + now // MS % STAMP_NS


@given(times, st.integers(-12 * MS, 9 * MS))
@example(1_700_000_000 * STAMP_NS, -12 * MS)
@example(1_700_000_000 * STAMP_NS, 9 * MS)
def test_a_blob_that_was_left_alone_is_fresh(now: int, later: int) -> None:
    """Its ctime is that of the call after the stamp, or a tick before it."""
    assert is_fresh(stamped_at(now), now + later)


@given(times, st.integers(12 * MS, 10**6 * STAMP_NS // 2), st.sampled_from([1, -1]))
@example(1_700_000_000 * STAMP_NS, 12 * MS, 1)
@example(1_700_000_000 * STAMP_NS, 14 * MS, -1)
def test_a_blob_to_which_something_was_done_is_not(now: int, away: int, way: int) -> None:
    """A stamp comes again after 10**9 milliseconds, 11 days: until then the times tell."""
    assert not is_fresh(stamped_at(now), now + way * (away + (2 * MS if way < 0 else 0)))


@pytest.mark.parametrize("seconds", [0, 2, 1_700_000_000])
def test_a_time_that_only_other_programs_give_is_not_fresh(seconds: int) -> None:
    mtime = seconds * STAMP_NS + 5
    assert not is_stamped(mtime)
    assert not any(is_fresh(mtime, mtime // MS * MS + one * MS) for one in range(-20, 20))
    assert not is_fresh(mtime, (mtime - STAMP_NS) * MS)


def test_a_stamp_is_one() -> None:
    assert is_stamped(stamp())
    assert is_stamped(STAMP_NS)
    assert not is_stamped(2 * STAMP_NS)
