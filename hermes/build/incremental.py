"""A build of targets, unless nothing has changed since the last one of the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from hermes.build.memory.snapshot import Snapshots, changes
from hermes.build.options import BuildOptions
from hermes.build.result import BuildResult
from hermes.build.secrets import read_secrets
from hermes.store.location import is_made
from hermes.workspace.location import Location

if TYPE_CHECKING:
    from hermes.engine.events import Subscriber


def build(
    where: Location,
    patterns: Sequence[str],
    options: BuildOptions,
    subscribers: Sequence[Subscriber] = (),
    say: Callable[[str], None] = lambda _: None,
) -> BuildResult:
    """Build what ``patterns`` mean and link it into ``hermes-out``; see `hermes.Workspace.build`."""
    if options.runtime:
        from hermes.sandbox.choice import check_name

        check_name(options.runtime)
    key = options.key(patterns, where.package)
    secrets = read_secrets(options.secrets) if options.secrets else {}
    is_fresh = options.tests is not None and options.tests.is_fresh
    check = None if is_fresh else Snapshots(where.home, where.root).check(key)
    found = changes(check, str(where.root)) if check else None
    if check and found is not None and not check.whole and _links_all(where, options):
        found.outputs = True
    if check and not found and not options.cache_to:
        is_made(where.home)
        return check.result
    from hermes.build.targets import TargetsBuild

    return TargetsBuild(where, patterns, options, key, secrets, subscribers, say).run(check, found)


def _links_all(where: Location, options: BuildOptions) -> bool:
    """Tell whether a build links all that it gives, also what a remote service has."""
    from hermes.naming.registries import remote_of
    from hermes.remote.settings import MINIMAL

    settings = remote_of(where.root, where.home, options.remote)
    asked = settings.download if settings is not None else ""
    return asked != MINIMAL and (bool(asked) or not options.taken_from_store)
