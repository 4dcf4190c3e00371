"""What is configured of registries, and what a command says of them: mirrors, certificates, which are plain. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hermes.registry.credential import Credential


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """How to speak to a registry, or to a part of it.

    ``mirrors`` (``HOST[/PREFIX]``) are asked first, by what reads. ``insecure`` allows plain HTTP and
    certificates that nobody vouches for; ``ca`` is the path of the authorities to trust instead of this
    machine's, ``cert`` and ``key`` those of a client certificate. ``blocked``: nothing is sent or read.
    ``tls_only``: not even this machine is asked without TLS.
    ``keep_nondistributable``: images may have such layers; see `hermes.transports.taking.import_image`.
    """

    mirrors: tuple[str, ...] = ()
    insecure: bool = False
    ca: str = ""
    cert: str = ""
    key: str = ""
    blocked: bool = False
    tls_only: bool = False
    keep_nondistributable: bool = False


@dataclass(frozen=True, slots=True)
class Access:
    """How one command speaks to every registry that it needs, whatever is configured of them.

    ``credential`` is shown to all of them, before any of a file; ``auth_file`` is read instead of the usual files.
    ``verify`` is whether they have to speak TLS, with a certificate that somebody vouches for (None: as configured).
    ``ca``, ``cert`` and ``key`` take the place of those of `RegistrySettings`.
    """

    credential: Credential | None = None
    auth_file: str = ""
    verify: bool | None = None
    ca: str = ""
    cert: str = ""
    key: str = ""

    def applied(self, settings: RegistrySettings) -> RegistrySettings:
        """Return the settings of a registry with what the command says."""
        if self.verify is not None:
            settings = replace(settings, insecure=not self.verify, tls_only=self.verify)
        if self.ca:
            settings = replace(settings, ca=self.ca)
        if self.cert:
            settings = replace(settings, cert=self.cert, key=self.key)
        return settings


AS_CONFIGURED: Final = Access()
"""What a command says that says nothing."""


@dataclass(frozen=True, slots=True)
class Registries:
    """Settings by prefix: pairs of ``HOST[/PREFIX]`` and what counts for all names below it.

    ``keep_nondistributable`` says so of every name, whatever its prefix says, and ``access`` what a command says of all.
    """

    prefixes: tuple[tuple[str, RegistrySettings], ...] = ()
    keep_nondistributable: bool = False
    access: Access = AS_CONFIGURED

    def of(self, name: str) -> tuple[str, RegistrySettings]:
        """Return the longest prefix of ``HOST/PATH`` that is configured (or an empty one), and its settings."""
        found = [row for row in self.prefixes if name == row[0] or name.startswith(f"{row[0]}/")]
        prefix, settings = max(found, key=lambda row: len(row[0]), default=("", RegistrySettings()))
        return prefix, self.access.applied(settings)

    def keeps_nondistributable(self, name: str) -> bool:
        """Tell whether images of ``HOST/PATH`` may have layers that may not be distributed."""
        return self.keep_nondistributable or self.of(name)[1].keep_nondistributable

    def mirrors_of(self, name: str) -> tuple[str, ...]:
        """Return the names that ``HOST/PATH`` has on its mirrors."""
        prefix, settings = self.of(name)
        return tuple(f"{mirror}{name[len(prefix) :]}" for mirror in settings.mirrors)
