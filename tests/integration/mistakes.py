"""Common mistakes: the files that make them, and the command line that meets them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LAYER = 'files_layer(name = "layer", files = {"/f": "f.txt"})\n'
IMAGE = 'image(name = "image", layers = [":layer"])\n'
SH = "FROM scratch AS build\nCOPY busybox /bin/sh\n"
"""A base with a shell; `busybox` is put into the context."""


@dataclass(frozen=True)
class Mistake:
    """``files`` are written into an empty workspace; ``{registry}`` in them and in the command is a registry's host.

    The message must have ``what``, ``where`` and ``to_do`` in it.
    """

    title: str
    command: str
    files: Mapping[str, str]
    what: str
    where: str
    to_do: str
    workspace: bool = True


def build(
    title: str, text: str, what: str, where: str, to_do: str, command: str = "build //app:image"
) -> Mistake:
    """A mistake in app/BUILD."""
    return Mistake(title, command, {"app/BUILD": text, "app/f.txt": "f"}, what, where, to_do)


def dockerfile(
    title: str, text: str, what: str, where: str, to_do: str, command: str = "bud .", **files: str
) -> Mistake:
    """A mistake in a Dockerfile."""
    return Mistake(title, command, {"Dockerfile": text, "app.py": "x", **files}, what, where, to_do)


MISTAKES = (
    build(
        "a target's name",
        LAYER + IMAGE,
        "has no target or file 'imge'",
        "//app",
        "did you mean",
        "build //app:imge",
    ),
    build(
        "a package's name",
        LAYER + IMAGE,
        "there is no package //ap",
        "//ap",
        "did you mean 'app'",
        "build //ap:image",
    ),
    build(
        "an attribute",
        LAYER + 'image(name = "image", layer = [":layer"])\n',
        "'layer'",
        "app/BUILD:2:23",
        "did you mean 'layers'",
    ),
    build("a rule", LAYER + 'imgae(name = "image")\n', "imgae", "app/BUILD:2:1", "did you mean 'image'"),
    build(
        "a file to load",
        'load("//app:defs.bzl", "x")\n',
        "//app has no file 'defs.bzl'",
        "app/BUILD:1:1",
        "it has no .bzl files",
    ),
    build(
        "a rule file's name to load",
        'load("@hermes//rules:debian.bzl", "apt_layers")\n',
        "apt_layers",
        "app/BUILD:1:",
        "did you mean",
    ),
    build(
        "a string where a dictionary belongs",
        LAYER + 'image(name = "image", layers = [":layer"], env = "A=1")\n',
        "env",
        "app/BUILD:2:44",
        "dict",
    ),
    build(
        "a file that is not there",
        'files_layer(name = "image", files = {"/f": "g.txt"})\n',
        "g.txt",
        "app/BUILD:1",
        "f.txt",
    ),
    build(
        "a dependency that is not there",
        LAYER + 'image(name = "image", layers = [":layr"])\n',
        "has no target or file 'layr'",
        "app/BUILD:2",
        "did you mean",
    ),
    build(
        "a dependency cycle",
        'filegroup(name = "a", srcs = [":b"])\nfilegroup(name = "b", srcs = [":a"])\n',
        "dependency cycle",
        "//app:a -> //app:b -> //app:a",
        "hint",
        "build //app:a",
    ),
    build(
        "a missing parenthesis",
        LAYER + 'image(name = "image"\n',
        "'(' was never closed",
        "app/BUILD:2:6",
        "close it with ')'",
    ),
    build(
        "a name that is not defined",
        'image(name = "image", cmd = [PROGRAM])\n',
        "the name 'PROGRAM' is not defined",
        "app/BUILD:1:30",
        "put quotes around a string",
    ),
    Mistake(
        "a target that may not be used here",
        "build //app:image",
        {
            "app/BUILD": 'image(name = "image", layers = ["//lib:layer"])\n',
            "lib/BUILD": LAYER,
            "lib/f.txt": "",
        },
        "may not use //lib:layer, which is private to //lib",
        "app/BUILD:1",
        "add visibility = ",
    ),
    build(
        "a select() without a case",
        'config_setting(name = "on", values = {"mode": "on"})\nimage(name = "image", cmd = select({":on": ["x"]}))\n',
        "none of the conditions //app:on holds",
        "app/BUILD:2:23",
        'add one, or "//conditions:default"',
    ),
    Mistake(
        "a workspace that is not there",
        "build //...",
        {},
        "there is no workspace",
        "",
        "hermes.yaml",
        workspace=False,
    ),
    Mistake(
        "an image that is not there",
        "run nosuch",
        {},
        "there is no image nosuch:latest",
        "in the store",
        "hermes pull nosuch",
        workspace=False,
    ),
    dockerfile("an instruction", "FROM scratch\nRUNN x\n", "RUNN", "Dockerfile:2", "RUN"),
    Mistake("a context without a Dockerfile", "bud .", {"x": ""}, "Dockerfile", "", "-f"),
    Mistake(
        "a folder for a Dockerfile",
        "bud -f docker .",
        {"docker/Dockerfile": "FROM scratch"},
        "Is a directory",
        "docker",
        "-f docker/Dockerfile",
    ),
    dockerfile(
        "a variable without a value in FROM",
        "ARG VERSION\nFROM debian:${VERSION}\n",
        "$VERSION has no value",
        "Dockerfile:2",
        "--build-arg VERSION=",
    ),
    dockerfile(
        "a stage to copy from",
        "FROM scratch AS build\nCOPY app.py /\nFROM scratch\nCOPY --from=biuld /app.py /\n",
        "there is no image biuld",
        "Dockerfile:4",
        "did you mean build",
    ),
    dockerfile(
        "a stage to build",
        "FROM scratch AS build\nCOPY app.py /\n",
        "biuld",
        "Dockerfile",
        "did you mean",
        "bud --target biuld .",
    ),
    dockerfile(
        "a source of COPY", "FROM scratch\nCOPY ap.py /\n", "ap.py", "Dockerfile:2", "did you mean app.py"
    ),
    dockerfile(
        "a source that .dockerignore leaves out",
        "FROM scratch\nCOPY app.py /\n",
        "app.py is left out of the context",
        "Dockerfile:2",
        "take it in again with !app.py",
        **{".dockerignore": "*.py\n"},
    ),
    dockerfile(
        "a flag of an instruction",
        "FROM scratch\nCOPY --chwon=1 app.py /\n",
        "chwon",
        "Dockerfile:2",
        "--chown",
    ),
    dockerfile(
        "a command that fails", SH + "RUN echo no luck; exit 3\n", "status 3", "Dockerfile:3", "no luck"
    ),
    dockerfile(
        "a program that is not there",
        SH + "RUN pyhton app.py\n",
        "pyhton: not found",
        "Dockerfile:3",
        "pyhton is not on PATH in this image",
    ),
    dockerfile(
        "a port", "FROM scratch\nEXPOSE 80a\n", "'80a' is not a port", "Dockerfile:2", "write 8080 or 53/udp"
    ),
    dockerfile(
        "a platform",
        "FROM scratch\nCOPY app.py /\n",
        "linux/amd46",
        "",
        "did you mean amd64",
        "bud --platform linux/amd46 .",
    ),
    Mistake(
        "a field of a test",
        "test //app:test",
        {
            "app/BUILD": LAYER
            + IMAGE
            + 'image_test(name = "test", image = ":image", config = ["test.yaml"])\n',
            "app/f.txt": "f",
            "app/test.yaml": "schemaVersion: 2.0.0\nfileExistenceTests:\n- name: f\n  path: /f\n  permission: -rw-r--r--\n",
        },
        "unknown field 'permission' of a file existence test",
        "app/test.yaml:5:3",
        "did you mean 'permissions'?",
    ),
    Mistake(
        "a registry that is away",
        "pull 127.0.0.1:1/app:v1",
        {},
        "cannot be reached",
        "127.0.0.1:1",
        "check its name, the network and the proxy settings",
    ),
    Mistake("a tag that is not there", "pull {registry}/team/app:v2", {}, "team/app:v2", "", "tag"),
    Mistake(
        "a key of a compose file",
        "bud --compose compose.yaml",
        {"compose.yaml": "services:\n  web:\n    build:\n      contxt: .\n"},
        "contxt",
        "compose.yaml:4",
        "did you mean context",
    ),
    Mistake(
        "a cycle of bake targets",
        "bud --bake docker-bake.hcl a",
        {"docker-bake.hcl": 'target "a" { inherits = ["b"] }\ntarget "b" { inherits = ["a"] }\n'},
        "inheritance cycle of targets: a -> b -> a",
        "docker-bake.hcl:1:1",
        "take one of them out of inherits",
    ),
)
