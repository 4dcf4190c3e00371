"""What ``--publish`` means, as docker has it, and what it cannot mean."""

from __future__ import annotations

import re
import socket

import pytest

from hermes.api.ports import published
from hermes.api.run_options import RunOptions
from hermes.errors import UsageError
from hermes.sandbox.network import Port
from hermes.sandbox.ports import Listening, check_shared


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
        ("[::1]:8080:80", [Port(8080, 80, "::1")]),
        ("[0::1]::80/udp", [Port(0, 80, "::1", "udp")]),
        ("8000-8010:80", [Port(8000, 80, last=8010)]),
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
        ("80/sctp", "unknown protocol 'sctp'"),
        ("300.0.0.1:80:80", "invalid IP address '300.0.0.1'"),
        ("1.2.3:80:80", "invalid IP address '1.2.3'"),
        ("[1.2.3.4]:80:80", "invalid IP address '[1.2.3.4]'"),
        ("::1:80:80", "expected [[IP:][HOST]:]CTR"),
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
    RunOptions(network="default", ports=published("127.0.0.1:80:80") + published("[::1]:80:80"))
    RunOptions(network="default", ports=published("0.0.0.0:80:80") + published("[::1]:80:80"))
    RunOptions(network="default", ports=published("80-90:80") + published("80-90:81"))
    for one, other in (
        ("80:80", "80:81"),
        ("80:80", "127.0.0.1:80:80"),
        ("[::1]:80:80", "80:80"),
        ("[::]:80:80", "[::1]:80:80"),
    ):
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
            Listening([taken])
        Listening([taken._replace(protocol="udp")]).close()
        with Listening([taken._replace(last=taken.outer + 9)]) as next_free:
            (one,) = next_free.listeners
            assert taken.outer < one.port.outer <= taken.outer + 9
            assert one.sockets[0].getsockname() == ("127.0.0.1", one.port.outer)
            assert not one.port.last


def test_a_free_port_of_all_addresses_is_one_number() -> None:
    with Listening([Port(0, 80), Port(0, 80, protocol="udp")]) as listening:
        for one in listening.listeners:
            assert one.port.outer > 1023
            assert {made.getsockname()[1] for made in one.sockets} == {one.port.outer}
            assert one.sockets[0].family == socket.AF_INET
    with pytest.raises(UsageError, match=r"192\.0\.2\.77:0 of this machine cannot be used: Cannot assign"):
        Listening([Port(0, 80), Port(0, 80, "192.0.2.77")])
