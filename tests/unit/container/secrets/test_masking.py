"""Recognizing secrets: in whatever form they are written, wherever a stream is cut."""

from __future__ import annotations

import base64
import itertools
import urllib.parse

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hermes.container.secrets.encodings import check_value, forms
from hermes.container.secrets.masking import Masker
from hermes.errors import SecretError

values = st.binary(min_size=6, max_size=90).filter(lambda value: len(value.strip()) >= 6)
few = st.lists(st.sampled_from(b"ab*#"), min_size=1, max_size=5).map(bytes)


def data_of(value: bytes) -> list[bytes]:
    return [form.data for form in forms("s", value)]


def is_found(value: bytes, text: bytes) -> bool:
    return any(data in text for data in data_of(value))


@given(values, st.binary(max_size=5), st.binary(max_size=5))
def test_a_value_is_found_in_every_encoding(value: bytes, before: bytes, after: bytes) -> None:
    whole = before + value + after
    for text in (
        whole,
        whole.hex().encode(),
        whole.hex().upper().encode(),
        base64.b64encode(whole),
        base64.urlsafe_b64encode(whole),
        base64.encodebytes(whole),
        urllib.parse.quote_from_bytes(whole, safe="").encode(),
        urllib.parse.quote_plus(whole).encode(),
        urllib.parse.quote_from_bytes(whole).encode(),
    ):
        assert is_found(value, text)


@given(st.binary(min_size=100, max_size=400).filter(bytes.strip), st.sampled_from([64, 72, 76]))
def test_a_long_value_is_found_in_base64_that_is_broken_into_lines(value: bytes, width: int) -> None:
    text = base64.b64encode(value)
    assert is_found(value, b"\n".join(text[at : at + width] for at in range(0, len(text), width)))


def test_each_long_line_is_found_by_itself() -> None:
    value = b"machine example.org\n  login me\n  password hunter2-hunter2\nx\n"
    assert is_found(value, b"the password hunter2-hunter2 is")
    assert is_found(value, base64.b64encode(b"--password hunter2-hunter2"))
    assert not is_found(value, b"x machine login")
    (form,) = [one for one in forms("s", value) if one.data == b"password hunter2-hunter2"]
    assert form.part == "line 3 of "


@pytest.mark.parametrize(
    "line",
    [
        "-----BEGIN PRIVATE KEY-----",
        "<settings>",
        '<?xml version="1.0"?>',
        "[distutils]",
        '"auths": {',
        "}}}}}}}}}}",
    ],
)
def test_what_every_file_of_a_kind_has_is_no_secret(line: str) -> None:
    value = f"{line}\nMIIEvQIBADANBgkqhkiG9w0BAQ\n{line}\n".encode()
    assert not is_found(value, f"a\n{line}\nb".encode())
    assert is_found(value, b"MIIEvQIBADANBgkqhkiG9w0BAQ")


@given(values)
def test_no_form_holds_another(value: bytes) -> None:
    found = data_of(value)
    assert not any(one in other for one, other in itertools.permutations(found, 2))


@pytest.mark.parametrize("value", [b"", b" \n", b"short\n", b"x" * (501 << 10)])
def test_values_that_cannot_be_kept_are_refused(value: bytes) -> None:
    with pytest.raises(SecretError, match="'npm'"):
        check_value("npm", value)


@given(
    st.lists(few, min_size=1, max_size=4),
    st.lists(st.sampled_from(b"ab*#c"), max_size=60).map(bytes),
    st.lists(st.integers(0, 60), max_size=8),
)
@example([b"aa"], b"aaaa", [1, 2, 3])
@example([b"ab*"], b"abab*", [3])
def test_where_a_stream_is_cut_makes_no_difference(
    needles: list[bytes], text: bytes, cuts: list[int]
) -> None:
    masker = Masker(needles)
    whole = masker.mask(text)
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[start:end] for start, end in itertools.pairwise(places)]
    assert b"".join(map(masker.feed, pieces)) + masker.finish() == whole
    assert not any(needle in whole for needle in needles)


@given(
    st.lists(st.lists(st.sampled_from(b"ab"), min_size=1, max_size=5).map(bytes), min_size=1, max_size=4),
    st.lists(st.sampled_from(b"abc"), max_size=60).map(bytes),
)
def test_everything_but_the_needles_passes(needles: list[bytes], text: bytes) -> None:
    masker = Masker(needles)
    covered = bytearray(len(text))
    for needle in needles:
        for at in range(len(text)):
            if text.startswith(needle, at):
                covered[at : at + len(needle)] = b"\1" * len(needle)
    left = bytes(byte for byte, hidden in zip(text, covered, strict=True) if not hidden)
    assert masker.mask(text).replace(masker.mark, b"") == left


def test_what_cannot_be_part_of_a_secret_is_not_held_back() -> None:
    masker = Masker([b"secret"])
    assert masker.feed(b"a line\n") == b"a line\n"
    assert masker.feed(b"sec") == b""
    assert masker.feed(b"ond") == b"second"
    assert masker.feed(b" secr") + masker.feed(b"et!") + masker.finish() == b" ***!"


@given(values)
def test_nothing_of_a_value_survives_in_a_log(value: bytes) -> None:
    masker = Masker(data_of(value))
    assert value.strip() not in masker.mask(b"before " + value + b" after")
