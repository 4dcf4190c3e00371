"""The plugin of the collection as ``ansible_connection: hermes``: the wheel has this file where Ansible looks for short names."""

from __future__ import annotations

from ansible_collections.hermes.build.plugins.connection.hermes import DOCUMENTATION, Connection

__all__ = ("DOCUMENTATION", "Connection")
