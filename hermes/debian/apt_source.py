"""Where Debian packages come from, as ``hermes.yaml`` and the files of apt say it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AptSource:
    """An archive of Debian packages: where it is, which suites and components of it, and who signs it.

    ``signed_by`` is the path of a keyring, or empty.
    """

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""
