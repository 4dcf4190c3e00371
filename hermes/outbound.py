"""What a machine asks of connections that leave it: its proxies, and the authorities that vouch for certificates.

Where a proxy opens TLS, whatever has a network must trust the authority of that proxy. Programs agree on variables for
proxies, and each has one of its own for authorities; see curl(1), pip's and npm's configuration, git-config(1), Node.js'
command line, and SSL_CTX_load_verify_locations(3).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Final

from hermes.errors import WorkspaceError

PROXIES: Final = tuple(
    name
    for one in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
    for name in (one, one.lower())
)
"""The variables that name proxies; they are in no image and no key."""

AUTHORITIES: Final = (
    "SSL_CERT_FILE",  # OpenSSL, Go, uv
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "NODE_EXTRA_CA_CERTS",
    "npm_config_cafile",
    "GIT_SSL_CAINFO",
    "AWS_CA_BUNDLE",
    "CARGO_HTTP_CAINFO",
)
"""The variables that name a file with authorities."""

MOUNTED: Final = "/run/hermes/ca.pem"
"""Where a command with a network finds the authorities."""

SYSTEM: Final = "system"

_NAMED: Final = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Arch, Alpine
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Fedora, RHEL
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",
)
"""Where systems have their authorities; see root_linux.go of Go's crypto/x509."""
_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"
_LOOPBACK: Final = re.compile(r"(?:127(?:\.[0-9]{1,3}){3}|localhost|\[::1\])(?::[0-9]+)?\Z")


@dataclass(frozen=True, slots=True)
class Outbound:
    """What ``outbound`` of a ``hermes.yaml`` says.

    ``ca`` is the path of a file with authorities (PEM) that Hermes and commands with a network trust instead of those that
    they bring along; empty: each those that it has. With ``proxies`` such commands get the variables of the machine.
    """

    ca: str = ""
    proxies: bool = True

    def variables(
        self, given: Iterable[str], environment: Mapping[str, str] = os.environ, *, shares_network: bool
    ) -> dict[str, str]:
        """Return the variables for a command with a network that has those called ``given`` already.

        A proxy at a loopback address is reached only by what ``shares_network`` with this machine.
        """
        known = {one.lower() for one in given}
        found = proxies_of(environment, loopback=shares_network) if self.proxies else {}
        if self.ca:
            found.update(dict.fromkeys(AUTHORITIES, MOUNTED))
        return {name: value for name, value in found.items() if name.lower() not in known}

    def take_effect(self, environment: MutableMapping[str, str] = os.environ) -> None:
        """Let this process and the programs that it starts trust the authorities."""
        if self.ca:
            environment.update(dict.fromkeys(AUTHORITIES, self.ca))


def proxies_of(environment: Mapping[str, str], *, loopback: bool) -> dict[str, str]:
    """Return the variables of proxies, each in both cases; ``loopback``: also those at a loopback address."""
    found = {name: environment[name] for name in PROXIES if environment.get(name)}
    for name, value in tuple(found.items()):
        found.setdefault(name.lower(), value)
        found.setdefault(name.upper(), value)
    return {
        name: value
        for name, value in found.items()
        if loopback or name.lower() == "no_proxy" or not is_loopback(_host(value))
    }


def system_bundle(environment: Mapping[str, str] = os.environ) -> str:
    """Return the path of this machine's authorities: what a variable names, else what its system has; or nothing."""
    named = (environment.get(name, "") for name in _NAMED)
    return next((one for one in (*named, *_BUNDLES) if one and os.path.isfile(one)), "")


def count(bundle: str) -> int:
    """Return how many certificates are in a file; raises `WorkspaceError` where it cannot be read or has none."""
    try:
        with open(bundle, "rb") as file:
            found = file.read().count(_CERTIFICATE)
    except OSError as error:
        raise WorkspaceError(f"{bundle}: {error.strerror}", hint="name a file with certificates") from error
    if not found:
        raise WorkspaceError(
            f"{bundle} has no certificate", hint="it must have certificates in PEM form (BEGIN CERTIFICATE)"
        )
    return found


def is_loopback(host: str) -> bool:
    """Tell whether a host, with or without a port, is this machine."""
    return bool(_LOOPBACK.match(host))


def _host(proxy: str) -> str:
    """Return the host and port of a proxy, whose scheme may be left out."""
    return proxy.rpartition("://")[2].partition("/")[0].rpartition("@")[2]
