"""``RUN --mount``: where it is mounted, what of it can be executed, and whose a cache is."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from hermes import SecretSource
from hermes.errors import BuildFailed
from tests.integration.test_runtimes import RUNTIMES
from tests.integration.yard import Yard


@RUNTIMES
def test_the_mode_of_a_secret_says_what_can_be_executed(yard: Yard, tmp_path: Path, runtime: str) -> None:
    """As with docker and buildah, and in every runtime the same."""
    (tmp_path / "secret").write_text("#!/bin/sh\necho it ran\n")
    yard.bud(
        "FROM base\nRUN mkdir -m 1777 /o\nRUN --mount=type=secret,id=s,mode=0700 test -x /run/secrets/s && /run/secrets/s > /one\n"
        "USER 33\nRUN --mount=type=secret,id=s,mode=0555,target=/bin/tool tool | tee /o/two\n"
        "RUN --mount=type=secret,id=s ! test -x /run/secrets/s\n",
        secrets=[SecretSource.parse(f"id=s,src={tmp_path}/secret")],
        runtime=runtime,
        tags=["it"],
    )
    assert yard.shown("cat /one /o/two") == "it ran\n" * 2


@RUNTIMES
def test_a_secret_can_be_a_variable_of_the_command(yard: Yard, runtime: str) -> None:
    """As with BuildKit since Dockerfile 1.10: no file unless a target says so, and gone with the command."""
    yard.write("token", "s3cret of the test")
    text = (
        "FROM base\n"
        "RUN --mount=type=secret,id=t,env=TOKEN test \"$TOKEN\" = 's3cret of the 'test && ! test -e /run/secrets/t\n"
        'RUN --mount=type=secret,id=t,env=TOKEN,target=/t test "$TOKEN" = "$(cat /t)"\n'
        'RUN test -z "$TOKEN" && env > /env\n'
    )
    secrets = [SecretSource("t", str(yard.root / "token"))]
    built = yard.bud(text, secrets=secrets, runtime=runtime, tags=["it"])
    assert "TOKEN" not in yard.shown("cat /env")
    assert "s3cret of the test" not in json.dumps(yard.config(built))


def test_a_secret_with_a_zero_byte_is_no_variable(yard: Yard) -> None:
    (yard.root / "token").write_bytes(b"a-secret-\0-with-zero")
    with pytest.raises(BuildFailed, match="has a zero byte"):
        yard.bud(
            "FROM base\nRUN --mount=type=secret,id=t,env=TOKEN true\n",
            secrets=[SecretSource("t", str(yard.root / "token"))],
        )


def test_caches_of_one_id_and_several_owners_are_several(yard: Yard) -> None:
    """As with BuildKit, whose key of a cache has the folder in it that it begins with."""
    mount = "RUN --mount=type=cache,id=c,target=/c"
    text = (
        f"FROM base\nRUN mkdir -m 1777 /o\n{mount},uid=0 mkdir -p /c/d && echo root > /c/f\nUSER 33\n"
        f"{mount},uid=33 mkdir -p /c/d/e && echo web > /c/f\n{mount},uid=33,mode=0700 ! test -e /c/f\n"
        f"USER 0\n{mount} cat /c/f > /root-sees\nUSER 33\n{mount},uid=33 cat /c/f > /o/web-sees\n"
        "USER 0\nRUN --mount=type=cache,id=c,target=/c --mount=type=cache,id=c,uid=33,target=/d cat /?/f > /both\n"
    )
    yard.bud(text, tags=["it"])
    assert yard.shown("cat /root-sees /o/web-sees /both") == "root\nweb\nroot\nweb\n"
    assert sorted(os.listdir(yard.sandbox.home / "caches/c")) == ["0", "0@33-0-0700", "0@33-0-0755"]
    shown = yard.run("cache", "info").stdout
    assert shown.count("cache c:") == 1
    assert yard.run("cache", "clear", "c").returncode == 0
    assert not (yard.sandbox.home / "caches/c").exists()


def test_a_mount_without_a_target_is_at_the_working_directory(yard: Yard) -> None:
    yard.write("a.txt", "a")
    yard.bud(
        "FROM base\nWORKDIR /w\nRUN --mount=type=bind cat a.txt > /one\nRUN --mount=type=cache,id=w pwd > f && ls > /two\n"
        "RUN --mount=type=tmpfs grep ' /w ' /proc/mounts > /three\nRUN ls > /four\n",
        tags=["it"],
    )
    shown = yard.shown("cat /one /two; wc -l < /three; cat /four; ls /w")
    assert shown == "af\n1\n"


@RUNTIMES
def test_what_is_written_to_a_bound_folder_is_forgotten(yard: Yard, runtime: str) -> None:
    """As with BuildKit and buildah: of a stage, of a context, and of a single file; with the modes that files have."""
    yard.write("d/a.txt", "a")
    (yard.root / "d/a.txt").chmod(0o600)
    writes = "echo new > /m/new && echo more >> /m/a.txt && rm -r /m/gone; cat /m/a.txt"
    text = (
        "FROM base AS s\nRUN mkdir -p /d/gone /e && echo s > /d/a.txt && chmod 0640 /d/a.txt && touch /e/f\nFROM base\n"
        f"RUN --mount=from=s,source=/d,target=/m,rw {{ stat -c %a /m/a.txt; {writes}; }} > /one\n"
        "RUN --mount=from=s,source=/d,target=/m ls /m > /two && ! touch /m/x\n"
        "RUN --mount=from=s,source=/d/a.txt,target=/f,rw echo x >> /f && cat /f > /three\n"
        f"RUN --mount=source=d,target=/m,rw {{ stat -c %a /m/a.txt; {writes}; }} > /four\n"
        "RUN --mount=source=d,target=/m ls /m > /five\n"
    )
    yard.bud(text, runtime=runtime, tags=["it"])
    shown = yard.shown("for n in one two three four five; do cat /$n; echo; done; ! ls -d /m /f 2> /err")
    assert shown.split() == ["640", "s", "more", "a.txt", "gone", "s", "x", "600", "amore", "a.txt"]


def test_a_cache_begins_with_the_files_of_a_stage(yard: Yard) -> None:
    """As with BuildKit, where a cache that begins with something else is another one."""
    mount = "RUN --mount=type=cache,id=c,target=/c"
    text = (
        "FROM base AS s\nRUN mkdir -p /d/e && echo TEXT > /d/e/f && ln /d/e/f /d/g && ln -s g /d/l && chown 7:8 /d && chmod 2750 /d\n"
        f"FROM base\n{mount},from=s,source=/d {{ cat /c/e/f /c/l; stat -c '%u:%g %a %h' /c /c/g; }} > /one && echo more >> /c/e/f\n"
        f"{mount},from=s,source=/d cat /c/g > /two && touch /two\n{mount} ls /c > /three\n"
    )
    yard.bud(text.replace("TEXT", "first"), tags=["it"])
    shown = "first\nfirst\n7:8 2750 3\n0:0 644 2\nfirst\nmore\n"
    assert yard.shown("cat /one /two /three") == shown
    yard.bud(text.replace("TEXT", "other"), tags=["it"])
    assert yard.shown("cat /one /two") == shown.replace("first", "other")
    yard.bud(text.replace("TEXT", "first"), use_cache=False, tags=["it"])
    assert yard.shown("cat /one") != shown[: len(yard.shown("cat /one"))], "a cache that is there stays"


@RUNTIMES
def test_a_mount_may_be_in_another_one(yard: Yard, runtime: str) -> None:
    """As with BuildKit: whatever the order, and none of the mount points is in a layer or in the context."""
    yard.write("package/src/index.js", "index")
    text = (
        "FROM base\nWORKDIR /src\n"
        "RUN --mount=type=cache,target=/src/.yarn/cache --mount=type=bind,source=package,target=.,rw "
        "cat src/index.js > .yarn/cache/kept && echo more >> src/index.js && mv src/index.js /seen\n"
        "RUN --mount=type=cache,target=/src --mount=type=tmpfs,target=/src/t --mount=source=package,target=/src/p "
        "cp p/src/index.js t/ && cat t/index.js > kept\n"
        "RUN --mount=type=cache,target=/src/.yarn/cache --mount=type=cache,target=/all,id=/src "
        "cat .yarn/cache/kept /all/kept > /kept\n"
    )
    yard.bud(text, runtime=runtime, tags=["it"])
    assert yard.shown("cat /seen /kept; ls -A /src") == "index" + "more\n" + "index" * 2
    assert not (yard.root / "package/.yarn").exists()


def test_a_mount_point_is_not_made_in_what_is_read_only(yard: Yard) -> None:
    """As with BuildKit, where the runtime says that the file system is read-only."""
    yard.write("package/there/x", "x")
    yard.bud(
        "FROM base\nRUN --mount=source=package,target=/p --mount=type=tmpfs,target=/p/there ! test -e /p/there/x\n"
    )
    with pytest.raises(BuildFailed, match="there is no such folder in what is mounted at /p"):
        yard.bud("FROM base\nRUN --mount=source=package,target=/p --mount=type=tmpfs,target=/p/new true\n")
    linked = "RUN mkdir -p /b /d/e && ln -s /b /d/e/f\n"
    with pytest.raises(BuildFailed, match="/b: a mount there would hide that at /b/c"):
        yard.bud(
            f"FROM base\n{linked}RUN --mount=type=tmpfs,target=/b/c --mount=type=tmpfs,target=/d/e/f true\n"
        )
