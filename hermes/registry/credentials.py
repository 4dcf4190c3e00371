"""Credentials for registries: from the files that other tools write, and from their helper programs.

See containers-auth.json(5), and "Credential helpers" of Docker's reference. A credential belongs to one host, or
to one part of it.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from hermes import children
from hermes.digest import read_json
from hermes.errors import RegistryError
from hermes.image.reference import DOCKER_HUB
from hermes.registry.credential import Credential
from hermes.registry.settings import AS_CONFIGURED, Access

_HUB_KEYS: Final = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
_HUB_SERVER: Final = "https://index.docker.io/v1/"
_HELPER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")
_HELPER_SECONDS: Final = 30
_TOKEN_USER: Final = "<token>"  # noqa: S105 - what a helper says instead of a user


class Credentials:
    """The credentials of a user, read at their first use. ``env`` is the environment.

    What a command says (``access``) counts before all of them, as with podman and skopeo: first its credential, then
    its file.
    """

    def __init__(self, env: Mapping[str, str] = os.environ, access: Access = AS_CONFIGURED) -> None:
        self._env = env
        self._access = access
        self._documents: list[tuple[Path, Mapping[str, Any]]] | None = None
        self._asked: dict[tuple[str, str], Credential | None] = {}
        self._problems: dict[str, str] = {}

    def find(self, name: str) -> Credential | None:
        """Return the credential for ``HOST/PATH``; the one for the most of it, where there are several.

        Raises `RegistryError` when a file, or the helper of ``credHelpers`` that should have it, cannot be used. A
        ``credsStore`` stands for all hosts, most of which need no credential, so one that fails has none: see `problem`.
        """
        if self._access.credential is not None:
            return self._access.credential
        if self._documents is None:
            self._documents = list(self._read())
        for path, document in self._documents:
            if found := self._in_document(path, document, name):
                return found
        return None

    def problem(self, name: str) -> str:
        """Return why the ``credsStore`` gave no credential for ``HOST/PATH``, or an empty text."""
        return self._problems.get(name.partition("/")[0], "")

    def _in_document(self, path: Path, document: Mapping[str, Any], name: str) -> Credential | None:
        host = name.partition("/")[0]
        helpers, auths = document.get("credHelpers"), document.get("auths")
        helper = _matching(helpers, name) if isinstance(helpers, Mapping) else None
        if helper and helper[1]:
            return self._ask_helper(path, str(helper[1]), helper[0])
        row = _matching(auths, name) if isinstance(auths, Mapping) else None
        if row and isinstance(row[1], Mapping) and (found := _credential(path, row[1])):
            return found
        if not helper and (store := document.get("credsStore")):  # an empty helper says: from this file
            return self._ask_store(path, str(store), host)
        return None

    def _ask_store(self, path: Path, store: str, host: str) -> Credential | None:
        """Ask the helper that stands for all hosts, unless it failed for this one before."""
        if host in self._problems:
            return None
        try:
            return self._ask_helper(path, store, _HUB_SERVER if host == DOCKER_HUB else host)
        except RegistryError as error:
            self._problems[host] = error.message
            return None

    def _ask_helper(self, path: Path, name: str, server: str) -> Credential | None:
        """Ask a helper program, once for each server."""
        if (name, server) not in self._asked:
            self._asked[name, server] = _ask_helper(path, name, server)
        return self._asked[name, server]

    def _read(self) -> Iterator[tuple[Path, Mapping[str, Any]]]:
        for path in self._paths():
            try:
                data = path.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise RegistryError(f"{path} cannot be read: {error.strerror}") from error
            try:
                document = read_json(data) if data.strip() else {}
            except ValueError as error:
                raise RegistryError(
                    f"{path} is not JSON: {error}", hint="log in again with the tool that wrote it"
                ) from None
            if not isinstance(document, dict):
                raise RegistryError(
                    f"{path} holds no credentials", hint="log in again with the tool that wrote it"
                )
            yield path, document

    def _paths(self) -> Iterator[Path]:
        if named := self._access.auth_file or self._env.get("REGISTRY_AUTH_FILE"):
            yield Path(named)
            return
        home = Path(self._env.get("HOME") or "~").expanduser()
        if runtime := self._env.get("XDG_RUNTIME_DIR"):
            yield Path(runtime) / "containers/auth.json"
        yield Path(self._env.get("XDG_CONFIG_HOME") or home / ".config") / "containers/auth.json"
        yield Path(self._env.get("DOCKER_CONFIG") or home / ".docker") / "config.json"


def _matching(rows: Mapping[str, Any], name: str) -> tuple[str, Any] | None:
    """Return the key and value of the longest key that is ``name`` or stands above it."""
    found: tuple[int, str, Any] | None = None
    for key, value in rows.items():
        plain = _plain(key)
        if (name == plain or name.startswith(f"{plain}/")) and (found is None or len(plain) > found[0]):
            found = len(plain), key, value
    return found and (found[1], found[2])


def _plain(key: str) -> str:
    """Return the ``HOST[/PATH]`` of a key, which Docker writes as ``https://HOST/v1/``."""
    if "://" not in key:
        return DOCKER_HUB if key in _HUB_KEYS else key.rstrip("/")
    host = key.partition("://")[2].partition("/")[0]
    return DOCKER_HUB if host in _HUB_KEYS else host


def _credential(path: Path, row: Mapping[str, Any]) -> Credential | None:
    token = row.get("identitytoken")
    encoded = row.get("auth")
    username, password = str(row.get("username") or ""), str(row.get("password") or "")
    if isinstance(encoded, str) and encoded:
        try:
            text = base64.b64decode("".join(encoded.split()), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            text = ""
        username, colon, password = text.partition(":")
        if not colon:
            raise RegistryError(
                f"{path}: a credential is damaged", hint="log in again with the tool that wrote it"
            )
        password = password.rstrip("\0")
    if isinstance(token, str) and token:
        return Credential(username, password, token)
    return Credential(username, password) if username else None


def _ask_helper(path: Path, name: str, server: str) -> Credential | None:
    program = f"docker-credential-{name}"
    if not _HELPER.match(name):
        raise RegistryError(f"{path}: invalid name of a credential helper: {name!r}")
    where = shutil.which(program)
    if where is None:
        raise RegistryError(
            f"{path} names the credential helper {program}, which is not installed",
            hint="install it, or take it out of the file and log in again",
        )
    try:
        done = children.run([where, "get"], server.encode(), _HELPER_SECONDS, terminal=True)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RegistryError(f"{program} for {server}: {error}") from None
    if done.returncode:
        said = (done.stdout + done.stderr).decode(errors="replace").strip()
        if "not found" in said:
            return None
        raise RegistryError(f"{program} for {server} failed: {said[:500] or f'status {done.returncode}'}")
    try:
        document = read_json(done.stdout)
        username, secret = str(document["Username"]), str(document["Secret"])
    except (ValueError, KeyError, TypeError):
        raise RegistryError(f"{program} for {server} answered something else than a credential") from None
    return Credential("", "", secret) if username == _TOKEN_USER else Credential(username, secret)
