"""``hermes lock``: asks targets what is to be resolved, has it resolved, and writes their lock files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hermes.api.mirrors import apt_sources
from hermes.api.session import Session
from hermes.debian.lock import LockRequest, make_lock
from hermes.dsl.dialect.values import Struct
from hermes.dsl.providers import LabelValue
from hermes.errors import LabelError, LockError
from hermes.graph.label import Label
from hermes.graph.pattern import parse_all
from hermes.store import Store

if TYPE_CHECKING:
    from hermes.api.workspace import BuildOptions, Workspace


def lock_targets(
    workspace: Workspace, patterns: Sequence[str], options: BuildOptions, say: Callable[[str], None]
) -> list[Path]:
    """Write the lock file of every target among ``patterns`` whose rule has one; return the files."""
    store = Store.open(workspace.home)
    try:
        session = Session.open(workspace, store, options, say)
        named = {one.label for one in parse_all(patterns, relative_to=workspace.package)}
        written = []
        for label in session.labels(patterns, workspace.package):
            request = session.analysis.lock_request(label)
            if request is None:
                if label in named:
                    raise LabelError(
                        f"{label} has nothing to lock", hint="name a target with a lock, such as an apt_layer"
                    )
                continue
            written.append(_lock(workspace, session, store, label, request, say))
        if not written:
            say("no target has a lock")
        return written
    finally:
        store.close()


def _lock(
    workspace: Workspace,
    session: Session,
    store: Store,
    label: Label,
    request: Any,
    say: Callable[[str], None],
) -> Path:
    if type(request) is not Struct or request.fields.get("kind") != "debian":
        raise LockError(f"{label}: its rule asks for a kind of lock that is not known")
    fields = request.fields
    target: LabelValue = fields["file"]
    if target.label.package != label.package:
        raise LockError(f"{label}: its lock is in another package", hint=f"name a file of //{label.package}")
    path = workspace.root / target.label.package / target.label.name
    data = make_lock(
        LockRequest(
            packages=tuple(fields["packages"]),
            architectures=tuple(fields["architectures"]),
            recommends=fields["recommends"],
            essential=fields["essential"],
            exclude=tuple(fields["exclude"]),
            label=str(label),
        ),
        apt_sources(session.settings),
        store.home / "indexes",
        say,
    )
    if not path.exists() or path.read_bytes() != data:
        temporary = path.with_name(f".{path.name}~")
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        except OSError as error:
            raise LockError(f"{path} cannot be written: {error.strerror}") from error
    return path
