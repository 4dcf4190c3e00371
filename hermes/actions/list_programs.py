"""``list_programs``: the ELF files of a layer."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import BinaryIO, Final

from hermes.actions.specs.programs import ListPrograms
from hermes.actions.specs.spec import of_request
from hermes.actions.tools import Tools, stored
from hermes.digest import Digest, canonical_json
from hermes.engine.action import FILE as FILE_KIND
from hermes.engine.action import Outputs
from hermes.engine.executor import Request
from hermes.engine.key import Resolved
from hermes.errors import LayerError
from hermes.layer import encodings
from hermes.layer.compress import ZSTD
from hermes.layer.entry import FILE
from hermes.layer.tar_reader import Member, members
from hermes.programs.elf import MAGIC, read_elf

_SMALL: Final = 32 << 20
_SHOWN: Final = 8


def execute(request: Request, tools: Tools) -> Outputs:
    """Raises `MissingBlobError` for a layer that the store does not hold."""
    layer = of_request(ListPrograms[Resolved], request).layer.value.digest
    programs = dict(_programs(layer, tools))
    listed = {"layer": layer, "programs": programs}
    return {"programs": stored(tools.store, FILE_KIND, canonical_json(listed))}


def _programs(layer: Digest, tools: Tools) -> Iterator[tuple[str, object]]:
    """Yield paths, and what the ELF files there say, or for other programs a text that says what they are."""
    tools.layers.ensure_present(layer)
    if encodings.find_any(tools.store, layer) is None:
        tools.layers.packed(layer, ZSTD)
    with encodings.open_tar(tools.store, layer) as tar:
        for member in members(tar.read, name=f"layer {layer}"):
            entry = member.entry
            if entry.type != FILE or not entry.size:
                continue
            first = next(member.content, b"")
            if first.startswith(MAGIC):
                with _whole(first, member, tools) as file:
                    try:
                        found = read_elf(file, f"/{entry.path}")
                    except LayerError as error:
                        yield entry.path, error.message.removeprefix(f"/{entry.path} is ")
                    else:
                        if found is not None:
                            yield entry.path, found.to_json()
            elif entry.mode & 0o111:
                yield entry.path, _described(first)
        tar.check()


def _whole(first: bytes, member: Member, tools: Tools) -> BinaryIO:
    """Return the content of a member as a file that can seek: in memory if it is small."""
    file: BinaryIO
    file = io.BytesIO() if member.entry.size <= _SMALL else os.fdopen(tools.store.scratch.unnamed(), "w+b")
    file.write(first)
    for chunk in member.content:
        file.write(chunk)
    return file


def _described(first: bytes) -> str:
    """Return what a program is that is not ELF."""
    if first.startswith(b"#!"):
        line = first[2:].partition(b"\n")[0][:4096].strip()
        return "#!" + os.fsdecode(line)
    if first.startswith(b"MZ"):
        return "a program for Windows"
    if first[:4] in (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe"):
        return "a program for macOS"
    return f"not a program: it begins with {first[:_SHOWN]!r}"
