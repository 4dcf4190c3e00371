"""Which Debian package a library is in, for messages: some by name, the others by Debian's rule for names of library packages."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Final

_KNOWN: Final[Mapping[str, str]] = {
    "bash": "bash",
    "libGL.so.1": "libgl1",
    "libasound.so.2": "libasound2",
    "libbz2.so.1.0": "libbz2-1.0",
    "libcrypt.so.1": "libcrypt1",
    "libcrypto.so.1.1": "libssl1.1",
    "libcrypto.so.3": "libssl3",
    "libcurl-gnutls.so.4": "libcurl3-gnutls",
    "libgcc_s.so.1": "libgcc-s1",
    "libgdk_pixbuf-2.0.so.0": "libgdk-pixbuf-2.0-0",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgobject-2.0.so.0": "libglib2.0-0",
    "libgio-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libjpeg.so.62": "libjpeg62-turbo",
    "liblzma.so.5": "liblzma5",
    "libncursesw.so.6": "libncursesw6",
    "libnspr4.so": "libnspr4",
    "libnss3.so": "libnss3",
    "libnssutil3.so": "libnss3",
    "libopenblas.so.0": "libopenblas0",
    "libpangoft2-1.0.so.0": "libpangoft2-1.0-0",
    "libsasl2.so.2": "libsasl2-2",
    "libsmime3.so": "libnss3",
    "libstdc++.so.6": "libstdc++6",
    "libturbojpeg.so.0": "libturbojpeg0",
    "libxml2.so.2": "libxml2",
    "libxslt.so.1": "libxslt1.1",
    "libz.so.1": "zlib1g",
    "node": "nodejs",
    "perl": "perl-base",
    "python3": "python3-minimal",
    "sh": "dash",
}
_OF_LIBC: Final = re.compile(
    r"(ld-linux.*|ld64|lib(c|m|dl|rt|pthread|resolv|util|anl|mvec|BrokenLocale|thread_db))\.so\.[0-9]+\Z"
)
_VERSIONED: Final = re.compile(r"(lib.+?)\.so\.([0-9]+(?:\.[0-9]+)*)\Z")
_LIBPYTHON: Final = re.compile(r"(libpython3\.[0-9]+)\.so")


def package_of(library: str) -> str:
    """Return the Debian package that has a library or interpreter (a name or path), empty where its name does not tell.

    See Debian Policy, 8.1 "Run-time shared libraries": the package is called after the SONAME.
    """
    name = posixpath.basename(library)
    if name in _KNOWN:
        return _KNOWN[name]
    if _OF_LIBC.match(name):
        return "libc6"
    if name.startswith(("ld-musl-", "libc.musl-")):
        return "musl"
    if found := _LIBPYTHON.match(name):
        return found[1]
    if found := _VERSIONED.match(name):
        base = found[1].lower().replace("_", "-")
        return f"{base}-{found[2]}" if base[-1].isdigit() else f"{base}{found[2]}"
    return ""
