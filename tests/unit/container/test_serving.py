"""What listens where, as a test of a server finds it."""

from __future__ import annotations

import socket

from hermes.container.inside.serving import _address, _listening, _taken


def test_a_port_in_use_is_found_with_its_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert "127.0.0.1" in _listening()[port]
        assert _taken(port) == "127.0.0.1"
    assert port not in _listening()
    assert _taken(port) == ""


def test_addresses_are_written_as_people_write_them() -> None:
    assert _address("0100007F") == "127.0.0.1"
    assert _address("00000000000000000000000001000000") == "::1"
    assert _address("0000000000000000FFFF00000100007F") == "::ffff:127.0.0.1"
