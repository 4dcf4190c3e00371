"""A first workspace from a template: what ``hermes init`` writes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from hermes.errors import UsageError, WorkspaceError
from hermes.store.io_errors import writing
from hermes.workspace.location import MARKER, OUTPUT_FOLDER, find_root
from hermes.yaml_text import parse_yaml

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

IMAGE: Final = "//app:image"
"""The image that every template has."""


class Template(NamedTuple):
    """``about`` says what it is, ``locked`` are the targets whose locks have to be made: packages that age.

    ``run`` are the arguments of `hermes run` that show what it does; a service answers at ``address`` then.
    """

    about: str
    run: str
    locked: tuple[str, ...] = ("//app:base",)
    address: str = ""


_SERVED: Final = f"-p 8000:8000 {IMAGE}"
_ADDRESS: Final = "http://localhost:8000/Ada"
_ASKED: Final = f"{IMAGE} -- Ada"
TEMPLATES: Final = {
    "python": Template("a web service in Python, with packages of PyPI", _SERVED, address=_ADDRESS),
    "node": Template("a web service for Node.js, with packages of npm", _SERVED, address=_ADDRESS),
    "program": Template(
        "a program in C, on nothing but its libraries", _ASKED, ("//app:base", "//app:compiler")
    ),
    "debian": Template("Debian packages and a script", _ASKED),
    "dockerfile": Template("a Dockerfile as a target", _ASKED),
}
_SUFFIX: Final = ".template"
"""What BUILD files end in here, so that they are none of this workspace."""
_VERSIONS: Final = (
    ("python3", "python", "", r"(\d+\.\d+)"),
    ("nodejs", "node", "", r"(?:\d+:)?(\d+\.\d+\.\d+)"),
    ("libc6", "libc", "glibc-", r"(\d+\.\d+)"),
)
"""A package, the attribute of a rule that says its version, what stands before that, and which part of it counts."""
_FIXED: Final = {
    MARKER: "# The root of a workspace of Hermes. Everything in here has a default.\n",
    ".gitignore": f"/{OUTPUT_FOLDER}/\n",
}


def start(folder: Path, template: str) -> list[str]:
    """Write a workspace, whose locks are still to be made; return the paths of its files, relative to ``folder``.

    Raises `UsageError` when there is no such template, or where a file would be overwritten or be in another workspace;
    nothing is written then.
    """
    if template not in TEMPLATES:
        raise UsageError(f"there is no template {template!r}", hint=f"there are {', '.join(TEMPLATES)}")
    _check(folder)
    contents = {name: text.encode() for name, text in _FIXED.items()}
    contents.update(_contents(files("hermes") / "templates" / template, ""))
    kept = {".gitignore"} if (folder / ".gitignore").is_file() else set()
    there = [name for name in contents if name not in kept and os.path.lexists(folder / name)]
    if there:
        raise UsageError(
            f"{folder} has {', '.join(there)} already; nothing was written",
            hint="give a folder without these files, such as a new one",
        )
    written = [name for name in sorted(contents) if name not in kept]
    with writing(str(folder)):
        for name in written:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(contents[name])
    return written


def fit(folder: Path) -> None:
    """Give a template's BUILD file the versions that the locked Debian packages have: another release has other ones."""
    lock, build = folder / "app/base.lock.yaml", folder / "app/BUILD"
    versions = {one["name"]: one["version"] for one in parse_yaml(lock.read_bytes())["packages"]}
    text = build.read_text(encoding="utf-8")
    for package, attribute, prefix, form in _VERSIONS:
        if found := re.match(form, versions.get(package, "")):
            text = re.sub(rf'(\n    {attribute} = )"[^"]*"', rf'\g<1>"{prefix}{found[1]}"', text)
    with writing(str(build)):
        build.write_text(text, encoding="utf-8")


def _check(folder: Path) -> None:
    """Raises `UsageError` where a workspace cannot begin."""
    if os.path.lexists(folder) and not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", hint="give the path of a folder, which may be new")
    try:
        root = find_root(folder)
    except WorkspaceError:
        return
    where = "is a workspace" if root == folder.absolute() else f"is in the workspace {root}"
    raise UsageError(
        f"{folder} {where} already", hint=f"write a BUILD file there, or give a folder outside of {root}"
    )


def _contents(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a template: path and content."""
    for one in folder.iterdir():
        if one.is_dir():
            if one.name != "__pycache__":
                yield from _contents(one, f"{prefix}{one.name}/")
        else:
            yield f"{prefix}{one.name.removesuffix(_SUFFIX)}", one.read_bytes()
