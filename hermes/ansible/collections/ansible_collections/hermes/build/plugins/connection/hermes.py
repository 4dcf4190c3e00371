"""The connection plugin ``hermes``: tasks run in working containers of Hermes."""

from __future__ import annotations

DOCUMENTATION = """
name: hermes
short_description: Run tasks in working containers of Hermes
description:
  - Runs commands in containers that C(hermes ctr from) makes, and copies files into them and out of them.
  - No daemon and no root are needed. One process serves all tasks of a play, and ends with it.
  - What a task starts ends with the task, so C(async) tasks must be waited for.
author: The authors of Hermes
options:
  remote_addr:
    description: The name or id of the container.
    default: inventory_hostname
    vars:
      - name: inventory_hostname
      - name: ansible_host
      - name: ansible_hermes_container
  remote_user:
    description: The user that commands run as, a name or number of the container; that of its configuration if left out.
    vars:
      - name: ansible_user
    env:
      - name: ANSIBLE_REMOTE_USER
    ini:
      - section: defaults
        key: remote_user
    keyword:
      - name: remote_user
  network:
    description: The network of commands, as of C(hermes ctr run --network).
    default: none
    choices: ["none", "default", "host"]
    vars:
      - name: ansible_hermes_network
    env:
      - name: ANSIBLE_HERMES_NETWORK
    ini:
      - section: hermes_connection
        key: network
  volumes:
    description: Files and folders of this machine that commands see, each as HOST:CONTAINER[:ro]; as of C(hermes ctr run -v).
    type: list
    elements: str
    default: []
    vars:
      - name: ansible_hermes_volumes
  runtime:
    description: What runs commands, as of C(hermes ctr run --runtime).
    default: ""
    vars:
      - name: ansible_hermes_runtime
    env:
      - name: ANSIBLE_HERMES_RUNTIME
  home:
    description: The store that the container is in, if not that of the user.
    type: path
    vars:
      - name: ansible_hermes_home
    env:
      - name: HERMES_HOME
"""

import os
import shlex

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.connection import ConnectionBase
from ansible.utils.display import Display

from hermes.ansible.address import Command
from hermes.ansible.client import Done, Play
from hermes.errors import HermesError
from hermes.store.location import default_home

display = Display()


class Connection(ConnectionBase):
    """Tasks in a working container."""

    transport = "hermes"
    has_pipelining = True

    def __init__(self, play_context, *args, **kwargs):
        super().__init__(play_context, *args, **kwargs)
        self._play_pid = int(kwargs.get("ansible_playbook_pid") or os.getppid())

    def _connect(self):
        self._connected = True
        return self

    def close(self):
        self._connected = False

    def exec_command(self, cmd, in_data=None, sudoable=True):
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        done = self._asked(lambda play, command: play.run(command, given=in_data), cmd)
        return done.status, done.stdout, done.stderr

    def put_file(self, in_path, out_path):
        super().put_file(in_path, out_path)
        if not os.path.exists(in_path):
            raise AnsibleError(f"there is no file {in_path} to copy to {out_path}")
        done = self._asked(lambda play, command: play.put(command, in_path), f"cat > {shlex.quote(out_path)}")
        self._check(done, f"cannot copy {in_path} to {out_path}")

    def fetch_file(self, in_path, out_path):
        super().fetch_file(in_path, out_path)
        done = self._asked(
            lambda play, command: play.fetch(command, out_path), f"cat < {shlex.quote(in_path)}"
        )
        self._check(done, f"cannot copy {in_path} to {out_path}")

    def _asked(self, ask, line: str) -> Done:
        container = self.get_option("remote_addr")
        command = Command(
            container=container,
            argv=(self._play_context.executable or "/bin/sh", "-c", line),
            user=self.get_option("remote_user") or "",
            network=self.get_option("network"),
            volumes=tuple(map(str, self.get_option("volumes"))),
            runtime=self.get_option("runtime") or "",
        )
        display.vvv(f"EXEC {line}", host=container)
        home = os.path.expanduser(self.get_option("home") or "") or str(default_home())
        try:
            return ask(Play(self._play_pid, home, display.warning), command)
        except HermesError as error:
            hint = f" ({error.hint})" if error.hint else ""
            raise AnsibleConnectionFailure(f"{error.message}{hint}") from None

    def _check(self, done: Done, task: str) -> None:
        if done.status:
            said = done.stderr.decode(errors="replace").strip()
            raise AnsibleError(f"{task} in container {self.get_option('remote_addr')}: {said}")
