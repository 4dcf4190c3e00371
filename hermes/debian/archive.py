"""Fetching what an archive offers: a suite's signed Release, and the package indexes it lists.

What was fetched is used only once its signature or digest is verified. It does not choose packages.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Final

from hermes.debian.apt_source import AptSource
from hermes.debian.download import download
from hermes.debian.keyring import (
    Keyring,
    check_signature,
    machine_keyring,
    named_keyring,
    signed_text,
    unsigned_text,
)
from hermes.debian.packages import Package, parse_packages
from hermes.debian.release import INDEX_FORMS, IndexFile, Release, parse_release
from hermes.digest import CHUNK, Digest
from hermes.download import shown
from hermes.errors import FetchError, LayerError, LockError
from hermes.layer.decompress import Decompressed
from hermes.store.atomic_replace import beside
from hermes.store.io_errors import storing

_RELEASE_LIMIT: Final = 32 << 20
_INDEX_LIMIT: Final = 512 << 20
_PLAIN_LIMIT: Final = 2 << 30
_STALE: Final = "the mirror may be in the middle of an update: try again later, or use another"


@dataclass(frozen=True, slots=True)
class Suite:
    """One suite of an archive. A suite that ends in a slash is a folder without components."""

    uri: str
    name: str
    components: tuple[str, ...]
    signed_by: str = ""

    @property
    def folder(self) -> str:
        """The address of the folder that holds the suite's Release."""
        if not self.is_flat:
            return f"{self.uri}/dists/{self.name}"
        inner = self.name.strip("/").removeprefix(".").strip("/")
        return f"{self.uri}/{inner}" if inner else self.uri

    @property
    def is_flat(self) -> bool:
        return self.name.endswith("/")

    def index_folders(self, architecture: str) -> tuple[str, ...]:
        """Return where the Release lists the indexes for ``architecture``, one per component."""
        if self.is_flat:
            return ("",)
        return tuple(f"{component}/binary-{architecture}" for component in self.components)


def suites_of(sources: Iterable[AptSource]) -> tuple[Suite, ...]:
    """Return each suite of each archive once, with all components asked of it, sorted.

    Raises `LockError` when two sources name different keyrings for one suite.
    """
    merged: dict[tuple[str, str], Suite] = {}
    for source in sources:
        uri = source.uri.rstrip("/")
        for name in source.suites:
            suite = Suite(uri, name, source.components, source.signed_by)
            before = merged.setdefault((uri, name), suite)
            if before.signed_by != suite.signed_by:
                raise LockError(
                    f"{shown(uri)} {name}: is signed by {before.signed_by or 'any trusted key'} in one package "
                    f"source and by {suite.signed_by or 'any trusted key'} in another",
                    hint="make the two sources name the same keyring",
                )
            components = dict.fromkeys((*before.components, *suite.components))
            merged[uri, name] = replace(before, components=tuple(sorted(components)))
    return tuple(merged[key] for key in sorted(merged))


def read_release(
    suite: Suite,
    say: Callable[[str], None],
    machine_keys: Callable[[], Keyring | None] = machine_keyring,
) -> Release:
    """Fetch and verify a suite's ``InRelease``, or where there is none its ``Release`` with ``Release.gpg``.

    Without any keyring on the machine nothing can be verified, and ``say`` is told so. Raises `FetchError`
    and `LockError`.
    """
    address = f"{suite.folder}/InRelease"
    where = shown(address)
    keyring = named_keyring(suite.signed_by) if suite.signed_by else machine_keys()
    data = download(address, _RELEASE_LIMIT)
    signature = None
    if data is None:
        data, signature = _detached(suite, where)
        where = shown(f"{suite.folder}/Release")
    if keyring is None:
        say(
            f"warning: {where}: no keyring was found, so the signature is not verified; name one as signed_by"
        )
        return parse_release(unsigned_text(data), where)
    if signature is None:
        return parse_release(signed_text(data, keyring, where), where)
    return parse_release(check_signature(data, signature, keyring, where), where)


def _detached(suite: Suite, where: str) -> tuple[bytes, bytes]:
    """Return a suite's ``Release`` and the signature beside it; ``where`` is the file that was looked for first."""
    data = download(f"{suite.folder}/Release", _RELEASE_LIMIT)
    if data is None:
        raise FetchError(
            f"{where}: there is no such file, and no Release beside it",
            hint="check the address and the suite of this package source",
        )
    signature = download(f"{suite.folder}/Release.gpg", _RELEASE_LIMIT)
    if signature is None:
        raise FetchError(
            f"{shown(suite.folder)}/Release: is not signed: there is no InRelease, and no Release.gpg",
            hint="a package source must be signed",
        )
    return data, signature


def read_packages(
    suite: Suite, release: Release, folder: str, architecture: str, cache: Path
) -> tuple[Package, ...] | None:
    """Return the packages for ``architecture`` (and ``all``) that an index of a suite lists.

    Returns None when the suite is not made for this architecture. ``cache`` keeps indexes by their digest.
    Raises `FetchError` and `LockError`.
    """
    index = release.packages_index(folder)
    if index is None:
        if not suite.is_flat and release.architectures and architecture not in release.architectures:
            return None
        raise _no_index(suite, release, folder)
    where = shown(f"{suite.folder}/{index.path}")
    packed = _read_index(suite, release, index, cache)
    data = _unpack(packed, index.path, release.plain_size(folder), where)
    wanted = (architecture, "all")
    listed = parse_packages(data, where, automatic=release.automatic)
    return tuple(package for package in listed if package.architecture in wanted)


def _no_index(suite: Suite, release: Release, folder: str) -> LockError:
    component = folder.rpartition("/")[0]
    if component and release.components and component not in release.components:
        return LockError(
            f"{release.where}: has no component {component}",
            hint=f"it has {', '.join(release.components)}; change the components of the package source",
        )
    return LockError(
        f"{release.where}: lists no {folder or suite.name}/Packages",
        hint="check the components and the architectures of the package source",
    )


def _read_index(suite: Suite, release: Release, index: IndexFile, cache: Path) -> bytes:
    """Return a verified index, from the cache where it is there."""
    kept = cache / index.sha256
    try:
        data = kept.read_bytes()
    except OSError:
        data = b""
    if len(data) == index.size and Digest.of(data).hex == index.sha256:
        return data
    data = _fetch_index(suite, release, index)
    with storing(cache):
        cache.mkdir(parents=True, exist_ok=True)
        temporary = beside(kept)
        temporary.write_bytes(data)
        os.replace(temporary, kept)
    return data


def _fetch_index(suite: Suite, release: Release, index: IndexFile) -> bytes:
    if index.size > _INDEX_LIMIT:
        raise LockError(
            f"{release.where}: {index.path} has {index.size} bytes, which is too large for an index"
        )
    paths = [index.path]
    if release.by_hash:
        folder = index.path.rpartition("/")[0]
        paths.insert(0, f"{folder}/by-hash/SHA256/{index.sha256}".lstrip("/"))
    for path in paths:
        address = f"{suite.folder}/{path}"
        data = download(address, index.size)
        if data is None:
            continue
        if len(data) != index.size:
            raise FetchError(
                f"{shown(address)}: has {len(data)} bytes, and the Release says {index.size}", hint=_STALE
            )
        if (digest := Digest.of(data).hex) != index.sha256:
            raise FetchError(
                f"{shown(address)}: has the sha256 {digest}, and the Release says {index.sha256}", hint=_STALE
            )
        return data
    raise FetchError(
        f"{shown(f'{suite.folder}/{index.path}')}: there is no such file, though the Release lists it",
        hint=_STALE,
    )


def _unpack(data: bytes, path: str, plain_size: int | None, where: str) -> bytes:
    """Decompress an index, up to the size that the Release gives (a limit where it gives none)."""
    limit = min(plain_size if plain_size is not None else _PLAIN_LIMIT, _PLAIN_LIMIT)
    try:
        file = Decompressed(io.BytesIO(data), name=where, form=INDEX_FORMS[PurePath(path).suffix])
        plain = bytearray()
        while piece := file.read(CHUNK):
            plain += piece
            if len(plain) > limit:
                raise LockError(f"{where}: is larger than {limit} bytes when decompressed", hint=_STALE)
    except LayerError as error:
        raise LockError(error.message, hint=_STALE) from None
    return bytes(plain)
