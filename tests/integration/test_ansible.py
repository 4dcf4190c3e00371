"""Playbooks drive working containers by the plugins of the collection ``hermes.build``."""

from __future__ import annotations

import ast
import io
import os
import shutil
import subprocess
import sys
import tarfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT, Sandbox
from tests.integration.shell import Shell
from tests.integration.test_python import names_in

if TYPE_CHECKING:
    from tests.integration.conftest import OrdinaryUser

pytest.importorskip("ansible", reason="ansible-core is not installed (the extra ansible)")

INVENTORY = """\
plugin: hermes.build.hermes
keyed_groups: [{prefix: image, key: hermes_labels.role}]
"""
# The Python of modules is that of this machine, and so is su.
VARIABLES = """\
ansible_python_interpreter: /usr/bin/python3
ansible_remote_tmp: /tmp/ansible
ansible_hermes_volumes: ["/usr:/usr:ro", "/usr/lib:/lib:ro", "/usr/lib64:/lib64:ro", "/etc/pam.d:/etc/pam.d:ro"]
"""
PLAY = """\
- hosts: image_web
  gather_facts: false
  tasks:
    - raw: mkdir -p /var/tmp && chmod 1777 /tmp /var/tmp | cat; exit 3
      register: raw
      failed_when: raw.rc != 3
    - copy: {src: given.bin, dest: /srv/given.bin, mode: "0640"}
    - fetch: {src: /srv/given.bin, dest: back.bin, flat: true}
    - command: {cmd: sh -c 'cat; id -u', stdin: of standard input}
      become: true
      become_user: web
      become_method: su
      register: became
    - copy: {content: "{{ raw.rc }} {{ became.stdout_lines | join(' ') }}", dest: /srv/said}
      vars: {ansible_pipelining: true}
"""
# A value that ansible-vault has encrypted, and a module that needs a library.
VAULTED = (
    '!vault "$ANSIBLE_VAULT;1.1;AES256\\n'
    "33363965326261303234323566663763333961306231363661376630386637613062346362646465\\n"
    '6138643665643339"'
)
LACKING = """\
from ansible.module_utils.basic import AnsibleModule, missing_required_lib
module = AnsibleModule(argument_spec={})
try:
    import not_there
except ImportError as error:
    module.fail_json(msg=missing_required_lib("not_there"), exception=str(error))
"""
GHOST = "- hosts: ghost\n  gather_facts: false\n  tasks: [{raw: id}]\n"


def play(shell: Shell, text: str, *options: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a playbook on the containers of a store."""
    shell.sandbox.write("play.yml", text)
    home = shell.sandbox.home
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            "-i",
            "all.hermes.yml",
            "play.yml",
            *options,
        ],
        cwd=shell.root,
        env={**os.environ, "HERMES_HOME": str(home), "ANSIBLE_HOME": str(home / "ansible"), **env},
        stdin=subprocess.DEVNULL,  # Ansible refuses one that does not block, as that of a runner of tests may be
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stdout
    return done


@pytest.fixture
def web(ctr: Shell) -> Shell:
    """A container with the label role=web, in a folder with an inventory."""
    write = ctr.sandbox.write
    write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nweb:x:33:33:web:/srv:/bin/sh\n")
    write("etc/shadow", "root::1::::::\nweb::1::::::\n")
    files = 'files_layer(name = "etc", files = {"/etc/passwd": "passwd", "/etc/shadow": "shadow"})\n'
    image = 'image(name = "image", layers = ["//base:root", ":etc"], labels = {"role": "web"})\n'
    write("etc/BUILD", files + image)
    write("all.hermes.yml", INVENTORY)
    write("group_vars/all.yml", VARIABLES)
    write("given.bin", bytes(range(256)) * 500)
    ctr("from", "--name", "one", "//etc:image")
    return ctr


def test_a_play_runs_commands_and_copies_files(web: Shell) -> None:
    done = play(web, PLAY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert web.cat("one", "/srv/said") == "3 of standard input 33"
    assert web("run", "one", "--", "stat", "-c", "%a", "/srv/given.bin") == "640"
    assert (web.root / "back.bin").read_bytes() == (web.root / "given.bin").read_bytes()


def test_a_host_that_is_no_container_is_unreachable(web: Shell) -> None:
    done = play(web, GHOST, "-i", "ghost,", "-c", "hermes.build.hermes")
    assert done.returncode == 4
    assert "UNREACHABLE!" in done.stdout
    assert "there is no container ghost (`hermes ctr ps` lists them)" in done.stdout


def test_a_task_waits_for_another_command_on_its_container_and_says_so(web: Shell) -> None:
    argv = [sys.executable, "-m", "hermes", "ctr", "run", "one", "--", "sh", "-c", "echo on; cat"]
    env = {**os.environ, "HERMES_HOME": str(web.sandbox.home)}
    with subprocess.Popen(
        argv, cwd=web.root, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdin
        assert other.stdout
        assert other.stdout.readline() == b"on\n"
        ended = threading.Timer(8, other.stdin.close)
        ended.start()
        done = play(web, "- hosts: one\n  gather_facts: false\n  tasks: [{raw: id}]\n")
        ended.join()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "waiting for another command on one" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("{community.nowhere.thing: {}}", "couldn't resolve module/action 'community.nowhere.thing'"),
        ("{debug: {msg: '{{ secret }}'}}", "no vault secrets"),
        ("{needs_it: {}}", "Failed to import the required Python library (not_there)"),
        ("{ping: {}, vars: {ansible_python_interpreter: /usr/bin/python9}}", "/usr/bin/python9"),
    ],
    ids=["collection", "vault", "library", "python"],
)
def test_what_a_task_lacks_is_said_by_ansible(web: Shell, task: str, said: str) -> None:
    web.sandbox.write("library/needs_it.py", LACKING)
    done = play(
        web, f"- hosts: one\n  gather_facts: false\n  vars: {{secret: {VAULTED}}}\n  tasks: [{task}]\n"
    )
    assert done.returncode != 0
    assert said in " ".join((done.stdout + done.stderr).split())


class Playing:
    """What an ansible_layer runs, here: the scripts of its rule, with the Python and the root of this machine."""

    def __init__(self, folder: Path) -> None:
        self.place = folder / "tool"
        self.play = folder / "play"
        self.play.mkdir()
        texts = {
            node.targets[0].id: ast.literal_eval(node.value)
            for node in ast.parse((ROOT / "rules/ansible.bzl").read_text()).body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        }
        scripts = {
            "as_user.py": "_AS_USER",
            "become/hermes_user.py": "_BECOME",
            "callbacks/hermes_report.py": "_REPORT",
            "drive.py": "_DRIVE",
            "modules/setup.py": "_SETUP",
        }
        for name, text in scripts.items():
            target = self.place / "share/hermes" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(
                texts[text].replace("PLACE", repr(str(self.place))).replace("/tmp/", f"{folder}/")
            )
        (self.place / "bin").mkdir()
        (self.place / "bin/python3").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        (self.place / "bin/python3").chmod(0o755)
        (self.place / "bin/sh").symlink_to("/bin/sh")
        (self.place / "lib").mkdir()
        (self.place / "lib/locale").symlink_to("/usr/lib/locale")

    def __call__(self, text: str, *options: str) -> subprocess.CompletedProcess[str]:
        (self.play / "site.yml").write_text(text)
        return subprocess.run(
            [
                sys.executable,
                str(self.place / "share/hermes/drive.py"),
                "--host",
                "web1",
                *options,
                "--",
                "site.yml",
            ],
            cwd=self.play,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def playing(tmp_path: Path) -> Playing:
    return Playing(tmp_path)


def test_a_layer_has_fixed_facts_variables_groups_and_collections(playing: Playing, tmp_path: Path) -> None:
    """The play runs twice, and the second run changes nothing."""
    archives = tmp_path / "archives"
    archives.mkdir()
    about = b'{"collection_info": {"namespace": "some", "name": "where"}}'
    role = b'- copy: {content: "{{ word }} {{ ansible_hostname }} {{ ansible_date_time.date }}", dest: "{{ at }}"}\n'
    with tarfile.open(archives / "some-where-1.0.0.tar.gz", "w:gz") as archive:
        for name, content in (("MANIFEST.json", about), ("roles/say/tasks/main.yml", role)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    text = "- hosts: web\n  roles: [some.where.say]\n"
    variables = ("--var", "word=said=on", "--var", f"at={tmp_path}/said")
    done = playing(text, "--group", "web", "--collections", str(archives), "--twice", *variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "said").read_text() == "said=on localhost 1970-01-01"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- hosts: all\n  tasks:\n    - copy: {dest: /x\n", "Origin: site.yml:4:1"),
        (
            "- hosts: all\n  tasks:\n    - some.where.nothing:\n",
            "hint: name the archives of missing collections",
        ),
        ("- hosts: db\n  tasks: [{ping: }]\n", "no task ran: no play of the playbook is for the host web1"),
        (
            "- hosts: all\n  gather_facts: false\n  tasks: [{name: again, raw: id}]\n",
            "it changed something in 'again'",
        ),
    ],
    ids=["syntax", "collection", "host", "idempotence"],
)
def test_what_is_wrong_with_a_playbook_is_said(playing: Playing, text: str, said: str) -> None:
    done = playing(text, "--twice")
    assert done.returncode != 0
    assert said in done.stdout + done.stderr


@pytest.mark.network
def test_the_image_of_the_example_has_no_python_and_no_ansible(
    workspace: Sandbox, ordinary_user: OrdinaryUser
) -> None:
    for one in (workspace, ordinary_user.workspace):
        shutil.copytree(ROOT / "examples/ansible", one.root / "examples/ansible")
    label = "//examples/ansible:image"
    assert workspace.build(label).executed
    assert workspace.build(label, "//examples/ansible:configured").executed == ()
    layers = names_in(workspace.root / "hermes-out/examples/ansible/image")
    made = ["etc/httpd.conf", "etc/httpd.note", "srv/www/index.html"]
    assert sorted(name for layer in layers for name in layer) == sorted(["etc/group", "etc/passwd", *made])
    ordinary_user.take_files(workspace)
    theirs = {**os.environ, "HERMES_HOME": str(ordinary_user.home), "HOME": str(ordinary_user.folder)}
    assert workspace.digest(label) in ordinary_user.run("build", "--json", label, env=theirs).stdout
