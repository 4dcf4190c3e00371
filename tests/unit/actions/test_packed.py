"""Folders of actions: what another machine gets of them, and what is believed of what comes back."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.actions.local import Local
from hermes.actions.packed import (
    RESULT,
    Part,
    admit_action,
    admit_result,
    can_travel,
    contents,
    pack_action,
    pack_result,
    result_in,
)
from hermes.actions.specs.compress import Compress
from hermes.actions.specs.copy import Copy, CopyEntry
from hermes.actions.specs.resolve_destination import Named, ResolveDestination
from hermes.actions.specs.spec import Spec
from hermes.digest import Digest, canonical_json
from hermes.engine.action import Action, Input, Source, Value
from hermes.engine.executor import Request, Result
from hermes.engine.key import Resolved, key_of, preimage
from hermes.errors import ActionError, BuildError, HermesError, MissingBlobError, SourceError
from hermes.layer import toc
from hermes.layer.entry import DIRECTORY, FILE, SYMLINK
from hermes.store import Store
from tests.properties import changed, examples
from tests.unit.actions.bench import Bench, folder, opened


class Memory:
    """A folder in memory."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)

    @classmethod
    def of(cls, parts: tuple[Part, ...], bench: Bench) -> Memory:
        made = cls({one.path: b"".join(contents(one, bench.tools)) for one in parts})
        assert all(
            (len(made.files[one.path]), Digest.of(made.files[one.path])) == (one.size, one.digest)
            for one in parts
        )
        return made

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        if path not in self.files:
            raise FileNotFoundError(path)
        yield io.BytesIO(self.files[path])


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Bench]:
    """Another machine."""
    store = Store.open(tmp_path / "other")
    with opened(store, tmp_path) as made:
        yield made
    store.close()


def requested(spec: Spec[Resolved]) -> Request:
    rows = [one._replace(role=role) for role, one in spec.reads()]
    action = Action(
        "//app:it%copy",
        "//app:it",
        spec.kind,
        canonical_json(spec.params()).decode(),
        tuple(Input(one.role, one.path, Source(one.path)) for one in rows),
        spec.outputs,
    )
    return Request(action, rows, key_of(preimage(action, rows)))


def copy(bench: Bench) -> Request:
    """A file, a link and a folder that are copied to where a layer has a folder."""
    names = Named("a", FILE), Named("b", SYMLINK), Named("c", DIRECTORY)
    placing: ResolveDestination[Resolved] = ResolveDestination(
        dest="/srv/", folder=True, entries=names, single=False, roots=(bench.layer(folder("srv", 0o700)),)
    )
    return requested(
        Copy(
            entries=tuple(CopyEntry(one.name, one.type, 0o755) for one in names),
            mtime=7,
            destination=bench.output(bench.run(placing)["destination"]),
            sources=(bench.file("a", b"content"), bench.link("b", "/etc/x")),
        )
    )


def test_an_action_gives_elsewhere_what_it_gives_here(bench: Bench, other: Bench) -> None:
    request = copy(bench)
    here = Local(bench.tools).execute(request)
    sent = admit_action(Memory.of(pack_action(request, bench.tools), bench), other.store)
    there = Local(other.tools).execute(sent)
    assert isinstance(here, Result)
    assert isinstance(there, Result)
    assert there.outputs == here.outputs
    answer = Memory.of(pack_result(there, sent.key, other.store), other)
    layer = here.outputs["layer"].digest
    table = toc.load(bench.store, layer).dump()
    Path(bench.store.toc_path(layer)).unlink()
    assert admit_result(answer, request, bench.store).outputs == here.outputs
    assert toc.load(bench.store, layer).dump() == table


def test_equal_actions_are_equal_folders(bench: Bench) -> None:
    """Wherever their files are, whosever they are, and in whatever forms others would like what they give."""
    first, second = copy(bench), copy(bench)
    assert [one.origin for one in first.inputs] != [one.origin for one in second.inputs]
    again = Request(second.action, second.inputs, second.key, frozenset({"zstd"}))
    described = [
        [(one.path, one.digest, one.size) for one in pack_action(request, bench.tools)]
        for request in (first, again)
    ]
    assert described[0] == described[1]


def test_a_source_that_changed_is_not_sent(bench: Bench) -> None:
    request = copy(bench)
    parts = pack_action(request, bench.tools)
    Path(request.inputs[1].origin).write_bytes(b"CONTENT")
    with pytest.raises(SourceError, match="changed while it was being read"):
        Memory.of(parts, bench)


@pytest.mark.parametrize(
    ("kind", "params", "travels"),
    [
        ("run", {"argv": ["a"], "network": False}, True),
        ("run", {"argv": ["a"], "network": True}, False),
        *(
            ("run", {"network": False, name: [{"id": "x"}]}, False)
            for name in ("secrets", "agents", "caches")
        ),
        *(("run", {"network": False, name: ["x"]}, False) for name in ("volumes", "subscriptions")),
        *((kind, {}, True) for kind in ("compress", "squash", "copy")),
        *((kind, {}, False) for kind in ("host", "layer", "fetch", "git", "pull", "image", "write")),
    ],
)
def test_what_only_this_machine_can_do_stays_here(
    kind: str, params: dict[str, object], travels: bool
) -> None:
    assert can_travel(Action("a", "//a", kind, json.dumps(params), (), ("x",))) is travels


def test_nobody_elsewhere_can_ask_for_what_stays_here(other: Bench) -> None:
    """Folders of this machine, above all."""
    params = {
        "argv": ["/bin/true"],
        "mtime": 0,
        "network": False,
        "volumes": [{"source": "/", "target": "/x"}],
    }
    action = Action("a", "//a", "run", json.dumps(params), (), ("layer",))
    data = Request(action, (), key_of(preimage(action, ()))).to_data()
    folder = Memory({"action.json": json.dumps({"layers": [], "request": data, "schema": 1}).encode()})
    with pytest.raises(BuildError, match="not for other machines"):
        admit_action(folder, other.store)


def test_an_encoder_of_another_version_is_refused(other: Bench) -> None:
    """Its bytes would have another digest than those of this build."""
    request = requested(Compress(codec="zstd", layer=Resolved("", "", Value("layer", Digest.of(b""), 1024))))
    action = replace(request.action, unkeyed='{"codec":"zstd"}', codec="zstd 0.1")
    data = Request(action, request.inputs, key_of(preimage(action, request.inputs))).to_data()
    folder = Memory({"action.json": json.dumps({"layers": [], "request": data, "schema": 1}).encode()})
    with pytest.raises(BuildError, match=r"compresses with zstd 0\.1, and this machine with zstd"):
        admit_action(folder, other.store)


@examples(200)
@given(data=st.data())
def test_a_changed_action_is_refused_or_is_another(data: st.DataObject) -> None:
    document = {"layers": [], "request": SMALL.to_data(), "schema": 1}
    folder = Memory({"action.json": json.dumps(data.draw(changed(document))).encode()})
    try:
        found = admit_action(folder, Nothing())
    except HermesError:
        return
    assert found.key == key_of(preimage(found.action, found.inputs))


@examples(200)
@given(data=st.data())
def test_a_changed_result_is_refused_or_is_a_result(data: st.DataObject) -> None:
    good = Result({"layer": Value("layer", Digest.of(b"x"), 5)}, 7, "")
    bad = ActionError("no", command="a", tail=("b",), log="log").to_data()
    document = data.draw(
        changed({"result": json.loads(good.dump()), "schema": 1}) | changed({"error": bad, "schema": 1})
    )
    try:
        found = result_in(Memory({RESULT: json.dumps(document).encode()}), SMALL, "/log")
    except HermesError as error:
        assert error.render()
    else:
        assert set(found.outputs) == {"layer"}


SMALL = requested(Copy(mtime=0, destination=Resolved("", "", Value("file", Digest.of(b"{}"), 2))))


class Nothing:
    """A store that lacks nothing, for actions that are not executed."""

    class blobs:  # noqa: N801
        @staticmethod
        def has(digest: Digest) -> bool:
            return True


def test_outputs_that_are_not_what_they_should_be_are_not_taken(bench: Bench, other: Bench) -> None:
    request = copy(bench)
    sent = admit_action(Memory.of(pack_action(request, bench.tools), bench), other.store)
    there = Local(other.tools).execute(sent)
    assert isinstance(there, Result)
    answer = Memory.of(pack_result(there, sent.key, other.store), other)
    layer = there.outputs["layer"].digest
    good = dict(answer.files)
    answer.files[f"blobs/{layer.hex}"] = good[f"blobs/{layer.hex}"] + bytes(512)
    with pytest.raises(HermesError):
        admit_result(answer, request, bench.store)
    table = toc.TableOfContents.load(good[f"toc/{layer.hex}"])
    lying = toc.TableOfContents(layer, table.size, [one._replace(mode=0o4755) for one in table.entries])
    answer.files = {**good, f"toc/{layer.hex}": lying.dump()}
    with pytest.raises(MissingBlobError, match="is not the table of contents"):
        admit_result(answer, request, bench.store)
