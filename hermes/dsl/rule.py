"""Rules and the targets that BUILD files make of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from hermes.dsl.attributes import KINDS, Attribute, labels_of
from hermes.dsl.dialect.spelling import suggest
from hermes.dsl.dialect.values import EvalError
from hermes.dsl.selects import Select
from hermes.errors import SourceLocation
from hermes.graph.label import Label
from hermes.graph.targets import Visibility
from hermes.testing.sizes import SIZES

COMMON: Final[Mapping[str, Attribute]] = {
    "name": Attribute("string", mandatory=True, doc="The name of the target."),
    "visibility": Attribute("string_list", doc="Which packages may depend on the target."),
    "tags": Attribute(
        "string_list", doc="Free words; a target tagged `manual` is built only when it is named or needed."
    ),
}

OF_TESTS: Final[Mapping[str, Attribute]] = {
    "size": Attribute(
        "string",
        "medium",
        doc="How long it may take: small 60, medium 300, large 900, enormous 3600 seconds.",
        values=tuple(SIZES),
    ),
    "timeout": Attribute("int", doc="How many seconds it may take, in the place of what its size says."),
}
"""What targets of a rule of tests have besides."""

Declare = Callable[["Rule", Mapping[str, Any]], None]


class Rule:
    """A kind of target: what attributes it has, and the function that turns one into actions.

    ``lock`` is the function that says what ``hermes lock`` is to resolve for a target, if there is one. Targets of a rule
    that ``is_test`` are what ``hermes test`` runs. ``outputs`` are the attributes with names of files that a target makes.
    Its name is that of the variable that the file which makes it assigns it to.
    """

    __slots__ = (
        "_declare",
        "attributes",
        "doc",
        "file",
        "implementation",
        "is_test",
        "lock",
        "name",
        "outputs",
    )
    dsl_type: ClassVar[str] = "rule"
    dsl_attributes: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self,
        declare: Declare,
        implementation: Callable[..., Any] | None,
        attributes: Mapping[str, Attribute],
        doc: str,
        file: str,
        lock: Callable[..., Any] | None = None,
        *,
        is_test: bool = False,
    ) -> None:
        self._declare = declare
        self.implementation = implementation
        self.attributes = {**COMMON, **(OF_TESTS if is_test else {}), **attributes}
        self.doc = doc
        self.file = file
        self.lock = lock
        self.is_test = is_test
        self.name = ""
        self.outputs = tuple(name for name, one in attributes.items() if one.kind == "output_list")

    def __call__(self, *args: Any, **values: Any) -> None:
        if args:
            raise EvalError(
                f"{self.name}() takes named arguments only", f'write {self.name}(name = "...", ...)'
            )
        self._declare(self, values)

    def unknown(self, name: str) -> EvalError:
        """Return the error for an attribute that the rule does not have."""
        return EvalError(f"{self.name} has no attribute {name!r}", suggest(name, self.attributes))

    def __repr__(self) -> str:
        return f"<rule {self.name}>"


@dataclass(slots=True)
class Target:
    """What a call of a rule declares; ``attributes`` are checked, selects in them undecided."""

    label: Label
    rule: Rule
    attributes: Mapping[str, Any]
    visibility: Visibility
    location: Callable[[], SourceLocation]
    tags: tuple[str, ...] = field(default=())

    def conditions(self) -> Iterator[Label]:
        """Yield the conditions of the selects in the attributes."""
        for value in self.attributes.values():
            if type(value) is Select:
                yield from value.conditions

    def possible_labels(self) -> Iterator[tuple[str, Label]]:
        """Yield the names of attributes and every label that they may have, whatever is configured."""
        for name, attribute in self.rule.attributes.items():
            if not attribute.has_labels:
                continue
            value = self.attributes[name]
            if type(value) is Select:
                for one in value.possible():
                    checked = None if one is None else KINDS[attribute.kind].check(one, self._label)
                    for label in labels_of(attribute, checked):
                        yield name, label
            else:
                for label in labels_of(attribute, value):
                    yield name, label

    def _label(self, text: str) -> Label:
        return Label.parse(text, relative_to=self.label.package)
