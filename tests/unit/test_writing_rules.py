"""docs/writing-rules.md lists what the code takes. ``python -m tests.unit.test_writing_rules`` writes its tables again."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hermes.dsl import entries
from hermes.dsl.actions.actions import Actions
from hermes.dsl.context import Context
from hermes.dsl.parameters import ACTIONS, CONTEXT, ENTRY, LOCKS, Signature
from hermes.dsl.providers import DEFAULT_INFO, IMAGE_INFO, INDEX_INFO, LAYER_INFO, PUSH_INFO, TEST_INFO
from tests.conftest import ROOT

PAGE = ROOT / "docs/writing-rules.md"
BEGIN, END = "<!-- calls -->\n", "<!-- calls end -->\n"


def tables() -> Iterator[str]:
    made = {name: one.call for name, one in entries.entry_namespace().members.items()}
    for heading, prefix, calls, functions in (
        ("The calls of ctx", "ctx.", CONTEXT, {name: getattr(Context, name) for name in CONTEXT}),
        ("The calls of ctx.actions", "", ACTIONS, {name: getattr(Actions, name) for name in ACTIONS}),
        ("The calls of entry", "entry.", ENTRY, made),
    ):
        yield f"\n### {heading}\n"
        for name in sorted(calls):
            yield from _call(prefix + name, calls[name], functions[name])
    yield "\n### Kinds of locks\n\nWhat the struct of a function `lock` has besides its `kind`; all of it must be there.\n\n"
    yield "| kind | fields |\n| --- | --- |\n"
    for kind, fields in sorted(LOCKS.items()):
        yield f"| `{kind}` | {', '.join(f'`{name}` ({one.one})' for name, one in fields.items())} |\n"
    yield "\n"


def _call(called: str, signature: Signature, function: Callable[..., Any]) -> Iterator[str]:
    parameters = inspect.signature(function).parameters
    first = inspect.getdoc(function).partition("\n\n")[0].replace("\n", " ")
    yield f"\n#### {called}\n\n{first}\n\n| argument | takes | if left out |\n| --- | --- | --- |\n"
    for name, kind in signature.items():
        default = parameters[name].default
        by_name = parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
        left = "must be given" if default is inspect.Parameter.empty else f"`{_shown(default)}`"
        yield f"| `{name}{' =' if by_name else ''}` | {kind.one} | {left} |\n"


def _shown(default: Any) -> str:
    if default == ():
        return "[]"
    return f'"{default}"' if isinstance(default, str) else str(default)


def page() -> str:
    head, _, rest = PAGE.read_text().partition(BEGIN)
    return f"{head}{BEGIN}{''.join(tables())}{END}{rest.partition(END)[2]}"


def test_the_calls_are_those_of_the_code() -> None:
    assert PAGE.read_text() == page()


def test_the_providers_are_those_of_the_code() -> None:
    every = (DEFAULT_INFO, IMAGE_INFO, INDEX_INFO, LAYER_INFO, PUSH_INFO, TEST_INFO)
    listed = dict(re.findall(r"^\| `(\w+Info)\(([\w, ]+)\)` \|", PAGE.read_text(), re.MULTILINE))
    assert listed == {one.name: ", ".join(one.fields or ()) for one in every}


def test_the_helpers_are_those_of_the_rules() -> None:
    rows = re.findall(r"^\| `@hermes//rules:(\w+\.bzl)` \| (.*?) \|", PAGE.read_text(), re.MULTILINE)
    named = {
        (file, name): words.split(", ")
        for file, cell in rows
        for name, words in re.findall(r"(\w+)\((.*?)\)", cell)
    }
    assert len(named) == 7
    assert named == {(file, name): _parameters(file)[name] for file, name in named}


def _parameters(file: str) -> Mapping[str, list[str]]:
    functions = [
        one for one in ast.parse((ROOT / "rules" / file).read_text()).body if isinstance(one, ast.FunctionDef)
    ]
    return {one.name: [each.arg for each in one.args.args] for one in functions}


if __name__ == "__main__":
    PAGE.write_text(page())
