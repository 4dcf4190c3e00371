"""YAML of people: a value, or one error that says where."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hermes.yaml_text import YamlError, parse_yaml
from tests.properties import examples


def test_plain_values_are_read() -> None:
    assert parse_yaml(b"a: [1, x, null]\nb: {c: true}\n") == {"a": [1, "x", None], "b": {"c": True}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2001-01-01", "2001-01-01"),
        ("2001-99-99", "2001-99-99"),
        ("2001-12-14t21:59:43.10-05:00", "2001-12-14t21:59:43.10-05:00"),
        ("12:30", "12:30"),
        ("190:20:30.15", "190:20:30.15"),
        ("NO", "NO"),
        ("on", "on"),
        ("=", "="),
        ("TRUE", True),
        ("~", None),
        ("-0x1f", -31),
        ("1_000", 1000),
        ("1.5", 1.5),
        ("1.2.3", "1.2.3"),
        ("{<<: {a: 1}, b: 2}", {"a": 1, "b": 2}),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    """As yaml.v3 (compose) and the specification, 10.3.2, have them."""
    assert parse_yaml(text.encode()) == value


def test_fractions_are_refused_where_nothing_can_hold_them() -> None:
    assert parse_yaml(b"[1, 1.10.0, '1.5']", fractions=False) == [1, "1.10.0", "1.5"]
    with pytest.raises(YamlError, match=r"1\.5 is a value of the type float.* quotes") as raised:
        parse_yaml(b"a: b\nc: 1.5", fractions=False)
    assert (raised.value.line, raised.value.column) == (2, 4)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: [\n", (2, 1)),
        ("a: b: c\n", (1, 5)),
        ("? [1]\n: b\n", (1, 3)),
        ("!!python/object:os.system x\n", (1, 1)),
        ("a: !!timestamp 2001-01-01\n", (1, 4)),
        ("a: !!set {x}\n", (1, 4)),
        ("a: !!omap [x: 1]\n", (1, 4)),
        ("a: !!pairs [x: 1]\n", (1, 4)),
        ("a: !!binary YQ==\n", (1, 4)),
        ("a: !!bool x\n", (0, 0)),
        ("a: !!int x\n", (0, 0)),
        ("a: !!int ''\n", (0, 0)),
        ("a: 0x_\n", (0, 0)),
        ("a: !!timestamp x\n", (0, 0)),
        ("[" * 5000, (0, 0)),
    ],
)
def test_what_cannot_be_read_is_one_error_with_its_place(text: str, place: tuple[int, int]) -> None:
    with pytest.raises(YamlError) as raised:
        parse_yaml(text.encode())
    assert (raised.value.line, raised.value.column) == place or place == (0, 0)
    assert raised.value.problem


PIECES = st.sampled_from(
    [
        *(*"[]{},:?-|>&*!%@`'\"#\n \t\0", "a", "&a ", "*a", "!!", "int", "bool ", "timestamp ", "binary "),
        *(
            "set ",
            "omap ",
            "<<",
            ": ",
            "\n- ",
            "0x",
            "0b_",
            "2001-",
            "99-",
            "12:60",
            ".inf",
            "~",
            "é",
            "\ufeff",
        ),
    ]
)


@examples(600)
@given(st.lists(PIECES, max_size=12).map("".join))
@example("!!float _")
def test_whatever_is_written_gives_a_value_or_one_error(text: str) -> None:
    try:
        parse_yaml(text.encode())
    except YamlError as error:
        assert error.problem
