"""Source-to-Image: the cases of the tests and documents of the s2i project, with builders on a busybox."""

from __future__ import annotations

import io
import json
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hermes import BuiltDockerfile
from hermes.api.s2i import SourceToImage
from hermes.build.s2i.options import S2IOptions
from hermes.errors import BuildFailed, FetchError, UsageError
from hermes.image.names import ImageNames
from hermes.image.reference import Reference
from hermes.s2i.artifacts import mappings
from hermes.s2i.users import ranges
from hermes.store import Store
from tests.integration.s2i_place import URL, Place, failure


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


def test_a_build_to_which_nothing_changed_looks_and_does_nothing_else(place: Place) -> None:
    events: list[object] = []
    folder = place.write("url/run", "#!/bin/sh\n").parent
    (place.source / ".s2i").mkdir()
    (place.source / ".s2i/environment").write_text("nonsense\n")
    asked = S2IOptions(str(place.source), "changing", "same", pull="never", scripts_url=f"file://{folder}")

    def build() -> str:
        events.clear()
        place.said.clear()
        found = SourceToImage(home=place.home, subscribers=[events.append], say=place.said.append).build(
            asked
        )
        assert any("expected NAME=VALUE" in one for one in place.said)
        return found.digest

    _name(place, "changing", "fake")
    time.sleep(0.05)  # what has just been written may change again without its times showing it
    first = build()
    assert (build(), events) == (first, [])
    changes: tuple[Callable[[], object], ...] = (
        lambda: (place.source / "new").write_text("x"),
        lambda: (place.source / "Gemfile").chmod(0o755),
        lambda: (place.source / ".s2iignore").write_text("new\n"),
        lambda: place.write("url/run", "#!/bin/sh\nexit 1\n"),
        lambda: _name(place, "changing", "no-entry"),
    )
    seen = {first}
    for change in changes:
        change()
        seen.add(build())
        assert events
    assert len(seen) == 6
    (place.source / ".git").mkdir()
    with pytest.raises(FetchError):
        build()


def _name(place: Place, name: str, of: str) -> None:
    store = Store.open(place.home)
    found = ImageNames(store).find(Reference.parse(of))
    assert found is not None
    ImageNames(store).set(Reference.parse(name), found)
    store.close()


def test_what_assemble_moves_or_removes_of_the_source_is_nowhere_else_in_the_layer(place: Place) -> None:
    (place.source / "gone").mkdir()
    (place.source / "gone/file").write_text("x")
    place.write(
        "url/assemble", "#!/bin/sh\nset -e\nrm -r /tmp/src/gone\nmv /tmp/src /app/moved\nrm -r /tmp/scripts\n"
    )
    place.write("url/run", "#!/bin/sh\n")
    entries = place.entries(place.build(scripts_url=f"file://{place.root}/url"))
    assert set(entries) == {"app", "app/moved", "app/moved/Gemfile"}
    assert entries["app"][0].mode == 0o777


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
    with pytest.raises(UsageError, match="nothing says which files of the builder go into fake"):
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
