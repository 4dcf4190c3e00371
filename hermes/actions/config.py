"""``config``: the configuration of an image, once its layers are known and agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from hermes.actions.environment import Environment
from hermes.actions.folders import folders_apart, folders_layer
from hermes.actions.kinds import LAYER, LAYERS
from hermes.actions.specs.config import Config
from hermes.actions.specs.spec import of_request
from hermes.actions.tools import Tools, layers_of, stored
from hermes.digest import Digest, canonical_json
from hermes.engine.action import FILE, Outputs, Value
from hermes.engine.executor import Request
from hermes.engine.key import Resolved
from hermes.errors import ConflictError, ImageError
from hermes.image.assemble import Layer, configuration, depth_warning
from hermes.image.assignments import values_of
from hermes.image.config import history_of, platform_of, timestamp
from hermes.image.platform import Platform
from hermes.layer import toc
from hermes.layer.apart import Apart
from hermes.layer.conflicts import Conflict, conflicts
from hermes.layer.folders import entries_noted
from hermes.layer.outline import Outline
from hermes.layer.toc import TableOfContents

_SHOWN: Final = 10
_UNSEEN: Final = TableOfContents(Digest.of(b""), 0, ())


def execute(request: Request, tools: Tools) -> Outputs:
    """Raises `ConflictError` when two layers do not agree, `ImageError` when the base does not fit."""
    spec = of_request(Config[Resolved], request)
    folders = _agreed(request, spec, tools)
    base: dict[str, Any] = tools.document(spec.base.value) if spec.base is not None else {}
    below = [one for _, one in _layers(spec.below, tools) if not one.is_left_out]
    own = list(_layers(spec.layers, tools))
    if not (top := Layer(folders.digest)).is_left_out:
        own.append(("folders", top))  # the owner is in no key, so in no image
    files = _Files(_values(spec.env_file, tools), _values(spec.labels_file, tools))
    document = _document(spec, Platform.parse(request.action.platform), base, files)
    created = document["created"]
    history = history_of(base, "base", created) if base else []
    history += [{"created": created, "created_by": f"hermes {name}"} for name, _ in own]
    made = configuration(document, [*below, *(one for _, one in own)], history)
    tools.check_document("the image's configuration", made)
    if warning := depth_warning(made):
        tools.warn(f"{request.action.owner}: {warning}")
    environment = Environment.from_json(made["config"]).to_json()
    return {
        "config": stored(tools.store, FILE, canonical_json(made)),
        "environment": stored(tools.store, FILE, canonical_json(environment)),
        "folders": folders,
    }


def _agreed(request: Request, spec: Config[Resolved], tools: Tools) -> Value:
    """Return the layer that says what the image's folders are, once it is known that its layers agree."""
    given = list(_known(spec, tools))
    apart = Apart.of([_outline(one, tools) for one in given])
    complete = None not in given
    if apart is not None:
        return folders_apart(request, tools, apart, complete=complete, mtime=spec.epoch)
    tables = [toc.load(tools.store, one) if isinstance(one, Digest) else one for one in given]
    _check_conflicts(spec, tables)
    known = [table for table in tables if table is not None]
    return folders_layer(request, tools, known, complete=complete, mtime=spec.epoch)


def _outline(one: Digest | TableOfContents | None, tools: Tools) -> Outline | None:
    if isinstance(one, Digest):
        return tools.outline(one)
    return Outline.of(one or _UNSEEN)


def _known(spec: Config[Resolved], tools: Tools) -> Iterator[Digest | TableOfContents | None]:
    """Yield each input: the diff_id of a layer, or what is known of all of an image from elsewhere, which may not be here."""
    notes = {one.path: one.value for one in spec.folders}
    for number, one in enumerate((*spec.below, *spec.layers)):
        if one.value.kind == LAYER:
            tools.layers.ensure_present(one.value.digest)
            yield one.value.digest
        elif (note := notes.get(str(number))) is not None:
            yield TableOfContents(note.digest, 0, entries_noted(tools.document(note)))
        else:
            yield None


def _layers(rows: Sequence[Resolved], tools: Tools) -> Iterator[tuple[str, Layer]]:
    """Yield the layers that inputs stand for, and what the history calls them; all that an image from elsewhere has stay in the image."""
    for given, listed in zip(rows, layers_of(rows, tools), strict=True):
        for one in listed:
            yield one.path, Layer(one.value.digest, of_base=given.value.kind == LAYERS)


def _check_conflicts(spec: Config[Resolved], tables: Sequence[TableOfContents | None]) -> None:
    """Compare the layers; of an image from elsewhere little or nothing is known, and what is on it is meant."""
    layers = [*spec.below, *spec.layers]
    below = frozenset(range(len(spec.below)))
    built_on = dict.fromkeys(range(len(layers)), below)
    made_on = dict.fromkeys(below, below)
    for upper, lowers in spec.built_on.items():
        built_on[int(upper)] = below | frozenset(lowers)
    for upper, lowers in spec.made_on.items():
        made_on[int(upper)] = frozenset(lowers)
    found: dict[str, None] = {}
    allowed = spec.allow_conflicts
    for conflict in conflicts([one or _UNSEEN for one in tables], built_on, made_on):
        if allowed and not conflict.below:
            continue
        found[_shown(conflict, layers)] = None
        if len(found) > _SHOWN:
            found.popitem()
            found["  ..."] = None
            break
    if found:
        hint = "build one on the other (base = [...])"
        hint += ", or take one out" if allowed else ", take one out, or set allow_conflicts = True"
        if any(" leads to " in one for one in found):
            hint = f"give paths where the link leads, {hint}"
        raise ConflictError("its layers write one path differently:\n" + "\n".join(found), hint=hint)


def _shown(conflict: Conflict, layers: Sequence[Resolved]) -> str:
    lower, upper = layers[conflict.lower].path, layers[conflict.upper].path
    if conflict.link:
        other = "something below it" if conflict.below else "a folder there"
        return f"  /{conflict.path} leads to {conflict.link} in {lower}, and {upper} has {other}"
    return f"  /{conflict.path}: {lower} and {upper}"


class _Files(NamedTuple):
    """What files of a target say."""

    env: Mapping[str, str]
    labels: Mapping[str, str]


def _values(one: Resolved | None, tools: Tools) -> Mapping[str, str]:
    """Return what a file of variables or labels has."""
    if one is None:
        return {}
    with open(tools.path_of(one), "rb") as file:
        return values_of(file.read(), one.path)


def _document(
    spec: Config[Resolved], platform: Platform, base: Mapping[str, Any], files: _Files
) -> dict[str, Any]:
    """Return what the image says besides its layers and history: the base's fields with what the target gives."""
    if base and platform.best_of([platform_of(base)]) is None:
        raise ImageError(
            f"its base is for {platform_of(base)}, and the image for {platform}",
            hint="give both one platform",
        )
    return {
        **base,
        "architecture": platform.architecture,
        "config": _config(spec.config, base.get("config") or {}, files),
        "created": spec.config.get("created") or timestamp(spec.epoch),
        "os": platform.os,
        "variant": platform.variant,
    }


def _config(given: Mapping[str, Any], base: Mapping[str, Any], files: _Files) -> dict[str, Any]:
    """Return the base's settings with what the target says; a new entry point ends an inherited command."""
    base = _without(base, given.get("unset") or {})
    inherited = Environment(Environment.from_json(base).with_env(files.env))
    env = inherited.with_env(inherited.expanded(given.get("env") or {}))
    config = dict(base)
    config["Env"] = [f"{name}={value}" for name, value in env]
    if given.get("entrypoint"):
        config["Entrypoint"] = given["entrypoint"]
        config.pop("Cmd", None)
    for name, field in (
        ("cmd", "Cmd"),
        ("user", "User"),
        ("workdir", "WorkingDir"),
        ("stop_signal", "StopSignal"),
        ("health_check", "Healthcheck"),
    ):
        if given.get(name):
            config[field] = given[name]
    config["Labels"] = {**(base.get("Labels") or {}), **files.labels, **(given.get("labels") or {})}
    for name, field in (("ports", "ExposedPorts"), ("volumes", "Volumes")):
        config[field] = {**(base.get(field) or {}), **{one: {} for one in given.get(name) or ()}}
    return config


_SETTINGS: Final = {
    "cmd": ("Cmd",),
    "entrypoint": ("Entrypoint", "Cmd"),
    "stop_signal": ("StopSignal",),
    "user": ("User",),
}


def _without(base: Mapping[str, Any], unset: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return a base's settings without those that a target unsets; ``*`` among the names of a kind means all."""
    dropped = {field for name in unset.get("settings", ()) for field in _SETTINGS[name]}
    config = {field: value for field, value in base.items() if field not in dropped}

    def stays(kind: str, name: str) -> bool:
        names = unset.get(kind, ())
        return name not in names and "*" not in names

    if "env" in unset:
        config["Env"] = [one for one in base.get("Env") or () if stays("env", one.partition("=")[0])]
    for kind, field in (("labels", "Labels"), ("ports", "ExposedPorts"), ("volumes", "Volumes")):
        if kind in unset:
            kept = (base.get(field) or {}).items()
            config[field] = {
                name: value
                for name, value in kept
                if stays(kind, name if kind != "ports" or "/" in name else f"{name}/tcp")
            }
    return config
