"""``hermes ctr`` as a script would use it."""

from __future__ import annotations

import json
import os

import pytest

from hermes.digest import Digest
from hermes.image.manifest import Manifest
from hermes.store import Store
from tests.conftest import Sandbox


class Shell:
    """``hermes ctr`` as a script would use it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.root = sandbox.root

    def __call__(self, *arguments: str, status: int = 0, input_: str | None = None) -> str:
        done = self.sandbox.run("ctr", *arguments, input=input_)
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
        return (done.stderr if status else done.stdout).strip()

    def made(self, base: str = "//base:root", *options: str) -> str:
        return self("from", *options, base)

    def config(self, name: str) -> dict[str, object]:
        return json.loads(self("inspect", name))["config"]

    def document(self, digest: str) -> dict[str, object]:
        """The configuration document of an image in the store."""
        store = Store.open(self.sandbox.home)
        manifest = Manifest.parse(store.blobs.read(Digest.parse(digest)))
        return json.loads(store.blobs.read(manifest.config.digest))

    def cat(self, name: str, path: str) -> str:
        return self("run", name, "--", "cat", path)


NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts without `hermes unshare`")
