"""What is mounted for a command besides its root: binds, caches, tmpfs, folders of subscriptions."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hermes.container.commands import Commands
from hermes.container.layer_forms import LayerForms
from hermes.container.mount_values import Bound, Cache, Tmpfs
from hermes.container.stack import StackEntry
from hermes.container.task import Task
from hermes.digest import Digest
from hermes.errors import BuildError, BuildFailed, HermesError, SandboxError
from hermes.layer import toc
from hermes.sandbox.namespace import Namespace
from hermes.store import Store
from hermes.store.caches import Sharing
from tests.conftest import Sandbox

if TYPE_CHECKING:
    from tests.integration.conftest import OrdinaryUser

RULE = 'run_layer(name = "{}", base = "//base:root", cmd = """{}\n""", mounts = [{}], {})\n'


def build(workspace: Sandbox, command: str, mounts: str, more: str = "", **options: object) -> list[str]:
    """Build a layer by a command; return the paths of its entries."""
    workspace.write("run/BUILD", RULE.format("run", command, mounts, more))
    digest = workspace.digest("//run", **options)
    store = Store.open(workspace.home)
    try:
        return [entry.path for entry in toc.load(store, digest).entries]
    finally:
        store.close()


def test_a_cache_is_kept_and_is_in_no_layer(based: Sandbox) -> None:
    mount = 'cache("c", "/var/cache/c")'
    assert build(based, "echo 1 > /var/cache/c/f; echo x > /srv/f", mount) == ["srv", "srv/f"]
    assert build(based, "test $(cat /var/cache/c/f) = 1 && echo x > /srv/g", mount) == ["srv", "srv/g"]


def test_a_cache_over_a_folder_of_the_root_hides_it_and_changes_nothing(based: Sandbox) -> None:
    assert build(based, "test ! -e /bin/x; : > /srv/f", 'cache("c", "/srv")') == []
    assert build(based, "test -e /srv/f && rm /srv/f", 'cache("c", "/srv")') == []


def test_a_warm_cache_gives_the_digest_of_a_cold_one(based: Sandbox, tmp_path: Path) -> None:
    command = "test -e /c/f || seq 1 1000 > /c/f; sort -n /c/f > /srv/f"
    based.write("run/BUILD", RULE.format("run", command, 'cache("c", "/c")', ""))
    cold = based.digest("//run")
    based.write("run/BUILD", RULE.format("run", f"{command}; true", 'cache("c", "/c")', ""))
    warm = based.digest("//run")
    other = Sandbox(based.root, tmp_path / "other")
    other.write("hermes.yaml", "")
    assert cold == warm == other.digest("//run")


def test_a_cache_has_the_mode_and_owner_that_is_asked_for(based: Sandbox) -> None:
    build(
        based,
        "test $(stat -c %a-%u-%g /c) = 2750-7-8 && : > /c/f",
        'cache("c", "/c", mode = "2750", owner = "7:8")',
        'user = "7:8"',
    )


def commands(workspace: Sandbox, sharing: str) -> dict[str, str]:
    """Two commands that run at the same time, and say whether they saw each other in their cache."""
    shell = (
        "test -e /c/other && seen=1; mkdir /c/here 2>/dev/null || seen=1; "
        "for i in $(seq 1 30); do test -e /c/{other} && seen=1; : > /c/{me}; sleep 0.05; done; "
        "rm /c/{me}; rmdir /c/here 2>/dev/null; echo $seen > /srv/{me}"
    )
    mount = f'cache("c", "/c", sharing = "{sharing}")'
    rules = [
        RULE.format(me, shell.replace("{me}", me).replace("{other}", other), mount, f'outs = ["/srv/{me}"]')
        for me, other in (("a", "b"), ("b", "a"))
    ]
    workspace.write("run/BUILD", "".join(rules))
    built = workspace.build("//run:all", jobs=2).targets
    return {label: Path(outputs[1].path).read_text().strip() for label, outputs in built.items()}


def test_a_shared_cache_is_used_together(based: Sandbox) -> None:
    assert set(commands(based, "shared").values()) == {"1"}


@pytest.mark.parametrize("sharing", ["locked", "private"])
def test_others_are_not_seen_in_a_cache_that_is_not_shared(based: Sandbox, sharing: str) -> None:
    assert commands(based, sharing) == {"//run:a": "", "//run:b": ""}
    folders = {"locked": 1, "private": 2}[sharing]
    assert len(list((based.home / "caches/c").iterdir())) == folders


def test_two_builds_take_turns_with_a_locked_cache(based: Sandbox, tmp_path: Path) -> None:
    shell = "mkdir /c/busy && sleep 1 && rmdir /c/busy && echo {} > /srv/f"
    answers: list[str] = []
    workspaces = []
    for name in "ab":
        from tests.integration.conftest import add_base

        one = Sandbox(tmp_path / name, based.home)
        add_base(one)
        mount = 'cache("c", "/c", sharing = "locked")'
        one.write("run/BUILD", RULE.format("run", shell.format(name), mount, ""))
        workspaces.append(one)
    threads = [
        threading.Thread(target=lambda one=one: answers.append(one.run("build", "//run").stderr))
        for one in workspaces
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 2
    assert not any("error" in answer for answer in answers), answers


def test_waiting_for_a_cache_can_be_given_up(store: Store) -> None:
    class Enough(Exception):
        pass

    def waiting() -> None:
        raise Enough

    with store.caches.used("c", Sharing.SHARED, remove=lambda _: None):
        with (
            pytest.raises(Enough),
            store.caches.used("c", Sharing.LOCKED, remove=lambda _: None, waiting=waiting),
        ):
            pass
        with store.caches.used("c", Sharing.SHARED, remove=lambda _: None, waiting=waiting):
            pass
    with store.caches.used("c", Sharing.LOCKED, remove=lambda _: None, waiting=waiting):
        (folder,) = store.caches.folders()
        assert not store.caches.clear(folder, lambda _: None)


def test_a_build_that_waits_for_a_cache_can_be_interrupted(based: Sandbox, store: Store) -> None:
    based.write("run/BUILD", RULE.format("run", "true", 'cache("c", "/c", sharing = "locked")', ""))
    assert based.build("//base:root")
    with store.caches.used("c", Sharing.LOCKED, remove=lambda _: None):
        waiting = subprocess.Popen(
            [sys.executable, "-m", "hermes", "build", "//run"],
            cwd=based.root,
            env={**os.environ, "HERMES_HOME": str(based.home)},
            stderr=subprocess.PIPE,
            text=True,
        )
        time.sleep(2)
        assert waiting.poll() is None
        waiting.send_signal(signal.SIGINT)
        assert waiting.communicate(timeout=20)[1].endswith("interrupted\n")
    assert waiting.returncode == 130
    assert based.digest("//run")


def test_the_cache_is_in_the_key_and_its_content_is_not(based: Sandbox) -> None:
    build(based, "echo x > /c/f", 'cache("c", "/c")')
    (based.home / "caches/c/0/data/f").write_text("other")
    based.write("run/BUILD", "#\n" + RULE.format("run", "echo x > /c/f", 'cache("c", "/c")', ""))
    assert based.build("//run").executed == ()
    based.write("run/BUILD", RULE.format("run", "echo x > /c/f", 'cache("d", "/c")', ""))
    assert based.build("//run").executed == ("//run:run",)


def test_a_tmpfs_holds_no_more_than_its_size(based: Sandbox) -> None:
    mount = 'tmpfs("/scratch", size = "1M", mode = "0700")'
    assert (
        build(based, "test $(stat -c %a /scratch) = 700 && yes | head -c 1000000 > /scratch/f", mount) == []
    )
    with pytest.raises(BuildFailed, match="status 1"):
        build(based, "yes | head -c 1100000 > /scratch/f", mount)


def test_a_bind_is_read_only_and_in_the_key(based: Sandbox) -> None:
    based.write("run/in.txt", "one")
    mount = 'bind("in.txt", "/in/one"), bind(":both", "/in/all")'
    more = '\n)\nfilegroup(name = "both", srcs = ["in.txt", "sub/b.txt"]'
    based.write("run/sub/b.txt", "b")
    shell = "! echo x > /in/one && ! echo x > /in/all/new && test $(cat /in/one) = one && test $(cat /in/all/sub/b.txt) = b"
    assert build(based, shell, mount, more) == []
    based.write("run/in.txt", "two")
    with pytest.raises(BuildFailed, match="status 1"):
        based.build("//run")


def test_a_genrule_has_mounts_too(based: Sandbox) -> None:
    based.write("gen/in.txt", "text")
    based.write(
        "gen/BUILD",
        'genrule(name = "gen", root = ["//base:root"], outs = ["o"], cmd = "cat /in > o; cat o > /c/f; cat o > /t/f", '
        'mounts = [bind("in.txt", "/in"), cache("c", "/c"), tmpfs("/t")])',
    )
    (built,) = based.build("//gen").targets["//gen:gen"]
    assert Path(built.path).read_text() == "text"


def test_mounts_may_be_selected_and_shared_by_a_bzl_file(based: Sandbox) -> None:
    based.write("run/m.bzl", 'MOUNTS = [cache("c", "/c")]\n')
    based.write(
        "run/BUILD",
        'load(":m.bzl", "MOUNTS")\nconfig_setting(name = "s", values = {"a": "1"})\n'
        'run_layer(name = "run", base = "//base:root", cmd = "ls /c /t; :> /c/f", '
        'mounts = MOUNTS + select({":s": [tmpfs("/t"), bind("BUILD", "/b")], "//conditions:default": []}))',
    )
    assert based.digest("//run", values={"a": "1"})
    based.write("run/BUILD", (based.root / "run/BUILD").read_text().replace("ls /c /t;", "ls /c /t &&"))
    assert based.digest("//run", values={"a": "1"})
    with pytest.raises(BuildFailed, match="/t: No such file"):
        based.digest("//run")


@pytest.mark.parametrize(
    ("mounts", "said"),
    [
        ('"x"', "must be bind"),
        ('cache("c", "c")', "absolute path"),
        ('cache("c", "/c", sharing = "all")', 'sharing is one of "shared", "locked", "private"'),
        ('cache("../c", "/c")', "cannot be its name"),
        ('cache("c", "/c"), cache("c", "/d")', 'names "c" twice'),
        ('tmpfs("/t", size = "much")', "invalid size"),
        ('tmpfs("/../t")', "without . and .."),
        ('bind("missing.txt", "/x")', "no target or file 'missing.txt'"),
        ('bind("BUILD", "/x"), bind("BUILD", "/x")', "two mounts are at /x"),
        ('bind(1, "/x")', "must be a label"),
    ],
)
def test_a_wrong_mount_is_placed(based: Sandbox, mounts: str, said: str) -> None:
    with pytest.raises(HermesError, match=said) as caught:
        build(based, "true", mounts)
    assert "run/BUILD:" in str(caught.value)


@pytest.mark.parametrize(
    ("mounts", "said"),
    [
        ('cache("c", "/proc/x")', "belongs to the sandbox"),
        ('cache("c", "/dev/shm")', "belongs to the sandbox"),
        ('cache("c", "/")', "over the root itself"),
        ('cache("c", "/c"), tmpfs("/c")', "two mounts"),
        ('bind("BUILD", "/c"), tmpfs("/c/d")', "no such folder in what is mounted at /c"),
        ('cache("c", "/bin/cat")', "is a file in the root"),
    ],
)
def test_mounts_that_hide_each_other_are_an_error(based: Sandbox, mounts: str, said: str) -> None:
    with pytest.raises(BuildFailed, match=said):
        build(based, "true", mounts)


def test_a_tmpfs_may_have_mounts_in_it(based: Sandbox) -> None:
    based.write("run/in.txt", "x")
    mounts = 'cache("c", "/t/c"), bind("in.txt", "/t/deep/in"), tmpfs("/t/t"), tmpfs("/t")'
    assert build(based, "cat /t/deep/in; : > /t/c/f; : > /t/t/f", mounts) == []


def test_the_command_shows_and_clears_caches(based: Sandbox) -> None:
    build(based, "seq 1 9999 > /a/f; : > /b/f", 'cache("a", "/a"), cache("b", "/b")')
    shown = json.loads(based.run("cache", "info", "--json").stdout)
    assert shown["cache"]["count"] == 2
    assert shown["caches"]["a"]["size"] > 40_000
    assert "cache a: " in based.run("cache", "info").stdout
    assert based.run("cache", "clear", "c").returncode == 2
    assert based.run("cache", "clear", "a").returncode == 0
    assert list(json.loads(based.run("cache", "info", "--json").stdout)["caches"]) == ["b"]
    assert based.run("cache", "clear").returncode == 0
    assert json.loads(based.run("cache", "info", "--json").stdout)["cache"] == {"count": 0, "size": 0}


def test_collecting_takes_caches_too(based: Sandbox) -> None:
    build(based, ": > /a/f", 'cache("a", "/a")')
    assert based.run("cache", "gc", "--max-size", "0").returncode == 0
    assert not json.loads(based.run("cache", "info", "--json").stdout)["caches"]


SUBSCRIBED = 'subscriptions = ["rhel"]'


def test_a_subscription_mounts_folders_of_this_machine(based: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "pki").mkdir()
    (tmp_path / "pki/key").write_text("key")
    based.write("hermes.yaml", f"subscriptions:\n  rhel: ['{tmp_path}/pki:/run/secrets/rhsm']\n")
    shell = "test $(cat /run/secrets/rhsm/key) = key && ! echo x > /run/secrets/rhsm/x; echo x > /srv/f"
    assert build(based, shell, "", SUBSCRIBED) == ["srv", "srv/f"]
    (tmp_path / "pki/key").write_text("other")
    based.write("run/BUILD", "#\n" + RULE.format("run", shell, "", SUBSCRIBED))
    assert based.build("//run").executed == ()


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        ("", "hermes.yaml has no subscription 'rhel'"),
        ("subscriptions: {rhel: [/no/such/folder]}", "mounts /no/such/folder, which is not there"),
        ("subscriptions: {rhel: [relative]}", "'relative' is not a folder of this machine"),
        ("subscriptions: {rhel: []}", "names no folder"),
        ("subscriptions: [rhel]", "must map names to lists"),
        ("subscriptions: {rhel: ['/a:']}", "an empty path after the colon"),
    ],
)
def test_a_wrong_subscription_is_named(based: Sandbox, yaml: str, said: str) -> None:
    based.write("hermes.yaml", yaml)
    with pytest.raises(HermesError, match=said):
        build(based, "true", "", SUBSCRIBED)


@pytest.fixture
def stack(based: Sandbox) -> tuple[StackEntry, ...]:
    return (StackEntry(Digest(based.digest("//base:root")), "base"),)


@pytest.fixture
def runner(store: Store) -> Iterator[Commands]:
    namespace = Namespace()
    yield Commands(store, namespace, LayerForms(store, namespace))
    namespace.close()


def test_a_task_says_all_of_this_by_itself(
    runner: Commands, stack: tuple[StackEntry, ...], tmp_path: Path
) -> None:
    (tmp_path / "f").write_text("x")
    shell = "test $(stat -c %a /t) = 755 && cat /in/f && ! echo x > /in/g && : > /c/f && : > /w/new"
    task = Task(
        stack,
        ("/bin/sh", "-c", shell),
        tmpfs=("/tmp", Tmpfs("/t", 1 << 20, 0o755)),
        bound=(Bound("/in", str(tmp_path)), Bound("/w", str(tmp_path), writable=True)),
        caches=(Cache("c", "/c", Sharing.LOCKED),),
    )
    assert Task.from_json(json.loads(json.dumps(task.to_json()))) == task
    assert runner.run(task, (0, 1, 2)).status == 0
    assert (tmp_path / "new").exists()


def test_a_folder_that_is_not_there_is_not_mounted(
    runner: Commands, stack: tuple[StackEntry, ...], tmp_path: Path
) -> None:
    task = Task(stack, ("/bin/true",), bound=(Bound("/in", str(tmp_path / "none")),))
    with pytest.raises(BuildError, match="none is not there to be mounted at /in"):
        runner.run(task, (0, 1, 2))
    task = Task(stack, ("/bin/true",), bound=(Bound("in", str(tmp_path)),))
    with pytest.raises(SandboxError, match="cannot be a mount point"):
        runner.run(task, (0, 1, 2))


def test_an_ordinary_user_has_caches_with_other_owners(ordinary_user: OrdinaryUser) -> None:
    from tests.integration.conftest import add_base

    workspace = ordinary_user.workspace
    add_base(workspace)
    mount = 'cache("c", "/c", mode = "0700", owner = "7:8")'
    for command in ("mkdir -m 700 /c/d; : > /c/d/f", "test -e /c/d/f; echo x > /tmp/y"):
        workspace.write("run/BUILD", RULE.format("run", command, mount, 'user = "7:8"'))
        assert ordinary_user.run("build", "//run").returncode == 0
    assert ordinary_user.run("cache", "gc", "--max-size", "0").returncode == 0
    assert not list((ordinary_user.home / "caches/c").iterdir())
