"""ADD of a commit of a git repository, from a real server on this machine."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermes.errors import BuildFailed, DockerfileError, HermesError, UsageError
from hermes.registry import pace
from tests.integration.yard import Yard, ran
from tests.processes import processes_of
from tests.registry.faulty import trickle
from tests.registry.servers import Web, free_port

AS_SOMEBODY = {
    **{f"GIT_{who}_{what}": "a@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    "GIT_CONFIG_GLOBAL": "/dev/null",
}


class Repository:
    """A repository that `url` leads to."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        folder.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(self.folder), *arguments],
            env={**os.environ, **AS_SOMEBODY},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    def commit(self, **files: str) -> str:
        for name, content in files.items():
            path = self.folder / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(exist_ok=True)
            path.write_text(content)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "a change")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    port = free_port()
    made = Repository(tmp_path / "served/app.git", f"git://127.0.0.1:{port}/app.git")
    where = [f"--base-path={tmp_path}/served", f"--port={port}", "--listen=127.0.0.1"]
    server = subprocess.Popen(["git", "daemon", "--export-all", "--reuseaddr", *where])
    for _ in range(100):
        with socket.socket() as trial:
            if trial.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield made
    server.terminate()
    server.wait(10)


def test_the_files_of_a_commit_are_added(yard: Yard, repository: Repository) -> None:
    (repository.folder / "run.sh").write_text("#!/bin/sh\n")
    (repository.folder / "run.sh").chmod(0o755)
    (repository.folder / "link").symlink_to("a.txt")
    commit = repository.commit(a_txt="one", sub__b_txt="two")
    repository.commit(a_txt="changed", c_txt="later")
    yard.bud(
        f"FROM base\nADD {repository.url}#{commit} /srv/all\n"
        f"ADD --chown=web --chmod=640 {repository.url}#main:sub --checksum={commit} /srv/sub/\n".replace(
            f"{repository.url}#main:sub --checksum={commit}", f"--checksum={commit} {repository.url}#main:sub"
        ),
        tags=["it"],
    )
    assert yard.shown("cd /srv/all; find . | sort; cat a.txt link; stat -c '%n %a %u:%g' run.sh a.txt") == (
        ".\n./a.txt\n./link\n./run.sh\n./sub\n./sub/b.txt\noneonerun.sh 755 0:0\na.txt 644 0:0\n"
    )
    done = yard.run(
        "run",
        "--user",
        "33",
        "--entrypoint",
        "/bin/sh",
        "it",
        "--",
        "-c",
        "stat -c '%a %u:%g' /srv/sub/b.txt",
    )
    assert done.stdout == "640 33:34\n"


def test_the_same_commit_is_fetched_once_wherever_it_is(yard: Yard, repository: Repository) -> None:
    commit = repository.commit(a_txt="one")
    yard.bud(f"FROM base\nADD {repository.url}#{commit} /srv/\n")
    built = yard.bud(f"FROM base\nADD git://127.0.0.1:9/none.git#{commit} /srv/\nRUN true\n")
    assert ran(built, "git", "copy") == []


def test_settings_of_the_user_change_nothing(
    yard: Yard, repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commit = repository.commit(a_txt="one\n", _gitattributes="*.txt filter=loud\n")
    config = tmp_path / "config"
    config.write_text('[core]\n\tautocrlf = true\n[filter "loud"]\n\tsmudge = tr a-z A-Z\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    yard.bud(f"FROM base\nADD {repository.url}#{commit} /srv/\n", tags=["it"])
    assert yard.shown("cat /srv/a.txt") == "one\n"


def test_a_commit_that_is_not_there(yard: Yard, repository: Repository) -> None:
    repository.commit(a_txt="one")
    with pytest.raises(BuildFailed) as caught:
        yard.bud(f"FROM base\nADD {repository.url}#{'1' * 40} /srv/\n")
    text = caught.value.render()
    assert f"Dockerfile:2: commit {'1' * 40} cannot be fetched from {repository.url}" in text
    assert "> 2 | ADD git://" in text


def test_a_server_that_is_not_there(yard: Yard) -> None:
    with pytest.raises(BuildFailed) as caught:
        yard.bud(f"FROM base\nADD git://user:word@127.0.0.1:9/x.git#{'1' * 40} /srv/\n")
    text = caught.value.render()
    assert "cannot be fetched from git://127.0.0.1:9/x.git" in text
    assert "check the address, the commit and the network" in text


def test_a_branch_is_looked_up_by_each_build(yard: Yard, repository: Repository) -> None:
    """The commit is the input: what it was before is not fetched again."""
    repository.commit(a_txt="one", sub__b_txt="sub")
    text = f"FROM base\nADD {repository.url}?branch=main&subdir=sub /sub\nADD {repository.url} /srv\nRUN cat /srv/a.txt > /seen\n"
    yard.bud(text, tags=["it"])
    assert ran(yard.bud(text)) == []
    commit = repository.commit(a_txt="two")
    yard.bud(text, tags=["it"])
    assert yard.shown("cat /seen /sub/b.txt") == "twosub"
    yard.bud(f"FROM base\nADD --checksum={commit[:8]} {repository.url}#main /srv\n")
    with pytest.raises(DockerfileError, match=f"is at the commit {commit}, and --checksum names 11111111"):
        yard.bud(f"FROM base\nADD --checksum=11111111 {repository.url}#main /srv\n")
    with pytest.raises(DockerfileError, match="has no branch or tag nosuch"):
        yard.bud(f"FROM base\nADD {repository.url}#nosuch /srv\n")


def test_submodules_and_the_repository_itself_are_added(
    yard: Yard, repository: Repository, tmp_path: Path
) -> None:
    """As with BuildKit: submodules and theirs, by addresses that may be relative; ``.git`` if that is asked for."""
    inner = Repository(tmp_path / "served/inner.git", "../inner.git")
    outer = Repository(tmp_path / "served/libs/outer.git", "./libs/../libs/outer.git")
    commit = inner.commit(i_txt="inner")
    for one, path, url in (
        (outer, "deep", "../../inner.git"),
        (repository, "lib/other", "../libs/outer.git"),
    ):
        (one.folder / ".gitmodules").write_text(f'[submodule "it"]\n\tpath = {path}\n\turl = {url}\n')
        one.git("add", "-A")
        one.git("update-index", "--add", "--cacheinfo", f"160000,{commit},{path}")
        one.git("commit", "-q", "-m", "with a submodule")
        commit = one.git("rev-parse", "HEAD")
    yard.bud(
        f"FROM base\nADD {repository.url} /srv\nADD {repository.url}?submodules=0 /less\n"
        f"ADD --keep-git-dir {repository.url} /kept\n",
        tags=["it"],
    )
    assert yard.shown(
        "cd /srv; find . -type f | sort; cat lib/other/deep/i.txt; ls /less/lib/other; ls -d /kept/.git /less/.g*"
    ) == (
        "./.gitmodules\n./lib/other/.gitmodules\n./lib/other/deep/i.txt\ninner/kept/.git\n/less/.gitmodules\n"
    )
    folder = tmp_path / "out"
    assert (
        yard.run(
            "run", "-v", f"{tmp_path}:/o", "--entrypoint", "/bin/sh", "it", "--", "-c", "cp -r /kept /o/out"
        ).returncode
        == 0
    )

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-c", "safe.directory=*", "-C", str(folder), *words],
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    assert git("status", "--porcelain") == ""
    assert git("rev-parse", "HEAD").strip() == repository.git("rev-parse", "HEAD")
    assert git("remote", "get-url", "origin").strip() == repository.url


def test_a_submodule_that_is_nowhere_and_a_folder_that_is_not_there(
    yard: Yard, repository: Repository
) -> None:
    commit = repository.commit(a_txt="one")
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{commit},lib/other")
    repository.git("commit", "-q", "-m", "with a submodule")
    second = repository.git("rev-parse", "HEAD")
    for fragment, problem in ((second, "lib/other"), (f"{commit}:none", "has no none")):
        with pytest.raises(BuildFailed, match=r"Dockerfile") as caught:
            yard.bud(f"FROM base\nADD {repository.url}#{fragment} /srv/\n")
        assert problem in caught.value.render()


def test_a_repository_is_added_alone(yard: Yard) -> None:
    yard.write("a.txt", "a")
    with pytest.raises(DockerfileError, match="a git repository is added alone"):
        yard.bud(f"FROM base\nADD a.txt git://127.0.0.1/x.git#{'1' * 40} /srv/\n")


def test_no_hook_and_no_attributes_of_the_user_are_in_force(
    yard: Yard, repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commit = repository.commit(a_txt="one\n")
    hook = tmp_path / "hooks/post-checkout"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\necho hooked > a.txt\n")
    hook.chmod(0o755)
    settings = tmp_path / "settings/git/attributes"
    settings.parent.mkdir(parents=True)
    settings.write_text("*.txt text eol=crlf\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.hooksPath")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(hook.parent))
    yard.bud(f"FROM base\nADD {repository.url}#{commit} /srv/\n", tags=["it"])
    assert yard.shown("cat /srv/a.txt") == "one\n"


def test_a_server_that_does_not_answer_does_not_hold_an_interruption(yard: Yard) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x.git"
        yard.write("Dockerfile", f"FROM base\nADD {url}#{'1' * 40} /srv/\n")
        process = subprocess.Popen(
            [sys.executable, "-m", "hermes", "bud", "-q", "--pull=never", "."],
            cwd=yard.root,
            env={**os.environ, "HERMES_HOME": str(yard.sandbox.home)},
            stderr=subprocess.DEVNULL,
        )
        silent.settimeout(20)
        connection, _ = silent.accept()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 143
        connection.close()


def test_git_ends_with_a_killed_build(yard: Yard) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x.git"
        yard.write("Dockerfile", f"FROM base\nADD {url}#{'1' * 40} /srv/\n")
        with subprocess.Popen(
            [sys.executable, "-m", "hermes", "bud", "-q", "--pull=never", "."],
            cwd=yard.root,
            env={**os.environ, "HERMES_HOME": str(yard.sandbox.home)},
        ) as process:
            silent.settimeout(20)
            connection, _ = silent.accept()
            process.kill()
        end = time.monotonic() + 10
        while (left := list(processes_of(url))) and time.monotonic() < end:
            time.sleep(0.05)
        connection.close()
    assert left == []


def test_a_server_that_sends_next_to_nothing_is_given_up(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "SECONDS", 1)
    with Web(trickle(bytes(1000))) as web, pytest.raises(BuildFailed, match="too slow"):
        yard.bud(f"FROM base\nADD http://{web.host}/x.git#{'1' * 40} /srv/\n")


# A repository as the context.


def test_a_repository_is_the_context(yard: Yard, repository: Repository) -> None:
    text = "FROM base\nCOPY . /got/\nRUN cat /got/a.txt > /said\n"
    first = repository.commit(a_txt="one", Dockerfile=text, sub__Dockerfile=text, sub__a_txt="below")
    repository.git("tag", "-a", "-m", "a release", "v1")
    last = repository.commit(a_txt="two")
    digests = []
    for fragment, said in (("", "two"), ("#v1", "one"), (f"#{first}", "one"), ("#main:sub", "below")):
        digests.append(yard.bud(context=f"{repository.url}{fragment}", tags=["it"]).digest)
        assert yard.shown("cat /said; ls -a /got | grep git; true") == said
    assert digests[1] == digests[2]
    assert f"{repository.url} is at the commit {last}" in yard.said
    for fragment, problem in (("#gone", "no branch or tag gone"), ("#main:none", "has no none at")):
        with pytest.raises(HermesError, match=problem):
            yard.bud(context=f"{repository.url}{fragment}")
    with pytest.raises(UsageError, match="unknown query parameter 'depth'"):
        yard.bud(context=f"{repository.url}?depth=1")
    assert yard.bud(context=f"{repository.url}?tag=v1&subdir=/").digest == digests[1]
    yard.bud(
        "FROM base\nCOPY --from=code sub/a.txt /c\n", contexts={"code": f"{repository.url}#v1"}, tags=["it"]
    )
    assert yard.shown("cat /c") == "below"
