"""Variables of a Dockerfile: which ARG and ENV are in force where. See the Dockerfile reference, "ARG"."""

from __future__ import annotations

from collections.abc import Mapping

from hermes.dockerfile.options import Options
from hermes.image.platform import Platform
from hermes.outbound import PROXIES


def platform_arguments(options: Options) -> dict[str, str]:
    """Return the arguments that every Dockerfile has: they are set before the first FROM, and in a stage after ARG."""
    return {
        **_of("TARGET", options.platform),
        **_of("BUILD", Platform.host()),
        "TARGETSTAGE": options.target or "default",
    }


def _of(prefix: str, platform: Platform) -> dict[str, str]:
    return {
        f"{prefix}PLATFORM": str(platform),
        f"{prefix}OS": platform.os,
        f"{prefix}ARCH": platform.architecture,
        f"{prefix}VARIANT": platform.variant,
    }


class Scope:
    """The arguments in force in one place. ``given`` are those of the command line."""

    def __init__(self, given: Mapping[str, str], outer: Mapping[str, str]) -> None:
        self._given = given
        self._outer = outer
        self.values: dict[str, str] = {}
        self.declared: set[str] = set()

    def declare(self, name: str, default: str | None) -> None:
        """Take an ARG into force: as given, else its default, else as it is outside of the stage."""
        self.declared.add(name)
        if name in self._given:
            self.values[name] = self._given[name]
        elif default is not None:
            self.values[name] = default
        elif name in self._outer:
            self.values[name] = self._outer[name]

    def copy(self) -> Scope:
        made = Scope(self._given, self._outer)
        made.values = dict(self.values)
        made.declared = set(self.declared)
        return made

    def proxies(self) -> dict[str, str]:
        """Return the proxies that were given and that no ARG names: they are in no image and no key."""
        return {
            name: self._given[name] for name in PROXIES if name in self._given and name not in self.declared
        }
