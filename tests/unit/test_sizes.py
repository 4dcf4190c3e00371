"""Numbers in files and headers of others, of any length."""

from __future__ import annotations

import pytest

from hermes.container.users import user_in
from hermes.dockerfile.parse import parse
from hermes.errors import DockerfileError, SandboxError, UsageError
from hermes.image.edit import edited, exposed_port, is_signal, nanoseconds
from hermes.sizes import whole_number
from tests.unit.dockerfile.graphs import translated

LONG = "9" * 5000


@pytest.mark.parametrize(
    ("text", "found"),
    [
        *(("0", 0), ("7", 7), ("12", 12), ("0012", 12), ("0" * 5000 + "5", 5)),
        *(("13", None), ("100", None), (LONG, None), ("", None), ("-1", None), ("+1", None), ("1_0", None)),
        *((" 1", None), ("\u0661", None), ("\u00b2", None), ("1.0", None)),
    ],
)
def test_a_number_is_ascii_digits_up_to_its_bound(text: str, found: int | None) -> None:
    assert whole_number(text, 12) == found


def test_numbers_of_any_length_are_read_or_refused_everywhere() -> None:
    for change in ("port", "healthcheck-retries", "healthcheck-interval", "stop-signal"):
        with pytest.raises(UsageError):
            edited({"os": "linux", "architecture": "amd64"}, [(change, LONG + "s" * change.endswith("val"))])
    for line in (
        f"HEALTHCHECK --retries={LONG} CMD x",
        f"HEALTHCHECK --interval={LONG}s CMD x",
        f"EXPOSE {LONG}",
        f"EXPOSE 1-{LONG}",
        f"EXPOSE {LONG}-{LONG}",
        f"COPY --from={LONG} /a /b",
    ):
        with pytest.raises((DockerfileError, UsageError)):
            translated(f"FROM a\n{line}\n")


@pytest.mark.parametrize("user", ["app", LONG, f"0:{LONG}", "0:app"])
def test_ids_of_any_length_in_a_root_are_one_error(user: str) -> None:
    files = {"/etc/passwd": f"app:x:{LONG}:0::/:/bin/sh\n", "/etc/group": f"app:x:{LONG}:\n"}
    with pytest.raises(SandboxError, match="has no valid numeric id"):
        user_in(lambda path: files.get(path, ""), user)


def test_groups_without_a_valid_id_are_passed_over() -> None:
    files = {
        "/etc/passwd": "app:x:7:8::/:/bin/sh\n",
        "/etc/group": f"a:x:{LONG}:app\nb:x:4294967295:app\nc:x:9:app\nd:x:8:app\ne:x:-1:app\n",
    }
    found = user_in(lambda path: files.get(path, ""), "app")
    assert (found.uid, found.gid, found.groups) == (7, 8, (9,))


@pytest.mark.parametrize(
    ("text", "known"),
    [("1", True), ("64", True), ("0", False), ("65", False), ("0645", False), ("640", False)],
)
def test_signals_have_numbers_from_1_to_64(text: str, known: bool) -> None:
    assert is_signal(text) == known


def test_bounds_are_those_of_docker() -> None:
    assert exposed_port("65535") == "65535/tcp"
    with pytest.raises(UsageError):
        exposed_port("65536")
    retries = "HEALTHCHECK --retries=2147483647 CMD x"
    assert parse("Dockerfile", retries).instructions[0].retries == 2147483647  # type: ignore[attr-defined]
    assert nanoseconds("2562047h") == 2562047 * 3_600_000_000_000
    with pytest.raises(UsageError, match="292 years"):
        nanoseconds("2562048h")
