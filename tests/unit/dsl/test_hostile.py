"""Files that try to take all the time or all the memory there is: each ends, with one error or without."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from hermes.dsl.dialect.budget import Budget
from hermes.dsl.packages import Packages
from hermes.errors import BuildFileError
from hermes.store import Store
from hermes.workspace.listing import Folders
from hermes.workspace.sources import FileIndex
from tests.properties import some

B: Final = 'load(":code.bzl", "x")\n'


def fn(body: str) -> tuple[str, str]:
    """Return a .bzl file that runs the body of a function, and a BUILD file that loads it."""
    return "def f():\n" + "".join(f"    {line}\n" for line in body.split("\n")) + "x = f()\n", B


# fmt: off
CORPUS = {
 "hash of nested tuples": fn("t = (1,)\nfor _ in range(60):\n    t = (t, t)\nreturn {t: 1}"),
 "hash of nested structs": fn("t = struct(a = 1)\nfor _ in range(60):\n    t = struct(a = t, b = t)\nreturn {t: 1}"),
 "hash of deep tuples": fn("t = ()\nfor _ in range(100000):\n    t = (t,)\nreturn {t: 1}"),
 "depset of nested tuples": fn("t = (1,)\nfor _ in range(60):\n    t = (t, t)\nreturn depset([t]).to_list()"),
 "depset of depsets": fn("d = depset([1])\nfor _ in range(100000):\n    d = depset([1], transitive = [d, d])\nreturn [d.to_list() for _ in range(100000)]"),
 "index on equal nests": fn("a = [1]\nb = [1]\nfor _ in range(40):\n    a = [a, a]\n    b = [b, b]\nreturn [a].index(b)"),
 "remove on equal nests": fn("a = [1]\nb = [1]\nfor _ in range(150):\n    a = [a, a]\n    b = [b, b]\n[a].remove(b)"),
 "index in a loop": fn("a = list(range(1000000))\nfor i in range(1000000):\n    a.index(999999)"),
 "in in a loop": fn("a = list(range(1000000))\nfor i in range(1000000):\n    if i + 1000000 in a:\n        return 1"),
 "colliding ints": fn("return {i * ((1 << 61) - 1): i for i in range(200000)}"),
 "colliding ints set": fn("d = {}\nfor i in range(200000):\n    d[i * ((1 << 61) - 1)] = i\nreturn d"),
 "colliding tuples": fn("return {(i << 61, i): i for i in range(200000)}"),
 "colliding infos": ("I = provider()\nx = {I(a = i): i for i in range(100000)}\n", B),
 "merging colliding": fn("d = {i * ((1 << 61) - 1): i for i in range(5000)}\nfor _ in range(1000000):\n    e = {1: 2} | d"),
 "join near the bound": fn("a = ['x' * 1000] * 16000\nfor _ in range(1000000):\n    b = ','.join(a)"),
 "times near the bound": fn("for _ in range(1000000):\n    b = 'x' * 16000000"),
 "times kept": fn("return ['x' * 16000000 for _ in range(1000000)]"),
 "upper": fn("a = 'x' * 16000000\nfor _ in range(1000000):\n    b = a.upper()"),
 "upper non-ascii": fn("a = 'ß' * 8000000\nfor _ in range(1000000):\n    b = a.upper()"),
 "find": fn("a = 'x' * 16000000\nfor _ in range(1000000):\n    b = a.find('y')"),
 "rfind": fn("a = 'x' * 16000000\nb = 'y' + 'x' * 8000000\nreturn a.rfind(b)"),
 "find periodic": fn("a = 'x' * 16000000\nb = 'x' * 4000 + 'y' + 'x' * 4000\nfor _ in range(1000000):\n    a.find(b)"),
 "count": fn("a = 'ab' * 8000000\nfor _ in range(1000000):\n    a.count('ab')"),
 "in string": fn("a = 'x' * 16000000\nfor _ in range(1000000):\n    if 'xy' in a:\n        return 1"),
 "strip": fn("b = ''.join(['%c' % i for i in range(1000, 50000)])\na = '%c' % 49999 * 16000000\nreturn a.strip(b)"),
 "replace": fn("a = 'ab' * 4000000\nfor _ in range(1000000):\n    b = a.replace('a', 'c')"),
 "split": fn("a = 'a b ' * 4000000\nfor _ in range(1000000):\n    b = a.split(' ')"),
 "split kept": fn("a = 'a b ' * 1000000\nreturn [a.split() for _ in range(100000)]"),
 "splitlines": fn("a = 'a\\n' * 8000000\nreturn [a.splitlines() for _ in range(1000)]"),
 "elems": fn("a = 'ß€' * 8000000\nreturn [a.elems() for _ in range(1000)]"),
 "title": fn("a = 'ab ' * 5000000\nreturn [a.title() for _ in range(1000)]"),
 "slices": fn("a = 'x' * 16000000\nfor i in range(10000000):\n    b = a[1:]"),
 "list slices": fn("a = [0] * 16000000\nfor i in range(10000000):\n    b = a[1:]"),
 "list slices kept": fn("a = [0] * 16000000\nreturn [a[i:] for i in range(10000000)]"),
 "insert at 0": fn("a = [0] * 16000000\nfor i in range(10000000):\n    a.insert(0, 1)\n    a.pop(0)"),
 "sort equal long": fn("a = 'x' * 1000000\nl = [a + 'a', a + 'b'] * 500000\nfor _ in range(100):\n    sorted(l)"),
 "sort nests": fn("l = [[[i]] for i in range(300000)]\nfor _ in range(100):\n    sorted(l)"),
 "sort key": fn("l = list(range(1000000))\nfor _ in range(100):\n    sorted(l, key = lambda i: -i)"),
 "max": fn("l = list(range(1000000))\nfor _ in range(100):\n    max(l)"),
 "zip": fn("l = list(range(1000000))\nreturn [zip(l, l, l) for _ in range(100)]"),
 "enumerate": fn("return [enumerate(range(10000000)) for _ in range(100)]"),
 "range lists": fn("return [list(range(10000000)) for _ in range(100)]"),
 "freeze nested tuples": fn("t = (1,)\nfor _ in range(100):\n    t = (t, t)\nreturn t"),
 "freeze nested structs": fn("t = struct(a = 1)\nfor _ in range(100):\n    t = struct(a = t, b = t)\nreturn t"),
 "freeze nested depsets": fn("t = depset([1])\nfor _ in range(100):\n    t = depset(transitive = [t, t])\nreturn t"),
 "str of nests": fn("t = [1]\nfor _ in range(60):\n    t = [t, t]\nreturn str(t)"),
 "repr of long": fn("t = ['x' * 1000000] * 15\nfor _ in range(100000):\n    repr(t)"),
 "str of ints": fn("a = 1 << 4000\nfor _ in range(10000000):\n    str(a)"),
 "format": fn("a = 'x' * 1000000\nfor _ in range(1000000):\n    '{}{}{}{}{}{}'.format(a, a, a, a, a, a)"),
 "format fields": fn("a = '{0}' * 4000000\nfor _ in range(1000000):\n    a.format('')"),
 "percent": fn("a = '%s' * 4000000\nb = ('',) * 4000000\nfor _ in range(1000000):\n    b = a % b"),
 "powers of ints": fn("a = (1 << 2000) + 1\nfor _ in range(10000000):\n    b = a * a\n    c = b // a"),
 "calls double": ("def f0():\n    pass\n"+"".join(f"def f{i}():\n    f{i-1}()\n    f{i-1}()\n" for i in range(1,60))+"x = f59()\n", B),
 "lambdas double": ("f0 = lambda: 0\n"+"".join(f"f{i} = lambda: f{i-1}() + f{i-1}()\n" for i in range(1,60))+"x = f59()\n", B),
 "deep calls": ("def f0():\n    pass\n"+"".join(f"def f{i}():\n    f{i-1}()\n" for i in range(1,3000))+"x = f2999()\n", B),
 "long bodies": fn("for _ in range(10000000):\n"+"\n".join(f"    a{i} = {i}" for i in range(5000))),
 "nested loops": fn("for a in range(100000):\n    for b in range(100000):\n        for c in range(100000):\n            pass"),
 "dict growth": fn("d = {}\nfor i in range(100000000):\n    d[i] = [i]"),
 "list growth": fn("d = []\nfor i in range(100000000):\n    d.append({})"),
 "dicts kept": fn("d = {i: i for i in range(1000)}\nreturn [dict(d) for i in range(10000000)]"),
 "lambdas kept": fn("return [lambda: i for i in range(16000000)]"),
 "structs kept": fn("return [struct(a = i, b = [i]) for i in range(16000000)]"),
 "dict or": fn("d = {i: i for i in range(100000)}\nfor i in range(10000000):\n    e = d | d"),
 "dict update": fn("d = {i: i for i in range(100000)}\nfor i in range(10000000):\n    d.update(d)"),
 "keywords": fn("d = {str(i): i for i in range(100000)}\nfor i in range(10000000):\n    dict(**d)"),
 "arguments": fn("d = list(range(1000000))\nfor i in range(10000000):\n    max(*d)"),
 "equal lists": fn("a = list(range(1000000))\nb = list(range(1000000))\nfor i in range(10000000):\n    if a != b:\n        return 1"),
 "equal strings": fn("a = 'x' * 10000000 + 'a'\nb = 'x' * 10000000 + 'b'\nfor i in range(10000000):\n    if a == b:\n        return 1"),
 "string keys": fn("for i in range(10000000):\n    d = {'x' * 10000000 + str(i): 1}"),
 "missing attribute": fn("for i in range(10000000):\n    hasattr('', 'nothing')"),
 "missing attribute default": fn("s = struct(**{'a' * 90 + str(i): 1 for i in range(10000)})\nfor i in range(10000000):\n    getattr(s, 'a' * 95, 1)"),
 "missing key hint": fn("d = {'a' * 95 + str(i): 1 for i in range(10000)}\nreturn d['a' * 90 + 'bbbbb']"),
 "print": fn("a = 'x' * 1000000\nfor i in range(10000000):\n    print(a)"),
 "print little": fn("for i in range(10000000):\n    print('')"),
 "hash()": fn("a = 'x' * 16000000\nfor i in range(10000000):\n    hash(a)"),
 "int()": fn("a = '1' * 999\nfor i in range(10000000):\n    int(a)"),
 "glob stars": ("x = 1\n", 'glob(["' + "**/a/"*30 + '**/b"], allow_empty = True)\n'),
 "glob stars in name": ("x = 1\n", 'glob(["**/' + "*a"*60 + '*b"], allow_empty = True)\n'),
 "glob many": ("x = 1\n", '[glob(["a%d/**/%d*" % (i, j) for i in range(300)], allow_empty = True) for j in range(10000)]\n'),
 "targets in a loop": ("def f():\n    for i in range(1000000):\n        files_layer(name = str(i), files = {'/a': 'f.txt'})\nx = f\n", B+"x()\n"),
 "filegroups in a loop": ("x = 1\n", "[filegroup(name = str(i), srcs = ['f.txt']) for i in range(10000000)]\n"),
 "long lists in targets": ("x = 1\n", "a = ['f%d' % i for i in range(100000)]\n[filegroup(name = str(i), srcs = a) for i in range(10000000)]\n"),
 "select doubles bzl": fn("s = select({'//conditions:default': ['a']})\nfor _ in range(60):\n    s = s + s\nreturn s"),
 "select doubles dict": fn("s = select({'//conditions:default': {'a': 1}})\nfor _ in range(60):\n    s = s | s\nreturn s"),
 "select grows": fn("s = select({'//conditions:default': ['a']})\nfor _ in range(1000000):\n    s = s + ['a']\nreturn s"),
 "providers": fn("for i in range(10000000):\n    provider(fields = ['a'] * 100000)"),
 "rules": ("def i(ctx):\n    pass\nx = [rule(implementation = i, attrs = {'a%d' % n: attr.string() for n in range(1000)}) for _ in range(100000)]\n", B),
 "attrs": fn("return [attr.string_list(default = ['a'] * 100000) for _ in range(100000)]"),
 "labels": fn("return [Label('//a:b%d' % i) for i in range(10000000)]"),
 "entries": fn("return [entry.directory('/a/%d' % i) for i in range(10000000)]"),
 "existing_rule": ("x = 1\n", "filegroup(name = 'a', srcs = ['f%d' % i for i in range(10000)])\n[existing_rule('a') for _ in range(10000000)]\n"),
 "surrogates": ("x = 1\n", 'write_file(name = "a", content = "\\ud800", path = "/a")\n'),
 "surrogates by %c": ("x = 1\n", 'print("%c" % 0xd800)\n'),
 "unhashable struct": ("x = {struct(a = [1]): 1}\n", B),
 "unhashable struct build": ("x = 1\n", "y = {struct(a = [1]): 1}\n"),
 "keyword self": ("P = provider()\nx = [struct(self = 1), dict(self = 1), '{self}'.format(self = 1), P(self = 1), (lambda self: self)(self = 1), {}.update(self = 1)]\n", B),
 "keyword self rule": ("x = 1\n", "filegroup(self = 1, name = 'a')\n"),
 "keyword pairs": ("x = dict(pairs = 1, value = 2)\n", B),
 "long source": ("x = '" + "a"*5_000_000 + "'\n", B),
 "many strings in a line": ("x = [" + "'a'," * 200_000 + "]\n", B),
 "many lines of strings": ("x = [" + "'''a\n'''," * 100_000 + "]\n", B),
 "deep expression": ("x = " + "1+" * 100_000 + "1\n", B),
 "deep brackets": ("x = " + "[" * 5000 + "]" * 5000 + "\n", B),
 "deep lambda": ("x = " + "lambda: " * 500 + "1\n", B),
 "many names": ("def f():\n" + "".join(f"    a{i} = 1\n" for i in range(20000)) + "".join("    len('')\n" for i in range(20000)) + "x = f\n", B),
 "unknown name of many": ("".join(f"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa{i} = 1\n" for i in range(20000)) + "x = aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\n", B),
 "cyclic list": fn("x = []\nx.append(x)\ny = []\ny.append(y)\nprint(x == y)\nreturn str(x)"),
 "cyclic key": fn("x = []\nx.append(x)\nreturn {(x,): 1}"),
 "deep compare": fn("a = []\nb = []\nfor _ in range(100000):\n    a = [a]\n    b = [b]\nreturn a < b"),
 "key changes list": fn("l = [3, 1]\nreturn sorted(l, key = lambda i: l.append(1))"),
 "fail long": fn("a = 'x' * 16000000\nfail(*[a] * 10000)"),
 "list of itself": fn("l = [0]\nfor _ in range(40):\n    l.extend(l)"),
 "list += itself": fn("l = [0]\nfor _ in range(40):\n    l += l"),
 "tuple of itself": fn("l = (0,)\nfor _ in range(1000):\n    l = l * 2"),
 "range keys": fn("return {range(i, i << 62): 1 for i in range(100000)}"),
 "popitem": fn("d = {i: i for i in range(1000000)}\nfor _ in range(1000000):\n    d.popitem()"),
 "startswith": fn("a = 'x' * 16000000\nb = (a,) * 1000000\nfor _ in range(1000000):\n    a.endswith(b)"),
 "partition": fn("a = 'x' * 16000000\nreturn [a.partition('y') for _ in range(100000)]"),
 "nested comprehension": ("x = [a for a in range(10000) for b in range(10000) for c in range(10000)]\n", B),
 "bool ops": fn("for _ in range(16000000):\n    if " + " or ".join(["False"]*500) + ":\n        pass"),
}
# fmt: on

FINISH: Final = frozenset(
    {
        "index on equal nests",
        "remove on equal nests",
        "freeze nested tuples",
        "freeze nested structs",
        "freeze nested depsets",
        "glob stars",
        "glob stars in name",
        "keyword self",
        "keyword pairs",
        "many strings in a line",
        "many lines of strings",
        "many names",
    }
)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", some(CORPUS, 8))
def test_a_hostile_file_ends_within_a_small_budget(tmp_path: Path, compiled: Store, name: str) -> None:
    module, build = CORPUS[name]
    deep = tmp_path / "pkg" / "/".join("a" * 40)
    deep.mkdir(parents=True)
    (deep / ("a" * 200)).write_text("")
    (tmp_path / "pkg/f.txt").write_text("")
    (tmp_path / "pkg/code.bzl").write_text(module)
    (tmp_path / "pkg/BUILD").write_text(build)
    budget = Budget(2_000_000, 128 << 20)
    packages = Packages(Folders(tmp_path), FileIndex(tmp_path), compiled, lambda _: None, budget)
    if name in FINISH:
        packages.package("pkg")
        return
    with pytest.raises(BuildFileError) as caught:
        packages.package("pkg")
    assert caught.value.location is not None
    assert caught.value.location.file in ("pkg/BUILD", "pkg/code.bzl")
    assert len(caught.value.message.partition("\n")[0]) < 400
