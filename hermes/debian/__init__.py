"""Lock files for Debian packages: read apt's sources and signed indexes, choose packages, write them down.

It knows archives, versions and dependencies; it does not know what a target is or how a package is unpacked.
"""

from hermes.debian.lock import LockRequest, make_lock
from hermes.debian.sources import machine_sources

__all__ = ["LockRequest", "machine_sources", "make_lock"]
