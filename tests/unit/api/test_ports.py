"""What ``--publish`` means, as docker has it, and what it cannot mean."""

from __future__ import annotations

import re
import socket

import pytest

from hermes.api.ports import published
from hermes.api.run_options import RunOptions
from hermes.errors import UsageError
from hermes.sandbox.network import Port
from hermes.sandbox.usermode import check_ports, check_shared, with_numbers


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("80", [Port(0, 80)]),
        (":80", [Port(0, 80)]),
        ("8080:80", [Port(8080, 80)]),
        ("8080:80/tcp", [Port(8080, 80)]),
        ("53:5353/UDP", [Port(53, 5353, protocol="udp")]),
        ("127.0.0.1:8080:80", [Port(8080, 80, "127.0.0.1")]),
        ("127.0.0.1::80", [Port(0, 80, "127.0.0.1")]),
        ("8000-8001:90-91", [Port(8000, 90), Port(8001, 91)]),
        ("90-91", [Port(0, 90), Port(0, 91)]),
        ("65535:65535", [Port(65535, 65535)]),
    ],
)
def test_a_text_names_ports_of_this_machine_and_of_the_program(text: str, ports: list[Port]) -> None:
    assert list(published(text)) == ports


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "expected [[IP:][HOST]:]CTR"),
        ("x", "expected [[IP:][HOST]:]CTR"),
        ("80:", "expected [[IP:][HOST]:]CTR"),
        ("1:2:3:4", "expected [[IP:][HOST]:]CTR"),
        ("-1:80", "expected [[IP:][HOST]:]CTR"),
        ("80/", "expected [[IP:][HOST]:]CTR"),
        ("0", "ports are from 1 to 65535"),
        ("0:80", "ports are from 1 to 65535"),
        ("65536", "ports are from 1 to 65535"),
        ("80:70000", "ports are from 1 to 65535"),
        ("8001-8000:80-81", "the range 8001-8000 ends before it begins"),
        ("8000-8002:80-81", "3 ports of this machine for 2 of the program"),
        ("8000-8001:80", "2 ports of this machine for 1 of the program"),
        ("80/sctp", "unknown protocol 'sctp'"),
        ("300.0.0.1:80:80", "invalid IPv4 address '300.0.0.1'"),
        ("1.2.3:80:80", "invalid IPv4 address '1.2.3'"),
        ("[::1]:80:80", "IPv6 addresses cannot be published"),
    ],
)
def test_what_cannot_be_published_is_said(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=re.escape(reason)):
        published(text)


def test_ports_take_a_network_and_are_published_once() -> None:
    with pytest.raises(UsageError, match="no network that could be reached"):
        RunOptions(ports=published("80"))
    RunOptions(network="default", ports=published("80") + published("80"))
    RunOptions(network="default", ports=published("80:80") + published("80:80/udp"))
    RunOptions(network="default", ports=published("127.0.0.1:80:80") + published("127.0.0.2:80:80"))
    for one, other in ("80:80", "80:81"), ("80:80", "127.0.0.1:80:80"), ("127.0.0.1:80:80", "80:80"):
        with pytest.raises(UsageError, match="published twice"):
            RunOptions(network="default", ports=published(one) + published(other))


def test_with_the_network_of_this_machine_a_port_stays_what_it_is() -> None:
    RunOptions(network="host", ports=published("80") + published("81:81"))
    for text, reason in ("80:81", "cannot become another one"), ("127.0.0.1:80:80", "at which addresses"):
        with pytest.raises(UsageError, match=reason):
            RunOptions(network="host", ports=published(text))
        with pytest.raises(UsageError, match=reason):
            check_shared(published(text))


def test_a_port_that_is_taken_is_said_with_its_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = Port(server.getsockname()[1], 80, "127.0.0.1")
        with pytest.raises(
            UsageError, match=f"{taken.outer} of this machine cannot be used: Address already in use"
        ):
            check_ports([taken])
        check_ports([taken._replace(protocol="udp")])


def test_a_free_port_is_found_for_those_without_one() -> None:
    asked = [Port(0, 80, "127.0.0.1"), Port(9, 81)]
    free, given = with_numbers(asked)
    assert free == asked[0]._replace(outer=free.outer)
    assert free.outer > 1023
    assert given == asked[1]
