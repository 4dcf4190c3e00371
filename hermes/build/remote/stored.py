"""The files of folders of actions, as blobs that are sent to a remote service."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial

from hermes.actions.packed import Part, contents
from hermes.actions.tools import Tools
from hermes.container.secrets.encodings import Form
from hermes.digest import CHUNK
from hermes.errors import LayerError, SecretLeaked
from hermes.layer.decompress import Decompressed
from hermes.remote.cas import Blob


def blobs_of(parts: Iterable[Part], tools: Tools) -> dict[str, Blob]:
    """Return the files of a folder as blobs to be sent, by their paths.

    Giving the bytes of one raises `SecretLeaked` where a secret of this build is in them.
    """
    give = _searched if tools.secrets else contents
    return {part.path: Blob(part.digest, part.size, partial(give, part, tools)) for part in parts}


def _searched(part: Part, tools: Tools) -> Iterator[bytes]:
    """Yield what is in a file, once it is known that no secret is in it, nor in what it holds compressed."""
    if form := tools.search.in_pieces(contents(part, tools)) or _in_compressed(part, tools):
        raise SecretLeaked(f"{part.path} of an action has {form.part}the secret {form.id!r}")
    yield from contents(part, tools)


def _in_compressed(part: Part, tools: Tools) -> Form | None:
    if not isinstance(part.source, str):
        return None
    with open(part.source, "rb") as file, suppress(LayerError):  # of what only looks as if it were compressed
        opened = Decompressed(file, name=part.path)
        if opened.form:
            return tools.search.in_pieces(iter(lambda: opened.read(CHUNK), b""))
    return None
