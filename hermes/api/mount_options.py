"""``--mount``, ``--tmpfs`` and ``--volume`` of the command line, as a task has them.

The texts are those of ``docker run`` and ``buildah run``: ``type=bind,src=..,dst=..`` and its like.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from hermes.container.mount_values import Bound, Cache, Tmpfs
from hermes.container.task import Secret
from hermes.errors import UsageError
from hermes.store.caches import NAME, Sharing

_ALIASES: Final = {
    "destination": "dst",
    "target": "dst",
    "source": "src",
    "readonly": "ro",
    "tmpfs-size": "size",
    "tmpfs-mode": "mode",
}
_FLAGS: Final = frozenset({"ro", "rw"})
_KNOWN: Final = {
    "bind": frozenset({"src", "dst", "ro", "rw"}),
    "cache": frozenset({"id", "dst", "sharing", "mode", "uid", "gid"}),
    "secret": frozenset({"id", "dst", "mode", "uid", "gid"}),
    "tmpfs": frozenset({"dst", "size", "mode"}),
}
_SIZE: Final = re.compile(r"(\d{1,6})([kKmMgG]?)[bB]?\Z")
_UNITS: Final = {"": 0, "k": 10, "m": 20, "g": 30}


@dataclass(frozen=True, slots=True)
class Mounts:
    """What a command sees besides its root. The values of ``secrets`` are still to come."""

    bound: tuple[Bound, ...] = ()
    tmpfs: tuple[Tmpfs, ...] = ()
    caches: tuple[Cache, ...] = ()
    secrets: tuple[Secret, ...] = ()

    def __add__(self, other: Mounts) -> Mounts:
        return Mounts(
            self.bound + other.bound,
            self.tmpfs + other.tmpfs,
            self.caches + other.caches,
            self.secrets + other.secrets,
        )

    def with_values(self, values: Mapping[str, bytes]) -> Mounts:
        """Return the mounts with the secrets' values; those that are not mounted are at ``/run/secrets/ID``.

        Raises `UsageError` when a secret that is mounted has not been given.
        """
        named = {one.id for one in self.secrets}
        for name in named - values.keys():
            raise UsageError(
                f"the secret {name!r} is mounted, and was not given", hint=f"add --secret id={name},src=FILE"
            )
        more = tuple(Secret(name) for name in values if name not in named)
        return replace(
            self, secrets=tuple(replace(one, value=values[one.id]) for one in (*self.secrets, *more))
        )


NO_MOUNTS: Final = Mounts()


def parse_mount(text: str) -> Mounts:
    """Return what one ``--mount`` means; raises `UsageError`."""
    fields = _fields(text)
    kind = fields.pop("type", "bind")
    if kind not in _KNOWN:
        raise _wrong(text, f"there is no type {kind!r}", f"there are {', '.join(sorted(_KNOWN))}")
    for name in fields.keys() - _KNOWN[kind]:
        raise _wrong(text, f"a {kind} has no {name!r}", f"it takes {', '.join(sorted(_KNOWN[kind]))}")
    if "dst" not in fields and kind != "secret":
        raise _wrong(text, "it does not say where", "add dst=PATH")
    if "dst" in fields and not fields["dst"].startswith("/"):
        raise _wrong(text, f"{fields['dst']!r} is no absolute path", f"write dst=/{fields['dst']}")
    return _MAKERS[kind](text, fields)


def together(parts: Sequence[Mounts]) -> Mounts:
    """Return all of several."""
    return sum(parts, NO_MOUNTS)


def parse_tmpfs(text: str) -> Mounts:
    """Return what ``PATH[:size=SIZE,mode=MODE]`` means; raises `UsageError`."""
    path, _, options = text.partition(":")
    return parse_mount(f"type=tmpfs,dst={path}{f',{options}' if options else ''}")


def _fields(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        name = _ALIASES.get(name.strip(), name.strip())
        if not equals and name not in _FLAGS:
            raise _wrong(text, f"{part!r} is no NAME=VALUE", "such as type=bind,src=/data,dst=/data")
        if name in found:
            raise _wrong(text, f"it says {name} twice", "say it once")
        found[name] = value if equals else "true"
    return found


def _bind(text: str, fields: Mapping[str, str]) -> Mounts:
    source = os.path.abspath(os.path.expanduser(fields.get("src", "")))
    if "src" not in fields:
        raise _wrong(text, "it does not say what is mounted", "add src=PATH")
    if not os.path.exists(source):
        raise _wrong(text, f"{source} does not exist", "src is a file or folder of this machine")
    writable = not _flag(text, fields, "ro", default=False) and _flag(text, fields, "rw", default=True)
    return Mounts(bound=(Bound(os.path.normpath(fields["dst"]), source, writable),))


def _cache(text: str, fields: Mapping[str, str]) -> Mounts:
    target = os.path.normpath(fields["dst"])
    name = fields.get("id") or target.strip("/").replace("/", "_")
    if not NAME.fullmatch(name):
        raise _wrong(text, f"{name!r} cannot be the name of a cache", "use letters, digits and . _ -")
    sharing = fields.get("sharing", "shared")
    if sharing not in tuple(Sharing):
        raise _wrong(text, f"sharing cannot be {sharing!r}", f"it is {', '.join(Sharing)}")
    uid, gid = (_number(text, fields, one, 10) or 0 for one in ("uid", "gid"))
    return Mounts(caches=(Cache(name, target, Sharing(sharing), _mode(text, fields, 0o755), uid, gid),))


def _secret(text: str, fields: Mapping[str, str]) -> Mounts:
    if "id" not in fields:
        raise _wrong(text, "it does not say which secret", "add id=NAME")
    ids = [_number(text, fields, one, 10) for one in ("uid", "gid")]
    target = os.path.normpath(fields["dst"]) if "dst" in fields else ""
    return Mounts(
        secrets=(Secret(fields["id"], target, mode=_mode(text, fields, 0o400), uid=ids[0], gid=ids[1]),)
    )


def _tmpfs(text: str, fields: Mapping[str, str]) -> Mounts:
    size = 0
    if "size" in fields:
        match = _SIZE.match(fields["size"])
        if match is None:
            raise _wrong(text, f"{fields['size']!r} is no size", "write it as 64m")
        size = int(match[1]) << _UNITS[match[2].lower()]
    return Mounts(tmpfs=(Tmpfs(os.path.normpath(fields["dst"]), size, _mode(text, fields, 0o1777)),))


_MAKERS: Final[Mapping[str, Callable[[str, Mapping[str, str]], Mounts]]] = {
    "bind": _bind,
    "cache": _cache,
    "secret": _secret,
    "tmpfs": _tmpfs,
}


def _mode(text: str, fields: Mapping[str, str], default: int) -> int:
    found = _number(text, fields, "mode", 8)
    return default if found is None else found


def _number(text: str, fields: Mapping[str, str], name: str, base: int) -> int | None:
    if name not in fields:
        return None
    try:
        return int(fields[name], base)
    except ValueError:
        raise _wrong(text, f"{name} cannot be {fields[name]!r}", "it is a number") from None


def _flag(text: str, fields: Mapping[str, str], name: str, *, default: bool) -> bool:
    value = fields.get(name)
    if value not in (None, "true", "false", "1", "0"):
        raise _wrong(text, f"{name} cannot be {value!r}", "it is true or false")
    return default if value is None else value in ("true", "1")


def _wrong(text: str, problem: str, hint: str) -> UsageError:
    return UsageError(f"--mount {text}: {problem}", hint=hint)
