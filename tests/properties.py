"""How much is tried of properties that hold for all inputs."""

from __future__ import annotations

import os
from typing import Final

from hypothesis import settings

_ALL: Final = os.environ.get("HERMES_TEST_EXAMPLES") == "all"


def examples(count: int, **more: object) -> settings:
    """Return settings for ``count`` examples, of which a run tries a quarter, other ones each time; CI tries all."""
    return settings(max_examples=count if _ALL else count // 4, deadline=None, **more)
