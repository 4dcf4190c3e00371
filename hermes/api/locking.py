"""``hermes lock``: asks targets what is to be resolved, has it resolved, and writes their lock files."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hermes.build.mirrors import apt_sources
from hermes.build.session import Session
from hermes.dsl.dialect.values import Struct
from hermes.dsl.providers import LabelValue
from hermes.dsl.remotes import LOCK_FILE, LOCK_VERSION
from hermes.errors import HermesError, LabelError, LockError
from hermes.graph.label import Label
from hermes.graph.pattern import parse_all
from hermes.image.platform import Platform
from hermes.store import Store
from hermes.yaml_text import YamlError, parse_yaml

if TYPE_CHECKING:
    from hermes.build.options import BuildOptions
    from hermes.workspace.location import Location


_ALL: Final = ("//...",)

_HEAD: Final = (
    "# Written by `hermes lock`: what images of registries are pinned to,\n"
    "# and what images on them have to know of their folders.\n"
)
_MOST_FOLDERS: Final = 2000
"""More than any image that we know has; a lock with more lines would be hard to review."""

IMAGE: Final = "image"
"""The kind of lock of an image of a registry."""
DEBIAN: Final = "debian"
"""That of an `apt_layer`."""
PYTHON: Final = "python"
"""That of `py_layers`."""
FILES: Final = "files"
"""That of files at addresses."""
NODE: Final = "node"
"""That of `npm_layers`."""


@dataclass(frozen=True, slots=True)
class LockOptions:
    """``check``: write nothing, and fail where something would be written; ``update``: pin images anew."""

    check: bool = False
    update: bool = False


def lock_targets(
    where: Location,
    patterns: Sequence[str],
    options: BuildOptions,
    say: Callable[[str], None],
    how: LockOptions | None = None,
) -> list[Path]:
    """Write the lock file of every target among ``patterns`` (default: all) that has one; return the files.

    Images of registries are pinned in the workspace's own lock file. Raises `LockError`.
    """
    how = how or LockOptions()
    store = Store.open(where.home)
    try:
        session = Session.open(where.root, store, options, say)
        named = {one.label for one in parse_all(patterns or _ALL, relative_to=where.package)}
        found: dict[Path, bytes] = {}
        images: dict[str, dict[str, None]] = {}
        for label in session.labels(patterns or _ALL, where.package):
            request = session.analysis.lock_request(label)
            if request is None:
                if label in named:
                    raise LabelError(
                        f"{label} has nothing to lock", hint="name a target with a lock, such as an apt_layer"
                    )
            elif request.fields.get("kind") == IMAGE:
                images.setdefault(request.fields["ref"], {}).update(
                    dict.fromkeys(str(Platform.parse(one)) for one in request.fields["platforms"])
                )
            else:
                path, data = _lock_of(where, session, store, label, request, say, how)
                found[path] = data
        if images:
            path = where.root / LOCK_FILE
            kept = how.update and not patterns
            found[path] = _image_lock(path, images, session, store, how, say, forget=kept)
        if not found:
            say("no target has a lock")
        return _written(found, how)
    finally:
        store.close()


def _written(found: Mapping[Path, bytes], how: LockOptions) -> list[Path]:
    stale = [path for path, data in found.items() if not path.exists() or path.read_bytes() != data]
    if how.check:
        if stale:
            raise LockError(
                f"{', '.join(map(str, stale))} {'is' if len(stale) == 1 else 'are'} stale",
                hint="run `hermes lock`, and commit what it writes",
            )
        return []
    for path in stale:
        temporary = path.with_name(f".{path.name}~")
        try:
            temporary.write_bytes(found[path])
            temporary.replace(path)
        except OSError as error:
            raise LockError(f"{path} cannot be written: {error.strerror}") from error
    return list(found)


def _image_lock(
    path: Path,
    wanted: Mapping[str, Collection[str]],
    session: Session,
    store: Store,
    how: LockOptions,
    say: Callable[[str], None],
    *,
    forget: bool,
) -> bytes:
    """Return the lock of images: what is pinned stays so unless it is to be updated, what is missing is asked for."""
    from hermes.registry.client import Client
    from hermes.transports.pinning import pins

    before, folders = _read_image_lock(path)
    now: dict[str, dict[str, str]] = {} if forget else {ref: dict(row) for ref, row in before.items()}
    for ref, platforms in sorted(wanted.items()):
        row = {} if how.update else dict(before.get(ref, {}))
        missing = [one for one in platforms if one not in row]
        if missing and how.check:
            raise LockError(
                f"{path}: {ref} is not locked for {', '.join(missing)}",
                hint="run `hermes lock`, and commit what it writes",
            )
        if missing:
            with Client(session.settings.registries) as client:
                row |= pins(client, ref, missing, store)
        now[ref] = row
    if not how.check:
        refs = {ref: now[ref] for ref in sorted(wanted)}
        folders |= _folders(refs, folders, session, store, say)
    rows = [f"{_HEAD}version: {LOCK_VERSION}\nimages:\n"]
    for ref, row in sorted(now.items()):
        rows.append(f"  {json.dumps(ref)}:\n")
        rows += [f"    {platform}: {digest}\n" for platform, digest in sorted(row.items())]
    pinned = sorted({digest for row in now.values() for digest in row.values()})
    known = [digest for digest in pinned if digest in folders]
    if known:
        rows.append("folders:\n")
    for digest in known:
        rows.append(f"  {digest}:{'' if folders[digest] else ' {}'}\n")
        rows += [
            f"    {json.dumps(one)}: {json.dumps(text)}\n" for one, text in sorted(folders[digest].items())
        ]
    return "".join(rows).encode()


def _folders(
    images: Mapping[str, Mapping[str, str]],
    known: Collection[str],
    session: Session,
    store: Store,
    say: Callable[[str], None],
) -> dict[str, dict[str, str]]:
    """Look into those images of which nothing is known; return, by digest, what images on them have to know.

    An image that cannot be looked into is told of; images on it are then made without.
    """
    from hermes.registry.client import Client
    from hermes.transports.pinning import folders_of

    found: dict[str, dict[str, str]] = {}
    for ref, row in images.items():
        for platform, digest in sorted(row.items()):
            if digest in known or digest in found:
                continue
            try:
                with Client(session.settings.registries) as client:
                    looked = folders_of(client, ref, platform, digest, store)
            except HermesError as error:
                say(f"warning: the folders of {ref} for {platform} are not known: {error.message}")
                continue
            if len(looked) > _MOST_FOLDERS:
                say(
                    f"warning: the folders of {ref} for {platform} are not noted: "
                    f"{len(looked)} are more than {_MOST_FOLDERS}"
                )
                continue
            found[digest] = looked
    return found


def _read_image_lock(path: Path) -> tuple[dict[str, dict[str, str]], dict[str, dict[str, str]]]:
    """Return what names of images are pinned to, and what is noted of the folders of those, by digest."""
    try:
        document = parse_yaml(path.read_bytes())
    except FileNotFoundError:
        return {}, {}
    except (OSError, YamlError) as error:
        raise LockError(f"{path} cannot be read: {error}", hint="remove it and run `hermes lock`") from None
    images = document.get("images") if isinstance(document, dict) else None
    if not isinstance(images, dict) or document.get("version") != LOCK_VERSION:
        raise LockError(f"{path} is not a lock file of images", hint="remove it and run `hermes lock`")
    return _texts(images), _texts(document.get("folders"))


def _texts(document: Any) -> dict[str, dict[str, str]]:
    """Return a mapping of names to mappings of texts, without what is of another type."""
    if not isinstance(document, dict):
        return {}
    return {
        name: {key: text for key, text in row.items() if isinstance(key, str) and isinstance(text, str)}
        for name, row in document.items()
        if isinstance(name, str) and isinstance(row, dict)
    }


def _lock_of(
    where: Location,
    session: Session,
    store: Store,
    label: Label,
    request: Struct,
    say: Callable[[str], None],
    how: LockOptions,
) -> tuple[Path, bytes]:
    """Return the lock file that a target asks for, and what it is to hold."""
    kind, fields = request.fields.get("kind"), request.fields
    if kind == PYTHON:
        path = _path_of(where, label, fields["file"], "its lock")
        source = _path_of(where, label, fields["requirements"], "what it is made from")
        say(f"{label}: uv resolves {source.name}")
        return path, _python_lock(label, path, source, session, fields, how)
    if kind == NODE:
        path = _path_of(where, label, fields["file"], "its lock")
        say(f"{label}: npm resolves package.json")
        return path, _npm_lock(where, label, path, session, fields, how)
    if kind == FILES:
        from hermes.api.locking_files import files_lock

        path = _path_of(where, label, fields["file"], "its lock")
        return path, files_lock(path, str(label), fields["urls"], store, check=how.check, update=how.update)
    return _path_of(where, label, fields["file"], "its lock"), _debian_lock(
        session, store, label, fields, say
    )


def _path_of(where: Location, label: Label, target: LabelValue, what: str) -> Path:
    if target.label.package != label.package:
        raise LockError(f"{label}: {what} is in another package", hint=f"name a file of //{label.package}")
    return where.root / target.label.package / target.label.name


def _python_lock(
    label: Label, path: Path, source: Path, session: Session, fields: Mapping[str, Any], how: LockOptions
) -> bytes:
    from hermes.build.package_index import package_sources
    from hermes.python.locking import LockRequest, make_lock
    from hermes.python.target import PythonTarget

    target = PythonTarget.of(fields["python"], session.configuration.platform, fields["libc"])
    request = LockRequest(
        str(label),
        source,
        path,
        target,
        extras=tuple(fields["extras"]),
        groups=tuple(fields["groups"]),
        sources=tuple(fields["sources"]),
        update=how.update,
    )
    return make_lock(request, package_sources(session.settings, session.root))


def _npm_lock(
    where: Location, label: Label, path: Path, session: Session, fields: Mapping[str, Any], how: LockOptions
) -> bytes:
    from hermes.build.package_index import npm_sources
    from hermes.node.locking import LockRequest, make_lock

    files = tuple(_path_of(where, label, one, "what it is made from") for one in fields["files"])
    request = LockRequest(str(label), path, files, where.root, fields["legacy_peer_deps"], how.update)
    return make_lock(request, npm_sources(session.settings, session.root))


def _debian_lock(
    session: Session, store: Store, label: Label, fields: Mapping[str, Any], say: Callable[[str], None]
) -> bytes:
    from hermes.debian.lock import LockRequest, make_lock
    from hermes.debian.sources import chosen_suites, listed_sources

    lines, suites = tuple(fields["sources"]), tuple(fields["suites"])
    sources = listed_sources(lines, f"{label}: sources") if lines else apt_sources(session.settings)
    if suites:
        sources = chosen_suites(sources, suites, f"{label}: suites")
    return make_lock(
        LockRequest(
            packages=tuple(fields["packages"]),
            architectures=tuple(fields["architectures"]),
            recommends=fields["recommends"],
            essential=fields["essential"],
            exclude=tuple(fields["exclude"]),
            label=str(label),
            sources=lines,
            suites=suites,
        ),
        sources,
        store.home / "indexes",
        say,
    )
