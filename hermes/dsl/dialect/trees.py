"""What the walks over a syntax tree share."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

LOAD: Final = "load"


def parameters(arguments: ast.arguments) -> Iterator[ast.arg]:
    yield from arguments.args
    yield from arguments.kwonlyargs
    for one in (arguments.vararg, arguments.kwarg):
        if one is not None:
            yield one


def is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
