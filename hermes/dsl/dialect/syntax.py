"""The whitelist of syntax: walks a tree, refuses what is not on it, and collects load statements."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, NoReturn

from hermes.dsl.dialect.problems import Problems
from hermes.dsl.dialect.trees import LOAD, is_name, parameters
from hermes.errors import BuildFileError, SourceLocation

_LARGEST_INT: Final = 1 << 63
_BINARY: Final = (
    ast.Add,
    ast.Sub,
    ast.Mult,
    ast.FloorDiv,
    ast.Mod,
    ast.LShift,
    ast.RShift,
    ast.BitOr,
    ast.BitAnd,
    ast.BitXor,
)
_COMPARISONS: Final = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn)
_REFUSED: Final = {
    ast.Import: ("import is not allowed", 'use load("//pkg:file.bzl", "name")'),
    ast.ImportFrom: ("import is not allowed", 'use load("//pkg:file.bzl", "name")'),
    ast.While: ("while is not allowed", "loop over a list or a range"),
    ast.ClassDef: ("class is not allowed", "use struct() or provider()"),
    ast.Try: ("try is not allowed", "check with an if before, or let it fail"),
    ast.With: ("with is not allowed", None),
    ast.Global: ("global is not allowed", "return the value instead"),
    ast.Nonlocal: ("nonlocal is not allowed", "return the value instead"),
    ast.Raise: ("raise is not allowed", 'use fail("message")'),
    ast.Assert: ("assert is not allowed", 'use if and fail("message")'),
    ast.Delete: ("del is not allowed", "use pop() on a list or a dict"),
    ast.AnnAssign: ("type annotations are not allowed", None),
    ast.AsyncFunctionDef: ("async is not allowed", None),
    ast.JoinedStr: ("f-strings are not allowed", 'use "{}".format(x) or "%s" % x'),
    ast.GeneratorExp: ("generator expressions are not allowed", "use a list comprehension: [x for x in ...]"),
    ast.Set: ("sets are not allowed", "use a list, or the keys of a dict"),
    ast.SetComp: ("sets are not allowed", "use a list, or the keys of a dict"),
    ast.NamedExpr: (":= is not allowed", None),
    ast.Yield: ("yield is not allowed", "build a list and return it"),
    ast.YieldFrom: ("yield is not allowed", "build a list and return it"),
    ast.Await: ("await is not allowed", None),
    ast.Div: ("/ is not allowed", "there are no floats: use // to divide"),
    ast.Pow: ("** is not allowed", None),
    ast.MatMult: ("@ is not allowed", None),
    ast.Is: ("is is not allowed", "use =="),
    ast.IsNot: ("is not is not allowed", "use !="),
    ast.TypeAlias if hasattr(ast, "TypeAlias") else ast.Match: ("this statement is not allowed", None),
}


@dataclass(frozen=True, slots=True)
class LoadStatement:
    """``load("label", "name", alias = "name")``: ``names`` are pairs of local and loaded name."""

    label: str
    names: tuple[tuple[str, str], ...]
    location: SourceLocation


class Syntax:
    """Walks a tree; ``loads`` are the load statements that it met, and what is wrong is noted in ``problems``."""

    def __init__(self, problems: Problems) -> None:
        self.loads: list[LoadStatement] = []
        self._problems = problems
        self._encoded: tuple[int, bytes] = (-1, b"")

    def module(self, tree: ast.Module) -> None:
        self._statements(tree.body, top=True)

    def _error(self, node: ast.AST, message: str, hint: str | None = None) -> NoReturn:
        """Refuse the statement or the expression that is being looked at."""
        raise self._problems.at(node, message, hint)

    def _refuse(self, node: ast.AST, near: ast.AST) -> NoReturn:
        message, hint = _REFUSED.get(type(node), (f"{type(node).__name__} is not allowed", None))
        self._error(near, message, hint)

    # Statements.

    def _statements(self, body: Iterable[ast.stmt], *, top: bool = False) -> None:
        for statement in body:
            try:
                self._statement(statement, top=top)
            except BuildFileError as error:
                self._problems.errors.append(error)

    def _statement(self, node: ast.stmt, *, top: bool) -> None:
        kind = type(node)
        if top:
            if (
                isinstance(node, ast.Expr)
                and isinstance(node.value, ast.Call)
                and is_name(node.value.func, LOAD)
            ):
                self._load(node.value)
                return
            self._check_top(node)
        if visit := self._statement_visits.get(kind):
            visit(self, node)
        elif kind not in self._words:
            self._refuse(node, node)

    def _check_top(self, node: ast.stmt) -> None:
        """Refuse what belongs in a function."""
        if isinstance(node, ast.For | ast.If):
            word = "for" if isinstance(node, ast.For) else "if"
            self._error(node, f"{word} belongs in a function", "use a comprehension, or a def in a .bzl file")
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            self._error(node, f"{node.target.id!r} is assigned again", "use another name")

    def _alone(self, node: ast.Expr) -> None:
        self._expression(node.value)

    def _assign(self, node: ast.Assign) -> None:
        if len(node.targets) > 1:
            self._error(node, "one assignment at a time", "write two statements")
        self._target(node.targets[0])
        self._expression(node.value)

    def _augment(self, node: ast.AugAssign) -> None:
        self._operator(node.op, node)
        self._target(node.target)
        self._expression(node.value)

    def _return(self, node: ast.Return) -> None:
        if node.value is not None:
            self._expression(node.value)

    def _for(self, node: ast.For) -> None:
        if node.orelse:
            self._error(node.orelse[0], "else after for is not allowed")
        self._target(node.target)
        self._expression(node.iter)
        self._statements(node.body)

    def _if(self, node: ast.If) -> None:
        self._expression(node.test)
        self._statements(node.orelse)
        self._statements(node.body)

    def _function(self, node: ast.FunctionDef) -> None:
        if node.decorator_list:
            self._error(node.decorator_list[0], "decorators are not allowed")
        if node.returns is not None:
            self._error(node.returns, "type annotations are not allowed")
        if getattr(node, "type_params", None):
            self._error(node, "type parameters are not allowed")
        self._binding(node.name, node)
        self._arguments(node.args)
        self._statements(node.body)

    def _arguments(self, arguments: ast.arguments) -> None:
        if arguments.posonlyargs:
            self._error(arguments.posonlyargs[0], "/ in parameters is not allowed")
        for one in parameters(arguments):
            if one.annotation is not None:
                self._error(one.annotation, "type annotations are not allowed")
            self._binding(one.arg, one)
        for default in (*arguments.defaults, *(one for one in arguments.kw_defaults if one is not None)):
            self._expression(default)

    # Names and what is assigned.

    def _binding(self, name: str, node: ast.AST) -> None:
        if name.startswith("__") or not name.isascii():
            self._error(node, f"{name!r} is not a name that may be defined")
        if name == LOAD:
            self._error(node, "'load' cannot be defined")

    def _target(self, node: ast.expr) -> None:
        if isinstance(node, ast.Name):
            self._binding(node.id, node)
        elif isinstance(node, ast.Tuple | ast.List):
            for one in node.elts:
                self._target(one)
        elif isinstance(node, ast.Subscript):
            self._expression(node.value)
            if isinstance(node.slice, ast.Slice):
                self._error(node, "a slice cannot be assigned")
            self._expression(node.slice)
        elif isinstance(node, ast.Attribute):
            self._error(node, "attributes cannot be assigned", "values are immutable: make a new struct")
        else:
            self._error(node, "this cannot be assigned")

    def _comprehension_target(self, node: ast.expr) -> None:
        for one in ast.walk(node):
            if isinstance(one, ast.Subscript):
                self._error(one, "a variable of a comprehension is a name")
        self._target(node)

    # Expressions.

    def _expressions(self, nodes: Iterable[ast.expr | None]) -> None:
        for node in nodes:
            if node is not None:
                try:
                    self._expression(node)
                except BuildFileError as error:
                    self._problems.errors.append(error)

    def _expression(self, node: ast.expr) -> None:
        visit = self._expression_visits.get(type(node))
        if visit is None:
            self._refuse(node, node)
        visit(self, node)

    def _name(self, node: ast.Name) -> None:
        if node.id.startswith("__"):
            self._error(node, f"{node.id!r} is not a name that may be used")
        if node.id == LOAD:
            self._error(node, "load() is a statement of its own, outside functions")

    def _items(self, node: ast.List | ast.Tuple) -> None:
        for one in node.elts:
            if isinstance(one, ast.Starred):
                self._starred(one)
        self._expressions(node.elts)

    def _starred(self, node: ast.Starred) -> None:
        self._error(node, "* is only allowed in calls")

    def _binary(self, node: ast.BinOp) -> None:
        self._operator(node.op, node)
        self._expressions((node.left, node.right))

    def _unary(self, node: ast.UnaryOp) -> None:
        self._expression(node.operand)

    def _boolean(self, node: ast.BoolOp) -> None:
        self._expressions(node.values)

    def _compare(self, node: ast.Compare) -> None:
        if len(node.ops) > 1:
            self._error(node, "comparisons cannot be chained", "join two with 'and'")
        if not isinstance(node.ops[0], _COMPARISONS):
            self._refuse(node.ops[0], node)
        self._expressions((node.left, *node.comparators))

    def _choice(self, node: ast.IfExp) -> None:
        self._expressions((node.test, node.body, node.orelse))

    def _attribute(self, node: ast.Attribute) -> None:
        if node.attr.startswith("_"):
            self._error(node, f"the attribute {node.attr!r} is private")
        self._expression(node.value)

    def _subscript(self, node: ast.Subscript) -> None:
        self._expressions((node.value, node.slice))

    def _slice(self, node: ast.Slice) -> None:
        self._expressions((node.lower, node.upper, node.step))

    def _lambda(self, node: ast.Lambda) -> None:
        self._arguments(node.args)
        self._expression(node.body)

    def _constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, float | complex):
            self._error(node, "there are no floats", "write a whole number, or a string")
        if isinstance(value, bytes):
            self._error(node, "byte strings are not allowed")
        if value is Ellipsis:
            self._error(node, "... is not allowed")
        if isinstance(value, int) and value >= _LARGEST_INT:
            self._error(node, "the number is too large")
        if isinstance(value, str):
            if not value.isascii() and any("\ud800" <= one <= "\udfff" for one in value):
                self._error(node, "the string holds half of a surrogate pair", "write the character itself")
            self._string(node)

    def _source_of(self, node: ast.Constant) -> str:
        """Return the text of a literal; the last line that was encoded is kept, as most follow on the same."""
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        begins, ends = self._encoded_line(first), self._encoded_line(last)
        if first == last:
            return begins[node.col_offset : node.end_col_offset].decode(errors="replace")
        between = [
            *self._problems.lines[first + 1 : last],
            ends[: node.end_col_offset].decode(errors="replace"),
        ]
        return "\n".join([begins[node.col_offset :].decode(errors="replace"), *between])

    def _encoded_line(self, number: int) -> bytes:
        if self._encoded[0] != number:
            self._encoded = number, self._problems.lines[number].encode()
        return self._encoded[1]

    def _string(self, node: ast.Constant) -> None:
        """Refuse prefixes other than r, and literals that Python would join silently."""
        text = self._source_of(node)
        start = 1 if text[:1] in "rR" else 0
        quote = text[start : start + 1]
        if quote not in ("'", '"'):
            self._error(node, f"string prefix {text[:1]!r} is not allowed")
        if text[start : start + 3] == quote * 3:
            quote *= 3
        position = start + len(quote)
        while position < len(text):
            if text[position] == "\\":
                position += 2
            elif text.startswith(quote, position):
                break
            else:
                position += 1
        if position + len(quote) < len(text):
            self._error(node, "strings side by side are not joined", "put + between them, or a comma")

    def _dict(self, node: ast.Dict) -> None:
        seen = set()
        for key in node.keys:
            if key is None:
                self._error(node, "** is only allowed in calls", "join dicts with |")
            if isinstance(key, ast.Constant):
                mark = (type(key.value), key.value)
                if mark in seen:
                    self._error(key, f"the key {key.value!r} comes twice")
                seen.add(mark)
        self._expressions((*node.keys, *node.values))

    def _comprehension(self, node: ast.ListComp | ast.DictComp) -> None:
        for one in node.generators:
            if one.is_async:
                self._error(node, "async is not allowed")
            self._comprehension_target(one.target)
            self._expressions((one.iter, *one.ifs))
        if isinstance(node, ast.ListComp):
            self._expression(node.elt)
        else:
            self._expressions((node.key, node.value))

    def _operator(self, operator: ast.operator, near: ast.AST) -> None:
        if not isinstance(operator, _BINARY):
            self._refuse(operator, near)

    def _call(self, node: ast.Call) -> None:
        self._expression(node.func)
        seen: set[str] = set()
        self._expressions([one.value if isinstance(one, ast.Starred) else one for one in node.args])
        for keyword in node.keywords:
            if keyword.arg is not None:
                if keyword.arg in seen:
                    self._problems.note(keyword, f"the argument {keyword.arg!r} is given twice")
                if keyword.arg.startswith("__"):
                    self._problems.note(keyword, f"the argument {keyword.arg!r} is not allowed")
                seen.add(keyword.arg)
        self._expressions([keyword.value for keyword in node.keywords])

    def _load(self, node: ast.Call) -> None:
        texts = [one.value if isinstance(one, ast.Constant) else None for one in node.args]
        if not texts or not all(isinstance(text, str) for text in texts):
            self._error(node, "load() takes strings", 'write load("//pkg:file.bzl", "name")')
        names: list[tuple[str, str]] = [(text, text) for text in texts[1:] if isinstance(text, str)]
        for keyword in node.keywords:
            value = keyword.value
            if keyword.arg is None or not isinstance(value, ast.Constant) or not isinstance(value.value, str):
                self._error(node, "load() takes strings", 'write load("//pkg:file.bzl", alias = "name")')
            names.append((keyword.arg, value.value))
        if not names:
            self._error(node, "load() loads no name", 'write load("//pkg:file.bzl", "name")')
        for alias, name in names:
            self._binding(alias, node)
            if name.startswith("_"):
                self._error(node, f"{name!r} is private to the file that defines it")
        self.loads.append(LoadStatement(str(texts[0]), tuple(names), self._problems.location(node)))

    _words: ClassVar = (ast.Pass, ast.Break, ast.Continue)
    _statement_visits: ClassVar[Mapping[type[ast.stmt], Callable[[Any, Any], None]]] = {
        ast.Assign: _assign,
        ast.AugAssign: _augment,
        ast.Expr: _alone,
        ast.For: _for,
        ast.FunctionDef: _function,
        ast.If: _if,
        ast.Return: _return,
    }
    _expression_visits: ClassVar[Mapping[type[ast.expr], Callable[[Any, Any], None]]] = {
        ast.Attribute: _attribute,
        ast.BinOp: _binary,
        ast.BoolOp: _boolean,
        ast.Call: _call,
        ast.Compare: _compare,
        ast.Constant: _constant,
        ast.Dict: _dict,
        ast.DictComp: _comprehension,
        ast.IfExp: _choice,
        ast.Lambda: _lambda,
        ast.List: _items,
        ast.ListComp: _comprehension,
        ast.Name: _name,
        ast.Slice: _slice,
        ast.Starred: _starred,
        ast.Subscript: _subscript,
        ast.Tuple: _items,
        ast.UnaryOp: _unary,
    }
