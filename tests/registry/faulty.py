"""A registry of the test's own that speaks real HTTP and does what it is told to do wrong.

It keeps an upload that was cut, which a docker-registry does not.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import re
import time
import urllib.parse
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from hermes.digest import Digest, canonical_json
from hermes.image.descriptor import IMAGE_CONFIG, IMAGE_MANIFEST
from tests.registry.servers import Web, reply

Handler = http.server.BaseHTTPRequestHandler
Fault = Callable[[Handler], None]


class FaultyRegistry:
    """``faults`` maps a part of a request line to what is done instead of an answer, once each, in order."""

    def __init__(self, tls: tuple[Path, Path] | None = None) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[bytes, str]] = {}
        self.uploads: dict[str, bytes] = {}
        self.faults: dict[str, list[Fault]] = defaultdict(list)
        self.page = 2
        self.has_referrers = True
        self.largest_body = 1 << 30
        self.received = 0
        self.web = Web(self._answer, tls=tls)

    @property
    def host(self) -> str:
        return self.web.host

    def asked(self, part: str) -> list[tuple[str, dict[str, str]]]:
        """Return the request lines that hold ``part``, with their headers."""
        rows = [(f"{method} {path}", headers) for method, path, headers in self.web.seen]
        return [row for row in rows if part in row[0]]

    def add_image(self, layers: list[bytes], tag: str = "v", diff_ids: list[str] | None = None) -> str:
        """Store an image of uncompressed layers; return its digest."""
        rows = []
        for data in layers:
            self.blobs[Digest.of(data)] = data
            kind = "application/vnd.oci.image.layer.v1.tar"
            rows.append({"digest": Digest.of(data), "mediaType": kind, "size": len(data)})
        config = canonical_json(
            {
                "architecture": "amd64",
                "config": {},
                "os": "linux",
                "rootfs": {"diff_ids": diff_ids or [Digest.of(one) for one in layers], "type": "layers"},
            }
        )
        self.blobs[Digest.of(config)] = config
        described = {"digest": Digest.of(config), "mediaType": IMAGE_CONFIG, "size": len(config)}
        manifest = canonical_json(
            {"config": described, "layers": rows, "mediaType": IMAGE_MANIFEST, "schemaVersion": 2}
        )
        digest = Digest.of(manifest)
        self.manifests[tag] = self.manifests[digest] = manifest, IMAGE_MANIFEST
        return digest

    def _answer(self, handler: Handler) -> None:
        line = f"{handler.command} {handler.path}"
        for part, listed in self.faults.items():
            if part in line and listed:
                listed.pop(0)(handler)
                return
        path = urllib.parse.urlsplit(handler.path).path
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(handler.path).query))
        if path == "/v2/":
            reply(handler, 200, b"{}")
        elif found := re.search(r"/manifests/([^/]+)$", path):
            self._manifest(handler, found[1])
        elif "/blobs/uploads/" in path:
            self._upload(handler, path, query)
        elif found := re.search(r"/blobs/([^/]+)$", path):
            self._blob(handler, found[1])
        elif path.endswith("/tags/list"):
            self._tags(handler, path, query)
        elif found := re.search(r"/referrers/([^/]+)$", path):
            self._referrers(handler, found[1])
        else:
            reply(handler, 404)

    def _manifest(self, handler: Handler, reference: str) -> None:
        if handler.command == "PUT":
            data = handler.rfile.read(int(handler.headers["Content-Length"]))
            del handler.headers["Content-Length"]
            kind = handler.headers["Content-Type"]
            self.manifests[reference] = self.manifests[Digest.of(data)] = data, kind
            subject = json.loads(data).get("subject")
            named = {"OCI_Subject": subject["digest"]} if subject and self.has_referrers else {}
            reply(handler, 201, Docker_Content_Digest=Digest.of(data), **named)
        elif handler.command == "DELETE":
            reply(handler, 202 if self.manifests.pop(reference, None) else 404)
        elif reference not in self.manifests:
            reply(handler, 404, b'{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "unknown"}]}')
        else:
            data, kind = self.manifests[reference]
            reply(handler, 200, data, Content_Type=kind, Docker_Content_Digest=Digest.of(data))

    def _blob(self, handler: Handler, digest: str) -> None:
        data = self.blobs.get(digest)
        if handler.command == "DELETE":
            self.blobs.pop(digest, None)
            reply(handler, 202 if data is not None else 404)
        elif data is None:
            reply(handler, 404)
        elif found := re.match(r"bytes=([0-9]+)-", handler.headers.get("Range", "")):
            start = int(found[1])
            reply(handler, 206, data[start:], Content_Range=f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            reply(handler, 200, data)

    def _upload(self, handler: Handler, path: str, query: dict[str, str]) -> None:
        name = path.rpartition("/")[2]
        length = int(handler.headers.get("Content-Length") or 0)
        if handler.command == "POST":
            name = f"u{len(self.uploads)}"
            self.uploads[name] = b""
            reply(handler, 202, Location=f"{path}{name}?state=0", OCI_Chunk_Min_Length="1000")
            return
        if name not in self.uploads:
            reply(handler, 404)
            return
        if length > self.largest_body:
            handler.close_connection = True
            handler.headers.replace_header("Content-Length", "0")
            reply(handler, 413, Connection="close")
            return
        if handler.command in ("PATCH", "PUT"):
            while length and (data := handler.rfile.read1(min(length, 1 << 16))):
                self.uploads[name] += data
                self.received += len(data)
                length -= len(data)
            if "Content-Length" in handler.headers:
                handler.headers.replace_header("Content-Length", "0")
        arrived = f"0-{max(0, len(self.uploads[name]) - 1)}"
        if handler.command == "PUT":
            if Digest.of(self.uploads[name]) != query["digest"]:
                reply(handler, 400, b'{"errors": [{"code": "DIGEST_INVALID", "message": "no match"}]}')
                return
            self.blobs[query["digest"]] = self.uploads.pop(name)
            reply(handler, 201, Location=f"/v2/x/blobs/{query['digest']}")
        else:
            state = len(self.uploads[name])
            status = 202 if handler.command == "PATCH" else 204
            reply(handler, status, Location=f"{path}?state={state}", Range=arrived)

    def _tags(self, handler: Handler, path: str, query: dict[str, str]) -> None:
        names = sorted(name for name in self.manifests if not name.startswith("sha256:"))
        after = [name for name in names if name > query.get("last", "")]
        count = int(query.get("n", self.page))
        link = f'<{path}?n={count}&last={after[count - 1]}>; rel="next"' if len(after) > count else ""
        reply(handler, 200, json.dumps({"name": "x", "tags": after[:count]}).encode(), Link=link)

    def _referrers(self, handler: Handler, digest: str) -> None:
        if not self.has_referrers:
            reply(handler, 404)
            return
        rows = []
        for name, (data, kind) in self.manifests.items():
            document = json.loads(data)
            if name.startswith("sha256:") and document.get("subject", {}).get("digest") == digest:
                rows.append({"digest": name, "mediaType": kind, "size": len(data),
                             "artifactType": document.get("artifactType")})  # fmt: skip
        reply(handler, 200, json.dumps({"schemaVersion": 2, "manifests": rows}).encode())


def answers(status: int, body: bytes = b"", **headers: str) -> Fault:
    """Answer with a status and body instead."""
    return lambda handler: reply(handler, status, body, **headers)


def endless(handler: Handler) -> None:
    """Send without end, and without saying how much."""
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.close_connection = True
    for _ in range(1 << 14):
        handler.wfile.write(b"x" * (1 << 16))


def short(data: bytes, sent: int) -> Fault:
    """Promise all of ``data``, and hang up after some of it."""

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[:sent])
        handler.close_connection = True

    return answer


def trickle(data: bytes, sent: int = 0, *, headers: bool = False) -> Fault:
    """Send some of ``data``, or nothing but a header, and then a byte ten times a second."""

    def answer(handler: Handler) -> None:
        handler.close_connection = True
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        if not headers:
            handler.wfile.write(b"Content-Length: %d\r\n\r\n" % len(data))
            handler.wfile.write(data[:sent])
        with contextlib.suppress(OSError):
            for byte in data[sent:]:
                handler.wfile.write(b"x" if headers else bytes([byte]))
                handler.wfile.flush()
                time.sleep(0.1)

    return answer


def hang_up(handler: Handler) -> None:
    """Say nothing and hang up."""
    handler.close_connection = True
