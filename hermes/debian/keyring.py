"""Who may sign an archive, and whether they did. See apt-secure(8)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hermes.errors import LockError

if TYPE_CHECKING:
    from pysequoia import Cert

ARMORED_KEY: Final = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
_CLEARTEXT: Final = "-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE: Final = "-----BEGIN PGP SIGNATURE-----"
_DEBIAN_KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_APT_FOLDER: Final = Path("/etc/apt")


@dataclass(frozen=True, slots=True)
class Keyring:
    """Certificates, and the name of what they came from."""

    name: str
    certs: tuple[Cert, ...]


def named_keyring(signed_by: str) -> Keyring:
    """Return the keyring that a source names: a path, or the armored key itself.

    Raises `LockError` when it cannot be read or holds no key.
    """
    from pysequoia import Cert

    if signed_by.lstrip().startswith(ARMORED_KEY):
        name, data = "the key in the package source", signed_by.encode()
    else:
        name = signed_by
        try:
            data = Path(signed_by).read_bytes()
        except OSError as error:
            raise LockError(
                f"{signed_by}: {error.strerror}",
                hint="install the keyring that the package source names, or name another as signed_by",
            ) from error
    try:
        certs = tuple(Cert.split_bytes(data))
    except RuntimeError as error:
        raise LockError(f"{name}: {_first_line(error)}", hint="the file is not an OpenPGP keyring") from None
    if not certs:
        raise LockError(f"{name}: holds no key", hint="name another keyring as signed_by")
    return Keyring(name, certs)


def machine_keyring(folder: Path = _APT_FOLDER, distribution: Path = _DEBIAN_KEYRING) -> Keyring | None:
    """Return all keys that this machine's apt trusts for any source, or None when there is none.

    A file that is not a keyring is passed over, as apt does.
    """
    from pysequoia import Cert

    certs: list[Cert] = []
    for path in _trusted(folder, distribution):
        try:
            certs += Cert.split_bytes(path.read_bytes())
        except (OSError, RuntimeError):
            continue
    return Keyring("the keys that apt trusts on this machine", tuple(certs)) if certs else None


def _trusted(folder: Path, distribution: Path) -> Iterator[Path]:
    listed = sorted((folder / "trusted.gpg.d").glob("*"))
    yield from (path for path in listed if path.suffix in (".gpg", ".asc"))
    yield folder / "trusted.gpg"
    yield distribution


def signed_text(data: bytes, keyring: Keyring, where: str) -> str:
    """Return the text that one of the keys has signed, and nothing else of ``data``.

    Raises `LockError` when none of them has.
    """
    import pysequoia

    try:
        message = pysequoia.verify(bytes=data, store=lambda _: list(keyring.certs))
    except RuntimeError as error:
        raise _refused(where, keyring, _first_line(error)) from None
    if not message.valid_sigs or message.bytes is None:
        raise _refused(where, keyring, "there is no valid signature")
    return message.bytes.decode("utf-8", "replace")


def check_signature(data: bytes, signatures: bytes, keyring: Keyring, where: str) -> str:
    """Return ``data`` as text, all of which one of the keys has signed: with one of the detached ``signatures``.

    They are OpenPGP packets, armored or not, of which each is tried. Raises `LockError` when none of the keys has.
    """
    import pysequoia
    from pysequoia.packet import PacketPile, Tag

    problem = "there is no signature"
    try:
        found = [bytes(one) for one in PacketPile.from_bytes(signatures) if one.tag == Tag.Signature]
    except RuntimeError as error:
        raise _refused(where, keyring, _first_line(error)) from None
    for one in found:
        try:
            detached = pysequoia.Sig.from_bytes(one)
            verified = pysequoia.verify(bytes=data, store=lambda _: list(keyring.certs), signature=detached)
        except RuntimeError as error:
            problem = _first_line(error)
            continue
        if verified.valid_sigs:
            return data.decode("utf-8", "replace")
    raise _refused(where, keyring, problem)


def unsigned_text(data: bytes) -> str:
    """Return the text of a cleartext message without looking at its signature (RFC 9580, section 7)."""
    text = data.decode("utf-8", "replace")
    lines = text.splitlines()
    if not lines or lines[0].rstrip() != _CLEARTEXT:
        return text
    start = lines.index("") + 1 if "" in lines else 1
    end = lines.index(_SIGNATURE, start) if _SIGNATURE in lines[start:] else len(lines)
    return "\n".join(line.removeprefix("- ") for line in lines[start:end])


def _refused(where: str, keyring: Keyring, reason: str) -> LockError:
    return LockError(
        f"{where}: the signature does not verify with {keyring.name}: {reason}",
        hint="use the keyring of the archive's signer (signed_by), and update it if it is old; "
        "if it is the right one, the mirror gives out something else than the archive",
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0].rstrip(".")
