"""Platforms: an operating system, an architecture and its variant, named as Go names them.

See image-spec, image-index.md ("platform") and config.md.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from hermes.errors import UsageError

_WORD: Final = re.compile(r"[a-z0-9][a-z0-9_.]*\Z")
_MACHINES: Final = {
    "x86_64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "i686": ("386", ""),
    "ppc64le": ("ppc64le", ""),
    "s390x": ("s390x", ""),
    "riscv64": ("riscv64", ""),
}
_ALIASES: Final = {
    "x86_64": "amd64",
    "x86-64": "amd64",
    "aarch64": "arm64",
    "armhf": "arm",
    "i386": "386",
}
_DEBIAN: Final = {
    ("amd64", ""): "amd64",
    ("arm64", ""): "arm64",
    ("arm", "v7"): "armhf",
    ("arm", "v6"): "armel",
    ("386", ""): "i386",
    ("ppc64le", ""): "ppc64el",
    ("s390x", ""): "s390x",
    ("riscv64", ""): "riscv64",
}
_OPERATING_SYSTEMS: Final = frozenset({"linux", "windows", "darwin", "freebsd", "wasip1"})
_ARCHITECTURES: Final = frozenset({name for name, _ in _DEBIAN} | {"loong64", "mips64le", "ppc64", "wasm"})
_UNNAMED: Final = {"amd64": "v1", "arm": "v7", "arm64": "v8"}
"""The variants that are meant where none is named."""
_DEFAULT_VARIANTS: Final = {("arm64", "v8"): "", ("arm", ""): "v7", ("amd64", "v1"): ""}


@dataclass(frozen=True, slots=True, order=True)
class Platform:
    """``os/architecture`` or ``os/architecture/variant``; the default variant is left out."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Parse a platform; raises `UsageError`."""
        parts = text.split("/")
        if len(parts) == 1:
            parts.insert(0, "linux")
        if len(parts) > 3 or not all(_WORD.match(part.lower()) for part in parts):
            raise UsageError(f"{text!r} is not a platform", hint="write os/architecture, such as linux/arm64")
        system, architecture = parts[0].lower(), parts[1].lower()
        variant = parts[2].lower() if len(parts) == 3 else ""
        if architecture == "armhf":
            variant = variant or "v7"
        architecture = _ALIASES.get(architecture, architecture)
        variant = _DEFAULT_VARIANTS.get((architecture, variant), variant)
        for word, known in ((system, _OPERATING_SYSTEMS), (architecture, _ARCHITECTURES)):
            if word not in known:
                import difflib

                near = difflib.get_close_matches(word, known, 1)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}"
                raise UsageError(f"{text!r} is not a platform: nothing is called {word}", hint=hint)
        return cls(system, architecture, variant)

    @classmethod
    def host(cls) -> Platform:
        """Return the platform of this machine."""
        machine = os.uname().machine
        architecture, variant = _MACHINES.get(machine, (machine, ""))
        return cls("linux", architecture, variant)

    @property
    def debian(self) -> str:
        """Debian's name for the architecture."""
        return _DEBIAN.get((self.architecture, self.variant), self.architecture)

    @classmethod
    def of_debian(cls, architecture: str) -> Platform:
        """Return the Linux platform that Debian calls ``architecture``."""
        for (name, variant), debian in _DEBIAN.items():
            if debian == architecture:
                return cls("linux", name, variant)
        return cls("linux", architecture)

    def matches(self, wanted: Platform) -> bool:
        """Tell whether this satisfies ``wanted``, whose variant may be empty."""
        return (self.os, self.architecture) == (wanted.os, wanted.architecture) and (
            not wanted.variant or self.variant == wanted.variant
        )

    def best_of(self, offered: Sequence[Platform]) -> Platform | None:
        """Return the best match for this platform among ``offered``, or None.

        A variant runs what its predecessors run: arm/v7 also what is for v6 and v5, amd64/v3 what is for v2. See
        image-spec, image-index.md, "Platform Variants".
        """
        if self in offered:
            return self
        same = [
            one
            for one in offered
            if (one.os, one.architecture) == (self.os, self.architecture) and one.level is not None
        ]
        return next((one for level in self._levels() for one in same if one.level == level), None)

    @property
    def level(self) -> int | None:
        """The number of the variant, 0 where the architecture has none, None where it has no number."""
        variant = self.variant or _UNNAMED.get(self.architecture, "")
        if not variant:
            return 0
        number = variant.removeprefix("v").partition(".")[0]
        return int(number) if number.isascii() and number.isdigit() and len(number) < 3 else None

    def _levels(self) -> Iterator[int]:
        level = self.level
        if level is not None:
            yield from range(level, -1, -1)

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)
