"""What actions are executed with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from hermes.actions.kinds import LAYER, LAYERS
from hermes.container.commands import Commands
from hermes.container.layer_forms import LayerForms
from hermes.digest import Digest, parse_json
from hermes.engine.action import Action, Value
from hermes.engine.executor import Request
from hermes.engine.key import Resolved
from hermes.errors import BuildInterrupted, ImageError, SecretLeaked
from hermes.layer.compress import Codec, codec_of
from hermes.layer.outline import Outline, outline
from hermes.store import Store

if TYPE_CHECKING:
    import requests

    from hermes.container.mount_values import Bound
    from hermes.container.secrets.encodings import Form
    from hermes.container.secrets.leaks import Search
    from hermes.container.stack import StackEntry
    from hermes.layer.folders import Folders
    from hermes.layer.view import View
    from hermes.node.registry import NpmRegistry
    from hermes.python.index import PackageIndex
    from hermes.registry.client import Client


class ThreadMemory(threading.local):
    """What each thread keeps from one action to the next: each has one of its own, made at its first use."""

    def __init__(self) -> None:
        self.search: Search | None = None
        self.session: requests.Session | None = None
        self.package_session: requests.Session | None = None
        self.npm_session: requests.Session | None = None
        self.views: dict[tuple[Digest, ...], View] = {}
        self.folders: dict[Digest, Folders] = {}


_OUTLINES: Final = 64


@dataclass(frozen=True, slots=True)
class Tools:
    """The store, the container core, where packages come from, and how registries are spoken to.

    ``mirrors`` returns addresses to which a Debian package's path is appended, the best first, ``packages`` the one index
    of Python packages of a build, ``npm_packages`` its registry of npm packages. Once ``cancelled`` is set, what waits for the network gives up. ``secrets`` maps ids to values, ``agents`` those of SSH
    agents to sockets, ``subscriptions`` names to what is mounted for them. ``warn`` is told what the user should know,
    ``printed`` the lines that the command of an action prints. ``stalled`` are hosts that were waited for in vain, which
    are asked last from then on. ``outlines`` are those of layers that were asked for last.
    """

    store: Store
    commands: Commands
    mirrors: Callable[[], Sequence[str]]
    cancelled: threading.Event = field(default_factory=threading.Event)
    memory: ThreadMemory = field(default_factory=ThreadMemory)
    outlines: dict[Digest, Outline | None] = field(default_factory=dict)
    stalled: set[str] = field(default_factory=set)
    secrets: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    agents: Mapping[str, str] = field(default_factory=dict)
    subscriptions: Mapping[str, Sequence[Bound]] = field(default_factory=dict)
    registry: Callable[[], Client] | None = None
    packages: Callable[[], PackageIndex] | None = None
    npm_packages: Callable[[], NpmRegistry] | None = None
    warn: Callable[[str], None] = lambda _: None
    printed: Callable[[Action, str], None] = lambda _action, _text: None

    @property
    def layers(self) -> LayerForms:
        """The layers of the store."""
        return self.commands.layers

    def outline(self, diff_id: Digest) -> Outline | None:
        """Return the outline of a layer, which is kept for the next actions; see `hermes.layer.outline`."""
        if diff_id in self.outlines:
            return self.outlines[diff_id]
        self.layers.ensure_present(diff_id)
        found = outline(self.store, diff_id)
        self.outlines[diff_id] = found
        for oldest in tuple(self.outlines)[:-_OUTLINES]:  # other threads may be here, too
            self.outlines.pop(oldest, None)
        return found

    def check_cancelled(self) -> None:
        if self.cancelled.is_set():
            raise BuildInterrupted

    @property
    def search(self) -> Search:
        """What looks for the secrets of this build."""
        if self.memory.search is None:
            from hermes.container.secrets.leaks import Search

            self.memory.search = Search(self.secrets)
        return self.memory.search

    def check_document(self, what: str, document: Any) -> None:
        """Raise `SecretLeaked` when a document that is kept has a secret in it."""
        if self.secrets and (form := self.search.in_document(document)):
            raise _revealed(what, form)

    def check_file(self, one: Resolved) -> None:
        """Raise `SecretLeaked` when a file that goes into a layer has a secret in it."""
        if self.secrets and (form := self.search.in_file(path := self.path_of(one))):
            raise _revealed(path, form)

    def session(self) -> requests.Session:
        """Return the calling thread's session, whose connections are used again."""
        if self.memory.session is None:
            from hermes.registry import pace

            self.memory.session = pace.session()
        return self.memory.session

    @property
    def index(self) -> PackageIndex:
        """Where Python packages come from."""
        assert self.packages is not None
        return self.packages()

    def package_session(self) -> requests.Session:
        """Return the calling thread's session for package indexes, which may have certificates of their own."""
        if self.memory.package_session is None:
            from hermes.python.index import session_for

            self.memory.package_session = session_for(self.index.sources)
        return self.memory.package_session

    @property
    def npm(self) -> NpmRegistry:
        """Where npm packages come from."""
        assert self.npm_packages is not None
        return self.npm_packages()

    def npm_session(self) -> requests.Session:
        """Return the calling thread's session for npm's registries, which may have certificates of their own."""
        if self.memory.npm_session is None:
            from hermes.node.registry import session_for

            self.memory.npm_session = session_for(self.npm.sources)
        return self.memory.npm_session

    def path_of(self, one: Resolved) -> str:
        """Return where the bytes of a file that an action reads are on disk; raises `MissingBlobError`."""
        if one.origin:
            return one.origin
        self.store.blobs.check(one.value.digest)
        return self.store.blobs.path(one.value.digest)

    def document(self, value: Value) -> Any:
        """Return the JSON document in a blob; raises `ImageError` for anything else."""
        try:
            return parse_json(self.store.blobs.read(value.digest))
        except ValueError as error:
            raise ImageError(f"{value.digest} is not a JSON document: {error}") from None


def _revealed(what: str, form: Form) -> SecretLeaked:
    return SecretLeaked(
        f"{what} has {form.part}the secret {form.id!r}",
        hint="a secret is for a command that runs; take it out, and give it when the image runs",
    )


def layers_of(rows: Iterable[Resolved], tools: Tools) -> Iterator[list[Resolved]]:
    """Yield the layers that each input stands for: one, or all of an image from elsewhere."""
    for one in rows:
        if one.value.kind == LAYERS:
            diff_ids = map(Digest.parse, tools.document(one.value))
            yield [one._replace(value=Value(LAYER, diff_id)) for diff_id in diff_ids]
        else:
            yield [one]


def stack_of(roots: Iterable[Resolved], tools: Tools) -> tuple[StackEntry, ...]:
    """Return the layers that a command runs on, the lowest first."""
    from hermes.container.stack import StackEntry

    return tuple(
        StackEntry(one.value.digest, one.path) for listed in layers_of(roots, tools) for one in listed
    )


def hinted_codec(request: Request) -> Codec | None:
    """Return the compressed form that a consumer of the action's layer is going to ask for."""
    return codec_of(max(request.hints, default=""))


def stored(store: Store, kind: str, data: bytes) -> Value:
    """Put a document or file into the store."""
    return Value(kind, store.blobs.put(data), len(data))
