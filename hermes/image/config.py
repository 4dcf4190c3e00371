"""Image configurations; see image-spec, config.md."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from hermes.digest import Digest
from hermes.errors import HermesError, ImageError
from hermes.image.manifest import json_object, without_surrogates
from hermes.image.platform import Platform

_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)\Z", re.ASCII)
_LATEST: Final = 253402300799

PASSED_ON: Final = ("author", "created", "os.features", "os.version")
"""The fields of a configuration that images on it have as they are; see image-spec, config.md, "Properties"."""


def timestamp(seconds: int) -> str:
    """Return a time as RFC 3339 has it; raises `ImageError` when it has no four-digit year."""
    if not 0 <= seconds <= _LATEST:
        raise ImageError(f"{seconds} is out of range for an image's creation time")
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_timestamp(text: str) -> bool:
    """Tell whether ``text`` is a date and time with its zone, as RFC 3339, section 5.6, has it."""
    if not _RFC3339.match(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def readable(value: Any) -> Any:
    """Return a value with U+FFFD in place of bytes that are not UTF-8, as other tools write them."""
    if isinstance(value, str):
        if value.isascii():
            return value
        try:
            return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        except UnicodeEncodeError:
            return without_surrogates(value)
    if isinstance(value, Mapping):
        return {readable(name): readable(one) for name, one in value.items()}
    return [readable(one) for one in value] if isinstance(value, list) else value


def history_of(document: Mapping[str, Any], called: str, created: str = "") -> list[dict[str, Any]]:
    """Return the history of a configuration: its own, or where that does not fit its layers, a row for each of them.

    ``called`` is what made the layers, ``created`` when (default: when the image was made).
    """
    history = list(document.get("history") or [])
    layers = diff_ids_of(document)
    if sum(not one.get("empty_layer") for one in history) == len(layers):
        return history
    time = created or document.get("created") or timestamp(0)
    return [{"created": time, "created_by": called} for _ in layers]


def platform_of(document: Mapping[str, Any]) -> Platform:
    """Return the platform that a configuration is for; raises `ImageError`."""
    system, architecture = document.get("os"), document.get("architecture")
    variant = document.get("variant", "")
    if not all(type(one) is str for one in (system, architecture, variant)) or not system or not architecture:
        raise ImageError("the image's configuration does not say its platform")
    return Platform(str(system), str(architecture), str(variant))


def diff_ids_of(document: Mapping[str, Any]) -> list[Digest]:
    """Return the layers that a configuration names, the lowest first; raises `ImageError`.

    Where there are none, other tools leave out the list, or write null.
    """
    rootfs = document.get("rootfs")
    listed = (rootfs.get("diff_ids") or []) if isinstance(rootfs, Mapping) else None
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise ImageError("the image's configuration does not name its layers")
    try:
        return [Digest.parse(one) for one in listed]
    except HermesError as error:
        raise ImageError(f"the image's configuration: {error.message}") from None


def parse_config(data: bytes) -> dict[str, Any]:
    """Return a configuration document whose fields are of the types that they should be; raises `ImageError`.

    Fields that Hermes does not know are left as they are.
    """
    document = json_object(data, "the image's configuration")
    diff_ids_of(document)
    platform_of(document)
    config = document.get("config")
    if config is None:
        config = document["config"] = {}
    if not isinstance(config, dict):
        raise ImageError("the image's configuration: its config is not an object")
    for name, is_right in _CONFIG_FIELDS.items():
        value = config.get(name)
        if value is not None and not is_right(value):
            raise ImageError(f"the image's configuration: {name} is of a wrong type")
        if value and any("\0" in one for one in ([value] if isinstance(value, str) else value)):
            raise ImageError(f"the image's configuration: {name} contains a NUL character")
    history = document.get("history")
    if history is not None and not (
        isinstance(history, list) and all(isinstance(one, dict) for one in history)
    ):
        raise ImageError("the image's configuration: its history is not a list of objects")
    created = document.get("created")
    if created is not None and not isinstance(created, str):
        raise ImageError("the image's configuration: created is of a wrong type")
    if _has_fraction([config, history, [document.get(name) for name in PASSED_ON]]):
        raise ImageError("the image's configuration: it has a number that is not an integer")
    return document


def _has_fraction(value: Any) -> bool:
    """Tell whether there is a number in a value that the documents of images do not have."""
    if isinstance(value, dict):
        value = list(value.values())
    return isinstance(value, float) or (isinstance(value, list) and any(map(_has_fraction, value)))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())


def _is_set(value: Any) -> bool:
    return isinstance(value, dict)


_CONFIG_FIELDS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "Cmd": _is_list,
    "Entrypoint": _is_list,
    "Env": _is_list,
    "ExposedPorts": _is_set,
    "Healthcheck": _is_set,
    "Labels": _is_texts,
    "OnBuild": _is_list,
    "Shell": _is_list,
    "StopSignal": _is_text,
    "User": _is_text,
    "Volumes": _is_set,
    "WorkingDir": _is_text,
}
