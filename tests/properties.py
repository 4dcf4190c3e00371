"""How much is tried of properties that hold for all inputs, and documents that somebody has tampered with."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, Final, TypeVar

from hypothesis import settings
from hypothesis import strategies as st

T = TypeVar("T")

ALL: Final = os.environ.get("HERMES_TEST_EXAMPLES") == "all"
"""Whether everything is to be tried, also what takes minutes: ``make test-all``."""


def examples(count: int, **more: object) -> settings:
    """Return settings for ``count`` examples, of which a run tries a quarter, other ones each time; CI tries all."""
    return settings(max_examples=count if ALL else count // 4, deadline=None, **more)


def some(cases: Iterable[T], one_in: int = 4) -> list[T]:
    """Return the cases that a run tries, from the first on; CI tries all."""
    return list(cases)[:: 1 if ALL else one_in]


_ODD: Final = st.sampled_from(
    [
        *(None, True, -1, 0, 1 << 70, 1.5, "", "a", "\ud800", "\udcff", "\0", "sha256:" + "b" * 64),
        *([], [None], [[]], {}, {"": 1}, {"a": None}),
    ]
)


@st.composite
def changed(draw: st.DrawFn, document: Any) -> Any:
    """Draw a JSON value that differs in some places from ``document``."""
    for _ in range(draw(st.integers(1, 3))):
        document = _changed_once(draw, document)
    return document


def _changed_once(draw: st.DrawFn, value: Any) -> Any:
    if isinstance(value, dict | list) and value and draw(st.integers(0, 4)):
        made = value.copy()
        place = draw(st.sampled_from(list(made) if isinstance(made, dict) else range(len(made))))
        if draw(st.integers(0, 5)) == 0:
            del made[place]
        else:
            made[place] = _changed_once(draw, made[place])
        return made
    if isinstance(value, str) and draw(st.booleans()):
        cut = draw(st.integers(0, len(value)))
        return (
            value[:cut] + draw(st.sampled_from(["", ":", "/", "Z", "\n", "é", "9" * 30])) + value[cut + 1 :]
        )
    return draw(_ODD)
