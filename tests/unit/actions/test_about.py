"""What displays say of actions."""

from __future__ import annotations

import pytest

from hermes.actions.about import about
from hermes.actions.specs.fetch import Fetch
from hermes.actions.specs.fetch_wheel import FetchWheel
from hermes.actions.specs.pull import Pull
from hermes.actions.specs.run import Run
from hermes.actions.specs.spec import Ref, Spec, declared
from hermes.actions.specs.write import Write
from hermes.digest import Digest

DIGEST = "ab" * 32


def run(*argv: str) -> Run[Ref]:
    return Run(argv=argv, mtime=0, network=False)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (run("/bin/sh", "-c", "make \\\n  all"), "run make \\ all"),
        (run("make", "all"), "run make all"),
        (
            Fetch(sha256=DIGEST, urls=("http://de.example.org/pool/python3.11_3.11.2-6_amd64.deb", "other")),
            "fetch python3.11_3.11.2-6_amd64.deb",
        ),
        (Fetch(sha256=DIGEST, urls=()), "fetch"),
        (
            FetchWheel(
                libc="", platform="", project="flask", python="3.11", sha256=(DIGEST,), version="3.0.3"
            ),
            "fetch_wheel flask 3.0.3",
        ),
        (Pull(digest=Digest.from_hex(DIGEST), ref="debian:12"), "pull debian:12"),
        (Write(content="text"), "write"),
    ],
)
def test_an_action_says_what_it_fetches_pulls_or_runs(spec: Spec[Ref], said: str) -> None:
    assert about(declared(spec, name="a", owner="//:a")) == said


def test_an_instruction_says_what_its_actions_do() -> None:
    assert about(declared(run("make"), name="a", owner="Dockerfile:2"), "RUN make") == "RUN make"
    prepared = declared(Write(content="text"), name="a", owner="Dockerfile:2")
    assert about(prepared, "COPY <<EOF /f") == "COPY <<EOF /f (write)"
