"""``test``: an image is tested."""

from __future__ import annotations

from typing import ClassVar

from hermes.actions.specs.spec import I, Spec, role, roles
from hermes.container.mount_values import Tmpfs
from hermes.container.profiles import RunProfile
from hermes.testing.suite import CommandTest, HttpTest


class Test(Spec[I]):
    """The tests of an image, whose ``config`` is its configuration and ``roots`` are its layers.

    What is asked for is in ``files`` (see `hermes.testing.documents`), at paths that errors call them, in ``command``, or
    in ``http``. The files of ``data`` are what those of ``files`` mount and read, by their paths in their packages. How
    programs run is as of `hermes.api.run_options.RunOptions`; ``argv`` are the arguments of the server that ``http``
    asks, in the place of the image's. ``chosen`` is a pattern for the names of cases, and ``run`` which of several runs of
    one test it is.
    """

    __test__ = False
    kind: ClassVar[str] = "test"

    command: CommandTest | None = None
    http: HttpTest | None = None
    argv: tuple[str, ...] = ()
    writable: bool = False
    profile: RunProfile = "strict"
    capabilities: tuple[str, ...] = ()
    tmpfs: tuple[Tmpfs, ...] = ()
    network: bool = False
    env: tuple[tuple[str, str], ...] = ()
    user: str = ""
    workdir: str = ""
    hostname: str = ""
    chosen: str = ""
    run: int = 0
    config: I = role("config")
    roots: tuple[I, ...] = roles("root", default=())
    files: tuple[I, ...] = roles("test", default=())
    data: tuple[I, ...] = roles("data", default=())

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("report",)
