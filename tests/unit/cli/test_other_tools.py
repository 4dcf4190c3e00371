"""Commands of docker, podman and buildah: each is there or says what to do instead."""

from __future__ import annotations

import re

import pytest

from hermes.cli.main import _COMMANDS, _means_dockerfile, hermes, status_of
from hermes.cli.other_tools import WAYS

DOCKER = [
    "attach",
    "build",
    "builder",
    "commit",
    "compose",
    "container",
    "cp",
    "create",
    "diff",
    "events",
    "exec",
    "export",
    "history",
    "image",
    "images",
    "import",
    "info",
    "inspect",
    "kill",
    "load",
    "login",
    "logout",
    "logs",
    "manifest",
    "network",
    "node",
    "pause",
    "plugin",
    "port",
    "ps",
    "pull",
    "push",
    "rename",
    "restart",
    "rm",
    "rmi",
    "run",
    "save",
    "search",
    "start",
    "stats",
    "stop",
    "swarm",
    "system",
    "tag",
    "top",
    "unpause",
    "update",
    "version",
    "volume",
    "wait",
]
BUILDAH = [
    "add",
    "bud",
    "build-using-dockerfile",
    "commit",
    "config",
    "containers",
    "copy",
    "from",
    "help",
    "images",
    "info",
    "inspect",
    "login",
    "logout",
    "manifest",
    "mkcw",
    "mount",
    "prune",
    "pull",
    "push",
    "rename",
    "rm",
    "rmi",
    "run",
    "source",
    "tag",
    "umount",
    "unshare",
    "version",
]
SWARM = {"node", "plugin", "secret", "service", "stack", "swarm", "mkcw", "source"}


@pytest.mark.parametrize("name", sorted({*DOCKER, *BUILDAH} - SWARM))
def test_a_command_of_another_tool_is_there_or_says_the_way(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if name in _COMMANDS or name == "build-using-dockerfile":
        return
    assert status_of([name, "x"]) == 2
    _, told = capsys.readouterr()
    assert told.startswith(f"error: there is no command {name!r}\nhint: ")


@pytest.mark.parametrize("name", sorted(WAYS))
def test_the_ways_name_commands_that_there_are(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert name not in _COMMANDS
    for command in re.findall(r"`hermes ([a-z -]+)", WAYS[name]):
        words = []
        group = hermes
        for word in command.split():
            found = group.get_command(None, word) if hasattr(group, "get_command") else None  # type: ignore[arg-type]
            if found is None:
                break
            words.append(word)
            group = found  # type: ignore[assignment]
        assert words or command.startswith("--"), command


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("-t app .", True),
        (". -t app", True),
        ("-tapp .", True),
        ("--tag=app .", True),
        ("-f Dockerfile.dev .", True),
        ("--build-arg A=1 .", True),
        ("//app:image", False),
        ("-q -k //app:image", False),
        ("-o oci:x //app:image", False),
        ("-- -t", False),
        ("", False),
    ],
)
def test_a_build_with_options_of_dockerfiles_is_one_of_a_dockerfile(arguments: str, expected: bool) -> None:
    assert _means_dockerfile(arguments.split()) is expected
