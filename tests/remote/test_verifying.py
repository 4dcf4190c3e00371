"""Results of services that this machine makes again: the first path that differs is named, and what is right is kept."""

from __future__ import annotations

import pytest

from hermes.engine.events import Warned
from tests.remote.cluster import Cluster
from tests.remote.sharing import Made, digest_of

RANDOM = """\
run_layer(name = "a", base = ["//base:root"], cmd = "echo same > /a; head -c 9 /dev/urandom > /r; echo {word} > /z")
image(name = "image", layers = ["//base:root", ":a"])
"""


def test_right_results_are_confirmed(cluster: Cluster, sharing: Made) -> None:
    it = sharing("confirmed")
    here = digest_of(it.build("here", cluster.url))
    assert digest_of(it.build("fresh", cluster.url, choice={"verify": 100})) == here
    assert it.of(Warned) == []
    alone = it.build("alone", cluster.url, choice={"executor": cluster.url, "cache": ""}, verify=True, jobs=1)
    assert digest_of(alone) == here


@pytest.mark.parametrize("executes", [False, True], ids=["cache", "executor"])
def test_the_first_path_that_differs_is_named(cluster: Cluster, sharing: Made, executes: bool) -> None:
    it = sharing(f"random-{executes}")
    it.root.write("app/BUILD", RANDOM.format(word=it.word))
    choice = {"executor": cluster.url, "cache": ""} if executes else {}
    other = digest_of(it.build("first", cluster.url, choice=choice))
    assert digest_of(it.build("trusting", cluster.url, choice=choice)) == other
    checked = digest_of(it.build("fresh", cluster.url, choice={**choice, "verify": 100}))
    assert checked != other
    (warned,) = it.of(Warned)
    assert warned.message.startswith("//app:a: ")
    assert "gave another layer than this machine made: /r differs in digest" in warned.message
    assert digest_of(it.build("fresh", cluster.url, choice={**choice, "verify": 100})) == checked
