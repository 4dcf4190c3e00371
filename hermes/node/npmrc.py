"""Where npm packages come from on this machine: what npm is configured with, or ``hermes.yaml`` says.

See npm's documentation: "npmrc", "Config", "scope". Packages are known by digests that a lock has, so what is configured
decides nothing but where is asked.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from hermes.errors import WorkspaceError

_VARIABLE: Final = re.compile(r"(?<!\\)(\\*)\$\{([^${}?]+)(\?)?\}")
_LAST_PART: Final = re.compile(r"([^/]+|/)\Z")
_PREFIX: Final = "npm_config_"


@dataclass(frozen=True, slots=True)
class NpmSources:
    """``registry`` is the address of the registry (empty: npm's own default), ``scopes`` those of scopes such as ``@org``.

    ``replaced`` is npm's ``replace-registry-host``: which addresses of a lock mean the registry. ``credentials`` maps
    ``//HOST/PATH/:KEY`` to values, as npmrc has them. ``ca`` is the path of a bundle of certificates, ``client`` those of a
    client's certificate and key; they may be empty.
    """

    registry: str = ""
    scopes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    replaced: str = "npmjs"
    credentials: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    ca: str = ""
    client: tuple[str, str] = ("", "")
    verified: bool = True

    def registry_of(self, name: str) -> str:
        """Return the registry of a package, without a slash at its end; empty if none is configured."""
        scope = name.partition("/")[0] if name.startswith("@") else ""
        return self.scopes.get(scope, self.registry).rstrip("/")

    def authorization(self, address: str) -> str:
        """Return what a request says of who asks: the most specific credentials for its host and path."""
        return self._authorization(address) or (
            self._authorization(f"{self.registry.rstrip('/')}/")
            if self.registry and urlsplit(self.registry).netloc == urlsplit(address).netloc
            else ""
        )

    def _authorization(self, address: str) -> str:
        parts = urlsplit(address)
        key = f"//{parts.netloc.rpartition('@')[2]}{parts.path}"
        while len(key) > len("//"):
            if token := self.credentials.get(f"{key}:_authToken"):
                return f"Bearer {token}"
            if basic := self.credentials.get(f"{key}:_auth"):
                return f"Basic {basic}"
            user, password = (self.credentials.get(f"{key}:{one}", "") for one in ("username", "_password"))
            if user and password:
                return f"Basic {_basic(user, password)}"
            key = _LAST_PART.sub("", key)
        return ""


def _basic(user: str, password: str) -> str:
    try:
        plain = base64.b64decode(password, validate=True)
    except ValueError:
        plain = password.encode()
    return base64.b64encode(user.encode() + b":" + plain).decode("ascii")


def machine_sources(environment: Mapping[str, str], workspace: Path | None = None) -> NpmSources:
    """Return what npm on this machine is told; ``workspace`` may have a file of its own.

    Raises `WorkspaceError` for a file that cannot be read.
    """
    told: dict[str, str] = {}
    given = {
        name.lower().removeprefix(_PREFIX).replace("_", "-"): value
        for name, value in environment.items()
        if name.lower().startswith(_PREFIX) and value
    }
    for path in _files(environment, given, workspace):
        told |= _file(path, environment)
    told |= {name: value for name, value in given.items() if not name.startswith("//")}
    told |= {
        name[len(_PREFIX) :]: value
        for name, value in environment.items()
        if name.lower().startswith(f"{_PREFIX}//") or name.lower().startswith(f"{_PREFIX}@")
    }
    ca = told.get("cafile", "") or environment.get("NODE_EXTRA_CA_CERTS", "")
    registry = told.get("registry", "")
    scopes = {name.partition(":")[0]: value for name, value in told.items() if _is_scope(name)}
    return NpmSources(
        registry,
        MappingProxyType(scopes),
        told.get("replace-registry-host", "npmjs"),
        MappingProxyType({name: value for name, value in told.items() if name.startswith("//")}),
        os.path.expanduser(ca),
        _client(told, registry),
        told.get("strict-ssl", "true") != "false",
    )


def _is_scope(name: str) -> bool:
    return name.startswith("@") and name.endswith(":registry")


def _client(told: Mapping[str, str], registry: str) -> tuple[str, str]:
    parts = urlsplit(registry)
    key = f"//{parts.netloc}{parts.path.rstrip('/')}/"
    return told.get(f"{key}:certfile", ""), told.get(f"{key}:keyfile", "")


def _files(
    environment: Mapping[str, str], given: Mapping[str, str], workspace: Path | None
) -> Iterator[Path]:
    """Yield the files that npm reads, the one that counts most last."""
    home = Path(environment.get("HOME") or Path.home())
    node = shutil.which("node", path=environment.get("PATH"))
    found = environment.get("PREFIX") or (str(Path(node).parent.parent) if node else "/usr/local")
    prefix = Path(given.get("prefix", found))
    yield prefix / "lib/node_modules/npm/npmrc"
    yield Path("/usr/share/nodejs/npm/npmrc")  # Debian's npm
    yield Path(given.get("globalconfig") or prefix / "etc/npmrc")
    yield Path(given.get("userconfig") or home / ".npmrc")
    if workspace is not None:
        yield workspace / ".npmrc"


def _file(path: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return what an npmrc says, in the format of npm's library ``ini``."""
    try:
        text = path.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        reason = str(error).split("\n", 1)[0]
        raise WorkspaceError(
            f"{path} cannot be read: {reason}", hint="correct the configuration of npm"
        ) from None
    found: dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith((";", "#", "[")):
            continue
        name, equals, value = line.partition("=")
        found[_expanded(_bare(name), environment)] = (
            _expanded(_bare(value), environment) if equals else "true"
        )
    return found


def _bare(text: str) -> str:
    """Return a name or value without quotes; without them, a comment may follow."""
    stripped = text.strip()
    if len(stripped) > 1 and stripped[0] == stripped[-1] and stripped[0] in "\"'":
        return stripped[1:-1]
    return re.split(r"(?<!\\)[;#]", stripped, maxsplit=1)[0].strip().replace("\\;", ";").replace("\\#", "#")


def _expanded(text: str, environment: Mapping[str, str]) -> str:
    def replaced(match: re.Match[str]) -> str:
        escapes, name, optional = match[1], match[2], match[3]
        if len(escapes) % 2:
            return match[0]
        return escapes[: len(escapes) // 2] + environment.get(name, "" if optional else match[0])

    return _VARIABLE.sub(replaced, text)
