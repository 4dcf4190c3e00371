"""A build says which workers it waits for, once, and not while there is one."""

from __future__ import annotations

import threading

import pytest

from hermes.build.remote.queue import Queue
from hermes.remote.execution import EXECUTING, QUEUED

NEEDED = {"hermes": "1", "OSFamily": "linux"}


@pytest.fixture
def said() -> list[str]:
    return []


def test_an_action_that_no_worker_takes_is_told_of_once(said: list[str]) -> None:
    told = threading.Event()
    queue = Queue("grpc://there", lambda text: (said.append(text), told.set()), 0.01)
    for owner in ("//:a", "//:b"):
        with queue.watched(owner, NEEDED) as moved:
            moved(QUEUED)
            assert told.wait(5)
    (text,) = said
    assert text.startswith(
        "//:a: no worker of grpc://there has taken it in 0.01 s; it waits for one that has"
    )
    assert "OSFamily=linux, hermes=1" in text


def test_where_a_worker_has_taken_one_others_wait_without_a_word(said: list[str]) -> None:
    queue = Queue("grpc://there", said.append, 0.01)
    with queue.watched("//:a", NEEDED) as moved:
        moved(EXECUTING)
    with queue.watched("//:b", NEEDED) as moved:
        moved(QUEUED)
        assert not threading.Event().wait(0.05)
    with queue.watched("//:c", {"other": "one"}):
        pass
    assert said == []
