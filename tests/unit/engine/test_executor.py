"""Requests and results as data: what goes to another process, and what comes back."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.digest import Digest
from hermes.engine.action import EXECUTABLE, FILE, LINK, Action, Input, Source, Value
from hermes.engine.executor import Request, Result
from hermes.engine.key import SCHEMA, Resolved, key_of, preimage
from hermes.errors import BuildError
from tests.properties import changed, examples

texts = st.text(st.characters(codec="utf-8"), max_size=8) | st.just("not \udcff utf-8")
objects = st.dictionaries(texts, texts | st.integers(0, 9), max_size=3).map(json.dumps)
digests = st.binary(max_size=4).map(Digest.of)
values = st.builds(
    Value, st.sampled_from((FILE, EXECUTABLE, LINK, "layer")), digests, st.integers(0, 1 << 50)
)
resolved = st.builds(
    Resolved,
    st.text("abc~", min_size=1, max_size=5),
    texts,
    values,
    st.sampled_from(("", "/home/somebody/a")),
    st.none() | st.just((1, 2, 3, 4)),
)
actions = st.builds(
    Action,
    id=texts,
    owner=texts,
    kind=texts,
    params=objects,
    inputs=st.just((Input("src", "", Source("a")),)),
    outputs=st.lists(texts, max_size=3).map(tuple),
    unkeyed=objects,
    env=objects,
    platform=texts,
    codec=texts,
    timeout=st.none() | st.integers(1, 99),
)
requests = st.builds(
    Request, actions, st.lists(resolved, max_size=3).map(tuple), texts, st.frozensets(texts, max_size=2)
)
results = st.builds(
    Result,
    st.dictionaries(texts, values, max_size=3),
    st.integers(0, 1 << 40),
    st.just("") | digests,
    st.just(False),
)


def sent(request: Request) -> Request:
    """The request as another process has it."""
    return Request.of_data(json.loads(json.dumps(request.to_data())))


@given(requests)
def test_a_request_arrives_with_all_that_decides_its_outputs(request: Request) -> None:
    there = sent(request)
    here, action = request.action, there.action
    assert preimage(action, there.inputs) == preimage(here, request.inputs)
    assert (there.key, there.hints) == (request.key, request.hints)
    assert (action.outputs, action.unkeyed, action.timeout) == (here.outputs, here.unkeyed, here.timeout)
    assert [(one.role, one.path, one.value) for one in there.inputs] == [one[:3] for one in request.inputs]
    assert sent(there) == there


@given(requests)
def test_a_request_does_not_tell_of_this_machine_or_of_targets(request: Request) -> None:
    other = replace(
        request,
        action=replace(request.action, id="//other:x%run", owner="//other:x", inputs=()),
        inputs=tuple(one._replace(origin="/elsewhere", stamp=None) for one in request.inputs),
    )
    assert other.to_data() == request.to_data()


@given(results)
def test_a_result_arrives_as_it_was(result: Result) -> None:
    assert Result.load(result.dump()) == result


OF_OLD = json.loads(Result({"layer": Value("layer", Digest.of(b"x"), 5)}, 7, Digest.of(b"log")).dump())


@examples(400)
@given(changed(OF_OLD))
def test_a_changed_result_is_read_or_counts_as_missing(document: object) -> None:
    found = Result.load(json.dumps(document).encode())
    if found is not None:
        assert Result.load(found.dump()) == found


@pytest.mark.parametrize(
    "change",
    [
        {"log": 1.5},
        {"log": "../x"},
        {"version": 2},
        {"outputs": {"a": ["b"]}},
        {"outputs": []},
        {"outputs": {"\ud800": list(OF_OLD["outputs"]["layer"])}},
        {"outputs": {"layer": ["\ud800", *OF_OLD["outputs"]["layer"][1:]]}},
    ],
)
def test_a_result_that_cannot_be_used_counts_as_missing(change: dict[str, object]) -> None:
    assert Result.load(json.dumps(OF_OLD | change).encode()) is None


def test_a_request_of_another_version_is_refused() -> None:
    action = Action("//a:b%x", "//a:b", "write", "{}", (), ("file",))
    data = Request(action, (), key_of(preimage(action, ()))).to_data()
    with pytest.raises(BuildError, match=f"schema {SCHEMA + 1}, and this version of Hermes executes schema"):
        Request.of_data({**data, "schema": SCHEMA + 1})
