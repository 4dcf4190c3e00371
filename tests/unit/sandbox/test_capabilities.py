"""The names of capabilities, and which of them commands get."""

from __future__ import annotations

import pytest

from hermes.errors import UsageError
from hermes.sandbox.capabilities import NAMES, chosen
from hermes.sandbox.process import BUILD_CAPABILITIES


def test_some_are_added_and_dropped() -> None:
    assert chosen([], []) == tuple(sorted(BUILD_CAPABILITIES))
    assert chosen(["net_raw"], ["all"]) == ("CAP_NET_RAW",)
    assert "CAP_CHOWN" not in chosen([], ["CHOWN"])
    assert chosen(["all"], []) == tuple(sorted(NAMES))
    assert "CAP_CHOWN" not in chosen(["chown"], ["chown"])
    assert chosen(["all"], ["net_raw"]) == tuple(sorted({*NAMES} - {"CAP_NET_RAW"}))
    assert chosen(["chown,Cap_Kill"], ["ALL"]) == ("CAP_CHOWN", "CAP_KILL")
    with pytest.raises(UsageError, match="did you mean CHOWN"):
        chosen(["chwn"], [])
