"""Package indexes are read as pip reads them, and credentials stay with the host that they are for."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from hermes import download
from hermes.errors import FetchError, LockError
from hermes.python.index import PackageIndex, files_in, session_for
from hermes.python.package_sources import PackageSources
from hermes.python.pins import LockedFile
from tests.registry.servers import Web, reply

A = "a" * 64
WHEEL = "demo-1.0-py3-none-any.whl"
HTML = f"""\
<!DOCTYPE html><html><head><base href="../files/"></head><body>
<a href="{WHEEL}#sha256={A}" data-requires-python="&gt;=3">{WHEEL}</a>
<A HREF='https://other.example/demo-1.0.tar.gz'>demo-1.0.tar.gz</A>
<a name="top">nothing</a><a href="other-1.0-py3-none-any.whl">other</a>
</body></html>"""


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setattr(download, "_FIRST_WAIT", 0.01)
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if "Authorization" not in handler.headers and handler.path.startswith("/private/"):
            reply(handler, 401)
        elif handler.path == "/private/demo/":
            files = [{"filename": WHEEL, "url": "../../files/x.whl", "hashes": {"sha256": A}, "size": 7}]
            reply(handler, 200, json.dumps({"files": files}).encode())
        elif handler.path == "/html/demo/":
            reply(handler, 200, HTML.encode())
        elif handler.path.startswith("/broken/"):
            reply(handler, 500)
        else:
            reply(handler, 404)

    with Web(answer) as found:
        yield found


def files_of(sources: PackageSources, project: str = "demo") -> list[LockedFile]:
    with session_for(sources) as session:
        return PackageIndex(sources).files_of(project, session)


def test_pages_in_both_forms_are_read_and_joined(web: Web) -> None:
    sources = PackageSources((f"http://ada:l%40ve@{web.host}/private", f"http://{web.host}/html"))
    assert files_of(sources) == [
        LockedFile(WHEEL, A, 7, f"http://ada:l%40ve@{web.host}/files/x.whl"),
        LockedFile(WHEEL, A, None, f"http://{web.host}/html/files/{WHEEL}"),
        LockedFile("demo-1.0.tar.gz", "", None, "https://other.example/demo-1.0.tar.gz"),
    ]
    sent = [headers.get("Authorization") for _, _, headers in web.seen]
    assert sent == [f"Basic {base64.b64encode(b'ada:l@ve').decode()}", None]
    assert "application/vnd.pypi.simple.v1+json" in web.seen[0][2]["Accept"]


def test_credentials_go_to_their_own_host_alone() -> None:
    page = "https://ada:x@index.example/simple/demo/"
    data = json.dumps({"files": [{"filename": WHEEL, "url": f"https://files.example/{WHEEL}"}]}).encode()
    assert files_in(data, page)[0].url == f"https://files.example/{WHEEL}"


def test_credentials_of_netrc_are_used(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ada password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert files_of(PackageSources((f"http://{web.host}/private",)))[0].size == 7


def test_a_project_is_asked_for_once(web: Web) -> None:
    sources = PackageSources((f"http://{web.host}/html", f"http://{web.host}/none"))
    index = PackageIndex(sources)
    with session_for(sources) as session:
        assert index.files_of("demo", session) == index.files_of("demo", session)
    assert len(web.seen) == 2


def test_folders_are_indexes_and_links(tmp_path: Path) -> None:
    (tmp_path / "simple/demo").mkdir(parents=True)
    (tmp_path / "simple/demo/index.html").write_text(f'<a href="../../x/{WHEEL}">x</a>')
    (tmp_path / "links").mkdir()
    for name in (WHEEL, "other-1-py3-none-any.whl", "README"):
        (tmp_path / "links" / name).write_text("")
    sources = PackageSources((f"file://{tmp_path}/simple",), (str(tmp_path / "links"),))
    assert [one.url for one in files_of(sources)] == [
        f"file://{tmp_path}/x/{WHEEL}",
        f"file://{tmp_path}/links/{WHEEL}",
    ]


def test_an_index_that_fails_is_named_where_no_other_has_the_project(web: Web) -> None:
    broken = f"http://ada:secret@{web.host}/broken"
    assert files_of(PackageSources((broken, f"http://{web.host}/html")))
    with pytest.raises(FetchError, match="no package index could be asked for demo") as failed:
        files_of(PackageSources((broken,)))
    assert "secret" not in failed.value.message
    assert f"{web.host}/broken/demo/: the server answered 500" in failed.value.message
    with pytest.raises(LockError, match="no package index has nothing"):
        files_of(PackageSources((f"http://{web.host}/html",)), "nothing")
    with pytest.raises(FetchError, match="no package index is known"):
        files_of(PackageSources())


@pytest.mark.parametrize(
    "data", [b"{", b'{"files": 1}', b'{"files": [1]}', b'{"files": [{}]}', b'{"files": ' + b"[" * 9999]
)
def test_a_page_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(FetchError, match="is not a page of a package index"):
        files_in(data, "https://index.example/demo/")
    assert files_in(b"\xff<html", "https://index.example/demo/") == []
