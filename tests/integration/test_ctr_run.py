"""``hermes ctr run``: what a command sees, and what it leaves."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.integration.shell import Shell

RUN = [sys.executable, "-m", "hermes", "ctr", "run"]


def test_run_takes_the_configuration_and_options(ctr: Shell) -> None:
    name = ctr.made()
    ctr("config", "--env", "A=1", "--env", "B=1", "--workdir", "/srv", "--user", "5:6", name)
    show = "echo $A$B $(id -u):$(id -g) $(pwd)"
    assert ctr("run", name, "--", "sh", "-c", show) == "11 5:6 /srv"
    options = ["--env", "B=2", "--user", "0", "--workdir", "/etc"]
    assert ctr("run", *options, name, "--", "sh", "-c", show) == "12 0:0 /etc"


def test_users_are_not_waited_for(ctr: Shell) -> None:
    name = ctr.made()
    ctr("run", name, "--", "mkfifo", "/etc/passwd", "/etc/group")
    assert ctr("run", "--user", "5", name, "--", "echo", "x") == "x"
    assert "no user 'app'" in ctr("run", "--user", "app", name, "--", "true", status=1)


def test_run_gives_the_status_and_the_signal(ctr: Shell) -> None:
    name = ctr.made()
    ctr("run", name, "--", "sh", "-c", "exit 7", status=7)
    said = ctr("run", name, "--", "sh", "-c", "kill -9 $$", status=128 + signal.SIGKILL)
    assert said == "the command was ended by SIGKILL"


def test_run_keeps_what_a_failing_command_changed(ctr: Shell) -> None:
    name = ctr.made()
    ctr("run", name, "--", "sh", "-c", "echo x > /srv/x; exit 1", status=1)
    assert ctr.cat(name, "/srv/x") == "x"


def test_the_images_own_tmp_is_there_and_proc_leaves_no_trace(ctr: Shell) -> None:
    name = ctr.made()
    ctr("run", name, "--", "sh", "-c", "echo x > /tmp/x")
    assert ctr("diff", name).splitlines() == ["C /tmp", "A /tmp/x"] or ctr("diff", name).splitlines() == [
        "A /tmp/x"
    ]
    empty = ctr.made("scratch")
    ctr("copy", "--from", "//base:root", empty, "/bin/busybox", "/busybox")
    ctr("run", empty, "--", "/busybox", "true")
    assert ctr("diff", empty) == "A /busybox"


def test_two_commands_on_one_container_do_not_collide(ctr: Shell) -> None:
    name = ctr.made()
    script = "n=$(cat /srv/n 2>/dev/null || echo 0); sleep 0.2; echo $((n + 1)) > /srv/n"
    threads = [threading.Thread(target=ctr, args=("run", name, "--", "sh", "-c", script)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ctr.cat(name, "/srv/n") == "4"


def test_volumes_leave_no_content(ctr: Shell, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/in").write_text("in")
    name = ctr.made()
    volume = f"{tmp_path}/data:/data"
    ctr("run", "-v", volume, name, "--", "sh", "-c", "cp /data/in /data/out; cp /data/in /srv/kept")
    assert (tmp_path / "data/out").read_text() == "in"
    refused = ctr("run", "-v", f"{volume}:ro", name, "--", "touch", "/data/no", status=1)
    assert "Read-only" in refused
    mount = f"type=bind,src={tmp_path}/data/in,dst=/etc/in,ro"
    assert ctr("run", "--mount", mount, name, "--", "cat", "/etc/in") == "in"
    assert ctr("diff", name) == "A /srv/kept"


def test_a_refused_command_leaves_no_mount_points(ctr: Shell, tmp_path: Path) -> None:
    name = ctr.made()
    twice = ["-v", f"{tmp_path}:/a/b", "--tmpfs", "/a/b"]
    assert "two mounts" in ctr("run", *twice, name, "--", "true", status=1)
    assert ctr("diff", name) == ""


def test_a_killed_command_leaves_no_mount_points(ctr: Shell, tmp_path: Path) -> None:
    name = ctr.made()
    command = [
        *RUN,
        "-v",
        f"{tmp_path}:/a/b",
        "--workdir",
        "/c",
        name,
    ]
    env = {**os.environ, "HERMES_HOME": str(ctr.sandbox.home)}
    script = "echo > /srv/x; echo up; sleep 100"
    with subprocess.Popen([*command, "--", "sh", "-c", script], env=env, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
    assert ctr("diff", name) == "A /srv/x"
    ctr("commit", name, "killed")
    assert ctr("run", ctr.made("killed"), "--", "sh", "-c", "ls -d /a /c || true") == ""


def test_mount_points_are_taken_away_behind_no_link(ctr: Shell, tmp_path: Path) -> None:
    machine = tmp_path / "machine"
    (machine / "folder").mkdir(parents=True)
    (machine / "file").touch()
    name = ctr.made()
    mounts = ["-v", f"{machine}/file:/a/b/file", "--tmpfs", "/c/folder"]
    script = f"mv /a/b /a/d; ln -s {machine} /a/b; mv /c /e; ln -s {machine} /c"
    ctr("run", *mounts, name, "--", "sh", "-c", script)
    assert sorted(one.name for one in machine.iterdir()) == ["file", "folder"]


def test_caches_and_memory_are_kept_out(ctr: Shell) -> None:
    name, other = ctr.made(), ctr.made()
    cache = "type=cache,id=things,dst=/cache,sharing=locked"
    ctr(
        "run",
        "--mount",
        cache,
        "--tmpfs",
        "/scratch:size=1m",
        name,
        "--",
        "sh",
        "-c",
        "echo x > /cache/x; echo y > /scratch/y",
    )
    assert ctr("run", "--mount", cache, other, "--", "cat", "/cache/x") == "x"
    assert ctr("diff", name) == ctr("diff", other) == ""
    full = [
        "run",
        "--tmpfs",
        "/scratch:size=64k",
        name,
        "--",
        "sh",
        "-c",
        "head -c 200000 /dev/zero > /scratch/y",
    ]
    assert "error" in ctr(*full, status=1)


def test_capabilities_are_taken_and_given(ctr: Shell) -> None:
    name = ctr.made()
    show = ["--", "sh", "-c", "grep CapEff /proc/self/status"]
    assert ctr("run", "--cap-drop", "all", name, *show).endswith("0000000000000000")
    assert ctr("run", "--cap-drop", "all", "--cap-add", "chown", name, *show).endswith("0000000000000001")
    ctr("run", name, "--", "chown", "5:6", "/srv")
    ctr("run", "--cap-drop", "chown", name, "--", "chown", "7:8", "/srv", status=1)


@pytest.mark.parametrize("runtime", ["bwrap", "crun", "runc"])
def test_every_runtime_gives_the_same_layer(ctr: Shell, runtime: str) -> None:
    if runtime != "bwrap" and not shutil.which(runtime):
        pytest.skip(f"{runtime} is not installed")
    digests = []
    for one in ("bwrap", runtime):
        name = ctr.made()
        script = "mkdir -p /srv/a; env | sort > /srv/a/env; hostname >> /srv/a/env; ln /srv/a/env /srv/b; chown 5:6 /srv/b"
        ctr("run", "--runtime", one, "--hostname", "box", name, "--", "sh", "-c", script)
        digests.append(ctr("commit", name))
    assert digests[0] == digests[1]


SECRET = "s3cret-of-the-walrus"


def test_a_secret_is_there_and_leaves_no_trace(ctr: Shell, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(SECRET)
    name = ctr.made()
    given = ["--secret", f"id=token,src={tmp_path}/token"]
    assert ctr(
        "run", *given, name, "--", "sh", "-c", "wc -c < /run/secrets/token; cat /run/secrets/token"
    ) == (f"{len(SECRET)}\n***")
    mount = "type=secret,id=token,dst=/etc/token,mode=0440,uid=5,gid=6"
    assert (
        ctr("run", *given, "--mount", mount, name, "--", "stat", "-c", "%a %u:%g", "/etc/token") == "440 5:6"
    )
    assert ctr("diff", name) == ""
    ctr("commit", name, "app")
    done = subprocess.run(["grep", "-r", SECRET, str(ctr.sandbox.home)], check=False, capture_output=True)
    assert done.returncode == 1, done.stdout


def test_a_secret_that_gets_into_a_container_is_taken_out_again(ctr: Shell, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(SECRET)
    name = ctr.made()
    given = ["--secret", f"id=token,src={tmp_path}/token"]
    leak = ["run", *given, name, "--", "sh", "-c", "cp /run/secrets/token /srv/leak; echo fine > /srv/fine"]
    said = ctr(*leak, status=1)
    assert "/srv/leak" in said
    assert SECRET not in said
    assert ctr("diff", name) == "A /srv/fine"
    ctr("commit", name)
    said = ctr("run", *given, name, "--", "echo", SECRET, status=1)
    assert "the history would show it" in said
    assert "not given" in ctr("run", "--mount", "type=secret,id=other", name, "--", "true", status=2)


def test_what_a_killed_command_with_secrets_left_is_not_committed(ctr: Shell, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(SECRET)
    name = ctr.made()
    script = "cp /run/secrets/token /srv/leak; echo up; sleep 100"
    command = [
        *RUN,
        "--secret",
        f"id=token,src={tmp_path}/token",
        name,
    ]
    env = {**os.environ, "HERMES_HOME": str(ctr.sandbox.home)}
    with subprocess.Popen([*command, "--", "sh", "-c", script], env=env, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
    assert "was killed" in ctr("commit", name, status=1)


def test_an_image_of_the_store_runs_by_its_name(ctr: Shell) -> None:
    name = ctr.made()
    ctr("config", "--entrypoint", '["/bin/echo", "hello"]', name)
    ctr("commit", name, "greet:1")
    done = ctr.sandbox.run("run", "greet:1", "--", "world")
    assert (done.stdout, done.returncode) == ("hello world\n", 0), done.stderr
    assert "no package" in ctr.sandbox.run("run", "greet:2").stderr


def test_no_user_namespaces_is_said_plainly(ctr: Shell) -> None:
    name = ctr.made()
    script = (
        f"echo 0 > /proc/sys/user/max_user_namespaces; exec {sys.executable} -m hermes ctr run {name} -- true"
    )
    command = ["unshare", "--user", "--map-root-user", "sh", "-c", script]
    env = {**os.environ, "HERMES_HOME": str(ctr.sandbox.home)}
    done = subprocess.run(command, cwd=ctr.root, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no user namespace can be made here" in done.stderr
    assert "user.max_user_namespaces" in done.stderr


def test_more_variables_than_the_sandbox_takes_are_said_to_be_too_many(ctr: Shell) -> None:
    name = ctr.made()
    some = [word for number in range(2900) for word in ("-e", f"A{number}=x")]
    assert ctr("run", *some, name, "--", "sh", "-c", "echo $A2899") == "x"
    more = [word for number in range(200) for word in ("-e", f"B{number}=x")]
    said = ctr("run", *some, *more, name, "--", "true", status=1)
    assert "variables and" in said
    assert "more than bubblewrap takes" in said
    assert "bwrap:" not in said


def test_a_root_whose_proc_is_a_link_is_refused(ctr: Shell, tmp_path: Path) -> None:
    """As runc does since CVE-2019-19921, and not with a message of bwrap."""
    for folder in ("proc", "dev"):
        name = ctr.made("scratch")
        ctr("copy", "--from", "//base:root", name, "/bin/busybox", "/busybox")
        (tmp_path / "tree").mkdir(exist_ok=True)
        (tmp_path / f"tree/{folder}").symlink_to("srv")
        ctr("copy", name, f"{tmp_path}/tree", "/")
        said = ctr("run", name, "--", "/busybox", "true", status=1)
        assert f"/{folder} is a link in the root file system" in said
        assert "bwrap" not in said
        (tmp_path / f"tree/{folder}").unlink()
