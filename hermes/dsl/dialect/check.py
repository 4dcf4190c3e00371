"""What a file may contain: a whitelist of syntax, and every name defined before anything runs."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, NoReturn

from hermes.errors import BuildFileError, HermesError, SourceLocation, together

LOAD: Final = "load"
_LARGEST_INT: Final = 1 << 63
_LONGEST_SOURCE: Final = 4 << 20
_LONGEST_NAME: Final = 100
_MOST_KNOWN: Final = 2000

_STATEMENTS: Final = (
    ast.Expr,
    ast.Assign,
    ast.AugAssign,
    ast.FunctionDef,
    ast.Return,
    ast.For,
    ast.If,
    ast.Pass,
    ast.Break,
    ast.Continue,
)
_EXPRESSIONS: Final = (
    ast.Name,
    ast.Constant,
    ast.List,
    ast.Tuple,
    ast.Dict,
    ast.ListComp,
    ast.DictComp,
    ast.BinOp,
    ast.UnaryOp,
    ast.BoolOp,
    ast.Compare,
    ast.Call,
    ast.IfExp,
    ast.Attribute,
    ast.Subscript,
    ast.Slice,
    ast.Starred,
    ast.Lambda,
)
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


@dataclass(frozen=True, slots=True)
class Checked:
    """A file that may be compiled: its tree, what it loads, and its text."""

    file: str
    tree: ast.Module
    loads: tuple[LoadStatement, ...]
    lines: Sequence[str]


def check(
    source: str, file: str, builtins: Collection[str], elsewhere: Mapping[str, str] | None = None
) -> Checked:
    """Parse and check a file whose predefined names are ``builtins``.

    ``elsewhere`` maps names that other tools have to those that are meant. Raises `BuildFileError`, with all that is
    wrong. Names are looked at only where the syntax is right: what is refused may define some.
    """
    if len(source) > _LONGEST_SOURCE:
        raise BuildFileError(
            f"the file has more than {_LONGEST_SOURCE >> 20} MiB", location=SourceLocation(file)
        )
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    lines = source.split("\n")
    tree = _parse(source, file, lines)
    checker = _Checker(file, lines)
    checker.statements(tree.body, top=True)
    if not checker.errors:
        _Names(checker, builtins, elsewhere or {}).module(tree)
    if checker.errors:
        raise together(sorted(checker.errors, key=_place))
    return Checked(file, tree, tuple(checker.loads), lines)


def suggest(name: str, known: Iterable[str]) -> str | None:
    """Return a hint naming what is spelled like ``name``, if anything is."""
    if len(name) > _LONGEST_NAME:
        return None
    listed = [one for one in islice(known, _MOST_KNOWN) if len(one) <= _LONGEST_NAME]
    near = difflib.get_close_matches(name, listed, 1, 0.6)
    return f"did you mean {near[0]!r}?" if near else None


def _parse(source: str, file: str, lines: Sequence[str]) -> ast.Module:
    if "\0" in source:
        raise BuildFileError("the file holds a NUL byte", location=SourceLocation(file))
    if "\t" in source:
        for number, line in enumerate(lines, 1):
            if line[: len(line) - len(line.lstrip())].count("\t"):
                location = SourceLocation(file, number, 1, line)
                raise BuildFileError("a tab in the indentation", location=location, hint="indent with spaces")
    try:
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("error", SyntaxWarning)
            warnings.simplefilter("error", DeprecationWarning)
            return ast.parse(source, file)
    except SyntaxError as error:
        at = error.lineno or 0
        text = lines[at - 1] if 0 < at <= len(lines) else ""
        location = SourceLocation(file, at, min(error.offset or 1, len(text) + 1), text)
        unclosed = re.match(r"'(.)' was never closed", error.msg)
        hint = f"close it with '{_CLOSING[unclosed[1]]}'" if unclosed else None
        raise BuildFileError(f"syntax error: {error.msg}", location=location, hint=hint) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise BuildFileError(f"syntax error: {error}", location=SourceLocation(file)) from None


_CLOSING: Final = {"(": ")", "[": "]", "{": "}"}


class _Checker:
    """Walks a tree and refuses what is not on the whitelist."""

    def __init__(self, file: str, lines: Sequence[str]) -> None:
        self.file = file
        self.lines = lines
        self.loads: list[LoadStatement] = []
        self.errors: list[BuildFileError] = []
        self._encoded: tuple[int, bytes] = (-1, b"")

    def error(self, node: ast.AST, message: str, hint: str | None = None) -> NoReturn:
        """Refuse the statement or the expression that is being looked at."""
        raise BuildFileError(message, location=self.location(node), hint=hint)

    def note(self, node: ast.AST, message: str, hint: str | None = None) -> None:
        """Note an error, and go on."""
        self.errors.append(BuildFileError(message, location=self.location(node), hint=hint))

    def location(self, node: ast.AST) -> SourceLocation:
        line = getattr(node, "lineno", 0)
        text = self.lines[line - 1] if 0 < line <= len(self.lines) else ""
        offset = getattr(node, "col_offset", -1)
        column = len(text.encode()[:offset].decode(errors="ignore")) + 1 if offset >= 0 else 0
        return SourceLocation(self.file, line, column, text)

    def statements(self, body: Iterable[ast.stmt], *, top: bool = False) -> None:
        for statement in body:
            try:
                self._statement(statement, top=top)
            except BuildFileError as error:
                self.errors.append(error)

    def _refuse(self, node: ast.AST, near: ast.AST) -> NoReturn:
        message, hint = _REFUSED.get(type(node), (f"{type(node).__name__} is not allowed", None))
        self.error(near, message, hint)

    def _statement(self, node: ast.stmt, *, top: bool) -> None:
        if not isinstance(node, _STATEMENTS):
            self._refuse(node, node)
        if isinstance(node, ast.Expr):
            if top and isinstance(node.value, ast.Call) and _is_name(node.value.func, LOAD):
                self._load(node.value)
            else:
                self.expression(node.value)
        elif isinstance(node, ast.Assign):
            if len(node.targets) > 1:
                self.error(node, "one assignment at a time", "write two statements")
            self._target(node.targets[0])
            self.expression(node.value)
        elif isinstance(node, ast.AugAssign):
            if isinstance(node.target, ast.Name) and top:
                self.error(node, f"{node.target.id!r} is assigned again", "use another name")
            self._operator(node.op, node)
            self._target(node.target)
            self.expression(node.value)
        elif isinstance(node, ast.FunctionDef):
            self._function(node)
        elif isinstance(node, ast.Return):
            if node.value is not None:
                self.expression(node.value)
        elif isinstance(node, ast.For | ast.If):
            word = "for" if isinstance(node, ast.For) else "if"
            if top:
                self.error(
                    node, f"{word} belongs in a function", "use a comprehension, or a def in a .bzl file"
                )
            if isinstance(node, ast.For):
                if node.orelse:
                    self.error(node.orelse[0], "else after for is not allowed")
                self._target(node.target)
                self.expression(node.iter)
            else:
                self.expression(node.test)
                self.statements(node.orelse)
            self.statements(node.body)

    def _function(self, node: ast.FunctionDef) -> None:
        if node.decorator_list:
            self.error(node.decorator_list[0], "decorators are not allowed")
        if node.returns is not None:
            self.error(node.returns, "type annotations are not allowed")
        if getattr(node, "type_params", None):
            self.error(node, "type parameters are not allowed")
        self._binding(node.name, node)
        self._arguments(node.args)
        self.statements(node.body)

    def _arguments(self, arguments: ast.arguments) -> None:
        if arguments.posonlyargs:
            self.error(arguments.posonlyargs[0], "/ in parameters is not allowed")
        for one in _parameters(arguments):
            if one.annotation is not None:
                self.error(one.annotation, "type annotations are not allowed")
            self._binding(one.arg, one)
        for default in (*arguments.defaults, *(one for one in arguments.kw_defaults if one is not None)):
            self.expression(default)

    def _binding(self, name: str, node: ast.AST) -> None:
        if name.startswith("__") or not name.isascii():
            self.error(node, f"{name!r} is not a name that may be defined")
        if name == LOAD:
            self.error(node, "'load' cannot be defined")

    def _target(self, node: ast.expr) -> None:
        if isinstance(node, ast.Name):
            self._binding(node.id, node)
        elif isinstance(node, ast.Tuple | ast.List):
            for one in node.elts:
                self._target(one)
        elif isinstance(node, ast.Subscript):
            self.expression(node.value)
            if isinstance(node.slice, ast.Slice):
                self.error(node, "a slice cannot be assigned")
            self.expression(node.slice)
        elif isinstance(node, ast.Attribute):
            self.error(node, "attributes cannot be assigned", "values are immutable: make a new struct")
        else:
            self.error(node, "this cannot be assigned")

    def _comprehension_target(self, node: ast.expr) -> None:
        for one in ast.walk(node):
            if isinstance(one, ast.Subscript):
                self.error(one, "a variable of a comprehension is a name")
        self._target(node)

    def expressions(self, nodes: Iterable[ast.expr | None]) -> None:
        for node in nodes:
            if node is not None:
                try:
                    self.expression(node)
                except BuildFileError as error:
                    self.errors.append(error)

    def expression(self, node: ast.expr) -> None:
        if not isinstance(node, _EXPRESSIONS):
            self._refuse(node, node)
        if isinstance(node, ast.Name):
            if node.id.startswith("__"):
                self.error(node, f"{node.id!r} is not a name that may be used")
            if node.id == LOAD:
                self.error(node, "load() is a statement of its own, outside functions")
        elif isinstance(node, ast.Constant):
            self._constant(node)
        elif isinstance(node, ast.List | ast.Tuple):
            for one in node.elts:
                if isinstance(one, ast.Starred):
                    self.error(one, "* is only allowed in calls")
            self.expressions(node.elts)
        elif isinstance(node, ast.Dict):
            self._dict(node)
        elif isinstance(node, ast.ListComp | ast.DictComp):
            self._comprehension(node)
        elif isinstance(node, ast.BinOp):
            self._operator(node.op, node)
            self.expressions((node.left, node.right))
        elif isinstance(node, ast.UnaryOp):
            self.expression(node.operand)
        elif isinstance(node, ast.BoolOp):
            self.expressions(node.values)
        elif isinstance(node, ast.Compare):
            if len(node.ops) > 1:
                self.error(node, "comparisons cannot be chained", "join two with 'and'")
            if not isinstance(node.ops[0], _COMPARISONS):
                self._refuse(node.ops[0], node)
            self.expressions((node.left, *node.comparators))
        elif isinstance(node, ast.Call):
            self._call(node)
        elif isinstance(node, ast.IfExp):
            self.expressions((node.test, node.body, node.orelse))
        elif isinstance(node, ast.Attribute):
            if node.attr.startswith("_"):
                self.error(node, f"the attribute {node.attr!r} is private")
            self.expression(node.value)
        elif isinstance(node, ast.Subscript):
            self.expressions((node.value, node.slice))
        elif isinstance(node, ast.Slice):
            self.expressions((node.lower, node.upper, node.step))
        elif isinstance(node, ast.Starred):
            self.error(node, "* is only allowed in calls")
        elif isinstance(node, ast.Lambda):
            self._arguments(node.args)
            self.expression(node.body)

    def _constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, float | complex):
            self.error(node, "there are no floats", "write a whole number, or a string")
        if isinstance(value, bytes):
            self.error(node, "byte strings are not allowed")
        if value is Ellipsis:
            self.error(node, "... is not allowed")
        if isinstance(value, int) and value >= _LARGEST_INT:
            self.error(node, "the number is too large")
        if isinstance(value, str):
            if not value.isascii() and any("\ud800" <= one <= "\udfff" for one in value):
                self.error(node, "the string holds half of a surrogate pair", "write the character itself")
            self._string(node)

    def _source_of(self, node: ast.Constant) -> str:
        """Return the text of a literal; the last line that was encoded is kept, as most follow on the same."""
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        begins, ends = self._encoded_line(first), self._encoded_line(last)
        if first == last:
            return begins[node.col_offset : node.end_col_offset].decode(errors="replace")
        between = [*self.lines[first + 1 : last], ends[: node.end_col_offset].decode(errors="replace")]
        return "\n".join([begins[node.col_offset :].decode(errors="replace"), *between])

    def _encoded_line(self, number: int) -> bytes:
        if self._encoded[0] != number:
            self._encoded = number, self.lines[number].encode()
        return self._encoded[1]

    def _string(self, node: ast.Constant) -> None:
        """Refuse prefixes other than r, and literals that Python would join silently."""
        text = self._source_of(node)
        start = 1 if text[:1] in "rR" else 0
        quote = text[start : start + 1]
        if quote not in ("'", '"'):
            self.error(node, f"string prefix {text[:1]!r} is not allowed")
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
            self.error(node, "strings side by side are not joined", "put + between them, or a comma")

    def _dict(self, node: ast.Dict) -> None:
        seen = set()
        for key in node.keys:
            if key is None:
                self.error(node, "** is only allowed in calls", "join dicts with |")
            if isinstance(key, ast.Constant):
                mark = (type(key.value), key.value)
                if mark in seen:
                    self.error(key, f"the key {key.value!r} comes twice")
                seen.add(mark)
        self.expressions((*node.keys, *node.values))

    def _comprehension(self, node: ast.ListComp | ast.DictComp) -> None:
        for one in node.generators:
            if one.is_async:
                self.error(node, "async is not allowed")
            self._comprehension_target(one.target)
            self.expressions((one.iter, *one.ifs))
        if isinstance(node, ast.ListComp):
            self.expression(node.elt)
        else:
            self.expressions((node.key, node.value))

    def _operator(self, operator: ast.operator, near: ast.AST) -> None:
        if not isinstance(operator, _BINARY):
            self._refuse(operator, near)

    def _call(self, node: ast.Call) -> None:
        self.expression(node.func)
        seen: set[str] = set()
        self.expressions([one.value if isinstance(one, ast.Starred) else one for one in node.args])
        for keyword in node.keywords:
            if keyword.arg is not None:
                if keyword.arg in seen:
                    self.note(keyword, f"the argument {keyword.arg!r} is given twice")
                if keyword.arg.startswith("__"):
                    self.note(keyword, f"the argument {keyword.arg!r} is not allowed")
                seen.add(keyword.arg)
        self.expressions([keyword.value for keyword in node.keywords])

    def _load(self, node: ast.Call) -> None:
        texts = [one.value if isinstance(one, ast.Constant) else None for one in node.args]
        if not texts or not all(isinstance(text, str) for text in texts):
            self.error(node, "load() takes strings", 'write load("//pkg:file.bzl", "name")')
        names: list[tuple[str, str]] = [(text, text) for text in texts[1:] if isinstance(text, str)]
        for keyword in node.keywords:
            value = keyword.value
            if keyword.arg is None or not isinstance(value, ast.Constant) or not isinstance(value.value, str):
                self.error(node, "load() takes strings", 'write load("//pkg:file.bzl", alias = "name")')
            names.append((keyword.arg, value.value))
        if not names:
            self.error(node, "load() loads no name", 'write load("//pkg:file.bzl", "name")')
        for alias, name in names:
            self._binding(alias, node)
            if name.startswith("_"):
                self.error(node, f"{name!r} is private to the file that defines it")
        self.loads.append(LoadStatement(str(texts[0]), tuple(names), self.location(node)))


@dataclass(slots=True)
class _Scope:
    names: set[str]
    parent: _Scope | None = None
    used: list[ast.Name] = field(default_factory=list)


class _Names:
    """Finds names that nothing defines, and globals that are defined twice."""

    def __init__(self, checker: _Checker, builtins: Collection[str], elsewhere: Mapping[str, str]) -> None:
        self._checker = checker
        self._elsewhere = elsewhere
        self._builtins = frozenset(builtins)
        self._unknown: set[str] = set()

    def module(self, tree: ast.Module) -> None:
        defined: dict[str, ast.AST] = {}
        for statement in tree.body:
            for name, node in _bound_by(statement):
                if name in defined:
                    first = self._checker.location(defined[name])
                    self._checker.note(
                        node,
                        f"{name!r} is defined again",
                        f"it was first at line {first.line}: use another name",
                    )
                else:
                    defined[name] = node
        scope = _Scope(set(defined))
        for statement in tree.body:
            self._visit(statement, scope)

    def _visit(self, node: ast.AST, scope: _Scope) -> None:
        if isinstance(node, ast.Name):
            self._use(node, scope)
        elif isinstance(node, ast.FunctionDef):
            self._defaults(node.args, scope)
            inner = _Scope({one.arg for one in _parameters(node.args)} | _assigned(node.body), scope)
            for statement in node.body:
                self._visit(statement, inner)
        elif isinstance(node, ast.Lambda):
            self._defaults(node.args, scope)
            self._visit(node.body, _Scope({one.arg for one in _parameters(node.args)}, scope))
        elif isinstance(node, ast.ListComp | ast.DictComp):
            self._comprehension(node, scope)
        elif isinstance(node, ast.Call) and _is_name(node.func, LOAD):
            return
        else:
            for child in ast.iter_child_nodes(node):
                self._visit(child, scope)

    def _defaults(self, arguments: ast.arguments, scope: _Scope) -> None:
        for default in (*arguments.defaults, *arguments.kw_defaults):
            if default is not None:
                self._visit(default, scope)

    def _comprehension(self, node: ast.ListComp | ast.DictComp, scope: _Scope) -> None:
        inner = _Scope(set(), scope)
        for number, one in enumerate(node.generators):
            self._visit(one.iter, scope if number == 0 else inner)
            inner.names |= {name for name, _ in _names_in(one.target)}
            for condition in one.ifs:
                self._visit(condition, inner)
        if isinstance(node, ast.ListComp):
            self._visit(node.elt, inner)
        else:
            self._visit(node.key, inner)
            self._visit(node.value, inner)

    def _use(self, node: ast.Name, scope: _Scope) -> None:
        scopes = [scope]
        while node.id not in scopes[-1].names:
            outer = scopes[-1].parent
            if outer is None:
                break
            scopes.append(outer)
        else:
            return
        if node.id not in self._builtins and node.id not in self._unknown:
            self._unknown.add(node.id)  # a name that is used often is told of once
            meant = self._elsewhere.get(node.id)
            hint: str | None = f"it is {meant!r} here"
            if meant not in self._builtins:
                known = self._builtins.union(*(one.names for one in scopes))
                near = suggest(node.id, sorted(name for name in known if not name.startswith("_")))
                hint = near or f'load or assign it before, or put quotes around a string: "{node.id}"'
            self._checker.note(node, f"the name {node.id!r} is not defined", hint)


def _place(error: HermesError) -> tuple[int, int]:
    return (error.location.line, error.location.column) if error.location else (0, 0)


def _parameters(arguments: ast.arguments) -> Iterator[ast.arg]:
    yield from arguments.args
    yield from arguments.kwonlyargs
    for one in (arguments.vararg, arguments.kwarg):
        if one is not None:
            yield one


def _bound_by(statement: ast.stmt) -> Iterator[tuple[str, ast.AST]]:
    """Yield the names that a statement outside functions defines."""
    if isinstance(statement, ast.Assign):
        for target in statement.targets:
            yield from _names_in(target)
    elif isinstance(statement, ast.FunctionDef):
        yield statement.name, statement
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        call = statement.value
        if _is_name(call.func, LOAD):
            for argument in call.args[1:]:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.value, argument
            for keyword in call.keywords:
                if keyword.arg is not None:
                    yield keyword.arg, keyword


def _assigned(body: Iterable[ast.stmt]) -> set[str]:
    """Return the names that the statements of a function make local to it."""
    found: set[str] = set()
    for statement in body:
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                found |= {name for name, _ in _names_in(target)}
        elif isinstance(statement, ast.AugAssign):
            found |= {name for name, _ in _names_in(statement.target)}
        elif isinstance(statement, ast.FunctionDef):
            found.add(statement.name)
        elif isinstance(statement, ast.For):
            found |= {name for name, _ in _names_in(statement.target)} | _assigned(statement.body)
        elif isinstance(statement, ast.If):
            found |= _assigned(statement.body) | _assigned(statement.orelse)
    return found


def _names_in(target: ast.expr) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(target, ast.Name):
        yield target.id, target
    elif isinstance(target, ast.Tuple | ast.List):
        for one in target.elts:
            yield from _names_in(one)


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
