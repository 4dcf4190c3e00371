"""HCL: text -> blocks and expressions, and what expressions come to.

The parser is python-hcl2's. See the HCL Native Syntax Specification; values are Python's: str, int, float, bool, None,
list and dict.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from hermes.errors import BakeError, SourceLocation
from hermes.sizes import whole_number

if TYPE_CHECKING:
    from lark import Token, Tree

_DEEPEST: Final = 200
_LARGEST_NUMBER: Final = 10**300
"""What a fraction of 64 bits still holds."""
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}


class Names(Protocol):
    """What the names in an expression mean."""

    def variable(self, name: str, place: SourceLocation) -> Any:
        """Return the value of a variable; raises `BakeError` when there is none."""
        ...

    def call(self, name: str, arguments: Sequence[Any], place: SourceLocation) -> Any:
        """Return what a function gives; raises `BakeError`."""
        ...


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression that is evaluated when its value is needed."""

    tree: Any
    source: Source

    @property
    def place(self) -> SourceLocation:
        return self.source.place(self.tree)

    def value(self, names: Names) -> Any:
        """Raises `BakeError` with the place of what is wrong."""
        try:
            return _Evaluation(self.source, names).value(self.tree)
        except RecursionError:
            raise BakeError("an expression is nested too deeply", location=self.place) from None


@dataclass(slots=True)
class Block:
    """A block such as ``target "app" { ... }``: its kind, labels, attributes and the blocks in it."""

    kind: str
    labels: tuple[str, ...]
    place: SourceLocation
    attributes: dict[str, Expression] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Source:
    """A file: its name as a user would write it, and its lines."""

    file: str
    lines: tuple[str, ...]

    def place(self, node: Tree[Any] | Token) -> SourceLocation:
        meta = getattr(node, "meta", node)
        line, column = getattr(meta, "line", 0) or 0, getattr(meta, "column", 0) or 0
        text = self.lines[line - 1] if 0 < line <= len(self.lines) else ""
        return SourceLocation(self.file, line, column, text)


def parse(text: str, file: str) -> Block:
    """Return the whole file as a block without a kind; raises `BakeError`."""
    from hcl2 import parses_to_tree
    from lark.exceptions import LarkError, UnexpectedInput

    source = Source(file, tuple(text.split("\n")))
    try:
        tree = parses_to_tree(text if text.endswith("\n") else text + "\n")
    except UnexpectedInput as error:
        line, column = max(error.line, 0), max(error.column, 0)
        shown = source.lines[line - 1] if 0 < line <= len(source.lines) else ""
        token = getattr(error, "token", None)
        what = f"unexpected {str(token)!r}" if token is not None and str(token).strip() else "unexpected end"
        raise BakeError(f"invalid HCL: {what}", location=SourceLocation(file, line, column, shown)) from None
    except (LarkError, RecursionError) as error:
        raise BakeError(f"invalid HCL: {error}", location=SourceLocation(file)) from None
    found = Block("", (), SourceLocation(file, 1))
    _fill(found, tree.children[0], source)
    return found


def template(text: str, source: Source, place: SourceLocation) -> Expression:
    """Return the template that a text of a JSON file is; raises `BakeError`."""
    from hcl2 import parses_to_tree
    from lark.exceptions import LarkError

    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    if "${" in text:  # the expressions in it have quotes of their own
        quoted = _outside(text)
    try:
        tree = parses_to_tree(f'x = "{quoted}"\n')
    except LarkError:
        raise BakeError(f"invalid template {text!r}", location=place) from None
    attribute = tree.children[0].children[0]
    return Expression(attribute.children[-1], Source(source.file, ()))


def _outside(text: str) -> str:
    """Escape what is not inside of ``${...}``."""
    found, depth, at = [], 0, 0
    while at < len(text):
        if text.startswith("${", at) and not text.startswith("$${", at - 1 if at else at):
            depth += 1
            found.append("${")
            at += 2
            continue
        one = text[at]
        if depth and one == "}":
            depth -= 1
        found.append(one if depth else {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"}.get(one, one))
        at += 1
    return "".join(found)


def _fill(block: Block, body: Tree[Any], source: Source) -> None:
    for node in body.children:
        if node.data == "attribute":
            name = _word(node.children[0])
            place = source.place(node)
            if name in block.attributes:
                first = block.attributes[name].place
                raise BakeError(
                    f"the attribute {name} is there twice", location=place, hint=f"first at {first}"
                )
            block.attributes[name] = Expression(node.children[-1], source)
        elif node.data == "block":
            block.blocks.append(_block(node, source))


def _block(node: Tree[Any], source: Source) -> Block:
    words = []
    body = None
    for child in node.children:
        data = getattr(child, "data", None)
        if data == "body":
            body = child
        elif data in ("identifier", "keyword", "literal_value"):
            words.append(_word(child))
        elif data == "string":
            words.append("".join(_text(part) for part in child.children[1:-1]))
    assert body is not None, node
    found = Block(words[0], tuple(words[1:]), source.place(node))
    _fill(found, body, source)
    return found


def _word(node: Tree[Any]) -> str:
    return str(node.children[0])


def _text(part: Tree[Any]) -> str:
    return _unescaped(str(part.children[0]))


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    found, at = [], 0
    while at < len(text):
        one = text[at]
        if one != "\\" or at + 1 == len(text):
            found.append(one)
            at += 1
            continue
        kind = text[at + 1]
        width = {"u": 4, "U": 8}.get(kind)
        if width is None:
            found.append(_ESCAPES.get(kind, "\\" + kind))
            at += 2
        else:
            found.append(chr(int(text[at + 2 : at + 2 + width], 16)))
            at += 2 + width
    return "".join(found)


class Within:
    """Names with others before them, such as those of a ``for`` or a matrix."""

    def __init__(self, outer: Names, own: Mapping[str, Any]) -> None:
        self._outer = outer
        self._own = own

    def variable(self, name: str, place: SourceLocation) -> Any:
        return self._own[name] if name in self._own else self._outer.variable(name, place)

    def call(self, name: str, arguments: Sequence[Any], place: SourceLocation) -> Any:
        return self._outer.call(name, arguments, place)


class _Evaluation:
    def __init__(self, source: Source, names: Names) -> None:
        self._source = source
        self._names = names

    def value(self, node: Any) -> Any:
        kinds: dict[str, Callable[[Any], Any]] = {
            "expr_term": self._term,
            "conditional": self._conditional,
            "binary_op": self._binary,
            "unary_op": self._unary,
            "string": self._string,
            "int_lit": self._integer,
            "float_lit": lambda one: _number(float(str(one.children[0]))),
            "literal_value": lambda one: {"true": True, "false": False, "null": None}[_word(one)],
            "identifier": lambda one: self._names.variable(_word(one), self._source.place(one)),
            "tuple": lambda one: [self.value(item) for item in _expressions(one)],
            "object": self._object,
            "function_call": self._call,
            "index_expr_term": self._index,
            "get_attr_expr_term": self._attribute,
            "attr_splat_expr_term": self._splat,
            "full_splat_expr_term": self._splat,
            "for_tuple_expr": self._for_tuple,
            "for_object_expr": self._for_object,
            "heredoc_template": lambda one: self._heredoc(str(one.children[0]), indented=False),
            "heredoc_template_trim": lambda one: self._heredoc(str(one.children[0]), indented=True),
        }
        evaluate = kinds.get(node.data)
        if evaluate is None:
            raise self._error(node, f"{node.data.replace('_', ' ')} means nothing here")
        return evaluate(node)

    def _error(self, node: Any, message: str, hint: str | None = None) -> BakeError:
        return BakeError(message, location=self._source.place(node), hint=hint)

    def _term(self, node: Any) -> Any:
        (inner,) = _expressions(node)
        return self.value(inner)

    def _conditional(self, node: Any) -> Any:
        condition, yes, no = _expressions(node)
        return self.value(yes if self._truth(condition) else no)

    def _truth(self, node: Any) -> bool:
        value = self.value(node)
        if value in ("true", "false"):
            return bool(value == "true")
        if not isinstance(value, bool):
            raise self._error(node, f"a condition is true or false, not {kind_of(value)}")
        return value

    def _binary(self, node: Any) -> Any:
        left, term = _expressions(node)
        operator, right = str(term.children[0].children[0]), _expressions(term)[-1]
        if operator in ("&&", "||"):
            first = self._truth(left)
            return first if first is (operator == "||") else self._truth(right)
        one, other = self.value(left), self.value(right)
        if operator in ("==", "!="):
            same = kind_of(one) == kind_of(other) and one == other
            return same is (operator == "==")
        return self._arithmetic(node, operator, self._as_number(left, one), self._as_number(right, other))

    def _arithmetic(self, node: Any, operator: str, one: Any, other: Any) -> Any:
        if operator in ("/", "%") and other == 0:
            raise self._error(node, "division by zero")
        operations: dict[str, Callable[[], Any]] = {
            "+": lambda: one + other,
            "-": lambda: one - other,
            "*": lambda: one * other,
            "/": lambda: one / other,
            "%": lambda: math.fmod(one, other),
            "<": lambda: one < other,
            ">": lambda: one > other,
            "<=": lambda: one <= other,
            ">=": lambda: one >= other,
        }
        found = operations[operator]()
        return found if isinstance(found, bool) else _number(found)

    def _as_number(self, node: Any, value: Any) -> Any:
        if isinstance(value, str):
            try:
                return _number(float(value))
            except ValueError:
                pass
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._error(node, f"a number is needed here, not {kind_of(value)}")
        return value

    def _unary(self, node: Any) -> Any:
        operator, operand = str(node.children[0]), node.children[-1]
        return not self._truth(operand) if operator == "!" else -self._as_number(operand, self.value(operand))

    def _integer(self, node: Any) -> int:
        found = whole_number(str(node.children[0]), _LARGEST_NUMBER)
        if found is None:
            raise BakeError("the number is too large", location=self._source.place(node))
        return found

    def _string(self, node: Any) -> Any:
        parts = node.children[1:-1]
        if len(parts) == 1 and getattr(parts[0].children[0], "data", "") == "interpolation":
            return self.value(_expressions(parts[0].children[0])[0])
        return "".join(self._part(one) for one in parts)

    def _part(self, part: Any) -> str:
        inner = part.children[0]
        data = getattr(inner, "data", None)
        if data == "interpolation":
            (expression,) = _expressions(inner)
            value = self.value(expression)
            if value is None or isinstance(value, list | dict):
                raise self._error(inner, f"{kind_of(value)} cannot be part of a text")
            return shown(value)
        if data is not None:
            raise self._error(inner, "%{...} is not supported", "write a conditional: ${X ? Y : Z}")
        text = str(inner)
        return text[1:] if text.startswith(("$${", "%%{")) else _unescaped(text)

    def _object(self, node: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for item in node.children:
            if getattr(item, "data", None) == "object_elem":
                key, value = item.children[0], item.children[-1]
                found[self._key(key)] = self.value(value)
        return found

    def _key(self, node: Any) -> str:
        (inner,) = node.children
        if inner.data == "keyword":
            return _word(inner)
        if inner.data == "expr_term" and len(inner.children) == 1 and inner.children[0].data == "identifier":
            return _word(inner.children[0])
        return shown(self.value(inner))

    def _call(self, node: Any) -> Any:
        names = [_word(one) for one in node.children if getattr(one, "data", "") == "identifier"]
        arguments: list[Any] = []
        for part in node.children:
            if getattr(part, "data", None) != "arguments":
                continue
            expressions = _expressions(part)
            arguments = [self.value(one) for one in expressions]
            if any(getattr(one, "type", "") == "ELLIPSIS" for one in part.children):
                if not isinstance(arguments[-1], list):
                    raise self._error(part, "... follows a list")
                arguments = [*arguments[:-1], *arguments[-1]]
        return self._names.call("::".join(names), arguments, self._source.place(node))

    def _index(self, node: Any) -> Any:
        base, index = node.children
        if index.data == "short_index":
            return self._item(node, self.value(base), int(str(index.children[-1])))
        return self._item(node, self.value(base), self.value(_expressions(index)[0]))

    def _attribute(self, node: Any) -> Any:
        base, attribute = node.children
        return self._item(node, self.value(base), _word(attribute.children[-1]))

    def _item(self, node: Any, value: Any, key: Any) -> Any:
        if isinstance(value, dict):
            if shown(key) in value:
                return value[shown(key)]
            known = ", ".join(value)
            raise self._error(
                node, f"there is no {shown(key)!r} here", f"there is {known}" if known else None
            )
        if isinstance(value, list):
            number = self._as_number(node, key)
            if isinstance(number, int) and 0 <= number < len(value):
                return value[number]
            raise self._error(node, f"there is no element {shown(key)} in a list of {len(value)}")
        raise self._error(node, f"{kind_of(value)} has no elements")

    def _splat(self, node: Any) -> Any:
        base, splat = node.children
        value = self.value(base)
        listed = value if isinstance(value, list) else [] if value is None else [value]
        steps = [one for one in splat.children if hasattr(one, "data")]
        return [self._followed(node, one, steps) for one in listed]

    def _followed(self, node: Any, value: Any, steps: Sequence[Any]) -> Any:
        for step in steps:
            if step.data == "get_attr":
                value = self._item(node, value, _word(step.children[-1]))
            elif step.data == "short_index":
                value = self._item(node, value, int(str(step.children[-1])))
            else:
                value = self._item(node, value, self.value(_expressions(step)[0]))
        return value

    def _for_tuple(self, node: Any) -> list[Any]:
        intro, result, *rest = [one for one in node.children if _is_expression(one) or _is_for(one)]
        return [inner.value(result) for inner in self._rounds(intro, rest)]

    def _for_object(self, node: Any) -> dict[str, Any]:
        intro, key, value, *rest = [one for one in node.children if _is_expression(one) or _is_for(one)]
        is_grouped = any(getattr(one, "type", "") == "ELLIPSIS" for one in node.children)
        found: dict[str, Any] = {}
        for inner in self._rounds(intro, rest):
            name = shown(inner.value(key))
            if is_grouped:
                found.setdefault(name, []).append(inner.value(value))
            elif name in found:
                raise self._error(node, f"the key {name!r} is there twice", "group the values with ...")
            else:
                found[name] = inner.value(value)
        return found

    def _rounds(self, intro: Any, rest: Sequence[Any]) -> Iterator[_Evaluation]:
        names = [_word(one) for one in intro.children if getattr(one, "data", "") == "identifier"]
        (collection,) = [one for one in intro.children if _is_expression(one) and one.data != "identifier"]
        value = self.value(collection)
        pairs = list(value.items()) if isinstance(value, dict) else None
        if pairs is None:
            if not isinstance(value, list):
                raise self._error(collection, f"for goes over a list or an object, not {kind_of(value)}")
            pairs = list(enumerate(value))
        for key, one in sorted(pairs) if isinstance(value, dict) else pairs:
            own = {names[0]: one} if len(names) == 1 else {names[0]: key, names[1]: one}
            inner = _Evaluation(self._source, Within(self._names, own))
            conditions = [_expressions(part)[0] for part in rest if part.data == "for_cond"]
            if all(inner._truth(condition) for condition in conditions):
                yield inner

    def _heredoc(self, text: str, *, indented: bool) -> str:
        lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")[1:-1]
        if indented:
            margins = [len(one) - len(one.lstrip()) for one in lines if one.strip()]
            lines = [one[min(margins, default=0) :] for one in lines]
        body = "".join(f"{one}\n" for one in lines)
        if "${" not in body and "%{" not in body:
            return body
        return shown(template(body, self._source, SourceLocation(self._source.file)).value(self._names))


def _is_expression(node: Any) -> bool:
    data = getattr(node, "data", None)
    return data is not None and data not in ("new_line_or_comment", "for_intro", "for_cond", "keyword")


def _is_for(node: Any) -> bool:
    return getattr(node, "data", None) in ("for_intro", "for_cond")


def _expressions(node: Any) -> list[Any]:
    return [one for one in node.children if _is_expression(one) and one.data != "binary_operator"]


def _number(value: float) -> int | float:
    return int(value) if float(value).is_integer() and abs(value) < 1e15 else value


def shown(value: Any) -> str:
    """Return a scalar as HCL turns it into a text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def kind_of(value: Any) -> str:
    """Return what HCL calls the type of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    return {int: "number", float: "number", str: "string", list: "list"}.get(type(value), "object")
