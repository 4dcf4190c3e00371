"""Dockerfiles as BUILD files of native rules: the same files come out, and what cannot be said is said."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermes import Containers, DockerfileOptions, Dockerfiles
from hermes.api.migrating import MigrateOptions, migrated
from hermes.errors import BuildFailed, DockerfileError
from tests.conftest import Sandbox
from tests.corpus import directives, options_of, write_context
from tests.integration.conftest import add_base
from tests.integration.test_dockerfile_image import config_of
from tests.interop.test_buildah_steps import files_of
from tests.interop.test_dockerfiles import chosen, settings_of, write_etc

WITHOUT_A_RULE = {
    "copy-from-context": "a folder that is no part of the package",
    "copy-file-onto-link": "what a command makes is not known before, and overwriting it is a conflict",
    "run-mount-bind-rw": "a mount that the command may write",
    "run-mount-cache-from": "a cache that begins with files",
    "run-tmp-is-the-images": "a native command's /tmp is forgotten",
}
LEFT_OUT = {"Author", "Healthcheck", "OnBuild", "Shell"}
"""Settings that a target cannot have; an author becomes a label."""
KEEPS_THE_COMMAND = {"cmd-empty-list", "entrypoint-empty"}


class Ground:
    """A workspace with the base and the context of the corpus."""

    def __init__(self, folder: Path) -> None:
        self.sandbox = Sandbox(folder / "workspace", folder / "home")
        self.home = self.sandbox.home
        self.context = self.sandbox.root / "context"
        write_context(self.context)
        add_base(self.sandbox)
        write_etc(self.sandbox)

    def options(self, file: Path) -> DockerfileOptions:
        found = directives(file.read_text())
        given = options_of(found.get("build", ""), self.context)
        return DockerfileOptions(
            context=str(self.context),
            file=str(file),
            target=given.get("--target", ""),
            arguments=dict(one.split("=", 1) for one in given.get("--build-arg", "").split()),
            contexts={
                "base": "//base:image",
                **dict(one.split("=", 1) for one in given.get("--build-context", "").split()),
            },
            ignore_file=given.get("--ignorefile", ""),
            pull="never",
        )

    def files(self, image: str) -> dict[str, tuple[object, ...]]:
        containers = Containers(home=self.home)
        container = containers.create(image).name
        try:
            found = files_of(Path(containers.mount(container)))
        finally:
            containers.remove(container)
        return {path: row[:5] for path, row in found.items()}  # a hard link becomes a file of its own


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    made = Ground(tmp_path_factory.mktemp("migrated"))
    before = os.getcwd()
    os.chdir(made.context)
    yield made
    os.chdir(before)


@pytest.mark.parametrize("file", chosen(3), ids=lambda file: file.stem)
def test_the_same_files_come_out(ground: Ground, file: Path) -> None:
    options = ground.options(file)
    built = Dockerfiles(home=ground.home).build(
        DockerfileOptions(
            **{name: getattr(options, name) for name in options.__slots__} | {"tags": [file.stem]}
        )
    )
    build = ground.context / "BUILD"
    try:
        build.write_text(migrated(MigrateOptions(options), ground.home))
        digest = ground.sandbox.digest("//context:image")
    except (BuildFailed, DockerfileError):
        if file.stem not in WITHOUT_A_RULE:
            raise
        return
    else:
        assert file.stem not in WITHOUT_A_RULE
        assert ground.files("//context:image") == ground.files(file.stem)
    finally:
        build.unlink(missing_ok=True)
    theirs, ours = (settings_of(config_of(ground.home, one)) for one in (built.digest, digest))
    if author := theirs.pop("Author", None):
        assert ours["Labels"].pop("org.opencontainers.image.authors") == author
    if file.stem in KEEPS_THE_COMMAND:
        del ours["Cmd"]
    assert {name: one for name, one in ours.items() if one} == {
        name: one for name, one in theirs.items() if name not in LEFT_OUT
    }


# What is written.


@pytest.fixture
def app(workspace: Sandbox) -> Sandbox:
    add_base(workspace)
    write_etc(workspace)
    for name in ("src/main.py", "src/pkg/util.py", "src/pkg/notes.md", "requirements.txt"):
        workspace.write(f"app/{name}", name)
    return workspace


def text_of(app: Sandbox, dockerfile: str, *options: str) -> str:
    app.write("app/Dockerfile", dockerfile)
    done = app.run("migrate", "app/Dockerfile", "--build-context", "base=//base:image", "-o", "-", *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def error_of(app: Sandbox, dockerfile: str, *options: str) -> str:
    app.write("app/Dockerfile", dockerfile)
    done = app.run("migrate", "app/Dockerfile", "--build-context", "base=//base:image", *options)
    assert done.returncode == 2, done.stdout
    assert not (app.root / "app/BUILD.hermes").exists()
    return done.stderr


def test_a_whole_file(app: Sandbox) -> None:
    app.write("app/.dockerignore", "**/*.md\n")
    dockerfile = """\
FROM base AS build
RUN --mount=type=cache,target=/root/.cache pip install -r /requirements.txt
FROM base
ENV APP=/srv
WORKDIR $APP
COPY requirements.txt .
COPY src lib/
COPY --from=build --chown=web /etc/passwd users
USER web
CMD ["/bin/sh"]
"""
    assert (
        text_of(app, dockerfile)
        == """\
# Made from Dockerfile by `hermes migrate`. A command has no network unless it seemed to need it.

# Dockerfile:2: RUN --mount=type=cache,target=/root/.cache pip install -r /requirements.txt
# Not reproducible: it needs the network; pin what it takes with a lock of its own, or put that into the workspace.
run_layer(
    name = "build_run_2",
    base = ["//base:image"],
    cmd = "pip install -r /requirements.txt",
    mounts = [cache("root_.cache", "/root/.cache")],
    network = True,
)

# Dockerfile:6: COPY requirements.txt .
files_layer(
    name = "copy_6",
    dest = "/srv",
    srcs = ["requirements.txt"],
)

# Dockerfile:7: COPY src lib/
files_layer(
    name = "copy_7",
    dest = "/srv/lib",
    srcs = glob(["src/**"], exclude = ["src/pkg/notes.md"]),
    strip_prefix = "src",
)

# Dockerfile:8: COPY --from=build --chown=web /etc/passwd users
copy_layer(
    name = "copy_8",
    base = [
        "//base:image",
        ":copy_6",
        ":copy_7",
    ],
    dest = "/srv/users",
    owner = "web",
    paths = ["/etc/passwd"],
    root = [
        "//base:image",
        ":build_run_2",
    ],
)

image(
    name = "image",
    base = ["//base:image"],
    env = {"APP": "/srv"},
    layers = [
        ":copy_6",
        ":copy_7",
        ":copy_8",
    ],
    user = "web",
    workdir = "/srv",
)
"""
    )


def test_what_it_writes_builds_and_is_not_overwritten(app: Sandbox) -> None:
    app.write("app/Dockerfile", "FROM base\nCOPY . /srv/app/\n")
    arguments = ("migrate", "app/Dockerfile", "--build-context", "base=//base:image")
    done = app.run(*arguments)
    assert done.stdout == "app/BUILD.hermes\n", done.stderr
    first = app.digest("//app:image")
    again = app.run(*arguments)
    assert again.returncode == 2
    assert "app/BUILD.hermes is there already" in again.stderr
    assert app.run(*arguments, "--force").returncode == 0
    assert app.digest("//app:image") == first


@pytest.mark.parametrize(
    ("command", "advice"),
    [
        ("apt-get update && apt-get install -y curl", "apt_layer"),
        ("curl -fsSLO https://example.org/x", "fetch_file"),
        ("git clone https://example.org/x", "archive of a commit"),
        ("npm ci", "lock of its own"),
        ("cd /src && go build ./...", "lock of its own"),
    ],
)
def test_commands_that_seem_to_need_the_network_say_so(app: Sandbox, command: str, advice: str) -> None:
    found = text_of(app, f"FROM base\nRUN {command}\n")
    assert "network = True" in found
    assert advice in found
    assert "network = True" not in text_of(app, f"FROM base\nRUN --network=none {command}\n")


def test_a_base_of_a_registry_is_an_image_pull(app: Sandbox) -> None:
    app.write("app/Dockerfile", "FROM base\n")
    named = app.run("bud", "-q", "--build-context", "base=//base:image", "-t", "python:3.12-slim", "app")
    assert named.returncode == 0, named.stderr
    found = text_of(app, "FROM python:3.12-slim\nRUN true\n")
    assert (
        'image_pull(\n    name = "python_3_12_slim",\n    ref = "docker.io/library/python:3.12-slim",\n)'
        in found
    )
    assert '    base = [":python_3_12_slim"],\n    cmd = "true",' in found
    assert "`hermes lock` pins" in found


@pytest.mark.parametrize(
    ("dockerfile", "problem"),
    [
        ("FROM base\nCOPY none /\n", "Dockerfile:2: none is not in the context"),
        (
            "FROM base\nRUN --mount=type=bind,target=/in,rw true\n",
            "Dockerfile:2: a mount that the command may write",
        ),
        ("FROM scratch\nRUN true\n", "Dockerfile:2: there is nothing that the command could run in"),
        ("FROM localhost/mine\n", "Dockerfile:1: "),
        ("", "Dockerfile"),
    ],
)
def test_what_is_wrong(app: Sandbox, dockerfile: str, problem: str) -> None:
    message = error_of(app, dockerfile)
    assert problem in message
    assert "Traceback" not in message


def test_an_agent_has_no_rule_and_a_secret_has(app: Sandbox) -> None:
    assert "no rule gives a command an SSH agent" in error_of(app, "FROM base\nRUN --mount=type=ssh true\n")
    assert 'secrets = ["npm"]' in text_of(app, "FROM base\nRUN --mount=type=secret,id=npm true\n")


def test_an_entry_point_that_is_taken_away_runs_the_command(app: Sandbox) -> None:
    text = (
        (app.root / "base/BUILD")
        .read_text()
        .replace('    cmd = ["/bin/sh"],', '    entrypoint = ["/bin/echo"],')
    )
    app.write("base/BUILD", text)
    found = text_of(app, 'FROM base\nENTRYPOINT []\nCMD ["/bin/true"]\n')
    assert 'entrypoint = ["/bin/true"]' in found


def test_names_that_begin_with_a_dot_keep_it(app: Sandbox) -> None:
    app.write("app/.config/x", "x")
    found = text_of(app, "FROM scratch\nCOPY .config /.config/\nWORKDIR /.wd\n")
    assert 'dest = "/.config"' in found
    assert 'dirs = ["/.wd"]' in found


def test_a_folder_that_a_command_may_have_made_is_looked_at_when_it_is_built(app: Sandbox) -> None:
    app.write(
        "app/Dockerfile",
        "FROM base\nRUN mkdir /home && mkdir -m 700 /home/app && chown 33:34 /home/app\nWORKDIR /home/app\n"
        "COPY --chown=33:34 src .\n",
    )
    done = app.run("migrate", "app/Dockerfile", "--build-context", "base=//base:image")
    assert done.returncode == 0, done.stderr
    app.build("//app:image")
    shown = app.run(
        "run",
        "--user",
        "33",
        "--entrypoint",
        "/bin/sh",
        "//app:image",
        "--",
        "-c",
        "stat -c '%a %u:%g' . main.py",
    )
    assert shown.stdout == "700 33:34\n644 33:34\n", shown.stderr


def test_devices_are_written_to_and_not_replaced(app: Sandbox) -> None:
    os.mkfifo(app.root / "pipe")
    reader = subprocess.Popen(["cat", str(app.root / "pipe")], stdout=subprocess.PIPE, text=True)
    app.write("app/Dockerfile", "FROM base\n")
    done = app.run(
        "migrate", "app/Dockerfile", "--build-context", "base=//base:image", "-o", "pipe", "--force"
    )
    assert done.returncode == 0, done.stderr
    assert "image(" in reader.communicate(timeout=10)[0]
    assert (app.root / "pipe").is_fifo()


@pytest.mark.parametrize(
    ("path", "problem"), [("app/src/a:b", "cannot be named"), ("app/src/pkg/BUILD", "of another package")]
)
def test_files_that_no_target_of_the_package_can_name(app: Sandbox, path: str, problem: str) -> None:
    app.write(path, "")
    assert problem in error_of(app, "FROM base\nCOPY src /srv/\n")


def test_a_name_that_no_target_can_have(app: Sandbox) -> None:
    assert "--name a:b" in error_of(app, "FROM base\n", "--name", "a:b")


def test_two_images_of_one_name_are_two_targets(app: Sandbox) -> None:
    app.write("app/Dockerfile", "FROM base\n")
    for name in ("debian:12", "example.org/x/debian:12"):
        done = app.run("bud", "-q", "--build-context", "base=//base:image", "-t", name, "app")
        assert done.returncode == 0, done.stderr
    found = text_of(app, "FROM debian:12\nCOPY --from=example.org/x/debian:12 /bin/sh /x\n")
    assert 'name = "debian_12",' in found
    assert 'name = "debian_12_2",' in found


def test_a_dockerfile_that_is_not_there(app: Sandbox) -> None:
    done = app.run("migrate", "app/None")
    assert (done.returncode, "app/None is not a Dockerfile" in done.stderr) == (2, True)


def test_a_place_that_cannot_be_written_leaves_nothing(app: Sandbox) -> None:
    app.write("app/Dockerfile", "FROM base\n")
    given = ("migrate", "app/Dockerfile", "--build-context", "base=//base:image")
    done = app.run(*given, "-o", "none/BUILD")
    assert done.returncode == 1
    assert "none/BUILD" in done.stderr
    assert not (app.root / "none").exists()


def test_mounts_keep_what_is_unusual_of_them(app: Sandbox) -> None:
    found = text_of(
        app,
        "FROM base\nRUN --mount=type=cache,id=c,target=/c,sharing=locked,uid=7,mode=0700 "
        "--mount=type=secret,id=s,target=/s,mode=0440 --mount=type=secret,id=t true\n",
    )
    assert 'cache("c", "/c", sharing = "locked", mode = "0700", owner = "7:0")' in found
    assert 'secret("s", path = "/s", mode = "0440")' in found
    assert '"t",' in found


def test_a_cache_that_a_command_may_only_read_stays_so(app: Sandbox) -> None:
    fill = "FROM base\nRUN --mount=type=cache,id=c,target=/c echo x > /c/x\n"
    read = "RUN --mount=type=cache,id=c,target=/c,ro touch /c/y 2>/dev/null; cat /c/* > /srv/found\n"
    app.write("app/BUILD", text_of(app, fill + read))
    done = app.run("run", "-q", "//app:image", "--", "/bin/cat", "/srv/found")
    assert done.stdout == "x\n", done.stderr
    assert [one.name for one in (app.home / "caches/c/0/data").iterdir()] == ["x"]
