"""Errors as data: what a worker raises in another process arrives as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes import errors
from hermes.errors import (
    ActionError,
    BuildError,
    BuildFailed,
    BuildFileErrors,
    BuildInterrupted,
    CommandFailed,
    DockerfileError,
    HermesError,
    MissingBlobError,
    SourceLocation,
    TestFailed,
    error_of,
)

SPECIAL = {
    ActionError,
    BuildFailed,
    BuildFileErrors,
    BuildInterrupted,
    CommandFailed,
    DockerfileError,
    MissingBlobError,
    TestFailed,
}
"""Those that are made with other arguments than a message, a hint and a location."""

texts = st.text(max_size=20)
hints = st.none() | texts
locations = st.none() | st.builds(SourceLocation, texts, st.integers(0, 99), st.integers(0, 99), texts)


def kinds(above: type[HermesError] = HermesError) -> Iterator[type[HermesError]]:
    yield above
    for kind in above.__subclasses__():
        yield from kinds(kind)


plain = st.builds(
    lambda kind, message, hint, location: kind(message, hint=hint, location=location),
    st.sampled_from([kind for kind in kinds() if kind not in SPECIAL]),
    texts,
    hints,
    locations,
)
special = st.one_of(
    st.builds(
        ActionError, texts, hint=hints, command=texts, tail=st.lists(texts, max_size=3).map(tuple), log=texts
    ),
    st.builds(DockerfileError, texts, excerpt=texts, hint=hints),
    st.builds(MissingBlobError, texts, digest=texts, hint=hints),
    st.builds(CommandFailed, st.integers(0, 255)),
    st.builds(BuildInterrupted),
    st.builds(
        TestFailed, texts, report=st.dictionaries(texts, st.none() | texts, max_size=2), log=texts, hint=hints
    ),
)
single = plain | special
several = st.builds(BuildFileErrors, st.lists(single, min_size=1, max_size=25))
any_error = (
    single
    | several
    | st.builds(BuildFailed, st.dictionaries(texts, single | several, max_size=3), st.integers(0, 5))
)


def state(error: HermesError) -> object:
    """All that there is to an error, also of those within it."""
    held = {
        name: {label: state(one) for label, one in value.items()}
        if name == "failures"
        else [state(one) for one in value]
        if name == "errors"
        else value
        for name, value in vars(error).items()
    }
    return type(error), held, error.exit_status, error.render()


@given(any_error)
def test_an_error_crosses_as_json(error: HermesError) -> None:
    assert state(error_of(json.loads(json.dumps(error.to_data())))) == state(error)


@pytest.mark.parametrize("kind", list(kinds()), ids=lambda kind: kind.__name__)
def test_every_kind_is_found_by_its_name(kind: type[HermesError]) -> None:
    assert getattr(errors, kind.__name__) is kind


@given(special)
def test_details_names_every_attribute_of_a_kind(error: HermesError) -> None:
    assert set(vars(error)) == {"message", "hint", "location", *error.details}


def test_a_kind_of_a_newer_version_is_a_build_error() -> None:
    error = error_of({"type": "QuotaError", "message": "too much", "hint": "less"})
    assert type(error) is BuildError
    assert error.render() == "too much\nhint: less"


@pytest.mark.parametrize("name", ["SourceLocation", "Final", "error_of", "Exception"])
def test_a_name_that_is_no_error_makes_none(name: str) -> None:
    assert type(error_of({"type": name, "message": "x"})) is BuildError
