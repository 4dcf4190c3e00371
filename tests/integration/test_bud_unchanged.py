"""A build of a Dockerfile to which nothing changed looks at nothing else, and one to which something did notices it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable

import pytest

from tests.integration.yard import Yard

DOCKERFILE = """\
FROM base
ARG NAME=a
COPY a.txt sub /srv/
COPY --from=other . /other
RUN --mount=type=bind,source=sub,target=/in cat /in/b.txt /srv/a.txt > /both
MAINTAINER me
"""
TICK = 0.03


@pytest.fixture
def settled(yard: Yard) -> Yard:
    """A yard whose Dockerfile has been built, and whose files are older than that."""
    yard.write("a.txt", "a")
    yard.write("sub/b.txt", "b")
    yard.write("sub/deep/c.txt", "c")
    yard.write(".dockerignore", "*.md\n")
    yard.write("Dockerfile", DOCKERFILE)
    other = yard.root.parent / "other"
    other.mkdir()
    (other / "o.txt").write_text("o")
    time.sleep(TICK)
    assert build(yard)
    return yard


def build(yard: Yard, **options: object) -> bool:
    """Build, and tell whether anything was looked at besides what tells of changes."""
    yard.events.clear()
    yard.said.clear()
    options = {"contexts": {"other": str(yard.root.parent / "other")}, **options}
    yard.digest = yard.bud(**options).digest
    return bool(yard.events)


def test_what_ran_again_is_what_the_next_build_finds(yard: Yard) -> None:
    """As with docker and buildah: a build without the cache is not undone by one with it."""
    text = "FROM base AS one\nRUN cat /proc/sys/kernel/random/uuid > /one\nFROM one\n"
    yard.write("Dockerfile", f"{text}RUN cat /proc/sys/kernel/random/uuid > /two\n")

    def seen(**options: object) -> tuple[str, str]:
        yard.bud(tags=["it"], **options)
        return yard.shown("cat /one"), yard.shown("cat /two")

    first = seen()
    again = seen(use_cache=False)
    assert again[0] != first[0]
    assert again[1] != first[1]
    assert seen() == again
    last = seen(fresh_stages=["1", "nope"])
    assert last[0] == again[0]
    assert last[1] != again[1]
    assert yard.said == ["warning: Dockerfile: no stage nope to execute again"]
    yard.said.clear()
    assert seen() == last
    assert yard.said == []
    named = seen(fresh_stages=["ONE"])
    assert named[0] != last[0]
    assert named[1] != last[1]  # its base is another


def test_nothing_is_looked_at_again(settled: Yard) -> None:
    first = settled.digest
    assert not build(settled, tags=["named"])
    assert settled.digest == first
    assert settled.shown("cat /both", "named") == "ba"
    assert any("MAINTAINER is deprecated" in one for one in settled.said)


def same_time(yard: Yard) -> None:
    path = yard.root / "a.txt"
    times = path.stat()
    path.write_text("z")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def as_link(yard: Yard) -> None:
    shutil.copytree(yard.root / "sub", yard.root / "moved")
    shutil.rmtree(yard.root / "sub")
    (yard.root / "sub").symlink_to("moved")
    yard.write("moved/b.txt", "x")


def rebase(yard: Yard) -> None:
    text = (yard.root / "Dockerfile").read_text()
    yard.bud("FROM base\nLABEL base=new\n", tags=["base"])
    yard.write("Dockerfile", text)


CHANGES: dict[str, Callable[[Yard], object]] = {
    "a file": lambda yard: yard.write("a.txt", "x"),
    "a file of the same size and time": same_time,
    "a file of a folder": lambda yard: yard.write("sub/deep/c.txt", "x"),
    "a mode": lambda yard: (yard.root / "sub/b.txt").chmod(0o600),
    "the mode of a folder": lambda yard: (yard.root / "sub/deep").chmod(0o700),
    "a file more": lambda yard: yard.write("sub/new.txt", "new"),
    "a file less": lambda yard: (yard.root / "sub/deep/c.txt").unlink(),
    "a folder that becomes a link": as_link,
    "the Dockerfile": lambda yard: yard.write("Dockerfile", DOCKERFILE + "LABEL a=b\n"),
    "the ignore file": lambda yard: yard.write(".dockerignore", "sub/deep\n"),
    "an ignore file that counts instead": lambda yard: yard.write("Dockerfile.dockerignore", "sub/deep\n"),
    "another context": lambda yard: (yard.root.parent / "other/o.txt").write_text("x"),
    "an ignore file of another context": lambda yard: (yard.root.parent / "other/.dockerignore").write_text(
        "x"
    ),
    "the base": rebase,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_noticed(settled: Yard, change: str) -> None:
    first = settled.digest
    CHANGES[change](settled)
    assert build(settled)
    assert settled.digest != first or "ignore file of another" in change
    build(settled)
    assert not build(settled)


@pytest.mark.parametrize(
    "options",
    [
        {"arguments": {"NAME": "b"}},
        {"labels": {"a": "b"}},
        {"format": "docker"},
        {"squash": True},
        {"network": "none"},
        {"seconds": 7},
        {"use_cache": False},
        {"target": "0"},
    ],
    ids=lambda one: next(iter(one)),
)
def test_other_options_are_another_build(settled: Yard, options: dict[str, object]) -> None:
    assert build(settled, **options)


def test_another_time_is_another_build(settled: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "5")
    first = settled.digest
    assert build(settled)
    assert settled.digest != first


def test_an_image_that_is_gone_from_the_store_is_built_again(settled: Yard) -> None:
    (settled.sandbox.home / "blobs/sha256" / settled.digest[7:]).unlink()
    assert build(settled)


def test_a_damaged_snapshot_is_none(settled: Yard) -> None:
    (found,) = [
        path for path in (settled.sandbox.home / "index").glob("*/dockerfile-*") if path.stat().st_size > 900
    ]
    found.write_bytes(found.read_bytes()[:-1] + b"?")
    assert build(settled)


def test_files_that_are_as_new_as_the_build_are_looked_at_again(settled: Yard) -> None:
    path = settled.root / "a.txt"
    later = time.time() + 60
    os.utime(path, (later, later))
    assert build(settled)
    assert build(settled)
    os.utime(path, (1, 1))
    time.sleep(TICK)
    build(settled)
    assert not build(settled)


def test_a_context_is_a_folder_and_not_a_word(settled: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for name in ("one", "two"):
        folder = settled.root.parent / name
        (folder / "other").mkdir(parents=True)
        (folder / "other/o.txt").write_text(name)
        time.sleep(TICK)
        monkeypatch.chdir(folder)
        build(settled, contexts={"other": "other"})
        found.append(settled.digest)
    assert found[0] != found[1]


def test_a_context_that_is_a_link_is_the_folder_that_it_leads_to(settled: Yard) -> None:
    top = settled.root.parent
    shutil.copytree(top / "other", top / "another")
    (top / "another/o.txt").write_text("another")
    (top / "link").symlink_to("other")
    time.sleep(TICK)
    build(settled, contexts={"other": str(top / "link")})
    first = settled.digest
    (top / "link").unlink()
    (top / "link").symlink_to("another")
    build(settled, contexts={"other": str(top / "link")})
    assert settled.digest != first


def test_an_ignore_file_that_is_a_link_is_what_it_leads_to(settled: Yard) -> None:
    (settled.root / ".dockerignore").unlink()
    shared = settled.root.parent / "shared.ignore"
    shared.write_text("*.md\n")
    (settled.root / ".dockerignore").symlink_to(shared)
    time.sleep(TICK)
    build(settled)
    first = settled.digest
    shared.write_text("sub/deep\n")
    build(settled)
    assert settled.digest != first


def test_an_ignore_file_may_be_a_link_to_a_link(settled: Yard) -> None:
    top = settled.root.parent
    (settled.root / ".dockerignore").unlink()
    (top / "one.ignore").write_text("*.md\n")
    (top / "two.ignore").write_text("sub/deep\n")
    (top / "current.ignore").symlink_to("one.ignore")
    (settled.root / ".dockerignore").symlink_to(top / "current.ignore")
    time.sleep(TICK)
    build(settled)
    first = settled.digest
    (top / "current.ignore").unlink()
    (top / "current.ignore").symlink_to("two.ignore")
    build(settled)
    assert settled.digest != first
