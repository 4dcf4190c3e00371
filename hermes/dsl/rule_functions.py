"""The functions and values with which files define rules: rule(), provider(), attr, select(), Label() ..."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from hermes.dsl.attributes import KINDS, Attribute, attr_namespace
from hermes.dsl.declarations import Declarations
from hermes.dsl.dialect.functions import Function
from hermes.dsl.dialect.values import Builtin, EvalError, described, sequence
from hermes.dsl.entries import entry_namespace
from hermes.dsl.mounts import mount_functions
from hermes.dsl.places import Places
from hermes.dsl.providers import (
    DEFAULT_INFO,
    IMAGE_INFO,
    INDEX_INFO,
    LAYER_INFO,
    PUSH_INFO,
    TEST_INFO,
    LabelValue,
    Provider,
)
from hermes.dsl.rule import COMMON, OF_TESTS, Declare, Rule
from hermes.dsl.selects import Select, make_select
from hermes.graph.label import Label


def rule_functions(declarations: Declarations, places: Places) -> Mapping[str, Any]:
    """Return the functions and values by name; targets of the rules are declared in ``declarations``."""
    functions = _Functions(declarations, places)
    named: dict[str, Callable[..., Any]] = {
        "Label": functions.label,
        "provider": _provider,
        "rule": functions.rule,
        "select": functions.select,
    }
    return {**_constants(), **{name: Builtin(name, call) for name, call in named.items()}}


class _Functions:
    def __init__(self, declarations: Declarations, places: Places) -> None:
        self._declarations = declarations
        self._places = places

    def label(self, text: Any) -> LabelValue:
        if type(text) is LabelValue:
            return text
        if type(text) is not str:
            raise EvalError(f"Label() takes a string, not {described(text)}")
        file = self._places.call_site().file
        return LabelValue(Label.parse(text, relative_to=os.path.dirname(file)))

    def select(self, branches: Any, no_match_error: str = "") -> Select:
        package = self._declarations.package

        def resolve(text: str) -> Label | str:
            return Label.parse(text, relative_to=package.name) if package else text

        return make_select(branches, resolve, no_match_error)

    def rule(
        self, implementation: Any, attrs: Any = None, doc: str = "", lock: Any = None, test: bool = False
    ) -> Rule:
        if type(implementation) is not Function:
            raise EvalError("rule() takes a function as its implementation")
        if lock is not None and type(lock) is not Function:
            raise EvalError("rule() takes a function as lock")
        attributes = {} if attrs is None else attrs
        if type(attributes) is not dict:
            raise EvalError("rule() takes a dict of attributes")
        for name, attribute in attributes.items():
            if type(attribute) is not Attribute:
                raise EvalError(f"the attribute {name!r} is made with attr, not {described(attribute)}")
            if (
                (name in COMMON and name != "tags")
                or (test and name in OF_TESTS)
                or name.startswith("_")
                or not name.isidentifier()
            ):
                raise EvalError(f"{name!r} cannot be the name of an attribute")
            if each := attribute.each_platform:
                listed = attributes.get(each)
                if type(listed) is not Attribute or listed.kind != "platform_list":
                    raise EvalError(
                        f"the attribute {name!r} needs an attribute {each!r} made with attr.platform_list"
                    )
        declare: Declare = self._declarations.declare
        return Rule(declare, implementation, attributes, doc, implementation.file, lock, is_test=bool(test))


def _constants() -> dict[str, Any]:
    return {
        "DefaultInfo": DEFAULT_INFO,
        "ImageInfo": IMAGE_INFO,
        "IndexInfo": INDEX_INFO,
        "LayerInfo": LAYER_INFO,
        "PushInfo": PUSH_INFO,
        "TestInfo": TEST_INFO,
        "attr": attr_namespace(),
        "entry": entry_namespace(),
        **mount_functions({kind: partial(_plain, kind) for kind in ("mode", "owner", "path")}),
    }


def _plain(kind: str, value: Any) -> Any:
    """Return a value of a kind that has nothing to do with labels, checked."""
    return KINDS[kind].check(value, lambda text: Label("", "", text))


def _provider(doc: str = "", *, fields: Any = None) -> Provider:  # noqa: ARG001 - for readers of the file
    if fields is not None and not all(type(one) is str for one in sequence("provider", fields)):
        raise EvalError("provider() takes a list of names as fields")
    return Provider("", fields)
