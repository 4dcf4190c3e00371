"""``find_scripts``: whether an image has the scripts that commands in it are going to be.

The error says what is missing and where it was looked for; that of the command would say "not found".
"""

from __future__ import annotations

from typing import Final

from hermes.actions.roots import Root
from hermes.actions.specs.script import FindScripts, Program
from hermes.actions.specs.spec import of_request
from hermes.actions.tools import Tools, stored
from hermes.digest import canonical_json
from hermes.engine.action import FILE as FILE_KIND
from hermes.engine.action import Outputs
from hermes.engine.executor import Request
from hermes.engine.key import Resolved
from hermes.errors import BuildError
from hermes.layer.entry import FILE

_EXECUTABLE: Final = 0o111


def execute(request: Request, tools: Tools) -> Outputs:
    """Raises `BuildError` for the first thing that is missing."""
    spec = of_request(FindScripts[Resolved], request)
    root = Root(spec.roots, tools)
    for one in spec.programs:
        if problem := problem_of(one, root):
            looked = f"; looked in: {one.looked}" if one.looked else ""
            raise BuildError(
                f"{spec.image}: the {one.name} script {problem}{looked}",
                hint=f"put one into .s2i/bin/{one.name} of the source, or name a folder with --scripts-url",
            )
    for folder in spec.folders:
        if not root.view.is_folder(root.view.resolve(folder.lstrip("/"))):
            raise BuildError(
                f"{spec.image} has no folder {folder} to inject files into",
                hint="name a folder that the image has; a relative path is below its working folder",
            )
    return {"found": stored(tools.store, FILE_KIND, canonical_json([one.path for one in spec.programs]))}


def problem_of(program: Program, root: Root) -> str:
    """Return what is wrong with a script, or nothing."""
    path = root.view.resolve(program.path.lstrip("/"))
    if not root.view.exists(path):
        return f"{program.path} is not in the image"
    entry = root.view.origin(path)
    if entry is None or entry.entry.type != FILE:
        return f"{program.path} is not a file"
    return "" if entry.entry.mode & _EXECUTABLE else f"{program.path} is not executable"
