"""What actions say of commands: their words, the files that they see, the tools that they use."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from hermes.actions.specs.spec import Ref
from hermes.digest import Digest
from hermes.dsl.attributes import KINDS
from hermes.dsl.dialect.values import EvalError, described, show
from hermes.dsl.mounts import binds
from hermes.dsl.providers import File, Layer
from hermes.engine.action import Source
from hermes.errors import HermesError
from hermes.graph.label import Label


def check_run(function: str, argv: Any, outputs: Any) -> None:
    if type(argv) not in (list, tuple) or not argv or not all(type(one) is str and one for one in argv[:1]):
        raise EvalError(f"{function}() needs a command: a list that begins with a program")
    for value in argv:
        if type(value) is not str or "\0" in value:
            raise EvalError("the arguments of a command are strings")
    seen = set()
    for path in outputs:
        if type(path) is not str or path in seen or ".." in path.split("/") or not path.strip("/"):
            raise EvalError(f"{show(path)} cannot be an output", "name each file once, without ..")
        seen.add(path)


def with_binds(inputs: Mapping[str, Any], mounts: Any) -> dict[str, Any]:
    found = dict(inputs)
    for one in binds(mounts):
        if one.path in found:
            raise EvalError(f"two mounts are at {one.path}", attribute="mounts")
        found[one.path] = one.files
    return found


def layers_at(trees: Any) -> tuple[Ref, ...]:
    """Return the layers that a command sees mounted, by their paths."""
    if not isinstance(trees, Mapping) or not all(type(one) is Layer for one in trees.values()):
        raise EvalError(f"trees maps paths to layers, not {described(trees)}")
    return tuple(Ref(one.artifact, KINDS["path"].check(path, _no_label)) for path, one in trees.items())


def identities(tools: Any) -> dict[str, str]:
    """Return what the tools of a command are: path -> version, or digest as ``sha256:HEX``."""
    if not isinstance(tools, Mapping) or not tools:
        raise EvalError("host() needs the tools that the command uses", 'as {"/usr/bin/tool": "its version"}')
    found = {}
    for path, identity in tools.items():
        place = KINDS["path"].check(path, _no_label)
        if type(identity) is not str or not identity.strip():
            raise EvalError(f"the identity of {place} is a version or sha256:..., not {show(identity)}")
        if identity.startswith("sha256:"):
            try:
                Digest.parse(identity)
            except HermesError:
                raise EvalError(
                    f"{show(identity)} of {place} is not a digest", "write the 64 digits of `sha256sum`"
                ) from None
        found[place] = identity
    return found


def staged(inputs: Mapping[str, Any]) -> tuple[dict[str, bool], tuple[Ref, ...]]:
    """Return which mounts there are (path -> whether it is one file), and what the action reads for them."""
    mounts: dict[str, bool] = {}
    rows: list[Ref] = []
    taken: set[str] = set()
    for target, value in inputs.items():
        found = [value] if type(value) is File else value
        if type(found) not in (list, tuple) or not all(type(one) is File for one in found):
            raise EvalError(f"the inputs at {target} are files, not {described(value)}")
        path = target if target == "." else KINDS["path"].check(target, _no_label)
        single = type(value) is File
        mounts[path] = single
        there = {one.artifact.path for one in found if type(one.artifact) is Source}
        for one in found:
            place = path if single else f"{path}/{one.path}"
            if place in taken:
                raise EvalError(f"two files are at {place}", "files are put by their paths in their packages")
            taken.add(place)
            rows.append(Ref(one.artifact if _leads_to(one, there) else one.content, place))
    return mounts, tuple(rows)


def _leads_to(one: File, there: Collection[str]) -> bool:
    """Tell whether a file is a link to one of others (or to a folder of theirs) that are put beside it as they are."""
    if one.link is None:
        return False
    target = one.link.target
    return target in there or any(path.startswith(f"{target}/") for path in there)


def _no_label(text: str) -> Label:
    raise EvalError(f"{text!r} cannot be a label here")
