"""The files of folders of actions, as blobs that are sent to a remote service."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from hermes.actions.packed import Part, contents
from hermes.actions.tools import Tools
from hermes.remote.cas import Blob


def blobs_of(parts: Iterable[Part], tools: Tools) -> dict[str, Blob]:
    """Return the files of a folder as blobs to be sent, by their paths."""
    return {part.path: Blob(part.digest, part.size, partial(contents, part, tools)) for part in parts}
