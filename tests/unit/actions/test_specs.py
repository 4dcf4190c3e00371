"""Specs of actions: what a front end says arrives at the executor, and keys have the form that they have had.

The golden file holds what keys leave out; write it again with ``python -m tests.unit.actions.test_specs``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.actions.local import DOCKERFILE, executor_of
from hermes.actions.local import S2I as S2I_KIND
from hermes.actions.specs.accounts import Accounts, GroupRow, UserRow
from hermes.actions.specs.assemble_image import AssembleImage, MediaTypes
from hermes.actions.specs.base_layer import BaseLayer
from hermes.actions.specs.compress import Compress
from hermes.actions.specs.config import Config
from hermes.actions.specs.copy import Copy, CopyEntry
from hermes.actions.specs.dockerfile import Dockerfile, FilesContext, ImageContext, ImageLayers
from hermes.actions.specs.fetch import Fetch
from hermes.actions.specs.fetch_wheel import FetchWheel
from hermes.actions.specs.git import Git
from hermes.actions.specs.host import Host
from hermes.actions.specs.image_labels import ImageLabels
from hermes.actions.specs.import_image import ImportImage
from hermes.actions.specs.index import Index
from hermes.actions.specs.layer import (
    Directory,
    Files,
    Group,
    Layer,
    NodePackage,
    NodePackages,
    Packages,
    Symlink,
    Tar,
    Wheels,
)
from hermes.actions.specs.list_files import ListFiles
from hermes.actions.specs.list_folders import ListFolders
from hermes.actions.specs.manifest import Manifest
from hermes.actions.specs.programs import CheckPrograms, ListPrograms
from hermes.actions.specs.pull import Pull
from hermes.actions.specs.resolve_destination import Named, ResolveDestination
from hermes.actions.specs.run import Run
from hermes.actions.specs.s2i import S2I
from hermes.actions.specs.script import FindScripts, Program, SaveArtifacts
from hermes.actions.specs.spec import Ref, Spec, declared, of_action, of_request, plain
from hermes.actions.specs.squash import Squash
from hermes.actions.specs.stack import Kept, Made, Whole
from hermes.actions.specs.test import Test
from hermes.actions.specs.write import Write
from hermes.container.mount_values import AgentMount, Bound, Cache, SecretMount, Tmpfs
from hermes.container.profiles import PROFILES
from hermes.digest import Digest
from hermes.engine.action import FILE, Action, Output, Source, Value
from hermes.engine.executor import Request
from hermes.engine.key import Resolved
from hermes.image.descriptor import Descriptor
from hermes.layer.entry import DIRECTORY, HARDLINK
from hermes.layer.entry import FILE as FILE_ENTRY
from hermes.store.caches import Sharing
from hermes.testing.suite import CommandTest, HttpRequest, HttpTest, Variable
from tests.conftest import ROOT

GOLDEN = Path(__file__).with_name("golden_defaults.json")

texts = st.text(st.characters(codec="utf-8"), max_size=8) | st.just("not \udcff utf-8")
numbers = st.integers(0, 1 << 33)
modes = st.integers(0, 0o7777)
digests = st.binary(max_size=4).map(Digest.of)
dictionaries = st.dictionaries(texts, texts, max_size=3)
documents = st.dictionaries(texts, texts | numbers | st.lists(texts, max_size=2), max_size=3)
refs = st.builds(Ref, st.builds(Source, texts) | st.builds(Output, texts, texts), texts, texts)


def some(one: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(one, max_size=3).map(tuple)


groups = st.one_of(
    st.builds(
        Files,
        files=some(refs),
        mode=st.none() | modes,
        modes=st.dictionaries(texts, modes, max_size=2),
        owner=texts,
    ),
    st.builds(Tar, archive=refs, dest=texts),
    st.builds(
        Packages,
        packages=some(refs),
        database=texts,
        merged_usr=st.booleans(),
        certificates=st.none() | some(refs),
        only=some(texts),
    ),
    st.builds(Wheels, wheels=some(refs), prefix=texts, python=texts, installer=texts),
    st.builds(
        lambda rows: NodePackages(
            tuple(one for one, _, _ in rows), tuple(NodePackage(*one) for _, *one in rows)
        ),
        st.lists(st.tuples(refs, texts, st.dictionaries(texts, texts, max_size=2)), max_size=2),
    ),
    st.builds(Directory, path=texts, mode=modes, owner=texts),
    st.builds(Symlink, path=texts, target=texts, owner=texts),
)
caches = st.builds(Cache, texts, texts, st.sampled_from(Sharing), modes, numbers, numbers, st.booleans())
secrets = st.builds(
    SecretMount, id=texts, target=texts, mode=modes, uid=st.none() | numbers, gid=st.none() | numbers
)
agents = st.builds(AgentMount, id=texts, target=texts, mode=modes, uid=numbers, gid=numbers)
named = st.builds(Named, texts, st.sampled_from((FILE_ENTRY, DIRECTORY)))
entries = st.builds(
    CopyEntry, texts, st.sampled_from((FILE_ENTRY, HARDLINK)), modes, texts, st.tuples(numbers, numbers)
)
descriptors = st.builds(Descriptor, texts, digests, numbers)
contexts = st.lists(
    st.builds(FilesContext, texts, st.lists(refs, min_size=1, max_size=2).map(tuple))
    | st.builds(
        ImageContext,
        texts,
        st.none() | refs,
        st.lists(st.builds(ImageLayers, refs, st.none() | refs), min_size=1, max_size=2).map(tuple),
    ),
    max_size=3,
    unique_by=lambda one: one.name,
).map(tuple)
commands = st.builds(
    CommandTest,
    texts,
    texts,
    some(texts),
    setup=some(some(texts)),
    env=some(st.builds(Variable, texts, texts, st.booleans())),
    exit_code=numbers,
    expected_output=some(texts),
    is_literal=st.booleans(),
)
servers = st.builds(
    HttpTest,
    numbers,
    some(st.builds(HttpRequest, texts, headers=some(st.tuples(texts, texts)), expected=some(texts))),
    ready=texts,
    loopback=st.booleans(),
)
of_command = {
    "argv": some(texts),
    "env": dictionaries,
    "layer": st.booleans(),
    "mounts": st.dictionaries(texts, st.booleans(), max_size=2),
    "mtime": numbers,
    "network": st.booleans(),
    "host_network": st.booleans(),
    "outs": some(texts),
    "roots": some(refs),
    "sources": some(refs),
}
of_dockerfile = {
    "annotations": dictionaries,
    "arguments": dictionaries,
    "docker": st.booleans(),
    "epoch": numbers,
    "labels": dictionaries,
    "network": st.booleans(),
    "secrets": some(texts),
    "squash": st.booleans(),
    "target": texts,
    "dockerfile": refs,
    "contexts": contexts,
}
of_run = {
    **of_command,
    "cwd": texts,
    "user": texts,
    "literal_env": st.booleans(),
    "own_tmp": st.booleans(),
    "writable": some(texts),
    "caches": some(caches),
    "tmpfs": some(st.builds(Tmpfs, texts, numbers, modes)),
    "secrets": some(secrets),
    "secret_version": texts,
    "agents": some(agents),
    "subscriptions": some(texts),
    "volumes": some(st.builds(Bound, texts, texts, st.booleans())),
    "begun": some(refs),
    "seeds": some(refs),
    "hosts": some(st.tuples(texts, texts)),
    "capabilities": some(texts),
    "proxies": dictionaries,
    "environment": st.none() | refs,
    "bound": some(refs),
    "after": st.none() | refs,
}
programs = some(st.builds(Program, texts, texts, texts))
FIELDS: Mapping[type[Spec[Any]], Mapping[str, st.SearchStrategy[Any]]] = {
    AssembleImage: {
        "annotations": dictionaries,
        "base_layers": numbers,
        "document": documents,
        "history": some(documents),
        "media_types": st.builds(MediaTypes, texts, texts, texts),
        "labels": st.none() | refs,
        "layers": some(st.builds(Kept, digests, descriptors) | st.builds(Made, refs, refs)),
    },
    Compress: {"codec": st.sampled_from(("zstd", "gzip")), "layer": refs},
    Copy: {
        "chowns_archives": st.booleans(),
        "entries": some(entries),
        "keep_owners": st.booleans(),
        "mode": st.none() | modes | texts,
        "mtime": numbers,
        "listing": st.none() | refs,
        "content": st.none() | refs,
        "destination": refs,
        "sources": some(refs),
        "archives": some(refs),
    },
    Dockerfile: of_dockerfile,
    Fetch: {
        "sha256": texts,
        "executable": st.booleans(),
        "size": st.none() | numbers,
        "urls": some(texts),
        "integrity": texts,
    },
    FetchWheel: {
        **dict.fromkeys(("libc", "platform", "project", "python", "version"), texts),
        "sha256": some(texts),
    },
    Git: {
        "commit": texts,
        "folder": texts,
        "submodules": st.booleans(),
        "origin": texts,
        "ref": texts,
        "url": texts,
    },
    BaseLayer: {"diff_id": digests},
    Host: {**of_command, "tools": dictionaries},
    Config: {
        "allow_conflicts": st.booleans(),
        "built_on": st.dictionaries(texts, some(numbers), max_size=2),
        "made_on": st.dictionaries(texts, some(numbers), max_size=2),
        "config": documents,
        "epoch": numbers,
        "base": st.none() | refs,
        "below": some(refs),
        "layers": some(refs),
        "folders": some(refs),
        "checks": some(refs),
        "env_file": st.none() | refs,
        "labels_file": st.none() | refs,
    },
    Accounts: {
        "users": some(st.builds(UserRow, texts, numbers, numbers, texts, texts, st.booleans())),
        "groups": some(st.builds(GroupRow, texts, numbers, some(texts))),
        "mtime": numbers,
        "roots": some(refs),
    },
    CheckPrograms: {
        "start": texts,
        "missing": some(texts),
        "library_path": texts,
        "environment": st.none() | refs,
        "roots": some(refs),
        "programs": some(refs),
    },
    ListPrograms: {"layer": refs},
    ImportImage: {"image": texts, "files": some(refs)},
    ImageLabels: {"labels": dictionaries, "path": texts, "roots": some(refs)},
    Index: {"annotations": dictionaries, "manifests": some(refs)},
    Layer: {"entries": some(groups), "mtime": numbers},
    ListFolders: {"layers": refs},
    Manifest: {
        "annotations": dictionaries,
        "codec": st.sampled_from(("zstd", "gzip")),
        "docker": st.booleans(),
        "media_type": texts,
        "config": refs,
        "folders": refs,
        "layers": some(st.builds(Whole, refs) | st.builds(Made, refs, refs)),
    },
    ResolveDestination: {
        "dest": texts,
        "entries": some(named),
        "folder": st.booleans(),
        "owner": texts,
        "several": st.booleans(),
        "single": st.booleans(),
        "unpacks": st.booleans(),
        "roots": some(refs),
        "listing": st.none() | refs,
    },
    Pull: {"digest": digests, "ref": texts},
    Run: of_run,
    S2I: {
        "artifacts": some(texts),
        "assemble_runtime_user": texts,
        "assemble_user": texts,
        "called": dictionaries,
        "description": texts,
        "destination": texts,
        "env": some(st.tuples(texts, texts)),
        "epoch": numbers,
        "labels": dictionaries,
        "name": texts,
        "network": st.booleans(),
        "contexts": contexts,
    },
    SaveArtifacts: {**of_run, "dest": texts, "image": texts, "programs": programs},
    FindScripts: {"image": texts, "programs": programs, "folders": some(texts), "roots": some(refs)},
    ListFiles: {
        "exclude": some(texts),
        "from_": texts,
        "keep_owners": st.booleans(),
        "notes_several": st.booleans(),
        "optional": st.booleans(),
        "parents": st.booleans(),
        "sources": some(texts),
        "whole": st.booleans(),
        "roots": some(refs),
    },
    Squash: {"mtime": numbers, "below": some(refs), "roots": some(refs)},
    Test: {
        "command": st.none() | commands,
        "http": st.none() | servers,
        "argv": some(texts),
        "writable": st.booleans(),
        "profile": st.sampled_from(PROFILES),
        "capabilities": some(texts),
        "tmpfs": some(st.builds(Tmpfs, texts, numbers, modes)),
        "network": st.booleans(),
        "env": some(st.tuples(texts, texts)),
        "user": texts,
        "workdir": texts,
        "hostname": texts,
        "chosen": texts,
        "run": numbers,
        "config": refs,
        "roots": some(refs),
        "files": some(refs),
        "data": some(refs),
    },
    Write: {"content": texts, "executable": st.booleans()},
}
specs = st.one_of(*(st.builds(kind, **given) for kind, given in FIELDS.items()))


def action_of(spec: Spec[Ref]) -> Action:
    return declared(spec, name="//a:b%x", owner="//a:b", platform="linux/amd64", timeout=9)


def resolved(action: Action) -> Request:
    rows = [
        Resolved(one.role, one.path, Value(FILE, Digest.of(str(number).encode())))
        for number, one in enumerate(action.inputs)
    ]
    return Request(action, rows, "key")


@given(specs)
def test_what_is_declared_is_what_is_read_from_the_action(spec: Spec[Ref]) -> None:
    assert of_action(type(spec), action_of(spec)) == spec


@given(specs)
def test_what_is_executed_reads_the_same_inputs_for_the_same_purposes(spec: Spec[Ref]) -> None:
    action = action_of(spec)
    request = resolved(action)
    found = of_request(type(spec), request)
    assert [one for _, one in found.reads()] == list(request.inputs)
    assert [called for called, _ in found.reads()] == [one.role for one in action.inputs]
    assert found.params() == spec.params() == json.loads(action.params)


@pytest.mark.parametrize("kind", FIELDS, ids=lambda kind: kind.__name__)
def test_these_tests_try_every_field(kind: type[Spec[Any]]) -> None:
    assert FIELDS[kind].keys() == kind._fields.keys()


def test_these_tests_try_every_kind() -> None:
    files = (ROOT / "hermes/actions/specs").glob("*.py")
    kinds = {
        kind for one in files for kind in re.findall(r'kind: ClassVar\[str\] = "(\w+)"', one.read_text())
    }
    assert kinds - {kind.kind for kind in FIELDS} == set()


def test_a_platform_is_in_the_action_where_outputs_depend_on_it() -> None:
    def platform(spec: Spec[Ref]) -> str:
        return action_of(spec).platform

    assert platform(Run(argv=("x",), mtime=0, network=False)) == "linux/amd64"
    assert platform(Write(content="")) == ""


def test_a_field_that_an_action_must_have_cannot_be_left_out() -> None:
    with pytest.raises(TypeError, match="destination"):
        Copy(mtime=0)  # type: ignore[call-arg]


GROUPS: tuple[Group[Ref], ...] = (
    Files(files=(Ref(Source("a"), "srv/a"),), modes={"srv/a": 0o600}),
    Directory(path="srv", mode=0o755),
    Tar(archive=Ref(Source("t")), dest="srv"),
)


@pytest.mark.parametrize(
    ("spec", "params", "inputs"),
    [
        (Write(content="x"), '{"content":"x"}', []),
        (Fetch(sha256="ab", urls=("u",)), '{"sha256":"ab"}', []),
        (Fetch(sha256="ab", size=3, urls=()), '{"sha256":"ab","size":3}', []),
        (Fetch(integrity="sha512-ab", urls=("u",)), '{"integrity":"sha512-ab"}', []),
        (
            Layer(entries=GROUPS, mtime=7),
            '{"entries":[{"files":1,"mode":null,"modes":{"srv/a":384},"owner":"0:0"},'
            '{"directory":"srv","mode":493,"owner":"0:0"},{"tar":"srv"}],"mtime":7}',
            [("file", "srv/a"), ("tar", "")],
        ),
        (
            Run(
                argv=("sh",),
                mtime=0,
                network=False,
                caches=(Cache("c", "/c"), Cache("d", "/d", readonly=True)),
                roots=(Ref(Source("r"), "base"),),
                environment=Ref(Source("e")),
                sources=(Ref(Source("s"), "/in"),),
            ),
            '{"argv":["sh"],"caches":[{"id":"c","target":"/c"},{"id":"d","readonly":true,"target":"/d"}],'
            '"mtime":0,"network":false}',
            [("root", "base"), ("environment", ""), ("src", "/in")],
        ),
        (
            Copy(
                entries=(CopyEntry("a", FILE_ENTRY, 0o644), CopyEntry("b", HARDLINK, 0o644, "a")),
                mtime=0,
                destination=Ref(Source("p")),
                sources=(Ref(Source("a"), "a"),),
            ),
            '{"entries":[["a","0",420],["b","1",420,"a"]],"mtime":0}',
            [("destination", ""), ("src", "a")],
        ),
    ],
    ids=lambda value: value.kind if isinstance(value, Spec) else None,
)
def test_the_form_in_keys_stays(spec: Spec[Ref], params: str, inputs: list[tuple[str, str]]) -> None:
    action = action_of(spec)
    assert action.params == params
    assert [(one.role, one.path) for one in action.inputs] == inputs


def kinds(above: type[Spec[Any]] = Spec) -> Iterator[type[Spec[Any]]]:
    for kind in above.__subclasses__():
        if "kind" in vars(kind):
            yield kind
        yield from kinds(kind)


def test_there_is_a_spec_and_an_executor_for_every_kind() -> None:
    every = {one.kind for one in kinds() if one.__module__.startswith("hermes.")}
    assert {one.kind for one in FIELDS} == every
    for kind in every - {DOCKERFILE, S2I_KIND}:
        assert executor_of(kind).__name__ == "execute"
    with pytest.raises(AssertionError, match="other"):
        executor_of("other")


@pytest.mark.parametrize("kind", sorted(one.kind for one in FIELDS if one.kind not in (DOCKERFILE, S2I_KIND)))
def test_an_executor_takes_no_other_kind(kind: str) -> None:
    other = "write" if kind != "write" else "run"
    request = Request(Action("x", "//:x", other, "{}", (), ()), (), "key")
    with pytest.raises(AssertionError, match=other):
        executor_of(kind)(request, None)  # type: ignore[arg-type]


def defaults() -> dict[str, dict[str, Any]]:
    """The values that keys leave out, by what has them."""
    found = {
        kind.kind: {
            name: plain(one.default)
            for name, one in kind._fields.items()
            if one.use == "keyed" and name not in kind._needed
        }
        for kind in FIELDS
    }
    for one in (AgentMount, Bound, Cache, SecretMount, Tmpfs):
        found[one.__name__] = {name: plain(value) for name, value in one._field_defaults.items()}
    return found


def test_what_keys_leave_out_stays() -> None:
    """A change to the golden file gives keys another meaning: raise `hermes.engine.key.SCHEMA` with it."""
    assert defaults() == json.loads(GOLDEN.read_text())


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(defaults(), indent=2, sort_keys=True) + "\n")
