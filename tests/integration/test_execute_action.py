"""Actions in folders, executed by ``hermes execute-action`` with a store of its own: as on another machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hermes import BuiltDockerfile, DockerfileOptions, Dockerfiles
from hermes.actions.local import Local
from hermes.actions.packed import LocalFolder, admit_result, can_travel, pack_action, write_folder
from hermes.actions.tools import Tools
from hermes.digest import Digest
from hermes.engine.executor import Expansion, Request, Result
from hermes.errors import BuildFailed
from hermes.image.manifest import Manifest
from hermes.layer import toc
from hermes.store import Store
from tests.conftest import run_hermes
from tests.integration.yard import Yard

DOCKERFILE = """\
FROM {base} AS tools
RUN mkdir -p /srv/deep/er && echo one > /srv/deep/er/a && chown 33:34 /srv/deep && ln /srv/deep/er/a /srv/b && \\
    ln -s /etc/passwd /srv/c && mkfifo /srv/d && chmod 4711 /srv/b && rm /etc/passwd
FROM {base}
RUN --mount=type=bind,source=in,target=/in echo seen $(cat /in/file) $(readlink /in/link) > /seen && touch /etc/x
COPY --from=tools /srv/deep /app/
RUN rmdir /srv/nothing 2>/dev/null; rm -r /srv/link && cat /seen
"""


class Apart:
    """An executor that has each action that can travel executed by another process with another store."""

    def __init__(self, folder: Path, tools: Tools, local: Local) -> None:
        self.folder = folder
        self.sent: list[str] = []
        self._tools = tools
        self._local = local
        self._env = {name: one for name, one in os.environ.items() if name != "HERMES_HOME"}

    def execute(self, request: Request) -> Result | Expansion:
        if not can_travel(request.action):
            return self._local.execute(request)
        self.sent.append(request.action.kind)
        folder = self.folder / f"{len(self.sent)}-{request.action.kind}"
        write_folder(pack_action(request, self._tools), folder, self._tools)
        done = subprocess.run(
            [sys.executable, "-m", "hermes", "execute-action", "--schema=1", "action.json", "out"],
            cwd=folder,
            env={**self._env, "TMPDIR": str(folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (0, 1), done.stderr
        assert [one.name for one in folder.glob("hermes-action-*")] == []
        return replace(
            admit_result(LocalFolder(folder / "out"), request, self._tools.store), where="another process"
        )


def built(yard: Yard, home: Path, text: str, **options: object) -> BuiltDockerfile:
    yard.write("Dockerfile", text.format(base=f"oci:{yard.sandbox.root}/layout"))
    return Dockerfiles(home=home).build(
        DockerfileOptions(**{"context": str(yard.root), "pull": "never", "network": "none", **options})
    )


def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Apart]:
    """Have the builds that come execute their actions apart; return what did."""
    made: list[Apart] = []

    def executor(tools: Tools, expand: object = None) -> Apart:
        made.append(Apart(tmp_path / "apart", tools, Local(tools, expand)))
        return made[-1]

    monkeypatch.setattr("hermes.build.driver.Local", executor)
    return made


def tables(home: Path, built: BuiltDockerfile) -> list[bytes]:
    """The tables of contents of an image's layers."""
    store = Store.open(home)
    config = Manifest.parse(store.blobs.read(built.digest)).config
    diff_ids = json.loads(store.blobs.read(config.digest))["rootfs"]["diff_ids"]
    return [toc.load(store, Digest(one)).dump() for one in diff_ids]


def test_actions_executed_elsewhere_give_what_they_give_here(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard.write("in/file", "file")
    (yard.root / "in/link").symlink_to("/somewhere")
    here = built(yard, yard.sandbox.home, DOCKERFILE)
    squashed = built(yard, yard.sandbox.home, DOCKERFILE, squash=True)
    made = apart(tmp_path, monkeypatch)
    there = built(yard, tmp_path / "other", DOCKERFILE)
    assert there.digest == here.digest
    assert tables(tmp_path / "other", there) == tables(yard.sandbox.home, here)
    assert built(yard, tmp_path / "other", DOCKERFILE, squash=True).digest == squashed.digest
    kinds = [kind for one in made for kind in one.sent]
    assert {"run", "copy", "compress", "squash"} == set(kinds)
    assert kinds.count("run") == 3


def test_a_command_that_fails_elsewhere_fails_as_here(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "FROM {base}\nRUN echo once; echo twice >&2; nothing-like-it\n"
    with pytest.raises(BuildFailed) as here:
        built(yard, tmp_path / "other", text)
    made = apart(tmp_path, monkeypatch)
    with pytest.raises(BuildFailed) as there:
        built(yard, tmp_path / "other", text)
    assert "run" in made[0].sent
    assert there.value.render() == here.value.render()
    (error,) = there.value.failures.values()
    assert Path(error.log).read_text().startswith("once\ntwice\n")


def test_a_folder_that_is_not_whole_is_refused(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """76 says that another machine may do better, and the result says what is wrong."""
    made = apart(tmp_path, monkeypatch)
    built(yard, tmp_path / "other", "FROM {base}\nRUN echo it > /it\n")
    (folder,) = made[0].folder.glob("*-run")
    document = json.loads((folder / "action.json").read_bytes())

    def refused(change: dict[str, object]) -> str:
        (folder / "action.json").write_text(json.dumps(document | change))
        words = "execute-action", "--schema=1", f"{folder}/action.json", f"{tmp_path}/out"
        done = run_hermes(*words, cwd=tmp_path, home=tmp_path / "worker")
        assert done.returncode == 76
        assert "Traceback" not in done.stderr
        return json.loads((tmp_path / "out/result.json").read_bytes())["error"]["message"]

    request = document["request"]
    assert "schema 9" in refused({"schema": 9})
    assert "of schema 0" in refused({"request": request | {"schema": 0}})
    assert "is not an action" in refused({"request": {}})
    assert "key of the action" in refused({"request": request | {"key": "../../x"}})
    (folder / "blobs" / document["layers"][0][7:]).write_bytes(b"")
    assert "the archive is empty" in refused({})
    (folder / "blobs" / document["layers"][0][7:]).unlink()
    assert "has no blobs/" in refused({})
    assert yard.run("execute-action", "--schema=2", "action.json", "out").returncode == 76
