"""Finds names that nothing defines, and globals that are defined twice, before anything runs."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from hermes.dsl.dialect.problems import Problems
from hermes.dsl.dialect.spelling import suggest
from hermes.dsl.dialect.trees import LOAD, is_name, parameters


@dataclass(slots=True)
class _Scope:
    names: set[str]
    parent: _Scope | None = None
    used: list[ast.Name] = field(default_factory=list)


class Names:
    """Finds names that nothing defines, and globals that are defined twice."""

    def __init__(self, problems: Problems, builtins: Collection[str], elsewhere: Mapping[str, str]) -> None:
        self._problems = problems
        self._elsewhere = elsewhere
        self._builtins = frozenset(builtins)
        self._unknown: set[str] = set()

    def module(self, tree: ast.Module) -> None:
        defined: dict[str, ast.AST] = {}
        for statement in tree.body:
            for name, node in _bound_by(statement):
                if name in defined:
                    first = self._problems.location(defined[name])
                    self._problems.note(
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
            inner = _Scope({one.arg for one in parameters(node.args)} | _assigned(node.body), scope)
            for statement in node.body:
                self._visit(statement, inner)
        elif isinstance(node, ast.Lambda):
            self._defaults(node.args, scope)
            self._visit(node.body, _Scope({one.arg for one in parameters(node.args)}, scope))
        elif isinstance(node, ast.ListComp | ast.DictComp):
            self._comprehension(node, scope)
        elif isinstance(node, ast.Call) and is_name(node.func, LOAD):
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
            self._problems.note(node, f"the name {node.id!r} is not defined", hint)


def _bound_by(statement: ast.stmt) -> Iterator[tuple[str, ast.AST]]:
    """Yield the names that a statement outside functions defines."""
    if isinstance(statement, ast.Assign):
        for target in statement.targets:
            yield from _names_in(target)
    elif isinstance(statement, ast.FunctionDef):
        yield statement.name, statement
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        call = statement.value
        if is_name(call.func, LOAD):
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
