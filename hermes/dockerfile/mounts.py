"""``RUN --mount``: what is there only while a command runs. See the Dockerfile reference, "RUN --mount"."""

from __future__ import annotations

import csv
import hashlib
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hermes.errors import DockerfileError
from hermes.store.caches import NAME, Sharing

BIND: Final = "bind"
CACHE: Final = "cache"
SECRET: Final = "secret"  # noqa: S105 - a type of mount
TMPFS: Final = "tmpfs"
SSH: Final = "ssh"

_KNOWN: Final[Mapping[str, frozenset[str]]] = {
    BIND: frozenset({"target", "source", "from", "rw"}),
    CACHE: frozenset({"id", "target", "ro", "sharing", "from", "source", "mode", "uid", "gid"}),
    SECRET: frozenset({"id", "target", "required", "mode", "uid", "gid", "env"}),
    TMPFS: frozenset({"target", "size"}),
    SSH: frozenset({"id", "target", "required", "mode", "uid", "gid"}),
}
_ALIASES: Final = {
    "dst": "target",
    "destination": "target",
    "src": "source",
    "readonly": "ro",
    "readwrite": "rw",
}
_FLAGS: Final = ("ro", "rw", "required")
_LARGEST: Final = {8: 0o7777, 10: (1 << 32) - 2}
_HINTS: Final = {8: "write it as 0640", 10: "an id is a number below 4294967295"}
_SIZE: Final = re.compile(r"(\d+)([bkmgt]?)b?\Z", re.IGNORECASE)
_SHIFTS: Final = {"": 0, "b": 0, "k": 10, "m": 20, "g": 30, "t": 40}


@dataclass(frozen=True, slots=True)
class Mount:
    """``fields`` are as written, flags as ``true`` or ``false``; ``target`` is absolute, or empty."""

    kind: str
    fields: tuple[tuple[str, str], ...]
    target: str = ""

    def text(self, name: str) -> str:
        return next((value for key, value in self.fields if key == name), "")

    def has(self, name: str) -> bool:
        return any(key == name for key, _ in self.fields)

    def flag(self, name: str) -> bool:
        return self.text(name) == "true"

    def number(self, name: str, default: int, base: int = 10) -> int:
        """Return an id, or with base 8 permissions; raises `DockerfileError`."""
        text = self.text(name)
        try:
            found = int(text, base) if text else default
        except ValueError:
            raise DockerfileError(f"--mount: {name} cannot be {text!r}", hint=_HINTS[base]) from None
        if not 0 <= found <= _LARGEST[base]:
            raise DockerfileError(
                f"--mount: {name} cannot be {text!r}",
                hint=_HINTS[base],
            )
        return found

    @property
    def size(self) -> int:
        """The most that a tmpfs holds, in bytes, or 0; raises `DockerfileError`."""
        text = self.text("size")
        found = _SIZE.match(text)
        if text and found is None:
            raise DockerfileError(f"--mount: size cannot be {text!r}", hint="write it as 64m")
        return int(found[1]) << _SHIFTS[found[2].lower()] if found else 0

    @property
    def cache_id(self) -> str:
        """The name of a cache: its id or its target, as the store can have it."""
        text = self.text("id") or self.target
        plain = text.strip("/").replace("/", "_")
        if NAME.fullmatch(plain):
            return plain
        return f"cache-{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    @property
    def sharing(self) -> Sharing:
        text = self.text("sharing") or "shared"
        if text not in tuple(Sharing):
            raise DockerfileError(f"--mount: sharing cannot be {text!r}", hint=f"it is {', '.join(Sharing)}")
        return Sharing(text)


def parse_mount(text: str, workdir: str) -> Mount:
    """Return what a ``--mount`` means; raises `DockerfileError`."""
    found: dict[str, str] = {}
    for part in next(csv.reader([text]), []):
        name, equals, value = part.partition("=")
        name = name.strip().lower()
        name = _ALIASES.get(name, name)
        if not equals and name not in _FLAGS:
            raise DockerfileError(f"--mount={text}: {part!r} is no NAME=VALUE")
        value = value if equals else "true"
        if name in _FLAGS and value not in ("true", "false", "1", "0"):
            raise DockerfileError(f"--mount={text}: {name} cannot be {value!r}", hint="it is true or false")
        found[name] = {"1": "true", "0": "false"}.get(value, value) if name in _FLAGS else value
    kind = found.pop("type", BIND)
    if kind not in _KNOWN:
        raise DockerfileError(f"--mount: there is no type {kind!r}", hint=f"there are {', '.join(_KNOWN)}")
    if kind == BIND and "ro" in found:
        found["rw"] = "false" if found.pop("ro") == "true" else "true"
    if kind in (CACHE, TMPFS) and "rw" in found:
        found["ro"] = "false" if found.pop("rw") == "true" else "true"
        if kind == TMPFS:
            del found["ro"]
    for name in found:
        if name not in _KNOWN[kind]:
            raise DockerfileError(
                f"--mount: a mount of type {kind} has no {name!r}",
                hint=f"it takes {', '.join(sorted(_KNOWN[kind]))}",
            )
    target = found.get("target", "")
    if not target and kind in (BIND, CACHE, TMPFS):
        raise DockerfileError(f"--mount={text}: it does not say where", hint="add target=PATH")
    if target:
        target = posixpath.normpath(posixpath.join("/", workdir, target))
        if target == "/":
            raise DockerfileError(f"--mount={text}: nothing can be mounted over the whole root")
    return Mount(kind, tuple(found.items()), target)
