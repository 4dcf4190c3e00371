"""Writes down the actions of a Dockerfile. It knows their form, not what they are for."""

from __future__ import annotations

from hermes.actions.specs.base_layer import BaseLayer
from hermes.actions.specs.spec import Ref, Spec, declared
from hermes.digest import Digest
from hermes.dockerfile.repositories import Repository
from hermes.dockerfile.source import Span, Text
from hermes.download import shown
from hermes.engine.action import ActionGraph, Artifact, Output
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

    def add(self, spec: Spec[Ref], span: Span) -> str:
        """Add an action and return its id."""
        identity = self._identity(f"{spec.kind}.{span.first}")
        owner = self._text.at(span)
        self.spans[owner] = span
        self.graph.add(declared(spec, name=identity, owner=owner, platform=str(self._platform)))
        return identity

    def _identity(self, wanted: str) -> str:
        number = self._named[wanted] = self._named.get(wanted, 0) + 1
        return wanted if number == 1 else f"{wanted}.{number}"

    def layer(self, spec: Spec[Ref], span: Span) -> Artifact:
        """Add an action that makes a layer and nothing else, and return that."""
        return Output(self.add(spec, span), "layer")

    def given(self, diff_id: Digest, span: Span) -> Artifact:
        """Return a layer that is in the store."""
        found = self._given.get(diff_id)
        if found is None:
            found = self._given[diff_id] = self.layer(BaseLayer(diff_id=diff_id), span)
        return found

    def file(self, span: Span, content: str, *, executable: bool = False) -> Artifact:
        """Return a file with a text that the Dockerfile has."""
        from hermes.actions.specs.write import Write

        return Output(self.add(Write(content=content, executable=executable), span), "file")

    def fetched(self, span: Span, url: str, sha256: str) -> Artifact:
        """Return a download."""
        from hermes.actions.specs.fetch import Fetch

        return Output(self.add(Fetch(sha256=sha256, urls=(url,)), span), "file")

    def repository(self, span: Span, source: Repository, commit: str) -> Artifact:
        """Return the layer with the files of a commit of a repository."""
        from hermes.actions.specs.git import Git

        git: Git[Ref] = Git(
            commit=commit,
            folder=source.folder,
            submodules=source.submodules,
            origin=shown(source.url) if source.keep_git_dir else "",
            ref="" if source.ref == commit else source.ref,
            url=source.url,
        )
        return self.layer(git, span)
