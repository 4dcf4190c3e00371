"""Commands in real sandboxes: what they see, what becomes of what they do, how they fail."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hermes.digest import Digest
from hermes.engine.executor import Result
from hermes.errors import ActionError, BuildFailed
from hermes.layer import toc
from hermes.layer.entry import Entry
from hermes.store import Store
from hermes.store.removal import remove_tree
from tests.conftest import LASTING, Sandbox
from tests.integration.conftest import add_base, make_deep

if TYPE_CHECKING:
    from tests.integration.conftest import OrdinaryUser

RUN = 'run_layer(name = "run", base = "//base:root", cmd = """{}""", {})\n'


def entries_of(workspace: Sandbox, command: str, more: str = "") -> dict[str, Entry]:
    """Build a layer by a command; return its entries by path."""
    workspace.write("run/BUILD", RUN.format(command, more))
    return built_entries(workspace)


def built_entries(workspace: Sandbox) -> dict[str, Entry]:
    diff_id = workspace.digest("//run")
    store = Store.open(workspace.home)
    try:
        return {entry.path: entry for entry in toc.load(store, diff_id).entries}
    finally:
        store.close()


def failure(workspace: Sandbox, command: str, more: str = "") -> ActionError:
    workspace.write("run/BUILD", RUN.format(command, more))
    with pytest.raises(BuildFailed) as caught:
        workspace.build("//run")
    (error,) = caught.value.failures.values()
    assert isinstance(error, ActionError)
    return error


def output_of(workspace: Sandbox, command: str, more: str = "") -> str:
    """Return what a command printed."""
    rule = 'genrule(name = "out", root = "//base:root", outs = ["o"], cmd = """({}) > o 2>&1 || true""", {})'
    workspace.write("out/BUILD", rule.format(command, more))
    (built,) = workspace.build("//out").targets["//out:out"]
    return Path(built.path).read_text(encoding="utf-8")


def test_what_a_command_changes_is_the_layer(based: Sandbox) -> None:
    found = entries_of(
        based, "mkdir /srv/d && echo x > /srv/d/f && rm /bin/yes && chmod 700 /root && ln -s f /srv/d/l"
    )
    assert set(found) == {"bin", "bin/.wh.yes", "root", "srv", "srv/d", "srv/d/f", "srv/d/l"}
    assert found["root"].mode == 0o700
    assert found["srv/d/f"].mtime == 0
    assert {path for path, entry in found.items() if entry.passed} == {"bin", "srv"}


def test_folders_on_the_way_are_in_the_layer_as_they_are_in_the_root(based: Sandbox) -> None:
    based.write(
        "run/BUILD",
        'files_layer(name = "low", dir_modes = {"/srv": "0700", "/srv/in": "1777"}, owner = "5:6")\n'
        'run_layer(name = "run", base = ["//base:root", ":low"], cmd = "> /srv/in/f")\n',
    )
    found = built_entries(based)
    rows = [(path, oct(entry.mode), entry.uid, entry.gid, entry.passed) for path, entry in found.items()]
    assert rows == [
        ("srv", "0o700", 5, 6, True),
        ("srv/in", "0o1777", 5, 6, True),
        ("srv/in/f", "0o644", 0, 0, False),
    ]


def test_what_ends_as_it_was_is_not_in_the_layer(based: Sandbox) -> None:
    assert (
        entries_of(based, "touch /bin/busybox; mv /bin/cat /bin/dog; mv /bin/dog /bin/cat; : > /x; rm /x")
        == {}
    )


def test_a_directory_made_again_is_opaque(based: Sandbox) -> None:
    based.write(
        "run/BUILD",
        'write_file(name = "old", content = "old")\n'
        'files_layer(name = "low", files = {"/srv/old": ":old"})\n'
        'run_layer(name = "run", base = ["//base:root", ":low"], cmd = "rm -r /srv; mkdir /srv; : > /srv/new")\n'
        'image(name = "image", layers = ["//base:root", ":low", ":run"])\n',
    )
    assert set(built_entries(based)) == {"srv", "srv/.wh..wh..opq", "srv/new"}
    assert based.run("run", "//run:image", "--", "ls", "/srv").stdout == "new\n"


def test_hard_links_stay_hard_links(based: Sandbox) -> None:
    found = entries_of(based, "echo x > /srv/b; ln /srv/b /srv/a; ln /srv/b /srv/c")
    assert [found[f"srv/{name}"].type for name in "abc"] == ["0", "1", "1"]
    assert found["srv/c"].link == "srv/a"


def test_owners_can_be_changed(based: Sandbox) -> None:
    found = entries_of(based, "echo x > /srv/f; chown 33:44 /srv/f; chmod 4755 /srv/f")
    assert (found["srv/f"].uid, found["srv/f"].gid, found["srv/f"].mode) == (33, 44, 0o4755)


def test_nothing_of_the_machine_is_seen(based: Sandbox) -> None:
    def seen(command: str) -> str:
        return output_of(based, command)

    assert seen("hostname; pwd; umask; id -u; id -g; date +%Z") == "hermes\n/build\n0022\n0\n0\nUTC\n"
    # The root is that of the layers, also for who asks process 1, and has nothing of the machine's.
    root = ["bin", "build", "dev", "etc", "proc", "root", "srv", "tmp"]
    assert seen("ls /").split() == seen("ls /proc/1/root/").split() == root
    assert seen("ls -A /etc /root /srv /tmp").split() == [
        "/etc:",
        "hosts",
        "resolv.conf",
        "/root:",
        "/srv:",
        "/tmp:",
    ]
    local = "127.0.0.1\tlocalhost hermes\n::1\tlocalhost ip6-localhost ip6-loopback\n"
    assert seen("cat /etc/hosts /etc/resolv.conf") == local
    names = {line.partition("=")[0] for line in seen("env").splitlines()}
    assert names <= {
        "HOME",
        "LANG",
        "OUTS",
        "PATH",
        "PWD",
        "SHLVL",
        "SOURCE_DATE_EPOCH",
        "SRCS",
        "TMPDIR",
        "TZ",
    }, names
    processes = seen("cat /proc/*/cmdline /proc/*/environ")
    assert "pytest" not in processes
    assert str(based.root) not in processes


@pytest.mark.parametrize(
    "attempt",
    [
        "mount -t tmpfs none /srv",
        "mknod /srv/disk b 8 0",
        "echo 1 > /proc/sys/kernel/panic",
        "echo x > /proc/sysrq-trigger",
        "echo 0 > /proc/sys/vm/overcommit_memory",
        "ping -c 1 -W 1 127.1.1.1 -I eth0",
        "hostname other",
        "touch /sys/x",
        "chmod 666 /dev/null",
        "mkdir /tmp/p && unshare -U -r -m -C mount -t cgroup2 cgroup2 /tmp/p",
    ],
)
def test_the_machine_cannot_be_changed(based: Sandbox, attempt: str) -> None:
    assert failure(based, f"{attempt}").message.startswith("//run:run: the command ended with status")


def test_a_command_is_given_no_descriptors_of_whoever_started_it(based: Sandbox) -> None:
    based.write("run/BUILD", RUN.format("ls -l /proc/self/fd; echo has $(ls /proc/self/fd); exit 1", ""))
    fd = os.open(based.root / "hermes.yaml", os.O_RDONLY)
    done = based.run("build", "//run", pass_fds=[fd])
    os.close(fd)
    assert "hermes.yaml" not in done.stderr
    assert "socket:" not in done.stderr
    assert "has 0 1 2 3\n" in done.stderr


def test_a_command_prints_into_pipes(based: Sandbox) -> None:
    """The path of a log would be in what it makes, and is another in each store."""
    standard_input, output, errors = output_of(
        based, "for fd in 0 1 2; do readlink /proc/1/fd/$fd; done"
    ).split()
    assert standard_input == "/dev/null"
    assert output == errors
    assert re.fullmatch(r"pipe:\[\d+\]", output)


OF_THE_C_LIBRARY = 0b11 << 31
"""The signals 32 and 33, which no program can set."""


def test_a_command_ignores_and_blocks_no_signals_of_whoever_started_it(based: Sandbox) -> None:
    based.write("run/BUILD", RUN.format("grep -E '^Sig(Blk|Ign)' /proc/self/status; exit 1", ""))
    changed = {signal.SIGHUP, signal.SIGUSR1, signal.SIGALRM}

    def change() -> None:
        for number in changed:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, changed)

    done = based.run("build", "//run", preexec_fn=change)
    assert "SigBlk:\t0000000000000000\n" in done.stderr
    ignored = re.search(r"SigIgn:\t([0-9a-f]{16})\n", done.stderr)
    assert ignored is not None
    assert int(ignored[1], 16) & ~OF_THE_C_LIBRARY == 0


def test_there_is_no_network_unless_it_is_asked_for(based: Sandbox) -> None:
    def interfaces(more: str = "") -> set[str]:
        lines = output_of(based, "cat /proc/net/dev", more).splitlines()
        return {line.partition(":")[0].strip() for line in lines if ":" in line}

    assert interfaces() == {"lo"}
    based.write("hermes.yaml", "network: host")
    assert interfaces("network = True") == set(os.listdir("/sys/class/net"))


def test_a_failure_shows_the_command_its_last_output_and_the_log(based: Sandbox) -> None:
    error = failure(based, "echo first; seq 1 100; echo to stderr >&2; exit 3")
    assert "status 3" in error.message
    assert error.command.startswith("echo first")
    assert error.tail[-1] == "to stderr"
    assert len(error.tail) == 20
    with open(error.log, encoding="utf-8") as file:
        assert file.readline() == "first\n"


def test_a_result_has_the_digest_of_what_the_command_printed(based: Sandbox) -> None:
    based.write("run/BUILD", RUN.format("echo said; echo more >&2", ""))
    based.write("quiet/BUILD", RUN.format("touch /srv/f", ""))
    based.build("//run", "//quiet:run")
    store = Store.open(based.home)
    try:
        found = {}
        for name in os.listdir(based.home / "logs"):
            result = Result.load(store.results.get(name) or b"")
            assert result is not None
            found[Path(store.log_path(name)).read_bytes()] = result.log
    finally:
        store.close()
    assert found == {b"said\nmore\n": Digest.of(b"said\nmore\n"), b"": ""}


def test_a_failure_is_not_cached(based: Sandbox) -> None:
    for _ in range(2):
        assert "status 1" in failure(based, "exit 1").message


def test_a_killed_command_names_the_signal(based: Sandbox) -> None:
    assert "SIGTERM" in failure(based, "kill -TERM $$; sleep 5").message


def test_a_command_that_takes_too_long_is_ended_with_all_its_children(based: Sandbox) -> None:
    error = failure(based, f"{LASTING} & {LASTING}", "timeout = 1")
    assert "timeout of 1 second" in error.message
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert LASTING not in listed


def test_a_program_that_is_not_in_the_root_is_named(based: Sandbox) -> None:
    based.write("run/BUILD", 'run_layer(name = "run", base = "//base:root", argv = ["gcc", "-v"])')
    with pytest.raises(BuildFailed, match="no program 'gcc' in the root file system"):
        based.build("//run")


def test_inputs_leave_no_trace(based: Sandbox) -> None:
    based.write("run/in.txt", "input")
    found = entries_of(based, "cat /run/secret/in.txt > /srv/out", 'srcs = {"/run/secret/in.txt": "in.txt"}')
    assert set(found) == {"srv", "srv/out"}


def test_inputs_are_read_only_and_have_fixed_times(based: Sandbox) -> None:
    based.write("run/in.txt", "input")
    more = 'srcs = {"/in": ":files"})\nfilegroup(name = "files", srcs = ["in.txt", "BUILD"]'
    found = entries_of(
        based, "! echo x > /in/in.txt; stat -c %a-%Y /in/in.txt > /srv/out; cat /srv/out", more
    )
    assert set(found) == {"srv", "srv/out"}
    assert found["srv/out"].size == len("644-0\n")


def test_files_of_a_command_are_kept_outside_of_the_layer(based: Sandbox) -> None:
    based.write(
        "run/BUILD", RUN.format("echo kept > /srv/kept; echo layer > /srv/layer", 'outs = ["/srv/kept"]')
    )
    layer, kept = based.build("//run").targets["//run:run"]
    assert (layer.kind, kept.kind) == ("layer", "file")
    assert Path(kept.path).read_text() == "kept\n"


def test_a_declared_output_that_is_not_made_is_named(based: Sandbox) -> None:
    error = failure(based, "true", 'outs = ["/srv/none"]')
    assert "did not make /srv/none" in error.message
    assert error.hint == "it made no files; write every file in outs, or take it out of outs"


def test_what_was_made_instead_is_told_and_most_like_it_first(based: Sandbox) -> None:
    error = failure(based, "touch /srv/a /srv/nine /b; ln -s b /c", 'outs = ["/srv/none"]')
    assert str(error.hint).startswith("it made /srv/nine, /srv/a, /b; ")
    text = 'genrule(name = "g", root = ["//base:root"], srcs = ["in"], cmd = "mkdir d; cp in d/out", outs = ["out"])\n'
    based.write("gen/in", "in\n")
    based.write("gen/BUILD", text)
    with pytest.raises(BuildFailed, match=r"hint: it made /build/d/out; write"):
        based.build("//gen:g")
    based.write("gen/BUILD", text.replace("mkdir d; cp in d/out", "for n in 1 2 3 4 5 6 7; do : > f$n; done"))
    with pytest.raises(BuildFailed, match="2 more; write"):
        based.build("//gen:g")


def test_a_command_that_fails_names_the_line_of_its_target(based: Sandbox) -> None:
    """With everything analyzed, and where only what changed is looked at."""
    based.write("app/in", "1\n")
    based.write(
        "app/BUILD",
        '# first\n\nrun_layer(\n    name = "l", base = ["//base:root"], cmd = "exit $(cat /in)", srcs = {"/in": "in"},\n)\n'
        'genrule(name = "g", root = ["//base:root"], cmd = "exit 4", outs = ["o"])\n',
    )
    for text in ("1\n", "0\n", "3\n"):
        based.write("app/in", text)
        done = based.run("build", "//app:l")
        if text != "0\n":
            assert done.returncode == 1
            assert f"error: app/BUILD:3:1: //app:l: the command ended with status {text}" in done.stderr
    both = based.run("build", "-k", "//app:all").stderr
    assert "app/BUILD:3:1: //app:l: the command ended with status 3" in both
    assert "app/BUILD:6:1: //app:g: the command ended with status 4" in both


def test_a_genrule_works_beside_its_sources(based: Sandbox) -> None:
    based.write("gen/sub/in.txt", "text\n")
    based.write(
        "gen/BUILD",
        'genrule(name = "gen", root = ["//base:root"], srcs = glob(["sub/*"]), outs = ["deep/er/out", "two"],\n'
        '    cmd = "cat sub/in.txt > deep/er/out; echo $SRCS $OUTS > two; echo more >> sub/in.txt")',
    )
    first, second = based.build("//gen").targets["//gen:gen"]
    assert Path(first.path).read_text() == "text\n"
    assert Path(second.path).read_text() == "sub/in.txt deep/er/out two\n"
    assert (based.root / "gen/sub/in.txt").read_text() == "text\n"


def test_a_genrule_takes_files_with_a_dollar_sign_in_their_names(based: Sandbox) -> None:
    based.write("gen/$id.ts", "text\n")
    based.write(
        "gen/BUILD",
        'genrule(name = "gen", root = "//base:root", srcs = glob(["*.ts"]), outs = ["a$$b"],\n'
        '    cmd = "cat $SRCS > $OUTS; echo $SRCS $OUTS >> $OUTS")',
    )
    (built,) = based.build("//gen").targets["//gen:gen"]
    assert Path(built.path).read_text() == "text\n$id.ts a$$b\n"


IMAGE = 'image(name = "base", base = "//base:root", env = {"A": "1"}, user = "7:8", workdir = "/srv")\n'


def test_a_base_image_gives_environment_user_and_folder(based: Sandbox) -> None:
    command = "echo $(id -u) $(id -g) $PWD $A; exit 9"
    based.write("run/BUILD", IMAGE + RUN.format(command, "").replace("//base:root", ":base", 1))
    with pytest.raises(BuildFailed, match=r"  7 8 /srv 1\n"):
        based.build("//run")


def test_a_target_may_say_otherwise_than_its_base_image(based: Sandbox) -> None:
    more = 'user = "5", workdir = "/etc", env = {"A": "2$A"}'
    run = RUN.format("echo $(id -u) $(id -g) $PWD $A; exit 9", more).replace("//base:root", ":base", 1)
    based.write("run/BUILD", IMAGE + run)
    with pytest.raises(BuildFailed, match=r"  5 0 /etc 21\n"):
        based.build("//run")


def test_a_genrule_runs_as_the_user_of_its_image(based: Sandbox) -> None:
    gen = (
        'genrule(name = "gen", root = ":base", srcs = ["BUILD"], outs = ["o"], cmd = "(id -u; echo $A) > o")'
    )
    based.write("gen/BUILD", IMAGE + gen)
    (built,) = based.build("//gen").targets["//gen:gen"]
    assert Path(built.path).read_text() == "7\n1\n"


def test_a_command_of_another_user_has_no_rights_of_root(based: Sandbox) -> None:
    assert "status" in failure(based, "echo x > /srv/f", 'user = "7"').message


def test_an_ordinary_user_gets_the_same_layers(based: Sandbox, ordinary_user: OrdinaryUser) -> None:
    from tests.integration.conftest import add_base

    command = "chown 33:33 /srv; mkdir -p /srv/a/b; echo x > /srv/a/f; ln /srv/a/f /srv/a/g; rm /bin/yes"
    add_base(ordinary_user.workspace)
    ordinary_user.workspace.write("run/BUILD", RUN.format(command, ""))
    based.write("run/BUILD", RUN.format(command, ""))
    digest = based.digest("//run")
    assert digest in ordinary_user.run("build", "//run").stdout


ONE_ID = """
run_layer(name = "plain", base = "//base:root", cmd = "id -u > /srv/id; mkdir /srv/d; ln -s d /srv/l")
run_layer(name = "owned", base = "//base:root", cmd = "chown 5:6 /srv")
run_layer(name = "other", base = "//base:root", cmd = "true", user = "5:6")
files_layer(name = "files", dirs = ["/srv/given"], owner = "5:6")
run_layer(name = "above", base = ["//base:root", ":files"], cmd = "echo x > /srv/given/x; chmod 700 /srv/given")
run_layer(name = "through", base = ["//base:root", ":files"], cmd = "echo x > /srv/given/x")
run_layer(name = "again", base = [":through"], cmd = "echo x > /srv/given/y")
"""


def test_a_user_without_subordinate_ids_gets_the_same_layers(
    based: Sandbox, one_id_user: OrdinaryUser
) -> None:
    add_base(one_id_user.workspace)
    for workspace in (based, one_id_user.workspace):
        workspace.write("app/BUILD", ONE_ID)
    labels = [f"//app:{name}" for name in ("plain", "above", "through", "again")]
    done = one_id_user.run("build", *labels, "-q", "--json")
    ours = based.build(*labels).to_json()["targets"]
    theirs = json.loads(done.stdout)["targets"]
    assert {name: one[0]["digest"] for name, one in theirs.items()} == {
        name: one[0]["digest"] for name, one in ours.items()
    }


@pytest.mark.parametrize("target", ["//app:owned", "//app:other"])
def test_what_needs_ids_that_a_user_has_not_is_refused(one_id_user: OrdinaryUser, target: str) -> None:
    add_base(one_id_user.workspace)
    one_id_user.workspace.write("app/BUILD", ONE_ID)
    done = one_id_user.run("build", target, check=False)
    assert done.returncode == 1
    assert "subordinate range" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_hundred_layers_can_be_stacked(based: Sandbox) -> None:
    based.write(
        "many/BUILD",
        '[files_layer(name = "l%d" % n, files = {"/srv/%d" % n: "one"}) for n in range(120)]\n'
        'run_layer(name = "many", base = ["//base:root"] + [":l%d" % n for n in range(120)],\n'
        '    cmd = "count=$(ls /srv | wc -l); echo $count > /srv/count; grep 120 /srv/count")',
    )
    based.write("many/one", "1")
    assert based.digest("//many")


@pytest.mark.usefixtures("takes_deep_away")
def test_inputs_may_be_in_folders_of_any_depth(based: Sandbox) -> None:
    make_deep(based.root / "app/src")
    based.write("app/src/g", "")
    based.write(
        "app/BUILD",
        'filegroup(name = "files", srcs = glob(["src/**"]))\n'
        'run_layer(name = "run", base = "//base:root", srcs = {"/in": ":files"}, user = "5:6", '
        'cmd = "test $(find /in -type f | wc -l) = 2")\n',
    )
    based.build("//app:run")


@pytest.mark.parametrize("folder", ["/mnt", "/media", "/opt", "/srv", "/dev/shm"])
def test_the_store_may_be_below_any_folder(based: Sandbox, folder: str) -> None:
    """Sandboxes cover one of these for a moment, and devices are read-only to them."""
    if not os.access(folder, os.W_OK):
        pytest.skip(f"no permission to write {folder}")
    home = Path(tempfile.mkdtemp(dir=folder))
    elsewhere = Sandbox(based.root, home / "store")
    try:
        assert set(entries_of(elsewhere, "echo x > /x")) == {"x"}
    finally:
        remove_tree(home)
