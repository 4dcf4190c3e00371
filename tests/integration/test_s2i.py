"""Source-to-Image: the cases of the tests and documents of the s2i project, with builders on a busybox."""

from __future__ import annotations

import http.server
import io
import json
import os
import re
import subprocess
import tarfile
import threading
from pathlib import Path
from typing import Any

import pytest

from hermes import BuiltDockerfile, DockerfileOptions, Dockerfiles
from hermes.api.s2i import SourceToImage
from hermes.build.s2i.options import S2IOptions
from hermes.errors import BuildFailed, HermesError, UsageError
from hermes.layer.archives import archive_members
from hermes.s2i.artifacts import mappings
from hermes.s2i.users import ranges
from tests.conftest import run_hermes
from tests.integration.conftest import BUSYBOX

URL = "io.openshift.s2i.scripts-url"
ASSEMBLE = """\
#!/bin/sh
set -e
mkdir -p /app/deps
if [ -d /tmp/artifacts ]; then mv /tmp/artifacts/deps/* /app/deps/; touch /app/restored; fi
cp -R /tmp/src /app/
[ -f /app/deps/lib ] || echo lib > /app/deps/lib
echo "$GREETING $WHO" > /app/greeting
id -u > /app/user
[ ! -f /app/in/secret ] || grep -q secret /app/in/secret && touch /app/secret-delivered
mkdir -p /tmp/.s2i
echo '{"labels": [{"testLabel": "testLabel_value"}]}' > /tmp/.s2i/image_metadata.json
"""
SAVE = "#!/bin/sh\ncd /app && tar cf - deps\ndd if=/dev/zero bs=512 count=1 2>/dev/null\n"
RUN = "#!/bin/sh\ncat /app/greeting\n"
USAGE = "#!/bin/sh\necho this is how\n"

BUILDERS = f"""\
FROM scratch AS base
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
COPY passwd /etc/passwd
RUN mkdir -p -m 1777 /tmp && mkdir -p -m 0777 /app /app/in /opt/work
ENV PATH=/bin GREETING=hello
WORKDIR /opt/work

FROM base AS fake
COPY --chmod=755 scripts /usr/libexec/s2i
LABEL {URL}=image:///usr/libexec/s2i
ENTRYPOINT ["/bin/false"]

FROM fake AS no-entry
ENTRYPOINT []

FROM fake AS user
USER fakeuser

FROM fake AS number
USER 431

FROM number AS assemble-root
LABEL io.openshift.s2i.assemble-user=0

FROM number AS assemble-user
LABEL io.openshift.s2i.assemble-user=432

FROM base AS no-scripts

FROM base AS no-save
COPY --chmod=755 scripts/assemble scripts/run /usr/libexec/s2i/
LABEL io.s2i.scripts-url=image:///usr/libexec/s2i

FROM fake AS no-tar
RUN rm /bin/tar

FROM fake AS plain-file
RUN chmod 644 /usr/libexec/s2i/assemble

FROM fake AS onbuild
WORKDIR /tmp/src
ONBUILD RUN touch /app/onbuild
ONBUILD COPY . /tmp/src/

FROM onbuild AS onbuild-root
USER 1001
ONBUILD USER 0

FROM fake AS elsewhere
LABEL io.openshift.s2i.destination=/opt/dest
RUN mkdir -m 0777 /opt/dest && sed -i 's:/tmp/src:/opt/dest/src:' /usr/libexec/s2i/assemble

FROM base AS runtime
WORKDIR /srv/app
COPY --chmod=755 runtime /usr/libexec/runtime
LABEL {URL}=image:///usr/libexec/runtime io.openshift.s2i.assemble-input-files="/app/greeting;/app/deps:lib"
USER 431
"""
RUNTIME = '#!/bin/sh\necho "$WHO" > /tmp/assembled; ls -R /srv/app > /tmp/seen; id -u > /tmp/user\n'


class Place:
    """A store with builders, and a folder for sources."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "home"
        self.source = root / "source"
        self.said: list[str] = []

    def write(self, path: str, content: str, mode: int = 0o644) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
        target.chmod(mode)
        return target

    def bud(self, target: str) -> None:
        builder = Dockerfiles(home=self.home)
        builder.build(DockerfileOptions(context=str(self.root / "builders"), target=target, tags=[target]))

    def build(self, builder: str = "fake", **options: Any) -> BuiltDockerfile:
        self.said.clear()
        asked = S2IOptions(**{"source": str(self.source), "builder": builder, "pull": "never", **options})
        return SourceToImage(home=self.home, say=self.said.append).build(asked)

    def config(self, built: BuiltDockerfile) -> dict[str, Any]:
        manifest = json.loads(self._blob(built.digest).read_bytes())
        return json.loads(self._blob(manifest["config"]["digest"]).read_bytes())["config"]

    def entries(self, built: BuiltDockerfile) -> dict[str, tuple[Any, bytes]]:
        """What is in the layer of the application: entry and content by path."""
        manifest = json.loads(self._blob(built.digest).read_bytes())
        with self._blob(manifest["layers"][-1]["digest"]).open("rb") as file:
            members = archive_members(file, name="layer")
            return {one.entry.path: (one.entry, b"".join(one.content)) for one in members}

    def text(self, built: BuiltDockerfile, path: str) -> str:
        return self.entries(built)[path][1].decode()

    def _blob(self, digest: str) -> Path:
        return self.home / "blobs/sha256" / digest[7:]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Place:
    if not BUSYBOX.exists():
        pytest.skip("the Debian package busybox-static is not installed")
    place = Place(tmp_path_factory.mktemp("s2i"))
    (place.root / "builders").mkdir()
    place.write("builders/Dockerfile", BUILDERS)
    (place.root / "builders/busybox").write_bytes(BUSYBOX.read_bytes())
    (place.root / "builders/busybox").chmod(0o755)
    place.write("builders/passwd", "root:x:0:0:root:/root:/bin/sh\nfakeuser:x:431:431:fake:/app:/bin/sh\n")
    for name, text in (("assemble", ASSEMBLE), ("save-artifacts", SAVE), ("run", RUN), ("usage", USAGE)):
        place.write(f"builders/scripts/{name}", text)
    place.write("builders/runtime/assemble-runtime", RUNTIME)
    place.write("builders/runtime/run", "#!/bin/sh\ncat greeting\n")
    for target in ("fake", "no-entry", "runtime"):
        place.bud(target)
    return place


@pytest.fixture
def place(made: Place, tmp_path: Path) -> Place:
    made.source = tmp_path / "source"
    made.source.mkdir()
    (made.source / "Gemfile").write_text("gems\n")
    return made


def failure(error: BuildFailed) -> str:
    (found,) = error.failures.values()
    return found.render()


def test_a_build_has_what_assemble_made_and_starts_run(place: Place) -> None:
    built = place.build(tag="clean")
    assert place.text(built, "app/src/Gemfile") == "gems\n"
    assert place.text(built, "app/deps/lib") == "lib\n"
    config = place.config(built)
    assert config["Cmd"] == ["/usr/libexec/s2i/run"]
    assert config["Entrypoint"] == ["/bin/false"]
    assert config["Labels"] == {
        URL: "image:///usr/libexec/s2i",
        "io.k8s.display-name": "clean",
        "io.openshift.s2i.build.image": "fake",
        "testLabel": "testLabel_value",
    }
    assert place.build(tag="clean").executed == ()


def test_layers_of_the_builder_are_shared_and_the_application_is_one_more(place: Place) -> None:
    def layers(built: BuiltDockerfile) -> list[str]:
        return [one["digest"] for one in json.loads(place._blob(built.digest).read_bytes())["layers"]]

    one = layers(place.build())
    (place.source / "Gemfile").write_text("others\n")
    two = layers(place.build())
    assert one[:-1] == two[:-1]
    assert one[-1] != two[-1]


def test_a_script_of_the_source_counts_before_that_of_the_image(place: Place) -> None:
    (place.source / ".s2i/bin").mkdir(parents=True)
    (place.source / ".s2i/bin/assemble").write_text(
        "#!/bin/sh\n/usr/libexec/s2i/assemble && echo own > /app/own\n"
    )
    built = place.build()
    assert place.text(built, "app/own") == "own\n"
    assert place.text(built, "tmp/scripts/assemble").endswith("/app/own\n")
    assert place.entries(built)["tmp/scripts/assemble"][0].mode == 0o755
    assert "app/src/.s2i/bin/assemble" not in place.entries(built)
    assert place.config(built)["Cmd"] == ["/usr/libexec/s2i/run"]


def test_a_script_at_the_given_url_counts_before_all_others(place: Place) -> None:
    place.write("url/assemble", "#!/bin/sh\necho url > /app/from\n")
    (place.source / ".s2i/bin").mkdir(parents=True)
    for name in ("assemble", "run"):
        (place.source / ".s2i/bin" / name).write_text("#!/bin/sh\necho source > /app/from\n")
    built = place.build(scripts_url=f"file://{place.root}/url")
    assert place.text(built, "app/from") == "url\n"
    assert place.config(built)["Cmd"] == ["/tmp/scripts/run"]


def test_scripts_come_from_a_web_server(place: Place, served: tuple[Path, str]) -> None:
    folder, url = served
    (folder / "bin").mkdir()
    for name in ("assemble", "run"):
        (folder / "bin" / name).write_text("#!/bin/sh\necho web > /app/from\n")
    assert place.text(place.build(scripts_url=f"{url}/bin"), "app/from") == "web\n"


def test_a_url_without_scripts_is_an_error(place: Place) -> None:
    (place.root / "empty").mkdir(exist_ok=True)
    with pytest.raises(UsageError, match="there are no scripts"):
        place.build(scripts_url=f"file://{place.root}/empty")


def test_a_builder_without_scripts_is_told_with_the_places_that_were_looked_at(place: Place) -> None:
    place.bud("no-scripts")
    with pytest.raises(
        UsageError, match=r"no-scripts: there is no assemble script; looked in: \.s2i/bin of the source"
    ):
        place.build("no-scripts")


@pytest.mark.parametrize(
    ("builder", "url", "problem"),
    [
        ("fake", "image:///opt/none", "/opt/none/assemble is not in the image; looked in: --scripts-url"),
        ("plain-file", "", "/usr/libexec/s2i/assemble is not executable; looked in: .s2i/bin of the source"),
        ("fake", "image:///bin/busybox/..", "/assemble is not in the image"),
    ],
)
def test_a_script_that_cannot_be_run_is_told_before_anything_runs(
    place: Place, builder: str, url: str, problem: str
) -> None:
    place.bud(builder)
    with pytest.raises(BuildFailed) as caught:
        place.build(builder, scripts_url=url)
    assert problem in failure(caught.value)


def test_what_a_failing_assemble_printed_is_in_the_error(place: Place) -> None:
    (place.source / ".s2i/bin").mkdir(parents=True)
    (place.source / ".s2i/bin/assemble").write_text("#!/bin/sh\necho no compiler here\nexit 3\n")
    with pytest.raises(BuildFailed) as caught:
        place.build(tag="failed")
    assert "ended with status 3" in failure(caught.value)
    assert "no compiler here" in failure(caught.value)


def test_the_environment_of_the_source_and_of_options_is_in_assemble_and_in_the_image(place: Place) -> None:
    (place.source / ".s2i").mkdir()
    (place.source / ".s2i/environment").write_text("# who\n\nWHO=source\nGREETING=good day\nnonsense\n")
    built = place.build(environment=[("WHO", "a b")])
    assert place.text(built, "app/greeting") == "good day a b\n"
    assert place.config(built)["Env"] == ["PATH=/bin", "GREETING=good day", "WHO=a b"]
    assert any(".s2i/environment:5: expected NAME=VALUE, got 'nonsense'" in one for one in place.said)


def test_ignored_and_excluded_files_are_not_in_the_build(place: Place) -> None:
    for path in ("a.log", "keep.log", "doc/x", "doc/y", ".git/config", "src/.git/config", "b.tmp"):
        (place.source / path).parent.mkdir(parents=True, exist_ok=True)
        (place.source / path).write_text(path)
    (place.source / ".s2iignore").write_text("# logs\n*.log\n!keep.log\ndoc/x\nnothing\n")
    found = {path for path in place.entries(place.build(copy=True)) if path.startswith("app/src/")}
    assert found == {
        f"app/src/{one}" for one in (".s2iignore", "Gemfile", "b.tmp", "doc", "doc/y", "keep.log", "src")
    }
    found = set(place.entries(place.build(copy=True, exclude=r"\.tmp$")))
    assert "app/src/b.tmp" not in found
    assert "app/src/.git/config" in found


@pytest.mark.parametrize(
    ("builder", "options", "user", "owner"),
    [
        ("fake", {}, "0", (0, 0)),
        ("user", {}, "431", (431, 0)),
        ("number", {"assemble_user": "1001"}, "1001", (1001, 0)),
        ("assemble-user", {}, "432", (432, 0)),
        ("assemble-root", {}, "0", (0, 0)),
    ],
)
def test_assemble_runs_as_who_is_asked_for_and_the_image_as_before(
    place: Place, builder: str, options: dict[str, str], user: str, owner: tuple[int, int]
) -> None:
    place.bud(builder)
    built = place.build(builder, **options)
    assert place.text(built, "app/user").strip() == user
    entry, _ = place.entries(built)["tmp/src"]
    assert (entry.uid, entry.gid) == owner
    assert place.config(built).get("User", "") == {"fake": "", "user": "fakeuser"}.get(builder, "431")


@pytest.mark.parametrize(
    ("builder", "allowed", "problem"),
    [
        ("user", "1-", "its user is 'fakeuser'"),
        ("number", "1-", ""),
        ("number", "500-,1-430", "its user is '431'"),
        ("fake", "1-", "its user is 'root'"),
        ("assemble-root", "1-", "assemble-user is '0'"),
        ("assemble-user", "-432", ""),
        ("onbuild-root", "1-", "the user of an ONBUILD instruction is '0'"),
    ],
)
def test_users_must_be_in_the_allowed_ranges(place: Place, builder: str, allowed: str, problem: str) -> None:
    place.bud(builder)
    if not problem:
        place.build(builder, allowed=ranges(allowed))
        return
    with pytest.raises(UsageError, match=problem):
        place.build(builder, allowed=ranges(allowed))


def test_a_builder_without_tar_will_do(place: Place) -> None:
    place.bud("no-tar")
    assert place.text(place.build("no-tar"), "app/src/Gemfile") == "gems\n"


def test_source_and_scripts_go_where_the_label_or_the_option_says(place: Place) -> None:
    place.bud("elsewhere")
    built = place.build("elsewhere", scripts_url="")
    assert "opt/dest/src/Gemfile" in place.entries(built)
    place.write("dest/assemble", "#!/bin/sh\nls /opt/work/src > /app/listed\n")
    built = place.build("elsewhere", destination="/opt/work", scripts_url=f"file://{place.root}/dest")
    assert place.text(built, "app/listed") == "Gemfile\n"


def test_injected_files_are_there_for_assemble_and_leave_nothing(place: Place) -> None:
    place.write("secrets/secret", "secret\n")
    built = place.build(inject=[(str(place.root / "secrets"), "/app/in")])
    assert "app/secret-delivered" in place.entries(built)
    assert not any(path.startswith("app/in/") for path in place.entries(built))
    with pytest.raises(BuildFailed) as caught:
        place.build(inject=[(str(place.root / "secrets"), "bad/dir")])
    assert "fake has no folder /opt/work/bad/dir to inject files into" in failure(caught.value)


def test_artifacts_of_the_last_build_are_restored_and_a_build_of_the_same_is_a_noop(place: Place) -> None:
    first = place.build(tag="incremental", incremental=True)
    assert any(one.startswith("a clean build: ") for one in place.said)
    assert "app/restored" not in place.entries(first)
    second = place.build(tag="incremental", incremental=True)
    assert "app/restored" in place.entries(second)
    third = place.build(tag="incremental", incremental=True)
    assert [step for kind, step in third.executed if kind == "run"] == []
    assert third.digest == second.digest
    assert place.build(tag="incremental", incremental=True).executed == ()


def test_a_builder_without_save_artifacts_builds_cleanly(place: Place) -> None:
    place.bud("no-save")
    place.build("no-save", tag="unsaved")
    assert "app/restored" not in place.entries(place.build("no-save", tag="unsaved", incremental=True))


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("echo no archive", "what save-artifacts printed: "),
        ("exit 4", "ended with status 4"),
        ("cat /app/hostile.tar", "what save-artifacts printed: "),
    ],
)
def test_save_artifacts_that_gives_no_sound_archive_is_an_error(
    place: Place, script: str, problem: str
) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        member = tarfile.TarInfo("../../etc/passwd")
        archive.addfile(member)
    (place.source / "hostile.tar").write_bytes(data.getvalue())
    (place.source / ".s2i/bin").mkdir(parents=True)
    (place.source / ".s2i/bin/assemble").write_text("#!/bin/sh\ncp /tmp/src/hostile.tar /app/\n")
    (place.source / ".s2i/bin/save-artifacts").write_text(f"#!/bin/sh\n{script}\n")
    place.build(tag="unsound")
    with pytest.raises(BuildFailed) as caught:
        place.build(tag="unsound", incremental=True)
    assert problem in failure(caught.value)


def test_a_runtime_image_gets_artifacts_and_assemble_runtime_runs_there(place: Place) -> None:
    built = place.build(runtime_image="runtime", environment=[("WHO", "me")], tag="extended")
    entries = place.entries(built)
    assert place.text(built, "srv/app/greeting") == "hello me\n"
    assert place.text(built, "srv/app/lib/deps/lib") == "lib\n"
    assert place.text(built, "tmp/assembled") == "me\n"
    assert place.text(built, "tmp/user") == "431\n"
    assert "app/src" not in entries
    assert place.config(built)["Cmd"] == ["/usr/libexec/runtime/run"]
    assert "WHO=me" in place.config(built)["Env"]
    again = place.build(runtime_image="runtime", runtime_artifacts=mappings("/app/deps/lib:.", of="x"))
    assert place.text(again, "srv/app/lib") == "lib\n"


def test_an_artifact_that_assemble_did_not_make_is_told(place: Place) -> None:
    with pytest.raises(BuildFailed) as caught:
        place.build(runtime_image="runtime", runtime_artifacts=mappings("/app/none", of="x"))
    assert "/app/none is not there in fake" in failure(caught.value)
    with pytest.raises(UsageError, match="nothing says what of the builder goes into fake"):
        place.build(runtime_image="fake")
    with pytest.raises(UsageError, match="an incremental build cannot have a runtime image"):
        place.build(runtime_image="runtime", incremental=True, tag="extended")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("not json", "is not a JSON document"),
        ('{"labels": {"a": "b"}}', "there is no list of labels"),
        ('{"labels": [{"a": 1}]}', "the label 'a' is not a string"),
        ('{"labels": [{"a": "%s"}]}' % ("x" * 10240), "and 10240 are the most"),
    ],
)
def test_labels_of_a_wrong_form_are_told(place: Place, text: str, problem: str) -> None:
    (place.source / ".s2i/bin").mkdir(parents=True)
    (place.source / "labels").write_text(text)
    (place.source / ".s2i/bin/assemble").write_text(
        "#!/bin/sh\nmkdir /tmp/.s2i && cp /tmp/src/labels /tmp/.s2i/image_metadata.json\n"
    )
    with pytest.raises(BuildFailed) as caught:
        place.build()
    assert problem in failure(caught.value)


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
