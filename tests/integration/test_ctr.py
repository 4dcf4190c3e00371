"""``hermes ctr``: small commands that build an image step by step, as root and as an ordinary user."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermes.api.containers import Containers
from hermes.digest import Digest
from hermes.errors import UsageError
from hermes.image.manifest import Manifest
from hermes.store import Store
from tests.conftest import Sandbox
from tests.integration.conftest import BUSYBOX, OrdinaryUser


class Shell:
    """``hermes ctr`` as a script would use it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.root = sandbox.root

    def __call__(self, *arguments: str, status: int = 0, input_: str | None = None) -> str:
        done = self.sandbox.run("ctr", *arguments, input=input_)
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
        return (done.stderr if status else done.stdout).strip()

    def made(self, base: str = "//base:root", *options: str) -> str:
        return self("from", *options, base)

    def config(self, name: str) -> dict[str, object]:
        return json.loads(self("inspect", name))["config"]

    def document(self, digest: str) -> dict[str, object]:
        """The configuration document of an image in the store."""
        store = Store.open(self.sandbox.home)
        manifest = Manifest.parse(store.blobs.read(Digest.parse(digest)))
        return json.loads(store.blobs.read(manifest.config.digest))

    def cat(self, name: str, path: str) -> str:
        return self("run", name, "--", "cat", path)


@pytest.fixture
def ctr(based: Sandbox) -> Iterator[Shell]:
    shell = Shell(based)
    yield shell
    shell("rm", "--all")
    assert str(based.home) not in Path("/proc/self/mountinfo").read_text()


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts without `hermes unshare`")


def test_state_survives_and_containers_are_apart(ctr: Shell) -> None:
    one, other = ctr.made(), ctr.made()
    assert (one, other) == ("root-working-container", "root-working-container-1")
    ctr("run", one, "--", "sh", "-c", "echo one > /srv/x")
    ctr("run", other, "--", "sh", "-c", "echo other > /srv/x")
    assert (ctr.cat(one, "/srv/x"), ctr.cat(other, "/srv/x")) == ("one", "other")


def test_commit_makes_a_layer_of_what_changed(ctr: Shell) -> None:
    name = ctr.made()
    ctr("run", name, "--", "sh", "-c", "echo 1 > /srv/a; mkdir /srv/d")
    first = ctr.document(ctr("commit", name, "app:1"))
    ctr("run", name, "--", "sh", "-c", "rm /srv/a; echo 2 > /srv/d/b")
    second = ctr.document(ctr("commit", name, "app:2"))
    assert [len(one["rootfs"]["diff_ids"]) for one in (first, second)] == [2, 3]
    assert [one["created_by"] for one in second["history"][-2:]] == [
        "hermes ctr run -- sh -c 'echo 1 > /srv/a; mkdir /srv/d'",
        "hermes ctr run -- sh -c 'rm /srv/a; echo 2 > /srv/d/b'",
    ]
    again = ctr.made("app:2")
    assert ctr("run", again, "--", "ls", "/srv") == "d"


def test_committing_twice_without_a_change_makes_no_second_layer(ctr: Shell) -> None:
    name = ctr.made()
    ctr("run", name, "--", "touch", "/srv/x")
    digest = ctr("commit", name)
    assert ctr("commit", name) == digest
    ctr("run", name, "--", "true")
    assert ctr("commit", name) == digest


def test_only_a_changed_configuration_makes_no_layer_but_history(ctr: Shell) -> None:
    name = ctr.made()
    before = ctr.document(ctr("commit", name))
    ctr("config", "--env", "A=1", name)
    after = ctr.document(ctr("commit", name))
    assert after["rootfs"] == before["rootfs"]
    assert after["history"][-1]["empty_layer"] is True


def test_the_same_steps_give_the_same_digest(ctr: Shell) -> None:
    digests = set()
    for _ in range(2):
        name = ctr.made()
        ctr(
            "run",
            name,
            "--",
            "sh",
            "-c",
            "mkdir -p /srv/a/b; echo x > /srv/a/b/c; ln /srv/a/b/c /srv/l; chown 5:6 /srv/a",
        )
        ctr("config", "--label", "a=b", name)
        digests.add(ctr("commit", "--rm", name))
    assert len(digests) == 1


def test_squash_writes_one_layer_with_the_same_files(ctr: Shell) -> None:
    name = ctr.made()
    ctr("run", name, "--", "sh", "-c", "echo 1 > /srv/a; ln /srv/a /srv/b; echo 3 > /srv/c")
    ctr("commit", name)
    ctr("run", name, "--", "sh", "-c", "rm /srv/a /srv/c; mkdir /srv/c; echo 4 > /srv/c/d")
    whole = ctr.document(ctr("commit", "--squash", name, "squashed"))
    assert len(whole["rootfs"]["diff_ids"]) == len(whole["history"]) == 1
    other = ctr.made("squashed")
    show = "find / -xdev -path /proc -prune -o -path /dev -prune -o -print | sort; cat /srv/b /srv/c/d; stat -c %a /srv/b"
    assert ctr("run", other, "--", "sh", "-c", show) == ctr("run", name, "--", "sh", "-c", show)


def test_the_timestamp_is_that_of_everything(ctr: Shell) -> None:
    name = ctr.made()
    ctr("run", name, "--", "touch", "/srv/x")
    document = ctr.document(ctr("commit", "--timestamp", "86400", name, "late"))
    assert document["created"] == "1970-01-02T00:00:00Z"
    assert ctr("run", ctr.made("late"), "--", "stat", "-c", "%Y", "/srv/x") == "86400"


@needs_root
def test_host_tools_fill_a_mounted_root(ctr: Shell, tmp_path: Path) -> None:
    name = ctr.made("scratch")
    root = Path(ctr("mount", name))
    (root / "bin").mkdir()
    shutil.copy(BUSYBOX, root / "bin/busybox")
    (root / "bin/sh").symlink_to("busybox")
    assert ctr("mount", name) == str(root)
    assert json.loads(ctr("mount", "--json")) == [{"container": name, "path": str(root)}]
    assert ctr("run", name, "--", "sh", "-c", "echo $0 > /made; echo done") == "done"
    assert (root / "made").read_text() == "sh\n"
    digest = ctr("commit", name, f"oci:{tmp_path}/layout:app")
    assert (root / "made").exists(), "it is mounted as before"
    assert ctr("commit", name) == digest
    assert ctr("umount", name) == name
    assert ctr("mount") == ""
    assert "is not mounted" in ctr("umount", name, status=2)
    assert ctr(
        "run", ctr.made(f"oci:{tmp_path}/layout:app"), "--", "/bin/sh", "-c", "cat /made 2>&1 || echo none"
    )


@needs_root
def test_a_mount_that_somebody_is_in_is_not_taken_away(ctr: Shell) -> None:
    name = ctr.made()
    root = ctr("mount", name)
    with subprocess.Popen(["sleep", "100"], cwd=root) as sleeper:
        for command in (["umount", name], ["commit", name], ["rm", name]):
            assert "is in use: a program has a file or its working folder in" in ctr(*command, status=2)
        sleeper.kill()
    ctr("commit", name)


def test_a_copy_follows_the_rules_of_dockerfiles(ctr: Shell) -> None:
    sandbox = ctr.sandbox
    sandbox.write("ctx/a.txt", "a")
    sandbox.write("ctx/b.txt", "b", mode=0o755)
    sandbox.write("ctx/sub/c.txt", "c")
    (sandbox.root / "ctx/link").symlink_to("a.txt")
    name = ctr.made()
    ctr("config", "--workdir", "/work", name)
    ctr("copy", name, "ctx", "/folder")
    ctr("copy", name, "ctx/a.txt", "/file")
    ctr("copy", name, "ctx/a.txt", "/into/")
    ctr("copy", name, "ctx/*.txt", "/several/")
    ctr("copy", name, "ctx/a.txt", "relative")
    ctr("copy", "--chown", "5:6", "--chmod", "600", name, "ctx/a.txt", "ctx/b.txt", "/owned")
    show = (
        "cd /; for f in $(find folder file into several work owned | sort); do stat -c '%a %u:%g %n' $f; done"
    )
    found = ctr("run", name, "--", "sh", "-c", show)
    assert found.splitlines() == [
        "644 0:0 file",
        "755 0:0 folder",
        "644 0:0 folder/a.txt",
        "755 0:0 folder/b.txt",
        "777 0:0 folder/link",
        "755 0:0 folder/sub",
        "644 0:0 folder/sub/c.txt",
        "755 0:0 into",
        "644 0:0 into/a.txt",
        "755 5:6 owned",
        "600 5:6 owned/a.txt",
        "600 5:6 owned/b.txt",
        "755 0:0 several",
        "644 0:0 several/a.txt",
        "755 0:0 several/b.txt",
        "755 0:0 work",
        "644 0:0 work/relative",
    ]


def test_an_ignore_file_leaves_things_out(ctr: Shell) -> None:
    for path in ("keep/a", "drop/b", "drop/not/c", "x.log", "keep/y.log"):
        ctr.sandbox.write(f"ctx/{path}", path)
    ctr.sandbox.write("ignore", "# comment\ndrop\n!drop/not\n**/*.log\n")
    name = ctr.made()
    ctr("copy", "--contextdir", "ctx", "--ignorefile", "ignore", name, ".", "/ctx")
    assert ctr("run", name, "--", "sh", "-c", "cd /ctx; find . -type f | sort").split() == [
        "./drop/not/c",
        "./keep/a",
    ]


def test_no_link_leads_out_of_the_root_or_the_context(ctr: Shell, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    context = ctr.root / "ctx"
    context.mkdir()
    (context / "absolute").symlink_to(outside)
    (context / "up").symlink_to("../../outside")
    (context / "etc").mkdir()
    name = ctr.made()
    for source in ("absolute/secret", "up/secret", "../../outside/secret"):
        assert "there is no such file" in ctr("copy", "--contextdir", "ctx", name, source, "/x", status=2)
    ctr("run", name, "--", "sh", "-c", f"ln -s {outside} /srv/out; ln -s ../../../../../.. /srv/up")
    ctr.sandbox.write("f", "f")
    ctr("copy", name, "f", "/srv/out/new")
    ctr("copy", name, "f", "/srv/up/above")
    ctr("copy", name, "f", "../../../../../top")
    assert sorted(os.listdir(outside)) == ["secret"]
    assert ctr("run", name, "--", "sh", "-c", f"cat {outside}/new /above /top") == "fff"


def test_copy_from_another_image_or_container(ctr: Shell) -> None:
    other = ctr.made()
    ctr(
        "run", other, "--", "sh", "-c", "echo x > /srv/x; ln -s /srv/x /srv/y; rm /bin/yes; ln -s /etc /srv/z"
    )
    for step in ("uncommitted", "committed", "by its name"):
        name = ctr.made("scratch")
        origin = "other" if step == "by its name" else other
        ctr("copy", "--from", origin, name, "/srv/y", "/bin/busybox", "/got/")
        assert ctr("diff", name).splitlines() == ["A /got", "A /got/busybox", "A /got/y"]
        assert "no such file" in ctr("copy", "--from", origin, name, "/bin/yes", "/", status=2)
        ctr("commit", other, "other")
    name = ctr.made("scratch")
    ctr("copy", "--from", "//base:root", name, "/bin", "/bin")
    assert ctr("run", name, "--", "ls", "/").split() == ["bin", "dev", "proc"]


def test_copy_within_a_container(ctr: Shell) -> None:
    name = ctr.made()
    ctr("run", name, "--", "sh", "-c", "echo x > /srv/x")
    ctr("copy", "--from", name, name, "/srv", "/copy")
    assert ctr.cat(name, "/copy/x") == "x"


@needs_root
def test_copy_from_a_container_that_is_mounted(ctr: Shell) -> None:
    other, name = ctr.made(), ctr.made()
    root = Path(ctr("mount", other))
    (root / "srv/x").write_text("x")
    (root / "srv/out").symlink_to("/etc/passwd")
    ctr("copy", "--from", other, name, "/srv/x", "/x")
    assert ctr.cat(name, "/x") == "x"
    assert "no such file" in ctr("copy", "--from", other, name, "/srv/out", "/y", status=2)


def test_add_unpacks_archives_and_leaves_others_alone(ctr: Shell) -> None:
    folder = ctr.root
    with tarfile.open(folder / "a.tar.gz", "w:gz") as archive:
        for path, data in (("d/x", b"x"), ("d/y", b"y")):
            info = tarfile.TarInfo(path)
            info.size, info.uid, info.mode = len(data), 7, 0o640
            archive.addfile(info, io.BytesIO(data))
    ctr.sandbox.write("no.tar", "this is no archive")
    name = ctr.made()
    ctr("add", name, "a.tar.gz", "/new")
    ctr("add", name, "no.tar", "/new/")
    ctr("copy", name, "a.tar.gz", "/kept/")
    assert ctr("run", name, "--", "stat", "-c", "%a %u %n", "/new/d/x") == "640 7 /new/d/x"
    assert ctr("run", name, "--", "ls", "/new", "/kept").split() == [
        "/kept:",
        "a.tar.gz",
        "/new:",
        "d",
        "no.tar",
    ]


@pytest.mark.parametrize("path", ["../../out", "/abs/../../out", "d/../../../out"])
def test_an_archive_that_leads_out_is_refused(ctr: Shell, path: str) -> None:
    with tarfile.open(ctr.root / "bad.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo(path))
    assert "leads out of the root" in ctr("add", ctr.made(), "bad.tar", "/", status=1)


def test_an_archive_with_a_device_is_refused(ctr: Shell) -> None:
    with tarfile.open(ctr.root / "bad.tar", "w") as archive:
        device = tarfile.TarInfo("dev/null")
        device.type = tarfile.CHRTYPE
        archive.addfile(device)
    assert "/dev/null is a device node" in ctr("add", ctr.made(), "bad.tar", "/", status=1)


def test_an_archive_with_links_out_stays_inside(ctr: Shell, tmp_path: Path) -> None:
    with tarfile.open(ctr.root / "bad.tar", "w") as archive:
        link = tarfile.TarInfo("out")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
        archive.addfile(link)
        archive.addfile(tarfile.TarInfo("out/file"))
    name = ctr.made()
    ctr("add", name, "bad.tar", "/")
    assert not (tmp_path / "file").exists()
    assert f"A {tmp_path}/file" in ctr("diff", name)


def test_config_sets_appends_and_unsets(ctr: Shell) -> None:
    name = ctr.made("scratch")
    ctr(
        "config", "--env", "A=1", "--env", "B=2", "--cmd", "one 'two three'", "--entrypoint", '["/x"]', "--user", "5",
        "--workdir", "/a", "--label", "l=1", "--label", "m=2", "--annotation", "n=3", "--port", "80", "--port", "53/udp",
        "--volume", "/v", "--stop-signal", "SIGQUIT", "--author", "me", name,
    )  # fmt: skip
    assert ctr.config(name)["config"] == {
        "Cmd": ["one", "two three"],
        "Entrypoint": ["/x"],
        "Env": ["A=1", "B=2"],
        "ExposedPorts": {"53/udp": {}, "80/tcp": {}},
        "Labels": {"l": "1", "m": "2"},
        "StopSignal": "SIGQUIT",
        "User": "5",
        "Volumes": {"/v": {}},
        "WorkingDir": "/a",
    }
    ctr(
        "config",
        "--env",
        "A=3",
        "--env",
        "B-",
        "--label",
        "-",
        "--port",
        "80-",
        "--workdir",
        "b",
        "--volume",
        "/v-",
        name,
    )
    found = ctr.config(name)["config"]
    assert found["Env"] == ["A=3"]
    assert found["ExposedPorts"] == {"53/udp": {}}
    assert found["WorkingDir"] == "/a/b"
    assert "Labels" not in found
    assert "Volumes" not in found
    ctr("config", "--entrypoint", "run me", name)
    assert ctr.config(name)["config"]["Entrypoint"] == ["/bin/sh", "-c", "run me"]
    assert "Cmd" not in ctr.config(name)["config"]


def test_settings_of_docker_need_its_format(ctr: Shell, tmp_path: Path) -> None:
    name = ctr.made()
    ctr(
        "config", "--healthcheck", "CMD true", "--healthcheck-interval", "1m30s", "--healthcheck-retries", "3",
        "--onbuild", "RUN true", "--shell", "/bin/sh -ec", name,
    )  # fmt: skip
    done = ctr.sandbox.run("ctr", "commit", name)
    assert "an OCI image has no Healthcheck" in done.stderr
    assert "Healthcheck" not in ctr.document(done.stdout.strip())["config"]
    ctr("commit", "--format", "docker", name, f"dir:{tmp_path}/image")
    manifest = json.loads((tmp_path / "image/manifest.json").read_text())
    assert manifest["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
    assert {one["mediaType"].rpartition(".")[2] for one in manifest["layers"]} == {"gzip"}
    config = json.loads((tmp_path / "image" / manifest["config"]["digest"][7:]).read_text())["config"]
    assert config["Healthcheck"] == {"Test": ["CMD", "true"], "Interval": 90_000_000_000, "Retries": 3}
    assert config["OnBuild"] == ["RUN true"]
    assert config["Shell"] == ["/bin/sh", "-ec"]


def test_run_takes_the_configuration_and_options(ctr: Shell) -> None:
    name = ctr.made()
    ctr("config", "--env", "A=1", "--env", "B=1", "--workdir", "/srv", "--user", "5:6", name)
    show = "echo $A$B $(id -u):$(id -g) $(pwd)"
    assert ctr("run", name, "--", "sh", "-c", show) == "11 5:6 /srv"
    options = ["--env", "B=2", "--user", "0", "--workdir", "/etc"]
    assert ctr("run", *options, name, "--", "sh", "-c", show) == "12 0:0 /etc"


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


def test_a_container_in_use_is_not_removed(ctr: Shell) -> None:
    name = ctr.made()
    command = [sys.executable, "-m", "hermes", "ctr", "run", name, "--", "sh", "-c", "echo up; sleep 100"]
    env = {**os.environ, "HERMES_HOME": str(ctr.sandbox.home)}
    with subprocess.Popen(command, cwd=ctr.root, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert f"the container {name} is in use" in ctr("rm", name, status=2)
        ctr("config", "--env", "A=1", name)
        process.terminate()
    ctr("rm", name)


def test_names_can_be_chosen_and_changed(ctr: Shell) -> None:
    name = ctr.made("//base:root", "--name", "web")
    assert name == "web"
    assert "there is a container web already" in ctr("from", "--name", "web", "scratch", status=2)
    ctr("rename", "web", "api")
    identity = json.loads(ctr("inspect", "api"))["id"]
    assert ctr("run", identity[:6], "--", "echo", "x") == "x"
    assert [one["name"] for one in json.loads(ctr("ps", "--json"))] == ["api"]
    assert ctr("ps", "-q") == "api"


WRONG = {
    "an unknown container": (
        ["run", "wbe", "--", "true"],
        "there is no container wbe(.|\n)*did you mean web",
    ),
    "an unknown image": (["from", "ap:1"], "there is no image ap:1(.|\n)*did you mean app:1"),
    "an unknown target": (["from", "//base:rot"], "did you mean 'root'"),
    "a wrong name": (["commit", "web", "App:1"], "names are lower case: app"),
    "a wrong tag": (["commit", "web", "app:a b"], "'a b' is no tag"),
    "a wrong transport": (["commit", "web", "oci:"], "names no place"),
    "a missing program": (["run", "web", "--", "nothing"], "there is no program 'nothing'"),
    "a missing user": (["run", "--user", "nobody", "web", "--", "true"], "there is no user 'nobody'"),
    "a missing source": (["copy", "web", "hermes.yml", "/x"], "no such file(.|\n)*did you mean hermes.yaml"),
    "a pattern without a match": (["copy", "web", "*.py", "/x"], "matches nothing"),
    "a folder in the way": (["copy", "web", "hermes.yaml", "base", "/bin/busybox"], "cannot be a directory"),
    "a file in place of a folder": (
        ["copy", "web", "hermes.yaml", "/bin/busybox/x"],
        "cannot be a directory",
    ),
    "a wrong mode": (["copy", "--chmod", "u+x", "web", "hermes.yaml", "/x"], "is no mode"),
    "a wrong variable": (["config", "--env", "A", "web"], "sets no variable"),
    "a wrong port": (["config", "--port", "http", "web"], "is not a port"),
    "a wrong list": (["config", "--cmd", "[1]", "web"], "no JSON list"),
    "a wrong duration": (["config", "--healthcheck-interval", "soon", "web"], "is no duration"),
    "a wrong platform": (["config", "--arch", "amd46", "web"], "did you mean amd64"),
    "nothing to change": (["config", "web"], "nothing is to be changed"),
    "a layout that is none": (["from", "oci:base"], "is not an OCI layout"),
    "a missing volume": (["run", "-v", "nothing:/x", "web", "--", "true"], "nothing does not exist"),
    "a volume over the root": (["run", "-v", "base:/", "web", "--", "true"], "no absolute path of something"),
    "a volume that leaves the root": (
        ["run", "-v", "base:/../..", "web", "--", "true"],
        "root itself|over the root|cannot",
    ),
    "a wrong mount": (["run", "--mount", "type=bnd,dst=/x", "web", "--", "true"], "there is no type 'bnd'"),
    "a mount without a place": (["run", "--mount", "type=tmpfs", "web", "--", "true"], "does not say where"),
    "a wrong capability": (["run", "--cap-add", "SYS_ADMN", "web", "--", "true"], "did you mean SYS_ADMIN"),
    "a wrong runtime": (["run", "--runtime", "runk", "web", "--", "true"], "did you mean 'runc'"),
    "a missing secret": (["run", "--secret", "id=a,src=none", "web", "--", "true"], "No such file"),
    "an empty secret": (["run", "--secret", "id=a,src=hermes.yaml", "web", "--", "true"], "is empty"),
    "no terminal": (["run", "-t", "web", "--", "true"], "are no terminal"),
    "a wrong container name": (["rename", "web", "a/b"], "is no name of a container"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_command(ctr: Shell, case: str) -> None:
    arguments, pattern = WRONG[case]
    ctr.made("//base:root", "--name", "web")
    ctr("commit", "web", "app:1")
    before = ctr("inspect", "web")
    done = ctr.sandbox.run("ctr", *arguments)
    assert done.returncode in (1, 2)
    assert re.search(pattern, done.stderr), done.stderr
    assert done.stderr.count("error: ") == 1
    assert "Traceback" not in done.stderr
    assert ctr("inspect", "web") == before


def test_a_kill_while_committing_loses_nothing(ctr: Shell) -> None:
    name = ctr.made()
    ctr("run", name, "--", "sh", "-c", "i=0; while [ $i -lt 300 ]; do echo $i > /srv/$i; i=$((i+1)); done")
    env = {**os.environ, "HERMES_HOME": str(ctr.sandbox.home)}
    for attempt in range(12):
        command = [sys.executable, "-m", "hermes", "ctr", "commit", name]
        with subprocess.Popen(command, cwd=ctr.root, env=env, stdout=subprocess.DEVNULL) as process:
            time.sleep(0.05 + attempt * 0.02)
            process.kill()
    assert ctr("run", name, "--", "sh", "-c", "ls /srv | wc -l; cat /srv/299").split() == ["300", "299"]
    document = ctr.document(ctr("commit", name))
    assert len(document["rootfs"]["diff_ids"]) == 2


def test_a_full_disk_while_committing_loses_nothing(based: Sandbox, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    small = tmp_path / "small"
    image = tmp_path / "disk"
    with open(image, "wb") as file:
        file.truncate(64 << 20)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    small.mkdir()
    subprocess.run(["mount", "-o", "loop", str(image), str(small)], check=True)
    try:
        shell = Shell(Sandbox(based.root, small / "home"))
        name = shell.made()
        shell("run", name, "--", "sh", "-c", "head -c 9000000 /dev/urandom > /srv/a 2>/dev/null || exit 0")
        filler = small / "filler"
        free = shutil.disk_usage(small).free
        filler.write_bytes(os.urandom(max(0, free - (1 << 20))))
        assert "no space left" in shell("commit", name, "app", status=1)
        filler.unlink()
        before = shell("run", name, "--", "stat", "-c", "%s", "/srv/a")
        assert before == "9000000"
        shell("commit", name, "app")
        shell("rm", name)
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_an_ordinary_user_mounts_inside_of_unshare(ordinary_user: OrdinaryUser, ctr: Shell) -> None:
    ordinary_user.run("ctr", "from", "scratch")
    refused = ordinary_user.run("ctr", "mount", "scratch-working-container", check=False)
    assert "do it inside of `hermes unshare`" in refused.stderr
    hermes = f"{sys.executable} -m hermes ctr"
    script = f"""
        set -e
        mnt=$({hermes} mount scratch-working-container)
        mkdir $mnt/bin; cp {BUSYBOX} $mnt/bin/busybox; ln -s busybox $mnt/bin/sh
        chown 5:6 $mnt/bin/busybox
        {hermes} run scratch-working-container -- /bin/sh -c 'echo hi > /hi'
        {hermes} config --entrypoint '["/bin/sh"]' scratch-working-container
        {hermes} commit scratch-working-container app
    """
    done = ordinary_user.run("unshare", "--", "sh", "-c", script)
    if os.geteuid() == 0:
        name = ctr.made("scratch")
        root = Path(ctr("mount", name))
        (root / "bin").mkdir()
        shutil.copy(BUSYBOX, root / "bin/busybox")
        (root / "bin/sh").symlink_to("busybox")
        os.chown(root / "bin/busybox", 5, 6)
        ctr("run", name, "--", "/bin/sh", "-c", "echo hi > /hi")
        ctr("config", "--entrypoint", '["/bin/sh"]', name)
        assert ctr("commit", name, "app") == done.stdout.strip()
    ordinary_user.run("ctr", "rm", "--all")


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


def test_unshare_passes_on_the_status(ctr: Shell) -> None:
    assert ctr.sandbox.run("unshare", "--", "sh", "-c", "id -u; exit 3").returncode == 3
    assert "cannot be started" in ctr.sandbox.run("unshare", "--", "no-such-program").stderr


def test_the_python_interface_does_the_same(ctr: Shell) -> None:
    containers = Containers(home=ctr.sandbox.home)
    before = os.getcwd()
    os.chdir(ctr.root)
    try:
        name = containers.create("//base:root").name
    finally:
        os.chdir(before)
    assert containers.run(name, ["touch", "/srv/x"]) == 0
    assert [one.path for one in containers.diff(name)] == ["/srv/x"]
    digest = containers.commit(name, "app").digest
    assert containers.commit(name).digest == digest
    with pytest.raises(UsageError):
        containers.get("none")


def test_what_containers_and_names_need_is_not_collected(ctr: Shell) -> None:
    name = ctr.made()
    ctr("run", name, "--", "sh", "-c", "echo kept > /srv/x")
    ctr("commit", "--rm", name, "app:kept")
    other = ctr.made()
    shutil.rmtree(ctr.root / "hermes-out")
    assert ctr.sandbox.run("cache", "gc", "--max-size", "0").returncode == 0
    assert ctr("run", other, "--", "ls", "/srv") == ""
    assert ctr.cat(ctr.made("app:kept"), "/srv/x") == "kept"


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
        sys.executable,
        "-m",
        "hermes",
        "ctr",
        "run",
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
