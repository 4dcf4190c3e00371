"""Cases of container-structure-test, each with the verdict of the real one (1.19.1, with its driver for docker).

The verdict is `True` where the case passes. `tests/interop` asks the real tool for all of them, `tests/integration` Hermes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

BUILD: Final = """\
package(default_visibility = ["//visibility:public"])
files_layer(
    name = "files",
    files = {"/srv/plain": "plain", "/srv/script": "script", "/srv/agpl": "agpl"},
    modes = {"/srv/script": "0755"},
    dir_modes = {"/srv/sticky": "1777", "/srv": "0755"},
    symlinks = {"/srv/link": "/srv/plain", "/srv/relative": "plain", "/srv/dangling": "/nothing", "/srv/up": "/usr/share"},
)
files_layer(name = "owned", files = {"/srv/owned": "script"}, mode = "4750", owner = "1000:100")
files_layer(
    name = "documents",
    files = {"/usr/share/doc/good/copyright": "plain", "/usr/share/doc/libgnutls30/copyright": "agpl"},
)
files_layer(name = "users", files = {"/etc/passwd": "passwd", "/etc/group": "group"})
image(
    name = "image",
    layers = ["//base:root", ":files", ":owned", ":documents", ":users"],
    entrypoint = ["/bin/false"],
    cmd = ["one", "two words"],
    env = {"NAME": "value", "EMPTY": "", "HOME_OF": "/srv", "EQUALS": "a=b"},
    labels = {"vendor": "Acme Inc.", "date": "2024-01-31"},
    ports = ["8080", "53/udp"],
    volumes = ["/data"],
    workdir = "/srv",
)
"""
FILES: Final = {
    "plain": "first line\nsecond line: 42\nübung\n",
    "script": "#!/bin/sh\necho out; echo err >&2; exit 3\n",
    "agpl": "License: AGPL-3\n",
    "passwd": "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/srv:/bin/sh\n",
    "group": "root:x:0:\napp:x:1000:\n",
}


def command(script: str, **fields: Any) -> dict[str, Any]:
    return {"command": "sh", "args": ["-c", script], **fields}


COMMANDS: Final[dict[str, tuple[bool, dict[str, Any]]]] = {
    "output": (True, command("echo hello", expectedOutput=["hello"])),
    "wrong output": (False, command("echo hello", expectedOutput=["goodbye"])),
    "one of two outputs": (False, command("echo hello", expectedOutput=["hello", "goodbye"])),
    "excluded output": (False, command("echo hello", excludedOutput=["hel+o"])),
    "not excluded": (True, command("echo hello", excludedOutput=["goodbye"], excludedError=["hello"])),
    "error": (True, command("echo oops >&2", expectedError=["^oops\\n$"], expectedOutput=["^$"])),
    "wrong error": (False, command("echo oops >&2", expectedError=["fine"])),
    "excluded error": (False, command("echo oops >&2", excludedError=["o{2}ps"])),
    "exit code": (True, command("exit 7", exitCode=7)),
    "wrong exit code": (False, command("exit 7")),
    "zero expected one": (False, command("true", exitCode=1)),
    "arguments": (True, {"command": "echo", "args": ["a b", "c"], "expectedOutput": ["^a b c\n$"]}),
    "entry point is not run": (True, {"command": "true"}),
    "absolute command": (True, {"command": "/srv/script", "exitCode": 3, "expectedError": ["err"]}),
    "no program": (False, {"command": "ruby", "exitCode": 127}),
    "no execute bit": (False, {"command": "/srv/plain", "exitCode": 126}),
    "variable in arguments": (True, {"command": "echo", "args": ["$NAME ${HOME_OF}/x $NOTHING."], "expectedOutput": ["^value /srv/x \\.\n$"]}),
    "variable in command": (True, {"command": "$HOME_OF/script", "exitCode": 3}),
    "dollars in arguments": (True, {"command": "echo", "args": ["$$ $(x) a$ $1 ${}"], "expectedOutput": ["^ \\$\\(x\\) a\\$  \n$"]}),
    "environment of the image": (True, {"command": "env", "expectedOutput": ["(?m)^NAME=value$"]}),
    "own variable": (True, {"command": "env", "envVars": [{"key": "OWN", "value": "mine"}], "expectedOutput": ["(?m)^OWN=mine$"]}),
    "own variable is literal": (True, {"command": "env", "envVars": [{"key": "OWN", "value": "$NAME"}], "expectedOutput": ["(?m)^OWN=\\$NAME$"]}),
    "own variable not in arguments": (True, {"command": "echo", "args": ["[$OWN]"], "envVars": [{"key": "OWN", "value": "mine"}], "expectedOutput": ["^\\[\\]"]}),
    "global variable": (True, {"command": "env", "expectedOutput": ["(?m)^GLOBAL=value-x$"]}),
    "global variable in arguments": (True, {"command": "echo", "args": ["$GLOBAL"], "expectedOutput": ["value-x"]}),
    "setup": (True, command("cat /srv/made", setup=[["sh", "-c", "echo a > /srv/made"], ["sh", "-c", "echo b >> /srv/made"]], expectedOutput=["^a\nb\n$"])),
    "setup that fails": (True, command("echo fine", setup=[["sh", "-c", "exit 1"]], expectedOutput=["fine"])),
    "setup without a program": (False, command("echo fine", setup=[["ruby"]])),
    "setup sees variables": (True, command("cat /srv/made", setup=[["sh", "-c", "env > /srv/made"]], envVars=[{"key": "OWN", "value": "$NAME-y"}], expectedOutput=["(?m)^OWN=value-y$"])),
    "setup's variables in arguments": (True, {"command": "echo", "args": ["$OWN"], "setup": [["true"]], "envVars": [{"key": "OWN", "value": "$NAME-y"}], "expectedOutput": ["^value-y"]}),
    "teardown": (True, command("echo a", teardown=[["sh", "-c", "exit 1"]], expectedOutput=["a"])),
    "each has its own root": (True, command("test ! -e /srv/made && echo clean", expectedOutput=["clean"])),
    "working directory": (True, {"command": "pwd", "expectedOutput": ["^/srv$|^/srv\n$"]}),
    "standard input is empty": (True, {"command": "cat", "expectedOutput": ["^$"]}),
    "pattern: case": (True, command("echo HELLO", expectedOutput=["(?i)hello"])),
    "pattern: lines": (False, command("printf 'a\\nb\\n'", expectedOutput=["^b$"])),
    "pattern: multiline": (True, command("printf 'a\\nb\\n'", expectedOutput=["(?m)^b$"])),
    "pattern: dot and newline": (False, command("printf 'a\\nb\\n'", expectedOutput=["a.b"])),
    "pattern: end": (False, command("echo a", expectedOutput=["a$"])),
    "pattern: class": (True, command("echo äa1", expectedOutput=["^\\pL{2}\\d\\s\\z"])),
    "pattern: look-ahead": (False, command("echo ab", expectedOutput=["a(?=b)"])),
    "pattern: back-reference": (False, command("echo aa", expectedOutput=["(a)\\1"])),
    "pattern: broken and excluded": (False, command("echo aa", excludedOutput=["(("])),
    "pattern: quoted": (True, command("echo 'a.b(c'", expectedOutput=["\\Qa.b(c\\E"])),
    "pattern: not UTF-8": (True, command("printf 'a\\377b'", expectedOutput=["^a.b$"])),
    "no name": (False, command("true", name="")),
}  # fmt: skip
EXISTENCE: Final[dict[str, tuple[bool, dict[str, Any]]]] = {
    "there": (True, {"path": "/srv/plain"}),
    "there, said": (True, {"path": "/srv/plain", "shouldExist": True}),
    "not there": (False, {"path": "/srv/none"}),
    "should not be": (False, {"path": "/srv/plain", "shouldExist": False}),
    "is not": (True, {"path": "/srv/none", "shouldExist": False}),
    "below a file": (True, {"path": "/srv/plain/x", "shouldExist": False}),
    "folder": (True, {"path": "/srv", "permissions": "drwxr-xr-x"}),
    "folder with a slash": (True, {"path": "/srv/"}),
    "root": (True, {"path": "/", "permissions": "drwxr-xr-x"}),
    "permissions": (True, {"path": "/srv/plain", "permissions": "-rw-r--r--"}),
    "wrong permissions": (False, {"path": "/srv/plain", "permissions": "-rw-rw-r--"}),
    "permissions as a number": (False, {"path": "/srv/plain", "permissions": "0644"}),
    "set-user-ID": (True, {"path": "/srv/owned", "permissions": "urwxr-x---"}),
    "sticky": (True, {"path": "/srv/sticky", "permissions": "dtrwxrwxrwx"}),
    "link": (True, {"path": "/srv/link", "permissions": "Lrwxrwxrwx"}),
    "dangling link": (True, {"path": "/srv/dangling"}),
    "through a link": (True, {"path": "/srv/up/doc"}),
    "dots are taken away before links": (False, {"path": "/srv/up/../share/doc"}),
    "variable": (True, {"path": "$HOME_OF/plain"}),
    "relative": (True, {"path": "srv/plain"}),
    "owner": (True, {"path": "/srv/owned", "uid": 1000, "gid": 100}),
    "wrong user": (False, {"path": "/srv/owned", "uid": 1001}),
    "wrong group": (False, {"path": "/srv/owned", "gid": 0}),
    "root's": (True, {"path": "/srv/plain", "uid": 0, "gid": 0}),
    "executable by any": (True, {"path": "/srv/owned", "isExecutableBy": "any"}),
    "executable by owner": (True, {"path": "/srv/owned", "isExecutableBy": "owner"}),
    "executable by group": (True, {"path": "/srv/owned", "isExecutableBy": "group"}),
    "not executable by others": (False, {"path": "/srv/owned", "isExecutableBy": "other"}),
    "not executable": (False, {"path": "/srv/plain", "isExecutableBy": "any"}),
    "of what is not there": (True, {"path": "/srv/none", "shouldExist": False, "permissions": "-rwx------", "uid": 5}),
}  # fmt: skip
CONTENT: Final[dict[str, tuple[bool, dict[str, Any]]]] = {
    "content": (True, {"path": "/srv/plain", "expectedContents": ["second line: \\d+"]}),
    "wrong content": (False, {"path": "/srv/plain", "expectedContents": ["third"]}),
    "excluded content": (False, {"path": "/srv/plain", "excludedContents": ["first"]}),
    "not excluded content": (True, {"path": "/srv/plain", "excludedContents": ["third"]}),
    "nothing expected": (True, {"path": "/srv/plain"}),
    "content of a folder": (False, {"path": "/srv"}),
    "content of nothing": (False, {"path": "/srv/none", "excludedContents": ["x"]}),
    "content of a link": (True, {"path": "/srv/link", "expectedContents": ["first"]}),
    "content of a dangling link": (False, {"path": "/srv/dangling"}),
    "content: no variables": (False, {"path": "$HOME_OF/plain", "expectedContents": ["first"]}),
    "content: umlaut": (True, {"path": "/srv/plain", "expectedContents": ["^first(?s:.*)\\x{fc}bung"]}),
}  # fmt: skip
METADATA: Final[dict[str, tuple[bool, dict[str, Any]]]] = {
    "variable of the image": (True, {"envVars": [{"key": "NAME", "value": "value"}]}),
    "wrong value": (False, {"envVars": [{"key": "NAME", "value": "val"}]}),
    "value as a pattern": (True, {"envVars": [{"key": "NAME", "value": "^v.l", "isRegex": True}]}),
    "pattern that is none": (False, {"envVars": [{"key": "NAME", "value": "v.lue"}]}),
    "variable that is empty": (True, {"envVars": [{"key": "EMPTY", "value": ""}]}),
    "variable with an equals sign": (True, {"envVars": [{"key": "EQUALS", "value": "a=b"}]}),
    "variable that is missing": (False, {"envVars": [{"key": "NONE", "value": ""}]}),
    "unbound variable": (True, {"unboundEnvVars": [{"key": "NONE"}]}),
    "bound variable": (False, {"unboundEnvVars": [{"key": "NAME"}]}),
    "label": (True, {"labels": [{"key": "vendor", "value": "Acme Inc."}]}),
    "wrong label": (False, {"labels": [{"key": "vendor", "value": "Acme"}]}),
    "missing label": (False, {"labels": [{"key": "none", "value": "x"}]}),
    "label as a pattern": (True, {"labels": [{"key": "date", "value": "^\\d{4}-\\d{2}-\\d{2}$", "isRegex": True}]}),
    "port": (True, {"exposedPorts": ["8080", "53"]}),
    "port with its protocol": (False, {"exposedPorts": ["53/udp"]}),
    "missing port": (False, {"exposedPorts": ["80"]}),
    "unexposed port": (True, {"unexposedPorts": ["80"]}),
    "port that should not be": (False, {"unexposedPorts": ["8080"]}),
    "volume": (True, {"volumes": ["/data"]}),
    "missing volume": (False, {"volumes": ["/other"]}),
    "unmounted volume": (True, {"unmountedVolumes": ["/other"]}),
    "volume that should not be": (False, {"unmountedVolumes": ["/data"]}),
    "entry point": (True, {"entrypoint": ["/bin/false"]}),
    "wrong entry point": (False, {"entrypoint": ["/bin/true"]}),
    "no entry point": (False, {"entrypoint": []}),
    "command": (True, {"cmd": ["one", "two words"]}),
    "wrong command": (False, {"cmd": ["one", "two", "words"]}),
    "folder": (True, {"workdir": "/srv"}),
    "wrong folder": (False, {"workdir": "/"}),
    "user": (False, {"user": "app"}),
    "user that does not matter": (True, {"user": "", "workdir": "/srv"}),
}  # fmt: skip
LICENSES: Final[dict[str, tuple[bool, dict[str, Any]]]] = {
    "packages": (True, {"debian": True}),
    "a file": (True, {"debian": False, "files": ["/srv/plain"]}),
    "a refused file": (False, {"debian": False, "files": ["/srv/agpl"]}),
    "no such file": (False, {"debian": False, "files": ["/srv/none"]}),
}  # fmt: skip
OPTIONS: Final[dict[str, tuple[bool, dict[str, Any]]]] = {
    "user": (True, {"containerRunOptions": {"user": "app"}, "commandTests": [{"name": "u", "command": "id", "args": ["-u"], "expectedOutput": ["^1000"]}]}),
    "user and group": (True, {"containerRunOptions": {"user": "1000:50"}, "commandTests": [{"name": "u", "command": "id", "args": ["-g"], "expectedOutput": ["^50"]}]}),
    "environment": (True, {"containerRunOptions": {"envVars": ["HERMES_CASE"]}, "commandTests": [{"name": "e", "command": "env", "expectedOutput": ["(?m)^HERMES_CASE=of the machine$"]}]}),
    "environment that is not set": (False, {"containerRunOptions": {"envVars": ["HERMES_NONE"]}, "commandTests": [{"name": "e", "command": "true"}]}),
    "no such user": (False, {"containerRunOptions": {"user": "nobodyhere"}, "commandTests": [{"name": "e", "command": "true"}]}),
    "environment and own variables": (True, {"containerRunOptions": {"user": "root"}, "commandTests": [{"name": "e", "command": "env", "envVars": [{"key": "OWN", "value": "x"}], "excludedOutput": ["OWN"]}]}),
    "capabilities": (True, {"containerRunOptions": {"capabilities": ["NET_ADMIN"]}, "commandTests": [{"name": "c", "command": "grep", "args": ["CapEff", "/proc/self/status"], "expectedOutput": ["CapEff:\\s*\\w+[1357][0-9a-f]{3}\n|CapEff"]}]}),
    "privileged": (True, {"containerRunOptions": {"privileged": True}, "commandTests": [{"name": "c", "command": "touch", "args": ["/srv/new"]}]}),
    "bind mount": (True, {"containerRunOptions": {"bindMounts": ["/etc/os-release:/srv/release:ro"]}, "commandTests": [{"name": "b", "command": "cat", "args": ["/srv/release"], "expectedOutput": ["VERSION"]}]}),
}  # fmt: skip
"""Whole files."""
BROKEN: Final[dict[str, tuple[bool, str]]] = {
    "unknown field": (False, 'schemaVersion: "2.0.0"\nfileExistenceTests:\n- {name: a, path: /srv/plain, permission: x}\n'),
    "given twice": (False, 'schemaVersion: "2.0.0"\nfileExistenceTests:\n- {name: a, path: /srv/plain, path: /srv}\n'),
    "no version": (False, "fileExistenceTests:\n- {name: a, path: /srv/plain}\n"),
    "unknown version": (False, 'schemaVersion: "3.0.0"\nfileExistenceTests:\n- {name: a, path: /srv/plain}\n'),
    "no tests": (False, 'schemaVersion: "2.0.0"\n'),
    "text for a list": (False, 'schemaVersion: "2.0.0"\nmetadataTest:\n  exposedPorts: "8080"\n'),
    "number for a text": (True, "schemaVersion: 2.0.0\nmetadataTest:\n  exposedPorts: [8080]\n  envVars: [{key: NAME, value: value}]\n"),
    "yes for true": (True, "schemaVersion: 2.0.0\nfileExistenceTests:\n- {name: a, path: /srv/plain, shouldExist: yes}\n"),
    "text for a truth": (False, "schemaVersion: 2.0.0\nfileExistenceTests:\n- {name: a, path: /srv/plain, shouldExist: 'yes'}\n"),
    "text for a number": (False, "schemaVersion: 2.0.0\ncommandTests:\n- {name: a, command: 'true', exitCode: '0'}\n"),
    "merge keys": (True, "schemaVersion: 2.0.0\nfileExistenceTests:\n- &a {name: a, path: /srv/none, shouldExist: false}\n- {<<: *a, name: b}\n"),
    "unknown isExecutableBy": (False, "schemaVersion: 2.0.0\nfileExistenceTests:\n- {name: a, path: /srv/script, isExecutableBy: all}\n"),
    "not YAML": (False, "schemaVersion: [2.0.0\n"),
    "nothing": (False, ""),
    "null lists": (True, "schemaVersion: 2.0.0\ncommandTests:\nmetadataTest: {workdir: /srv}\n"),
    "command test without command": (False, "schemaVersion: 2.0.0\ncommandTests:\n- {name: a}\n"),
    "file test without path": (False, "schemaVersion: 2.0.0\nfileContentTests:\n- {name: a}\n"),
    "empty setup": (False, "schemaVersion: 2.0.0\ncommandTests:\n- {name: a, command: 'true', setup: [[]]}\n"),
    "variable without a value": (False, "schemaVersion: 2.0.0\ncommandTests:\n- {name: a, command: 'true', envVars: [{key: A}]}\n"),
}  # fmt: skip
"""Whole files in YAML, which are right or wrong as such."""
JSON: Final[dict[str, tuple[bool, str]]] = {
    "JSON": (True, '{"schemaVersion": "2.0.0", "fileExistenceTests": [{"name": "a", "path": "/srv/plain", "shouldExist": true}]}'),
    "JSON: absent is false": (False, '{"schemaVersion": "2.0.0", "fileExistenceTests": [{"name": "a", "path": "/srv/plain"}]}'),
    "JSON: owner is root": (False, '{"schemaVersion": "2.0.0", "fileExistenceTests": [{"name": "a", "path": "/srv/owned", "shouldExist": true}]}'),
    "JSON: names of any case": (True, '{"SchemaVersion": "2.0.0", "METADATATEST": {"WorkDir": "/srv"}}'),
    "JSON: number for a text": (False, '{"schemaVersion": "2.0.0", "metadataTest": {"exposedPorts": [8080]}}'),
    "JSON: tabs and escapes": (True, '{\t"schemaVersion": "2.0.0",\n\t"commandTests": [{"name": "\\ud83d\\ude00\\/", "command": "true"}]}'),
    "JSON: broken": (False, '{"schemaVersion": "2.0.0",}'),
}  # fmt: skip


_ALONE: Final = frozenset(
    {
        "pattern: look-ahead",
        "pattern: back-reference",
        "pattern: broken and excluded",
        "setup without a program",
    }
)
"""Cases that fail in another way than others do: the file is refused, or the case has another name."""


def large() -> tuple[str, dict[str, bool]]:
    """Return one file with all cases that can stand in one, and their verdicts by the names that reports have."""
    kinds = (
        ("commandTests", "Command Test", COMMANDS),
        ("fileExistenceTests", "File Existence Test", EXISTENCE),
        ("fileContentTests", "File Content Test", CONTENT),
    )
    document: dict[str, Any] = {
        "schemaVersion": "2.0.0",
        "globalEnvVars": [{"key": "GLOBAL", "value": "$NAME-x"}],
    }
    verdicts = {}
    for field, title, cases in kinds:
        document[field] = []
        for name, (verdict, fields) in cases.items():
            if fields.get("name") != "" and name not in _ALONE:
                document[field].append({"name": name, **fields})
                verdicts[f"{title}: {name}"] = verdict
    return json.dumps(document, indent=1), verdicts


def alone() -> dict[str, tuple[bool, str]]:
    """Return the other cases as files, by their names with the ends of files, and their verdicts."""
    found = {}
    version = {"schemaVersion": "2.0.0"}
    for name, (verdict, fields) in COMMANDS.items():
        if fields.get("name") == "" or name in _ALONE:
            found[f"{name}.yaml"] = (
                verdict,
                json.dumps({**version, "commandTests": [{"name": name, **fields}]}),
            )
    for name, (verdict, fields) in METADATA.items():
        found[f"metadata: {name}.yaml"] = verdict, json.dumps({**version, "metadataTest": fields})
    for name, (verdict, fields) in LICENSES.items():
        found[f"license: {name}.yaml"] = verdict, json.dumps({**version, "licenseTests": [fields]})
    for name, (verdict, document) in OPTIONS.items():
        found[f"options: {name}.yaml"] = verdict, json.dumps({**version, **document})
    found |= {f"file: {name}.yaml": row for name, row in BROKEN.items()}
    return found | {f"{name}.json": row for name, row in JSON.items()}


def page() -> str:
    """Return docs/structure-tests.md: each case with what it asks for, and the verdict of both tools."""
    parts = [_HEAD]
    for field, cases in (
        ("commandTests", COMMANDS),
        ("fileExistenceTests", EXISTENCE),
        ("fileContentTests", CONTENT),
        ("metadataTest", METADATA),
        ("licenseTests", LICENSES),
        ("containerRunOptions", OPTIONS),
        ("Whole files in YAML", BROKEN),
        ("Whole files in JSON", JSON),
    ):
        parts.append(
            f"\n## {field}\n\n| case | what is asked | container-structure-test | Hermes |\n| --- | --- | --- | --- |\n"
        )
        for name, (verdict, said) in cases.items():
            text = (
                json.dumps(said, ensure_ascii=False)[1:-1]
                if isinstance(said, dict)
                else json.dumps(said)[1:-1]
            )
            shown = text.replace("|", "\\|").replace("`", "'")
            word = "passes" if verdict else "fails"
            parts.append(f"| {name} | `{shown}` | {word} | {word} |\n")
    return "".join(parts)


_HEAD: Final = """\
# What test files may say

Made by `python -m tests.structures` from the cases of its tests. `tests/interop/test_structures.py` asks container-structure-test
1.19.1 with docker for each verdict, and `tests/integration/test_testing.py` asks Hermes with `writable = True`: each fails where
its tool says something else. Files that a tool refuses count as failing. Where the two differ is in
[testing.md](testing.md#files-of-container-structure-test).

The image has files below `/srv`, a program that ends with 3, users, and settings of each kind. `globalEnvVars` sets GLOBAL for all
commands; `allocateTty` and `envFile`, which the two take differently, are in testing.md.
"""


if __name__ == "__main__":
    Path(__file__).parents[1].joinpath("docs/structure-tests.md").write_text(page())
