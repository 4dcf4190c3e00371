"""What packages are chosen for: a version of Node.js, a platform and its C library, whatever this machine is.

See npm's documentation, "package.json": ``engines``, ``os``, ``cpu``, ``libc``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from hermes.errors import LockError
from hermes.image.platform import Platform
from hermes.node.package_lock import Package
from hermes.node.semver import satisfies

_VERSION: Final = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){0,2}\Z")
_LIBCS: Final = ("glibc", "musl")
_CPUS: Final = {
    "amd64": "x64",
    "arm64": "arm64",
    "386": "ia32",
    "arm": "arm",
    "loong64": "loong64",
    "mips": "mips",
    "mipsle": "mipsel",
    "ppc64le": "ppc64",
    "riscv64": "riscv64",
    "s390x": "s390x",
}
"""GOARCH -> ``process.arch`` of Node.js."""


class NodeTarget(NamedTuple):
    """``node`` is a version as "20" or "20.11.1", ``libc`` "glibc" or "musl"."""

    node: str
    platform: Platform
    libc: str

    @classmethod
    def of(cls, node: str, platform: Platform, libc: str) -> NodeTarget:
        """Check the parts; raises `LockError`."""
        if not _VERSION.match(node):
            raise LockError(
                f"expected a version of Node.js such as 20 or 20.11.1, got {node!r}",
                hint='write it as node = "20"',
            )
        if libc not in _LIBCS:
            raise LockError(f"expected glibc or musl, got {libc!r}", hint='write it as libc = "glibc"')
        if platform.os != "linux" or platform.architecture not in _CPUS:
            raise LockError(f"packages for {platform} are not known", hint="build for a Linux platform")
        return cls(node, platform, libc)

    @property
    def cpu(self) -> str:
        """What ``process.arch`` is there."""
        return _CPUS[self.platform.architecture]

    @property
    def version(self) -> str:
        """The whole version; what is not said is high, as of the last release of a line."""
        return ".".join([*self.node.split("."), "999", "999"][:3])

    def runs(self, package: Package) -> bool:
        """Tell whether a package says that it is for this platform."""
        return (
            _listed("linux", package.os)
            and _listed(self.cpu, package.cpu)
            and _listed(self.libc, package.libc)
        )

    def suits(self, package: Package) -> bool:
        """Tell whether a package is for this version of Node.js."""
        wanted = package.engines.get("node", "")
        return not wanted or satisfies(self.version, wanted, prereleases=True)

    def __str__(self) -> str:
        return f"Node.js {self.node} on {self.platform} with {self.libc}"


def _listed(value: str, names: Sequence[str] | None) -> bool:
    """Tell whether a list allows a value: names that begin with ``!`` exclude, and others must have it."""
    if names is None or list(names) == ["any"]:
        return True
    excluded = [one[1:] for one in names if one.startswith("!")]
    if value in excluded:
        return False
    return value in names or len(excluded) == len(names)
