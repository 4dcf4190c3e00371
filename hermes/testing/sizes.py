"""The sizes of tests."""

from typing import Final

SIZES: Final = {"small": 60, "medium": 300, "large": 900, "enormous": 3600}
"""The sizes of tests, and after how many seconds one of that size is ended, as with Bazel."""
