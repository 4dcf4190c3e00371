"""How a registry wants to be told who asks: its challenges, and the tokens that answer them.

See RFC 9110, section 11, and the distribution project's "Token Authentication". No I/O but through the caller.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode, urlsplit

from hermes.digest import read_json
from hermes.errors import RegistryError
from hermes.registry.addresses import joined
from hermes.registry.credential import Credential

_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_PARAMETER: Final = re.compile(
    r"\s*([A-Za-z0-9!#$%&'*+.^_`|~-]+)\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s,\"]+))\s*,?"
)
_CLIENT: Final = "hermes"
_SHORTEST_LIFE: Final = 60
_MARGIN: Final = 10


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way to authenticate: ``scheme`` in lower case, ``parameters`` are pairs with names in lower case."""

    scheme: str
    parameters: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str:
        return dict(self.parameters).get(name, "")


def parse_challenges(header: str) -> list[Challenge]:
    """Return the challenges of a WWW-Authenticate header; what cannot be parsed is left out."""
    found: list[Challenge] = []
    at = 0
    while at < len(header):
        scheme = _TOKEN.match(header, at)
        if scheme is None:
            at += 1
            continue
        at = scheme.end()
        parameters = []
        while (row := _PARAMETER.match(header, at)) is not None:
            value = re.sub(r"\\(.)", r"\1", row[2]) if row[2] is not None else row[3]
            parameters.append((row[1].lower(), value))
            at = row.end()
        found.append(Challenge(scheme[0].lower(), tuple(parameters)))
    return found


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token; ``ends`` is a time of `time.monotonic`."""

    text: str
    ends: float

    @property
    def is_fresh(self) -> bool:
        return time.monotonic() < self.ends

    @property
    def header(self) -> str:
        return f"Bearer {self.text}"


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A request to a token server: ``form`` is posted where there is one. Each holds what must not be shown."""

    url: str
    headers: Mapping[str, str]
    form: Mapping[str, str] | None = None


def token_request(
    challenge: Challenge, scopes: Iterable[str], credential: Credential | None, *, plain: bool, of: str
) -> TokenRequest:
    """Return the request for a token that ``challenge`` asks for.

    ``plain`` allows a token server that is spoken to without TLS. Raises `RegistryError` for a realm that
    credentials cannot be given to.
    """
    realm = challenge.get("realm")
    parts = urlsplit(joined("", realm, of))
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise RegistryError(f"{of} names no token server: its realm is {realm!r}")
    if parts.scheme == "http" and not plain:
        raise RegistryError(
            f"{of} sends to a token server without TLS: {realm}",
            hint="if that is meant, configure the registry as insecure in hermes.yaml",
        )
    service = challenge.get("service")
    wanted = list(dict.fromkeys(scopes))
    if credential is not None and credential.identity_token:
        form = {
            "client_id": _CLIENT,
            "grant_type": "refresh_token",
            "refresh_token": credential.identity_token,
            "scope": " ".join(wanted),
            "service": service,
        }
        return TokenRequest(realm, {}, form)
    query = [("service", service)] if service else []
    query += [("scope", one) for one in wanted]
    headers = {}
    if credential is not None:
        query.append(("account", credential.username))
        headers["Authorization"] = credential.basic
    joint = "&" if parts.query else "?"
    return TokenRequest(f"{realm}{joint}{urlencode(query)}", headers)


def parse_token(data: bytes, *, of: str, now: Callable[[], float] = time.monotonic) -> Token:
    """Return the token in a token server's answer; raises `RegistryError`."""
    try:
        document = read_json(data)
        text = document.get("token") or document.get("access_token")
        life = document.get("expires_in") or _SHORTEST_LIFE
        if not isinstance(text, str) or not re.fullmatch(r"[\x21-\x7e]+", text):
            raise ValueError
        seconds = max(int(life), _SHORTEST_LIFE)
    except (ValueError, TypeError, AttributeError):
        raise RegistryError(f"the token server of {of} gave no token") from None
    return Token(text, now() + seconds - _MARGIN)
