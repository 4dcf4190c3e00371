"""What ``--cache-from`` and ``--cache-to`` mean: ``type=registry,ref=NAME``, ``type=local,src=DIR`` and the like, as docker buildx has it."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hermes.errors import UsageError

if TYPE_CHECKING:
    from hermes.image.reference import Reference

REGISTRY: Final = "registry"
LOCAL: Final = "local"
INLINE: Final = "inline"
_ELSEWHERE: Final = {
    "gha": "GitHub's cache is for its own runners; use a registry such as ghcr.io: type=registry,ref=ghcr.io/OWNER/NAME:cache",
    "s3": "use a registry: type=registry,ref=HOST/NAME:cache",
    "azblob": "use a registry: type=registry,ref=HOST/NAME:cache",
}
_FROM: Final = {REGISTRY: ("ref",), LOCAL: ("src", "tag")}
_TO: Final = {
    REGISTRY: ("ref", "mode", "ignore-error"),
    LOCAL: ("dest", "mode", "tag", "ignore-error"),
    INLINE: ("mode",),
}
_ALWAYS_SO: Final = frozenset(
    ("compression", "compression-level", "force-compression", "image-manifest", "oci-mediatypes")
)
"""Attributes of BuildKit's caches that change nothing here: the layers are the images' own, in an OCI artifact."""
_TRUE: Final = frozenset(("1", "t", "true"))


@dataclass(frozen=True, slots=True)
class CachePlace:
    """Where a cache is: ``ref`` in a registry, or ``folder``, an OCI layout, with ``tag``.

    ``all_layers`` (``mode=max``): a cache that is written has the layers of all stages, and not only the images' own.
    ``ignores_errors``: the build does not fail when the cache cannot be written.
    """

    text: str
    kind: str
    ref: Reference | None = None
    folder: Path = Path()
    tag: str = "latest"
    all_layers: bool = False
    ignores_errors: bool = False


def cache_from(text: str) -> CachePlace:
    """Return where a cache is read from; raises `UsageError`."""
    return _parsed("--cache-from", text, _FROM)


def cache_to(text: str) -> CachePlace:
    """Return where a cache is written to; raises `UsageError`."""
    return _parsed("--cache-to", text, _TO)


def check(read: Iterable[str], written: Iterable[str]) -> None:
    """Raise `UsageError` for what is not a place of a cache."""
    for text in read:
        cache_from(text)
    for text in written:
        cache_to(text)


def usable(
    texts: Iterable[str], parse: Callable[[str], CachePlace], say: Callable[[str], None]
) -> Iterator[str]:
    """Yield those places that a file names which Hermes can use; ``say`` is told of others, which only make a build slower."""
    for text in texts:
        try:
            parse(text)
        except UsageError as error:
            say(f"warning: {error.message}; {error.hint}" if error.hint else f"warning: {error.message}")
        else:
            yield text


def _parsed(option: str, text: str, known: dict[str, tuple[str, ...]]) -> CachePlace:
    fields = _fields(option, text)
    kind = fields.pop("type", "")

    def wrong(message: str, hint: str | None = None) -> UsageError:
        return UsageError(f"{option} {text}: {message}", hint=hint)

    if kind in _ELSEWHERE:
        raise wrong(f"type={kind} is not supported", _ELSEWHERE[kind])
    if kind not in known:
        raise wrong(f"unknown type {kind!r}" if kind else "type= is missing", f"it is {', '.join(known)}")
    for name in fields:
        if name not in known[kind] and name not in _ALWAYS_SO:
            near = difflib.get_close_matches(name, known[kind], 1)
            raise wrong(
                f"type={kind} has no attribute {name!r}",
                f"did you mean {near[0]}?" if near else f"it has {', '.join(known[kind])}",
            )
    mode = fields.get("mode", "min")
    if mode not in ("min", "max"):
        raise wrong(f"mode is min or max, not {mode!r}")
    needed = {REGISTRY: "ref", LOCAL: known[kind][0]}.get(kind, "")
    if needed and not fields.get(needed):
        raise wrong(f"{needed}= is missing")
    return CachePlace(
        text,
        kind,
        _reference(fields["ref"]) if kind == REGISTRY else None,
        Path(fields[needed]).expanduser().absolute() if kind == LOCAL else Path(),
        fields.get("tag") or "latest",
        mode == "max",
        fields.get("ignore-error", "").lower() in _TRUE,
    )


def _reference(text: str) -> Reference:
    from hermes.image.reference import Reference

    return Reference.parse(text).full


def _fields(option: str, text: str) -> dict[str, str]:
    try:
        parts = next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise UsageError(f"{option} {text}: it is not a line of CSV ({error})") from None
    if not text or (len(parts) == 1 and "=" not in text):
        if not text:
            raise UsageError(f"{option} is empty", hint="write type=registry,ref=HOST/NAME:TAG")
        return {"type": REGISTRY, "ref": text}
    fields: dict[str, str] = {}
    for part in parts:
        name, equals, value = part.partition("=")
        if not equals:
            raise UsageError(f"{option} {text}: expected NAME=VALUE, got {part!r}")
        fields[name.strip().lower()] = value
    return fields
