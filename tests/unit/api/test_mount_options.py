"""What ``--mount`` and its like mean, and what they cannot mean."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hermes.api.mount_options import NO_MOUNTS, Mounts, parse_mount, parse_tmpfs, together
from hermes.container.mount_values import Bound, Cache, Tmpfs
from hermes.container.task import Secret
from hermes.errors import UsageError
from hermes.store.caches import Sharing

GOOD = {
    "type=bind,src={0},dst=/x": Mounts(bound=(Bound("/x", "{0}", writable=True),)),
    "source={0},target=/x/,readonly": Mounts(bound=(Bound("/x", "{0}", writable=False),)),
    "type=bind,src={0},destination=/x,rw=false": Mounts(bound=(Bound("/x", "{0}", writable=False),)),
    "type=tmpfs,dst=/x": Mounts(tmpfs=(Tmpfs("/x"),)),
    "type=tmpfs,dst=/x,tmpfs-size=2M,mode=700": Mounts(tmpfs=(Tmpfs("/x", 2 << 20, 0o700),)),
    "type=cache,dst=/root/.cache": Mounts(caches=(Cache("root_.cache", "/root/.cache"),)),
    "type=cache,id=a,dst=/x,sharing=locked,mode=0700,uid=5,gid=6": Mounts(
        caches=(Cache("a", "/x", Sharing.LOCKED, 0o700, 5, 6),)
    ),
    "type=secret,id=a": Mounts(secrets=(Secret("a"),)),
    "type=secret,id=a,dst=/x,mode=0440,uid=5": Mounts(secrets=(Secret("a", "/x", mode=0o440, uid=5),)),
}
BAD = {
    "type=bnd,dst=/x": "unknown type 'bnd'",
    "type=bind,dst=/x": "does not say what is mounted",
    "type=bind,src=/nowhere/at/all,dst=/x": "does not exist",
    "type=tmpfs": "the target is missing",
    "type=tmpfs,dst=x": "expected an absolute path",
    "type=tmpfs,dst=/x,size=much": "invalid size",
    "type=tmpfs,dst=/x,src=/y": "a mount of type tmpfs has no 'source'",
    "type=cache,dst=/x,sharing=maybe": "sharing cannot be 'maybe'",
    "type=cache,dst=/x,mode=8": "mode cannot be '8'",
    "type=secret": "does not say which secret",
    "type=ssh": "unknown type 'ssh'",
    "src=/,dst=/x,from=image": "a mount from an image is for RUN alone",
    "nonsense": "expected NAME=VALUE",
    "src=/,dst=/x,ro=perhaps": "ro cannot be 'perhaps'",
}


@pytest.mark.parametrize("text", GOOD)
def test_what_is_mounted(tmp_path: Path, text: str) -> None:
    expected = GOOD[text]
    bound = tuple(Bound(one.target, str(tmp_path), one.writable) for one in expected.bound)
    assert parse_mount(text.format(tmp_path)) == Mounts(
        bound, expected.tmpfs, expected.caches, expected.secrets
    )


@pytest.mark.parametrize("text", BAD)
def test_what_cannot_be_mounted(text: str) -> None:
    with pytest.raises(UsageError, match=re.escape(BAD[text])):
        parse_mount(text)


def test_a_tmpfs_alone() -> None:
    assert parse_tmpfs("/x:size=64k,mode=755") == parse_mount("type=tmpfs,dst=/x,size=64k,mode=755")
    assert parse_tmpfs("/x") == parse_mount("type=tmpfs,dst=/x")


def test_secrets_get_their_values() -> None:
    found = parse_mount("type=secret,id=a,dst=/x").with_values({"a": b"1", "b": b"2"})
    assert found.secrets == (Secret("a", "/x", b"1"), Secret("b", "", b"2"))
    with pytest.raises(UsageError, match="'a' is mounted, and was not given"):
        parse_mount("type=secret,id=a").with_values({})


def test_several_are_added_up() -> None:
    assert together([]) == NO_MOUNTS
    both = together([parse_tmpfs("/x"), parse_tmpfs("/y")])
    assert [one.target for one in both.tmpfs] == ["/x", "/y"]
