"""The syntax of mounts, and that all who write mounts have it: RUN, the command line and BUILD files.

What is right was asked of ``docker run`` 20.10 (which parses before it looks for its daemon) and is in BuildKit's
frontend/dockerfile/instructions/commands_runmount.go; modes beyond 7777 are refused here and would be cut by the kernel.
"""

from __future__ import annotations

import ast
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.actions.specs.run import Run
from hermes.actions.specs.spec import Ref, of_action
from hermes.api.mount_options import parse_mount, parse_tmpfs
from hermes.container.mount_bounds import LARGEST_ID, LARGEST_MODE, LARGEST_SIZE, parse_size
from hermes.container.mount_syntax import (
    AgentUse,
    Bind,
    Dialect,
    Mount,
    SecretUse,
    SeededCache,
    parse,
    to_text,
)
from hermes.container.mount_values import AgentMount, Cache, SecretMount, Tmpfs
from hermes.dockerfile.context import Context
from hermes.dockerfile.files import FolderFiles
from hermes.dockerfile.options import Options
from hermes.dockerfile.parse import parse as parse_dockerfile
from hermes.dockerfile.translate import translate
from hermes.dsl.attributes import KINDS
from hermes.dsl.dialect.values import EvalError
from hermes.dsl.mounts import CacheMount, TmpfsMount, mount_functions
from hermes.dsl.mounts import SecretMount as DslSecret
from hermes.errors import DockerfileError, HermesError, UsageError
from hermes.graph.label import Label
from hermes.store.caches import Sharing
from tests.unit.dockerfile.graphs import PLATFORM, KnownBases, make_context
from tests.unit.dockerfile.test_migrate import written

BELOW = Dialect(workdir="/w")
ALONE = Dialect()

GOOD: list[tuple[str, Mount]] = [
    ("target=/a", Bind("/a")),
    ("type=bind,src=x,dst=b", Bind("/w/b", "x")),
    ("source=/s,target=/x/,readonly", Bind("/x", "/s", writable=False)),
    ("target=/a,readwrite", Bind("/a", writable=True)),
    ("target=/a,ro=F", Bind("/a", writable=True)),
    ("target=/a,rw=0", Bind("/a", writable=False)),
    ("", Bind("/w")),
    ("type=bind", Bind("/w")),
    ("type=bind,target=", Bind("/w")),
    ("type=cache", Cache("w", "/w")),
    ("type=cache,id=c", Cache("c", "/w")),
    ("type=tmpfs", Tmpfs("/w")),
    ("target=/a,from=", Bind("/a", origin="")),
    ("target=/a,from=stage", Bind("/a", origin="stage")),
    ('type=bind,"src=/a,b",dst=/x', Bind("/x", "/a,b")),
    ('"src=/a ""b""",dst=/x', Bind("/x", '/a "b"')),
    ("TYPE=BIND,SRC=/a,DST=/x", Bind("/x", "/a")),
    ("dst=/x,dst=/y", Bind("/y")),
    ("dst=//x/../y", Bind("/y")),
    ("type=cache,target=/root/.cache", Cache("root_.cache", "/root/.cache")),
    ("type=cache,id=/a/b,target=/c", Cache("a_b", "/c")),
    ("type=cache,id=c,target=/c,sharing=locked", Cache("c", "/c", Sharing.LOCKED)),
    ("type=cache,id=c,target=/c,mode=0700,uid=5,gid=6", Cache("c", "/c", mode=0o700, uid=5, gid=6)),
    ("type=cache,id=c,target=/c,uid=4294967294", Cache("c", "/c", uid=LARGEST_ID)),
    ("type=cache,id=c,target=/c,ro", Cache("c", "/c", readonly=True)),
    ("type=cache,id=c,target=/c,rw=false", Cache("c", "/c", readonly=True)),
    ("type=cache,id=c,target=/c,readonly=false", Cache("c", "/c")),
    ("type=tmpfs,dst=/x", Tmpfs("/x")),
    ("type=tmpfs,dst=/x,size=64m,mode=700", Tmpfs("/x", 64 << 20, 0o700)),
    ("type=tmpfs,dst=/x,tmpfs-size=1t,tmpfs-mode=1777", Tmpfs("/x", 1 << 40)),
    ("type=secret,id=s", SecretUse(SecretMount("s"))),
    ("type=secret,target=/run/s", SecretUse(SecretMount("s", "/run/s"))),
    ("type=secret,source=s", SecretUse(SecretMount("s"))),
    ("type=secret,id=s,env=S", SecretUse(SecretMount("s", env="S"))),
    ("type=secret,env=TOKEN,target=/t", SecretUse(SecretMount("t", "/t", env="TOKEN"))),
    ("type=secret,env=TOKEN", SecretUse(SecretMount("TOKEN", env="TOKEN"))),
    ("type=secret,id=s,required", SecretUse(SecretMount("s"), required=True)),
    ("type=secret,id=s,required=false", SecretUse(SecretMount("s"), required=False)),
    ("type=secret,id=s,mode=0440,uid=1,gid=2", SecretUse(SecretMount("s", "", 0o440, 1, 2))),
    ("type=ssh", AgentUse(AgentMount("default", ""))),
    ("type=ssh,id=k,target=/a,mode=0666,uid=3,gid=4", AgentUse(AgentMount("k", "/a", 0o666, 3, 4))),
]

BAD: list[tuple[str, str]] = [
    ("type=bnd,dst=/x", "unknown type 'bnd'"),
    ("target=/", "over the whole root"),
    ("target=/x/..", "over the whole root"),
    ("target", "expected NAME=VALUE, got 'target'"),
    ('"src=/a"b,dst=/x', "invalid quotes"),
    ("target=/a,rw=maybe", "rw cannot be 'maybe'"),
    ("type=secret", "does not say which secret"),
    ("type=secret,id=s,env=A-B", "env cannot be 'A-B'"),
    ("type=cache,target=/c,from=x", "a cache here begins empty"),
    ("type=cache,target=/c,sharing=all", "sharing cannot be 'all'"),
    ("type=cache,target=/c,required", "a mount of type cache has no 'required'"),
    ("type=tmpfs,target=/t,source=x", "a mount of type tmpfs has no 'source'"),
    ("type=bind,target=/t,uid=5", "a mount of type bind has no 'uid'"),
    *(
        (f"type={kind},target=/x,{name}={text}", f"{name} cannot be '{text}'")
        for kind in ("cache", "secret", "ssh")
        for name in ("uid", "gid")
        for text in ("-5", "99999999999", "4294967295", "0x5", "1_0", "", "+1", "root", "٣")
    ),
    *(
        (f"type={kind},target=/x,mode={text}", f"mode cannot be '{text}'")
        for kind in ("cache", "secret", "ssh", "tmpfs")
        for text in ("77777777", "7777777", "10000", "0o17", "8", "-7", "", "1_7", "u+x")
    ),
    *(
        (f"type=tmpfs,target=/x,size={text}", f"invalid size '{text}'")
        for text in ("much", "-1", "", "1x", "1ee", "9999999p", "nan", "1e3", "9" * 30, "9" * 300)
    ),
]


@pytest.mark.parametrize(("text", "mount"), GOOD)
def test_what_a_mount_is(text: str, mount: Mount) -> None:
    assert parse(text, BELOW) == mount


@pytest.mark.parametrize(("text", "problem"), BAD)
def test_what_no_mount_can_be(text: str, problem: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse(text, BELOW)
    assert problem in raised.value.message
    assert raised.value.hint


def test_without_a_working_folder_a_target_is_absolute() -> None:
    with pytest.raises(UsageError, match="expected an absolute path, got 'x'"):
        parse("target=x", ALONE)


@pytest.mark.parametrize("text", ["", "type=bind", "type=cache", "type=tmpfs,target="])
def test_a_mount_without_a_working_directory_says_where_it_is(text: str) -> None:
    with pytest.raises(UsageError, match="the target is missing"):
        parse(text, ALONE)
    with pytest.raises(UsageError, match="over the whole root"):
        parse(text, Dialect(workdir="/"))


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("5", 5),
        ("5b", 5),
        ("1k", 1 << 10),
        ("1kb", 1 << 10),
        ("64MiB", 64 << 20),
        ("1.5g", 3 << 29),
        ("1T", 1 << 40),
        (str(LARGEST_SIZE), LARGEST_SIZE),
    ],
)
def test_sizes_are_those_of_docker(text: str, size: int) -> None:
    assert parse_size(text) == size


IDS = st.integers(0, LARGEST_ID)
MODES = st.integers(0, LARGEST_MODE)
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=8)
TARGETS = WORDS.filter(lambda one: one not in (".", "..")).map(lambda one: f"/{one}")
NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,9}", fullmatch=True)
FLAGS = st.none() | st.booleans()
CACHES = st.builds(
    Cache, NAMES, TARGETS, st.sampled_from(Sharing), MODES, IDS, IDS, st.booleans(), st.just("")
)
MOUNTS: st.SearchStrategy[Mount] = st.one_of(
    st.builds(Bind, TARGETS, st.just("") | WORDS, st.none() | st.just("") | WORDS, FLAGS),
    CACHES,
    st.builds(SeededCache, CACHES, WORDS, st.just("") | WORDS),
    st.builds(Tmpfs, TARGETS, st.integers(0, LARGEST_SIZE), MODES),
    st.builds(
        SecretUse,
        st.builds(
            SecretMount,
            WORDS,
            st.just("") | TARGETS,
            MODES,
            st.none() | IDS,
            st.none() | IDS,
            st.sampled_from(["", "A", "_b9"]),
        ),
        FLAGS,
    ),
    st.builds(AgentUse, st.builds(AgentMount, WORDS, st.just("") | TARGETS, MODES, IDS, IDS), FLAGS),
)


@given(MOUNTS)
def test_the_text_of_a_mount_is_read_as_that_mount(mount: Mount) -> None:
    assert parse(to_text(mount), ALONE._replace(seeds=True)) == mount


# Every property by every way to write it. In a BUILD file it is an argument of a function.
PROPERTIES: list[tuple[str, str, dict[str, Any], str, Any]] = [
    ("cache", "id=other", {"id": "other"}, "id", "other"),
    ("cache", "ro", {"read_only": True}, "readonly", True),
    ("cache", "rw=false", {"read_only": True}, "readonly", True),
    ("cache", "sharing=locked", {"sharing": "locked"}, "sharing", Sharing.LOCKED),
    ("cache", "sharing=private", {"sharing": "private"}, "sharing", Sharing.PRIVATE),
    ("cache", "mode=0700", {"mode": "0700"}, "mode", 0o700),
    ("cache", "mode=7777", {"mode": "7777"}, "mode", 0o7777),
    ("cache", "uid=5,gid=0", {"owner": "5:0"}, "uid", 5),
    ("cache", "gid=4294967294", {"owner": "0:4294967294"}, "gid", LARGEST_ID),
    ("tmpfs", "size=64m", {"size": "64M"}, "size", 64 << 20),
    ("tmpfs", "tmpfs-size=1t", {"size": "1T"}, "size", 1 << 40),
    ("tmpfs", "mode=0700", {"mode": "0700"}, "mode", 0o700),
    ("secret", "id=k,target=/run/x", {"path": "/run/x"}, "target", "/run/x"),
    ("secret", "id=k,mode=0444", {"mode": "0444"}, "mode", 0o444),
    ("secret", "id=k,uid=5,gid=6", {"owner": "5:6"}, "uid", 5),
    ("secret", "id=k,uid=5,gid=6", {"owner": "5:6"}, "gid", 6),
    ("secret", "id=k,required", {}, "id", "k"),
]
REFUSED: list[tuple[str, str, dict[str, Any]]] = [
    *(("cache", f"uid={one}", {"owner": f"{one}:0"}) for one in ("-5", "99999999999", "4294967295")),
    *(("cache", f"gid={one}", {"owner": f"0:{one}"}) for one in ("-5", "99999999999", "4294967295")),
    *(("secret", f"id=k,uid={one}", {"owner": f"{one}:0"}) for one in ("-5", "99999999999", "4294967295")),
    *(
        (kind, f"{'id=k,' * (kind == 'secret')}mode={one}", {"mode": one})
        for kind in ("cache", "tmpfs", "secret")
        for one in ("77777777", "7777777", "8")
    ),
    ("cache", "sharing=all", {"sharing": "all"}),
    ("tmpfs", "size=much", {"size": "much"}),
    ("tmpfs", "size=-1", {"size": -1}),
]


def checked(kind: str, value: Any) -> Any:
    return KINDS[kind].check(value, lambda text: Label("", "", text))


DSL = mount_functions({kind: partial(checked, kind) for kind in ("mode", "owner", "path")})


def in_run(kind: str, text: str) -> Any:
    """The value that a RUN has in its action."""
    source = f"FROM scratch\nRUN --mount=type={kind},{text} x\n"
    options = Options(secrets=frozenset({"k"}))
    context = Context(FolderFiles("/nowhere", ""))
    graph = translate(parse_dockerfile("Dockerfile", source), context, KnownBases(), options).graph
    (action,) = (one for one in graph.actions.values() if one.kind == Run.kind)
    run = of_action(Run[Ref], action)
    (found,) = (*run.caches, *run.tmpfs, *run.secrets)
    return found


def on_command_line(kind: str, text: str) -> Any:
    """The value that a task has."""
    mounts = parse_mount(f"type={kind},{text}").with_values({"k": b"value"} if kind == "secret" else {})
    (found,) = (*mounts.caches, *mounts.tmpfs, *mounts.secrets)
    return found


def in_build_file(kind: str, arguments: dict[str, Any]) -> Any:
    """The value that a constructor of the language gives."""
    usual = {"cache": {"id": "c", "path": "/c"}, "tmpfs": {"path": "/t"}, "secret": {"id": "k"}}[kind]
    made = DSL[kind](**{**usual, **arguments})
    assert isinstance(made, CacheMount | TmpfsMount | DslSecret)
    return made.mount


def in_migrated_file(kind: str, text: str, context: Path) -> Any:
    """The value that the BUILD file has which is written for a RUN."""
    source = f"FROM base\nRUN --mount=type={kind},{text} x\n"
    files = Context(FolderFiles(str(context), ""))
    options = Options(platform=PLATFORM, secrets=frozenset({"k"}))
    translation = translate(parse_dockerfile("Dockerfile", source), files, KnownBases(), options)
    tree = ast.parse(written(translation, "Dockerfile", source, context))
    calls = [one for one in ast.walk(tree) if isinstance(one, ast.Call) and ast.unparse(one.func) == kind]
    made = eval(ast.unparse(calls[0]), dict(DSL)) if calls else DSL[kind]("k")
    return made.mount


def whole(kind: str, text: str) -> str:
    target = {"cache": "target=/c,", "tmpfs": "target=/t,", "secret": ""}[kind]
    return f"{target}{text}"


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_context(tmp_path_factory.mktemp("migrated") / "context")


@pytest.mark.parametrize(("kind", "text", "arguments", "name", "value"), PROPERTIES)
def test_a_property_is_the_same_for_all_who_write_it(
    kind: str, text: str, arguments: dict[str, Any], name: str, value: Any, context: Path
) -> None:
    found = {
        "RUN": getattr(in_run(kind, whole(kind, text)), name),
        "command line": getattr(on_command_line(kind, whole(kind, text)), name),
        "BUILD file": getattr(in_build_file(kind, arguments), name),
        "migrated": getattr(in_migrated_file(kind, whole(kind, text), context), name),
    }
    assert found == dict.fromkeys(found, value)


@pytest.mark.parametrize(("kind", "text", "arguments"), REFUSED)
def test_what_is_refused_is_refused_by_all(kind: str, text: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(DockerfileError, match="--mount="):
        in_run(kind, whole(kind, text))
    with pytest.raises(UsageError, match="--mount type="):
        on_command_line(kind, whole(kind, text))
    with pytest.raises(EvalError):
        in_build_file(kind, arguments)


def test_a_tmpfs_of_the_command_line_has_the_same_bounds() -> None:
    assert parse_tmpfs("/a,b:size=1t,mode=0700").tmpfs == (Tmpfs("/a,b", 1 << 40, 0o700),)
    for text in ("/t:mode=77777777", "/t:mode=0o17", "/t:size=much", "t"):
        with pytest.raises(HermesError, match=f"--tmpfs {text}"):
            parse_tmpfs(text)


def test_a_secret_that_is_not_required_may_be_missing() -> None:
    assert parse_mount("type=secret,id=s,required=false").with_values({}).secrets == ()
    for text in ("type=secret,id=s", "type=secret,id=s,required"):
        with pytest.raises(UsageError, match="'s' is mounted, and was not given"):
            parse_mount(text).with_values({})


def test_a_cache_has_a_name_that_a_folder_can_have() -> None:
    texts = [f"type=cache,target=/root/.cache{more}" for more in ("", ",id=a b", ",id=x:y")]
    mounts = [parse(text, ALONE) for text in texts]
    assert len({one.id for one in mounts if isinstance(one, Cache)}) == 3
