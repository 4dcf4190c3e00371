"""npm packages and locks that the tests make."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from typing import Any

Files = Mapping[str, str | bytes | tuple[str, int]]
"""Paths in a package and what is there: a text, or one with its mode."""


def archive(files: Files, folder: str = "package", links: Mapping[str, str] | None = None) -> bytes:
    """Return a .tgz as ``npm pack`` makes them."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, given in files.items():
            text, mode = given if isinstance(given, tuple) else (given, 0o644)
            data = text.encode() if isinstance(text, str) else text
            info = tarfile.TarInfo(f"{folder}/{path}")
            info.size, info.mode, info.uid, info.mtime = len(data), mode, 501, 499162500
            tar.addfile(info, io.BytesIO(data))
        for path, target in (links or {}).items():
            info = tarfile.TarInfo(f"{folder}/{path}")
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    return gzip.compress(made.getvalue(), mtime=0)


def integrity(data: bytes, algorithm: str = "sha512") -> str:
    digest = hashlib.new(algorithm, data, usedforsecurity=False).digest()
    return f"{algorithm}-{base64.b64encode(digest).decode()}"


def lock_of(packages: Mapping[str, Mapping[str, Any]], **more: Any) -> bytes:
    document = {
        "name": "project",
        "version": "1.0.0",
        "lockfileVersion": 3,
        "requires": True,
        "packages": packages,
    }
    return json.dumps(document | more, indent=2).encode() + b"\n"


class Project:
    """A project with a lock: archives by their file names, package.json texts by their paths, and the entries of the lock.

    ``address`` is where archives are.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.archives: dict[str, bytes] = {}
        self.sources: dict[str, str] = {}
        self.entries: dict[str, dict[str, Any]] = {}

    def root(self, location: str = "", **manifest: Any) -> None:
        """Add a package.json of the project or a workspace."""
        document = {"name": location.rpartition("/")[2] or "project", "version": "1.0.0", **manifest}
        self.sources[f"{location}/package.json".lstrip("/")] = json.dumps(document, indent=2) + "\n"
        self.entries[location] = document

    def package(
        self, location: str, version: str = "1.0.0", *, files: Files | None = None, **manifest: Any
    ) -> None:
        """Add a package with an archive; ``name`` of the manifest is what it is called elsewhere."""
        found = location.rpartition("node_modules/")[2]
        flags = {
            one: manifest.pop(one) for one in ("dev", "optional", "devOptional", "peer") if one in manifest
        }
        document = {"name": found, "version": version, **manifest}
        data = archive({"package.json": json.dumps(document), **(files or {})})
        filename = f"{document['name'].replace('/', '-')}-{version}.tgz"
        self.archives[filename] = data
        entry = {"version": version, "resolved": f"{self.address}/{filename}", "integrity": integrity(data)}
        self.entries[location] = entry | {
            key: value for key, value in document.items() if key != "name" or value != found
        }
        self.entries[location] |= flags

    def lock(self) -> bytes:
        return lock_of({one: self.entries[one] for one in sorted(self.entries)})


def everything(address: str) -> Project:
    """Return a project with each thing that a lock can say."""
    made = Project(address)
    made.root(
        workspaces=["packages/*"],
        dependencies={
            "a": "^1.0.0",
            "@s/b": "1.0.0",
            "other": "npm:real@2.0.0",
            "holder": "1.0.0",
            "peered": "1.0.0",
        },
        devDependencies={"tool": "1.0.0", "both": "1.0.0"},
        optionalDependencies={"native": "1.0.0", "future": "1.0.0"},
    )
    made.root("packages/web", dependencies={"a": "^2.0.0", "both": "1.0.0"}, bin={"web": "bin/web.js"})
    made.entries["node_modules/web"] = {"resolved": "packages/web", "link": True}
    made.sources["packages/web/bin/web.js"] = "#!/usr/bin/env node\n"
    made.package("packages/web/node_modules/a", "2.0.0", bin={"a": "cli.js"}, files={"cli.js": "2\n"})
    made.package(
        "node_modules/a",
        bin={"a": "cli.js", "gone": "missing.js", "cr": "cr.js"},
        files={
            "cli.js": "#!/usr/bin/env node\n",
            "cr.js": "#!/usr/bin/env node\r\nlet x;\r\n",
            "run.sh": ("", 0o755),
            "odd": ("x", 0o4751),
            "secret": ("x", 0o600),
            ".gitignore": "x\n",
            "sub/.gitignore": "x\n",
            "sub/.npmignore": "y\n",
            "empty/deep/file": "",
        },
    )
    made.package("node_modules/@s/b", dependencies={"a": "3.0.0"}, bin="b.js", files={"b.js": "b\n"})
    made.entries["node_modules/@s/b"]["bin"] = {"b": "b.js"}
    made.package(
        "node_modules/@s/b/node_modules/a", "3.0.0", bin={"a": "./bin/../cli.js"}, files={"cli.js": "3\n"}
    )
    made.package(
        "node_modules/other", "2.0.0", name="real", bin={"a": "x.js", "real": "x.js"}, files={"x.js": "x\n"}
    )
    inner = {"name": "inner", "version": "1.0.0", "bin": {"inner": "i.js"}}
    made.package(
        "node_modules/holder",
        dependencies={"inner": "1.0.0"},
        bundleDependencies=["inner"],
        files={
            "node_modules/inner/package.json": json.dumps(inner),
            "node_modules/inner/i.js": ("i\n", 0o644),
        },
    )
    made.entries["node_modules/holder/node_modules/inner"] = {
        "version": "1.0.0",
        "inBundle": True,
        "bin": {"inner": "i.js"},
    }
    made.package("node_modules/peered", peerDependencies={"host": "1.0.0"})
    made.package("node_modules/host", peer=True)
    made.package(
        "node_modules/tool",
        dev=True,
        dependencies={"deep": "1.0.0"},
        bin={"tool": "t.js"},
        files={"t.js": "t\n"},
    )
    made.package("node_modules/deep", dev=True)
    made.package("node_modules/both")
    made.package(
        "node_modules/native",
        optional=True,
        optionalDependencies={f"@native/{one}": "1.0.0" for one in ("glibc", "musl", "arm", "mac", "any")},
    )
    made.package("node_modules/@native/glibc", optional=True, os=["linux"], cpu=["x64"], libc=["glibc"])
    made.package("node_modules/@native/musl", optional=True, os=["linux"], cpu=["x64"], libc=["musl"])
    made.package("node_modules/@native/arm", optional=True, os=["linux"], cpu=["arm64"])
    made.package("node_modules/@native/mac", optional=True, os=["!linux"], dependencies={"mac-only": "1.0.0"})
    made.package("node_modules/@native/any", optional=True, os=["any"], cpu=["!ia32"])
    made.package("node_modules/mac-only", optional=True)
    made.package(
        "node_modules/future", optional=True, engines={"node": ">=99"}, dependencies={"later": "1.0.0"}
    )
    made.package("node_modules/later", optional=True)
    return made
