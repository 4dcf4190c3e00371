"""Files of container-structure-test are read as the tool reads them, and an error says where it is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.errors import BuildFileError
from hermes.testing.documents import parse
from hermes.testing.suite import CommandTest, FileExistenceTest, MetadataTest, Variable

HEAD = b'schemaVersion: "2.0.0"\n'


def test_a_file_says_all_that_there_is_to_say() -> None:
    made = parse(
        HEAD
        + b"""\
globalEnvVars: [{key: A, value: $B}]
commandTests:
- name: c
  command: sh
  args: [-c, 12]
  setup: [[a, b]]
  teardown: [[c]]
  envVars: [{key: X, value: y}]
  exitCode: 0x10
  expectedOutput: [a]
  excludedOutput: [b]
  expectedError: [c]
  excludedError: [d]
fileExistenceTests:
- {name: f, path: /f, shouldExist: no, permissions: -rw-r--r--, uid: 010, gid: 2, isExecutableBy: any}
metadataTest:
  envVars: [{key: A, value: ^b, isRegex: true}]
  exposedPorts: [8080]
  cmd: []
containerRunOptions: {user: app, privileged: true, allocateTty: true, envFile: e, envVars: [A], capabilities: [X], bindMounts: ["/a:/b"]}
""",
        "x.yaml",
    )
    assert made.env == (Variable("A", "$B"),)
    assert made.commands == (
        CommandTest(
            *("c", "sh", ("-c", "12"), (("a", "b"),), (("c",),), (Variable("X", "y"),), 16),
            *(("a",), ("b",), ("c",), ("d",)),
        ),
    )
    assert made.existence == (FileExistenceTest("f", "/f", False, "-rw-r--r--", 8, 2, "any"),)
    assert made.metadata == MetadataTest((Variable("A", "^b", True),), exposed_ports=("8080",), cmd=())
    assert tuple(made.options) == ("app", True, True, ("A",), "e", ("X",), ("/a:/b",))
    assert made.titles == ["Command Test: c", "File Existence Test: f", "Metadata Test"]


@pytest.mark.parametrize(
    ("text", "place", "problem", "hint"),
    [
        ("commandTests:\n- name: a\n  comand: x\n", "3:3", "unknown field 'comand' of a command test", "'command'"),
        ("comandTests: []\n", "1:1", "unknown field 'comandTests'", "'commandTests'"),
        ("metadataTest:\n  env: []\n", "2:3", "unknown field 'env' of a metadata test", "envVars"),
        ("commandTests:\n- {name: a, command: b, name: c}\n", "2:25", "'name' is given twice", "keep one"),
        ("commandTests: x\n", "1:15", "expected a list, got 'x'", "- ..."),
        ("commandTests:\n- a\n", "2:3", "expected a mapping (command test), got 'a'", ""),
        ("commandTests:\n- {name: a, command: [b]}\n", "2:22", "expected a text, got a sequence", ""),
        ("commandTests:\n- {name: a, command: b, exitCode: '1'}\n", "2:35", "expected a number, got '1'", ""),
        ("commandTests:\n- {command: b}\n", "2:3", "a command test without name", ""),
        ("commandTests:\n- {name: a, command: b, setup: [[]]}\n", "2:33", "an empty command", ""),
        ("commandTests:\n- {name: a, command: b, expectedOutput: ['(']}\n", "2:42", "invalid pattern '('", "RE2"),
        ("fileExistenceTests:\n- {name: a, path: b, isExecutableBy: all}\n", "2:38", "unknown isExecutableBy 'all'", "any"),
        ("fileExistenceTests:\n- {name: a, path: b, shouldExist: 'no'}\n", "2:35", "expected true or false", ""),
        ("{}\n", "1:1", "there is no test in the file", ""),
        ("a: [\n", "3:1", "this is not YAML", ""),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(text: str, place: str, problem: str, hint: str) -> None:
    with pytest.raises(BuildFileError) as caught:
        parse(f"{text}schemaVersion: 2.0.0\n".encode() if text != "{}\n" else HEAD, "suite/x.yaml")
    assert str(caught.value.location) == f"suite/x.yaml:{place}"
    assert problem in caught.value.message
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("version", ["", "schemaVersion: 1.0.0\n", "schemaVersion: [2.0.0]\n"])
def test_another_version_is_refused(version: str) -> None:
    with pytest.raises(BuildFileError):
        parse(f"{version}metadataTest: {{workdir: /}}\n".encode(), "x.yaml")


def test_json_has_names_of_any_case_and_its_own_defaults() -> None:
    text = {"SchemaVersion": "2.0.0", "fileexistencetests": [{"Name": "\U0001f600\t/", "path": "/a"}]}
    made = parse(json.dumps(text, indent="\t").encode(), "x.json")
    assert made.existence == (FileExistenceTest("\U0001f600\t/", "/a", False, "", 0, 0),)
    with pytest.raises(BuildFileError, match="expected a text, got 8080"):
        parse(b'{"schemaVersion": "2.0.0", "metadataTest": {"exposedPorts": [8080]}}', "x.json")
    with pytest.raises(BuildFileError, match="this is not JSON") as caught:
        parse(b'{"schemaVersion": "2.0.0",\n}', "x.json")
    assert caught.value.location is not None
    assert caught.value.location.line == 2


@given(st.text(max_size=40), st.text(max_size=40))
def test_texts_of_json_are_those_that_json_has(name: str, argument: str) -> None:
    test = {"name": f"n{name}", "command": "x", "args": [argument]}
    made = parse(json.dumps({"schemaVersion": "2.0.0", "commandTests": [test]}).encode(), "x.json")
    assert (made.commands[0].name, made.commands[0].args) == (f"n{name}", (argument,))


@given(st.binary(max_size=60), st.sampled_from(["x.yaml", "x.json"]))
def test_whatever_is_in_a_file_it_is_read_or_refused(data: bytes, path: str) -> None:
    for text in (data, HEAD + b"metadataTest: " + data):
        try:
            parse(text, path)
        except BuildFileError as error:
            assert error.location is not None
