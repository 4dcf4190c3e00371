"""How to build the targets of a workspace."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hermes.build.epoch import epoch_text
from hermes.build.secrets import SecretSource

if TYPE_CHECKING:
    from hermes.build.test_options import TestOptions
    from hermes.remote.settings import RemoteChoice


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """How to build.

    ``platform`` is ``os/architecture`` (default: this machine's); ``values`` are those of ``--set``;
    ``jobs`` actions run at once (default: one a processor); with ``keep_going`` a failure stops only what
    depends on it; ``destinations`` are ``TRANSPORT:PATH`` texts that the one image built is written to;
    ``secrets`` say where commands' secrets come from, and are in no key. ``runtime`` starts commands
    (`hermes.sandbox.choice`; default: what ``hermes.yaml`` says). Where what is built is ``taken_from_store``, a
    ``hermes-out`` that cannot be written does not matter; nor does it where there are destinations. ``cache_from`` and
    ``cache_to`` are what `hermes.naming.caches` reads; a mistake in them is a `UsageError`. With
    ``tests`` the tests among the targets are run, and nothing else is built but for them. ``remote`` says who executes
    actions besides this machine. With ``verify`` every action is executed though its result is known, and one that gives something
    else fails.
    """

    platform: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    jobs: int | None = None
    keep_going: bool = False
    destinations: Sequence[str] = ()
    secrets: Sequence[SecretSource] = ()
    runtime: str = ""
    taken_from_store: bool = False
    cache_from: Sequence[str] = ()
    cache_to: Sequence[str] = ()
    tests: TestOptions | None = None
    remote: RemoteChoice | None = None
    verify: bool = False

    def __post_init__(self) -> None:
        if self.cache_from or self.cache_to:
            from hermes.naming.caches import check

            check(self.cache_from, self.cache_to)

    def key(self, patterns: Sequence[str], package: str) -> str:
        """Return a name for a build of the same things in the same configuration.

        The runtime is neither in it nor in any action's key: it must not change a byte.
        """
        values = sorted(f"{name}={value}" for name, value in self.values.items())
        parts = (*patterns, "", package, self.platform, epoch_text(), *values)
        if self.tests is not None:
            parts = (*parts, "", repr(self.tests))
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]
