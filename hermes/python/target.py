"""What packages are chosen for: a version of CPython, a platform and its C library, whatever this machine is.

See the specifications "Dependency specifiers" (environment markers) and "Platform compatibility tags", and PEP 600
(manylinux) and PEP 656 (musllinux).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from hermes.errors import LockError
from hermes.image.platform import Platform

if TYPE_CHECKING:
    from packaging.markers import Environment
    from packaging.tags import Tag

_VERSION: Final = re.compile(r"3\.(0|[1-9][0-9]?)(\.(0|[1-9][0-9]?))?\Z")
_LIBC: Final = re.compile(r"(glibc-2|musl-1)\.(0|[1-9][0-9]?)\Z")
_OLDEST: Final = {"x86_64": 5, "i686": 5}
"""The minor version of glibc 2 with which manylinux began; 17 on other machines."""
_LEGACY: Final = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_MACHINES: Final = {
    "amd64": "x86_64",
    "arm64": "aarch64",
    "386": "i686",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    "riscv64": "riscv64",
    "arm": "armv7l",
}


class PythonTarget(NamedTuple):
    """``python`` is "3.12" or "3.12.4", ``libc`` the newest C library that a wheel may need: "glibc-2.28", "musl-1.2"."""

    python: str
    platform: Platform
    libc: str

    @classmethod
    def of(cls, python: str, platform: Platform, libc: str) -> PythonTarget:
        """Check the parts; raises `LockError`."""
        if not _VERSION.match(python):
            raise LockError(
                f"expected a version of Python such as 3.12 or 3.12.4, got {python!r}",
                hint='write it as python = "3.12"',
            )
        if not _LIBC.match(libc):
            raise LockError(
                f"expected glibc-2.N or musl-1.N, got {libc!r}", hint='write it as libc = "glibc-2.28"'
            )
        if platform.os != "linux" or platform.architecture not in _MACHINES:
            raise LockError(f"wheels for {platform} are not known", hint="build for a Linux platform")
        return cls(python, platform, libc)

    @property
    def short(self) -> str:
        """The version as folders have it: 3.12."""
        return ".".join(self.python.split(".")[:2])

    @property
    def full(self) -> str:
        """The whole version; where the last part is not known, the first release."""
        return self.python if self.python.count(".") == 2 else f"{self.python}.0"

    @property
    def machine(self) -> str:
        """What ``uname -m`` says there."""
        if self.platform.architecture == "arm" and self.platform.variant in ("v5", "v6"):
            return f"arm{self.platform.variant}l"
        return _MACHINES[self.platform.architecture]

    def environment(self) -> Environment:
        """Return the values of environment markers, as the library has them."""
        return cast("Environment", self.markers())

    def markers(self) -> dict[str, str]:
        """Return the values of environment markers."""
        return {
            "implementation_name": "cpython",
            "implementation_version": self.full,
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": self.full,
            "python_version": self.short,
            "sys_platform": "linux",
        }

    def tags(self) -> list[Tag]:
        """Return the tags of wheels that can be installed, the best first."""
        from packaging.tags import compatible_tags, cpython_tags

        version = tuple(map(int, self.short.split(".")))
        interpreter = f"cp{version[0]}{version[1]}"
        platforms = list(self._platforms())
        return [
            *cpython_tags(version, [interpreter], platforms),
            *compatible_tags(version, interpreter, platforms),
        ]

    def _platforms(self) -> Iterator[str]:
        name, _, number = self.libc.partition("-")
        minor = int(number.partition(".")[2])
        machine = self.machine
        yield f"linux_{machine}"
        if name == "musl":
            for one in range(minor, -1, -1):
                yield f"musllinux_1_{one}_{machine}"
        else:
            for one in range(minor, _OLDEST.get(machine, 17) - 1, -1):
                yield f"manylinux_2_{one}_{machine}"
                if one in _LEGACY:
                    yield f"{_LEGACY[one]}_{machine}"

    def __str__(self) -> str:
        return f"Python {self.python} on {self.platform} with {self.libc.replace('-', ' ')}"
