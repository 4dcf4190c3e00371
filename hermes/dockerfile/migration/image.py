"""The configuration of an image -> the attributes of an ``image`` on its base, and what has none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

_TEXTS: Final = (("user", "User", ""), ("stop_signal", "StopSignal", ""), ("workdir", "WorkingDir", "/"))
_SETS: Final = (("ports", "ExposedPorts"), ("volumes", "Volumes"))
_KEPT: Final = "The base's command stays: a target cannot take it away."
_WITHOUT: Final = (
    ("Healthcheck", "HEALTHCHECK is left out: images in OCI's format have none."),
    ("OnBuild", "ONBUILD is left out: a macro in a .bzl file does for many images what triggers do."),
    ("Shell", "SHELL is left out: it counts for Dockerfiles alone."),
)


def image_attributes(
    document: Mapping[str, Any], base: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Return what an image says that its base does not say, and comments on what a rule cannot say."""
    config, below = document.get("config") or {}, base.get("config") or {}
    found: dict[str, Any] = {
        "env": {name: value.replace("$", "$$") for name, value in _changed(_env(config), _env(below))},
        "labels": dict(_changed(config.get("Labels") or {}, below.get("Labels") or {})),
    }
    if below.get("Entrypoint") and not config.get("Entrypoint") and config.get("Cmd"):
        found["entrypoint"] = config["Cmd"]  # a target cannot take away an entry point, but set another
    elif (config.get("Entrypoint") or []) != (below.get("Entrypoint") or []):
        found["entrypoint"] = config.get("Entrypoint")
        found["cmd"] = config.get("Cmd")
    elif (config.get("Cmd") or []) != (below.get("Cmd") or []):
        found["cmd"] = config.get("Cmd")
    for name, key, default in _TEXTS:
        value = config.get(key) or default
        if value != (below.get(key) or default):
            found[name] = value
    for name, key in _SETS:
        found[name] = [one for one in config.get(key) or {} if one not in (below.get(key) or {})]
    inherits = below.get("Cmd") and not found.get("entrypoint")
    comments = [_KEPT] if inherits and not config.get("Cmd") else []
    comments += [text for key, text in _WITHOUT if config.get(key) and config.get(key) != below.get(key)]
    if document.get("author") and document.get("author") != base.get("author"):
        found["labels"]["org.opencontainers.image.authors"] = document["author"]
    return found, comments


def _env(config: Mapping[str, Any]) -> dict[str, str]:
    pairs = (one.partition("=") for one in config.get("Env") or ())
    return {name: value for name, _, value in pairs}


def _changed(values: Mapping[str, str], below: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if below.get(name) != value:
            yield name, value
