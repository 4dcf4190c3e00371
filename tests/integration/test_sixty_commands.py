"""60 everyday commands of docker, podman and buildah, typed to Hermes one after the other; docs/everyday-commands.md lists them.

`python -m tests.integration.test_sixty_commands` writes the documentation.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import ROOT, Sandbox
from tests.integration.conftest import BUSYBOX

DOCUMENT = ROOT / "docs/everyday-commands.md"
HEAD = """\
# 60 everyday commands

With `alias docker=hermes`, `alias podman=hermes` and `alias buildah='hermes ctr'` these commands do what they say, or answer
with what does it here. A test types all of them, in this order; the page is written by
`python -m tests.integration.test_sixty_commands`.

| command | Hermes |
| --- | --- |
"""
DOCKERFILE = """\
FROM scratch AS build
COPY busybox /bin/sh
COPY busybox /bin/cat
ARG WHO=world
ENV PATH=/bin WHO=$WHO
FROM build
RUN echo made > /made
CMD ["sh", "-c", "echo hello $WHO"]
"""


class Row(NamedTuple):
    """``said`` is found in what Hermes says, which ends with ``status``; ``answer`` is for the documentation."""

    command: str
    answer: str
    said: str = ""
    status: int = 0


def works(command: str, said: str = "", answer: str = "the same") -> Row:
    return Row(command, answer, said)


def answered(command: str, way: str) -> Row:
    """A command that Hermes has not, and what it answers."""
    return Row(command, f"answers: {way}", re.escape(way), 2)


BACKGROUND = "Hermes runs no containers in the background: use podman or docker with the image"
ROWS = (
    works("docker build -t app .", "sha256:[0-9a-f]{64}"),
    works("docker build -q -t app:v1 -f Dockerfile .", "^sha256:[0-9a-f]{64}$"),
    works("docker build --target build -t part .", "sha256:"),
    works("docker build --build-arg WHO=you -t you .", "sha256:"),
    works("docker build --no-cache --pull -t app .", "built"),
    works("docker build --label a=b --rm --force-rm -t app .", "sha256:"),
    works("docker build --iidfile id -t app .", "sha256:"),
    works("docker build --check .", "", "the same: says what is better done otherwise"),
    works("docker build --progress plain -t app .", "sha256:"),
    works("docker build --network none -t app .", "sha256:"),
    works("docker build --add-host db:10.0.0.1 -t app .", "sha256:"),
    works("docker build --platform linux/amd64 -t amd .", "sha256:"),
    works("docker build -o type=local,dest=out .", "", "the same: the files of the image in a folder"),
    works("docker build -o type=oci,dest=app-oci.tar .", "sha256:"),
    works("podman build -t app .", "sha256:"),
    works("podman build --layers --squash -t flat .", "sha256:"),
    works(
        "docker run --rm app",
        "hello world",
        "the same; read-only and without a network, unless options say otherwise",
    ),
    works("docker run --rm you", "hello you"),
    works("docker run --rm -i -t --name one app sh -c 'echo $0'", "sh", "the same; no container is kept"),
    works("docker run --rm -e WHO=me app", "hello me"),
    works("docker run --rm --env-file env app", "hello file"),
    works("docker run --rm --entrypoint cat app /made", "made"),
    works("docker run --rm -v ./data:/data app cat /data/f", "given"),
    works("docker run --rm --mount type=bind,src=./data,dst=/data app cat /data/f", "given"),
    works("docker run --rm -w /bin app sh -c 'echo $PWD'", "/bin"),
    works("docker run --rm -u 5 app sh -c 'echo as user'", "as user"),
    works("docker run --rm --tmpfs /tmp app sh -c 'echo x > /tmp/x && cat /tmp/x'", "x"),
    works("docker run --rm --read-only --init --hostname h app cat /made", "made"),
    Row("docker run --rm app sh -c 'exit 7'", "the same: the exit status is the program's", "", 7),
    Row("docker run --rm app nosuch", "the same: exit status 127", "there is no program 'nosuch'", 127),
    works("docker images", "app:latest"),
    works("docker images app", "app:v1"),
    works("docker images -q", "app:latest", "the same, with names for ids"),
    works("docker inspect app", "LAYER", "the same, for people; `--json` for programs"),
    works("docker tag app other:v2", "", "the same"),
    works("docker rmi other:v2", "other:v2"),
    Row("docker diff app you", "of two images; exit status 1 where they differ", "world -> you", 1),
    answered("docker history app", "`hermes inspect IMAGE --layers`, or `--config` for what made each layer"),
    answered("docker save -o app.tar app", "`hermes copy NAME docker-archive:FILE`"),
    answered("docker load -i app.tar", "`hermes pull docker-archive:FILE` or `hermes pull oci-archive:FILE`"),
    answered(
        "docker ps", "`hermes ctr ps` lists the working containers; no other is left when a command ends"
    ),
    answered("docker exec -it one sh", "`hermes ctr run CONTAINER -- COMMAND`"),
    answered("docker logs one", BACKGROUND),
    answered("docker stop one", BACKGROUND),
    answered("docker login registry.example", "credentials come from the files of docker, podman and skopeo"),
    answered(
        "docker info",
        "`hermes doctor` says what this machine can do, `hermes cache info` what the store holds",
    ),
    answered("docker version", "`hermes --version`"),
    answered("docker compose up", "`hermes bud --compose compose.yaml` builds the services; it starts none"),
    answered("docker system prune", "`hermes cache info`, `hermes cache gc` and `hermes doctor`"),
    works("buildah from --name c app", "^c$"),
    works("buildah run c -- cat /made", "made"),
    works("buildah copy c data/f /data/f", ""),
    works("buildah add c data/f /f", ""),
    works("buildah config --env A=B --cmd 'cat /f' c", ""),
    works("buildah containers", "app"),
    works("buildah commit c made:v1", "sha256:", "the same: a layer of what changed since the last"),
    works("buildah bud -t built .", "sha256:"),
    works("buildah images", "made:v1"),
    works("buildah rmi built", "built:latest"),
    works("buildah rm c", ""),
)


def typed(command: str) -> list[str]:
    """What a shell runs with the aliases."""
    tool, *words = shlex.split(command)
    return ["ctr", *words] if tool == "buildah" else words


def page() -> str:
    cells = [row.command.replace("|", r"\|") for row in ROWS]
    return HEAD + "".join(f"| `{cell}` | {row.answer} |\n" for cell, row in zip(cells, ROWS, strict=True))


def test_the_page_lists_the_commands() -> None:
    assert len({row.command for row in ROWS}) == len(ROWS) == 60
    assert page() == DOCUMENT.read_text()


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """A context with a Dockerfile, in which all commands are typed one after the other."""
    folder: Path = tmp_path_factory.mktemp("commands")
    sandbox = Sandbox(folder / "context", folder / "home")
    shutil.copy(BUSYBOX, sandbox.root / "busybox")
    sandbox.write("Dockerfile", DOCKERFILE)
    sandbox.write("data/f", "given\n")
    sandbox.write("env", "WHO=file\n")
    return sandbox


def run(context: Sandbox, row: Row) -> subprocess.CompletedProcess[str]:
    return context.run(*typed(row.command), stdin=subprocess.DEVNULL)


def test_each_does_what_it_says_or_answers_with_what_does(context: Sandbox) -> None:
    """In one test, as they build on each other."""
    wrong = []
    for row in ROWS:
        done = run(context, row)
        said = done.stdout + done.stderr
        if (
            done.returncode != row.status
            or not re.search(row.said, said, re.MULTILINE)
            or "Traceback" in said
        ):
            wrong.append(f"{row.command}: {done.returncode}, {said}")
    assert wrong == [], "\n".join(wrong)
    assert (context.root / "id").read_text().startswith("sha256:")
    assert (context.root / "out/made").read_text() == "made\n"
    assert (context.root / "app-oci.tar").exists()


if __name__ == "__main__":
    DOCUMENT.write_text(page())
    sys.exit()
