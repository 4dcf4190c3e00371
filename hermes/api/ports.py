"""Ports that ``hermes run`` publishes: what the texts for them mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from hermes.errors import UsageError
from hermes.sandbox.network import EVERY_ADDRESS, Port, Protocol

_RANGE: Final = r"[0-9]{1,5}(?:-[0-9]{1,5})?"
_FORM: Final = re.compile(
    rf"(?:(?:(?P<address>[0-9.]+):)?(?P<outer>{_RANGE})?:)?(?P<inner>{_RANGE})(?:/(?P<protocol>[a-zA-Z]+))?"
)
_EXPECTED: Final = "[[IP:][HOST]:]CTR[/tcp|/udp], where HOST and CTR are ports or ranges as 8000-8010"


def published(text: str) -> tuple[Port, ...]:
    """Return the ports that a text as docker has it means; an ``outer`` of 0 is any free one. Raises `UsageError`.

    A text is a port of the command, after one of this machine, after an address of this machine.
    """
    if text.startswith("["):
        raise UsageError(
            f"--publish {text}: IPv6 addresses cannot be published",
            hint="leave the address out, or give an IPv4 one",
        )
    match = _FORM.fullmatch(text)
    if match is None:
        raise UsageError(f"--publish: expected {_EXPECTED}, got {text!r}")
    protocol = _protocol(text, match["protocol"])
    address = _address(text, match["address"])
    inner = _ports(text, match["inner"])
    outer = _ports(text, match["outer"]) if match["outer"] else range(0)
    if not outer:
        return tuple(Port(0, one, address, protocol) for one in inner)
    if len(outer) != len(inner):
        raise UsageError(
            f"--publish {text}: {len(outer)} ports of this machine for {len(inner)} of the program",
            hint="give ranges of one length",
        )
    return tuple(Port(here, there, address, protocol) for here, there in zip(outer, inner, strict=True))


def check_together(ports: Sequence[Port]) -> None:
    """Raises `UsageError` where two would have the same port of this machine."""
    seen: dict[tuple[int, str], list[str]] = {}
    for one in ports:
        others = seen.setdefault((one.outer, one.protocol), [])
        if one.outer and (one.address in others or (others and EVERY_ADDRESS in (one.address, *others))):
            raise UsageError(f"--publish {one}: port {one.outer} of this machine is published twice")
        others.append(one.address)


def _protocol(text: str, name: str | None) -> Protocol:
    match (name or "tcp").lower():
        case "tcp":
            return "tcp"
        case "udp":
            return "udp"
    raise UsageError(f"--publish {text}: unknown protocol {name!r}", hint="there are tcp and udp")


def _address(text: str, address: str | None) -> str:
    import ipaddress

    if address is None:
        return EVERY_ADDRESS
    try:
        return str(ipaddress.IPv4Address(address))
    except ValueError:
        raise UsageError(f"--publish {text}: invalid IPv4 address {address!r}") from None


def _ports(text: str, found: str) -> range:
    first, _, last = found.partition("-")
    ports = range(int(first), int(last or first) + 1)
    if not ports:
        raise UsageError(f"--publish {text}: the range {found} ends before it begins")
    if ports[0] < 1 or ports[-1] > 65535:
        raise UsageError(f"--publish {text}: ports are from 1 to 65535")
    return ports
