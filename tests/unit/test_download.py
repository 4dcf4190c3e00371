"""Downloads that fail for a while, for good, or in the middle."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import requests

from hermes import download as module
from hermes.api.downloads import downloaded
from hermes.debian.download import download as download_document
from hermes.download import Absent, download
from hermes.errors import BuildInterrupted, FetchError, UsageError
from hermes.registry import pace
from tests.registry.faulty import trickle
from tests.registry.servers import Web, free_port, reply

Answer = Callable[[BaseHTTPRequestHandler], None]


def status(number: int) -> Answer:
    return lambda handler: reply(handler, number)


def good(handler: BaseHTTPRequestHandler) -> None:
    reply(handler, 200, b"content")


def cut(handler: BaseHTTPRequestHandler) -> None:
    """Promise more than there is."""
    reply(handler, 200, b"cont", Content_Length="7")
    handler.close_connection = True


@pytest.fixture
def answers() -> list[Answer]:
    """What a server does with one request after the other; the last then stays."""
    return []


@pytest.fixture
def web(answers: list[Answer], monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setattr(module, "_FIRST_WAIT", 0.01)
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    def answer(handler: BaseHTTPRequestHandler) -> None:
        (answers.pop(0) if len(answers) > 1 else answers[0])(handler)

    with Web(answer) as found:
        yield found


@pytest.mark.parametrize("headers", [False, True])
def test_a_server_that_sends_a_byte_now_and_then_is_given_up(
    web: Web, answers: list[Answer], monkeypatch: pytest.MonkeyPatch, headers: bool
) -> None:
    monkeypatch.setattr(pace, "SECONDS", 0.1)
    answers.append(trickle(bytes(200), headers=headers))
    with pytest.raises(FetchError, match=f"^http://{web.host}/file: next to nothing came for 0.1 seconds$"):
        fetched(web)
    assert len(web.seen) == 2
    with pytest.raises(FetchError, match="next to nothing came") as caught:
        download_document(f"http://{web.host}/InRelease", 1000)
    assert "check the network" in (caught.value.hint or "")


def fetched(web: Web, host: str = "") -> bytes:
    with pace.session() as session:
        return download(f"http://ada:secret@{host or web.host}/file", b"".join, session)


def test_what_is_no_address_is_an_error_that_keeps_the_password() -> None:
    address = "http://ada:secret@[::1/file"
    with requests.Session() as session, pytest.raises(FetchError, match="invalid URL") as caught:
        download(address, b"".join, session)
    assert "secret" not in caught.value.render()
    with pytest.raises(FetchError, match="invalid URL"):
        download_document(address, 10)
    with pytest.raises(UsageError, match="invalid URL") as refused, downloaded([address], ""):
        pass
    assert "secret" not in refused.value.render()


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip"])
def test_an_archive_that_a_server_calls_encoded_stays_packed(
    web: Web, answers: list[Answer], encoding: str
) -> None:
    data = gzip.compress(b"content")
    answers[:] = [lambda handler: reply(handler, 200, data, Content_Encoding=encoding)]
    assert fetched(web) == data


@pytest.mark.parametrize("wrong", [status(503), status(429), cut])
def test_what_fails_for_a_while_is_asked_for_again(web: Web, answers: list[Answer], wrong: Answer) -> None:
    answers[:] = [wrong, wrong, good]
    assert fetched(web) == b"content"
    assert len(web.seen) == 3


@pytest.mark.parametrize(
    ("wrong", "said", "count"),
    [(status(503), "answered 503", 4), (status(403), "answered 403", 1), (cut, "broke", 4)],
)
def test_what_stays_wrong_is_an_error(
    web: Web, answers: list[Answer], wrong: Answer, said: str, count: int
) -> None:
    answers[:] = [wrong]
    with pytest.raises(FetchError, match=said) as caught:
        fetched(web)
    assert len(web.seen) == count
    assert "secret" not in caught.value.render()


@pytest.mark.parametrize(
    "place", ["http://[x", "http://127.0.0.1:port/", "//[", "file:///etc/passwd", "/x" * 5]
)
def test_where_a_redirect_leads_to_nothing(web: Web, answers: list[Answer], place: str) -> None:
    answers[:] = [lambda handler: reply(handler, 307, Location=place)]
    with pytest.raises(FetchError) as caught:
        fetched(web)
    assert "secret" not in caught.value.render()


def test_nobody_answers(web: Web) -> None:
    with pytest.raises(FetchError, match=r"^http://[^ ]*: Connection refused$"):
        fetched(web, f"127.0.0.1:{free_port()}")


def test_what_is_not_there_is_asked_for_once(web: Web, answers: list[Answer], tmp_path: Path) -> None:
    answers[:] = [status(404)]
    with pytest.raises(Absent):
        fetched(web)
    assert len(web.seen) == 1
    with requests.Session() as session, pytest.raises(Absent):
        download(f"file://{tmp_path}/none", b"".join, session)


def test_who_does_not_want_it_any_more_is_heard(web: Web, answers: list[Answer]) -> None:
    answers[:] = [status(503)]
    cancelled = threading.Event()
    cancelled.set()
    with requests.Session() as session, pytest.raises(BuildInterrupted):
        download(f"http://{web.host}/file", b"".join, session, cancelled)
    assert len(web.seen) == 1


def test_files_for_containers_and_documents_of_archives_are_fetched_so(
    web: Web, answers: list[Answer]
) -> None:
    answers[:] = [status(500), good]
    with downloaded([f"http://{web.host}/file"], "") as files:
        assert [(Path(path).read_bytes(), name) for path, name in files] == [(b"content", "file")]
    answers[:] = [status(500), good]
    assert download_document(f"http://{web.host}/file", 100) == b"content"
    with pytest.raises(FetchError, match="is larger than the 3 bytes"):
        download_document(f"http://{web.host}/file", 3)
    answers[:] = [status(404)]
    assert download_document(f"http://{web.host}/file", 100) is None
    with (
        pytest.raises(FetchError, match="hint: check the address"),
        downloaded([f"http://{web.host}/file"], ""),
    ):
        pass
