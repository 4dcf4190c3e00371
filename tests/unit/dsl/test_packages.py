"""What BUILD files declare: globs, selects, macros, rules and providers, visibility."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
import zstandard

from hermes.errors import BuildFileError, LabelError, VisibilityError
from tests.conftest import Sandbox
from tests.unit.dsl.conftest import Evaluator


def names(evaluate: Evaluator, text: str) -> list[str]:
    return list(evaluate(text).targets)


@pytest.mark.parametrize(
    ("call", "found"),
    [
        ('glob(["*.txt"])', ["a.txt", "b.txt"]),
        ('glob(["**/*.txt"])', ["a.txt", "b.txt", "d/e/f.txt"]),
        ('glob(["**"])', [".hidden", "a.txt", "b.txt", "c.py", "d/e/f.txt", "d/link"]),
        ('glob(["d/**"])', ["d/e/f.txt", "d/link"]),
        ('glob(["?.txt"], exclude = ["b*"])', ["a.txt"]),
        ('glob(["**/*.txt", "*.py"], exclude = ["d/**"])', ["a.txt", "b.txt", "c.py"]),
        ('glob(["*.nothing"], allow_empty = True)', []),
        ('glob(["inner/**"], allow_empty = True)', []),
    ],
)
def test_a_glob_matches_files_of_its_package(evaluate: Evaluator, call: str, found: list[str]) -> None:
    for path in (
        "a.txt",
        "b.txt",
        "c.py",
        ".hidden",
        "d/e/f.txt",
        "inner/x.txt",
        "inner/BUILD",
        "d/inner/BUILD",
    ):
        evaluate.write(f"pkg/{path}", "")
    (evaluate.root / "pkg/d/link").symlink_to("e/f.txt")
    evaluate(f"print({call})")
    assert evaluate.said[-1].endswith(str(found).replace("'", '"'))


def names_in(path: str) -> list[str]:
    """The names in a layer that was built."""
    with (
        open(path, "rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file) as plain,
        tarfile.open(fileobj=plain, mode="r|") as archive,
    ):
        return archive.getnames()


def test_a_glob_gives_labels_of_files_with_odd_names(workspace: Sandbox) -> None:
    text = 'files_layer(name = "l", srcs = glob(["**"]%s))\n'
    workspace.write("pkg/BUILD", text % "")
    for name in ("@scope/x.js", "@y", "a b", "$c", "-d", "é"):
        workspace.write(f"pkg/{name}", "")
    (built,) = workspace.build("//pkg:l").targets["//pkg:l"]
    assert sorted(names_in(built.path)) == ["$c", "-d", "@scope/x.js", "@y", "a b", "é"]
    workspace.write("pkg/a:b", "")
    with pytest.raises(BuildFileError, match='matches "a:b", and a label cannot have a colon') as caught:
        workspace.build("//pkg:l")
    assert caught.value.location is not None
    assert caught.value.hint == 'rename the file, or leave it out: exclude = ["a:b"]'
    workspace.write("pkg/BUILD", text % ', exclude = ["a:b"]')
    workspace.build("//pkg:l")


@pytest.mark.parametrize("pattern", ["", "/a", "../a", "a/../b", "a**", "a/", "./a"])
def test_a_malformed_pattern_is_refused(evaluate: Evaluator, pattern: str) -> None:
    with pytest.raises(BuildFileError, match=r"glob\(\): "):
        evaluate(f'glob(["{pattern}"])')


def test_a_macro_declares_targets(evaluate: Evaluator) -> None:
    evaluate.write(
        "lib/macros.bzl",
        "def both(name, **kwargs):\n    filegroup(name = name, **kwargs)\n    if not existing_rule(name + '-x'):\n"
        "        filegroup(name = name + '-x', srcs = [':' + name])\n",
    )
    evaluate.write("lib/BUILD", "")
    assert names(evaluate, 'load("//lib:macros.bzl", "both")\n\nboth(name = "a", srcs = [])\n') == [
        "a",
        "a-x",
    ]


RULE = """
Info = provider(doc = "What a target says.", fields = ["words"])

def _impl(ctx):
    words = [ctx.attr.word] + [word for dep in ctx.attr.deps for word in dep[Info].words]
    file = ctx.actions.write("words", " ".join(words))
    return [Info(words = words), DefaultInfo(files = [file])]

say = rule(
    implementation = _impl,
    attrs = {"word": attr.string(mandatory = True), "deps": attr.label_list(providers = [Info])},
)
"""


def test_a_rule_passes_values_through_providers(workspace: Sandbox) -> None:
    workspace.write("pkg/say.bzl", RULE)
    workspace.write(
        "pkg/BUILD",
        'load(":say.bzl", "say")\nsay(name = "a", word = "one")\nsay(name = "b", word = "two", deps = [":a"])\n',
    )
    ((_, _, path),) = workspace.build("//pkg:b").targets["//pkg:b"]
    with open(path, encoding="utf-8") as file:
        assert file.read() == "two one"


def test_an_attribute_with_labels_may_have_a_default(workspace: Sandbox) -> None:
    default = 'attr.label_list(default = [Label(":first")], providers = [Info])'
    workspace.write("defs/say.bzl", RULE.replace("attr.label_list(providers = [Info])", default))
    workspace.write(
        "defs/BUILD",
        'load(":say.bzl", "say")\n'
        'say(name = "first", word = "one", deps = [], visibility = ["//visibility:public"])\n',
    )
    workspace.write("pkg/BUILD", 'load("//defs:say.bzl", "say")\nsay(name = "b", word = "two")\n')
    ((_, _, path),) = workspace.build("//pkg:b").targets["//pkg:b"]
    with open(path, encoding="utf-8") as file:
        assert file.read() == "two one"
    workspace.write("defs/say.bzl", RULE.replace("providers", 'default = [":first"], providers'))
    with pytest.raises(BuildFileError, match="the default has an item that is the string ':first'") as caught:
        workspace.build("//pkg:b")
    assert caught.value.hint == 'say where the label belongs: Label(":first")'


def test_a_label_belongs_to_the_file_that_makes_it(workspace: Sandbox) -> None:
    workspace.write(
        "defs/macro.bzl",
        "def _impl(ctx):\n"
        '    return DefaultInfo(files = [ctx.actions.write("f", str(Label(":x")))])\n\n'
        "said = rule(implementation = _impl)\n\n"
        'def greeting(name):\n    filegroup(name = name, srcs = [Label(":text")])\n',
    )
    workspace.write(
        "defs/BUILD", 'filegroup(name = "text", srcs = ["t"], visibility = ["//visibility:public"])\n'
    )
    workspace.write("defs/t", "hello")
    workspace.write(
        "pkg/BUILD",
        'load("//defs:macro.bzl", "greeting", "said")\ngreeting("g")\nsaid(name = "s")\n',
    )
    built = workspace.build("//pkg:all").targets
    assert Path(built["//pkg:g"][0].path).read_text() == "hello"
    assert Path(built["//pkg:s"][0].path).read_text() == "//defs:x"


def test_a_dependency_must_give_what_a_rule_takes(workspace: Sandbox) -> None:
    workspace.write("pkg/say.bzl", RULE)
    text = 'load(":say.bzl", "say")\nfilegroup(name = "f")\nsay(name = "b", word = "two", deps = [":f"])\n'
    workspace.write("pkg/BUILD", text)
    with pytest.raises(BuildFileError, match=r"deps takes targets with Info, and //pkg:f is a filegroup"):
        workspace.build("//pkg:b")


SELECT = """
config_setting(name = "arm", platform = "linux/arm64")
config_setting(name = "debug", values = {"mode": "debug"})
config_setting(name = "arm-debug", platform = "linux/arm64", values = {"mode": "debug"})
config_setting(name = "fast", values = {"speed": "fast"})
filegroup(name = "f", srcs = ["common"] + select({%s}))
"""


def chosen(workspace: Sandbox, branches: str, **options: object) -> list[str]:
    for name in ("common", "a", "b", "c", "d"):
        workspace.write(f"pkg/{name}", name)
    workspace.write("pkg/BUILD", SELECT % branches)
    found = workspace.build("//pkg:f", **options).targets["//pkg:f"]
    return [one.path.rpartition("/")[2] for one in found]


ALL = '":arm": ["a"], ":debug": ["b"], ":arm-debug": ["c"], "//conditions:default": ["d"]'


@pytest.mark.parametrize(
    ("platform", "values", "expected"),
    [
        ("linux/amd64", {}, "d"),
        ("linux/arm64", {}, "a"),
        ("linux/amd64", {"mode": "debug"}, "b"),
        ("linux/arm64", {"mode": "debug"}, "c"),
        ("linux/arm64", {"mode": "release"}, "a"),
    ],
)
def test_select_takes_the_most_specific_condition(
    workspace: Sandbox, platform: str, values: dict[str, str], expected: str
) -> None:
    assert chosen(workspace, ALL, platform=platform, values=values) == ["common", expected]


def test_select_joins_dicts_as_dicts_are_joined(workspace: Sandbox) -> None:
    text = """
config_setting(name = "d", values = {"mode": "d"})
files_layer(name = "l", symlinks = {"/a": "a"} | select({":d": {"/b": "b"}, "//conditions:default": {}}) | {"/c": "c"})
"""
    workspace.write("pkg/BUILD", text)
    for values, found in (({}, ["a", "c"]), ({"mode": "d"}, ["a", "b", "c"])):
        path = workspace.build("//pkg:l", values=values).targets["//pkg:l"][0].path
        assert names_in(path) == found
    workspace.write(
        "pkg/BUILD", 'files_layer(name = "l", dirs = ["/a"] | select({"//conditions:default": ["/b"]}))'
    )
    with pytest.raises(BuildFileError, match=r"list . is not possible"):
        workspace.build("//pkg:l")


def test_select_in_a_file_that_is_loaded_means_the_package_that_uses_it(workspace: Sandbox) -> None:
    workspace.write("defs/BUILD", "")
    workspace.write("defs/dirs.bzl", 'DIRS = ["/a"] + select({":d": ["/b"], "//conditions:default": []})\n')
    text = (
        'load("//defs:dirs.bzl", "DIRS")\n'
        'config_setting(name = "d", values = {"mode": "%s"})\n'
        'files_layer(name = "l", dirs = DIRS)\n'
    )
    workspace.write("one/BUILD", text % "d")
    workspace.write("two/BUILD", text % "other")
    built = workspace.build("//...", values={"mode": "d"}).targets
    for label, found in (("//one:l", ["a", "b"]), ("//two:l", ["a"])):
        assert names_in(built[label][0].path) == found


def test_select_does_not_guess(workspace: Sandbox) -> None:
    with pytest.raises(BuildFileError, match=r"both //pkg:debug and //pkg:fast hold"):
        chosen(workspace, '":debug": ["a"], ":fast": ["b"]', values={"mode": "debug", "speed": "fast"})
    assert chosen(workspace, '":debug": ["a"], ":fast": ["a"]', values={"mode": "debug", "speed": "fast"})[
        1:
    ] == ["a"]


@pytest.mark.parametrize(
    ("rule", "attribute", "value"),
    [
        ("filegroup", "tags", '["manual"]'),
        ("filegroup", "visibility", '["//visibility:public"]'),
        ("config_setting", "values", '{"a": "b"}'),
        ("config_setting", "platform", '"linux/amd64"'),
    ],
)
def test_what_is_known_before_the_configuration_is_no_select(
    evaluate: Evaluator, rule: str, attribute: str, value: str
) -> None:
    with pytest.raises(BuildFileError, match=f"{attribute} cannot depend on a select") as caught:
        evaluate(
            f'{rule}(\n    name = "n",\n    {attribute} = select({{"//conditions:default": {value}}}),\n)'
        )
    assert caught.value.location is not None
    assert caught.value.location.line == 3


def test_select_without_a_match_says_what_would_match(workspace: Sandbox) -> None:
    with pytest.raises(BuildFileError, match="none of the conditions //pkg:debug holds") as caught:
        chosen(workspace, '":debug": ["a"]', platform="linux/amd64")
    assert "pkg/BUILD:6" in str(caught.value)


def test_a_value_that_nothing_depends_on_is_pointed_out(workspace: Sandbox) -> None:
    chosen(workspace, '"//conditions:default": ["d"]', values={"mod": "debug"})
    assert workspace.said == ["warning: nothing depends on --set mod"]


@pytest.mark.parametrize(
    ("visibility", "package", "allowed"),
    [
        ("", "other", False),
        ("", "lib", True),
        ("//visibility:public", "other", True),
        ("//visibility:private", "other", False),
        ("//other:__pkg__", "other", True),
        ("//other:__pkg__", "other/inner", False),
        ("//other:__subpackages__", "other/inner", True),
        ("//other:__subpackages__", "others", False),
        ("//:__subpackages__", "anywhere", True),
    ],
)
@pytest.mark.parametrize("default", [False, True])
def test_visibility(
    workspace: Sandbox, visibility: str, package: str, *, allowed: bool, default: bool
) -> None:
    said = f'["{visibility}"]' if visibility else "None"
    if default:
        text = f"package(default_visibility = {said})\nfilegroup(name = 'f')\n"
    else:
        text = f"filegroup(name = 'f', visibility = {said})\n"
    workspace.write("lib/BUILD", text)
    user = "filegroup(name = 'user', srcs = ['//lib:f'])\n"
    workspace.write(f"{package}/BUILD", text + user if package == "lib" else user)
    if allowed:
        workspace.build(f"//{package}:user")
    else:
        with pytest.raises(VisibilityError, match=r"may not use //lib:f, which is private to //lib"):
            workspace.build(f"//{package}:user")


def test_loads_that_go_round_are_named(evaluate: Evaluator) -> None:
    evaluate.write("pkg/a.bzl", 'load(":b.bzl", "b")\na = 1\n')
    evaluate.write("pkg/b.bzl", 'load(":a.bzl", "a")\nb = 1\n')
    with pytest.raises(BuildFileError, match=r"//pkg:a.bzl -> //pkg:b.bzl -> //pkg:a.bzl"):
        evaluate('load(":a.bzl", "a")')


def test_a_package_that_is_not_there_has_a_near_name(evaluate: Evaluator) -> None:
    evaluate("")
    with pytest.raises(LabelError) as caught:
        evaluate.package("pgk")
    assert "pkg" in (caught.value.hint or "")


def test_print_is_heard(evaluate: Evaluator) -> None:
    evaluate("print('hello', 1)")
    assert evaluate.said == ["hello 1"]


def test_a_changed_file_is_compiled_again(evaluate: Evaluator) -> None:
    evaluate("print(1)")
    evaluate("print(2)")
    assert [line[-1] for line in evaluate.said] == ["1", "2"]


@pytest.mark.parametrize(
    "mode", ["755", "644", "600", "700", "777", "400", "500", "444", "640", "1777", "4755"]
)
def test_an_integer_that_reads_as_octal_is_refused_as_a_mode(evaluate: Evaluator, mode: str) -> None:
    evaluate.write("pkg/f.txt", "")
    for given in (f"mode = {mode}", f"dir_modes = {{'/d': {mode}}}", f"modes = {{'/f': {mode}}}"):
        with pytest.raises(BuildFileError, match="must be a file mode") as caught:
            evaluate(f"files_layer(name = 'l', files = {{'/f': 'f.txt'}}, {given})\n")
        assert caught.value.location is not None


@pytest.mark.parametrize(
    "mode", ["'0755'", "'755'", "0o755", "0o644", "0o600", "0o777", "0o1777", "0o444", "493"]
)
def test_a_mode_is_octal_text_or_an_octal_number(evaluate: Evaluator, mode: str) -> None:
    evaluate.write("pkg/f.txt", "")
    evaluate(
        f"files_layer(name = 'l', files = {{'/f': 'f.txt'}}, mode = {mode}, dir_modes = {{'/d': {mode}}})\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "files_layer(name = 'l', files = {'/': 'f.txt'})",
        "files_layer(name = 'l', symlinks = {'/': 'f.txt'})",
        "image(name = 'i', env = {'A=B': 'x'})",
        "image(name = 'i', env = {'': 'x'})",
        "image(name = 'i', env = {'a b': 'x'})",
        "run_layer(name = 'i', base = ':b', cmd = 'x', env = {'a b': 'x'})",
        "genrule(name = 'i', cmd = 'x', outs = ['o'], env = {'': 'x'})",
        "image(name = 'i', labels = {'': 'x'})",
        "image(name = 'i', annotations = {'': 'x'})",
        "image(name = 'i', stop_signal = 'FOO')",
        "image(name = 'i', stop_signal = '65')",
        "write_file(name = 'w', path = '/a', content = '\\ud800')",
    ],
)
def test_a_value_that_no_runtime_takes_is_refused_at_its_attribute(evaluate: Evaluator, text: str) -> None:
    evaluate.write("pkg/f.txt", "")
    with pytest.raises(BuildFileError) as caught:
        evaluate(f"{text}\n")
    assert caught.value.location is not None
    assert caught.value.location.column > 1


@pytest.mark.parametrize("signal", ["SIGTERM", "term", "9", "64", "SIGRTMIN+3", "RTMAX-1", ""])
def test_a_signal_is_a_name_or_a_number(evaluate: Evaluator, signal: str) -> None:
    evaluate(f"image(name = 'i', stop_signal = '{signal}')\n")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("oci_image(name = 'i')", "it is 'image' here"),
        ("pkg_tar(name = 'i')", "it is 'files_layer' here"),
        (
            "image(name = 'i', base = 'docker://debian:12')",
            'declare it: image_pull(name = "debian", ref = "docker.io/library/debian:12"), and give its label ":debian"',
        ),
        (
            "image(name = 'i', base = 'docker://ghcr.io/a/b@sha256:0')",
            'declare it: image_pull(name = "b", ref = "ghcr.io/a/b@sha256:0"), and give its label ":b"',
        ),
    ],
)
def test_what_other_tools_write_is_answered_with_the_rule_that_is_meant(
    evaluate: Evaluator, text: str, hint: str
) -> None:
    with pytest.raises(BuildFileError) as caught:
        evaluate(f"{text}\n")
    assert caught.value.hint == hint
