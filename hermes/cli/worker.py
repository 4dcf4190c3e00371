"""``hermes worker``."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from types import FrameType

import click

from hermes.cli.lines import write_line
from hermes.cli.options import Line, runtime_option
from hermes.errors import UsageError
from hermes.store.location import default_home


@click.command("worker")
@click.argument("url", metavar="URL")
@click.option("-j", "--jobs", type=click.IntRange(1, 1024), metavar="N", help="Execute N actions at once.")
@click.option("--name", default="", help="What the service calls this worker; by default, the host name.")
@click.option(
    "--property",
    "properties",
    multiple=True,
    metavar="NAME=VALUE",
    help="Offer a platform property besides OSFamily, ISA, hermes and hermes-ids.",
)
@click.option(
    "--emulate",
    "emulated",
    multiple=True,
    metavar="ARCH",
    help="Execute commands for another architecture, too, such as arm64, by qemu.",
)
@click.option("--remote-instance", default="", envvar="HERMES_REMOTE_INSTANCE", metavar="NAME")
@click.option(
    "--remote-header",
    "headers",
    multiple=True,
    type=Line(),
    envvar="HERMES_REMOTE_HEADER",
    metavar="NAME=VALUE",
)
@click.option("--tls-ca", type=click.Path(path_type=Path), help="A certificate authority, in PEM.")
@click.option("--tls-cert", type=click.Path(path_type=Path), help="This worker's certificate, in PEM.")
@click.option("--tls-key", type=click.Path(path_type=Path), help="The key of that certificate, in PEM.")
@click.option(
    "--max-size",
    default="",
    metavar="SIZE",
    help="Keep the store below this: what was used longest ago goes first.",
)
@runtime_option
def command(
    url: str,
    jobs: int | None,
    name: str,
    properties: tuple[str, ...],
    emulated: tuple[str, ...],
    remote_instance: str,
    headers: tuple[str, ...],
    tls_ca: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    max_size: str,
    runtime: str,
) -> None:
    """Execute actions that builds on other machines send to a build service, such as BuildGrid.

    URL is grpc://HOST:PORT, grpcs://HOST:PORT or unix:PATH. The store of HERMES_HOME is kept: a layer is fetched and
    extracted once. SIGTERM ends it when its actions have ended, a second one at once.

    \b
    hermes worker grpc://buildgrid.example.com:50051 --jobs 4 --max-size 50G
    """
    from hermes.api.executing import run_worker
    from hermes.build.remote.worker import WorkerOptions
    from hermes.cli.cache import bytes_of
    from hermes.image.platform import Platform
    from hermes.remote.address import Address, Tls
    from hermes.remote.settings import header_of

    pairs = dict(_property(text) for text in properties)
    address = Address.parse(
        url, remote_instance, tuple(map(header_of, headers)), Tls(tls_ca, tls_cert, tls_key)
    )
    options = WorkerOptions(
        address,
        jobs or len(os.sched_getaffinity(0)),
        name,
        pairs,
        bytes_of(max_size) if max_size else None,
        architectures=tuple(Platform.parse(f"linux/{one}").architecture for one in emulated),
    )
    stopping = _Stopping()
    signal.signal(signal.SIGTERM, stopping.signalled)
    signal.signal(signal.SIGINT, stopping.signalled)
    run_worker(default_home(), runtime, options, write_line, stopping.wait)


def _property(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise UsageError(f"--property: expected NAME=VALUE, got {text!r}")
    return name, value


class _Stopping:
    """Counts signals that ask to stop."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = threading.Event()

    def signalled(self, _number: int, _frame: FrameType | None) -> None:
        self._count += 1
        self._changed.set()

    def wait(self, seconds: float) -> int:
        """Wait for a signal; return how many there were in all."""
        if self._changed.wait(seconds):
            self._changed.clear()
        return self._count
