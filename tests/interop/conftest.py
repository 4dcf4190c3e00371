"""Fixtures of the integration tests that these use as well, and those that several of these use."""

from tests.integration.conftest import ordinary_user
from tests.interop.test_tools import docker, short

__all__ = ["docker", "ordinary_user", "short"]
