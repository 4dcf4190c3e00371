"""Dockerfiles as targets: they give what `hermes bud` gives, of what they declare, and rebuild what changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hermes import SecretSource, Workspace
from hermes.build.memory.snapshot import Snapshots
from hermes.engine.events import ActionFinished, BuildStarted, Event, Warned
from hermes.errors import BuildFailed, HermesError
from tests.conftest import Sandbox, run_hermes
from tests.integration.conftest import add_base

DOCKERFILE = """\
ARG WHO=nobody
FROM base AS made
ARG WHO
RUN echo "$WHO" > /who
FROM base
WORKDIR /srv/app
COPY docs docs
COPY main.sh /bin/main
COPY --from=made /who .
RUN cat who docs/a.txt > both
CMD ["/bin/main"]
"""
TARGET = """
image(name = "base", layers = ["//base:root"], env = {"PATH": "/bin"})
dockerfile_image(
    name = "image",
    dockerfile = "Dockerfile",
    context = glob(["docs/**", "main.sh"]),
    contexts = {"base": ":base"},
    build_args = {"WHO": "me"},
)
"""


class App:
    """A package ``//app`` with a Dockerfile, on a busybox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.events: list[Event] = []
        add_base(sandbox)
        self.write("docs/a.txt", "one\n")
        self.write("docs/b.txt", "two\n")
        sandbox.write("app/main.sh", "#!/bin/sh\ncat /srv/app/both\n", mode=0o755)
        self.write("Dockerfile", DOCKERFILE)
        self.write("BUILD", TARGET)

    def write(self, path: str, content: str) -> None:
        self.sandbox.write(f"app/{path}", content)

    def build(self, *labels: str, **options: object) -> tuple[str, ...]:
        """Build, and return which lines of Dockerfiles had actions that were executed."""
        self.events.clear()
        workspace = Workspace(self.sandbox.root, home=self.sandbox.home, subscribers=[self.events.append])
        workspace.build(labels or ["//app:image"], **options)
        return self.ran

    @property
    def ran(self) -> tuple[str, ...]:
        found = [
            one for one in self.events if isinstance(one, ActionFinished) and one.kind in ("run", "copy")
        ]
        return tuple(sorted(f"{one.kind} {one.owner.rpartition(':')[2][:-1]}" for one in found))

    def failure(self, **options: object) -> str:
        with pytest.raises(HermesError) as caught:
            self.build(**options)
        return caught.value.render()

    def run(self, *arguments: str) -> str:
        done = run_hermes(*arguments, cwd=self.sandbox.root, home=self.sandbox.home)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def shown(self, command: str, label: str = "//app:image") -> str:
        """What a shell command prints in the image."""
        return self.run("run", "--entrypoint", "/bin/sh", label, "--", "-c", command)


def config_of(home: Path, digest: str) -> dict[str, Any]:
    """The configuration of an image in the store."""
    blobs = home / "blobs/sha256"
    manifest = json.loads((blobs / digest[7:]).read_text())
    found: dict[str, Any] = json.loads((blobs / manifest["config"]["digest"][7:]).read_text())
    return found


@pytest.fixture
def app(workspace: Sandbox) -> App:
    return App(workspace)


def test_it_gives_the_image_that_bud_gives(app: App) -> None:
    app.build("//app:image")
    assert app.run("run", "//app:image") == "me\none\n"
    digest = app.run("bud", "-q", "--build-context", "base=//app:base", "--build-arg", "WHO=me", "app")
    assert digest.strip() == json.loads(app.run("inspect", "--json", "//app:image"))["digest"]


def test_nothing_is_executed_again_without_a_change(app: App) -> None:
    assert app.build() == ("copy 6", "copy 7", "copy 8", "copy 9", "run 10", "run 4")
    assert app.build() == ()
    assert [one.total for one in app.events if isinstance(one, BuildStarted)] == [0]


def test_a_changed_file_repeats_only_the_lines_that_take_it_and_commands_above(app: App) -> None:
    app.build()
    app.sandbox.write("app/main.sh", "#!/bin/sh\necho changed\n", mode=0o755)
    assert app.build() == ("copy 8", "run 10")


def test_a_file_that_no_line_takes_repeats_nothing(app: App) -> None:
    app.write("BUILD", TARGET.replace('"main.sh"', '"main.sh", "*.md"'))
    app.write("README.md", "one")
    app.build()
    app.write("README.md", "two")
    workspace = Workspace(app.sandbox.root, home=app.sandbox.home)
    assert workspace.build(["//app:image"]).executed == ()


def test_an_edited_line_repeats_what_depends_on_it(app: App) -> None:
    app.build()
    app.write("Dockerfile", DOCKERFILE.replace("CMD", 'LABEL a="b"\nCMD'))
    assert app.build() == ()
    app.write("Dockerfile", DOCKERFILE.replace('echo "$WHO"', "echo me"))
    assert app.build() == ("run 4",)


def test_an_image_can_stand_on_it(app: App) -> None:
    app.write(
        "BUILD",
        TARGET + 'files_layer(name = "more", files = {"/more": "docs/b.txt"})\n'
        'image(name = "upper", base = ":image", layers = [":more"])\n'
        'run_layer(name = "ran", base = ":image", cmd = "cat both > /seen")\n',
    )
    app.build("//app:upper", "//app:ran")
    assert app.shown("cat /more both", "//app:upper") == "two\nme\none\n"


def test_contexts_are_layers_and_files_too(app: App) -> None:
    app.write(
        "BUILD",
        'genrule(name = "made", root = "//base:root", outs = ["made.txt"], cmd = "echo made > $OUTS")\n'
        'filegroup(name = "files", srcs = ["docs/b.txt", ":made"])\n'
        'dockerfile_image(name = "image", dockerfile = "Dockerfile", context = [":made", "docs/a.txt"],\n'
        '    contexts = {"Root": "//base:root", "files": ":files"})\n',
    )
    app.write(
        "Dockerfile",
        "FROM root\nENV PATH=/bin\nCOPY made.txt docs/*.txt /srv/\nCOPY --from=files / /srv/files\n"
        "RUN --mount=type=bind,from=files,target=/in cat /in/docs/b.txt > /srv/bound\n",
    )
    app.build()
    shown = app.shown("cd /srv; cat made.txt a.txt bound; find . -type f | sort")
    assert shown == "made\none\ntwo\n./a.txt\n./bound\n./files/docs/b.txt\n./files/made.txt\n./made.txt\n"
    config = config_of(app.sandbox.home, app.sandbox.digest("//app:image"))
    assert [bool(row.get("empty_layer")) for row in config["history"]] == [False, True, False, False, False]


def test_files_have_the_modes_that_layers_give_them(app: App) -> None:
    (app.sandbox.root / "app/docs/a.txt").chmod(0o600)
    (app.sandbox.root / "app/docs").chmod(0o700)
    app.build()
    assert app.shown("stat -c %a docs docs/a.txt /bin/main") == "755\n644\n755\n"


def test_a_prefix_is_taken_off(app: App) -> None:
    app.write("BUILD", TARGET.replace('glob(["docs/**", "main.sh"])', 'glob(["docs/**"])'))
    app.sandbox.write(
        "app/BUILD",
        TARGET.replace('glob(["docs/**", "main.sh"])', 'glob(["docs/**"]),\n    strip_prefix = "docs"'),
    )
    app.write("Dockerfile", "FROM base\nCOPY a.txt /a\n")
    app.build()
    assert app.shown("cat /a") == "one\n"


def test_links_of_the_context_are_followed_in_it(app: App) -> None:
    (app.sandbox.root / "app/docs/link").symlink_to("a.txt")
    app.write("Dockerfile", "FROM base\nCOPY docs/link /link\nCOPY docs /docs\n")
    app.build()
    assert app.shown("cat /link; readlink /docs/link") == "one\na.txt\n"


def test_archives_of_the_context_are_unpacked(app: App) -> None:
    app.write(
        "BUILD",
        'image(name = "base", layers = ["//base:root"], env = {"PATH": "/bin"})\n'
        'genrule(name = "tar", root = "//base:root", outs = ["a.tar"],\n'
        '    cmd = "echo x > x && tar -cf $OUTS x")\n'
        'dockerfile_image(name = "image", dockerfile = "Dockerfile", context = [":tar"], contexts = {"base": ":base"})\n',
    )
    app.write("Dockerfile", "FROM base\nADD a.tar /srv/\n")
    app.build()
    assert app.shown("cat /srv/x") == "x\n"


def test_triggers_of_a_base_are_carried_out(app: App) -> None:
    app.write("Onbuild", "FROM base\nONBUILD COPY docs /docs\nONBUILD RUN cat /docs/a.txt > /seen\n")
    app.write("Dockerfile", "FROM parent\n")
    app.write(
        "BUILD",
        TARGET.replace('{"base": ":base"}', '{"parent": ":parent"}')
        + 'dockerfile_image(name = "parent", dockerfile = "Onbuild", contexts = {"base": ":base"}, format = "docker")\n',
    )
    app.build()
    assert app.shown("cat /seen") == "one\n"


# The network and secrets.


def test_the_network_is_on_unless_the_target_is_hermetic(app: App) -> None:
    app.write("Dockerfile", "FROM base\nRUN wc -l < /proc/net/dev > /count\n")
    app.build()
    assert "network = true" in app.run("explain", "--all", "//app:image")
    app.write("BUILD", TARGET.replace('name = "image"', 'name = "image", hermetic = True'))
    app.build()
    assert "network = false" in app.run("explain", "--all", "//app:image")
    assert app.shown("cat /count") == "3\n"


def test_a_secret_has_to_be_declared_and_given(app: App) -> None:
    app.write(
        "Dockerfile",
        "FROM base\nRUN --mount=type=secret,id=token,required=true wc -c < /run/secrets/token > /size\n",
    )
    text = app.failure()
    assert "app/Dockerfile:2: //app:image does not declare the secret 'token'" in text
    assert 'secrets = ["token"]' in text
    app.write("BUILD", TARGET.replace('name = "image"', 'name = "image", secrets = ["token"]'))
    assert "token" in app.failure()
    app.build(secrets=[SecretSource("token", value=b"12345678")])
    assert app.shown("cat /size") == "8\n"


# What is wrong.


def test_a_base_that_the_target_does_not_name(app: App) -> None:
    app.write("Dockerfile", "FROM python:3.12\n")
    text = app.failure()
    assert "app/Dockerfile:1: //app:image does not say what python:3.12 is" in text
    assert "> 1 | FROM python:3.12" in text
    assert 'contexts = {"python:3.12": ":LABEL"}' in text
    app.write("Dockerfile", "FROM bace\n")
    assert "did you mean base?" in app.failure()


def test_a_file_that_is_not_declared(app: App) -> None:
    app.write("Dockerfile", "FROM base\nCOPY docs/c.txt /\n")
    assert app.sandbox.run("build", "//app:image").returncode == 2
    text = app.failure()
    assert "app/Dockerfile:2: docs/c.txt is not in the context" in text
    assert "did you mean docs/" in text


def test_a_command_that_fails(app: App) -> None:
    app.write("Dockerfile", "FROM base\nRUN echo so far && sh -c 'exit 7'\n")
    with pytest.raises(BuildFailed) as caught:
        app.build()
    text = caught.value.render()
    for part in ("//app:image (app/Dockerfile:2)", "so far", "7", "> 2 | RUN echo so far && sh -c 'exit 7'"):
        assert part in text
    assert not (app.sandbox.root / "hermes-out/app/image").exists()
    assert app.sandbox.run("build", "//app:image").returncode == 1


def test_an_empty_dockerfile(app: App) -> None:
    app.write("Dockerfile", "")
    assert "app/Dockerfile" in app.failure()


def test_two_files_at_one_path(app: App) -> None:
    app.sandbox.write("lib/docs/a.txt", "other\n")
    app.sandbox.write(
        "lib/BUILD",
        'filegroup(name = "lib", srcs = glob(["docs/*"]), visibility = ["//visibility:public"])\n',
    )
    app.write("BUILD", TARGET.replace('glob(["docs/**", "main.sh"])', 'glob(["docs/**"]) + ["//lib"]'))
    text = app.failure()
    assert "two files are at docs/a.txt in the context" in text
    assert "app/BUILD" in text


def test_what_is_better_done_otherwise_is_said(app: App) -> None:
    app.write("Dockerfile", "FROM base\nMAINTAINER me\n")
    app.build()
    warnings = [one.message for one in app.events if isinstance(one, Warned)]
    assert any("app/Dockerfile:2: MAINTAINER is deprecated" in one for one in warnings)


def test_a_dockerfile_that_is_a_link(app: App) -> None:
    (app.sandbox.root / "app/Dockerfile").rename(app.sandbox.root / "app/Dockerfile.prod")
    (app.sandbox.root / "app/Dockerfile").symlink_to("Dockerfile.prod")
    first = app.sandbox.digest("//app:image")
    (app.sandbox.root / "app/Dockerfile.prod").write_text("FROM base\nENV CHANGED=1\n")
    assert app.sandbox.digest("//app:image") != first


def test_what_is_known_does_not_grow_with_edits(app: App) -> None:
    sizes = []
    for number in range(4):
        app.write("Dockerfile", DOCKERFILE.replace("echo", f"echo {number}"))
        app.build()
        (rows,) = (app.sandbox.home / "index").glob("*/*.packages")
        with Snapshots(app.sandbox.home, app.sandbox.root).memory(rows.stem) as memory:
            assert memory is not None
            sizes.append(sum(place.size for place in memory.places.values()))
    assert max(sizes[1:]) - min(sizes[1:]) < 100


def test_names_that_are_none(app: App) -> None:
    app.write("BUILD", TARGET.replace('{"WHO": "me"}', '{"": "me"}'))
    assert 'build_args has the name ""' in app.failure()
