"""Dockerfiles that are wrong, and commands for them: one message each, and nothing half done."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

import pytest

from hermes.errors import BuildFailed, DockerfileError, UsageError
from tests.integration.yard import Yard, archive

WRONG: list[tuple[str, str]] = [
    ("", "no instructions"),
    ("# only a comment\n", "no instructions"),
    ("FROM base\nRUNN true\n", "did you mean RUN?"),
    ("F\0R\0O\0M\0 \0b\0a\0s\0e\0\n\0", "there is a NUL byte in it"),
    ("FROM base\nRUN echo \0\n", "there is a NUL byte in it"),
    ("FROM base\nCOPY --chwon=1 a.txt /\n", "did you mean --chown?"),
    ("FROM base\nRUN --mount=type=bnd,target=/x true\n", "unknown type 'bnd'"),
    ("FROM base\nRUN --mount=type=bind true\n", "over the whole root"),
    ("FROM base\rRUN true\r", "CR alone"),
    ("# check=foo=bar\nFROM base\n", "invalid check option"),
    ("RUN true\n", "before the first FROM"),
    ("FROM\n", "FROM has no image"),
    ("FROM base extra words here\n", "write FROM IMAGE [AS NAME]"),
    ("FROM nowhere/to/be:found\n", "no image nowhere/to/be:found in the store"),
    ("FROM b AS a\nFROM a AS b\n", "comes later"),
    ("ARG BASE\nFROM $BASE\n", "is empty after expansion"),
    ("ARG BASE\nFROM ${BASE}:1\n", "invalid image name ':1'"),
    ("FROM ${BASE:?needed}\n", "BASE: needed"),
    ("FROM base\nCOPY --from=stage /x /x\n", "no image stage in the store"),
    ("FROM base AS build\nFROM base\nCOPY --from=biuld /x /x\n", "did you mean build?"),
    ("FROM base AS a\nCOPY --from=a /x /x\n", "cannot copy from itself"),
    ("FROM base\nCOPY --from=7 /x /x\n", "no stage 7"),
    ("FROM base\nCOPY --from=$STAGE a.txt /\n", "--from=$STAGE is empty after expansion"),
    ("FROM base\nRUN --mount=from=$STAGE,target=/x true\n", "from= names nothing"),
    ("FROM base\nRUN --mount=type=cache,target=/x,mode=9 true\n", "as 0640"),
    ("FROM base\nCOPY gone.txt /\n", "gone.txt is not in the context"),
    ("FROM base\nCOPY a.tx /\n", "did you mean a.txt?"),
    ("FROM base\nRUN --mount=source=*.none,target=/x true\n", "matches nothing"),
    ("FROM base\nCOPY ../a.txt /\n", "leads out of the context"),
    ("FROM base\nCOPY sub/../../a.txt /\n", "leads out of the context"),
    ("FROM base\nCOPY outside /\n", "which is not in the context"),
    ("FROM base\nCOPY ignored.md /\n", "left out of the context by .dockerignore"),
    ("FROM base\nCOPY hidden /\n", "hidden is left out of the context by .dockerignore"),
    ("FROM base\nCOPY through /\n", "through leads to ignored.md, which is left out of the context"),
    ("FROM base\nCOPY a.txt\n", "has no destination"),
    ("FROM base\nCOPY --chmod=rwx a.txt /\n", "--chmod cannot be"),
    ("FROM base\nCOPY --chmod=u=rw,,g=r a.txt /\n", "--chmod cannot be"),
    ("FROM base\nADD http://127.0.0.1:9/file /\n", "http://127.0.0.1:9/file: "),
    ("FROM base\nADD --checksum=sha256:0 http://127.0.0.1:9/file /\n", "invalid checksum 'sha256:0'"),
    ("FROM base\nADD git://127.0.0.1:9/repo.git /\n", "git://127.0.0.1:9/repo.git: "),
    ("FROM base\nADD http://127.0.0.1:9/r.git?branch=a#b /\n", "two values of its ref"),
    ("FROM base\nADD http://127.0.0.1:9/r.git?depth=1 /\n", "unknown query parameter 'depth'"),
    ("FROM base\nADD http://127.0.0.1:9/r.git?submodules=no /\n", "submodules cannot be 'no'"),
    (f"FROM base\nADD --checksum=sha256:{'0' * 64} http://[::1/file /\n", "invalid URL"),
    ("FROM base\nADD --checksum=abc https://example.org/repo.git /\n", "not a commit"),
    ("FROM base\nEXPOSE ²-³\n", "invalid port range"),
    ("FROM base\nRUN <<EOF\necho\n", "the heredoc 'EOF' has no end"),
    ('FROM base\nRUN ["a", 1]\n', "something else than strings"),
    ("FROM base\nENV A\n", "a name and no value"),
    ("FROM base\nENV A=1 B\n", "has no ="),
    ("FROM base\nLABEL a=${b\n", "no substitution"),
    ("FROM base\nEXPOSE none\n", "is not a port"),
    ("FROM base\nSTOPSIGNAL sigterm!\n", "unknown signal"),
    ("FROM base\nARG s=FOO\nSTOPSIGNAL $s\n", "unknown signal 'FOO'"),
    ("FROM base\nVOLUME /data $NOWHERE\n", "a path of this VOLUME is empty after expansion"),
    ("FROM base\nHEALTHCHECK true\n", "HEALTHCHECK has no"),
    ("FROM base\nONBUILD FROM x\n", "cannot be a trigger"),
    ("FROM base\nSHELL /bin/sh\n", "a list in JSON"),
    ("FROM base\nRUN --security=insecure true\n", "--security=insecure is not supported"),
    ("FROM base\nRUN --device=vendor.com/gpu=all true\n", "--device=vendor.com/gpu=all is not supported"),
    ("FROM base\nRUN --mount=type=cache,target=/c,source=/x true\n", "there is no from="),
    ("FROM base\nRUN --mount=type=cache,target=/c,from=nosuch true\n", "no image nosuch in the store"),
    ("# escape=x\nFROM base\n", "cannot be the escape character"),
]


@pytest.mark.parametrize(("dockerfile", "message"), WRONG)
def test_a_wrong_dockerfile_is_one_message(yard: Yard, dockerfile: str, message: str) -> None:
    yard.write("a.txt", "a")
    yard.write("sub/b.txt", "b")
    yard.write("ignored.md", "")
    yard.write("hidden/some.txt", "")
    yard.write(".dockerignore", "*.md\nhidden\n!sub/*\n")
    (yard.root / "through").symlink_to("ignored.md")
    (yard.root / "outside").symlink_to("/etc/hostname")
    yard.write("Dockerfile", dockerfile)
    with pytest.raises(DockerfileError) as raised:
        yard.bud(tags=["it"])
    shown = str(raised.value)
    assert message in shown
    assert shown.startswith("Dockerfile:")
    if dockerfile and "only a comment" not in dockerfile and "\r" not in dockerfile:
        assert "> " in shown
    assert raised.value.exit_status == 2


FAILING: list[tuple[str, str]] = [
    ("FROM base\nRUN echo before; echo told >&2; exit 7\n", "told"),
    ("FROM base\nRUN no-such-command\n", "127"),
    ('FROM base\nRUN ["/no/such/program"]\n', "no program '/no/such/program'"),
    ("FROM base\nUSER nobody-here\nRUN true\n", "no user 'nobody-here'"),
    ("FROM base\nCOPY --chown=nobody-here a.txt /\n", "no user 'nobody-here'"),
    ("FROM base\nCOPY --chown=4294967296 a.txt /\n", "no valid numeric id"),
    ("FROM base\nCOPY a.txt /bin/busybox/x\n", "a file of the image"),
    ("FROM base\nRUN mkdir /a.txt\nCOPY a.txt /\n", "a folder of the image"),
    ("FROM base AS s\nFROM base\nCOPY --from=s /gone /x\n", "/gone is not there in the stage s"),
    ("FROM base\nRUN --mount=type=secret,id=token,required=true true\n", "needs the secret 'token'"),
    ("FROM base\nCOPY a.txt a.bin /none\n", "onto /none, which is not a folder"),
    ("FROM base\nCOPY a.* /bin/sh\n", "onto /bin/busybox, which is not a folder"),
    ("FROM base\nADD a.txt hiding.tar /none\n", "onto /none, which is not a folder"),
    ("FROM base AS s\nRUN touch /x1 /x2\nFROM base\nCOPY --from=s /x* /none\n", "which is not a folder"),
    ("FROM base AS s\nRUN touch /x1 /x2\nFROM base\nCOPY --from=s /x1 /x2 /none\n", "is not a folder"),
    ("FROM base\nCOPY .wh.x /\n", "cannot begin with .wh."),
    ("FROM base\nADD hiding.tar /\n", "bin/.wh.sh: in a layer a name cannot begin with .wh."),
]


@pytest.mark.parametrize(("dockerfile", "message"), FAILING)
def test_a_failing_line_is_shown(yard: Yard, dockerfile: str, message: str) -> None:
    yard.write("a.txt", "a")
    yard.write("a.bin", "a")
    yard.write(".wh.x", "x")
    archive(yard.root / "hiding.tar", "bin/.wh.sh")
    yard.write("Dockerfile", dockerfile)
    before = sorted(os.listdir(yard.sandbox.home / "trees"))
    done = yard.run("bud", "-t", "it", ".")
    assert done.returncode == 1
    assert done.stdout == ""
    assert message in done.stderr
    number = len(dockerfile.splitlines())
    assert f"error: Dockerfile:{number}" in done.stderr
    assert f"> {number} | {dockerfile.splitlines()[-1]}" in done.stderr
    assert "Traceback" not in done.stderr
    assert yard.run("run", "it").returncode == 2
    assert os.listdir(yard.sandbox.home / "tmp") == []
    assert len(os.listdir(yard.sandbox.home / "trees")) <= len(before) + 3


def test_a_failing_command_says_what_it_was_and_how_it_ended(yard: Yard) -> None:
    done = yard.run("bud", "-f", "-", ".", input="FROM base\nRUN echo one; \\\n    exit 7\n")
    assert "command: echo one;     exit 7" in done.stderr
    assert "ended with status 7" in done.stderr
    assert "last output:\n  one\n" in done.stderr


def test_what_the_command_line_cannot_mean(yard: Yard) -> None:
    yard.write("Dockerfile", "FROM base AS one\n")
    cases: list[tuple[Callable[[], object], str]] = [
        (lambda: yard.bud(target="oen"), "did you mean one?"),
        (lambda: yard.bud(file="gone"), "name the Dockerfile with -f"),
        (lambda: yard.bud(tags=["Not A Name"]), "invalid image name"),
        (lambda: yard.bud(contexts={"x": "/no/such/folder"}), "no such folder"),
        (lambda: yard.bud(ignore_file="gone"), "the ignore file gone"),
        (lambda: yard.bud(platform="linux"), "linux"),
    ]
    for build, message in cases:
        with pytest.raises(UsageError) as raised:
            build()
        assert message in str(raised.value)
    yard.bud(arguments={"UNUSED": "x"})
    assert any("no ARG names the build argument UNUSED" in one for one in yard.said)


def test_a_socket_cannot_be_copied_by_name(yard: Yard) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(yard.root / "sock"))
        with pytest.raises(DockerfileError, match="sock is a socket"):
            yard.bud("FROM base\nCOPY sock /x/\n")
        yard.bud("FROM base\nCOPY . /x/\n", tags=["it"])
    assert "sock" not in yard.shown("ls /x")


def test_errors_are_not_as_long_as_what_is_wrong(yard: Yard) -> None:
    with pytest.raises(BuildFailed) as caught:
        yard.bud("FROM base\nRUN seq 1 300000 | tr '\\n' x; exit 3\n")
    assert len(caught.value.render()) < 5000
    with pytest.raises(BuildFailed) as caught:
        yard.bud(f"FROM base\nRUN : {'a' * 200_000}\n")
    text = caught.value.render()
    assert "an argument of more than 128 KiB" in text
    assert len(text) < 5000


def test_an_ignore_file_that_is_no_file(yard: Yard) -> None:
    os.mkfifo(yard.root / ".dockerignore")
    with pytest.raises(UsageError, match="is not a regular file"):
        yard.bud("FROM base\n")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--iidfile", "none/x", "."], "--iidfile none/x cannot be written"),
        (["--iidfile", ".", "."], "--iidfile . cannot be written"),
        ([""], "the context has an empty name"),
        (["--runtime", "foo", "."], "foo"),
        (["--timestamp", "99999999999999", "."], "--timestamp"),
    ],
)
def test_options_that_are_wrong_build_nothing(yard: Yard, arguments: list[str], problem: str) -> None:
    yard.write("Dockerfile", "FROM base\nLABEL a=b\n")
    done = yard.run("bud", "-t", "it", "--pull=never", *arguments)
    assert (done.returncode, problem in done.stderr) == (2, True), done.stderr
    assert yard.run("inspect", "it").returncode != 0


def test_a_digit_of_another_script_is_no_user(yard: Yard) -> None:
    for line in ("USER ²\nRUN true", "COPY --chown=² --from=base /bin/sh /x"):
        with pytest.raises(BuildFailed, match="Dockerfile"):
            yard.bud(f"FROM base\n{line}\n")
