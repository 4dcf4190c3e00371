"""A checked tree -> code in which every operation that needs a guard calls one.

Guards have names that no source can spell, ``$`` and a word. See `hermes.dsl.dialect.interpreter`.
"""

from __future__ import annotations

import ast
import hashlib
import marshal
import sys
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any, Final, cast

from hermes.dsl.dialect.check import check
from hermes.dsl.dialect.syntax import LoadStatement
from hermes.dsl.dialect.trees import LOAD
from hermes.errors import BuildFileError, SourceLocation
from hermes.store import Store
from hermes.store.regular import read_regular

VERSION: Final = 2
"""Raised when the same source would be checked or compiled differently."""

_OPERATORS: Final = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.LShift: "<<",
    ast.RShift: ">>",
    ast.BitOr: "|",
    ast.BitAnd: "&",
    ast.BitXor: "^",
}
_COMPARISONS: Final = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "in",
    ast.NotIn: "not in",
}


_WORK: Final = {
    ast.Attribute: 4,
    ast.AugAssign: 4,
    ast.BinOp: 4,
    ast.Call: 16,
    ast.Compare: 4,
    ast.Dict: 4,
    ast.DictComp: 8,
    ast.FunctionDef: 8,
    ast.Lambda: 8,
    ast.List: 2,
    ast.ListComp: 8,
    ast.Subscript: 4,
    ast.UnaryOp: 2,
}
"""Steps of an operation by the kind of its node; 1 where none are given."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A file ready to run, and what it loads first."""

    code: CodeType
    loads: tuple[LoadStatement, ...]


class Compiler:
    """Compiles files, remembering the code by content, name, dialect and Python version.

    ``misses`` counts the files of which no code was known.
    """

    def __init__(
        self, store: Store | None, builtins: Collection[str], elsewhere: Mapping[str, str] | None = None
    ) -> None:
        self._elsewhere = elsewhere
        self._folder = store.home / "compiled" if store else None
        self._store = store
        self._builtins = frozenset(builtins)
        self.misses = 0
        names = "\0".join(sorted(self._builtins))
        self._version = f"{VERSION}\0{sys.implementation.cache_tag}\0{sys.version}\0{names}"

    def storing_in(self, store: Store) -> Compiler:
        """Return one of the same names that writes through another view of the store."""
        return Compiler(store, self._builtins, self._elsewhere)

    def compile(self, source: bytes, file: str) -> Compiled:
        """Return the code of a file; raises `BuildFileError`."""
        path = self._path(source, file)
        if path is not None and (found := _read(path)) is not None:
            return found
        self.misses += 1
        compiled = self._compile(source, file)
        if path is not None and self._store is not None:
            self._store.write(path, _dump(compiled))
        return compiled

    def _compile(self, source: bytes, file: str) -> Compiled:
        try:
            checked = check(source.decode("utf-8-sig"), file, self._builtins, self._elsewhere)
            tree = ast.fix_missing_locations(_Guarding().visit(checked.tree))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what a call of a number comes to is an error of the file
                return Compiled(compile(tree, file, "exec", dont_inherit=True), checked.loads)
        except UnicodeDecodeError as error:
            line = source.count(b"\n", 0, error.start) + 1
            raise BuildFileError("the file is not UTF-8", location=SourceLocation(file, line)) from None
        except RecursionError:
            raise BuildFileError(
                "an expression is nested too deeply", location=SourceLocation(file)
            ) from None

    def _path(self, source: bytes, file: str) -> Path | None:
        if self._folder is None:
            return None
        name = hashlib.sha256(f"{self._version}\0{file}\0".encode() + source).hexdigest()
        return self._folder / name


def _dump(compiled: Compiled) -> bytes:
    loads = [(one.label, one.names, _row(one.location)) for one in compiled.loads]
    body = marshal.dumps((loads, compiled.code))
    return hashlib.sha256(body).digest() + body


def _read(path: Path) -> Compiled | None:
    """Return the code in a file that `_dump` wrote, if it is whole."""
    try:
        data = read_regular(path)
    except OSError:
        return None
    if len(data) < 32 or hashlib.sha256(data[32:]).digest() != data[:32]:
        return None
    loads, code = marshal.loads(data[32:])  # noqa: S302 - the user's own store, checked above for damage
    return Compiled(
        code, tuple(LoadStatement(label, names, SourceLocation(*row)) for label, names, row in loads)
    )


def _row(location: SourceLocation) -> tuple[str, int, int, str]:
    return location.file, location.line, location.column, location.text


class _Guarding(ast.NodeTransformer):
    """Puts guards in the place of operations."""

    def __init__(self) -> None:
        self._temporary = 0
        self._work = 0
        self._visitors: dict[type[ast.AST], Callable[[Any], Any]] = {}

    def visit(self, node: ast.AST) -> Any:
        """Return what stands for a node, and count its steps."""
        kind = type(node)
        self._work += _WORK.get(kind, 1)
        if kind is ast.Name or kind is ast.Constant:
            return node
        visitor = self._visitors.get(kind)
        if visitor is None:
            visitor = self._visitors[kind] = getattr(self, f"visit_{kind.__name__}", self.generic_visit)
        return visitor(node)

    def _guard(self, near: ast.AST, name: str, *arguments: ast.expr) -> ast.Call:
        call = ast.Call(ast.Name(f"${name}", ast.Load()), list(arguments), [])
        for node in (call, call.func):
            ast.copy_location(node, near)
        return call

    def _text(self, near: ast.AST, text: str) -> ast.Constant:
        return ast.copy_location(ast.Constant(text), near)

    def visit_Expr(self, node: ast.Expr) -> Any:
        call = node.value.func if isinstance(node.value, ast.Call) else None
        if isinstance(call, ast.Name) and call.id == LOAD:
            return ast.copy_location(ast.Pass(), node)
        return self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        return self._guard(node, "attr", self.visit(node.value), self._text(node, node.attr))

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        operator = self._text(node, _OPERATORS[type(node.op)])
        return self._guard(node, "binary", operator, self.visit(node.left), self.visit(node.right))

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Any:
        operand = self.visit(node.operand)
        if isinstance(node.op, ast.Not):
            return ast.copy_location(ast.UnaryOp(node.op, operand), node)
        operator = {ast.USub: "-", ast.UAdd: "+", ast.Invert: "~"}[type(node.op)]
        return self._guard(node, "unary", self._text(node, operator), operand)

    def visit_Compare(self, node: ast.Compare) -> Any:
        operator = self._text(node, _COMPARISONS[type(node.ops[0])])
        return self._guard(node, "compare", operator, self.visit(node.left), self.visit(node.comparators[0]))

    def visit_Assign(self, node: ast.Assign) -> Any:
        target, value = node.targets[0], self.visit(node.value)
        if isinstance(target, ast.Subscript):
            return self._set_item(target, value, node)
        if not isinstance(target, ast.Tuple | ast.List):
            return ast.copy_location(ast.Assign([target], value), node)
        value = self._guard(node.value, "unpacked", value)
        return self._unpacking(target, value, node)

    def _set_item(self, target: ast.Subscript, value: ast.expr, near: ast.AST) -> ast.stmt:
        call = self._guard(near, "set_item", self.visit(target.value), self.visit(target.slice), value)
        return ast.copy_location(ast.Expr(call), near)

    def _unpacking(self, target: ast.Tuple | ast.List, value: ast.expr, near: ast.AST) -> list[ast.stmt]:
        """Return the statements that assign the items of ``value``, which can be unpacked, from left to right.

        Where a target is more than a name, the items are first given names of their own, which no source can spell.
        """
        if all(isinstance(one, ast.Name) for one in target.elts):
            return [ast.copy_location(ast.Assign([target], value), near)]
        names = [self._name() for _ in target.elts]
        stored: list[ast.expr] = [ast.Name(name, ast.Store()) for name in names]
        found: list[ast.stmt] = [ast.Assign([ast.Tuple(stored, ast.Store())], value)]
        for one, name in zip(target.elts, names, strict=True):
            found.extend(self._assigned(one, ast.Name(name, ast.Load()), near))
        for statement in found:
            ast.copy_location(statement, near)
        return found

    def _assigned(self, target: ast.expr, value: ast.expr, near: ast.AST) -> list[ast.stmt]:
        if isinstance(target, ast.Subscript):
            return [self._set_item(target, value, near)]
        if isinstance(target, ast.Tuple | ast.List):
            return self._unpacking(target, self._guard(near, "unpacked", value), near)
        return [ast.copy_location(ast.Assign([target], value), near)]

    def _name(self) -> str:
        self._temporary += 1
        return f"${self._temporary}"

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        operator = self._text(node, _OPERATORS[type(node.op)])
        value = self.visit(node.value)
        target = node.target
        if isinstance(target, ast.Subscript):
            call = self._guard(
                node, "augment_item", operator, self.visit(target.value), self.visit(target.slice), value
            )
            return ast.copy_location(ast.Expr(call), node)
        name = cast("ast.Name", target)
        before = ast.copy_location(ast.Name(name.id, ast.Load()), node)
        return ast.copy_location(
            ast.Assign([name], self._guard(node, "augment", operator, before, value)), node
        )

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        if isinstance(node.slice, ast.Slice):
            none = ast.Constant(None)
            bounds = [
                self.visit(one) if one else none
                for one in (node.slice.lower, node.slice.upper, node.slice.step)
            ]
            return self._guard(node, "slice", self.visit(node.value), *bounds)
        return self._guard(node, "item", self.visit(node.value), self.visit(node.slice))

    def visit_For(self, node: ast.For) -> Any:
        target = node.target
        iterable = self.visit(node.iter)
        before_body = self._work
        body = self._statements(node.body)
        work = 1 + self._work - before_body
        if _is_plain(target):
            return self._loop(node, target, iterable, body, work)
        name = self._name()
        before = self._assigned(target, ast.copy_location(ast.Name(name, ast.Load()), target), target)
        stored = ast.copy_location(ast.Name(name, ast.Store()), target)
        return self._loop(node, stored, iterable, [*before, *body], work)

    def _loop(
        self, node: ast.For, target: ast.expr, iterable: ast.expr, body: list[ast.stmt], work: int
    ) -> ast.For:
        node.target, node.body = target, body
        node.iter = self._each(node.iter, target, iterable, work)
        return node

    def _statements(self, body: list[ast.stmt]) -> list[ast.stmt]:
        found: list[ast.stmt] = []
        for statement in body:
            made = self.visit(statement)
            found.extend(made if isinstance(made, list) else [made])
        return found

    def _each(self, near: ast.expr, target: ast.expr, iterable: ast.expr, work: int) -> ast.Call:
        name = "each" if isinstance(target, ast.Name) else "unpacked_each"
        return self._guard(near, name, iterable, ast.copy_location(ast.Constant(work), near))

    def visit_ListComp(self, node: ast.ListComp) -> Any:
        before = self._work
        node.elt = self.visit(node.elt)
        self._loops(node.generators, before)
        return node

    def visit_DictComp(self, node: ast.DictComp) -> Any:
        before = self._work
        node.key = self._key(self.visit(node.key))
        node.value = self.visit(node.value)
        self._loops(node.generators, before)
        return node

    def _loops(self, generators: list[ast.comprehension], before: int) -> None:
        """Guard the loops of a comprehension, from the innermost, whose rounds take the steps since ``before``."""
        for one in reversed(generators):
            one.ifs = [self.visit(condition) for condition in one.ifs]
            work = 1 + self._work - before
            before = self._work
            one.iter = self._each(one.iter, one.target, self.visit(one.iter), work)

    def visit_Dict(self, node: ast.Dict) -> Any:
        self.generic_visit(node)
        node.keys = [self._key(one) if one is not None else None for one in node.keys]
        return node

    def _key(self, node: ast.expr) -> ast.expr:
        return node if isinstance(node, ast.Constant) else self._guard(node, "key", node)

    def visit_Call(self, node: ast.Call) -> Any:
        self.generic_visit(node)
        node.args = [
            ast.copy_location(ast.Starred(self._guard(one, "arguments", one.value), ast.Load()), one)
            if isinstance(one, ast.Starred)
            else one
            for one in node.args
        ]
        for keyword in node.keywords:
            if keyword.arg is None:
                keyword.value = self._guard(keyword.value, "keywords", keyword.value)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        self.generic_visit(node)
        node.decorator_list = [ast.copy_location(ast.Name("$function", ast.Load()), node)]
        return node

    def visit_Lambda(self, node: ast.Lambda) -> Any:
        self.generic_visit(node)
        return self._guard(node, "function", node)


def _is_plain(target: ast.expr) -> bool:
    """Tell whether a target is a name, or several beside each other."""
    if isinstance(target, ast.Tuple | ast.List):
        return all(isinstance(one, ast.Name) for one in target.elts)
    return isinstance(target, ast.Name)
