"""What BUILD files say that a download is known by."""

from __future__ import annotations

from typing import NamedTuple

from hermes.digest import Digest
from hermes.dsl.dialect.values import EvalError
from hermes.errors import HermesError
from hermes.integrity import Integrity


class FileDigest(NamedTuple):
    """``sha256`` in hexadecimal; or where that is not known, an ``integrity`` in its canonical form."""

    sha256: str
    integrity: str = ""


def checked_file_digest(sha256: str, integrity: str) -> FileDigest:
    """Return what exactly one of the two says; raises `EvalError`."""
    if bool(sha256) == bool(integrity):
        raise EvalError(
            f"expected one of sha256 and integrity, got {'both' if sha256 else 'neither'}",
            'say sha256 = "..." (64 hexadecimal digits) or integrity = "sha512-..."',
            attribute="sha256",
        )
    if integrity:
        try:
            found = Integrity.parse(integrity)
        except HermesError as error:
            raise EvalError(error.message, error.hint or "", attribute="integrity") from None
        if found.algorithm != "sha256" or len(found.digests) > 1:
            return FileDigest("", str(found))
        return FileDigest(found.digests[0])
    try:
        return FileDigest(Digest.parse(f"sha256:{sha256.removeprefix('sha256:')}").hex)
    except HermesError:
        raise EvalError(f"{sha256!r} is not a sha256", "write its 64 hexadecimal digits") from None
