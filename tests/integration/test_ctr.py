"""``hermes ctr``: small commands that build an image step by step, as root and as an ordinary user."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hermes.api.containers import Containers
from hermes.errors import UsageError
from tests.conftest import Sandbox
from tests.integration.conftest import BUSYBOX, OrdinaryUser, make_deep
from tests.integration.shell import NEEDS_ROOT, Shell


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


@NEEDS_ROOT
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


def test_folders_may_be_as_deep_as_paths_are_long(ctr: Shell) -> None:
    name = ctr.made()
    deep = "i=0; while [ $i -lt 1000 ]; do mkdir d && cd d || exit 1; i=$((i + 1)); done; echo x > f"
    ctr("run", name, "--", "sh", "-c", f"cd /srv; {deep}")
    assert len(ctr("diff", name).splitlines()) == 1001
    ctr("commit", name, "deep")
    other = ctr.made("deep")
    ctr("run", other, "--", "sh", "-c", f"echo y >> /srv/{'d/' * 1000}f")
    assert ctr("diff", other).startswith("C /srv/d/d/")
    ctr("rm", "--all")
    assert list((ctr.sandbox.home / "tmp").iterdir()) == []
    subprocess.run(["rm", "-r", str(ctr.sandbox.home)], check=True)


@pytest.mark.usefixtures("takes_deep_away")
def test_folders_of_any_depth_are_copied(ctr: Shell, tmp_path: Path) -> None:
    name = ctr.made()
    deep = tmp_path / "deep"
    make_deep(deep)
    for _ in range(2):
        ctr("copy", name, str(deep), "/srv")
    assert ctr("diff", name).endswith(f"/srv/{'d/' * 1000}f")
    ctr("copy", "--from", name, name, "/srv", "/other")
    assert ctr("diff", name).count("/d/f") == 2


@pytest.mark.usefixtures("takes_deep_away")
@pytest.mark.parametrize("mount", [[], ["--mount", "type=cache,dst=/srv"]])
def test_folders_of_any_depth_are_searched_for_secrets(ctr: Shell, mount: list[str]) -> None:
    secret = ctr.root / "secret"
    secret.write_text("a secret that is long enough")
    name = ctr.made()
    deep = "i=0; while [ $i -lt 1000 ]; do mkdir d && cd d || exit 1; i=$((i + 1)); done"
    run = ["run", "--secret", f"id=it,src={secret}", *mount, name, "--", "sh", "-c"]
    ctr(*run, f"cd /srv; {deep}; echo > f")
    said = ctr(
        *run, f'cd /srv; cat /run/secrets/it > {"d/" * 1000}g; mkdir "$(cat /run/secrets/it)"', status=1
    )
    assert f"/srv/{'d/' * 1000}g: the content" in said
    assert "the name has" in said
    left = ctr(*run, f"cd /srv; ls; ls {'d/' * 1000}")
    assert left.split() == ["d", "f"]


@NEEDS_ROOT
def test_a_socket_is_left_out_and_what_it_has_replaced_is_gone(ctr: Shell) -> None:
    name = ctr.made()
    ctr("run", name, "--", "sh", "-c", "cd /srv; : > a; mkdir b; : > b/c; ln -s a d")
    ctr("commit", name)
    root = Path(ctr("mount", name))
    ctr("run", name, "--", "rm", "-r", "/srv/a", "/srv/b", "/srv/d")
    for path in ("srv/a", "srv/b", "srv/d", "srv/new"):
        os.mknod(root / path, stat.S_IFSOCK | 0o755)
    assert ctr("diff", name) == "D /srv/a\nD /srv/b\nD /srv/d"
    ctr("commit", name, "without")
    for one in (name, ctr.made("without")):
        assert ctr("run", one, "--", "ls", "/srv") == ""


@NEEDS_ROOT
def test_a_mount_that_somebody_is_in_is_not_taken_away(ctr: Shell) -> None:
    name = ctr.made()
    root = ctr("mount", name)
    with subprocess.Popen(["sleep", "100"], cwd=root) as sleeper:
        for command in (["umount", name], ["commit", name], ["rm", name]):
            assert "is in use: a program has a file or its working folder in" in ctr(*command, status=2)
        sleeper.kill()
    ctr("commit", name)


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
    "a wrong tag": (["commit", "web", "app:a b"], "invalid tag 'a b'"),
    "a wrong transport": (["commit", "web", "oci:"], "names no place"),
    "a missing program": (["run", "web", "--", "nothing"], "there is no program 'nothing'"),
    "a missing user": (["run", "--user", "nobody", "web", "--", "true"], "there is no user 'nobody'"),
    "a missing source": (["copy", "web", "hermes.yml", "/x"], "no such file(.|\n)*did you mean hermes.yaml"),
    "a link to nothing": (
        ["copy", "web", "dangling", "/x"],
        "dangling is a link to gone, which is not there",
    ),
    "the whole machine": (["copy", "web", "/", "/x"], "/ is the whole of this machine"),
    "a file to work in": (
        ["run", "--workdir", "/bin/busybox", "web", "--", "true"],
        "is to work in /bin/busybox, which is a file",
    ),
    "a pattern without a match": (["copy", "web", "*.py", "/x"], "matches nothing"),
    "a folder in the way": (["copy", "web", "hermes.yaml", "base", "/bin/busybox"], "cannot be a directory"),
    "a file in place of a folder": (
        ["copy", "web", "hermes.yaml", "/bin/busybox/x"],
        "cannot be a directory",
    ),
    "a wrong mode": (["copy", "--chmod", "u+x", "web", "hermes.yaml", "/x"], "invalid mode 'u\\+x'"),
    "a wrong variable": (["config", "--env", "A", "web"], "expected NAME=VALUE, got .A."),
    "a wrong port": (["config", "--port", "http", "web"], "is not a port"),
    "a wrong list": (["config", "--cmd", "[1]", "web"], "expected a JSON list of strings"),
    "a wrong duration": (["config", "--healthcheck-interval", "soon", "web"], "invalid duration"),
    "a wrong platform": (["config", "--arch", "amd46", "web"], "did you mean amd64"),
    "nothing to change": (["config", "web"], "no setting to change"),
    "a layout that is none": (["from", "oci:base"], "is not an OCI layout"),
    "a missing volume": (["run", "-v", "nothing:/x", "web", "--", "true"], "nothing does not exist"),
    "a volume over the root": (
        ["run", "-v", "base:/", "web", "--", "true"],
        "expected an absolute path other than /",
    ),
    "a volume that leaves the root": (
        ["run", "-v", "base:/../..", "web", "--", "true"],
        "root itself|over the root|cannot",
    ),
    "a wrong mount": (["run", "--mount", "type=bnd,dst=/x", "web", "--", "true"], "unknown type 'bnd'"),
    "a mount without a place": (
        ["run", "--mount", "type=tmpfs", "web", "--", "true"],
        "the target is missing",
    ),
    "a wrong capability": (["run", "--cap-add", "SYS_ADMN", "web", "--", "true"], "did you mean SYS_ADMIN"),
    "a wrong runtime": (["run", "--runtime", "runk", "web", "--", "true"], "did you mean 'runc'"),
    "a missing secret": (["run", "--secret", "id=a,src=none", "web", "--", "true"], "No such file"),
    "an empty secret": (["run", "--secret", "id=a,src=hermes.yaml", "web", "--", "true"], "is empty"),
    "no terminal": (["run", "-t", "web", "--", "true"], "are no terminal"),
    "a wrong container name": (["rename", "web", "a/b"], "invalid container name"),
    "no container name": (["rename", "web", ""], "invalid container name"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_command(ctr: Shell, case: str) -> None:
    arguments, pattern = WRONG[case]
    ctr.made("//base:root", "--name", "web")
    ctr("commit", "web", "app:1")
    before = ctr("inspect", "web")
    (ctr.root / "dangling").symlink_to("gone")
    done = ctr.sandbox.run("ctr", *arguments)
    assert done.returncode in ((127,) if "program" in case else (1, 2))
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
    refused = ordinary_user.run("ctr", "mount", "working-container", check=False)
    assert "do it inside of `hermes unshare`" in refused.stderr
    hermes = f"{sys.executable} -m hermes ctr"
    script = f"""
        set -e
        mnt=$({hermes} mount working-container)
        mkdir $mnt/bin; cp {BUSYBOX} $mnt/bin/busybox; ln -s busybox $mnt/bin/sh
        chown 5:6 $mnt/bin/busybox
        {hermes} run working-container -- /bin/sh -c 'echo hi > /hi'
        {hermes} config --entrypoint '["/bin/sh"]' working-container
        {hermes} commit working-container app
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


def test_a_damaged_container_stops_no_other(ctr: Shell) -> None:
    good, bad = ctr.made(), ctr.made("//base:root", "--name", "bad")
    identity = json.loads(ctr("inspect", bad))["id"]
    (ctr.sandbox.home / "containers" / identity / "container.json").write_text('{"version": 1}')
    listed = ctr.sandbox.run("ctr", "ps", "-q")
    assert (listed.returncode, listed.stdout.split()) == (0, [good])
    assert (
        f"warning: the container {identity} is damaged; remove it: hermes ctr rm {identity}" in listed.stderr
    )
    assert ctr("run", good, "echo", "on") == "on"
    assert "is damaged" in ctr("run", identity, "true", status=1)
    assert ctr.sandbox.run("cache", "gc").returncode == 0
    assert ctr("rm", identity) == identity
    assert ctr.sandbox.run("ctr", "ps", "-q").stderr == ""


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
