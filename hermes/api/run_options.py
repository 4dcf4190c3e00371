"""How an image is run: the options that open its sandbox, one by one, and the syntax of their values."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from hermes.api.ports import check_together
from hermes.container.mount_values import Bound, Tmpfs
from hermes.container.profiles import PROFILES, RunProfile, granted
from hermes.errors import UsageError
from hermes.image.assignments import assignments
from hermes.sandbox.network import NETWORKS, Network, Port

_HOSTNAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?")
_HOST: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9_])?")
_GATEWAY: Final = "host-gateway"


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run an image. Everything but the defaults gives the program more than it needs to have.

    ``writable``: the root can be written, and what is written is thrown away. ``profile`` is one of `PROFILES`; see
    `hermes.container.profiles`. ``capabilities`` are those that it has besides, ``dropped`` those that it has not, as
    `hermes.sandbox.capabilities.chosen` takes them; only root in the container has any. ``tmpfs`` are empty folders in memory. ``network`` is that of the program. ``ports`` are published, which takes a network. ``env`` holds pairs on top
    of the image's. ``user`` and ``workdir`` take the place of the image's. ``runtime`` is a name of
    `hermes.sandbox.choice`, empty for what ``hermes.yaml`` says. ``platform`` says which image of an index is meant (default:
    that for this machine). Raises `UsageError`.
    """

    writable: bool = False
    profile: RunProfile = "strict"
    capabilities: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    volumes: tuple[Bound, ...] = ()
    tmpfs: tuple[Tmpfs, ...] = ()
    network: Network = "none"
    ports: tuple[Port, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    user: str = ""
    workdir: str = ""
    hostname: str = ""
    runtime: str = ""
    platform: str = ""

    def __post_init__(self) -> None:
        if self.network not in NETWORKS:
            raise UsageError(f"unknown network {self.network!r}", hint=f"there are {', '.join(NETWORKS)}")
        if self.ports and self.network == "none":
            raise UsageError(
                f"--publish {self.ports[0]}: the program has no network that could be reached from outside",
                hint="leave out --network none",
            )
        if self.network == "host" and self.ports:
            from hermes.sandbox.ports import check_shared

            check_shared(self.ports)
        check_together(self.ports)
        if self.workdir and not self.workdir.startswith("/"):
            raise UsageError(f"--workdir {self.workdir}: must be an absolute path in the image")
        check_hostname(self.hostname)
        if self.profile not in PROFILES:
            raise UsageError(f"unknown profile {self.profile!r}", hint=f"there are {', '.join(PROFILES)}")
        self.granted  # noqa: B018 - checks the names

    @property
    def granted(self) -> tuple[str, ...]:
        """The full names of the capabilities of root in the container."""
        return granted(self.profile, self.capabilities, self.dropped)

    def check_user(self, user: str) -> None:
        """Raises `UsageError` when capabilities are asked for and ``user`` is not root."""
        if self.capabilities and user.partition(":")[0] not in ("", "0", "root"):
            raise UsageError(
                f"--cap-add: the program runs as {user}, and only root in a container has capabilities",
                hint="add --user 0, or leave --cap-add out",
            )


def check_hostname(text: str) -> str:
    """Return a host name, or nothing for none; raises `UsageError`."""
    if text and not _HOSTNAME.fullmatch(text):
        raise UsageError(f"--hostname: invalid host name {text!r}")
    return text


def volume(text: str) -> Bound:
    """Return what ``HOST:CONTAINER[:ro]`` mounts; raises `UsageError`."""
    parts = text.split(":")
    if len(parts) not in (2, 3) or not parts[0]:
        raise UsageError(f"--volume: expected HOST:CONTAINER or HOST:CONTAINER:ro, got {text!r}")
    host, target = parts[:2]
    if parts[2:] not in ([], ["ro"], ["rw"]):
        raise UsageError(
            f"--volume {text}: unknown option {parts[2]!r}",
            hint="there are ro and rw; owners and labels of a volume stay as they are",
        )
    if not target.startswith("/") or not target.strip("/"):
        raise UsageError(
            f"--volume {text}: expected an absolute path other than / in the container, got {target!r}"
        )
    source = os.path.abspath(os.path.expanduser(host))
    if not os.path.exists(source):
        hint = "there are no named volumes; the path is that of a file or folder of this machine"
        raise UsageError(f"--volume {text}: {source} does not exist", hint=hint)
    return Bound(os.path.normpath(target), source, writable=parts[2:] != ["ro"])


def host(text: str) -> tuple[str, str]:
    """Return the name and the address that ``NAME:IP`` means; raises `UsageError`."""
    import ipaddress

    name, _, address = text.partition("=" if "=" in text else ":")
    if not _HOST.fullmatch(name) or not address:
        raise UsageError(
            f"--add-host: expected NAME:IP, got {text!r}", hint="write it as db:10.0.0.7 or db:::1"
        )
    if address == _GATEWAY:
        raise UsageError(
            f"--add-host {text}: commands cannot reach services that listen on this machine's loopback interface",
            hint=f"write an address that others reach this machine by, or --network host and --add-host {name}:127.0.0.1",
        )
    try:
        found = ipaddress.ip_address(address.removeprefix("[").removesuffix("]"))
    except ValueError:
        found = None
    if found is None or len(str(found).split()) != 1:
        raise UsageError(
            f"--add-host {text}: invalid IP address {address!r}", hint="a name cannot stand for another one"
        )
    return name, str(found)


def variable(text: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """Return the pair that ``NAME=VALUE``, or ``NAME`` of an environment, means; raises `UsageError`."""
    name, equals, value = text.partition("=")
    if not name or "\0" in text:
        raise UsageError(f"--env: expected NAME=VALUE or NAME, got {text!r}")
    if equals:
        return name, value
    if name not in environment:
        raise UsageError(f"--env {name}: it is not set here", hint=f"write --env {name}=VALUE")
    return name, environment[name]


def variables_of_file(path: str, environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the variables of a file as ``docker run --env-file`` reads it; raises `UsageError`.

    A line is ``NAME=VALUE``, taken as it is, or the ``NAME`` of a variable of the environment, which may be unset; one
    that begins with ``#`` is a comment.
    """
    try:
        with open(os.path.expanduser(path), "rb") as file:
            data = file.read()
    except OSError as error:
        raise UsageError(f"--env-file {path}: {error.strerror}") from None
    for _, name, value in assignments(data, f"--env-file {path}"):
        if value is not None:
            yield name, value
        elif name in environment:
            yield name, environment[name]
