"""A build written as a Dockerfile and the files that it copies, which ``hermes bud`` and others build."""

from __future__ import annotations

import os
import posixpath
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from hermes.dockerfile.files import Files
from hermes.engine.action import Artifact, Source
from hermes.errors import UsageError
from hermes.layer.entry import DIRECTORY, FILE, SYMLINK
from hermes.s2i.asked import Asked, chosen, files_in, injected
from hermes.s2i.facts import Facts
from hermes.s2i.scripts import SAVE_ARTIFACTS
from hermes.s2i.written import INJECTIONS, SCRIPTS, SOURCE, Written

_UPLOAD: Final = "upload"


def write_dockerfile(
    asked: Asked, path: Path, folders: Mapping[str, str], warn: Callable[[str], None]
) -> None:
    """Write what is asked for to ``path``, and what it copies to ``upload`` beside it; raises `UsageError`.

    ``folders`` maps the names that files have as sources to folders of this machine.
    """
    builder = Facts(asked.builder.name, asked.builder.document.get("config") or {})
    found = chosen(asked, builder, warn)
    injections = injected(asked, builder)
    folder = path.parent
    if Path(os.path.realpath(folder)).is_relative_to(folders[""]) and folders[""] != os.path.realpath(folder):
        raise UsageError(
            f"--as-dockerfile {path} is in the source", hint="name a folder that is not part of the source"
        )
    saves = asked.previous is not None and SAVE_ARTIFACTS in found.scripts
    user = asked.previous.document.get("config", {}).get("User", "") if asked.previous is not None else ""
    text = Written(
        builder=builder.name,
        destination=found.destination,
        scripts={name: found.path(one) for name, one in found.scripts.items()},
        copied=frozenset(one.name for one in found.put),
        previous=asked.previous.name if asked.previous is not None and saves else "",
        previous_user=asked.assemble_user or user,
        labels=asked.image_labels(builder.name),
        environment=found.environment,
        injected=[(str(number), place) for number, (place, _) in enumerate(injections)],
        removed=[posixpath.join(place, one) for place, files in injections for one in files_in(files)],
        assemble_user=found.user,
        owner=found.owner,
        user=builder.user,
    ).text()
    with tempfile.TemporaryDirectory(prefix=".upload-", dir=_made(folder)) as scratch:
        upload = Path(scratch)
        _copy(found.source, upload / SOURCE, folders)
        for one in found.put:
            assert one.artifact is not None
            _copy_file(one.artifact, upload / SCRIPTS / one.name, folders, executable=True)
        for number, (_, files) in enumerate(injections):
            _copy(files, upload / INJECTIONS / str(number), folders)
        shutil.rmtree(folder / _UPLOAD, ignore_errors=True)
        os.rename(upload / _UPLOAD, folder / _UPLOAD)
        write_text(path, text)


def write_text(path: Path, text: str) -> None:
    """Write a file as a whole; raises `UsageError`."""
    try:
        path.write_text(text, encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}") from None
    return folder


def _copy(files: Files, target: Path, folders: Mapping[str, str]) -> None:
    """Copy files with the modes that they have in an image; devices and the like are not copied."""
    pending = [""]
    while pending:
        inside = pending.pop()
        (target / inside).mkdir(parents=True)
        (target / inside).chmod(0o755)
        for name, _ in files.names(inside):
            path = f"{inside}/{name}" if inside else name
            status = files.status(path)
            if status is None:
                continue
            if status.type == DIRECTORY:
                pending.append(path)
            elif status.type == SYMLINK:
                os.symlink(files.link(path) or "", target / path)
            elif status.type == FILE:
                is_program = bool(status.mode & 0o100)
                _copy_file(files.artifact(path), target / path, folders, executable=is_program)


def place_of(artifact: Artifact, folders: Mapping[str, str]) -> str:
    """Return where a source is on this machine."""
    assert isinstance(artifact, Source)
    name, _, inside = artifact.path.partition("\0")
    return f"{folders[name]}/{inside}"


def _copy_file(artifact: Artifact, target: Path, folders: Mapping[str, str], *, executable: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(place_of(artifact, folders), target)
    target.chmod(0o755 if executable else 0o644)
