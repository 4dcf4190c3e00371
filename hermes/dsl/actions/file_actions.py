"""Actions that make files: text, and downloads."""

from __future__ import annotations

from typing import Any

from hermes.actions.specs.spec import Ref
from hermes.dsl.actions.declaring import Declaring
from hermes.dsl.addresses import checked_address
from hermes.dsl.dialect.values import EvalError
from hermes.dsl.file_digests import checked_file_digest
from hermes.dsl.providers import File
from hermes.engine.action import Output


class FileActions(Declaring):
    __slots__ = ()

    def write(self, name: str, content: str, executable: bool = False) -> File:
        """A file with the given text."""
        from hermes.actions.specs.write import Write

        action = self._add(name, Write(content=content, executable=bool(executable)))
        return File(Output(action, "file"), self._label, name)

    def fetch(
        self,
        name: str,
        urls: Any,
        sha256: str = "",
        size: int | None = None,
        executable: bool = False,
        *,
        integrity: str = "",
    ) -> File:
        """A download, known by its ``sha256`` or by an ``integrity`` such as ``sha512-BASE64``; ``urls`` are tried in order."""
        from hermes.actions.specs.fetch import Fetch

        if not urls:
            raise EvalError("fetch() needs an address", attribute="urls")
        known = checked_file_digest(sha256, integrity)
        fetch: Fetch[Ref] = Fetch(
            sha256=known.sha256,
            executable=bool(executable),
            integrity=known.integrity,
            size=size,
            urls=tuple(map(checked_address, urls)),
        )
        action = self._add(name, fetch)
        return File(Output(action, "file"), self._label, name)

    def fetch_wheel(
        self, name: str, project: str, version: str, sha256: Any, *, python: str, libc: str
    ) -> File:
        """The wheel of a version that fits the platform, of those files of package indexes that have one of the digests.

        Where a lock names the file, use fetch() with an address ``pypi:PROJECT/FILENAME``.
        """
        from hermes.actions.specs.fetch_wheel import FetchWheel

        wheel: FetchWheel[Ref] = FetchWheel(
            libc=libc,
            platform=str(self._configuration.platform),
            project=project,
            python=python,
            sha256=tuple(sha256),
            version=version,
        )
        return File(Output(self._add(name, wheel), "file"), self._label, name)
