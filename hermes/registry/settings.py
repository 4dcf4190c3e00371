"""What is configured of registries: mirrors, certificates, and which are plain or forbidden. No I/O."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """How to speak to a registry, or to a part of it.

    ``mirrors`` (``HOST[/PREFIX]``) are asked first, by what reads. ``insecure`` allows plain HTTP and
    certificates that nobody vouches for; ``ca`` is the path of the authorities to trust instead of this
    machine's, ``cert`` and ``key`` those of a client certificate. ``blocked``: nothing is sent or read.
    ``keep_nondistributable``: images may have such layers; see `hermes.transports.taking.import_image`.
    """

    mirrors: tuple[str, ...] = ()
    insecure: bool = False
    ca: str = ""
    cert: str = ""
    key: str = ""
    blocked: bool = False
    keep_nondistributable: bool = False


@dataclass(frozen=True, slots=True)
class Registries:
    """Settings by prefix: pairs of ``HOST[/PREFIX]`` and what counts for all names below it.

    ``keep_nondistributable`` says so of every name, whatever its prefix says.
    """

    prefixes: tuple[tuple[str, RegistrySettings], ...] = ()
    keep_nondistributable: bool = False

    def of(self, name: str) -> tuple[str, RegistrySettings]:
        """Return the longest prefix of ``HOST/PATH`` that is configured (or an empty one), and its settings."""
        found = [row for row in self.prefixes if name == row[0] or name.startswith(f"{row[0]}/")]
        return max(found, key=lambda row: len(row[0]), default=("", RegistrySettings()))

    def keeps_nondistributable(self, name: str) -> bool:
        """Tell whether images of ``HOST/PATH`` may have layers that may not be distributed."""
        return self.keep_nondistributable or self.of(name)[1].keep_nondistributable

    def mirrors_of(self, name: str) -> tuple[str, ...]:
        """Return the names that ``HOST/PATH`` has on its mirrors."""
        prefix, settings = self.of(name)
        return tuple(f"{mirror}{name[len(prefix) :]}" for mirror in settings.mirrors)
