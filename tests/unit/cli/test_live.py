"""What the live display draws on terminals of several sizes, line by line."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing

import pytest
from rich.cells import cell_len
from rich.console import Console

from hermes.cli.live import Live
from hermes.engine.events import (
    ActionCached,
    ActionFailed,
    ActionFinished,
    ActionPrinted,
    ActionStarted,
    BlobEnded,
    BlobExpected,
    BlobMoved,
    BuildStarted,
)
from hermes.errors import BuildError

MIB = 1 << 20
ONE, TWO = (f"sha256:{letter * 64}" for letter in "ab")
LONG = "RUN apt-get update && apt-get install -y --no-install-recommends build-essential git"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def written() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def live(clock: Clock, written: io.StringIO) -> Iterator[Live]:
    with closing(Live(Console(file=written, width=60, color_system=None), clock)) as made:
        yield made


def drawn(live: Live, width: int, height: int = 24) -> list[str]:
    lines = [line.plain for line in live.lines(width, height)]
    assert len(lines) < height
    assert max(map(cell_len, lines), default=0) <= width
    return lines


def begin(live: Live, clock: Clock, count: int) -> None:
    live.event(BuildStarted(12, 8))
    live.event(ActionCached("cached", "Dockerfile:1", "layer", "key"))
    for number in range(count):
        clock.now += 0.5
        live.event(ActionStarted(f"run{number}", f"Dockerfile:{number + 2}", "run", clock.now, LONG))
        live.event(
            ActionPrinted(f"run{number}", "", "run", f"first\nGet:{number} http://de.example.org/debian\n")
        )
    clock.now += 61


AT_40 = [
    "[1/12] 1 cached, 2 running, 1m02s",
    "  Dockerfile:2 RUN apt-get update… 1m01s",
    "    Get:0 http://de.example.org/debian",
    "  Dockerfile:3 RUN apt-get update… 1m01s",
    "    Get:1 http://de.example.org/debian",
]
AT_80 = [
    "[1/12] 1 cached, 2 running, 1m02s",
    "  Dockerfile:2 RUN apt-get update && apt-get install -y --no-install-reco… 1m01s",
    "    Get:0 http://de.example.org/debian",
    "  Dockerfile:3 RUN apt-get update && apt-get install -y --no-install-reco… 1m01s",
    "    Get:1 http://de.example.org/debian",
]
AT_120 = [
    "[1/12] 1 cached, 2 running, 1m02s",
    "  Dockerfile:2 RUN apt-get update && apt-get install -y --no-install-recommends build-essential git                1m01s",
    "    Get:0 http://de.example.org/debian",
    "  Dockerfile:3 RUN apt-get update && apt-get install -y --no-install-recommends build-essential git                1m01s",
    "    Get:1 http://de.example.org/debian",
]


@pytest.mark.parametrize(("width", "lines"), [(40, AT_40), (80, AT_80), (120, AT_120)])
def test_each_step_shows_its_instruction_its_time_and_its_last_line(
    live: Live, clock: Clock, width: int, lines: list[str]
) -> None:
    begin(live, clock, 2)
    assert drawn(live, width) == lines


def test_a_low_terminal_shows_steps_rather_than_what_they_print(live: Live, clock: Clock) -> None:
    begin(live, clock, 8)
    assert drawn(live, 40, 6) == [
        "[1/12] 1 cached, 8 running, 1m05s",
        "  Dockerfile:2 RUN apt-get update… 1m04s",
        "  Dockerfile:3 RUN apt-get update… 1m04s",
        "  Dockerfile:4 RUN apt-get update… 1m03s",
        "  and 5 more",
    ]
    assert len(drawn(live, 80, 24)) == 17
    assert len(drawn(live, 80, 12)) == 11


@pytest.mark.parametrize("width", [10, 20, 40, 79])
def test_no_line_is_too_long_and_none_too_many(live: Live, clock: Clock, width: int) -> None:
    begin(live, clock, 9)
    live.event(BlobExpected(ONE, 30 * MIB, sending=False))
    live.event(BlobMoved(ONE, 10 * MIB, 30 * MIB, sending=False))
    assert all(drawn(live, width, height) for height in range(2, 30))


def test_of_a_long_label_the_end_is_shown(live: Live, clock: Clock) -> None:
    live.event(BuildStarted(1, 1))
    owner = "//services/authentication/backend/production:python_packages"
    live.event(ActionStarted("a", owner, "fetch", clock.now, "fetch python3.11_3.11.2-6_amd64.deb"))
    assert drawn(live, 60)[1:] == ["  …oduction:python_packages fetch python3.11_3.11.2-6_… 0.0s"]


def pull(live: Live, clock: Clock) -> None:
    live.event(BlobExpected(ONE, 30 * MIB, sending=False))
    live.event(BlobExpected(TWO, 10 * MIB, sending=False))
    live.event(BlobMoved(ONE, 0, 30 * MIB, sending=False))
    live.event(BlobMoved(TWO, 0, 10 * MIB, sending=False))
    clock.now += 2
    live.event(BlobMoved(ONE, 6 * MIB, 30 * MIB, sending=False))
    live.event(BlobMoved(TWO, 10 * MIB, 10 * MIB, sending=False))
    live.event(BlobEnded(TWO))


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (
            40,
            [
                "fetching 16.0 MiB of 40.0 MiB 8.0 MiB/s",
                "  aaaaaaaaaaaa 6.0 MiB of 30.0 MiB",
            ],
        ),
        (
            80,
            [
                "fetching 1/2 ━━━━━━━━━─────────────── 16.0 MiB of 40.0 MiB 8.0 MiB/s 3.0s left",
                "  aaaaaaaaaaaa ━━━━──────────────────── 6.0 MiB of 30.0 MiB",
            ],
        ),
        (
            120,
            [
                "fetching 1/2 ━━━━━━━━━─────────────── 16.0 MiB of 40.0 MiB 8.0 MiB/s 3.0s left",
                "  aaaaaaaaaaaa ━━━━──────────────────── 6.0 MiB of 30.0 MiB",
            ],
        ),
    ],
)
def test_a_pull_shows_all_bytes_the_rate_and_the_time_left(
    live: Live, clock: Clock, width: int, lines: list[str]
) -> None:
    pull(live, clock)
    assert drawn(live, width) == lines


def test_a_finished_pull_leaves_a_line_for_the_whole(live: Live, clock: Clock, written: io.StringIO) -> None:
    pull(live, clock)
    clock.now += 2
    live.event(BlobMoved(ONE, 30 * MIB, 30 * MIB, sending=False))
    live.event(BlobEnded(ONE))
    assert drawn(live, 80) == []
    live.close()
    live.close()
    assert written.getvalue().split("\n")[-2:] == ["fetched 2 blobs, 40.0 MiB in 4.0s", ""]


def test_a_blob_that_begins_again_does_not_count_twice(live: Live, clock: Clock) -> None:
    live.event(BlobExpected(ONE, 30 * MIB, sending=True))
    live.event(BlobMoved(ONE, 20 * MIB, 30 * MIB, sending=True))
    clock.now += 1
    live.event(BlobMoved(ONE, 3 * MIB, 30 * MIB, sending=True))
    assert drawn(live, 80)[0].startswith("sending 0/1 ━━──")
    assert " 3.0 MiB of 30.0 MiB" in drawn(live, 80)[0]


def test_the_end_says_what_took_longest(live: Live, clock: Clock, written: io.StringIO) -> None:
    begin(live, clock, 2)
    live.event(ActionFinished("run0", "Dockerfile:2", "run", "key", 100.0, 112.5))
    live.event(ActionFailed("run1", "Dockerfile:3", "run", BuildError("no"), 100.0, 101.0))
    live.summary("built 1 line")
    assert written.getvalue().split("\n")[-4:] == [
        "Dockerfile:3 RUN apt-get update && apt-get install -… failed",
        "built 1 line",
        "slowest: 12.5s Dockerfile:2 RUN apt-get update && apt-get i…",
        "",
    ]
