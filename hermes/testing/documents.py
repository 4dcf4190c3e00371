"""Files of container-structure-test, schema 2.0.0, in YAML or JSON, as `hermes.testing.suite.Structure`.

Values are taken as the tool takes them: a text may be written as a number, ``yes`` is true (YAML 1.1), and in JSON the
names of fields may have any case, while a test of a file has to say ``shouldExist`` there, and who owns the file. Other than
with the tool a field that nobody knows is an error in JSON, too.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NoReturn, TypeVar

from hermes.errors import BuildFileError, SourceLocation
from hermes.testing.patterns import problem_of
from hermes.testing.suite import (
    ANY_OWNER,
    CommandTest,
    FileContentTest,
    FileExistenceTest,
    LicenseTest,
    MetadataTest,
    RunOptions,
    Structure,
    Variable,
)
from hermes.testing.verdicts import EXECUTABLE_BY

T = TypeVar("T")

_VERSION: Final = "2.0.0"
_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE: Final = frozenset({"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"})
_FALSE: Final = frozenset({"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"})
_INTEGER: Final = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|[0-9]+)(\.0*)?")
_PAIR: Final = re.compile(
    rb"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u[dD][89a-fA-F]..|.)"
)
"""An escape in JSON: two for a character beyond U+FFFF, half of those, or another."""
_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "file": (
        *("schemaVersion", "globalEnvVars", "commandTests", "fileExistenceTests", "fileContentTests"),
        *("metadataTest", "licenseTests", "containerRunOptions"),
    ),
    "variable": ("key", "value", "isRegex"),
    "command test": (
        *("name", "setup", "teardown", "envVars", "exitCode", "command", "args"),
        *("expectedOutput", "excludedOutput", "expectedError", "excludedError"),
    ),
    "file existence test": ("name", "path", "shouldExist", "permissions", "uid", "gid", "isExecutableBy"),
    "file content test": ("name", "path", "expectedContents", "excludedContents"),
    "metadata test": (
        *("envVars", "unboundEnvVars", "exposedPorts", "unexposedPorts", "entrypoint", "cmd"),
        *("workdir", "volumes", "unmountedVolumes", "labels", "user"),
    ),
    "license test": ("debian", "files"),
    "containerRunOptions": (
        *("user", "privileged", "allocateTty", "envVars", "envFile", "capabilities", "bindMounts"),
    ),
}
"""The fields of each kind of mapping."""


def parse(data: bytes, path: str) -> Structure:
    """Return what a file asks for; ``path`` is what errors call it, and its end says whether it is JSON.

    Raises `BuildFileError`, with the place, for anything that container-structure-test would refuse.
    """
    return _Reader(data, path).structure()


class _Reader:
    def __init__(self, data: bytes, path: str) -> None:
        self._path = path
        self._is_json = path.endswith(".json")
        self._lines = data.decode("utf-8", "replace").split("\n")
        self._root = self._composed(data)

    def structure(self) -> Structure:
        fields = self._mapping(self._root, "file")
        version = self._text(fields.get("schemaVersion"))
        if version != _VERSION:
            at = fields.get("schemaVersion") or self._root
            self._refuse(
                at,
                f"unsupported schemaVersion {version!r}" if version else "no schemaVersion",
                f'write schemaVersion: "{_VERSION}"',
            )
        made = Structure(
            env=self._variables(fields.get("globalEnvVars")),
            commands=self._each(fields.get("commandTests"), self._command),
            existence=self._each(fields.get("fileExistenceTests"), self._existence),
            content=self._each(fields.get("fileContentTests"), self._content),
            metadata=self._metadata(fields.get("metadataTest")),
            licenses=self._each(fields.get("licenseTests"), self._license),
            options=self._options(fields.get("containerRunOptions")),
        )
        if not made.titles:
            self._refuse(self._root, "there is no test in the file", "add commandTests or fileExistenceTests")
        return made

    # Parts of a file.

    def _command(self, node: Any) -> CommandTest:
        fields = self._mapping(node, "command test")
        return CommandTest(
            name=self._name(node, fields, "command test"),
            command=self._required(node, fields, "command", "command test"),
            args=self._texts(fields.get("args")),
            setup=self._commands(fields.get("setup")),
            teardown=self._commands(fields.get("teardown")),
            env=self._variables(fields.get("envVars"), values=True),
            exit_code=self._integer(fields.get("exitCode")),
            expected_output=self._patterns(fields.get("expectedOutput")),
            excluded_output=self._patterns(fields.get("excludedOutput")),
            expected_error=self._patterns(fields.get("expectedError")),
            excluded_error=self._patterns(fields.get("excludedError")),
        )

    def _existence(self, node: Any) -> FileExistenceTest:
        fields = self._mapping(node, "file existence test")
        by = self._text(fields.get("isExecutableBy"))
        if by and by not in EXECUTABLE_BY:
            self._refuse(
                fields["isExecutableBy"],
                f"unknown isExecutableBy {by!r}",
                f"write {', '.join(EXECUTABLE_BY)}",
            )
        owner = 0 if self._is_json else ANY_OWNER
        exists = fields.get("shouldExist")
        return FileExistenceTest(
            name=self._name(node, fields, "file existence test"),
            path=self._required(node, fields, "path", "file existence test"),
            should_exist=not self._is_json if exists is None else self._truth(exists),
            permissions=self._text(fields.get("permissions")),
            uid=self._integer(fields.get("uid"), owner),
            gid=self._integer(fields.get("gid"), owner),
            executable_by=by,
        )

    def _content(self, node: Any) -> FileContentTest:
        fields = self._mapping(node, "file content test")
        return FileContentTest(
            name=self._name(node, fields, "file content test"),
            path=self._required(node, fields, "path", "file content test"),
            expected=self._patterns(fields.get("expectedContents")),
            excluded=self._patterns(fields.get("excludedContents")),
        )

    def _metadata(self, node: Any) -> MetadataTest:
        fields = self._mapping(node, "metadata test")
        for name in ("exposedPorts", "volumes"):
            for item in self._items(fields.get(name)):
                if not self._text(item):
                    self._refuse(item, f"an empty text in {name}", "take it out")
        command, entrypoint = fields.get("cmd"), fields.get("entrypoint")
        return MetadataTest(
            env=self._variables(fields.get("envVars")),
            unbound_env=self._variables(fields.get("unboundEnvVars")),
            exposed_ports=self._texts(fields.get("exposedPorts")),
            unexposed_ports=self._texts(fields.get("unexposedPorts")),
            entrypoint=None if self._is_null(entrypoint) else self._texts(entrypoint),
            cmd=None if self._is_null(command) else self._texts(command),
            workdir=self._text(fields.get("workdir")),
            volumes=self._texts(fields.get("volumes")),
            unmounted_volumes=self._texts(fields.get("unmountedVolumes")),
            labels=self._variables(fields.get("labels")),
            user=self._text(fields.get("user")),
        )

    def _license(self, node: Any) -> LicenseTest:
        fields = self._mapping(node, "license test")
        return LicenseTest(self._truth(fields.get("debian")), self._texts(fields.get("files")))

    def _options(self, node: Any) -> RunOptions:
        fields = self._mapping(node, "containerRunOptions")
        return RunOptions(
            user=self._text(fields.get("user")),
            privileged=self._truth(fields.get("privileged")),
            tty=self._truth(fields.get("allocateTty")),
            env=self._texts(fields.get("envVars")),
            env_file=self._text(fields.get("envFile")),
            capabilities=self._texts(fields.get("capabilities")),
            binds=self._texts(fields.get("bindMounts")),
        )

    def _variables(self, node: Any, *, values: bool = False) -> tuple[Variable, ...]:
        return self._each(node, lambda one: self._variable(one, values=values))

    def _variable(self, node: Any, *, values: bool) -> Variable:
        fields = self._mapping(node, "variable")
        key, value = self._text(fields.get("key")), self._text(fields.get("value"))
        if not key:
            self._refuse(fields.get("key") or node, "no key", "give each its key, and its value")
        if values and not value:
            self._refuse(
                fields.get("value") or node, f"no value for {key}", "a variable of a command has one"
            )
        is_regex = self._truth(fields.get("isRegex"))
        if is_regex:
            self._check_pattern(fields["value"], value)
        return Variable(key, value, is_regex)

    def _commands(self, node: Any) -> tuple[tuple[str, ...], ...]:
        found = []
        for item in self._items(node):
            words = self._texts(item)
            if not words:
                self._refuse(item, "an empty command", "take it out, or write the program and its arguments")
            found.append(words)
        return tuple(found)

    def _name(self, node: Any, fields: Mapping[str, Any], kind: str) -> str:
        return self._required(node, fields, "name", kind)

    def _required(self, node: Any, fields: Mapping[str, Any], name: str, kind: str) -> str:
        text = self._text(fields.get(name))
        if not text:
            self._refuse(fields.get(name) or node, f"a {kind} without {name}", f"every {kind} has a {name}")
        return text

    # Values.

    def _mapping(self, node: Any, kind: str) -> dict[str, Any]:
        if self._is_null(node):
            return {}
        if node.id != "mapping":
            self._refuse(node, f"expected a mapping ({kind}), got {_shown(node)}")
        names = {one.lower() if self._is_json else one: one for one in _FIELDS[kind]}
        found: dict[str, Any] = {}
        for key, value in self._pairs(node):
            given = key.value if key.id == "scalar" else ""
            name = names.get(given.lower() if self._is_json else given)
            if name is None:
                near = difflib.get_close_matches(given, _FIELDS[kind], 1)
                hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(_FIELDS[kind])}"
                where = "" if kind == "file" else f" of a {kind}"
                self._refuse(key, f"unknown field {given!r}{where}", hint)
            if name in found:
                self._refuse(key, f"{given!r} is given twice", "keep one of them")
            found[name] = value
        return found

    def _pairs(self, node: Any) -> Iterator[tuple[Any, Any]]:
        """Yield keys and values, those of ``<<`` too where there are no others of these names."""
        own = [(key, value) for key, value in node.value if key.tag != "tag:yaml.org,2002:merge"]
        yield from own
        seen = {key.value for key, _ in own if key.id == "scalar"}
        for key, value in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                for one in value.value if value.id == "sequence" else [value]:
                    if one.id != "mapping":
                        self._refuse(one, f"expected a mapping to merge, got {_shown(one)}")
                    for inner, merged in self._pairs(one):
                        if inner.value not in seen:
                            seen.add(inner.value)
                            yield inner, merged

    def _items(self, node: Any) -> list[Any]:
        if self._is_null(node):
            return []
        if node.id != "sequence":
            self._refuse(
                node, f"expected a list, got {_shown(node)}", 'write ["..."], or a line "- ..." for each'
            )
        found: list[Any] = node.value
        return found

    def _each(self, node: Any, make: Callable[[Any], T]) -> tuple[T, ...]:
        return tuple(map(make, self._items(node)))

    def _texts(self, node: Any) -> tuple[str, ...]:
        return self._each(node, self._text)

    def _patterns(self, node: Any) -> tuple[str, ...]:
        for item in self._items(node):
            self._check_pattern(item, self._text(item))
        return self._texts(node)

    def _check_pattern(self, node: Any, pattern: str) -> None:
        if problem := problem_of(pattern):
            self._refuse(node, f"invalid pattern {pattern!r}: {problem}", "patterns have the syntax of RE2")

    def _text(self, node: Any) -> str:
        if self._is_null(node):
            return ""
        if node.id != "scalar":
            self._refuse(node, f"expected a text, got {_shown(node)}")
        if self._is_json and node.style != '"':
            self._refuse(node, f"expected a text, got {node.value}", "write it in quotes")
        return str(node.value)

    def _integer(self, node: Any, default: int = 0) -> int:
        if self._is_null(node):
            return default
        text = node.value.replace("_", "") if node.id == "scalar" else ""
        match = _INTEGER.fullmatch(text) if node.id == "scalar" and not node.style else None
        if match is None:
            self._refuse(node, f"expected a number, got {_shown(node)}")
        digits = text.partition(".")[0]
        bare = digits.lstrip("+-")
        base = 8 if len(bare) > 1 and bare[0] == "0" and bare[1].isdigit() else 0
        return int(digits, base)

    def _truth(self, node: Any) -> bool:
        if self._is_null(node):
            return False
        if node.id != "scalar" or node.style or node.value not in _TRUE | _FALSE:
            self._refuse(node, f"expected true or false, got {_shown(node)}")
        return node.value in _TRUE

    def _is_null(self, node: Any) -> bool:
        return node is None or (node.id == "scalar" and not node.style and node.value in _NULL)

    # Places.

    def _composed(self, data: bytes) -> Any:
        import yaml

        if self._is_json:
            try:
                json.loads(data)
            except (ValueError, RecursionError) as error:
                line, column = getattr(error, "lineno", 0), getattr(error, "colno", 0)
                self._refuse_at(line, column, f"this is not JSON: {getattr(error, 'msg', error)}")
            data = _PAIR.sub(_joined, data.replace(b"\t", b" "))  # there are no tabs in texts
        try:
            root = yaml.compose(data, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
            self._refuse_at(*place, f"this is not YAML: {error.problem or 'it cannot be parsed'}")
        except (yaml.YAMLError, RecursionError) as error:
            self._refuse_at(0, 0, f"this is not YAML: {error}")
        if root is None:
            self._refuse_at(1, 1, "the file is empty", f'it begins with schemaVersion: "{_VERSION}"')
        return root

    def _refuse(self, node: Any, problem: str, hint: str | None = None) -> NoReturn:
        self._refuse_at(node.start_mark.line + 1, node.start_mark.column + 1, problem, hint)

    def _refuse_at(self, line: int, column: int, problem: str, hint: str | None = None) -> NoReturn:
        text = self._lines[line - 1].rstrip("\r") if 0 < line <= len(self._lines) else ""
        raise BuildFileError(problem, hint=hint, location=SourceLocation(self._path, line, column, text))


def _shown(node: Any) -> str:
    return repr(node.value) if node.id == "scalar" else f"a {node.id}"


def _joined(found: re.Match[bytes]) -> bytes:
    if found[1]:
        both = bytes.fromhex((found[1] + found[2]).decode())
        return both.decode("utf-16-be").encode()
    return b"\\ufffd" if found[0][:3].lower() == b"\\ud" and len(found[0]) == 6 else found[0]
