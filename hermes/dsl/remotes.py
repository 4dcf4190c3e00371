"""What BUILD files say of registries: names, digests, what is locked, and how layers are compressed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from hermes.digest import Digest, canonical_json
from hermes.dsl.dialect.values import EvalError, described, show, type_name
from hermes.errors import HermesError, SourceError, UsageError
from hermes.image.reference import Reference
from hermes.layer.compress import CODECS, Codec, codec_at

LOCK_FILE: Final = "hermes.lock.yaml"
"""The lock file of a workspace: ``{version, images: {REF: {PLATFORM: digest}}, folders: {DIGEST: {PATH: text}}}``.

``folders`` has what `hermes.layer.folders.noted` says of the trees of images.
"""
LOCK_VERSION: Final = 1


def checked_reference(value: Any) -> str:
    """Return the name of an image in a registry, which says its host; raises `EvalError`."""
    if type(value) is not str:
        raise EvalError(f"ref is a string, not {described(value)}", attribute="ref")
    try:
        found = Reference.parse(value)
    except UsageError as error:
        raise EvalError(error.message, error.hint or "", attribute="ref") from None
    if not found.host:
        raise EvalError(
            f"{show(value)} does not say its registry", f"as docker.io/library/{value}", attribute="ref"
        )
    return value


def checked_digest(value: Any) -> str:
    """Return a digest; raises `EvalError`."""
    try:
        return Digest.parse(value if type(value) is str else str(type_name(value)))
    except HermesError as error:
        raise EvalError(error.message, error.hint or "", attribute="digest") from None


def checked_codec(compression: Any, level: int | None) -> Codec:
    """Return the codec that a compression and its level name; raises `EvalError`."""
    if compression not in CODECS:
        raise EvalError(f"compression is one of {', '.join(sorted(CODECS))}, not {show(compression)}")
    try:
        return codec_at(compression, level)
    except UsageError as error:
        raise EvalError(error.message, error.hint, attribute="compression_level") from None


def checked_push(repository: Any, tags: Any, compression: Any, level: int | None) -> str:
    """Return what `hermes push` reads of where an image goes; raises `EvalError`."""
    name = checked_reference(repository)
    found = Reference.parse(name)
    if found.digest or name != found.name:
        raise EvalError(
            f"{show(name)} has a tag", 'tags stand in tags, as tags = ["latest"]', attribute="repository"
        )
    if type(tags) not in (list, tuple) or not all(type(one) is str for one in tags):
        raise EvalError("tags is a list of strings", attribute="tags")
    for one in tags:
        try:
            Reference.parse(f"{name}:{one}")
        except UsageError:
            raise EvalError(
                f"invalid tag {show(one)}",
                "a tag has letters, digits and _ . -, 128 at most",
                attribute="tags",
            ) from None
    document: dict[str, Any] = {"repository": name, "tags": list(dict.fromkeys(tags))}
    if compression:
        document["compression"] = checked_codec(compression, level).name
    if level is not None:
        if not compression:
            raise EvalError("is for a compression", 'as compression = "zstd"', attribute="compression_level")
        document["compression_level"] = level
    return canonical_json(document).decode()


def locked_digest(read: Callable[[str], Any], ref: str, platform: str, label: str) -> str:
    """Return the digest that an image is pinned to. ``read`` returns the content of a YAML file of the workspace."""
    checked_reference(ref)
    hint = f"pin it with `hermes lock {label}`"
    try:
        document = read(LOCK_FILE)
    except SourceError:
        raise EvalError(f"{ref} is not locked: there is no {LOCK_FILE}", hint, attribute="ref") from None
    images = document.get("images") if isinstance(document, dict) else None
    if not isinstance(images, dict) or document.get("version") != LOCK_VERSION:
        raise EvalError(f"{LOCK_FILE} is not a lock file of images", hint, attribute="ref")
    row = images.get(ref)
    if not isinstance(row, dict):
        raise EvalError(f"{ref} is not locked", hint, attribute="ref")
    found = row.get(platform)
    if found is None:
        known = ", ".join(sorted(map(str, row)))
        raise EvalError(
            f"{ref} is locked for {known}, and not for {platform}",
            f"add {platform} to platforms, and {hint}",
            attribute="ref",
        )
    if type(found) is not str:
        raise EvalError(f"{LOCK_FILE} does not lock {ref} for {platform} to a digest", hint, attribute="ref")
    return found


def locked_folders(read: Callable[[str], Any], digest: str) -> dict[str, str] | None:
    """Return what the lock says of an image's tree, None if nothing; see `hermes.layer.folders.noted`."""
    from hermes.layer.folders import entries_noted

    folders = read(LOCK_FILE).get("folders")
    found = folders.get(digest) if isinstance(folders, dict) else None
    if found is None:
        return None
    if not isinstance(found, dict) or not all(type(one) is str for pair in found.items() for one in pair):
        raise EvalError(
            f"{LOCK_FILE}: folders of {digest} is not a mapping of paths to texts", "run `hermes lock`"
        )
    try:
        entries_noted(found)
    except HermesError as error:
        raise EvalError(f"{LOCK_FILE}: {error.message}", "run `hermes lock --update`") from None
    return dict(found)
