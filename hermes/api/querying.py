"""``hermes query``: the target graph, without building.

An expression is a target pattern, ``deps(EXPR)``, ``rdeps(UNIVERSE, EXPR)``, ``somepath(FROM, TO)``,
``kind("REGEX", EXPR)``, or two of them with ``+``, ``-`` or ``&`` between; parentheses group.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from hermes.build.session import Session
from hermes.errors import UndecidedError, UsageError
from hermes.graph.label import Label
from hermes.store import Store

if TYPE_CHECKING:
    import networkx as nx

    from hermes.build.options import BuildOptions
    from hermes.workspace.location import Location

_TOKEN: Final = re.compile(r"""\s*(?:([()+&,])|(-(?=\s))|"([^"]*)"|'([^']*)'|([^\s()+&,"']+))""")
_FUNCTIONS: Final = {"deps": 1, "kind": 2, "rdeps": 2, "somepath": 2}


def query(where: Location, expression: str, options: BuildOptions) -> nx.DiGraph[str]:
    """Return the targets that an expression means, with the edges between them.

    Nodes are labels with the attribute ``rule``; an edge leads from a target to what it depends on. Raises
    `UsageError` when the expression is malformed.
    """
    store = Store.open(where.home)
    try:
        session = Session.open(where.root, store, options, lambda _: None)
        found = _Query(session, where.package, _tokens(expression), expression).answer()
    finally:
        store.close()
    return found


def _tokens(expression: str) -> list[str]:
    tokens = []
    position = 0
    text = expression.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise UsageError(f"query: {expression!r} cannot be read from {text[position:]!r} on")
        tokens.append(next(group for group in match.groups() if group is not None))
        position = match.end()
    return tokens


class _Query:
    """Evaluates one expression, by recursive descent."""

    def __init__(self, session: Session, package: str, tokens: list[str], expression: str) -> None:
        self._session = session
        self._package = package
        self._tokens = tokens
        self._expression = expression
        self._graph: nx.DiGraph[str] | None = None
        self._undecided: dict[Label, tuple[str, list[Label]]] = {}

    def answer(self) -> nx.DiGraph[str]:
        found = self._sum()
        if self._tokens:
            raise self._malformed(f"{self._tokens[0]!r} is not expected there")
        return self._whole().subgraph(found).copy()

    def _sum(self) -> set[str]:
        found = self._term()
        operators: dict[str, Callable[[set[str], set[str]], set[str]]] = {
            "+": set.union,
            "-": set.difference,
            "&": set.intersection,
        }
        while self._tokens and self._tokens[0] in operators:
            operator = operators[self._tokens.pop(0)]
            found = operator(found, self._term())
        return found

    def _term(self) -> set[str]:
        if not self._tokens:
            raise self._malformed("it ends too early")
        word = self._tokens.pop(0)
        if word == "(":
            found = self._sum()
            self._expect(")")
            return found
        if self._tokens[:1] == ["("]:
            return self._call(word)
        return self._targets(word)

    def _call(self, name: str) -> set[str]:
        import networkx as nx

        if name not in _FUNCTIONS:
            raise self._malformed(f"there is no function {name}; there are {', '.join(_FUNCTIONS)}")
        self._expect("(")
        if name == "kind":
            pattern = self._pattern()
            self._expect(",")
            found = self._sum()
            self._expect(")")
            rules = self._whole().nodes(data="rule")
            return {label for label, rule in rules if label in found and pattern.search(str(rule))}
        first = self._sum()
        second: set[str] = set()
        if _FUNCTIONS[name] == 2:
            self._expect(",")
            second = self._sum()
        self._expect(")")
        graph = self._whole()
        if name == "deps":
            return first.union(*(nx.descendants(graph, label) for label in first))
        if name == "rdeps":
            universe = first.union(*(nx.descendants(graph, label) for label in first))
            return universe & second.union(*(nx.ancestors(graph, label) for label in second))
        for start in sorted(first):
            for end in sorted(second):
                if nx.has_path(graph, start, end):
                    return set(nx.shortest_path(graph, start, end))
        return set()

    def _pattern(self) -> re.Pattern[str]:
        if not self._tokens:
            raise self._malformed("it ends too early")
        try:
            return re.compile(self._tokens.pop(0))
        except re.error as error:
            raise self._malformed(f"invalid regular expression: {error}") from None

    def _targets(self, pattern: str) -> set[str]:
        labels = self._session.labels([pattern], self._package)
        for label in labels:
            self._configure(label)
        self._graph = None
        return {str(label) for label in labels}

    def _configure(self, label: Label) -> None:
        """Put a target and what it depends on into the graph.

        Where no condition of a select() holds, that is all that the target may depend on.
        """
        pending = [label]
        while pending:
            one = pending.pop()
            if one in self._undecided:
                continue
            try:
                self._session.analysis.configure([one])
            except UndecidedError:
                target = self._session.packages.target(one)
                if target is None:
                    raise
                named = dict.fromkeys(below for _, below in target.possible_labels())
                below = [each for each in named if self._session.packages.target(each) is not None]
                self._undecided[one] = target.rule.name, below
                pending.extend(below)

    def _whole(self) -> nx.DiGraph[str]:
        """Return the graph of all targets that patterns have named, and their dependencies."""
        import networkx as nx

        if self._graph is None:
            self._graph = nx.DiGraph()
            nodes = self._session.analysis.nodes
            for node in nodes.values():
                self._graph.add_node(str(node.label), rule=node.rule)
            for node in nodes.values():
                self._graph.add_edges_from(
                    (str(node.label), str(nodes[key].label)) for key in node.dependencies
                )
            for label, (rule, below) in self._undecided.items():
                self._graph.add_node(str(label), rule=rule)
                self._graph.add_edges_from((str(label), str(one)) for one in below)
        return self._graph

    def _expect(self, token: str) -> None:
        if self._tokens[:1] != [token]:
            raise self._malformed(f"a {token!r} is missing")
        self._tokens.pop(0)

    def _malformed(self, problem: str) -> UsageError:
        return UsageError(f"query: {self._expression!r}: {problem}", hint="see `hermes query --help`")
