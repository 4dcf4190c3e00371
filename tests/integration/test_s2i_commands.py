"""Source-to-Image: repositories, builds again, callbacks, ONBUILD builders, Dockerfiles that are written, the command line."""

from __future__ import annotations

import http.server
import json
import os
import re
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from hermes import DockerfileOptions, Dockerfiles
from hermes.api.s2i import SourceToImage
from hermes.build.s2i.options import S2IOptions
from hermes.errors import BuildFailed, HermesError, UsageError
from hermes.layer.archives import archive_members
from tests.conftest import run_hermes
from tests.integration.s2i_place import Place


def test_a_repository_is_built_as_committed_and_the_image_says_what_of(place: Place) -> None:
    def git(*arguments: str) -> str:
        who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
        environment = {**os.environ, "GIT_AUTHOR_DATE": "2024-01-02T03:04:05Z"}
        return subprocess.check_output(
            ["git", "-C", str(place.source), *who, *arguments], env=environment, text=True
        ).strip()

    git("init", "-q", "-b", "main")
    (place.source / "api").mkdir()
    (place.source / "api/Gemfile").write_text("api\n")
    git("add", "-A")
    git("commit", "-q", "-m", "The first")
    commit = git("rev-parse", "HEAD")
    git("tag", "v1")
    (place.source / "Gemfile").write_text("changed\n")
    built = place.build()
    assert place.text(built, "app/src/Gemfile") == "gems\n"
    labels = place.config(built)["Labels"]
    said = {name.removeprefix("io.openshift.s2i.build."): value for name, value in labels.items()}
    assert said["commit.id"] == commit
    assert said["commit.author"] == "Ada <ada@example.org>"
    assert said["commit.date"] == "Tue Jan 2 03:04:05 2024 +0000"
    assert said["commit.message"] == "The first"
    assert place.text(place.build(copy=True), "app/src/Gemfile") == "changed\n"
    built = place.build(ref="v1", context_dir="api", source=f"file://{place.source}")
    assert place.text(built, "app/src/Gemfile") == "api\n"
    assert place.config(built)["Labels"]["io.openshift.s2i.build.commit.ref"] == "v1"
    with pytest.raises(UsageError, match="there is no such folder in the source"):
        place.build(context_dir="../..")
    with pytest.raises(HermesError, match="has no branch or tag v2"):
        place.build(ref="v2")


def test_an_image_is_built_again_from_what_its_labels_name(place: Place, tmp_path: Path) -> None:
    place.build(
        labels={
            "io.openshift.s2i.build.source-location": f"file://{place.source}",
            "io.openshift.s2i.build.source-context-dir": "api",
            "io.k8s.display-name": "An app",
        },
        tag="last",
    )
    (place.source / "api").mkdir()
    (place.source / "api/Gemfile").write_text("newer\n")
    done = run_hermes("s2i", "rebuild", "-q", "-p", "never", "last", "again", cwd=tmp_path, home=place.home)
    assert done.returncode == 0, done.stderr
    said = run_hermes("inspect", "--json", "again", cwd=tmp_path, home=place.home)
    assert '"io.k8s.display-name": "An app"' in said.stdout
    shown = run_hermes(
        "run", "--entrypoint", "cat", "again", "/app/src/Gemfile", cwd=tmp_path, home=place.home
    )
    assert shown.stdout == "newer\n", shown.stderr


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        ("fake", "no label io.openshift.s2i.build.image (s2i has not built it)"),
        ("last", "(the source was a folder of a machine)"),
    ],
)
def test_an_image_that_does_not_say_what_of_is_not_built_again(
    place: Place, image: str, problem: str
) -> None:
    if image == "last":
        place.build(tag="last")
    with pytest.raises(UsageError, match=re.escape(problem)):
        SourceToImage(home=place.home).options_of(image, "never")


def test_a_callback_is_told_how_a_build_ended(place: Place) -> None:
    told: list[tuple[str, dict[str, Any]]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.append((self.headers["Content-Type"], json.loads(body)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.server_port}"
        place.build(tag="told", callback_url=url)
        with pytest.raises(BuildFailed):
            place.build(scripts_url="image:///none", callback_url=url)
        server.shutdown()
    (kind, first), (_, second) = told
    assert kind == "application/json"
    assert first["success"] is True
    assert first["labels"]["testLabel"] == "testLabel_value"
    assert second == {"success": False, "labels": {}}
    place.build(tag="told", callback_url=url)
    assert any(one.startswith(f"warning: --callback-url {url}") for one in place.said)


def test_a_builder_with_triggers_builds_the_source_as_a_dockerfile_would(place: Place) -> None:
    place.bud("onbuild")
    with pytest.raises(UsageError, match="nothing in the source can be started"):
        place.build("onbuild")
    (place.source / "run.sh").write_text("#!/bin/sh\ncat /tmp/src/made\n")
    (place.source / "run.sh").chmod(0o755)
    (place.source / ".s2i/bin").mkdir(parents=True)
    (place.source / ".s2i/bin/assemble").write_text('echo "$WHO" > made\n')
    built = place.build("onbuild", tag="triggered", environment=[("WHO", "a $b")])
    config = place.config(built)
    assert config["Entrypoint"] == ["./run.sh"]
    assert config["Labels"]["io.k8s.display-name"] == "triggered"
    assert "OnBuild" not in config
    done = run_hermes("run", "--rw", "triggered", cwd=place.source, home=place.home)
    assert done.stdout == "a $b\n", done.stderr
    assert (
        place.build("onbuild", tag="triggered", environment=[("WHO", "a $b")], incremental=True).executed
        == ()
    )


def flattened(place: Place, image: str, path: Path) -> dict[str, tuple[object, ...]]:
    """What files an image has: mode, owner, link and content by path."""
    done = run_hermes("copy", image, f"oci:{path}", cwd=place.source, home=place.home)
    assert done.returncode == 0, done.stderr
    index = json.loads((path / "index.json").read_text())
    manifest = json.loads((path / "blobs/sha256" / index["manifests"][0]["digest"][7:]).read_text())
    found: dict[str, tuple[object, ...]] = {}
    for layer in manifest["layers"]:
        with (path / "blobs/sha256" / layer["digest"][7:]).open("rb") as file:
            for member in archive_members(file, name="layer"):
                entry, content = member.entry, b"".join(member.content)
                folder, _, name = entry.path.rpartition("/")
                if name == ".wh..wh..opq":
                    found = {one: row for one, row in found.items() if not one.startswith(f"{folder}/")}
                elif name.startswith(".wh."):
                    gone = f"{folder}/{name[4:]}".lstrip("/")
                    found = {
                        one: row
                        for one, row in found.items()
                        if one != gone and not one.startswith(f"{gone}/")
                    }
                else:
                    found[entry.path] = (entry.type, entry.mode, entry.uid, entry.gid, entry.link, content)
    return found


@pytest.mark.parametrize(
    ("builder", "options"),
    [
        ("fake", {}),
        ("number", {"assemble_user": "1001"}),
        ("user", {"incremental": True, "tag": "as-dockerfile"}),
    ],
)
def test_a_build_written_as_a_dockerfile_gives_the_same_files(
    place: Place, tmp_path: Path, builder: str, options: dict[str, Any]
) -> None:
    place.bud(builder)
    place.write("secrets/secret", "secret\n")
    (place.source / ".s2i/bin").mkdir(parents=True)
    (place.source / ".s2i/bin/run").write_text("#!/bin/sh\necho own\n")
    (place.source / "tool").write_text("#!/bin/sh\n")
    (place.source / "tool").chmod(0o700)
    (place.source / "link").symlink_to("tool")
    options = {
        "environment": [("WHO", 'a "b" \\ $c')],
        "inject": [(str(place.root / "secrets"), "/app/in")],
        "labels": {"note": "it's $5"},
        "tag": "built",
        **options,
    }
    if "incremental" in options:
        place.build(builder, **{**options, "incremental": False})
    out = tmp_path / "out"
    asked = S2IOptions(**{"source": str(place.source), "builder": builder, "pull": "never", **options})
    SourceToImage(home=place.home).write_dockerfile(asked, out / "Dockerfile")
    written = Dockerfiles(home=place.home).build(DockerfileOptions(context=str(out), tags=["written"]))
    built = place.build(builder, **options)
    assert flattened(place, "written", tmp_path / "a") == flattened(place, options["tag"], tmp_path / "b")
    one, other = place.config(written), place.config(built)
    other["Labels"].pop("testLabel")
    assert one == other
    again = tmp_path / "source/out/Dockerfile"
    with pytest.raises(UsageError, match="is in the source"):
        SourceToImage(home=place.home).write_dockerfile(asked, again)


def test_a_dockerfile_is_written_for_a_builder_that_is_not_here(place: Place, tmp_path: Path) -> None:
    said: list[str] = []
    asked = S2IOptions(str(place.source), "localhost/nowhere", pull="never")
    SourceToImage(home=place.home, say=said.append).write_dockerfile(asked, tmp_path / "out/Dockerfile")
    text = (tmp_path / "out/Dockerfile").read_text()
    assert text.splitlines() == [
        "FROM localhost/nowhere",
        'LABEL io.openshift.s2i.build.image="localhost/nowhere"',
        "COPY --chown=1001:0 upload/src /tmp/src",
        "USER 1001",
        'RUN ["/usr/libexec/s2i/assemble"]',
        'CMD ["/usr/libexec/s2i/run"]',
    ]
    assert (tmp_path / "out/upload/src/Gemfile").read_text() == "gems\n"
    assert said[0].startswith("warning: nothing is known of the builder: there is no image localhost/nowhere")


def test_usage_generate_create_and_run_are_as_with_s2i(place: Place, tmp_path: Path) -> None:
    def hermes(*arguments: str) -> subprocess.CompletedProcess[str]:
        return run_hermes("s2i", *arguments, cwd=tmp_path, home=place.home)

    assert hermes("usage", "fake").stdout == "this is how\n"
    place.write("help/usage", "#!/bin/sh\necho own $WHO\n")
    done = hermes("usage", "-e", "WHO=me", "-s", f"file://{place.root}/help", "fake")
    assert done.stdout == "own me\n", done.stderr
    place.write("help/usage", '#!/bin/sh\necho "$0"\n')
    done = hermes("usage", "-d", "/opt/", "-s", f"file://{place.root}/help", "fake")
    assert done.stdout == "/opt/usage\n", done.stderr
    done = hermes("usage", "runtime")
    assert "runtime: the usage script /usr/libexec/runtime/usage is not in the image" in done.stderr
    assert hermes("generate", "-e", "A=b", "fake", "Dockerfile.gen").returncode == 0
    assert 'ENV A="b"\n' in (tmp_path / "Dockerfile.gen").read_text()
    assert len(hermes("create", "mine", "mine").stdout.splitlines()) == 9
    assert hermes("create", "mine", "mine").stdout == ""
    assert (tmp_path / "mine/test/run").stat().st_mode & 0o111
    done = hermes(
        "build", "--run", "-q", "-p", "never", "-e", "WHO=you", str(place.source), "no-entry", "ran"
    )
    assert done.stdout.splitlines()[1:] == ["hello you"], done.stderr
    done = hermes("build", "--run", "--as-dockerfile", "x", str(place.source), "fake")
    assert done.returncode == 2
    done = hermes("build", "-U", "unix:///run/docker.sock", str(place.source), "fake")
    assert "error: --url: Hermes builds without a container engine" in done.stderr


def test_the_command_line_builds_and_says_what_it_did(place: Place) -> None:
    variables = place.write("vars", "# x\n// y\nWHO=file\n")
    done = run_hermes(
        "s2i", "build", "--rm", "--loglevel", "5", "-E", str(variables), "-e", "GREETING=hi", "-a", "/app/greeting", "--runtime-image",
        "runtime", "-p", "never", str(place.source), "fake", "typed",
        cwd=place.source, home=place.home,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("sha256:")
    assert "assemble-runtime run /usr/libexec/runtime/assemble-runtime" in done.stderr
    kept = run_hermes("s2i", "build", "--use-config", ".", "fake", cwd=place.source, home=place.home)
    assert kept.returncode == 2
    assert "--use-config: options are not kept in a file .s2ifile" in kept.stderr
    bad = run_hermes("s2i", "build", "nowhere", "fake", cwd=place.source, home=place.home)
    assert bad.returncode == 2
    assert bad.stderr == (
        "error: the source nowhere is not there\nhint: name a folder, or the address of a git repository\n"
    )
