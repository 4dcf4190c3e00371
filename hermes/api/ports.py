"""Ports that ``hermes run`` publishes: what the texts for them mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from hermes.errors import UsageError
from hermes.sandbox.network import Port, Protocol

_RANGE: Final = r"[0-9]{1,5}(?:-[0-9]{1,5})?"
_FORM: Final = re.compile(
    rf"(?:(?:(?P<address>[0-9.]+|\[[^]]*\]):)?(?P<outer>{_RANGE})?:)?(?P<inner>{_RANGE})(?:/(?P<protocol>[a-zA-Z]+))?"
)
_EXPECTED: Final = "[[IP:][HOST]:]CTR[/tcp|/udp], where HOST and CTR are ports or ranges as 8000-8010"
_MOST_COLONS: Final = 3


def published(text: str) -> tuple[Port, ...]:
    """Return the ports that a text as docker has it means; an ``outer`` of 0 is any free one. Raises `UsageError`.

    A text is a port of the command, after one of this machine, after an address of this machine. Of a range for one port
    of the command any free one is meant.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        bare = text.count(":") > _MOST_COLONS and "[" not in text
        raise UsageError(
            f"--publish: expected {_EXPECTED}, got {text!r}",
            hint="write an IPv6 address in brackets, as [::1]:8080:80" if bare else None,
        )
    protocol = _protocol(text, match["protocol"])
    address = _address(text, match["address"])
    inner = _ports(text, match["inner"])
    outer = _ports(text, match["outer"]) if match["outer"] else range(0)
    if not outer:
        return tuple(Port(0, one, address, protocol) for one in inner)
    if len(outer) > len(inner) == 1:
        return (Port(outer[0], inner[0], address, protocol, outer[-1]),)
    if len(outer) != len(inner):
        raise UsageError(
            f"--publish {text}: {len(outer)} ports of this machine for {len(inner)} of the program",
            hint="give ranges of one length, or one port of the program",
        )
    return tuple(Port(here, there, address, protocol) for here, there in zip(outer, inner, strict=True))


def check_together(ports: Sequence[Port]) -> None:
    """Raises `UsageError` where two would have the same port of this machine."""
    seen: dict[tuple[int, str], list[str]] = {}
    for one in ports:
        if not one.outer or one.last:
            continue
        others = seen.setdefault((one.outer, one.protocol), [])
        if any(_overlap(one.address, other) for other in others):
            raise UsageError(f"--publish {one}: port {one.outer} of this machine is published twice")
        others.append(one.address)


def _overlap(one: str, other: str) -> bool:
    """Tell whether two addresses, where an empty one is all of them, have one in common."""
    import ipaddress

    if one == other or not one or not other:
        return True
    return (":" in one) == (":" in other) and any(
        ipaddress.ip_address(each).is_unspecified for each in (one, other)
    )


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
        return ""
    try:
        if address.startswith("["):
            return str(ipaddress.IPv6Address(address[1:-1]))
        return str(ipaddress.IPv4Address(address))
    except ValueError:
        raise UsageError(f"--publish {text}: invalid IP address {address!r}") from None


def _ports(text: str, found: str) -> range:
    first, _, last = found.partition("-")
    ports = range(int(first), int(last or first) + 1)
    if not ports:
        raise UsageError(f"--publish {text}: the range {found} ends before it begins")
    if ports[0] < 1 or ports[-1] > 65535:
        raise UsageError(f"--publish {text}: ports are from 1 to 65535")
    return ports
