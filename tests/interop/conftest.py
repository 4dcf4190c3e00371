"""Fixtures of the integration tests that these use as well."""

from tests.integration.conftest import ordinary_user

__all__ = ["ordinary_user"]
