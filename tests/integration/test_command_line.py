"""What the commands print, and what programs can rely on."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import pytest

import hermes
from hermes.cli import main
from hermes.errors import BuildFailed, DockerfileError, UsageError
from hermes.image.assemble import EMPTY
from hermes.store import Store, gc
from tests.conftest import Sandbox, run_hermes

BUILD = """
files_layer(name = "layer", files = {"/f": "f.txt"}, visibility = ["//visibility:public"])
run_layer(name = "slow", base = "//base:root", cmd = "sleep 0.4; echo done > /srv/done")
image(
    name = "image",
    base = "//base:root",
    layers = [":layer", ":slow"],
    entrypoint = ["/bin/sh", "-c", "cat; echo to stdout $0; echo to stderr >&2; exit 5"],
    cmd = ["default"],
    user = "12:34",
    workdir = "/srv",
)
filegroup(name = "file", srcs = ["f.txt"])
run_layer(name = "broken", base = "//base:root", cmd = "echo it says; exit 4", tags = ["manual"])
"""


@pytest.fixture
def app(based: Sandbox) -> Sandbox:
    based.write("app/BUILD", BUILD)
    based.write("app/f.txt", "text")
    return based


def test_json_says_what_was_built(app: Sandbox) -> None:
    first = json.loads(app.run("build", "//app:image", "--json").stdout)
    assert first["executed"] == ["//base:root", "//app:layer", "//app:slow", "//app:image"] or set(
        first["executed"]
    ) == {"//base:root", "//app:layer", "//app:slow", "//app:image"}
    again = json.loads(app.run("build", "//app:image", "//app:file", "//app:layer", "--json").stdout)
    assert again["executed"] == []
    assert again["cached"] >= 5
    (image,), (file,), (layer,) = (again["targets"][f"//app:{name}"] for name in ("image", "file", "layer"))
    assert (image["kind"], file["kind"], layer["kind"]) == ("image", "file", "layer")
    assert image["digest"].startswith("sha256:")
    assert (Path(image["path"]) / "index.json").exists()
    assert Path(file["path"]) == app.root / "app/f.txt"


def test_executed_stands_in_dependency_order(app: Sandbox) -> None:
    executed = json.loads(app.run("build", "//app:image", "--json", "-j", "8").stdout)["executed"]
    assert executed.index("//base:root") < executed.index("//app:slow") < executed.index("//app:image")


def test_run_passes_on_input_output_and_status(app: Sandbox) -> None:
    done = app.run("run", "-q", "//app:image", "--", "given", input="from stdin\n")
    assert done.stdout == "from stdin\nto stdout given\n"
    assert done.stderr == "to stderr\n"
    assert done.returncode == 5
    assert "to stdout default\n" in app.run("run", "-q", "//app:image", input="").stdout


def test_run_can_replace_the_entry_point(app: Sandbox) -> None:
    done = app.run("run", "-q", "--entrypoint", "/bin/id", "//app:image", "--", "-u")
    assert (done.stdout, done.returncode) == ("12\n", 0)


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("echo x > /srv/x", 1),
        ("echo x > /tmp/x && cat /tmp/x", 0),
        ("mount -t tmpfs none /srv", 1),
        ("kill -9 $$", 137),
        ("exit 77", 77),
    ],
)
def test_run_gives_a_program_no_more_than_it_needs(app: Sandbox, command: str, status: int) -> None:
    done = app.run("run", "-q", "--entrypoint", "/bin/sh", "//app:image", "--", "-c", command)
    assert done.returncode == status, done.stderr


def test_results_and_progress_go_to_different_places(app: Sandbox) -> None:
    done = app.run("build", "//app:layer")
    assert done.stdout.startswith("//app:layer  layer  sha256:")
    assert "[1/1] //app:layer layer" in done.stderr
    quiet = app.run("build", "-q", "//app:slow")
    assert (quiet.stdout, quiet.stderr) == ("", "")


def test_a_failed_action_is_shown_with_all_that_helps(app: Sandbox) -> None:
    done = app.run("build", "//app:broken")
    assert done.returncode == 1
    for line in (
        "//app:broken: the command ended with status 4",
        "command: echo it says",
        "  it says",
        "full log: ",
    ):
        assert line in done.stderr


def test_keep_going_builds_what_does_not_depend_on_a_failure(app: Sandbox) -> None:
    app.write(
        "bad/BUILD",
        'run_layer(name = "a", base = "//base:root", cmd = "exit 1")\n'
        'run_layer(name = "b", base = "//base:root", cmd = "exit 2")\n'
        'image(name = "on_a", layers = [":a"])\n'
        'run_layer(name = "c", base = "//base:root", cmd = "echo x > /srv/x; sleep 0.2")\n',
    )
    done = app.run("build", "-k", "//bad/...")
    assert "status 1" in done.stderr
    assert "status 2" in done.stderr
    assert json.loads(app.run("build", "//bad:c", "--json").stdout)["executed"] == []
    with pytest.raises(BuildFailed) as caught:
        app.build("//bad/...", keep_going=True)
    assert set(caught.value.failures) == {"//bad:a", "//bad:b"}
    assert caught.value.skipped >= 1


@pytest.mark.parametrize(
    "other", ['write_file(name = "b", filename = "out", content = "b")', 'files_layer(name = "out/b")']
)
def test_outputs_that_have_one_place_are_pointed_out(app: Sandbox, other: str) -> None:
    app.write(
        "place/BUILD",
        f'write_file(name = "a", filename = "out", content = "a")\nfilegroup(name = "c", srcs = [":a"])\n{other}\n',
    )
    done = app.run("build", "//place/...")
    assert done.returncode == 0
    assert "both give hermes-out/place/out, where only one can be" in done.stderr
    assert "both give" not in app.run("build", "//place:a", "//place:c").stderr


def test_what_was_built_beside_a_failure_is_linked_and_can_be_explained(app: Sandbox) -> None:
    text = 'files_layer(name = "c", srcs = ["x"])\nimage(name = "i", layers = [":c"])\n'
    bad = 'run_layer(name = "bad", base = "//base:root", cmd = "exit 1")\nimage(name = "on_bad", layers = [":bad"])\n'
    app.write("part/BUILD", text)
    app.write("part/x", "one")
    app.build("//part/...")
    app.write("part/BUILD", text + bad)
    app.write("part/x", "two")
    index = app.root / "hermes-out/part/i/index.json"
    before = index.read_bytes()
    assert app.run("build", "-k", "//part/...").returncode == 1
    after = index.read_bytes()
    assert after != before
    assert "->" in app.run("explain", "//part:c").stdout
    app.write("part/x", "three")
    assert app.run("build", "-k", "//part/...").returncode == 1
    third = index.read_bytes()
    assert third not in (before, after)
    assert not (app.root / "hermes-out/part/on_bad").exists()
    app.write("part/BUILD", text)
    assert app.build("//part/...").executed == ()
    assert index.read_bytes() == third


def on_a_terminal(app: Sandbox, *arguments: str, **env: str) -> str:
    """Return what Hermes writes to a terminal."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "hermes", *arguments],
        cwd=app.root,
        env={**os.environ, "HERMES_HOME": str(app.home), "TERM": "xterm-256color", **env},
        stdout=subprocess.DEVNULL,
        stderr=follower,
        stdin=follower,
    )
    os.close(follower)
    parts = []
    try:
        while data := os.read(leader, 1 << 16):
            parts.append(data)
    except OSError:
        pass
    os.close(leader)
    process.wait()
    return b"".join(parts).decode()


def test_a_terminal_shows_what_is_running(app: Sandbox) -> None:
    shown = on_a_terminal(app, "build", "//app:image")
    assert "//app:slow \x1b[2mrun" in shown
    assert "cached" in shown
    assert "\x1b[32mbuilt 4 targets" in shown


def test_no_color_has_no_color(app: Sandbox) -> None:
    shown = on_a_terminal(app, "build", "//app:image", NO_COLOR="1")
    assert "built 4 targets" in shown
    assert "\x1b[32m" not in shown


def test_traces_and_events_are_written(app: Sandbox) -> None:
    app.run("build", "//app:image", "--profile", "trace.json", "--events", "events.jsonl")
    spans = json.loads((app.root / "trace.json").read_text())["traceEvents"]
    assert {"//app:slow run", "//app:layer layer"} <= {one["name"] for one in spans}
    events = [json.loads(line) for line in (app.root / "events.jsonl").read_text().splitlines()]
    assert events[0]["event"] == "BuildStarted"
    assert events[-1]["event"] == "BuildFinished"


def test_explain_says_which_input_changed(app: Sandbox) -> None:
    app.build("//app:image")
    assert "ran for the first time" in app.run("explain", "//app:layer").stdout
    before = json.loads(app.run("build", "//app:file", "--json").stdout)["targets"]["//app:file"][0]["digest"]
    app.write("app/f.txt", "other")
    after = app.digest("//app:file")
    app.build("//app:image")
    assert f"{before} -> {after}" in app.run("explain", "//app:layer").stdout
    assert "layer //app:layer: sha256:" in app.run("explain", "//app:image").stdout


@pytest.mark.parametrize(
    ("expression", "labels"),
    [
        ("//app:image", "image"),
        ("deps(//app:slow) - //base:root", "slow"),
        ("rdeps(//app/..., //app:layer)", "image layer"),
        ("rdeps(//app/..., //base:root) & //app:all", "image slow"),
        ('kind("files_", //app/...)', "layer"),
        ("kind('files_', //app/...)", "layer"),
        ("kind(files_, //app/...)", "layer"),
        ("somepath(//app:image, //app:slow)", "image slow"),
        ("(//app:image + //app:file)", "file image"),
    ],
)
def test_query_answers(app: Sandbox, expression: str, labels: str) -> None:
    done = app.run("query", expression)
    assert done.stdout.split() == [f"//app:{name}" for name in labels.split()], done.stderr


def test_cache_commands(app: Sandbox) -> None:
    digest = app.digest("//app:image")
    assert json.loads(app.run("cache", "info", "--json").stdout)["blob"]["count"] > 5
    assert app.run("cache", "gc", "--max-size", "0").returncode == 0
    left = json.loads(app.run("cache", "info", "--json").stdout)
    assert left["tree"]["count"] == 0
    assert left["blob"]["size"] == left["held"]
    assert app.run("cache", "verify").returncode == 0
    app.write("app/f.txt", "other")
    app.build("//app:image")
    app.write("app/f.txt", "text")
    assert app.digest("//app:image") == digest
    assert app.run("cache", "gc", "--max-size", "many").returncode == 2


def test_gc_leaves_nothing_of_what_nothing_needs(app: Sandbox) -> None:
    digest = app.digest("//app:image")
    with closing(Store.open(app.home)) as store:
        names = os.listdir(app.home / "toc")
        needed = {one for one in names if not one.startswith(EMPTY.hex) and not one.endswith(".topmost")}
        assert app.run("cache", "gc", "--max-size", "0").returncode == 0
        assert set(os.listdir(app.home / "toc")) == needed
        shutil.rmtree(app.root / "hermes-out")
        assert app.run("cache", "gc", "--max-size", "0").returncode == 0
        kinds = json.loads(app.run("cache", "info", "--json").stdout)
        assert {kind: kinds[kind]["count"] for kind in gc.KINDS} == dict.fromkeys(gc.KINDS, 0)
        assert os.listdir(app.home / "toc") == []
        kept: list[bytes] = []
        store.results.keep(lambda result: not kept.append(result), ())
        assert kept == []
    assert app.digest("//app:image") == digest


def test_gc_says_that_it_waits(app: Sandbox) -> None:
    with closing(Store.open(app.home)) as store, store.in_use():
        process = subprocess.Popen(
            [sys.executable, "-m", "hermes", "cache", "gc"],
            env={**os.environ, "HERMES_HOME": str(app.home)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr
        assert process.stderr.readline() == "waiting for other commands to end\n"
        assert process.poll() is None
    assert process.communicate()[1] == ""
    assert process.returncode == 0


def test_gc_does_not_forget_why_something_was_built(app: Sandbox) -> None:
    app.build("//app:image")
    app.write("app/f.txt", "other")
    app.build("//app:image")
    before = app.run("explain", "//app:image", "//app:layer").stdout
    assert "  file f: " in before
    shutil.rmtree(app.root / "hermes-out")
    assert app.run("cache", "gc", "--max-size", "0").returncode == 0
    assert app.run("explain", "//app:image", "//app:layer").stdout == before


def test_gc_says_what_stays_and_why(app: Sandbox) -> None:
    app.build("//app:image")
    assert app.run("ctr", "from", "--name", "c", "//app:image").returncode == 0
    said = app.run("cache", "gc", "--max-size", "1K").stdout
    assert re.search(r"[1-9][.\d]* [KM]iB more stay: hermes-out links them", said)
    assert re.search(r"[1-9][.\d]* [KM]iB more stay for images and containers: see `hermes images`", said)
    assert app.run("ctr", "rm", "c").returncode == 0
    shutil.rmtree(app.root / "hermes-out")
    assert "more stay" not in app.run("cache", "gc", "--max-size", "0K").stdout


def test_gc_that_removes_nothing_forgets_nothing(app: Sandbox) -> None:
    app.build("//app:image")
    assert app.run("cache", "gc").returncode == 0
    app.write("app/BUILD", (app.root / "app/BUILD").read_text() + "\n# changed")
    assert app.build("//app:image").executed == ()


def test_doctor_says_what_works(app: Sandbox) -> None:
    done = app.run("doctor")
    assert done.returncode == 0, done.stdout
    for name in ("user namespace", "overlay", "bubblewrap", "store"):
        assert name in done.stdout
    states = {one["name"]: one["state"] for one in json.loads(app.run("doctor", "--json").stdout)}
    assert states["overlay"] == "ok"
    assert states["platforms"] in ("ok", "limited")


def commands(group: click.Group, path: str = "hermes") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        if isinstance(found, click.Group):
            yield from commands(found, f"{path} {name}")
        else:
            yield f"{path} {name}", found


def test_the_help_of_every_command_has_an_example() -> None:
    found = dict(commands(main.hermes))
    assert {"hermes build", "hermes ctr run", "hermes cache gc"} <= set(found)
    for path, command in found.items():
        examples = (command.help or "").partition("\b\n")[2]
        assert path in examples, path


def test_the_python_interface_does_the_same(app: Sandbox) -> None:
    workspace = hermes.Workspace(app.root, home=app.home)
    result = workspace.build("//app:image")
    assert (
        json.loads(app.run("build", "//app:image", "--json").stdout)["targets"] == result.to_json()["targets"]
    )
    assert workspace.build(["//app:image"]).executed == ()
    here, there = os.pipe()
    with open(os.devnull, "rb") as nothing:
        stdio = (nothing.fileno(), there, there)
        assert workspace.run("//app:image", ["x"], entrypoint="/bin/echo", stdio=stdio) == 0
    os.close(there)
    with open(here, encoding="utf-8") as file:
        assert file.read() == "x\n"


@pytest.mark.parametrize("options", [{"pull": "new"}, {"format": "OCI"}, {"network": "on"}, {"jobs": -1}])
def test_the_python_interface_refuses_what_the_command_line_would(
    app: Sandbox, options: dict[str, Any]
) -> None:
    with pytest.raises(UsageError if "network" not in options else DockerfileError, match=r"cannot|invalid"):
        hermes.Dockerfiles(home=app.home).build(
            hermes.DockerfileOptions(str(app.root), text="FROM scratch\nRUN x", **options)
        )


def test_patterns_are_relative_to_the_folder(app: Sandbox) -> None:
    from tests.conftest import run_hermes

    done = run_hermes("build", ":layer", cwd=app.root / "app", home=app.home)
    assert done.stdout.startswith("//app:layer  layer  sha256:")
    assert done.stdout.rstrip().endswith("../hermes-out/app/layer.tar.zst")


def test_a_layer_has_one_name_whatever_the_store_holds(app: Sandbox, tmp_path: Path) -> None:
    app.write("gzip/BUILD", 'image(name = "image", layers = ["//app:layer"], compression = "gzip")\n')
    said = set()
    for number, before in enumerate(([], ["//app:image"], ["//gzip:image"], ["//app:image", "//gzip:image"])):
        app.home = tmp_path / f"home{number}"
        shutil.rmtree(app.root / "hermes-out", ignore_errors=True)
        for label in before:
            app.build(label)
        done = app.run("build", "-q", "//app:layer")
        assert done.returncode == 0, done.stderr
        (out,) = (app.root / "hermes-out/app").glob("layer*")
        said.add((done.stdout, out.name, out.read_bytes()))
    assert {name for _, name, _ in said} == {"layer.tar.zst"}
    assert len(said) == 1


def test_a_target_that_is_manual_is_built_only_by_name(app: Sandbox) -> None:
    assert app.run("build", "//app/...").returncode == 0
    assert app.run("build", "//app/...", "//app:broken").returncode == 1


def test_patterns_can_be_taken_out(app: Sandbox) -> None:
    done = app.run("build", "--json", "--", "//app/...", "-//app:image")
    assert set(json.loads(done.stdout)["targets"]) == {"//app:file", "//app:layer", "//app:slow"}


@pytest.mark.parametrize(
    ("parts", "replies"),
    [
        (["bui"], ["build"]),
        (["build", "//a"], ["//app:"]),
        (["build", "//app", ":"], ["broken", "file", "image", "layer", "slow"]),
        (["build", "-q", "//app", ":", "im"], ["image"]),
        (["build", "'//app:im"], ["//app:image"]),
        (["query", "--output", "=", "la"], ["label"]),
        (["query", "--output", ""], ["label", "kind", "json", "dot"]),
        (["copy", "docker-d"], ["docker-daemon:"]),
    ],
)
def test_bash_completes_what_it_splits_at_colons(app: Sandbox, parts: list[str], replies: list[str]) -> None:
    """``parts`` are the words as Readline gives them to a completion."""
    line = "hermes " + " ".join(parts).replace(" : ", ":").replace(" :", ":").replace(" = ", "=")
    script = f"""
        eval "$({sys.executable} -m hermes completion bash)"
        compopt() {{ :; }}
        hermes() {{ {sys.executable} -m hermes "$@"; }}
        COMP_WORDS=(hermes {shlex.join(parts)}) COMP_CWORD={len(parts)} COMP_LINE={shlex.quote(line)}
        _hermes_completion hermes
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    env = os.environ | {"HERMES_HOME": str(app.home)}
    done = subprocess.run(
        ["bash", "--norc", "-c", script], cwd=app.root, env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == replies
    assert done.stderr == ""


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
def test_zsh_puts_no_space_behind_what_goes_on(app: Sandbox) -> None:
    script = f"""
        compdef() {{ :; }}
        compadd() {{ [[ $* == *"-S "* ]] && print -rl -- begun $begun || print -rl -- whole $whole; }}
        hermes() {{ {sys.executable} -m hermes "$@"; }}
        source <(hermes completion zsh)
        words=(hermes build //a) CURRENT=3; _hermes_completion
        words=(hermes build //app:im) CURRENT=3; _hermes_completion
        words=(hermes copy docker-d) CURRENT=3; _hermes_completion
    """
    env = os.environ | {"HERMES_HOME": str(app.home)}
    done = subprocess.run(
        ["zsh", "-f", "-c", script], cwd=app.root, env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["begun", "//app:", "whole", "//app:image", "begun", "docker-daemon:"]


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
def test_fish_completes_labels(app: Sandbox) -> None:
    script = """
        hermes completion fish | source
        complete -C 'hermes build //a'
        complete -C 'hermes build //app:im'
    """
    env = os.environ | {"HERMES_HOME": str(app.home), "HOME": str(app.home)}
    env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
    done = subprocess.run(
        ["fish", "--no-config", "-c", script],
        cwd=app.root,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["//app:", "//app:image"], done.stderr


def test_labels_are_completed_in_the_form_that_was_begun(app: Sandbox) -> None:
    env = {"_HERMES_COMPLETE": "bash_complete", "COMP_WORDS": "hermes build :im", "COMP_CWORD": "2"}
    done = run_hermes(cwd=app.root / "app", home=app.home, env=env)
    assert done.stdout.split() == ["plain,:image"]


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_keep_no_build_from_its_work(app: Sandbox, closed: str) -> None:
    """The numbers of closed streams must not go to files of the store."""
    done = _shell(app, f"build //app:image {closed}")
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert (app.root / "hermes-out/app/image/index.json").exists()
    assert app.run("cache", "verify").returncode == 0


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("build //app:layer >/dev/full", "no space left on device"),
        ("doctor --help >/dev/full", "no space left on device"),
        ("build //app:image 2>/dev/full >/dev/null", ""),
    ],
)
def test_a_full_device_is_reported_in_one_line(app: Sandbox, script: str, message: str) -> None:
    done = _shell(app, script)
    assert done.returncode == (1 if message else 0)
    assert message in done.stderr.lower()
    assert "Traceback" not in done.stderr


def test_limits_and_folders_that_are_gone_are_messages(app: Sandbox, tmp_path: Path) -> None:
    few = _shell(app, "build //app:image", "ulimit -n 14;")
    assert few.returncode == 1
    assert re.search("too many open files", few.stderr, re.IGNORECASE), few.stderr
    for kilobytes in (
        36_000,
        52_000,
    ):  # some library cannot be mapped, some thread not started, or it is enough
        little = _shell(app, "build //app:layer", f"ulimit -v {kilobytes};")
        assert "Traceback" not in little.stderr
        assert little.returncode == 0 or "out of memory" in little.stderr, little.stderr
    gone = _shell(
        app, "build //app:image", f"mkdir {tmp_path}/gone; cd {tmp_path}/gone; rmdir {tmp_path}/gone;"
    )
    assert gone.returncode == 1
    assert "the current folder does not exist" in gone.stderr


def _shell(sandbox: Sandbox, arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", f"{before} exec {shlex.quote(sys.executable)} -m hermes {arguments}"],
        cwd=sandbox.root,
        env={**os.environ, "HERMES_HOME": str(sandbox.home)},
        capture_output=True,
        text=True,
        check=False,
    )
