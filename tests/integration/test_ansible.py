"""Playbooks drive working containers by the plugins of the collection ``hermes.build``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.shell import Shell

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
