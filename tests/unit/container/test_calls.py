"""What crosses the border of the user namespace: each declared call is served, and its values arrive as they were."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest

import hermes
from hermes.container import calls
from hermes.container.calls import PRELOADED
from hermes.container.calls.commands import Running, RunningTool
from hermes.container.calls.containers import (
    Change,
    Changes,
    Committed,
    Committing,
    Copying,
    Taking,
    WorkingRoot,
)
from hermes.container.calls.layers import (
    Checked,
    Checking,
    Extraction,
    Gathering,
    InTree,
    Packing,
    Removal,
    Squashing,
    WrittenLayer,
)
from hermes.container.calls.probes import SandboxTrial
from hermes.container.calls.testing import ImageTests, Planned
from hermes.container.copy import Copy
from hermes.container.mount_values import Bound, Cache, Tmpfs
from hermes.container.stack import Blob, Commit, StackEntry, Upper
from hermes.container.task import Agent, KeptFile, Outcome, Secret, Staged, StagedFile, Task
from hermes.digest import Digest
from hermes.layer.compress import ZSTD
from hermes.layer.write import Encoding
from hermes.sandbox.remote import Caller, Remote, RemoteCommand, Served, Stdio, decoded, encoded
from hermes.store.caches import Sharing
from hermes.testing.report import Case, Report
from hermes.testing.suite import (
    CommandTest,
    FileContentTest,
    FileExistenceTest,
    HttpRequest,
    HttpTest,
    LicenseTest,
    MetadataTest,
    RunOptions,
    Structure,
    Variable,
)

D = Digest.of(b"a")
STACK = (StackEntry(D, "//a:b"), StackEntry(Digest.of(b"b"), "base"))
ROOT = WorkingRoot("/home", STACK, Upper("/u", "/w"), "/mounted")
TASK = Task(
    stack=STACK,
    argv=("sh", "-c", "x"),
    env=(("A", "\udcff"),),
    user="1:2",
    capabilities=("CAP_CHOWN",),
    timeout=1.5,
    tmpfs=("/tmp", Tmpfs("/t", 5, 0o700)),
    staged=(
        Staged("/s", (StagedFile("f", "/f", 3, (1, 2, 3, 4, 5)), StagedFile("l", link="f")), ("d",), True),
    ),
    bound=(Bound("/b", "/src", True),),
    outs=("/out",),
    commit=Commit(5, "zstd:3"),
    secrets=(Secret("s", "/x", b"\0\xff", 0o440, 1, None),),
    agents=(Agent("default", "/a", "/sock"),),
    caches=(Cache("c", "/c", Sharing.LOCKED, 0o700, 1, 2, True),),
    upper=Upper("/u", "/w"),
    hosts=(("h", "::1"),),
    network="default",
    writable=("/var",),
)
VALUES = [
    Running("/home", TASK, ("/bwrap", ""), (("c", "/caches/c"),)),
    RunningTool("/home", TASK, ("/bwrap", "/lib"), ("/home", "/root")),
    Outcome(0, False, D, 10, Encoding(D, 3, ZSTD), (KeptFile(D, 1, True),)),
    Outcome(137, True),
    ROOT,
    Copying(ROOT, Copy("/d", ("a",), stack=STACK, files=(("/f", "f"),), mode=0o644, ignore=("*",))),
    Taking(ROOT, ("/a", "/b"), "/archive"),
    Changes((Change("A", "/a"), Change("D", "/b"))),
    Committing(ROOT, 7, "gzip:9"),
    Committed(D),
    Committed(None),
    Checking("/home", (D,), True),
    Checked((D, Digest.of(b"b"))),
    Blob(D, 4, "zstd:3"),
    WrittenLayer(D, 4),
    Extraction("/home", D),
    Packing("/home", D, ""),
    Gathering("/home", (["f", "0"],), (InTree(D, "etc/f"), InTree(Digest(""), "")), "it", "zstd:3"),
    Squashing("/home", STACK, "zstd:3", (D,), 9),
    Removal(("/a", "/b")),
    SandboxTrial("bwrap", ("/bwrap", "")),
    Report((Case("a", ("wrong",), 5, "out", "err"),), 9, True),
    ImageTests(
        "/home",
        ("/bwrap", ""),
        {"Env": ["A=b"]},
        1.5,
        (
            Planned(
                Structure(
                    commands=(
                        CommandTest("c", "x", ("y",), setup=(("z",),), env=(Variable("A", "b", True),)),
                    ),
                    existence=(FileExistenceTest("f", "/f", uid=1),),
                    content=(FileContentTest("f", "/f", ("a",)),),
                    metadata=MetadataTest(cmd=(), labels=(Variable("l"),)),
                    licenses=(LicenseTest(True),),
                    options=RunOptions(tty=True),
                ),
                TASK,
                (("A", "b"),),
            ),
        ),
        TASK,
        HttpTest(80, (HttpRequest("/a", headers=(("A", "b"),)),)),
        "x",
    ),
    SandboxTrial("bwrap", ("/bwrap", ""), "default"),
    "/home",
]


def declared() -> Iterator[tuple[str, Remote[Any, Any] | RemoteCommand[Any, Any]]]:
    for one in pkgutil.iter_modules(calls.__path__):
        module = importlib.import_module(f"{calls.__name__}.{one.name}")
        for name, value in vars(module).items():
            if isinstance(value, Remote | RemoteCommand):
                yield f"{one.name}.{name}", value


DECLARED = dict(declared())


def test_all_calls_are_found() -> None:
    assert {"commands.RUN", "layers.EXTRACT", "containers.COPY", "probes.TRY_OVERLAY"} <= DECLARED.keys()


@pytest.mark.parametrize("name", DECLARED)
def test_the_function_of_a_call_takes_and_returns_what_is_declared(name: str) -> None:
    remote = DECLARED[name]
    served = getattr(importlib.import_module(remote.module), remote.name)
    assert isinstance(served, Served)
    assert served.remote is remote
    hints = get_type_hints(served.function)
    returned = hints.pop("return")
    takes = [remote.parameters, Stdio, Caller] if isinstance(remote, RemoteCommand) else [remote.parameters]
    assert (list(hints.values()), returned) == (takes, remote.result)
    assert remote.module.startswith("hermes.container.inside.")
    assert remote.task
    assert "hermes" not in remote.task


@pytest.mark.parametrize("value", VALUES, ids=lambda one: type(one).__name__)
def test_values_arrive_as_they_were(value: Any) -> None:
    assert decoded(type(value), json.loads(json.dumps(encoded(value)))) == value


def test_every_type_that_crosses_is_tried() -> None:
    crossing = {kind for one in DECLARED.values() for kind in (one.parameters, one.result)}
    assert crossing - {type(None)} <= {type(one) for one in VALUES}


def test_what_is_loaded_before_the_first_call_is_there() -> None:
    for name in PRELOADED:
        importlib.import_module(name)


def test_nothing_else_names_what_runs_in_the_namespace() -> None:
    """Neither by an import nor in a string: a call that is not declared is checked by nobody."""
    package = Path(hermes.__file__).parent
    named = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if re.search(r"hermes\.container\.inside\b", path.read_text(encoding="utf-8"))
    }
    outside = {one for one in named if not one.startswith(("container/inside/", "container/calls/"))}
    assert outside == set()
