"""The bundle of certificate authorities that programs read, as Debian's ``update-ca-certificates`` makes it.

See update-ca-certificates(8), and RFC 7468 for the textual form of certificates.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from hermes.errors import LayerError

BUNDLE: Final = "etc/ssl/certs/ca-certificates.crt"
"""Where the bundle is: the first place where Go looks, and Debian's for OpenSSL, GnuTLS, curl and git."""
LISTED: Final = "usr/share/ca-certificates/"
"""Where the package ``ca-certificates`` has the certificates of Mozilla, one in a file."""

_CERTIFICATE: Final = re.compile(
    rb"-----BEGIN (TRUSTED |X509 )?CERTIFICATE-----\s[A-Za-z0-9+/=\s]+-----END (TRUSTED |X509 )?CERTIFICATE-----"
)
_PRIVATE: Final = re.compile(rb"-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY-----")


def bundle(files: Iterable[tuple[str, bytes]]) -> bytes:
    """Return one text with the certificates of files, given by name and content, in their order, each once.

    Raises `LayerError` for a file without a certificate, and for one with a private key.
    """
    found: dict[bytes, None] = {}
    for name, data in files:
        if _PRIVATE.search(data):
            raise LayerError(
                f"{name} has a private key, which everyone could read in an image",
                hint="give the certificate alone",
            )
        certificates = [one[0].replace(b"\r\n", b"\n") for one in _CERTIFICATE.finditer(data)]
        if not certificates:
            hint = "give it in PEM: openssl x509 -inform der -in FILE -out FILE.pem"
            raise LayerError(f"{name} has no certificate in PEM", hint=hint)
        found.update(dict.fromkeys(certificates))
    return b"".join(one + b"\n" for one in found)
