"""Makes some results of remote services here again, and says which differ: by a wrong service, or a command that is not the same twice."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import AbstractContextManager

from hermes.actions.kinds import BLOB, LAYER
from hermes.actions.specs.compress import Compress
from hermes.actions.specs.spec import of_request
from hermes.actions.tools import Tools
from hermes.digest import Digest
from hermes.engine.action import Value
from hermes.engine.executor import Executor, Request, Result
from hermes.engine.key import Resolved
from hermes.layer import encodings, toc
from hermes.layer.compress import codec_of
from hermes.layer.entry import Entry
from hermes.layer.write import compress


class Verifier:
    """Makes ``percent`` of a hundred results again by ``local``, each with a ``slot``."""

    def __init__(
        self, local: Executor, percent: int, tools: Tools, slot: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._local = local
        self._percent = percent
        self._tools = tools
        self._slot = slot

    def check(self, request: Request, result: Result) -> Result:
        """Return a result of a service, or what this machine made instead where that is something else."""
        if random.uniform(0, 100) >= self._percent:  # noqa: S311 - a sample
            return result
        with self._slot():
            made = self._made(request)
        if made is None:
            return result
        for name, value in result.outputs.items():
            if made.outputs[name].digest != value.digest:
                self._tools.warn(
                    f"{request.action.owner}: {result.where} gave another {value.kind} than this machine made: "
                    f"{self._difference(value, made.outputs[name])}; the build goes on with that of this machine"
                )
                return made
        return result

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

    def _difference(self, theirs: Value, ours: Value) -> str:
        if theirs.kind != LAYER:
            return f"{theirs.digest} and {ours.digest}"
        path, how = first_difference(self._entries(theirs.digest), self._entries(ours.digest))
        return f"/{path} {how}" if how else f"the tars of {theirs.digest} and {ours.digest}"

    def _entries(self, diff_id: Digest) -> dict[str, Entry]:
        return {one.path: one for one in toc.load(self._tools.store, diff_id).entries}


def first_difference(theirs: dict[str, Entry], ours: dict[str, Entry]) -> tuple[str, str]:
    """Return the first path of two layers that is not the same in both, and how it differs; two empty texts for none."""
    for path in sorted({*theirs, *ours}):
        one, other = theirs.get(path), ours.get(path)
        if one is None or other is None:
            return path, "is in the layer of this machine alone" if one is None else "is in that layer alone"
        if one != other:
            named = (name for name in Entry._fields if getattr(one, name) != getattr(other, name))
            return path, f"differs in {', '.join(named)}"
    return "", ""
