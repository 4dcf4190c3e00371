"""Makes what an action gave once more, and says what differs: by a wrong service, or a command that is not the same twice."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

from hermes.actions.kinds import BLOB, LAYER
from hermes.actions.specs.compress import Compress
from hermes.actions.specs.spec import of_request
from hermes.actions.tools import Tools
from hermes.digest import Digest
from hermes.engine.action import Value
from hermes.engine.executor import Executor, Expansion, Request, Result
from hermes.engine.key import Resolved
from hermes.errors import BuildError
from hermes.layer import encodings, toc
from hermes.layer.compress import codec_of
from hermes.layer.entry import Entry
from hermes.layer.write import compress

_HELD_TO_A_DIGEST: Final = frozenset({"base_layer", "fetch", "fetch_wheel", "git", "import_image", "pull"})
"""Kinds that give what their key names by its digest."""
_UNLIKE: Final = frozenset({"test"})
"""Kinds whose outputs say how long something took."""


class MadeAgain:
    """Makes results again by ``local``, each with a ``slot``."""

    def __init__(
        self, local: Executor, tools: Tools, slot: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._local = local
        self._tools = tools
        self._slot = slot

    def other(self, request: Request, result: Result) -> tuple[Result, str] | None:
        """Return what an action gives now, and the first difference from ``result``; None where there is none."""
        if request.action.kind in _HELD_TO_A_DIGEST | _UNLIKE:
            return None
        with self._slot():
            made = self._made(request)
        if made is None:
            return None
        for name, value in result.outputs.items():
            if made.outputs[name].digest != value.digest:
                return made, self._difference(value, made.outputs[name])
        return None

    def _made(self, request: Request) -> Result | None:
        if request.action.kind == Compress.kind:
            return self._compressed(request)
        made = self._local.execute(request)
        return made if isinstance(made, Result) else None

    def _compressed(self, request: Request) -> Result:
        """Compress a layer although the store knows a blob of it, which may be the one that is in doubt."""
        spec = of_request(Compress[Resolved], request)
        diff_id, codec = spec.layer.value.digest, codec_of(spec.codec)
        assert codec is not None
        layers, store = self._tools.layers, self._tools.store
        layers.ensure_present(diff_id)
        if encodings.find_any(store, diff_id) is None:
            layers.packed(diff_id, None)
        with encodings.open_tar(store, diff_id) as tar:
            made = compress(tar.chunks(), store.blobs, codec)
        encodings.record(store, diff_id, made)
        return Result({"blob": Value(BLOB, made.digest, made.size)})

    def _difference(self, one: Value, other: Value) -> str:
        if one.kind != LAYER:
            return f"{one.digest} and {other.digest}"
        path, how = first_difference(self._entries(one.digest), self._entries(other.digest))
        return f"/{path} {how}" if how else f"the tars of {one.digest} and {other.digest}"

    def _entries(self, diff_id: Digest) -> dict[str, Entry]:
        return {one.path: one for one in toc.load(self._tools.store, diff_id).entries}


class Verified:
    """Executes actions by ``executor``, and everything once more: another result is a `BuildError`."""

    def __init__(self, executor: Executor, again: MadeAgain) -> None:
        self._executor = executor
        self._again = again

    def execute(self, request: Request) -> Result | Expansion:
        """See `hermes.engine.executor.Executor`."""
        made = self._executor.execute(request)
        return self.check(request, made) if isinstance(made, Result) else made

    def check(self, request: Request, result: Result) -> Result:
        """Return a result that was confirmed."""
        if found := self._again.other(request, result):
            raise BuildError(
                f"the {request.action.kind} action is not reproducible: it gave something else than before: {found[1]}",
                hint="look for times, random numbers, the order of files and of threads in what it runs",
            )
        return result


def first_difference(one: dict[str, Entry], other: dict[str, Entry]) -> tuple[str, str]:
    """Return the first path of two layers that is not the same in both, and how it differs; two empty texts for none."""
    for path in sorted({*one, *other}):
        first, second = one.get(path), other.get(path)
        if first is None or second is None:
            return path, "is in the new layer alone" if first is None else "is in the old layer alone"
        if first != second:
            named = (name for name in Entry._fields if getattr(first, name) != getattr(second, name))
            return path, f"differs in {', '.join(named)}"
    return "", ""
