"""Manifests, configurations, indexes and archives whose JSON or files are not what a reader expects."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from typing import Any, Final

from hermes.digest import Digest
from tests.hostile.layers import FILE, FOLDER, hard, link, tar
from tests.unit.transports.images import OCI, Made, small, tar_of, text

MANIFEST: Final = f"{OCI}.manifest.v1+json"
INDEX: Final = f"{OCI}.index.v1+json"
ODD: Final[list[Any]] = [
    None, True, -1, 0, 1.5, 2**64, "", "x", "\ud800", "a\0b", "../../../x", "x" * 70_000, "\x1b[2J", [], [None], ["\udcff"], {}, {"": ""}, {"a": {"b": []}}, [[[]]],
]  # fmt: skip
MANIFEST_FIELDS: Final = [
    "schemaVersion",
    "mediaType",
    "config",
    "layers",
    "annotations",
    "subject",
    "artifactType",
]
DESCRIPTOR_FIELDS: Final = ["digest", "size", "mediaType", "urls", "annotations", "data", "platform"]
CONFIG_FIELDS: Final = ["os", "architecture", "variant", "created", "author", "config", "rootfs", "history"]
RUN_FIELDS: Final = [
    "User",
    "Env",
    "Cmd",
    "Entrypoint",
    "WorkingDir",
    "Volumes",
    "Labels",
    "ExposedPorts",
    "StopSignal",
    "Shell",
    "OnBuild",
    "Healthcheck",
    "ArgsEscaped",
]
TEXTS: Final[dict[str, bytes]] = {
    "nothing": b"", "a list": b"[]", "null": b"null", "a number": b"1e999", "text": b"<html>", "two documents": b"{}{}", "NaN": b'{"schemaVersion": NaN}',
    "keys that come twice": b'{"schemaVersion": 1, "schemaVersion": 2}', "UTF-16": '{"schemaVersion": 2}'.encode("utf-16"), "a mark": b'\xef\xbb\xbf{"schemaVersion": 2}',
    "not UTF-8": b'{"\xff": 1}', "lists in lists": b"[" * 100_000, "objects in objects": b'{"a":' * 100_000, "a number of 10,000 digits": b'{"schemaVersion": ' + b"9" * 10_000 + b"}",
    "half a document": b'{"schemaVersion": 2, "lay', "a NUL": b'{"schemaVersion": 2}\0', "5 MB": b'{"a": "' + b"x" * 5_000_000 + b'"}', "a million numbers": b'{"a": [' + b"1," * 1_000_000 + b"1]}",
}  # fmt: skip


def of_manifest(made: Made, document: Any) -> Made:
    made.row = made.add(document if isinstance(document, bytes) else json.dumps(document).encode(), MANIFEST)
    return made


def of_config(document: Any) -> Made:
    made = small()
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    made.manifest["config"] = made.add(data, f"{OCI}.config.v1+json")
    return of_manifest(made, made.manifest)


def of_index(document: Any) -> Made:
    made = small()
    made.row = made.add(document if isinstance(document, bytes) else json.dumps(document).encode(), INDEX)
    return made


def documents() -> Iterator[tuple[str, Callable[[], Made]]]:
    """Yield names, and images of which one document is odd."""
    for number, value in enumerate(ODD):
        shown = f"{number} ({json.dumps(value)[:16]})"
        for field in MANIFEST_FIELDS:
            yield (
                f"{field} of a manifest: {shown}",
                lambda f=field, v=value: of_manifest(made := small(), {**made.manifest, f: v}),
            )
        for field in DESCRIPTOR_FIELDS:
            for where in ("config", "layer"):

                def changed(field: str = field, value: Any = value, where: str = where) -> Made:
                    made = small()
                    row = made.manifest["config"] if where == "config" else made.manifest["layers"][0]
                    row[field] = value
                    return of_manifest(made, made.manifest)

                yield f"{field} of a {where}: {shown}", changed
            yield (
                f"{field} of a row: {shown}",
                lambda f=field, v=value: of_index(
                    {"schemaVersion": 2, "mediaType": INDEX, "manifests": [{**small().row, f: v}]}
                ),
            )
        for field in CONFIG_FIELDS:
            yield (
                f"{field} of a configuration: {shown}",
                lambda f=field, v=value: of_config({**small().config, f: v}),
            )
        for field in RUN_FIELDS:
            yield (
                f"{field} of what is run: {shown}",
                lambda f=field, v=value: of_config({**small().config, "config": {f: v}}),
            )
        for field in ("manifests", "schemaVersion", "mediaType", "annotations"):
            yield (
                f"{field} of an index: {shown}",
                lambda f=field, v=value: of_index(
                    {"schemaVersion": 2, "mediaType": INDEX, "manifests": [small().row], f: v}
                ),
            )
    for name, data in TEXTS.items():
        yield f"a manifest that is {name}", lambda d=data: of_manifest(small(), d)
        yield f"a configuration that is {name}", lambda d=data: of_config(d)
        yield f"an index that is {name}", lambda d=data: of_index(d)
    digest = "sha256:" + "a" * 64
    digests = (
        "sha256:" + "A" * 64,
        "sha256:" + "a" * 63,
        "md5:" + "a" * 32,
        "sha256:../../../../etc/passwd",
        "sha512:" + "a" * 128,
        "a" * 64,
        "sha256:",
        digest + "\n",
        f"sha256:{'0' * 64}/..",
    )
    for number, one in enumerate(digests):
        yield (
            f"the digest {number} ({one[:30]!r})",
            lambda d=one: of_index(
                {
                    "schemaVersion": 2,
                    "mediaType": INDEX,
                    "manifests": [{"digest": d, "size": 3, "mediaType": MANIFEST}],
                }
            ),
        )
        yield (
            f"the diff_id {number} ({one[:30]!r})",
            lambda d=one: of_config({**small().config, "rootfs": {"type": "layers", "diff_ids": [d, d]}}),
        )
        yield (
            f"a layer with the digest {number} ({one[:30]!r})",
            lambda d=one: of_manifest(
                made := small(),
                {**made.manifest, "layers": [{**made.manifest["layers"][0], "digest": d}] * 2},
            ),
        )
    for url in (
        "file:///etc/passwd",
        "http://[::1",
        "gopher://x",
        "http://127.0.0.1:1/x",
        "ftp://x",
        "http://\n",
        "//x",
        "http://user:password@127.0.0.1:1/",
    ):
        foreign = {
            "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            "digest": digest,
            "size": 10,
            "urls": [url],
        }
        yield (
            f"a layer at {url!r}",
            lambda r=foreign: of_manifest(made := small(), {**made.manifest, "layers": [r, r]}),
        )
    many = [
        {
            "digest": digest,
            "size": 3,
            "mediaType": MANIFEST,
            "platform": {"os": "linux", "architecture": f"a{n}"},
        }
        for n in range(9000)
    ]
    yield (
        "an index of 9,000 platforms",
        lambda: of_index({"schemaVersion": 2, "mediaType": INDEX, "manifests": many}),
    )
    yield (
        "100,000 variables",
        lambda: of_config({**small().config, "config": {"Env": [f"A{n}=x" for n in range(100_000)]}}),
    )
    yield (
        "a history of 100,000 steps",
        lambda: of_config(
            {**small().config, "history": [{"created_by": "x", "empty_layer": True}] * 100_000}
        ),
    )
    yield (
        "an index that lists itself",
        lambda: of_index(
            {
                "schemaVersion": 2,
                "mediaType": INDEX,
                "manifests": [{"digest": digest, "size": 3, "mediaType": INDEX}],
            }
        ),
    )


def saved(change: Callable[[dict[str, bytes]], object] = lambda _: None, **row: Any) -> bytes:
    files = small().docker_files(**row)
    change(files)
    return tar_of(files)


def with_member(name: str, fields: dict[str, Any], of: str = "") -> bytes:
    """What ``docker save`` writes, with another member in place of a file."""
    files = {path: data for path, data in small().docker_files().items() if path != of}
    whole = io.BytesIO(tar_of(files))
    more = tar([(name, fields)])
    return (
        whole.getvalue()[: whole.getvalue().rindex(b"ustar") - 257 + 1024] + more
        if False
        else _joined(tar_of(files), more)
    )


def _joined(*archives: bytes) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as whole:
        for data in archives:
            with tarfile.open(fileobj=io.BytesIO(data)) as one:
                for member in one:
                    whole.addfile(member, one.extractfile(member) if member.isreg() else None)
    return made.getvalue()


def archives(out: str) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield names, and archives of ``docker save`` or of a layout."""
    for number, value in enumerate(ODD):
        shown = f"{number} ({json.dumps(value)[:16]})"
        for field in ("Config", "RepoTags", "Layers"):
            yield f"{field} of manifest.json: {shown}", lambda f=field, v=value: saved(**{f: v})
    for path in (
        "../../etc/passwd",
        "/etc/passwd",
        f"{out}/secret",
        ".",
        "",
        "manifest.json",
        "a\0b",
        "config.json/x",
    ):
        yield f"a configuration at {path[:20]!r}", lambda p=path: saved(Config=p)
        yield f"a layer at {path[:20]!r}", lambda p=path: saved(Layers=[p, p])
    for name, data in TEXTS.items():
        yield (
            f"a manifest.json that is {name}",
            lambda d=data: saved(lambda files: files.update({"manifest.json": d})),
        )
        yield (
            f"a config.json that is {name}",
            lambda d=data: saved(lambda files: files.update({"config.json": d})),
        )
    for target in (f"{out}/secret", "/etc/passwd", "../../../../etc/passwd", "config.json", "."):
        yield (
            f"a config.json that is a link to {target[:20]}",
            lambda t=target: with_member("config.json", link(t), "config.json"),
        )
        yield (
            f"a config.json that is a hard link to {target[:20]}",
            lambda t=target: with_member("config.json", hard(t), "config.json"),
        )
        yield (
            f"a manifest.json that is a link to {target[:20]}",
            lambda t=target: with_member("manifest.json", link(t), "manifest.json"),
        )
    yield "a manifest.json that is a folder", lambda: with_member("manifest.json", FOLDER, "manifest.json")
    yield (
        "a config.json that is a pipe",
        lambda: with_member("config.json", {"type": tarfile.FIFOTYPE}, "config.json"),
    )
    yield "a config.json that comes twice", lambda: with_member("config.json", FILE)
    yield "an archive in gzip that is cut", lambda: gzip.compress(saved())[:-30]
    yield "an archive that is cut", lambda: saved()[:3000]
    yield "no manifest.json", lambda: with_member("x", FILE, "manifest.json")
    yield "20,000 members", lambda: tar_of({f"f{n}": b"" for n in range(20_000)})
    yield "nothing", lambda: b""
    yield "text", lambda: b"text" * 5000
    yield "a path that leads out", lambda: _joined(saved(), tar([("../../x", FILE)]))


def layouts(out: str) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield names, and archives of a layout."""
    files = small().files()
    for name, data in TEXTS.items():
        for path in ("index.json", "oci-layout"):
            yield f"a {path} that is {name}", lambda p=path, d=data: tar_of({**files, p: d})
    blob = next(path for path in files if path.startswith("blobs"))
    for path in ("index.json", "oci-layout", blob):
        left = {one: data for one, data in files.items() if one != path}
        for target in (f"{out}/secret", "/etc/passwd", "../../../../etc/passwd", "index.json"):
            yield (
                f"{path[:12]} that is a link to {target[:20]}",
                lambda p=path, t=target, f=left: _joined(tar_of(f), tar([(p, link(t))])),
            )
            yield (
                f"{path[:12]} that is a hard link to {target[:20]}",
                lambda p=path, t=target, f=left: _joined(tar_of(f), tar([(p, hard(t))])),
            )
        yield f"no {path[:12]}", lambda f=left: tar_of(f)
    for target in (f"{out}", "/", "..", "."):
        rest = {one: data for one, data in files.items() if not one.startswith("blobs")}
        yield (
            f"blobs that are a link to {target[:20]}",
            lambda t=target, f=rest: _joined(tar_of(f), tar([("blobs", link(t))])),
        )
    wrong = Digest.of(b"x").hex
    yield "a blob with another name", lambda: tar_of({**files, f"blobs/sha256/{wrong}": b"y"})


__all__ = ["archives", "documents", "layouts", "text"]
