"""Writes down the actions of a Dockerfile. It knows their form, not what they are for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hermes.digest import Digest, canonical_json
from hermes.dockerfile.repositories import Repository
from hermes.dockerfile.source import Span, Text
from hermes.engine.action import Action, ActionGraph, Artifact, Input, Output
from hermes.image.platform import Platform


class Recorder:
    """The actions of one Dockerfile, each owned by the line that it comes from."""

    def __init__(self, text: Text, platform: Platform) -> None:
        self.graph = ActionGraph()
        self.spans: dict[str, Span] = {}
        self._text = text
        self._platform = platform
        self._named: dict[str, int] = {}
        self._given: dict[Digest, Artifact] = {}

    def add(
        self,
        kind: str,
        span: Span,
        params: Mapping[str, Any],
        inputs: Iterable[Input],
        outputs: tuple[str, ...],
        *,
        unkeyed: Mapping[str, Any] | None = None,
        platform: bool = False,
        codec: str = "",
    ) -> str:
        """Add an action and return its id."""
        identity = self._identity(f"{kind}.{span.first}")
        owner = self._text.at(span)
        self.spans[owner] = span
        self.graph.add(
            Action(
                identity,
                owner,
                kind,
                canonical_json(params).decode("utf-8", "surrogateescape"),
                tuple(inputs),
                outputs,
                unkeyed=canonical_json(unkeyed or {}).decode("utf-8", "surrogateescape"),
                platform=str(self._platform) if platform else "",
                codec=codec,
            )
        )
        return identity

    def _identity(self, wanted: str) -> str:
        number = self._named[wanted] = self._named.get(wanted, 0) + 1
        return wanted if number == 1 else f"{wanted}.{number}"

    def layer(self, kind: str, span: Span, params: Mapping[str, Any], inputs: Iterable[Input]) -> Artifact:
        """Add an action that makes a layer and nothing else, and return that."""
        return Output(self.add(kind, span, params, inputs, ("layer",)), "layer")

    def given(self, diff_id: Digest, span: Span) -> Artifact:
        """Return a layer that is in the store."""
        found = self._given.get(diff_id)
        if found is None:
            found = self._given[diff_id] = self.layer("given", span, {"diff_id": diff_id}, ())
        return found

    def file(self, span: Span, content: str, *, executable: bool = False) -> Artifact:
        """Return a file with a text that the Dockerfile has."""
        params = {"content": content, "executable": executable}
        return Output(self.add("write", span, params, (), ("file",)), "file")

    def fetched(self, span: Span, url: str, sha256: str) -> Artifact:
        """Return a download."""
        params = {"executable": False, "sha256": sha256}
        return Output(self.add("fetch", span, params, (), ("file",), unkeyed={"urls": [url]}), "file")

    def repository(self, span: Span, source: Repository) -> Artifact:
        """Return the layer with the files of a repository."""
        params = {"commit": source.commit, "folder": source.folder}
        unkeyed = {"ref": source.ref, "url": source.url}
        return Output(self.add("git", span, params, (), ("layer",), unkeyed=unkeyed), "layer")
