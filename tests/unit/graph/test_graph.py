"""Labels, target patterns, and the order of targets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.errors import CycleError, LabelError, SourceLocation
from hermes.graph.label import Label
from hermes.graph.pattern import parse_all, select
from hermes.graph.targets import Node, Visibility, in_dependency_order


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("//a/b:c", Label("", "a/b", "c")),
        ("//a/b", Label("", "a/b", "b")),
        ("//:c", Label("", "", "c")),
        (":c", Label("", "here", "c")),
        ("c", Label("", "here", "c")),
        ("d/e.txt", Label("", "here", "d/e.txt")),
        ("@hermes//rules:x.bzl", Label("hermes", "rules", "x.bzl")),
        ("//a:with space", Label("", "a", "with space")),
        ("//ü:größe", Label("", "ü", "größe")),
    ],
)
def test_a_label_is_parsed(text: str, label: Label) -> None:
    assert Label.parse(text, relative_to="here") == label
    assert Label.parse(str(label)) == label


@pytest.mark.parametrize(
    "text",
    [
        "",
        "//",
        "/a",
        "//a:",
        "//a:b:c",
        "a:b",
        "../a",
        "//a/../b",
        "//a//b:c",
        "//a:b/",
        "//a:/b",
        ":.",
        "@x",
        "@x/y",
        "//a:b\n",
        "//a:\\b",
        "x\0",
    ],
)
def test_what_is_no_label_is_refused(text: str) -> None:
    with pytest.raises(LabelError):
        Label.parse(text, relative_to="here")


@given(st.text(max_size=20))
def test_any_text_is_a_label_or_refused(text: str) -> None:
    try:
        label = Label.parse(text, relative_to="here")
    except LabelError:
        return
    assert Label.parse(str(label)) == label
    assert ".." not in f"{label.package}/{label.name}".split("/")


@pytest.mark.parametrize(("text", "hint"), [("//", "write //:name"), ("//a/", "write //a:name")])
def test_a_label_without_a_name_says_how_to_name_a_target(text: str, hint: str) -> None:
    with pytest.raises(LabelError) as caught:
        Label.parse(text)
    assert caught.value.hint == hint


TARGETS = [Label.parse(text) for text in ("//:top", "//a:x", "//a:y", "//a/b:z", "//ab:w")]


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ("//...", "//:top //a:x //a:y //a/b:z //ab:w"),
        ("//a/...", "//a:x //a:y //a/b:z"),
        ("//a:all", "//a:x //a:y"),
        ("//a:*", "//a:x //a:y"),
        ("//a:x", "//a:x"),
        ("//... -//a/...", "//:top //ab:w"),
        ("//a/... -//a:x", "//a:y //a/b:z"),
        ("//a:x //a:x //a:all", "//a:x //a:y"),
        ("...", "//a:x //a:y //a/b:z"),
        (":x", "//a:x"),
        ("b:z", "//a/b:z"),
        (".", "//a:x //a:y"),
        ("./b", "//a/b:z"),
        ("b/", "//a/b:z"),
        ("./b:z", "//a/b:z"),
        ("./...", "//a:x //a:y //a/b:z"),
        ("..", "//:top"),
        ("../...", "//:top //a:x //a:y //a/b:z //ab:w"),
        ("../ab/", "//ab:w"),
        ("../... -./b", "//:top //a:x //a:y //ab:w"),
    ],
)
def test_patterns_choose_targets(patterns: str, expected: str) -> None:
    parsed = parse_all(patterns.split(), relative_to="a")
    assert " ".join(map(str, select(parsed, TARGETS))) == expected


def test_a_folder_outside_of_the_workspace_is_refused() -> None:
    with pytest.raises(LabelError, match=r"'\.\./\.\./x' is outside of the workspace"):
        parse_all(["../../x"], relative_to="a")


def graph(text: str) -> dict[str, Node[str]]:
    """Return a graph from ``a:bc b:c c:``."""
    nodes = {}
    for part in text.split():
        name, _, below = part.partition(":")
        nodes[name] = Node(
            Label("", "p", name), "rule", tuple(below), Visibility(), lambda: SourceLocation("BUILD")
        )
    return nodes


def test_dependencies_come_first() -> None:
    order = in_dependency_order(graph("a:bc b:d c:d d: e:a"), ["a"], "".join)
    assert order == ["d", "b", "c", "a"]


@pytest.mark.parametrize(
    ("text", "path", "on_it"),
    [("a:b b:c c:b", "//p:b -> //p:c -> //p:b", "bc"), ("a:a", "//p:a -> //p:a", "a")],
)
def test_a_cycle_is_shown_as_a_path(text: str, path: str, on_it: str) -> None:
    with pytest.raises(CycleError, match=f"dependency cycle: {path}\n") as raised:
        in_dependency_order(graph(text), ["a"], "".join)
    assert raised.value.hint == on_it


def test_a_long_chain_is_no_problem() -> None:
    nodes = {
        n: Node(
            Label("", "p", str(n)),
            "r",
            (n + 1,) if n < 10_000 else (),
            Visibility(),
            lambda: SourceLocation("B"),
        )
        for n in range(10_001)
    }
    assert in_dependency_order(nodes, [0], str)[0] == 10_000
