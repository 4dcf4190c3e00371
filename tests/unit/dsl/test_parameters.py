"""What ``ctx``, ``ctx.actions`` and ``entry`` take: the table is that of the code, and a wrong argument is an error."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from hermes.dsl import entries
from hermes.dsl.actions.actions import Actions
from hermes.dsl.configuration import Configuration
from hermes.dsl.context import Context
from hermes.dsl.dialect.values import EvalError, Struct, described
from hermes.dsl.parameters import ACTIONS, CONTEXT, ENTRY, Signature, checking
from hermes.dsl.providers import IMAGE_INFO, File, Layer
from hermes.engine.action import ActionGraph, Source
from hermes.errors import HermesError
from hermes.graph.label import Label
from hermes.image.platform import Platform

LABEL = Label("", "app", "it")
FILE = File(Source("app/a.txt"), LABEL, "a.txt")
LAYER = Layer(Source("app/layer"), LABEL)
IMAGE = IMAGE_INFO(config=FILE, environment=FILE, layers=[LAYER], manifest=FILE, platform="linux/amd64")
DIGEST = "0" * 64
GOOD: Mapping[str, Mapping[str, Any]] = {
    "accounts": {"root": [LAYER]},
    "check_programs": {"layers": [LAYER], "root": [LAYER]},
    "copy": {"root": [LAYER], "paths": ["/a"], "dest": "/b"},
    "dockerfile": {"dockerfile": FILE, "context": [FILE]},
    "fetch": {"urls": ["https://example.org/a"], "sha256": DIGEST},
    "git": {"url": "https://example.org/a.git", "commit": "0" * 40},
    "fetch_wheel": {
        "project": "a",
        "version": "1",
        "sha256": [DIGEST],
        "python": "3.12",
        "libc": "glibc-2.28",
    },
    "host": {"root": [], "argv": ["/bin/true"], "tools": {"/bin/true": "1"}},
    "image": {"layers": [LAYER]},
    "import_image": {"files": [FILE]},
    "index": {"images": [IMAGE]},
    "layer": {"entries": [entries.directory("/srv")]},
    "pull": {"ref": "registry.example.org/a", "digest": f"sha256:{DIGEST}"},
    "push": {"image": IMAGE, "repository": "registry.example.org/a", "tags": ["v1"]},
    "run": {"root": [LAYER], "argv": ["/bin/true"]},
    "squash": {"layers": [LAYER]},
    "test": {"image": IMAGE},
    "write": {"content": "x"},
    "directory": {"path": "/a"},
    "file": {"path": "/a", "src": FILE},
    "files": {"srcs": [FILE]},
    "node_packages": {"srcs": [], "locations": [], "bins": []},
    "packages": {"srcs": [FILE]},
    "symlink": {"path": "/a", "target": "b"},
    "tar": {"src": FILE},
    "wheels": {"srcs": [FILE], "prefix": "/opt/venv", "python": "3.12"},
}
ODD: list[Any] = [
    None, True, -1, 7, "", "x", "/", "/a\0b", [], [None], [3], ["a"], [["a"]], (), ("a", 1), [FILE], [LAYER], {}, {"a": 1},
    {1: "a"}, {"a": "b"}, {"": [FILE]}, {"a": None}, FILE, LAYER, IMAGE, [IMAGE], LABEL, Struct({"a": 1}),
]  # fmt: skip


def parameters_of(function: Callable[..., Any]) -> list[str]:
    return [one for one in inspect.signature(function).parameters if one != "self"]


def actions() -> Actions:
    return Actions(LABEL, ActionGraph(), Configuration(Platform.parse("linux/amd64")), "")


def test_the_calls_and_their_parameters_are_those_of_the_code() -> None:
    assert set(ACTIONS) == Actions.dsl_attributes - {"s2i"}
    assert {name: list(one) for name, one in ACTIONS.items()} == {
        name: parameters_of(getattr(Actions, name)) for name in ACTIONS
    }
    calls = {one for one in Context.dsl_attributes if callable(getattr(Context, one, None))}
    assert set(CONTEXT) == calls
    assert {name: list(one) for name, one in CONTEXT.items()} == {
        name: parameters_of(getattr(Context, name)) for name in CONTEXT
    }
    made = entries.entry_namespace().members
    assert {name: list(one) for name, one in ENTRY.items()} == {
        name: parameters_of(one.call) for name, one in made.items()
    }


@pytest.mark.parametrize(("calls", "name"), [(calls, name) for calls in (ACTIONS, ENTRY) for name in calls])
def test_a_wrong_argument_is_an_error_that_names_types_of_the_language(
    calls: Mapping[str, Signature], name: str
) -> None:
    check = checking(calls)
    good = {"name": "it", **GOOD[name]} if calls is ACTIONS else GOOD[name]

    def called(arguments: Mapping[str, Any]) -> None:
        check(name, (), arguments)
        function = getattr(actions(), name) if calls is ACTIONS else getattr(entries, name)
        function(**arguments)

    called(good)
    refused = 0
    for parameter, value in itertools.product(calls[name], ODD):
        try:
            called({**good, parameter: value})
        except (EvalError, HermesError) as error:
            refused += 1
            for word in ("NoneType", "'str'", "'int'", "tuple'"):
                assert word not in str(error)
    assert refused


def test_what_is_wrong_is_said_with_its_place() -> None:
    check = checking(ACTIONS)
    for arguments, said in (
        ({"root": LAYER}, "run(): root is a list of layers, not a layer"),
        ({"root": [LAYER, FILE]}, "run(): root is a list of layers, not a list whose item 1 is a file"),
        ({"argv": None}, "run(): argv is a list of strings, not None"),
        (
            {"env": {"A": 1}},
            "run(): env is a dict from strings to strings or None, not a dict with an int at 'A'",
        ),
        ({"network": 1}, "run(): network is True or False, not an int"),
        ({"environment": IMAGE}, "run(): environment is a file or None, not an ImageInfo"),
        ({"outputs": [("a",)]}, "run(): outputs is a list of strings, not a list whose item 0 is a tuple"),
    ):
        with pytest.raises(EvalError) as caught:
            check("run", (), arguments)
        assert str(caught.value) == said
    assert [described(one) for one in (None, 1, "a", LABEL)] == ["None", "an int", "a string", "a label"]
