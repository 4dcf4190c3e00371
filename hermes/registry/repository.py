"""One repository of a registry: manifests, blobs, tags and referrers.

The calls are those of the distribution-spec, 1.1, and each names its end point (end-1 to end-12). What comes is
verified; documents have a largest size.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

from hermes.digest import Digest, canonical_json
from hermes.errors import HermesError, ImageError, RegistryError
from hermes.image import docker
from hermes.image.descriptor import IMAGE_INDEX, IMAGE_MANIFEST, Descriptor
from hermes.image.manifest import INDEXES, LARGEST_MANIFEST, MANIFESTS, json_object
from hermes.registry.addresses import joined
from hermes.registry.answers import STALLS, Cut, NotThere, Refused, Stalled, parse_document, read_document
from hermes.registry.endpoint import Ask, Endpoint

if TYPE_CHECKING:
    import requests

_ACCEPT: Final = f"{IMAGE_INDEX}, {IMAGE_MANIFEST}, {docker.INDEX}, {docker.MANIFEST}"
_MOST_PAGES: Final = 10_000
_LARGEST_PAGE: Final = 8 << 20
_NEXT: Final = re.compile(r'<([^>]*)>\s*;[^,]*rel="?next"?')


class Document(NamedTuple):
    """A manifest or index as a registry gave it: its bytes, and the descriptor that they have."""

    data: bytes
    descriptor: Descriptor


@dataclass(frozen=True, slots=True)
class Repository:
    """``path`` at a registry. ``name`` is what users call it: ``HOST/PATH``.

    ``writing``: everything is asked for with the right to write, so that one token will do.
    """

    endpoint: Endpoint
    path: str
    writing: bool = False

    @property
    def name(self) -> str:
        return f"{self.endpoint.host}/{self.path}"

    @property
    def pull(self) -> tuple[str, ...]:
        """The scope of a token that may read."""
        return self.push if self.writing else (f"repository:{self.path}:pull",)

    @property
    def push(self) -> tuple[str, ...]:
        """The scope of a token that may write."""
        return (f"repository:{self.path}:pull,push",)

    # Manifests.

    def manifest(self, reference: str) -> Document:
        """Return the manifest or index with a tag or digest (end-3); raises `NotThere`, `RegistryError`."""
        what = _named(self.name, reference)
        ask = Ask("GET", self._at("manifests", reference), self.pull, {"Accept": _ACCEPT})
        for attempt in range(3):
            try:
                with self.answered(ask) as answer:
                    data = read_document(answer, LARGEST_MANIFEST, what)
                break
            except Cut as error:
                if attempt == 2 or (attempt == STALLS - 1 and isinstance(error, Stalled)):
                    raise RegistryError(f"{what}: {error}", hint="try again") from None
                self.endpoint.wait(attempt)
        return Document(data, _described(data, answer, reference, what))

    def manifest_digest(self, reference: str) -> Digest | None:
        """Return the digest of what has a tag or digest, without reading it (end-3), or None where nothing has."""
        ask = Ask("HEAD", self._at("manifests", reference), self.pull, {"Accept": _ACCEPT})
        try:
            with self.answered(ask) as answer:
                found = answer.headers.get("Docker-Content-Digest", "")
            if not found.startswith("sha256:"):
                return self.manifest(reference).descriptor.digest
        except NotThere:
            return None
        try:
            return Digest.parse(found)
        except HermesError:
            raise RegistryError(
                f"{_named(self.name, reference)}: the registry names no digest of it"
            ) from None

    def put_manifest(self, reference: str, data: bytes, media_type: str) -> None:
        """Write a manifest or index under a tag or its digest (end-7).

        Where it has a ``subject`` and the registry does not list referrers itself, the list that stands for
        it is brought up to date; see distribution-spec, "Pushing Manifests with Subject".
        """
        headers = {"Content-Type": media_type}
        ask = Ask(
            "PUT",
            self._at("manifests", reference),
            self.push,
            headers,
            lambda: data,
            accepted=(201, 200, 202),
        )
        try:
            with self.answered(ask) as answer:
                digest = answer.headers.get("Docker-Content-Digest", "")
                listed = "OCI-Subject" in answer.headers
        except NotThere as error:
            hint = f"some registries have to be told of a repository first: make {self.path} there"
            raise RegistryError(str(error), hint=hint) from None
        if digest and digest.startswith("sha256:") and digest != Digest.of(data):
            raise RegistryError(f"{self.name}: the registry stored {digest} instead of {Digest.of(data)}")
        subject = json.loads(data).get("subject")
        if subject and not listed:
            self._list_referrer(Descriptor.from_json(subject).digest, data, media_type)

    def delete_manifest(self, reference: str) -> None:
        """Delete a tag or a manifest (end-9); raises `NotThere`."""
        self._delete(self._at("manifests", reference))

    # Blobs.

    def has_blob(self, digest: Digest) -> bool:
        """Tell whether the repository has a blob (end-2)."""
        ask = Ask("HEAD", self._at("blobs", digest), self.pull)
        try:
            with self.answered(ask):
                return True
        except NotThere:
            return False

    def blob(self, digest: Digest, start: int = 0) -> AbstractContextManager[requests.Response]:
        """Give a blob (end-2), from byte ``start`` on where the answer's status is 206."""
        return self.answered(_from(start, self._at("blobs", digest), self.pull))

    def delete_blob(self, digest: Digest) -> None:
        """Delete a blob (end-10); raises `NotThere`."""
        self._delete(self._at("blobs", digest))

    # Lists.

    def tags(self, page: int = 0) -> Iterator[str]:
        """Yield the tags (end-8), asking for ``page`` of them at a time."""
        where = f"/v2/{self.path}/tags/list{f'?n={page}' if page else ''}"
        try:
            for document in self._pages(where, f"the tags of {self.name}"):
                listed = document.get("tags") or []
                if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
                    raise RegistryError(f"{self.name}: the registry's list of tags is malformed")
                yield from listed
        except NotThere as error:
            raise RegistryError(str(error)) from None
        except Refused as error:
            raise error.error from None

    def referrers(self, digest: Digest, artifact_type: str = "") -> Iterator[Mapping[str, Any]]:
        """Yield descriptors of what has ``digest`` for its subject (end-12), as they are in the index.

        A registry without the call has the list under a tag; see distribution-spec, "Unavailable Referrers API".
        """
        what = f"the referrers of {self.name}@{digest}"
        filtered = f"?artifactType={quote(artifact_type)}" if artifact_type else ""
        try:
            documents = list(self._pages(f"/v2/{self.path}/referrers/{digest}{filtered}", what))
        except NotThere:
            documents = [self._referrers_index(digest)]
        except Refused as error:
            if error.status not in (400, 405):
                raise error.error from None
            documents = [self._referrers_index(digest)]
        for document in documents:
            for one in _manifests_of(document, what):
                if not artifact_type or one.get("artifactType") == artifact_type:
                    yield one

    def _list_referrer(self, subject: Digest, data: bytes, media_type: str) -> None:
        index = self._referrers_index(subject)
        listed = _manifests_of(index, f"the referrers of {self.name}@{subject}")
        digest = Digest.of(data)
        if any(one.get("digest") == digest for one in listed):
            return
        document = json.loads(data)
        row = {"digest": digest, "mediaType": media_type, "size": len(data)}
        kind = document.get("artifactType") or (document.get("config") or {}).get("mediaType")
        row |= {"artifactType": kind} if kind else {}
        row |= {"annotations": document["annotations"]} if document.get("annotations") else {}
        made = canonical_json({"manifests": [*listed, row], "mediaType": IMAGE_INDEX, "schemaVersion": 2})
        self.put_manifest(_referrers_tag(subject), made, IMAGE_INDEX)

    def _referrers_index(self, digest: Digest) -> Mapping[str, Any]:
        try:
            found = self.manifest(_referrers_tag(digest))
        except NotThere:
            return {"manifests": []}
        return json_object(found.data, f"the referrers of {self.name}@{digest}")

    def _pages(self, where: str, what: str) -> Iterator[Mapping[str, Any]]:
        """Yield the pages of a list, as Link headers name them; see RFC 8288."""
        seen = set()
        for _ in range(_MOST_PAGES):
            seen.add(where)
            with self._listed(Ask("GET", where, self.pull)) as answer:
                try:
                    data = read_document(answer, _LARGEST_PAGE, what)
                except Cut as error:
                    raise RegistryError(f"{what}: {error}", hint="try again") from None
                document = parse_document(data, answer, what)
                link = _NEXT.search(answer.headers.get("Link", ""))
                following = joined(answer.url, link[1], self.endpoint.host) if link else ""
            if not isinstance(document, dict):
                raise RegistryError(f"{what}: the registry's answer is not a list")
            yield document
            if not following:
                return
            if following in seen or urlsplit(following).netloc != urlsplit(answer.url).netloc:
                raise RegistryError(f"{what}: the registry's pages lead in a circle, or elsewhere")
            where = following
        raise RegistryError(f"{what}: more than {_MOST_PAGES} pages")

    @contextmanager
    def _listed(self, ask: Ask) -> Iterator[requests.Response]:
        try:
            with self.endpoint.send(ask) as answer:
                yield answer
        except Cut as error:
            raise unreachable(self.endpoint, error) from None

    # How it is asked.

    def answered(self, ask: Ask) -> AbstractContextManager[requests.Response]:
        """See `answered`."""
        return answered(self.endpoint, ask)

    def _delete(self, where: str) -> None:
        scope = (f"repository:{self.path}:pull,delete",)
        try:
            with self.endpoint.send(Ask("DELETE", where, scope, accepted=(202, 200, 204))):
                pass
        except Refused as error:
            if error.status == 405:
                raise RegistryError(f"{self.endpoint.host} does not let anything be deleted") from None
            raise error.error from None
        except Cut as error:
            raise unreachable(self.endpoint, error) from None

    def _at(self, kind: str, reference: str) -> str:
        return f"/v2/{self.path}/{kind}/{reference}"


@dataclass(frozen=True, slots=True)
class Address:
    """A blob on a server other than a registry, requested without credentials; ``name`` is its URL."""

    endpoint: Endpoint
    name: str

    def blob(self, _: Digest, start: int = 0) -> AbstractContextManager[requests.Response]:
        """See `Repository.blob`."""
        return answered(self.endpoint, _from(start, self.name, ()))


@contextmanager
def answered(endpoint: Endpoint, ask: Ask) -> Iterator[requests.Response]:
    """Give the answer to a request; a refusal is a `RegistryError`, except that there is no such thing.

    `Cut` is raised only from within: for a body that is not whole.
    """
    with ExitStack() as held:
        try:
            answer = held.enter_context(endpoint.send(ask))
        except Cut as error:
            raise unreachable(endpoint, error) from None
        except Refused as error:
            raise error.error from None
        yield answer


def _from(start: int, where: str, scopes: tuple[str, ...]) -> Ask:
    """Return the request for a blob from byte ``start`` on; see RFC 9110, section 14.2."""
    headers = {"Range": f"bytes={start}-"} if start else {}
    return Ask("GET", where, scopes, headers, accepted=(200, 206, 416) if start else (200,))


def _described(data: bytes, answer: requests.Response, reference: str, what: str) -> Descriptor:
    """Return the descriptor of a document that came, checked against all that was said of it."""
    digest = Digest.of(data)
    said = answer.headers.get("Docker-Content-Digest", "")
    wanted = reference if reference.startswith("sha256:") else ""
    for other, who in (
        (wanted, "was asked for"),
        (said if said.startswith("sha256:") else "", "its registry says"),
    ):
        if other and other != digest:
            raise RegistryError(
                f"{what}: what came has the digest {digest}, and {who} {other}",
                hint="the registry, or something in between, is damaged or lies",
            )
    document = parse_document(data, answer, what)
    if not isinstance(document, dict):
        raise RegistryError(f"{what} is not a manifest")
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip()
    inner = document.get("mediaType")
    if isinstance(inner, str) and inner:
        kind = inner
    if kind not in (*INDEXES, *MANIFESTS):
        if document.get("schemaVersion") == 1:
            raise RegistryError(
                f"{what} is a manifest of schema version 1", hint="that is too old; push the image again"
            )
        kind = IMAGE_INDEX if "manifests" in document else IMAGE_MANIFEST
        if "manifests" not in document and "config" not in document:
            raise RegistryError(f"{what} is not the manifest of an image")
    return Descriptor(kind, digest, len(data))


def _manifests_of(document: Mapping[str, Any], what: str) -> list[Mapping[str, Any]]:
    listed = document.get("manifests")
    if not isinstance(listed, list):
        raise RegistryError(f"{what}: the registry's answer is not an index")
    try:
        for one in listed:
            Descriptor.from_json(one)
    except ImageError as error:
        raise RegistryError(f"{what}: {error.message}") from None
    return listed


def _referrers_tag(digest: Digest) -> str:
    return f"sha256-{digest.hex}"


def _named(name: str, reference: str) -> str:
    return f"{name}{'@' if reference.startswith('sha256:') else ':'}{reference}"


def unreachable(endpoint: Endpoint, error: Cut) -> RegistryError:
    return RegistryError(
        f"{endpoint.host} cannot be reached: {error}",
        hint="check its name, the network and the proxy settings",
    )
