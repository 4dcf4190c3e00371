"""What decides a test: given what was seen of an image, what is wrong with it. The words are container-structure-test's."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from hermes.testing.patterns import found, problem_of
from hermes.testing.suite import (
    ANY_OWNER,
    CommandTest,
    FileContentTest,
    FileExistenceTest,
    MetadataTest,
    Variable,
)

_LONGEST: Final = 2000
_BITS: Final = {"any": 0o111, "owner": 0o100, "group": 0o010, "other": 0o001}
_ALLOWED_PACKAGES: Final = frozenset({"libgnutls30"})
_REFUSED: Final = ("AGPL", "WTFPL")


class Seen(NamedTuple):
    """What is at a path: its ``st_mode`` and owners."""

    mode: int
    uid: int
    gid: int


def of_command(test: CommandTest, stdout: str, stderr: str, status: int) -> Iterator[str]:
    """Yield what is wrong with what a command printed and how it ended."""
    yield from _texts(test.expected_error, test.excluded_error, stderr, "error")
    yield from _texts(test.expected_output, test.excluded_output, stdout, "output")
    if status != test.exit_code:
        yield f"exited with status {status}, expected {test.exit_code}"


def of_content(test: FileContentTest, content: str) -> Iterator[str]:
    """Yield what is wrong with what a file holds."""
    yield from _texts(test.expected, test.excluded, content, "file content")


def of_existence(test: FileExistenceTest, seen: Seen | None) -> Iterator[str]:
    """Yield what is wrong with what is at a path (None: nothing)."""
    if seen is None:
        if test.should_exist:
            yield f"{test.path} should exist but does not"
        return
    if not test.should_exist:
        yield f"{test.path} should not exist but does"
        return
    mode = mode_text(seen.mode)
    if test.permissions and test.permissions != mode:
        yield f"{test.path} has the permissions {mode}, expected {test.permissions}"
    if test.executable_by and not seen.mode & _BITS[test.executable_by]:
        yield f"{test.path} should be executable by {test.executable_by} but is {mode}"
    for what, actual, expected in (("user", seen.uid, test.uid), ("group", seen.gid, test.gid)):
        if expected not in (ANY_OWNER, actual):
            yield f"{test.path} has the {what} id {actual}, expected {expected}"


EXECUTABLE_BY: Final = tuple(_BITS)
"""What ``isExecutableBy`` may say."""


def of_metadata(test: MetadataTest, config: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the configuration of an image; ``config`` is that object of image-spec, config.md."""
    env = dict(variables(config))
    yield from _pairs("variable", test.env, env)
    yield from (f"the variable {one.key} should not be set" for one in test.unbound_env if one.key in env)
    yield from _pairs("label", test.labels, config.get("Labels") or {})
    for what, expected, name in (("cmd", test.cmd, "Cmd"), ("entrypoint", test.entrypoint, "Entrypoint")):
        actual = config.get(name) or []
        if expected is not None and list(expected) != list(actual):
            yield f"the {what} is {actual}, expected {list(expected)}"
    for what, text, name in (("workdir", test.workdir, "WorkingDir"), ("user", test.user, "User")):
        actual = config.get(name) or ""
        if text not in ("", actual):
            yield f"the {what} is {actual!r}, expected {text!r}"
    ports = {one.partition("/")[0] for one in config.get("ExposedPorts") or {}}
    volumes = set(config.get("Volumes") or {})
    for what, there, wanted, unwanted in (
        ("port", ports, test.exposed_ports, test.unexposed_ports),
        ("volume", volumes, test.volumes, test.unmounted_volumes),
    ):
        yield from (f"the {what} {one} is not in the configuration" for one in wanted if one not in there)
        yield from (
            f"the {what} {one} should not be in the configuration" for one in unwanted if one in there
        )


def of_license(path: str, content: str) -> Iterator[str]:
    """Yield which refused licenses a file names; the first one only."""
    upper = content.upper()
    if name := next((one for one in _REFUSED if one in upper), ""):
        yield f"{path} names the license {name}, which is refused"


def needs_license(package: str) -> bool:
    """Tell whether the license of a package of Debian is looked at."""
    return package not in _ALLOWED_PACKAGES


def variables(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the variables of an image's configuration."""
    for one in config.get("Env") or ():
        name, _, value = one.partition("=")
        yield name, value


def mode_text(mode: int) -> str:
    """Return an ``st_mode`` as Go's ``FileMode`` is written, such as ``dtrwxrwxrwx``; see io/fs.FileMode."""
    kinds = (
        ("d", stat.S_ISDIR(mode)),
        ("L", stat.S_ISLNK(mode)),
        ("D", stat.S_ISBLK(mode) or stat.S_ISCHR(mode)),
        ("p", stat.S_ISFIFO(mode)),
        ("S", stat.S_ISSOCK(mode)),
        ("u", bool(mode & stat.S_ISUID)),
        ("g", bool(mode & stat.S_ISGID)),
        ("c", stat.S_ISCHR(mode)),
        ("t", bool(mode & stat.S_ISVTX)),
    )
    kind = "".join(letter for letter, is_so in kinds if is_so)
    return (kind or "-") + "".join(
        letter if mode & (0o400 >> number) else "-" for number, letter in enumerate("rwxrwxrwx")
    )


def _pairs(what: str, expected: Iterable[Variable], actual: Mapping[str, str]) -> Iterator[str]:
    for one in expected:
        if one.key not in actual:
            yield f"the {what} {one.key} is not set"
        elif one.is_regex:
            if problem := problem_of(one.value):
                yield f"invalid pattern {one.value!r}: {problem}"
            elif not found(one.value, actual[one.key]):
                yield f"the {what} {one.key} is {actual[one.key]!r}, which does not match {one.value!r}"
        elif one.value != actual[one.key]:
            yield f"the {what} {one.key} is {actual[one.key]!r}, expected {one.value!r}"


def _texts(expected: Sequence[str], excluded: Sequence[str], text: str, where: str) -> Iterator[str]:
    for pattern, wanted in (*((one, True) for one in expected), *((one, False) for one in excluded)):
        if problem := problem_of(pattern):
            yield f"invalid pattern {pattern!r}: {problem}"
        elif found(pattern, text) != wanted:
            said = "expected string" if wanted else "excluded string"
            yield f"{said} {pattern!r} {'not ' if wanted else ''}found in {where}{_shown(text)}"


def texts(expected: Sequence[str], excluded: Sequence[str], text: str, where: str) -> Iterator[str]:
    """Yield which patterns a text should match and does not, or the other way round."""
    return _texts(expected, excluded, text, where)


def _shown(text: str) -> str:
    if not text:
        return ", which is empty"
    return f" {text!r}" if len(text) <= _LONGEST else f" {text[:_LONGEST]!r}... ({len(text)} characters)"
