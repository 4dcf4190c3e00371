"""``hermes ctr`` in the place of buildah: copying out, templates, options, and scripts with an alias."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.conftest import ROOT, Sandbox
from tests.integration.conftest import OrdinaryUser
from tests.integration.shell import NEEDS_ROOT, Shell

FILES = (
    "mkdir -p /srv/app/sub /srv/empty && echo one > /srv/app/one && echo two > /srv/app/sub/two && "
    "chmod 755 /srv/app/one && ln -s one /srv/app/link && ln -s /srv/app /srv/to-app && chmod 700 /srv/app/sub"
)


def test_files_are_copied_out_as_docker_cp_does(ctr: Shell) -> None:
    name = ctr.made()
    ctr("run", name, "--", "sh", "-c", FILES)
    root = ctr.root
    (root / "there").mkdir()
    ctr("copy", f"{name}:/srv/app/one", ".")
    ctr("copy", f"{name}:/srv/app/one", "renamed")
    ctr("copy", f"{name}:/srv/app", "there")
    ctr("copy", f"{name}:/srv/app/", "made")
    ctr("copy", f"{name}:/srv/app/.", "there/")
    ctr("copy", f"{name}:/srv/to-app/link", "followed")
    ctr("copy", f"{name}:/srv/app/sub/two", f"{name}:/bin/sh", "there")
    assert (
        (root / "one").read_text()
        == (root / "renamed").read_text()
        == (root / "followed").read_text()
        == "one\n"
    )
    assert os.access(root / "one", os.X_OK)
    assert (root / "there/app/sub/two").read_text() == (root / "made/sub/two").read_text() == "two\n"
    assert os.readlink(root / "there/app/link") == os.readlink(root / "there/link") == "one"
    assert (root / "made/sub").stat().st_mode & 0o777 == 0o700
    assert (root / "there/two").read_text() == "two\n"
    assert (root / "there/sh").stat().st_size > 100_000
    assert not [one for one in os.listdir(root / "there") if one.startswith(".")]
    done = subprocess.run(
        [sys.executable, "-m", "hermes", "ctr", "copy", f"{name}:/srv/app", "-"],
        cwd=root,
        env={**os.environ, "HERMES_HOME": str(ctr.sandbox.home)},
        capture_output=True,
        check=True,
    )
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        assert "0/app/sub/two" in archive.getnames()


@pytest.mark.parametrize(
    ("source", "dest", "problem"),
    [
        (
            "/srv/app/oen",
            ".",
            "error: /srv/app/oen: there is no such file in the container\nhint: did you mean /srv/app/one?",
        ),
        ("/srv/app/one", "none/x", "none is not there"),
        ("/srv/app/one", "none/", "none is not there"),
        ("srv", ".", "error: 'srv' is not an absolute path in the container"),
        ("/srv/app", "file", "file is a file, and /srv/app of the container is a folder"),
        ("/srv/app/one/.", ".", "/srv/app/one/.: "),
    ],
)
def test_what_cannot_be_copied_out_is_told_and_nothing_is_written(
    ctr: Shell, source: str, dest: str, problem: str
) -> None:
    name = ctr.made()
    ctr("run", name, "--", "sh", "-c", FILES)
    (ctr.root / "file").touch()
    before = sorted(os.listdir(ctr.root))
    done = ctr.sandbox.run("ctr", "copy", f"{name}:{source}", dest)
    assert done.returncode in (1, 2)
    assert problem in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(os.listdir(ctr.root)) == before


def test_a_container_without_a_shell_gives_its_files_to_an_ordinary_user(ordinary_user: OrdinaryUser) -> None:
    ordinary_user.workspace.write("file", "text\n")
    name = ordinary_user.run("ctr", "from", "scratch").stdout.strip()
    ordinary_user.run("ctr", "copy", "--chown", "7:8", name, "file", "/deep/file")
    ordinary_user.run("ctr", "copy", f"{name}:/deep", "out")
    found = ordinary_user.workspace.root / "out/file"
    assert found.read_text() == "text\n"
    assert found.owner() == ordinary_user.name
    ordinary_user.run("ctr", "rm", name)


def test_operands_after_the_container_are_no_options(ctr: Shell) -> None:
    name = ctr.made()
    (ctr.root / "-x").write_text("dash\n")
    ctr("copy", name, "-x", "/srv/")
    assert ctr.cat(name, "/srv/-x") == "dash"
    ctr("copy", "--chmod", "600", name, "--", "-x", "/srv/--chown")
    assert ctr.cat(name, "/srv/--chown") == "dash"


def test_a_container_is_described_by_a_template(ctr: Shell) -> None:
    name = ctr.made("scratch", "--name", "mine")
    ctr("config", "-e", "A=1", "-u", "7", "-p", "80", "-l", "l=2", "-a", "n=3", "--workingdir", "/srv", name)
    ctr("config", "--cmd", '["a", "b c"]', "-v", "/data", name)

    def shown(template: str) -> str:
        return ctr("inspect", "--format", template, name)

    assert shown("{{.OCIv1.Config.Env}} {{.Docker.Config.User}} {{.Config.WorkingDir}}") == "[A=1] 7 /srv"
    assert (
        shown('{{index .Config.Labels "l"}}{{.ImageAnnotations}}{{.Config.ExposedPorts}}')
        == "2map[n:3]map[80/tcp:map[]]"
    )
    assert shown("{{json .OCIv1.Config.Cmd}}") == '["a", "b c"]'
    assert shown("{{.Container}} {{.FromImage}} {{.Config.Entrypoint}}") == "mine scratch []"
    assert ctr("containers", "--format", "{{.ContainerName}}={{.ImageName}}", "-a") == "mine=scratch"
    assert "MOUNTED" not in ctr("containers", "-n", "--notruncate")
    assert "there is no field .Nope" in ctr("inspect", "-f", "{{.Nope}}", name, status=2)
    ctr("config", "--unsetlabel", "l", "--unsetenv", "A", name)
    assert shown("{{.Config.Labels}}{{.Config.Env}}") == "map[][]"
    digest = ctr("commit", "-q", "-f", "docker", "--rm", name, "described")
    assert digest == ""
    assert (
        ctr("inspect", "--type", "image", "-f", "{{.Config.User}} {{.RepoTags}}", "described")
        == "7 [described:latest]"
    )
    assert ctr("inspect", "-f", "{{.OCIv1.Os}}", "described") == "linux"
    assert "there is no container nowhere" in ctr("inspect", "nowhere", status=2)


def test_comments_and_changes_are_in_the_history_where_that_is_asked_for(ctr: Shell) -> None:
    name = ctr.made("scratch")
    ctr(
        "config", "--comment", "for docker", "--history-comment", "why", "--add-history", "--env", "A=1", name
    )
    document = ctr.document(ctr("commit", "-f", "docker", name, "commented"))
    assert document["comment"] == "for docker"
    assert document["history"][0]["created_by"] == "config --comment for docker"
    assert document["history"][1]["created_by"] == "config --env A=1"
    assert document["history"][2]["comment"] == "why"
    done = ctr.sandbox.run("ctr", "commit", name, "uncommented")
    assert "warning: an OCI image has no comment" in done.stderr


def test_from_takes_names_as_a_dockerfile_does(ctr: Shell, tmp_path: Path) -> None:
    ctr("commit", "-q", ctr.made(), "localhost/team/base")
    file = tmp_path / "cid"
    name = ctr("from", "--pull", "--cidfile", str(file), "-q", "localhost/team/base")
    assert name == "base-working-container"
    assert json.loads(ctr("inspect", name))["id"] == file.read_text().strip()
    ctr("from", "--pull-never", "localhost/team/base:latest")
    ctr("from", "--pull=never", "localhost/team/base")
    said = ctr("from", "--pull-never", "localhost/team/bass", status=2)
    assert (
        "there is no image localhost/team/bass in the store\nhint: did you mean localhost/team/base" in said
    )


def test_containers_are_removed_by_any_name_and_missing_ones_are_told_unless_forced(ctr: Shell) -> None:
    name = ctr.made("scratch")
    assert ctr("delete", name) == name
    assert "no container" in ctr("rm", name, status=2)
    assert ctr("rm", "-f", name, ctr.made("scratch")) == "working-container"


def test_commands_find_their_own_name_in_etc_hosts(ctr: Shell) -> None:
    name = ctr.made()
    assert "hermes" in ctr("run", name, "--", "cat", "/etc/hosts")
    assert "own-name" in ctr("run", "--hostname", "own-name", name, "--", "cat", "/etc/hosts")
    assert "etc/hosts" not in ctr("diff", name)


TUTORIAL = r"""
set -e
shopt -s expand_aliases
alias buildah='{hermes} ctr'
export BUILDAH_ISOLATION=chroot

# 1: a container of an image, commands in it, one that is not there
buildah images > /dev/null
buildah containers
container=$(buildah from localhost/distribution)
buildah run $container sh -c 'echo in $0' it
! buildah run $container java 2> problem
grep -q java problem
buildah run $container -- touch -- /installed

# 2: one from scratch, filled from outside
newcontainer=$(buildah from scratch)
test $newcontainer = working-container
buildah containers | grep -q scratch
! buildah run $newcontainer bash 2> problem
scratchmnt=$(buildah mount $newcontainer)
cp -r root/. $scratchmnt/
buildah mount | grep -q "$newcontainer $scratchmnt"
cat > runecho.sh << 'END'
#!/bin/sh
for i in `seq 0 2`; do echo "a new container [" $i "]"; done
END
chmod +x runecho.sh
buildah copy $newcontainer ./runecho.sh /usr/bin/
buildah config --cmd /usr/bin/runecho.sh $newcontainer
buildah commit $newcontainer newimage > /dev/null
buildah run $newcontainer /usr/bin/runecho.sh
buildah config --created-by "ada" $newcontainer
buildah config --author "ada at example.org @ada" --label name=bashecho $newcontainer
buildah inspect $newcontainer > /dev/null
buildah unmount $newcontainer
buildah commit $newcontainer bashecho > /dev/null
buildah images | grep -q bashecho
buildah inspect --type=image --format '{{.OCIv1.Author}} {{index .OCIv1.Config.Labels "name"}}' bashecho
buildah rm $newcontainer
{hermes} run bashecho

# 3: triggers
buildah config --onbuild "RUN touch /bar" $container
buildah commit --format docker $container onbuilder > /dev/null
buildah inspect --type image --format '{{.Docker.Config.OnBuild}}' onbuilder
printf 'FROM onbuilder\nRUN test -e /bar\n' > Dockerfile
buildah bud --network none -q -f Dockerfile -t triggered . > /dev/null
c=$(buildah from --name triggered triggered)
test $c = triggered
buildah run $c ls /bar
buildah copy $c:/installed .
buildah rm --all > /dev/null
test -z "$(buildah containers -q)"

# 4: an image goes to a folder and comes back
buildah push -q bashecho oci:layout
buildah rmi bashecho newimage > /dev/null
buildah from oci:layout
buildah rm -a
"""


@NEEDS_ROOT
def test_the_steps_of_the_tutorials_of_buildah_work_with_an_alias(based: Sandbox) -> None:
    made = Shell(based)
    made("commit", "-q", "--rm", made.made(), "localhost/distribution")
    root = based.root / "root"
    (root / "bin").mkdir(parents=True)
    (root / "bin/busybox").write_bytes(Path("/bin/busybox").read_bytes())
    (root / "bin/busybox").chmod(0o755)
    for name in ("sh", "seq", "ls"):
        (root / "bin" / name).symlink_to("busybox")
    (root / "usr/bin").mkdir(parents=True)
    script = TUTORIAL.replace("{hermes}", f"{sys.executable} -m hermes")
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=based.root,
        env={**os.environ, "HERMES_HOME": str(based.home), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    echoed = "".join(f"a new container [ {number} ]\n" for number in range(3))
    assert done.stdout.splitlines() == [
        "ID  NAME  FROM  LAYERS  MOUNTED AT",
        "in it",
        *echoed.splitlines(),
        "working-container",
        "ada at example.org @ada bashecho",
        "working-container",
        *echoed.splitlines(),
        "[RUN touch /bar]",
        "/bar",
        "oci-working-container",
        "oci-working-container",
    ]
