"""Stacks of layers as actions see them without mounting anything."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Final

from hermes.actions.tools import Tools, layers_of
from hermes.container.users import user_in
from hermes.digest import Digest
from hermes.engine.key import Resolved
from hermes.errors import BuildError, SandboxError
from hermes.layer import toc
from hermes.layer.apart import Apart
from hermes.layer.entry import FILE
from hermes.layer.view import Paths, View

_REMEMBERED: Final = 4
_LARGEST: Final = 1 << 20


class Root:
    """The file system that layers leave, the lowest first."""

    def __init__(self, roots: Iterable[Resolved], tools: Tools) -> None:
        self._tools = tools
        self.layers = tuple(one.value.digest for listed in layers_of(roots, tools) for one in listed)

    @cached_property
    def view(self) -> View:
        """What is at each path."""
        return _view(self.layers, self._tools)

    @cached_property
    def paths(self) -> Paths:
        """What is at each path, as far as programs and users ask for it; see `hermes.layer.apart`."""
        return Apart.of([self._tools.outline(one) for one in self.layers]) or self.view

    def ids(self, text: str) -> tuple[int, int]:
        """Return the ids that ``--chown`` means; a number alone is user and group. Raises `BuildError`."""
        if not text:
            return 0, 0
        is_number = text.isascii() and text.isdigit()
        try:
            found = user_in((lambda _: "") if is_number else self._text, text)
        except SandboxError as error:
            raise BuildError(error.message, hint=error.hint) from None
        return found.uid, found.uid if is_number else found.gid

    def user(self, text: str) -> tuple[int, int]:
        """Return the ids that a command has which runs as a user; raises `BuildError`."""
        try:
            found = user_in(self._text, text)
        except SandboxError as error:
            raise BuildError(error.message, hint=error.hint) from None
        return found.uid, found.gid

    def _text(self, path: str) -> str:
        return (self.content(path) or b"").decode("utf-8", "replace")

    def content(self, path: str) -> bytes | None:
        """Return what is in a regular file, up to a MiB; None where there is none."""
        origin = self.paths.origin(self.paths.resolve(path))
        if origin is None or origin.entry.type != FILE:
            return None
        if not origin.entry.size:
            return b""
        digest = self.layers[origin.layer]
        self._tools.layers.ensure_tree(digest)
        try:
            with open(f"{self._tools.store.trees}/{digest.hex}/root/{origin.path}", "rb") as file:
                return file.read(_LARGEST)
        except OSError as error:
            raise BuildError(f"{path} of the image: {os.strerror(error.errno or 0)}") from error


def _view(layers: Sequence[Digest], tools: Tools) -> View:
    """Return a view, which the calling thread keeps for its next actions."""
    known = tools.memory.views
    key = tuple(layers)
    found = known.pop(key, None)
    if found is None:
        for one in key:
            tools.layers.ensure_present(one)
        found = View([toc.load(tools.store, one) for one in key])
    known[key] = found
    while len(known) > _REMEMBERED:
        known.pop(next(iter(known)))
    return found
