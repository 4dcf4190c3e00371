"""The language: what it refuses, how it is kept in its bounds, and that it means what Starlark means."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import starlark
from hypothesis import given
from hypothesis import strategies as st

from hermes.dsl.dialect.check import check
from hermes.errors import BuildFileError, HermesError
from tests.conftest import ROOT, Sandbox
from tests.properties import examples
from tests.unit.dsl.conftest import Evaluator

Printed = Callable[[str], list[str]]

REFUSED = [
    "import os",
    "from os import path",
    "from os import *",
    "def f():\n    while True:\n        pass",
    "class A:\n    pass",
    "try:\n    x = 1\nexcept:\n    pass",
    "with x as y:\n    pass",
    "def f():\n    global x",
    "def f():\n    yield 1",
    "async def f():\n    pass",
    "x = 1 is 1",
    "x = [1]\ndel x[0]",
    "@print\ndef f():\n    pass",
    "x = f'{1}'",
    "x = {1, 2}",
    "x = (y for y in [])",
    "x = (y := 1)",
    "x: int = 1",
    "def f(x: int):\n    pass",
    "raise 1",
    "assert 1",
    "x = 1 ** 2",
    "x = 1 @ 2",
    "x = 1j",
    "x = b'bytes'",
    "x = ...",
    "x = 1 < 2 < 3",
    "lambda: (yield)",
    "x, *y = [1, 2]",
    "nonlocal x",
    "match 1:\n    case 1:\n        pass",
    "x = [1 async for x in y]",
    "if True:\n    pass",
    "for x in []:\n    pass",
    "print(1) if 1",
    "x = 0777",
    "\tx = 1",
    "x = 1\0",
]


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_not_in_the_language_is_refused_with_its_place(evaluate: Evaluator, text: str) -> None:
    with pytest.raises(BuildFileError) as caught:
        evaluate(f"{text}\n")
    assert caught.value.location is not None
    assert caught.value.location.file == "pkg/BUILD"
    assert "\n" not in caught.value.message


ESCAPES = [
    "().__class__",
    "x = ''.__class__.__mro__",
    "print.__self__",
    "print.__globals__",
    "(lambda: 0).__code__",
    "(lambda: 0).__globals__",
    "'{0.__class__}'.format(1)",
    "'{0.__class__.__mro__}'.format('')",
    "'{0[__class__]}'.format({})",
    "'{x.__init__}'.format(x = print)",
    "getattr('', '__class__')",
    "getattr(print, '__self__')",
    "getattr([], 'append').__self__",
    "hasattr('', '__class__') and fail('seen')\nx = __builtins__",
    "__import__('os')",
    "eval('1')",
    "exec('1')",
    "open('/etc/passwd')",
    "compile('1', '', 'eval')",
    "globals()",
    "vars()",
    "type('x', (), {})",
    "type(1)(2)",
    "object()",
    "struct().__dict__",
    "struct(a = 1)._fields",
    "[].sort.__call__()",
    "{}.fromkeys('a').__class__",
    "'a'.join.__self__",
    "str.join",
    "dict.__subclasses__()",
    "Label('//x').__class__",
    "rule.__call__",
    "attr.__class__",
    "provider().__init__",
    "_x = 1\nprint(_x.real)",
    "(1).real",
    "'%(x)s' % struct(x = 1)",
    "[x.gi_frame for x in [1]]",
    "depset([1]).direct",
    "select({})._branches",
]


@pytest.mark.parametrize("text", ESCAPES)
def test_no_way_leads_out_to_python(evaluate: Evaluator, text: str) -> None:
    evaluate.write("pkg/code.bzl", "def f():\n    " + text.replace("\n", "\n    ") + "\n\nx = f()\n")
    with pytest.raises(BuildFileError):
        evaluate('load(":code.bzl", "x")\n')


BOMBS = [
    "'x' * (1 << 40)",
    "[0] * (1 << 40)",
    "1 << (1 << 40)",
    "'%1000000000d' % 1",
    "'{:1000000000}'.format(1)",
    "'x'.ljust(1 << 40)",
    "range(1 << 40) and [x for x in range(1 << 40)]",
    "list(range(1 << 40))",
    "[x for x in range(100000) for y in range(100000)]",
    "grow('x', 60)",
    "grow([0], 60)",
    "grow((0,), 60)",
    "(',' * 1000000).join(['x' * 1000000] * 1000000)",
    "('a' * 1000000).replace('a', 'b' * 1000000)",
    "'a'.replace('', 'b' * 1000000000)",
    "power(60)",
    "forever()",
    "deep(100000)",
    "sorted(range(1 << 40))",
    "zip(range(1 << 40), range(1 << 40))",
]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", BOMBS)
def test_growth_and_loops_are_bounded(evaluate: Evaluator, text: str) -> None:
    evaluate.write(
        "pkg/code.bzl",
        "def grow(x, times):\n    for _ in range(times):\n        x = x + x\n    return x\n\n"
        "def power(times):\n    x = 3\n    for _ in range(times):\n        x = x * x\n    return x\n\n"
        "def forever():\n    for _ in range(1 << 40):\n        pass\n\n"
        "def deep(n):\n    x = []\n    for _ in range(n):\n        x = [x]\n    return str(x) if n else 0\n\n"
        f"x = {text}\n",
    )
    with pytest.raises(BuildFileError) as caught:
        evaluate('load(":code.bzl", "x")\n')
    assert caught.value.location is not None
    assert caught.value.location.file == "pkg/code.bzl"


def test_recursion_is_refused(evaluate: Evaluator) -> None:
    evaluate.write("pkg/code.bzl", "def f(n):\n    return g(n)\n\ndef g(n):\n    return f(n)\n\nx = f(1)\n")
    with pytest.raises(BuildFileError, match=r"f\(\) calls itself"):
        evaluate('load(":code.bzl", "x")\n')


def test_an_undefined_name_is_found_before_anything_runs(evaluate: Evaluator) -> None:
    evaluate.write("pkg/code.bzl", "print('ran')\n\ndef f():\n    return lable\n\nlabel = 1\n")
    with pytest.raises(BuildFileError) as caught:
        evaluate('load(":code.bzl", "f")\n')
    assert evaluate.said == []
    assert caught.value.hint == "did you mean 'label'?"
    assert (caught.value.location.line, caught.value.location.column) == (4, 12)


def test_values_of_another_file_cannot_be_changed(evaluate: Evaluator) -> None:
    evaluate.write("pkg/code.bzl", "names = ['a']\nrows = {'a': [1]}\n")
    for change in ("names.append('b')", "rows['b'] = 1", "rows['a'].append(2)", "rows.update({})"):
        evaluate.write("pkg/user.bzl", f'load(":code.bzl", "names", "rows")\n\ndef f():\n    {change}\n')
        with pytest.raises(BuildFileError) as caught:
            evaluate('load(":user.bzl", "f")\n\nf()\n')
        assert "pkg/code.bzl" in caught.value.message or "pkg/code.bzl" in (caught.value.hint or "")
        assert caught.value.location.file == "pkg/user.bzl"


def test_a_method_of_another_file_changes_nothing(evaluate: Evaluator) -> None:
    evaluate.write(
        "pkg/code.bzl",
        "names = []\nadd = names.append\n\ndef _kept():\n    x = []\n    return x.append\n\nkeep = _kept()\n",
    )
    for change in ("add(1)", "keep(1)"):
        with pytest.raises(BuildFileError, match="frozen"):
            evaluate(f'load(":code.bzl", "add", "keep")\n\nx = {change}\n')


def test_a_private_name_cannot_be_loaded(evaluate: Evaluator) -> None:
    evaluate.write("pkg/code.bzl", "_hidden = 1\n")
    with pytest.raises(BuildFileError, match="_hidden"):
        evaluate('load(":code.bzl", "_hidden")\n')


SAME = [
    "1 + 2 * 3 - 4 // 3 % 5",
    "-7 // 2, -7 % 3, 7 // -2, 7 % -3",
    "1 << 10 | 3 & 6 ^ 1, ~5, -5 >> 1",
    "'a' + 'b' * 3, 'abc'[1], 'abc'[-1], 'abcdef'[1:5:2], 'abc'[::-1]",
    "[1, 2] + [3] * 2, (1,) + (2, 3), [1, 2, 3][1:], [3, 1, 2][::-1]",
    "{'a': 1, 'b': [2]}, {}, dict(a = 1), dict([('x', 1)], y = 2)",
    "len('abc'), len([1]), len({'a': 1}), len(range(5))",
    "sorted([3, 1, 2]), sorted(['b', 'a'], reverse = True), sorted([1, -2], key = lambda x: -x)",
    "min(3, 1, 2), max([1, 5, 2]), min(['b', 'a']), max('a', 'b', key = lambda x: x)",
    "list(range(5)), list(range(1, 10, 3)), list(range(5, 0, -2))",
    "enumerate(['a', 'b']), enumerate(['a'], 1), zip([1, 2], ['a', 'b', 'c']), reversed([1, 2])",
    "any([0, 1]), all([1, 0]), any([]), all([])",
    "bool(0), bool(''), bool([1]), int('12'), int('-0x1f', 16), int(True), str(1), str([1, 'a']), repr('a\"b')",
    "type(1), type(''), type([]), type({}), type(()), type(None), type(True), type(range(1))",
    "not 1, 1 and 2, 0 or 3, 1 if 0 else 2, None == None, 1 == True, 'a' < 'b', [1, 2] < [1, 3]",
    "1 in [1], 'a' in 'abc', 'x' not in {'a': 1}, (1, 2) == (1, 2)",
    "'a,b,c'.split(','), 'a b  c'.split(), 'a,b,c'.rsplit(',', 1), 'a\\nb\\n'.splitlines()",
    "'abc'.upper(), 'ABC'.lower(), 'aBc dEf'.title(), 'abc'.capitalize(), ' a '.strip(), 'xax'.strip('x')",
    "'xay'.lstrip('x'), 'xay'.rstrip('y'), 'a-b'.partition('-'), 'a-b-c'.rpartition('-'), 'abc'.find('c')",
    "'abcabc'.rfind('b'), 'abcabc'.count('a'), 'abc'.index('b'), 'aXbX'.replace('X', '-'), 'aXbX'.replace('X', '-', 1)",
    "'abc'.startswith('a'), 'abc'.endswith(('x', 'c')), 'abc'.removeprefix('a'), 'abc'.removesuffix('c')",
    "'12'.isdigit(), 'ab'.isalpha(), 'a1'.isalnum(), ' '.isspace(), 'A'.isupper(), 'a'.islower(), 'A b'.istitle()",
    "','.join(['a', 'b']), list('abc'.elems()), '%s and %d: %r' % ('x', 3, 'y'), '%s' % (1,), '%%'",
    "'{} {}'.format(1, 'a'), '{1} {0}'.format('a', 'b'), '{x}'.format(x = 1), '{{}}'.format()",
    "[x * 2 for x in [1, 2, 3] if x != 2], {k: v for k, v in [('a', 1)]}, [(x, y) for x in [1, 2] for y in [3]]",
    "(lambda x, y = 2, *a, **k: (x, y, a, k))(1), (lambda *a: a)(*[1, 2]), (lambda **k: k)(**{'a': 1})",
    "hash('abc'), hash(''), hash('ü')",
    "getattr('a', 'upper')(), hasattr('a', 'nothing'), getattr('a', 'nothing', 1)",
    "{'a': 1}.get('b', 2), {'a': 1}.keys(), {'a': 1}.values(), {'a': 1}.items()",
    "{'a': 1} | {'b': 2}, tuple([1, 2]), list((1, 2)), list({'a': 1})",
    "f([1, 2, 3]), g(1, c = 3), h()",
    "'\\x41\\u0041\\n', \"it's\", 'tab\\t', r'raw\\n', '''triple'''",
    "True, False, None, 0x1F, 0o17, 0b101, -3",
    "[(1, 'b'), (1, 'a')] < [(1, 'c')], [[1], 2] < [[1, 0]], sorted([(1, [2, 'b']), (1, [2, 'a'])])",
    "'a b c'.split(None, 1), 'a,b,c'.rsplit(',', 1), 'a,b'.split(',', 0), 'a,b'.split(',', 9)",
    "'a\\n\\nb\\rc\\r\\nd'.splitlines(), 'a\\n\\r\\nb'.splitlines(True), ''.splitlines(), len('a\\x0bb'.splitlines())",
    "int('ff', 16), int('-0x1F', 16), int('0b11', 0), int('+7'), int('z', 36)",
    "dir([]), dir({}), dir(1), p(), q(), '{} {a}'.format(1, a = 2), dict(self = 1), '{self}'.format(self = 1)",
    "[a for a, b in [{1: 1, 2: 2}]], [1, 1, 2].index(1, 1, 2), [True, 1].index(1), r()",
    "len(range(10, 0, -3)), len(range(0)), len(range(5, 1)), [1, 2].insert(-9, 0), {}.update([('a', 1), ['b', 2]])",
]
PRELUDE = """
def f(items):
    total = 0
    for item in items:
        if item == 2:
            continue
        total += item
        if total > 100:
            break
    return total

def g(a, b = 2, *args, c, **kwargs):
    return (a, b, args, c, kwargs)

def p():
    x = [1, 2]
    i = 0
    a, x[0] = x
    x[i], i = 5, 1
    (i, x[i]), b = (1, 7), x
    return a, x, i, b

def q():
    a = {}
    for i, a[i] in [(1, 2), (3, 4)]:
        pass
    for a[0] in [5, 6]:
        pass
    return a

def r():
    x = [1, 2]
    for i in x:
        break
    x.append(3)
    for i in list(x):
        x.remove(i)
    return x

def change(x, how):
    for i in x:
        how(x)

def h():
    found = [1]
    found.append(2)
    found.extend([3, 4])
    found.insert(0, 0)
    found.remove(3)
    last = found.pop()
    table = {"a": 1}
    table["b"] = 2
    table.setdefault("c", []).append(1)
    table.update({"d": 4}, e = 5)
    gone = table.pop("a")
    x, (y, z) = 1, (2, 3)
    found[0] += 10
    return found, last, table, gone, x, y, z, table.popitem()
"""


def in_starlark(expression: str) -> str:
    dialect = starlark.Dialect.standard()
    dialect.enable_lambda = True
    dialect.enable_keyword_only_arguments = True
    module = starlark.Module()
    source = f"{PRELUDE}\nresult = str([str(x) for x in [{expression}]])\nresult"
    return str(
        starlark.eval(module, starlark.parse("test.bzl", source, dialect), starlark.Globals.standard())
    )


@pytest.mark.parametrize("expression", SAME)
def test_it_means_what_starlark_means(printed: Printed, expression: str) -> None:
    (line,) = printed(f"{PRELUDE}\nprint([str(x) for x in [{expression}]])")
    assert line == in_starlark(expression)


DIFFERENT = {
    "type(len)": "builtin_function_or_method",  # as in Bazel; starlark-rust says function
    "repr('ü')": '"ü"',  # starlark-rust escapes it
    "type('abc'.elems())": "list",  # an iterator there
}


@pytest.mark.parametrize("expression", DIFFERENT)
def test_what_differs_from_starlark_rust_is_known(printed: Printed, expression: str) -> None:
    assert printed(f"print({expression})") == [DIFFERENT[expression]]
    with contextlib.suppress(starlark.StarlarkError):
        assert in_starlark(expression) != f'["{DIFFERENT[expression]}"]'


FAILS_IN_BOTH = [
    "1 // 0", "1 % 0", "'a' + 1", "[1] + (1,)", "'a' < 1", "[][0]", "{}['a']", "'abc'.index('x')", "int('x')", "int(' 1')", "int('0x1', 8)",
    "change([1], lambda x: x.append(1))", "change([1], lambda x: x.pop())", "change({1: 1}, lambda x: x.pop(1))",
    "change({1: 1}, lambda x: x.update({1: 2}))", "change([1], lambda x: [x.clear() for _ in [1]])", "[a for a, b in ['ab']]",
    "int(3, 10)", "int(True, 10)", "bool(1, 2)", "'{} {0}'.format(1)", "'{0} {}'.format(1)", "'\\ud800'", "[1].index(True)",
    "{[]: 1}", "len(1)", "nothing", "'%d' % 'a'", "'%s %s' % 1", "f()", "g(1)", "(1).x", "[1].append", "min([])",
    "{'a': 1}.pop('b')", "[1].remove(2)", "'a'.nothing()", "range(1, 2, 0)", "x = 1\nx", "'abc'['a']", "sorted([1, 'a'])",
]  # fmt: skip


@pytest.mark.parametrize("expression", [one for one in FAILS_IN_BOTH if "append" not in one])
def test_what_fails_in_starlark_fails_here(printed: Printed, expression: str) -> None:
    with pytest.raises(starlark.StarlarkError):
        in_starlark(expression)
    with pytest.raises(BuildFileError):
        printed(f"{PRELUDE}\nprint([str(x) for x in [{expression}]])")


def test_what_python_suspects_is_not_said(workspace: Sandbox) -> None:
    workspace.write("pkg/BUILD", "x = 1()\n")
    done = workspace.run("build", "//pkg:all")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: pkg/BUILD:1:5: this value cannot be called\n")


WRONG_ARGUMENTS = [
    "'a'.split('')", "'a'.rsplit('')", "'a'.split(',', 'x')", "'a'.split(None, [])", "'a'.endswith('a', 'a')",
    "[1].index(1, 'a')", "[1].insert('a', 1)", "[1].pop('a')", "[1].pop(1 << 100)", "{}.get([])", "{}.pop([])",
    "{}.pop('a', 1, 2)", "{}.setdefault([])", "{}.update([1])", "{}.update(['a'])", "{}.update([([], 1)])",
    "{}.update([(1, 2, 3)])", "dict([([], 1)])", "enumerate([], 'a')", "int('a', 'b')", "range(1 << 100)",
    "sorted([2, 1], key = True)", "sorted([1], key = provider())", "max([2, 1], key = 1)", "print(sep = 1)",
    "fail(sep = 1)", "fail('a', hint = 1)", "depset(transitive = 1)", "depset([[]])", "provider(fields = 1)",
    "attr.string(values = 1)", "attr.label(providers = 1)", "existing_rule([])",
    "package(default_visibility = [1])", "[[1]] < [['a']]", "sorted([(1, 'a'), (1, 2)])",
]  # fmt: skip


@pytest.mark.parametrize("expression", WRONG_ARGUMENTS)
def test_a_wrong_argument_is_an_error_with_its_place(evaluate: Evaluator, expression: str) -> None:
    with pytest.raises(BuildFileError) as caught:
        evaluate(f"x = {expression}\n")
    assert caught.value.location is not None
    assert "'int'" not in caught.value.message
    assert "NoneType" not in caught.value.message


@pytest.mark.parametrize(
    "path",
    sorted(
        path.relative_to(ROOT)
        for pattern in (
            "rules/*.bzl",
            "examples/**/*.bzl",
            "examples/**/BUILD",
            "BUILD.example",
            "tests/**/*.bzl",
        )
        for path in ROOT.glob(pattern)
    ),
    ids=str,
)
def test_every_file_of_the_project_is_starlark(path: Path) -> None:
    dialect = starlark.Dialect.standard()
    dialect.enable_lambda = True
    dialect.enable_load = True
    starlark.parse(str(path), (ROOT / path).read_text(), dialect)


VALID = "def f(a, b = [1, 2], *c):\n    x = {'k': a for a in b if a}\n    for y in c:\n        x[y] = y + 1\n    return x\n\nz = f(1, [2], 3)\n"


@examples(400)
@given(st.randoms(use_true_random=False))
def test_any_text_gives_a_module_or_one_error(chance: random.Random) -> None:
    words = [
        *VALID,
        "__class__",
        "lambda",
        "import",
        "while",
        "\0",
        "\t",
        "ü",
        "(" * 50,
        "'",
        '"""',
        "0x",
        "{",
        "%",
    ]
    text = list(VALID)
    for _ in range(chance.randint(1, 6)):
        text[chance.randrange(len(text))] = chance.choice(words)
    try:
        check("".join(text), "test.bzl", ["print"])
    except HermesError as error:
        assert error.location is not None
