"""Where a service of the Remote Execution API is, as it is written on the command line and in hermes.yaml."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hermes.errors import UsageError

_PORTS: Final = {"grpc": 80, "grpcs": 443}
_FORM: Final = "write grpc://HOST:PORT, grpcs://HOST:PORT or unix:PATH"


@dataclass(frozen=True, slots=True)
class Tls:
    """Files in PEM: a certificate authority besides the machine's, and a certificate of this client with its key."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class Address:
    """A service: ``target`` is what gRPC calls it; ``text`` is what people do.

    ``headers`` go with each call, and those that the credential helper ``helper`` gives, a program's path or name.
    """

    text: str
    target: str
    is_secure: bool
    instance: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    tls: Tls = field(default=Tls())
    helper: str = ""

    def uri(self, method: str) -> str:
        """Return what a credential helper is asked about for a method, as gRPC defines the URL of a service."""
        host = self.target.removeprefix("dns:///").removesuffix(":443")
        return f"https://{host}/{method.split('/')[1]}"

    @property
    def place(self) -> str:
        """The service and the instance: what is noted of a blob that is there."""
        return f"{self.text}#{self.instance}" if self.instance else self.text

    @classmethod
    def parse(
        cls,
        text: str,
        instance: str = "",
        headers: tuple[tuple[str, str], ...] = (),
        tls: Tls | None = None,
    ) -> Address:
        """Return the service that a text names; raises `UsageError`."""
        chosen = tls or Tls()
        if text.startswith("unix:"):
            path = (
                "/" + text[len("unix:") :].lstrip("/") if text[5:].startswith("/") else text[len("unix:") :]
            )
            if not path:
                raise UsageError(f"{text!r} names no socket", hint=_FORM)
            return cls(text, f"unix:{path}", is_secure=False, instance=instance, headers=headers, tls=chosen)
        found = re.fullmatch(r"(grpcs?)://(\[[0-9a-fA-F:.]+\]|[^\s/:@\[\]]+)(?::([0-9]+))?/?", text)
        if found is None or not 0 < int(found[3] or 1) < 1 << 16:
            raise UsageError(f"{text!r} is not the address of a remote service", hint=_FORM)
        port = found[3] or _PORTS[found[1]]
        return cls(
            text.rstrip("/"),
            f"dns:///{found[2]}:{port}",
            is_secure=found[1] == "grpcs",
            instance=instance,
            headers=headers,
            tls=chosen,
        )
