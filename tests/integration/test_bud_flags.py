"""What the command line of `hermes bud` gives RUN: agents, volumes, hosts, capabilities; and how many layers stay."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hermes import AgentSource, BuiltDockerfile
from hermes.container.mount_values import Bound
from hermes.digest import Digest
from hermes.engine.events import ActionFinished, BuildStarted
from hermes.engine.key import facts
from hermes.errors import BuildFailed, DockerfileError, UsageError
from hermes.layer import toc
from hermes.layer.entry import Entry
from hermes.sandbox import capabilities
from hermes.store import Store
from tests.integration.conftest import OrdinaryUser
from tests.integration.test_runtimes import RUNTIMES
from tests.integration.yard import Yard, ran
from tests.processes import leftovers

TOOLS = ("ssh-agent", "ssh-add", "ssh-keygen")
MACHINE = ("/usr:/usr", "/usr/lib:/lib", "/usr/lib64:/lib64")
"""Volumes with which a command in a root of busybox can run the programs of this machine."""


def machine() -> list[Bound]:
    pairs = (one.split(":") for one in MACHINE)
    return [Bound(target, source) for source, target in pairs if os.path.isdir(source)]


class Agent:
    """An SSH agent with one key; ``fingerprint`` is the key's."""

    def __init__(self, folder: Path) -> None:
        self.key = folder / "key"
        self.socket = folder / "agent"
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(self.key)], check=True
        )
        shown = subprocess.run(
            ["ssh-keygen", "-l", "-f", str(self.key)], check=True, capture_output=True, text=True
        )
        self.fingerprint = shown.stdout.split()[1]
        env = {name: value for name, value in os.environ.items() if name != "HERMES_HOME"}
        self.process = subprocess.Popen(
            ["ssh-agent", "-D", "-a", str(self.socket)], env=env, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.process.stdout.readline()
        self("-q", str(self.key))

    def __call__(self, *arguments: str) -> str:
        env = {**os.environ, "SSH_AUTH_SOCK": str(self.socket)}
        done = subprocess.run(
            ["ssh-add", *arguments], env=env, check=False, stdout=subprocess.PIPE, text=True
        )
        return done.stdout

    @property
    def source(self) -> AgentSource:
        return AgentSource("default", (str(self.socket),))


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Agent]:
    if not all(map(shutil.which, TOOLS)):
        pytest.skip("the Debian package openssh-client is not installed")
    if os.path.realpath("/lib") != "/usr/lib":
        pytest.skip("the programs of this machine are not all in /usr")
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    made = Agent(tmp_path)
    yield made
    made.process.terminate()
    made.process.communicate()


def entries(yard: Yard, built: BuiltDockerfile, number: int) -> list[str]:
    """The paths in one layer of an image."""
    return [one.path for one in table(yard, built, number)]


def table(yard: Yard, built: BuiltDockerfile, number: int) -> list[Entry]:
    """What is in one layer of an image."""
    diff_ids = yard.config(built)["rootfs"]["diff_ids"]
    store = Store.open(yard.sandbox.home)
    try:
        return list(toc.load(store, Digest(diff_ids[number])).entries)
    finally:
        store.close()


def facts_of(yard: Yard, key: str) -> dict[str, str]:
    store = Store.open(yard.sandbox.home)
    try:
        image = store.results.preimage(key)
    finally:
        store.close()
    assert image is not None
    return dict(facts(image))


def keyed(yard: Yard) -> list[dict[str, str]]:
    """What the keys of the commands that were executed are made of."""
    events = [one for one in yard.events if isinstance(one, ActionFinished)]
    return [facts_of(yard, one.key) for one in events if one.kind == "run"]


# Agents.

USES_AGENT = "FROM base\nRUN --mount=type=ssh{} /usr/bin/ssh-add -l > /keys; echo $SSH_AUTH_SOCK >> /keys\n"


@RUNTIMES
def test_an_agent_is_there_for_one_command(yard: Yard, agent: Agent, runtime: str) -> None:
    built = yard.bud(
        USES_AGENT.format("") + "RUN test ! -e /run/buildkit; echo ${SSH_AUTH_SOCK-none} > /after\n",
        agents=[agent.source],
        volumes=machine(),
        runtime=runtime,
        tags=["it"],
    )
    shown = yard.shown("cat /keys /after").splitlines()
    assert shown[0].split()[1] == agent.fingerprint
    assert shown[1:] == ["/run/buildkit/ssh_agent.0", "none"]
    assert entries(yard, built, -2) == ["keys"]
    assert "SSH_AUTH_SOCK=" not in str(yard.config(built)["config"])


def test_a_command_can_sign_and_cannot_change_the_agent(yard: Yard, agent: Agent) -> None:
    yard.write("key.pub", agent.key.with_suffix(".pub").read_text())
    yard.bud(
        "FROM base\nCOPY key.pub /key.pub\nRUN --mount=type=ssh echo data > /data; "
        "/usr/bin/ssh-keygen -q -Y sign -f /key.pub -n file /data && ! /usr/bin/ssh-add -D && ! /usr/bin/ssh-add -x < /dev/null\n",
        agents=[agent.source],
        volumes=machine(),
        tags=["it"],
    )
    assert "BEGIN SSH SIGNATURE" in yard.shown("cat /data.sig")
    assert agent.fingerprint in agent("-l")


def test_who_signs_is_in_no_key_but_the_mount_is(yard: Yard, agent: Agent) -> None:
    first = yard.bud(USES_AGENT.format(""), agents=[agent.source], volumes=machine())
    agent("-q", "-D")
    again = yard.bud(agents=[AgentSource("default", (str(agent.key),))], volumes=machine())
    assert (again.executed, again.digest) == ((), first.digest)
    changed = yard.bud(USES_AGENT.format(",mode=0666"), agents=[agent.source], volumes=machine())
    assert ran(changed) == ["run 2"]


def test_the_parameters_of_the_mount(yard: Yard, agent: Agent) -> None:
    yard.bud(
        "FROM base\nRUN --mount=type=ssh,id=none --mount=type=ssh "
        "--mount=type=ssh,id=other,target=/srv/s,mode=0640,uid=33,gid=34 "
        "stat -c '%a %u:%g %F' /run/buildkit/ssh_agent.1 /srv/s > /seen; echo $SSH_AUTH_SOCK >> /seen\n"
        "USER web\nRUN --mount=type=ssh,uid=33 --mount=type=tmpfs,target=/srv/t /usr/bin/ssh-add -l > /srv/t/x\n"
        "ENV SSH_AUTH_SOCK=/mine\nRUN --mount=type=ssh,target=/srv/s test $SSH_AUTH_SOCK = /mine\n",
        agents=[agent.source, AgentSource("other", (str(agent.key),))],
        volumes=machine(),
        tags=["it"],
    )
    assert yard.shown("cat /seen").splitlines() == [
        "600 0:0 socket",
        "640 33:34 socket",
        "/run/buildkit/ssh_agent.1",
    ]


def test_an_agent_that_is_not_given(yard: Yard) -> None:
    yard.bud("FROM base\nRUN --mount=type=ssh test -z $SSH_AUTH_SOCK; test ! -e /run/buildkit\n")
    yard.events.clear()
    with pytest.raises(DockerfileError) as raised:
        yard.bud("FROM base\nRUN true\nRUN --mount=type=ssh,id=git,required=true true\n")
    assert str(raised.value).startswith("Dockerfile:3: ")
    assert "the agent 'git' is required, and was not given" in str(raised.value)
    assert "--ssh git" in str(raised.value)
    assert yard.events == []


def test_keys_get_an_agent_of_their_own(yard: Yard, agent: Agent, tmp_path: Path) -> None:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "word", "-f", str(tmp_path / "locked")], check=True
    )
    agent.key.chmod(0o644)
    yard.bud(
        USES_AGENT.format(""),
        agents=[AgentSource("default", (str(agent.key),))],
        volumes=machine(),
        tags=["it"],
    )
    assert agent.fingerprint in yard.shown("cat /keys")
    for name in ("locked", "key.pub"):
        with pytest.raises(UsageError, match="not a private key, or has a passphrase"):
            yard.bud(agents=[AgentSource("default", (str(tmp_path / name),))])


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_agent_of_keys_ends_with_the_build(yard: Yard, agent: Agent, how: signal.Signals) -> None:
    yard.write("Dockerfile", "FROM base\nRUN --mount=type=ssh touch /ctx/begun; sleep 60\n")
    words = ("bud", "--ssh", f"default={agent.key}", "-v", f"{yard.root}:/ctx", ".")
    with subprocess.Popen(
        [sys.executable, "-m", "hermes", *words],
        cwd=yard.root,
        env={**os.environ, "HERMES_HOME": str(yard.sandbox.home)},
        stderr=subprocess.DEVNULL,
    ) as build:
        until((yard.root / "begun").exists)
        assert any("ssh-agent" in one for one in leftovers(yard.sandbox.home))
        build.send_signal(how)
    until(lambda: not leftovers(yard.sandbox.home))


def until(done: Callable[[], bool]) -> None:
    """Wait for something that takes a moment."""
    end = time.monotonic() + 20
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_an_agent_that_has_ended(yard: Yard, agent: Agent) -> None:
    agent.process.kill()
    agent.process.wait()
    yard.write("Dockerfile", "FROM base\n")
    done = yard.run("bud", "--ssh", f"default={agent.socket}", ".")
    assert done.returncode == 2
    assert f"error: --ssh default: no agent answers at {agent.socket}" in done.stderr
    done = yard.run("bud", "--ssh", "default", ".")
    assert done.returncode == 2
    assert "SSH_AUTH_SOCK is not set" in done.stderr


def test_an_agent_that_ends_at_once_is_not_waited_for(yard: Yard, agent: Agent, tmp_path: Path) -> None:
    failing = tmp_path / "ssh-agent"
    failing.write_text("#!/bin/sh\nexit 1\n")
    failing.chmod(0o755)
    yard.write("Dockerfile", "FROM base\n")
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = yard.run("bud", "--ssh", f"default={agent.key}", ".", env=path, timeout=60)
    assert done.returncode == 2
    assert f"error: --ssh default: {failing} does not start" in done.stderr


def test_an_ordinary_user_has_an_agent_too(agent: Agent, yard: Yard, ordinary_user: OrdinaryUser) -> None:
    context = ordinary_user.workspace.root.parent / "context"
    shutil.copytree(yard.root, context)
    (context / "busybox").write_bytes(Path("/bin/busybox").read_bytes())
    (context / "busybox").chmod(0o755)
    key = context / "key"
    shutil.copy(agent.key, key)
    (context / "Dockerfile").write_text(
        "FROM scratch\nCOPY busybox /bin/sh\nCOPY busybox /bin/busybox\n"
        "RUN --mount=type=ssh /usr/bin/ssh-add -l > /keys\nUSER 33\n"
        "RUN --mount=type=ssh,uid=33 --mount=type=tmpfs,target=/t /usr/bin/ssh-add -l > /t/x\n"
    )
    volumes = [word for one in machine() for word in ("-v", f"{one.source}:{one.target}:ro")]
    ordinary_user.run("bud", "-q", "-t", "it", "--ssh", f"default={key}", *volumes, str(context))
    done = ordinary_user.run("run", "--entrypoint", "/bin/busybox", "it", "--", "cat", "/keys")
    assert agent.fingerprint in done.stdout


# Volumes.


def test_a_volume_is_mounted_for_commands_and_is_in_no_layer(yard: Yard, tmp_path: Path) -> None:
    folder = tmp_path / "given"
    folder.mkdir(mode=0o777)
    (folder / "one").write_text("1")
    text = "FROM base\nRUN cat /data/one > /seen; echo made > /data/made\nRUN cat /data/made > /again\n"
    yard.write("Dockerfile", text)
    done = yard.run("bud", "-q", "-t", "it", "-v", f"{folder}:/data", ".")
    assert done.returncode == 0, done.stderr
    assert (folder / "made").read_text() == "made\n"
    assert yard.shown("cat /seen /again; ls / | grep data; true") == "1made\n"
    done = yard.run("bud", "-q", "-v", f"{folder}:/data:ro", "--no-cache", ".")
    assert done.returncode == 1
    assert "Read-only file system" in done.stderr


def test_a_volume_is_in_the_key_and_its_content_is_not(yard: Yard, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("1")
    text = "FROM base\nRUN cat /data > /seen\n"
    given = [Bound("/data", str(tmp_path / "file"))]
    first = yard.bud(text, volumes=given)
    [known] = keyed(yard)
    assert str(tmp_path / "file") in known["volumes"]
    assert '"target":"/data"' in known["volumes"]
    (tmp_path / "file").write_text("2")
    assert yard.bud(volumes=given).executed == ()
    assert yard.bud(volumes=given, use_cache=False).digest != first.digest
    assert ran(yard.bud(volumes=[Bound("/data", str(tmp_path / "file"), writable=True)])) == ["run 2"]


def test_volumes_that_cannot_be(yard: Yard, tmp_path: Path) -> None:
    yard.write("Dockerfile", "FROM base\nRUN --mount=type=tmpfs,target=/x true\n")
    done = yard.run("bud", "-v", f"{tmp_path}/gone:/x", ".")
    assert (done.returncode, "gone does not exist" in done.stderr) == (2, True)
    with pytest.raises(BuildFailed) as failed:
        yard.bud(volumes=[Bound("/x", str(tmp_path))])
    assert "two mounts are at this path" in str(failed.value)
    assert "> 2 | RUN --mount" in str(failed.value)


# Names of hosts.

LOCAL = "127.0.0.1\tlocalhost hermes\n::1\tlocalhost ip6-localhost ip6-loopback\n"


def test_hosts_come_before_those_of_the_machine_and_leave_no_trace(yard: Yard) -> None:
    yard.write("Dockerfile", "FROM base\nRUN cat /etc/hosts > /seen\n")
    done = yard.run("bud", "-q", "-t", "it", "--add-host", "db:10.0.0.7", "--add-host", "db:::1", ".")
    assert done.returncode == 0, done.stderr
    machines = Path("/etc/hosts").read_text() if os.path.isfile("/etc/hosts") else ""
    assert yard.shown("cat /seen") == f"10.0.0.7\tdb\n::1\tdb\n{LOCAL}{machines}"


def test_without_a_network_the_hosts_are_those_that_were_given_and_the_command_s_own(yard: Yard) -> None:
    yard.bud(
        "FROM base\nRUN cat /etc/hosts > /seen\n", network="none", tags=["it"], hosts=[("db", "10.0.0.7")]
    )
    assert yard.shown("cat /seen") == f"10.0.0.7\tdb\n{LOCAL}"


def test_hosts_are_in_the_key(yard: Yard) -> None:
    text = "FROM base\nRUN true\n"
    yard.bud(text)
    assert ran(yard.bud(hosts=[("db", "10.0.0.7")])) == ["run 2"]
    assert keyed(yard)[-1]["hosts"] == '[["db","10.0.0.7"]]'
    assert ran(yard.bud(hosts=[("db", "10.0.0.8")])) == ["run 2"]
    assert yard.bud().executed == ()


# Capabilities.


def test_capabilities(yard: Yard) -> None:
    yard.write(
        "Dockerfile",
        "FROM base\nRUN grep CapEff /proc/self/status > /seen\nUSER web\n"
        "RUN --mount=type=tmpfs,target=/t grep CapEff /proc/self/status > /t/x; grep -q 'CapEff:.*0000$' /t/x\n",
    )
    done = yard.run("bud", "-q", "-t", "it", "--cap-drop", "all", "--cap-add", "net_raw", ".")
    assert done.returncode == 0, done.stderr
    assert yard.shown("cat /seen").split()[1] == f"{1 << 13:016x}"
    done = yard.run("bud", "--cap-add", "chwn", ".")
    assert done.returncode == 2
    assert "hint: did you mean CHOWN?" in done.stderr


def test_capabilities_are_in_the_key_when_they_are_not_the_usual_ones(yard: Yard) -> None:
    yard.bud("FROM base\nRUN true\n")
    assert "capabilities" not in keyed(yard)[0]
    assert yard.bud(capabilities=capabilities.chosen(["chown"], [])).executed == ()
    assert ran(yard.bud(capabilities=capabilities.chosen(["sys_ptrace"], []))) == ["run 2"]
    assert "CAP_SYS_PTRACE" in keyed(yard)[-1]["capabilities"]


def test_more_than_a_sandbox_is_an_answer(yard: Yard) -> None:
    with pytest.raises(DockerfileError) as raised:
        yard.bud("FROM base\nRUN --security=insecure true\n")
    assert "commands run in a sandbox" in str(raised.value)
    assert "--cap-add" in str(raised.value)


# Layers.

STAGES = (
    "FROM base AS one\nRUN echo 1 > /gone; mkdir /kept; echo 1 > /kept/old\nCOPY a.txt /a\nENV A=1\n"
    "FROM one\nRUN rm /gone /etc/passwd; rm -r /kept; mkdir /kept; echo 2 > /kept/new\nRUN echo 3 > /three; rm /a\nCMD x\n"
)


def test_without_layers_each_stage_is_one_on_its_base(yard: Yard) -> None:
    yard.write("a.txt", "a")
    whole = yard.bud(STAGES, tags=["whole"])
    built = yard.bud(layers=False, tags=["it"])
    assert {kind for kind, _ in built.executed} == {"squash", "compress", "assemble_image"}
    count = len(yard.config(whole)["rootfs"]["diff_ids"])
    diff_ids = yard.config(built)["rootfs"]["diff_ids"]
    assert len(diff_ids) == count - 2
    assert diff_ids[: count - 4] == yard.config(whole)["rootfs"]["diff_ids"][: count - 4]
    assert entries(yard, built, -2) == ["a", "gone", "kept", "kept/old"]
    assert entries(yard, built, -1) == [
        ".wh.a",
        ".wh.gone",
        "etc",
        "etc/.wh.passwd",
        "kept",
        "kept/.wh..wh..opq",
        "kept/new",
        "three",
    ]
    look = "find / -xdev -not -path '/proc*' | sort; cat /kept/* /three"
    assert yard.shown(look) == yard.shown(look, "whole")
    rows = yard.config(built)["history"]
    assert sum(not row.get("empty_layer") for row in rows) == len(diff_ids)
    assert [row["created_by"] for row in rows] == [row["created_by"] for row in yard.config(whole)["history"]]
    assert yard.bud(layers=False).executed == ()


def test_what_came_and_went_in_a_stage_is_not_in_its_layer(yard: Yard) -> None:
    built = yard.bud("FROM base\nRUN echo 1 > /secret-name\nRUN rm /secret-name; echo 2 > /x\n", layers=False)
    assert entries(yard, built, -1) == ["x"]


def test_layers_on_the_command_line(yard: Yard) -> None:
    yard.write("Dockerfile", "FROM base\nRUN echo 1 > /x\nRUN echo 2 > /y\n")
    one, many, also = (
        yard.run("bud", "-q", *words, ".") for words in (["--layers=false"], ["--layers"], ["--layers=true"])
    )
    assert (one.returncode, many.returncode) == (0, 0), one.stderr + many.stderr
    assert one.stdout != many.stdout == also.stdout
    done = yard.run("bud", "--layers=perhaps", ".")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    squashed = yard.bud(squash=True, layers=False)
    assert len(yard.config(squashed)["rootfs"]["diff_ids"]) == 1


def test_names_are_hard_links_only_where_one_source_folder_has_them_so(yard: Yard) -> None:
    os.link(yard.write("in/a", "x"), yard.root / "in/b")
    os.link(yard.root / "in/a", yard.root / "c")
    built = yard.bud("FROM base\nCOPY in c in/b /one/\nCOPY in/a c /two/\n")
    assert [one.link for one in table(yard, built, -2) if one.path.startswith("one/")] == ["", "", ""]
    assert [one.link for one in table(yard, built, -1) if one.path.startswith("two/")] == ["", ""]
    built = yard.bud("FROM base\nCOPY in /one/\n")
    assert [one.link for one in table(yard, built, -1)] == ["", "", "one/a"]


def test_what_hermes_yaml_says_of_builds_holds_for_dockerfiles(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The settings of the workspace that `hermes bud` is started in, as `hermes build` has them."""
    runtime = tmp_path / "bin/crun"
    runtime.parent.mkdir()
    runtime.write_text("#!/bin/sh\necho this runtime refuses >&2\nexit 9\n")
    runtime.chmod(0o755)
    yard.write("hermes.yaml", "jobs: 3\nruntime: crun\n")
    monkeypatch.chdir(yard.root)
    monkeypatch.setenv("PATH", f"{runtime.parent}:{os.environ['PATH']}")
    with pytest.raises(BuildFailed, match="crun could not start the command"):
        yard.bud("FROM base\nRUN true > /a\n")
    assert yard.bud(runtime="bwrap").executed
    assert {one.jobs for one in yard.events if isinstance(one, BuildStarted)} == {3}


@pytest.mark.parametrize(("command", "status"), [("true", 0), ("false", 1)])
def test_a_damaged_cache_of_results_is_told_of(yard: Yard, command: str, status: int) -> None:
    yard.write("Dockerfile", "FROM base\nRUN true > /a\n")
    assert yard.run("bud", "--pull=never", ".").returncode == 0
    for one in (yard.sandbox.home / "results").glob("cache.db*"):  # its log of writes, too, has good rows
        one.write_bytes(b"this is no database" * 1000)
    yard.write("Dockerfile", f"FROM base\nRUN {command} > /b\n")
    done = yard.run("bud", "--pull=never", ".")
    assert done.returncode == status, done.stderr
    assert "result cache was damaged" in done.stderr


def test_the_proxies_of_the_machine_reach_commands_and_no_key(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with podman and buildah; one at a loopback address is not where the command is."""
    text = "FROM base\nRUN echo $HTTPS_PROXY $http_proxy $no_proxy > /seen; env > /tmp/env\n"
    monkeypatch.setenv("HTTPS_PROXY", "http://u:p@proxy.example:3128")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:3128")
    monkeypatch.setenv("no_proxy", "localhost")
    built = yard.bud(text, tags=["it"])
    assert yard.shown("cat /seen") == "http://u:p@proxy.example:3128 localhost\n"
    monkeypatch.setenv("HTTPS_PROXY", "http://other.example")
    assert yard.bud(f"{text}LABEL a=1\n").executed != built.executed
    assert ran(yard.bud(f"{text}LABEL a=2\n")) == []


def test_options_without_a_meaning_here_are_accepted(yard: Yard, tmp_path: Path) -> None:
    yard.write("Dockerfile", "FROM base\nLABEL a=1\n")
    (tmp_path / "auth.json").write_text("{}")
    taken = [
        "--rm",
        "--force-rm=true",
        "--shm-size=1g",
        "--ulimit",
        "nofile=1:2",
        f"--authfile={tmp_path}/auth.json",
    ]
    done = yard.run("bud", "-q", "--pull=never", *taken, ".")
    assert done.returncode == 0, done.stderr
    assert "--shm-size is not applied" in done.stderr
    assert "--rm" not in done.stderr
    done = yard.run("bud", "--authfile", "gone", ".")
    assert (done.returncode, "--authfile gone: there is no such file" in done.stderr) == (2, True)
