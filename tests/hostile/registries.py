"""Registries that lie or misbehave: each mode answers every request of one kind in one wrong way.

The modes are bytes, as a server would send them: what no library would.
"""

from __future__ import annotations

import gzip
import http.server
import itertools
import json
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, Self
from unittest import mock

from hermes.api.images import Images
from hermes.digest import Digest
from hermes.registry.client import Client
from tests.hostile.documents import ODD
from tests.hostile.layers import FILE, tar
from tests.registry.faulty import Fault, FaultyRegistry

Mode = Callable[[bytes], bytes]
"""Gives an answer, in place of one with some right body."""

MANY: Final = 64
"""How often a registry does the same wrong: more than anyone may ask."""
ENDLESS: Final = 1 << 23
"""How many bytes stand for a stream without end."""
DIGITS: Final = "9" * 5000
LONG: Final = "x" * 100_000
PATIENCE: Final = 0.3
"""How many seconds are as long as half a minute."""

STATUSES: Final = (0, 99, 100, 101, 204, 206, 300, 304, 400, 403, 404, 405, 407, 410, 413, 416, 418, 451, 500, 501, 503, 511, 599, 999)  # fmt: skip
LOCATIONS: Final = (
    "", "?", "/", "/elsewhere", "//", "///", "//[", "file:///etc/passwd", "ftp://127.0.0.1/x", "javascript:1", "data:,x", "http://[::1", "http:///x", "http://127.0.0.1:1/x", "http://127.0.0.1:99999/x",
    f"http://127.0.0.1:{DIGITS}/", "http://user:password@127.0.0.1:1/", "http://a\0b/", "http://\u00e9.invalid/", f"http://{'a' * 300}.invalid/", f"/{LONG[:60_000]}", "http://x y/", "http://%/", "\\\\host\\x",
)  # fmt: skip
CHALLENGES: Final = (
    "", "Bearer", "Basic", "Negotiate", "Digest realm=x", 'Bearer realm=""', 'Bearer realm="file:///etc/passwd"', 'Bearer realm="/token"', 'Bearer realm="http://[::1"', 'Bearer realm="http://127.0.0.1:1/t"',
    'Bearer realm="http://127.0.0.1:99999/t"', 'Bearer realm="https', "Bearer realm=a, realm=b, realm=c", "," * 30_000, 'Bearer a="' + "\\" * 30_000, "Bearer " + "a=b," * 10_000, 'Bearer realm="http://\0"', "\u00ff",
    'Basic realm="' + LONG[:50_000] + '"',
)  # fmt: skip
WAITS: Final = ("-1", "x", "1e999", "nan", DIGITS, "99999999999", "Thu, 01 Jan 1970 00:00:00 GMT", "Thu, 01 Jan 99999 00:00:00 GMT", "Wed, 21 Oct 2015", "0.0001")  # fmt: skip
LENGTHS: Final = ("", "-1", "x", "1e3", "0x10", DIGITS, "5, 5", "5, 6", "+5", "5_0", "\u0665", " ")
RANGES: Final = ("", "bytes", "bytes 0-0/1", f"bytes {DIGITS}-{DIGITS}/{DIGITS}", "bytes 5-1/2", "bytes -1--1/-1", "bytes */*", "lines 1-2/3", "bytes 0-99999999999/99999999999")  # fmt: skip
BODIES: Final[dict[str, bytes]] = {
    "nothing": b"", "HTML": b"<html>Log in to the hotel", "null": b"null", "a list": b"[]", "an object": b"{}", "deep JSON": b"[" * 100_000, "a number of 5,000 digits": b'{"a": ' + DIGITS.encode() + b"}",
    "not UTF-8": b'{"\xff": "\xfe"}', "half of a pair": b'{"a": "\\ud800"}', "escapes": b'{"errors": [{"code": "\\u001b[2J", "message": "\\u001b]0;x\\u0007\\r\\n"}]}', "a long error": json.dumps({"errors": [{"message": LONG}]}).encode(),
    "errors that are odd": json.dumps({"errors": [None, 1, "x", [], {}, {"code": []}, {"message": {}, "detail": 1}]}).encode(), "errors that are text": b'{"errors": "x"}', "10 MB": b" " * 10_000_000,
}  # fmt: skip
TOKENS: Final[list[Any]] = [*ODD, *({"token": one} for one in ODD), *({"token": "a", "expires_in": one} for one in ODD), {"access_token": "a\r\nX: y"}, {"token": LONG}]  # fmt: skip


def answer(
    body: bytes = b"", status: int | str = 200, *headers: tuple[str, str], length: bool = True
) -> bytes:
    """Return an answer whose headers may hold what is none."""
    rows = [f"HTTP/1.1 {status} x", *(f"{name}: {value}" for name, value in headers)]
    if length:
        rows.append(f"Content-Length: {len(body)}")
    return "\r\n".join((*rows, "", "")).encode("utf-8", "surrogatepass") + body


def _chunked(body: bytes, *, head: str = "Transfer-Encoding: chunked") -> bytes:
    return f"HTTP/1.1 200 x\r\n{head}\r\n\r\n".encode() + body


def wires() -> Iterator[tuple[str, Mode]]:
    """Yield what is wrong with the protocol."""
    whole = b"%x\r\n%b\r\n0\r\n\r\n"
    rows: dict[str, Mode] = {
        "silence and the end": lambda _: b"",
        "a line that is none": lambda _: b"\x00\xff\xfe\r\n\r\n",
        "another protocol": lambda _: b"SSH-2.0-OpenSSH_9.2\r\n",
        "a body without headers": lambda data: data,
        "a status that is text": lambda _: b"HTTP/1.1 abc x\r\n\r\n",
        "a version of another time": lambda data: answer(data).replace(b"HTTP/1.1", b"HTTP/9.9"),
        "half of the headers": lambda data: answer(data)[:30],
        "interim answers": lambda data: b"HTTP/1.1 100 Continue\r\n\r\n" * 1000 + answer(data),
        "interim answers without end": lambda _: b"HTTP/1.1 100 Continue\r\n\r\n" * (ENDLESS // 25),
        "a long line": lambda data: answer(data, 200, ("X", LONG)),
        "a line without end": lambda _: b"HTTP/1.1 200 x\r\nX: " + b"a" * ENDLESS,
        "a status line without end": lambda _: b"HTTP/1.1 200 " + b"a" * ENDLESS,
        "10,000 headers": lambda data: answer(data, 200, *[(f"X{n}", "y") for n in range(10_000)]),
        "headers without end": lambda _: b"HTTP/1.1 200 x\r\n" + b"X: y\r\n" * (ENDLESS // 6),
        "a header without a colon": lambda data: (
            b"HTTP/1.1 200 x\r\nwhat\r\n" + answer(data).partition(b"\r\n")[2]
        ),
        "a header with a NUL": lambda data: answer(data, 200, ("X\0", "a\0b")),
        "a header with colors": lambda data: answer(data, 200, ("Docker-Content-Digest", "\x1b[2J\x07")),
        "one byte too few": lambda data: answer(data[:-1]),
        "one byte less than said": lambda data: answer(data)[:-1],
        "one byte more than said": lambda data: answer(data) + b"x",
        "other bytes": lambda data: answer(bytes(len(data))),
        "zeros without end": lambda _: answer(length=False) + bytes(ENDLESS),
        "a length of zettabytes": lambda _: answer(b"x", 200, ("Content-Length", "9" * 21), length=False),
        "two lengths": lambda data: answer(data, 200, ("Content-Length", str(len(data) + 1))),
        "chunks": lambda data: _chunked(whole % (len(data), data)),
        "chunks and a length": lambda data: _chunked(
            whole % (len(data), data), head="Transfer-Encoding: chunked\r\nContent-Length: 3"
        ),
        "chunks that are not said": lambda data: answer(whole % (len(data), data)),
        "a chunk of no size": lambda data: _chunked(b"zz\r\n" + data),
        "a chunk of a negative size": lambda data: _chunked(b"-5\r\n" + data),
        "a chunk of zettabytes": lambda data: _chunked(b"f" * 30 + b"\r\n" + data),
        "a chunk that is cut": lambda data: _chunked(b"%x\r\n" % (len(data) + 9) + data),
        "chunks of one byte": lambda data: _chunked(b"1\r\nx\r\n" * 200_000 + b"0\r\n\r\n"),
        "chunks without end": lambda _: _chunked(b"1\r\nx\r\n" * (ENDLESS // 6)),
        "a chunk's extension without end": lambda _: _chunked(b"1;" + b"a" * ENDLESS),
        "trailers without end": lambda data: _chunked(
            b"%x\r\n%b\r\n0\r\n" % (len(data), data) + b"X: y\r\n" * (ENDLESS // 6)
        ),
        "gzip": lambda data: answer(gzip.compress(data), 200, ("Content-Encoding", "gzip")),
        "gzip of half a gigabyte": lambda _: answer(_bomb(), 200, ("Content-Encoding", "gzip")),
        "gzip that is cut": lambda data: answer(gzip.compress(data)[:-9], 200, ("Content-Encoding", "gzip")),
        "gzip that is none": lambda data: answer(data, 200, ("Content-Encoding", "gzip")),
        "deflate": lambda data: answer(zlib.compress(data), 200, ("Content-Encoding", "deflate")),
        "a hundred encodings": lambda data: answer(
            data, 200, ("Content-Encoding", ", ".join(["gzip"] * 100))
        ),
        "an encoding that nobody has": lambda data: answer(data, 200, ("Content-Encoding", "x-what")),
        "an encoding of the transfer": lambda data: answer(data, 200, ("Transfer-Encoding", "gzip")),
    }
    yield from rows.items()


def _bomb() -> bytes:
    return gzip.compress(bytes(1 << 20), 9) * 512


def headers() -> Iterator[tuple[str, Mode]]:
    """Yield what is wrong with statuses, headers and bodies."""
    for status in STATUSES:
        yield f"the status {status}", lambda data, s=status: answer(data, f"{s:03}")
    for where in LOCATIONS:
        yield f"a redirect to {where[:30]!r}", lambda _, w=where: answer(b"", 307, ("Location", w))
    yield "a redirect without a place", lambda _: answer(b"", 302)
    for text in CHALLENGES:
        yield f"the challenge {text[:40]!r}", lambda _, t=text: answer(b"", 401, ("WWW-Authenticate", t))
    for text in WAITS:
        yield f"a wait of {text[:30]!r}", lambda _, t=text: answer(b"", 429, ("Retry-After", t))
    for text in LENGTHS:
        yield (
            f"the length {text[:10]!r}",
            lambda data, t=text: answer(data, 200, ("Content-Length", t), length=False),
        )
    for text in RANGES:
        yield f"the range {text[:30]!r}", lambda data, t=text: answer(data, 206, ("Content-Range", t))
    for name, body in BODIES.items():
        yield f"{name} as the body", lambda _, b=body: answer(b, 200, ("Content-Type", "application/json"))
        yield f"{name} with an error", lambda _, b=body: answer(b, 400, ("Content-Type", "application/json"))
    for text in ("", "sha256:x", f"sha256:{'0' * 64}", "md5:1", LONG[:50_000]):
        yield (
            f"the digest {text[:20]!r}",
            lambda data, t=text: answer(data, 200, ("Docker-Content-Digest", t)),
        )
    for text in ("", "/", "text/html", "application/json; charset=\u00ff", LONG[:50_000]):
        yield f"the type {text[:20]!r}", lambda data, t=text: answer(data, 200, ("Content-Type", t))


def modes() -> Iterator[tuple[str, Mode]]:
    yield from wires()
    yield from headers()


def uploads() -> Iterator[tuple[str, str, Mode]]:
    """Yield what goes wrong while something is sent: a name, part of the request line, and the answers."""
    steps = ("HEAD ", "POST ", "PATCH ", "PUT /v2/team/pushed/blobs", "PUT /v2/team/pushed/manifests")
    for step in steps:
        for status in STATUSES:
            yield f"{step}: the status {status}", step, lambda _, s=status: answer(b"", f"{s:03}")
        for name, mode in wires():
            yield f"{step}: {name}", step, mode
    for where in (*LOCATIONS, "/v2/team/pushed/blobs/uploads/none", "?_state=x"):
        yield f"an upload at {where[:30]!r}", "POST ", lambda _, w=where: answer(b"", 202, ("Location", w))
    for text in (*RANGES, f"0-{DIGITS}", "0-99999999", "0-0", "5-1", "0--5", "bytes=0-1"):
        for step, status in (("PATCH ", 202), ("GET /v2/team/pushed/blobs/uploads", 204)):
            yield (
                f"{step}: {text[:20]!r} has arrived",
                step,
                lambda _, t=text, s=status: answer(
                    b"", s, ("Location", "/v2/team/pushed/blobs/uploads/u0"), ("Range", t)
                ),
            )
    for text in ("-1", "x", DIGITS, "1e9"):
        yield (
            f"chunks of at least {text[:10]!r}",
            "POST ",
            lambda _, t=text: answer(
                b"", 202, ("Location", "/v2/team/pushed/blobs/uploads/u0"), ("OCI-Chunk-Min-Length", t)
            ),
        )


def lists() -> Iterator[tuple[str, str, Mode]]:
    """Yield what is wrong with lists of tags and of referrers."""
    for part in ("/tags/list", "/referrers/"):
        for name, mode in modes():
            yield f"{part}: {name}", part, mode
        for where in LOCATIONS:
            rows = ("Link", f'<{where}>; rel="next"')
            yield f"{part}: the next page is {where[:30]!r}", part, lambda _, r=rows: answer(b'{"tags": ["a"], "manifests": []}', 200, r)  # fmt: skip
        for text in (
            "<",
            ">",
            "<>;" * 20_000,
            '</v2/team/app/tags/list>; rel="next"',
            "<x>; rel=next, <y>; rel=next",
        ):
            yield f"{part}: the link {text[:20]!r}", part, lambda _, t=text: answer(b'{"tags": ["a"], "manifests": []}', 200, ("Link", t))  # fmt: skip
        for number, value in enumerate(ODD):
            body = json.dumps({"tags": value, "manifests": value}).encode()
            yield f"{part}: a list that is {number} ({body[:30]!r})", part, lambda _, b=body: answer(b)
            body = json.dumps({"tags": [value], "manifests": [value]}).encode()
            yield f"{part}: a list of {number} ({body[:30]!r})", part, lambda _, b=body: answer(b)


class Liar:
    """A registry that does what it is told; one after another, as servers are slow to start."""

    def __init__(self) -> None:
        self.registry = FaultyRegistry()
        self._sent = threading.Event()
        self._images = 0

    def __enter__(self) -> Self:
        self.registry.web.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.registry.web.__exit__()

    def honest(self) -> tuple[str, bytes, bytes, bytes]:
        """Forget all that was told, and have one image; return its digest, manifest, configuration and layer."""
        one = self.registry
        for held in (one.blobs, one.manifests, one.uploads, one.faults, one.web.seen):
            held.clear()
        self._images += 1
        layer = tar([(f"f{self._images}", FILE)])
        digest = one.add_image([layer])
        manifest = one.manifests[digest][0]
        config = one.blobs[json.loads(manifest)["config"]["digest"]]
        return digest, manifest, config, layer

    def tell(self, part: str, mode: Mode, right: bytes) -> None:
        self.registry.faults[part] = [_sends(mode, right)] * MANY


def _sends(mode: Mode, right: bytes) -> Fault:
    def send(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        handler.connection.settimeout(5)
        with suppress(OSError):
            if length := int(handler.headers.get("Content-Length") or 0):
                handler.rfile.read(length)
            handler.wfile.write(mode(right))
            handler.wfile.flush()
            handler.connection.shutdown(socket.SHUT_WR)

    return send


def _slowly(right: bytes) -> Iterator[tuple[str, Fault]]:
    """Yield what keeps a client waiting, which each costs its patience."""

    def silent(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        time.sleep(2 * PATIENCE)

    def drip(data: bytes, handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        with suppress(OSError):
            for byte in data[:100]:
                handler.wfile.write(bytes([byte]))
                time.sleep(0.05)

    yield "silence", silent
    yield "headers a byte at a time", partial(drip, answer(right))
    yield "interim answers a byte at a time", partial(drip, b"HTTP/1.1 100 Continue\r\n\r\n" * 9)


Try = Callable[[Path], None]
"""Tries a mode with the store in a folder."""


def cases(liar: Liar, use: Callable[[str, Path], None], step: int) -> Iterator[tuple[str, Try]]:
    """Yield the names of every ``step``th case, and what tries it, other modes for each kind of request.

    ``use`` does with an image and a store what users do.
    """
    kinds = [*_pulls(liar, use), _pushes(liar), _lists(liar)]
    for number, found in enumerate(kinds):
        yield from itertools.islice(found, number % step, None, step)


def _pulls(liar: Liar, use: Callable[[str, Path], None]) -> Iterator[Iterator[tuple[str, Try]]]:
    host = liar.registry.host

    def pull(what: str, mode: Mode | None, fault: Fault | None, home: Path) -> None:
        _, manifest, config, layer = liar.honest()
        parts: dict[str, tuple[str, bytes]] = {
            "the registry": ("GET /v2/ ", b"{}"),
            "a manifest": ("/manifests/", manifest),
            "a configuration": (f"/blobs/{Digest.of(config)}", config),
            "a layer": (f"/blobs/{Digest.of(layer)}", layer),
            "a token": ("/token", b'{"token": "a"}'),
        }
        part, right = parts[what]
        if what == "a token":
            realm = f'Bearer realm="http://{host}/token",service="x"'
            liar.tell("/v2/team", lambda _: answer(b"", 401, ("WWW-Authenticate", realm)), b"")
        if what == "the registry":
            part = "/v2/"
        if fault is not None:
            liar.registry.faults[part] = [fault] * MANY
        elif mode is not None:
            liar.tell(part, mode, right)
        use(f"docker://{host}/team/app:v", home)

    def of(what: str) -> Iterator[tuple[str, Try]]:
        for name, mode in modes():
            yield f"{what}: {name}", partial(pull, what, mode, None)
        for name, fault in _slowly(b"{}"):
            yield f"{what}: {name}", partial(pull, what, None, fault)

    def tokens() -> Iterator[tuple[str, Try]]:
        for number, value in enumerate(TOKENS):
            body = json.dumps(value).encode()
            name = f"a token: {number} ({body[:30]!r})"
            yield name, partial(pull, "a token", lambda _, b=body: answer(b), None)

    for what in ("the registry", "a manifest", "a configuration", "a layer", "a token"):
        yield of(what)
    yield tokens()


def _pushes(liar: Liar) -> Iterator[tuple[str, Try]]:
    host = liar.registry.host

    def push(part: str, mode: Mode, home: Path) -> None:
        digest, *_ = liar.honest()
        images = Images(home=home)
        images.pull(f"docker://{host}/team/app@{digest}", "pushed")
        liar.registry.blobs.clear()
        liar.registry.manifests.clear()
        liar.tell(part, mode, b"")
        if part.startswith("GET"):  # asked after an upload that was cut
            liar.registry.faults["PATCH "] = [_sends(lambda _: b"", b"")] * 2
        images.copy("pushed", f"docker://{host}/team/pushed:v")

    for name, part, mode in uploads():
        yield f"a push: {name}", partial(push, part, mode)


def _lists(liar: Liar) -> Iterator[tuple[str, Try]]:
    def look(part: str, mode: Mode, home: Path) -> None:
        digest, *_ = liar.honest()
        liar.tell(part, mode, b'{"tags": [], "manifests": []}')
        with Client() as client:
            repository = client.repository(f"{liar.registry.host}/team/app")
            if "tags" in part:
                list(repository.tags())
            else:
                list(repository.referrers(Digest(digest)))

    for name, part, mode in lists():
        yield f"a list: {name}", partial(look, part, mode)


@contextmanager
def impatience() -> Iterator[None]:
    """Make half a minute a third of a second, and waits between attempts next to nothing."""
    with ExitStack() as changed:
        for name, value in (
            ("pace.SECONDS", PATIENCE),
            ("endpoint._FIRST_WAIT", 0.001),
            ("endpoint._WRITTEN", PATIENCE),
        ):
            changed.enter_context(mock.patch(f"hermes.registry.{name}", value))
        yield
