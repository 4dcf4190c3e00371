"""What is remembered of working containers, while other commands look at them and change them."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from hermes.container.stack import StackEntry
from hermes.container.state import State, States
from hermes.digest import Digest
from hermes.store import Store

LAYER = StackEntry(Digest.of(b"layer"), "layer")


def changed(store: Store) -> State:
    """Make a container in which something changed."""
    state = States(store).create("app", "", (), {"config": {}})
    Path(States(store).upper(state).upper).mkdir(parents=True)
    return state


def committed(state: State) -> State:
    return replace(state, stack=(*state.stack, LAYER), number=state.number + 1, steps=())


def test_who_lists_containers_does_not_disturb_a_commit(store: Store) -> None:
    state = changed(store)

    def publish(folder: str) -> None:
        assert list(States(store)) == [state]
        os.rename(folder, f"{store.trees}/layer")
        assert list(States(store)) == [committed(state)]

    States(store).take_over(state, publish, committed)
    assert States(store).get(state.id) == committed(state)
    assert os.listdir(f"{store.home}/containers/{state.id}") == ["container.json"]


def test_a_step_may_name_a_file_that_is_not_utf_8(store: Store) -> None:
    states = States(store)
    state = states.create("app", "", (), {"config": {}})
    step = b"run -- touch /\xff".decode("utf-8", "surrogateescape")
    states.update(state, lambda one: replace(one, steps=(step,)))
    assert states.damaged() == []
    assert states.get(state.id).steps == (step,)


def test_what_is_configured_during_a_commit_is_kept(store: Store) -> None:
    state = changed(store)
    other = threading.Thread(
        target=lambda: States(store).update(
            state, lambda one: replace(one, document={"config": {"User": "www"}})
        )
    )

    def publish(folder: str) -> None:
        other.start()
        other.join(0.2)
        os.rename(folder, f"{store.trees}/layer")

    States(store).take_over(state, publish, committed)
    other.join()
    assert States(store).get(state.id) == replace(committed(state), document={"config": {"User": "www"}})


def test_a_commit_that_was_killed_has_happened_or_not(store: Store) -> None:
    class Killed(BaseException):
        pass

    def before(folder: str) -> None:
        raise Killed

    def after(folder: str) -> None:
        os.rename(folder, f"{store.trees}/layer")
        raise Killed

    state = changed(store)
    for publish, expected in ((before, state), (after, committed(state))):
        with suppress(Killed):
            States(store).take_over(state, publish, committed)
        assert States(store).get(state.id) == expected
    renamed = States(store).rename(state, "other")
    assert renamed == replace(committed(state), name="other")
    assert list(States(store)) == [renamed]
