"""``save_artifacts``: what the script of this name prints, a tar archive, as a layer.

The archive may come from anybody: nothing in it is put outside of the folder that it is for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from typing import BinaryIO, Final

from hermes.actions.find_scripts import problem_of
from hermes.actions.layer import stored_layer
from hermes.actions.roots import Root
from hermes.actions.run import performed, task_of
from hermes.actions.specs.script import SaveArtifacts
from hermes.actions.specs.spec import of_request
from hermes.actions.tools import Tools, hinted_codec
from hermes.container.task import Outcome, Task
from hermes.engine.action import Outputs
from hermes.engine.executor import Request
from hermes.engine.key import Resolved
from hermes.errors import BuildError, LayerError
from hermes.layer.archives import archive_members
from hermes.layer.content import Spool
from hermes.layer.entry import DIRECTORY, FILE, HARDLINK, SYMLINK, Entry
from hermes.layer.unpacking import Unpacking
from hermes.layer.write import Item
from hermes.store.io_errors import storing

_KEPT: Final = frozenset({DIRECTORY, FILE, HARDLINK, SYMLINK})
_HINT: Final = (
    "build without --incremental, or correct the script: its standard output is the archive and nothing else"
)


def execute(request: Request, tools: Tools) -> Outputs:
    """Raises `ActionError` when the script fails, `BuildError` when what it prints is not an archive that can be unpacked."""
    spec = of_request(SaveArtifacts[Resolved], request)
    root = Root(spec.roots, tools)
    codec = hinted_codec(request)
    if any(problem_of(one, root) for one in spec.programs):
        open(tools.store.log_path(request.key), "wb").close()
        return {"layer": stored_layer([], tools, codec)}
    with open(tools.store.scratch.unnamed(), "w+b") as file:

        def run(task: Task, stdio: tuple[int, int, int]) -> Outcome:
            printed = stdio[0], file.fileno(), stdio[2]
            return tools.commands.run(task, printed, waiting=tools.check_cancelled)

        performed(request, tools, task_of(spec, request, tools), run)
        file.seek(0)
        with storing("the store"), closing(Spool(tools.store.scratch.unnamed())) as spool:
            try:
                return {"layer": stored_layer(_items(spec, file, spool, root.user(spec.user)), tools, codec)}
            except LayerError as error:
                raise BuildError(f"{spec.image}: {error.message}", hint=_HINT) from None


def _items(
    spec: SaveArtifacts[Resolved], file: BinaryIO, spool: Spool, owner: tuple[int, int]
) -> Iterator[Item]:
    """Yield what the archive holds, below the folder that it is for."""
    if not os.fstat(file.fileno()).st_size:
        return
    uid, gid = owner
    dest = spec.dest.lstrip("/")
    yield Entry(dest, DIRECTORY, 0o755, uid, gid, mtime=spec.mtime), None
    unpacking = Unpacking(dest)
    for member in archive_members(file, name="what save-artifacts printed"):
        if member.entry.type not in _KEPT:
            raise LayerError(f"what save-artifacts printed: {member.entry.path} is a {member.entry.type}")
        entry = unpacking.placed(member.entry)
        content = spool.add(member.content, entry.size)
        if entry.path == dest:
            continue
        yield entry._replace(uid=uid, gid=gid, mtime=spec.mtime, xattrs=(), passed=False), content
