"""Which option helps a program that was refused something."""

from __future__ import annotations

import pytest

from hermes.api.refusals import advice_on_image, advice_on_output
from hermes.api.run_options import RunOptions

STRICT = RunOptions()
SERVER = RunOptions(profile="server")


@pytest.mark.parametrize(
    ("said", "options", "helps"),
    [
        (
            '[emerg] mkdir() "/var/lib/nginx/body" failed (30: Read-only file system)',
            STRICT,
            "--profile server",
        ),
        ("touch: cannot touch '/x': Read-only file system", SERVER, "--rw"),
        ("OSError: [Errno 30] Read-only file system: '/x'", STRICT, "--profile server"),
        ('nginx: [emerg] chown("/x", 33) failed (1: Operation not permitted)', STRICT, "--profile server"),
        ("su: cannot set groups: setgroups: Operation not permitted", STRICT, "--cap-add"),
        (
            "[emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)",
            RunOptions(network="host"),
            "-p 8080:80",
        ),
        ("ping: connect: Network is unreachable", STRICT, "--network default"),
        ("wget: bad address 'example.org'", STRICT, "--network default"),
        ("cat: /x: Permission denied", STRICT, ""),
        ("it does not work", STRICT, ""),
        ("chown: Operation not permitted", SERVER, ""),
        ("x: Read-only file system", RunOptions(writable=True), ""),
        ("wget: bad address 'example.org'", RunOptions(network="default"), ""),
    ],
)
def test_the_option_that_helps_is_named(said: str, options: RunOptions, helps: str) -> None:
    advice = advice_on_output(f"before\r\n{said}\r\nafter\r\n", options)
    assert (bool(advice), helps in advice) == (bool(helps), True)


def test_an_image_that_declares_ports_or_volumes_seems_to_be_a_server() -> None:
    for config in ({"ExposedPorts": {"80/tcp": {}}}, {"Volumes": {"/data": {}}}):
        assert "--profile server" in advice_on_image(config, STRICT)
        assert advice_on_image(config, SERVER) == ""
    assert advice_on_image({}, STRICT) == ""
